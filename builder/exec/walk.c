/*
 * Walking the plan. First from what is wanted downwards: a step whose result is in the store needs
 * nothing below it. Then the others upwards, on as many threads as there are processors: once a
 * step's inputs are there it is looked up again by what these are, not by how they came about, and
 * only then run. While a step is run its key is locked, so that of two builds one runs it.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <uni/base/system.h>

struct walk {
	struct build *b;
	pthread_mutex_t mutex; /* of all below, of the plan's keys, and of the runs' flags */
	pthread_cond_t changed;
	size_t left; /* needed and not done */
	size_t running;
	int failed; /* lowest step that failed, or -1 */
	struct uni_err err;
	struct uni_buf messages; /* of the failed step */
};

static void tell(struct build *b, enum uni_event_kind kind, const struct uni_step *step,
		 uint64_t ns)
{
	uni_event_send(b->events, &(struct uni_event){ .kind = kind,
						       .name = step->id,
						       .total = uni_plan_count(b->plan),
						       .ns = ns });
}

/* 1: found, 0: not, negative: error. */
static int look_up(struct build *b, size_t index, const struct uni_digest *key, struct uni_err *err)
{
	int rc;

	if (b->options->fresh)
		return 0;
	rc = uni_store_result_get(b->store, key, &b->runs[index].record, err);
	if (rc == 0 && shared_receive(b, key, &b->runs[index].record))
		rc = b->runs[index].received = true;
	if (rc == 1)
		uni_plan_set_state(b->plan, index, UNI_STEP_CACHED);
	return rc;
}

static int want(struct build *b, size_t index, struct uni_err *err)
{
	const struct uni_step *step = uni_plan_step(b->plan, index);
	struct run *run = &b->runs[index];
	int rc = 0;

	if (run->done || run->needed)
		return 0;
	if (step->has_key)
		rc = look_up(b, index, &step->key, err);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		run->done = true;
		b->received += run->received;
		tell(b, UNI_EVENT_STEP_CACHED, step, 0);
		return secrets_check(b, index, err);
	}
	run->needed = true;
	uni_plan_set_state(b->plan, index, UNI_STEP_WOULD_RUN);
	for (size_t i = 0; i < step->input_count; i++) {
		if (step->inputs[i].step < 0)
			continue;
		rc = want(b, (size_t)step->inputs[i].step, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Over an input's bytes and its maker's words about them. */
static struct uni_digest output_digest(struct build *b, const struct uni_step *step, size_t input)
{
	const struct uni_store_record *record = input_record(b, step, input);
	struct uni_hash hash;

	uni_hash_start(&hash);
	for (size_t i = 0; i < record->count; i++) {
		uni_hash_add_text(&hash, record->entries[i].name);
		uni_hash_add(&hash, record->entries[i].digest.bytes, 32);
	}
	uni_hash_add_text(&hash, record->meta);
	return uni_hash_end(&hash);
}

static struct uni_digest output_key(struct build *b, const struct uni_step *step)
{
	struct uni_digest *outputs UNI_AUTO_FREE =
		uni_alloc_array(step->input_count + 1, sizeof(*outputs));

	for (size_t i = 0; i < step->input_count; i++)
		if (step->inputs[i].step >= 0)
			outputs[i] = output_digest(b, step, i);
	return uni_step_output_key(step, outputs);
}

static bool uses_steps(const struct uni_step *step)
{
	for (size_t i = 0; i < step->input_count; i++)
		if (step->inputs[i].step >= 0)
			return true;
	return false;
}

static int run_now(struct walk *w, size_t index, struct uni_buf *messages, struct uni_err *err)
{
	struct build *b = w->b;
	const struct uni_step *step = uni_plan_step(b->plan, index);
	uint64_t start = uni_clock_mono_ns();
	int rc;

	tell(b, UNI_EVENT_STEP_START, step, 0);
	rc = uni_check_cancel(err);
	if (rc == 0)
		rc = op_run(b, index, &b->runs[index].record, messages, err);
	if (rc != 0)
		return rc;
	b->runs[index].ran = true;
	tell(b, UNI_EVENT_STEP_DONE, step, uni_clock_mono_ns() - start);
	return 0;
}

/* The result under both of its keys: how it came about, and what it was made of. */
static int keep(struct build *b, const struct uni_step *step, size_t index,
		const struct uni_digest *by_outputs, struct uni_err *err)
{
	const struct uni_store_record *record = &b->runs[index].record;
	int rc = uni_store_result_put(b->store, by_outputs, record, err);

	b->runs[index].by_output = *by_outputs;
	if (rc == 0 && step->has_key)
		rc = uni_store_result_alias(b->store, by_outputs, &step->key, record, err);
	return rc;
}

static int do_step(struct walk *w, size_t index, struct uni_buf *messages, struct uni_err *err)
{
	struct build *b = w->b;
	const struct uni_step *step = uni_plan_step(b->plan, index);
	bool cold = !step->has_key && !uses_steps(step);
	struct uni_digest key = uses_steps(step) ? output_key(b, step) : step->key;
	int lock UNI_AUTO_CLOSE = -1;
	int rc;

	/* Nobody can wait for what has no name yet. */
	if (!cold) {
		rc = uni_store_key_lock(b->store, &key, &lock, err);
		if (rc == 0)
			rc = look_up(b, index, &key, err);
		if (rc == 1 && secrets_check(b, index, err) != 0)
			return err->code;
		if (rc < 0)
			return rc;
		if (rc == 1) {
			tell(b, UNI_EVENT_STEP_CACHED, step, 0);
			return uses_steps(step) && step->has_key
				       ? uni_store_result_alias(b->store, &key, &step->key,
								&b->runs[index].record, err)
				       : 0;
		}
	}
	rc = run_now(w, index, messages, err);
	if (rc == 0)
		rc = secrets_check(b, index, err);
	if (rc != 0)
		return rc;
	if (cold) {
		pthread_mutex_lock(&w->mutex);
		rc = settle_cold(b, index, err);
		pthread_mutex_unlock(&w->mutex);
		key = step->key;
	}
	return rc != 0 ? rc : keep(b, step, index, &key, err);
}

static bool ready(const struct walk *w, size_t index)
{
	const struct uni_step *step = uni_plan_step(w->b->plan, index);
	const struct run *run = &w->b->runs[index];

	if (!run->needed || run->done || run->started)
		return false;
	for (size_t i = 0; i < step->input_count; i++)
		if (step->inputs[i].step >= 0 && !w->b->runs[step->inputs[i].step].done)
			return false;
	return true;
}

static void finish_step(struct walk *w, size_t index, int rc, const struct uni_err *err,
			struct uni_buf *messages)
{
	if (rc == 0) {
		w->b->runs[index].done = true;
		w->b->ran += w->b->runs[index].ran;
		w->b->received += w->b->runs[index].received;
		w->left--;
	} else if (w->failed < 0 || (int)index < w->failed) {
		w->failed = (int)index;
		w->err = *err;
		uni_buf_free(&w->messages);
		w->messages = *messages;
		*messages = (struct uni_buf)UNI_BUF_INIT;
	}
	w->running--;
	pthread_cond_broadcast(&w->changed);
}

/* Held: the mutex. Takes the first step that can go; false when there is nothing more to do. */
static bool next_step(struct walk *w, size_t *index)
{
	for (;;) {
		if (w->left == 0 || w->failed >= 0)
			return false;
		for (*index = 0; *index < uni_plan_count(w->b->plan); (*index)++) {
			if (ready(w, *index)) {
				w->b->runs[*index].started = true;
				w->running++;
				return true;
			}
		}
		pthread_cond_wait(&w->changed, &w->mutex);
	}
}

static void *work(void *user)
{
	struct walk *w = user;
	size_t index;

	pthread_mutex_lock(&w->mutex);
	while (next_step(w, &index)) {
		struct uni_buf messages UNI_AUTO_BUF = UNI_BUF_INIT;
		struct uni_err err = UNI_ERR_INIT;
		int rc;

		pthread_mutex_unlock(&w->mutex);
		rc = do_step(w, index, &messages, &err);
		pthread_mutex_lock(&w->mutex);
		finish_step(w, index, rc, &err, &messages);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

static void work_all(struct walk *w)
{
	pthread_t threads[64];
	size_t wanted = uni_processors(), count = 0;

	if (wanted > UNI_COUNT(threads))
		wanted = UNI_COUNT(threads);
	/* This thread is one of them; with fewer than asked for it goes on all the same. */
	while (count + 1 < wanted && count + 1 < w->left &&
	       pthread_create(&threads[count], NULL, work, w) == 0)
		count++;
	work(w);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static int report(struct walk *w, struct uni_err *err)
{
	const struct uni_step *step;

	if (w->failed < 0)
		return 0;
	step = uni_plan_step(w->b->plan, (size_t)w->failed);
	*err = w->err;
	if (err->code == UNI_E_CANCELLED)
		return err->code;
	w->b->log = log_keep(w->b, step, &w->messages, &w->err);
	/* Where the operation has said as much already, it is not said twice. */
	if (uni_str_starts(err->text, step->id) || strstr(err->text, w->b->recipe->path) != NULL)
		return err->code;
	return uni_err_context(err, "%s", step->id);
}

int build_walk(struct build *b, const int *wanted, size_t count, struct uni_err *err)
{
	struct walk w = { .b = b, .failed = -1 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = want(b, (size_t)wanted[i], err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < uni_plan_count(b->plan); i++)
		w.left += b->runs[i].needed && !b->runs[i].done;
	if (w.left == 0)
		return 0;
	rc = base_check(b, err);
	if (rc != 0)
		return rc;
	pthread_mutex_init(&w.mutex, NULL);
	pthread_cond_init(&w.changed, NULL);
	work_all(&w);
	rc = report(&w, err);
	uni_buf_free(&w.messages);
	pthread_cond_destroy(&w.changed);
	pthread_mutex_destroy(&w.mutex);
	return rc;
}

int build_look(struct build *b, struct uni_err *err)
{
	for (size_t i = 0; i < uni_plan_count(b->plan); i++) {
		const struct uni_step *step = uni_plan_step(b->plan, i);
		bool known = step->has_key && uni_store_result_known(b->store, &step->key);

		uni_plan_set_state(b->plan, i, known ? UNI_STEP_CACHED : UNI_STEP_WOULD_RUN);
	}
	return uni_check_cancel(err);
}
