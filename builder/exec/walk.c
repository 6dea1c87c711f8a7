/*
 * Walking the plan. First from what is wanted downwards: a step whose result is in the store needs
 * nothing below it. Then the others upwards, on up to as many threads as there are processors: once
 * a step's inputs are there it is looked up again by what these are, not by how they came about,
 * and only then run. While a step is run its key is locked, so that of two builds one runs it.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

#define HELPERS_MAX 63

struct walk {
	struct build *b;
	pthread_mutex_t mutex; /* of all below, of the plan's keys, and of the runs' flags */
	pthread_cond_t changed;
	pthread_t helpers[HELPERS_MAX];
	size_t helper_count;
	size_t waiting; /* threads without a step that is ready */
	size_t left;	/* needed and not done */
	int failed;	/* lowest step that failed, or -1 */
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

/* A step that is being made. */
struct job {
	struct walk *walk;
	size_t index;
	struct uni_digest key;
	int lock; /* of the key; -1: none */
	bool cold;
	bool there; /* in the store, after all */
	bool made;
	int rc;
	struct uni_err err;
	struct uni_buf messages;
	pthread_t thread;
	bool started;
};

/* Under its key's lock it is looked up again: another build may have made it. */
static int begin(struct job *job)
{
	struct build *b = job->walk->b;
	const struct uni_step *step = uni_plan_step(b->plan, job->index);
	int rc;

	/* Nobody can wait for what has no name yet. */
	if (job->cold)
		return 0;
	rc = uni_store_key_lock(b->store, &job->key, &job->lock, &job->err);
	if (rc == 0)
		rc = look_up(b, job->index, &job->key, &job->err);
	if (rc <= 0)
		return rc;
	rc = secrets_check(b, job->index, &job->err);
	if (rc != 0)
		return rc;
	tell(b, UNI_EVENT_STEP_CACHED, step, 0);
	if (uses_steps(step) && step->has_key)
		rc = uni_store_result_alias(b->store, &job->key, &step->key,
					    &b->runs[job->index].record, &job->err);
	job->there = rc == 0;
	return rc;
}

static int run_now(struct job *job)
{
	struct build *b = job->walk->b;
	const struct uni_step *step = uni_plan_step(b->plan, job->index);
	struct run *run = &b->runs[job->index];
	int rc;

	run->began_ns = uni_clock_mono_ns();
	tell(b, UNI_EVENT_STEP_START, step, 0);
	rc = uni_check_cancel(&job->err);
	if (rc == 0)
		rc = op_run(b, job->index, &run->record, &job->messages, &job->err);
	if (rc != 0)
		return rc;
	run->ran = true;
	tell(b, UNI_EVENT_STEP_DONE, step, uni_clock_mono_ns() - run->began_ns);
	return 0;
}

/* The result under both of its keys: how it came about, and what it was made of. */
static int keep(struct job *job)
{
	struct build *b = job->walk->b;
	const struct uni_step *step = uni_plan_step(b->plan, job->index);
	struct run *run = &b->runs[job->index];
	int rc = uni_store_result_put(b->store, &job->key, &run->record, &job->err);

	run->by_output = job->key;
	if (rc == 0 && step->has_key)
		rc = uni_store_result_alias(b->store, &job->key, &step->key, &run->record,
					    &job->err);
	return rc;
}

static int make(struct job *job)
{
	struct walk *w = job->walk;
	int rc = run_now(job);

	if (rc == 0)
		rc = secrets_check(w->b, job->index, &job->err);
	if (rc != 0)
		return rc;
	if (job->cold) {
		pthread_mutex_lock(&w->mutex);
		rc = settle_cold(w->b, job->index, &job->err);
		pthread_mutex_unlock(&w->mutex);
		job->key = uni_plan_step(w->b->plan, job->index)->key;
	}
	if (rc == 0)
		rc = keep(job);
	job->made = rc == 0;
	return rc;
}

/* --- forms of disks: one pass for all --- */

static void *make_in_pass(void *user)
{
	struct job *job = user;

	job->rc = make(job);
	disk_pass_leave(&job->walk->b->runs[job->index]);
	return NULL;
}

/* As many threads as forms: each waits for the others. One that gets none runs when they have. */
static void make_side_by_side(struct job *const *jobs, size_t count)
{
	struct run *runs = jobs[0]->walk->b->runs;

	for (size_t i = 1; i < count; i++) {
		jobs[i]->started =
			uni_thread_start(&jobs[i]->thread, (unsigned)i, make_in_pass, jobs[i]);
		if (!jobs[i]->started)
			disk_pass_leave(&runs[jobs[i]->index]);
	}
	make_in_pass(jobs[0]);
	for (size_t i = 1; i < count; i++) {
		if (jobs[i]->started)
			pthread_join(jobs[i]->thread, NULL);
		else
			jobs[i]->rc = make(jobs[i]);
	}
}

static void make_all(struct job *const *jobs, size_t count)
{
	struct build *b = jobs[0]->walk->b;
	struct disk_pass *pass UNI_AUTO(disk_pass) = NULL;
	size_t *steps UNI_AUTO_FREE = uni_alloc_array(count, sizeof(*steps));

	if (count == 1) {
		jobs[0]->rc = make(jobs[0]);
		return;
	}
	for (size_t i = 0; i < count; i++)
		steps[i] = jobs[i]->index;
	jobs[0]->rc = disk_pass_open(&pass, b, steps, count, &jobs[0]->err);
	if (jobs[0]->rc != 0)
		return;
	for (size_t i = 0; i < count; i++)
		disk_pass_join(pass, &b->runs[steps[i]]);
	make_side_by_side(jobs, count);
}

static int by_key(const void *a, const void *b)
{
	const struct job *x = a, *y = b;

	return uni_digest_cmp(&x->key, &y->key);
}

/* Locks are taken in the order of the keys, as any other build does it. */
static void do_jobs(struct job *jobs, size_t count)
{
	struct job **left UNI_AUTO_FREE = uni_alloc_array(count, sizeof(struct job *));
	size_t missing = 0;
	bool failed = false;

	qsort(jobs, count, sizeof(*jobs), by_key);
	for (size_t i = 0; i < count && !failed; i++) {
		jobs[i].rc = begin(&jobs[i]);
		failed = jobs[i].rc != 0;
		if (!failed && !jobs[i].there)
			left[missing++] = &jobs[i];
	}
	if (!failed && missing != 0)
		make_all(left, missing);
	for (size_t i = 0; i < count; i++)
		uni_close_fd(&jobs[i].lock);
}

/* --- who does what; the mutex is held --- */

static bool inputs_done(const struct walk *w, size_t index)
{
	const struct uni_step *step = uni_plan_step(w->b->plan, index);

	for (size_t i = 0; i < step->input_count; i++)
		if (step->inputs[i].step >= 0 && !w->b->runs[step->inputs[i].step].done)
			return false;
	return true;
}

static bool waits(const struct walk *w, size_t index)
{
	const struct run *run = &w->b->runs[index];

	return run->needed && !run->done && !run->started;
}

/* Whether step `with` is done when `index` is: the step itself, and those that share its pass. */
static bool goes_along(const struct walk *w, size_t index, size_t with)
{
	enum uni_step_op op = uni_plan_step(w->b->plan, index)->op;

	return with == index || (waits(w, with) && uni_step_op_shares(op) &&
				 uni_plan_step(w->b->plan, with)->op == op);
}

static bool ready(const struct walk *w, size_t index)
{
	if (!waits(w, index))
		return false;
	for (size_t i = 0; i < uni_plan_count(w->b->plan); i++)
		if (goes_along(w, index, i) && !inputs_done(w, i))
			return false;
	return true;
}

static void add_job(struct walk *w, size_t index, struct job *job)
{
	struct build *b = w->b;
	const struct uni_step *step = uni_plan_step(b->plan, index);

	*job = (struct job){
		.walk = w,
		.index = index,
		.lock = -1,
		.cold = !step->has_key && !uses_steps(step),
		.err = UNI_ERR_INIT,
		.messages = UNI_BUF_INIT,
	};
	job->key = uses_steps(step) ? output_key(b, step) : step->key;
	b->runs[index].started = true;
}

/* The first that can be made; the plan's count: none. */
static size_t first_ready(const struct walk *w)
{
	size_t index = 0;

	while (index < uni_plan_count(w->b->plan) && !ready(w, index))
		index++;
	return index;
}

static void *work(void *user);

/* One thread more, where a step is ready that nobody is free for: a plan that is a chain needs
 * none. Without it the step only waits. */
static void call_helper(struct walk *w)
{
	if (w->waiting != 0 || w->helper_count == HELPERS_MAX ||
	    w->helper_count + 1 >= uni_processors() || first_ready(w) == uni_plan_count(w->b->plan))
		return;
	if (uni_thread_start(&w->helpers[w->helper_count], (unsigned)w->helper_count + 1, work, w))
		w->helper_count++;
}

/* Waits for steps that can be made, and takes the first with what goes along; 0: there is nothing
 * more to do. `jobs` has room for the whole plan. */
static size_t take_jobs(struct walk *w, struct job *jobs)
{
	size_t plan = uni_plan_count(w->b->plan);
	size_t count = 0;

	while (w->left != 0 && w->failed < 0) {
		size_t first = first_ready(w);

		for (size_t i = first; i < plan; i++)
			if (goes_along(w, first, i))
				add_job(w, i, &jobs[count++]);
		if (count != 0) {
			call_helper(w);
			return count;
		}
		w->waiting++;
		pthread_cond_wait(&w->changed, &w->mutex);
		w->waiting--;
	}
	return 0;
}

static void finish_job(struct walk *w, struct job *job)
{
	struct run *run = &w->b->runs[job->index];

	if (job->there || job->made) {
		run->done = true;
		w->b->ran += run->ran;
		w->b->received += run->received;
		w->left--;
	} else if (job->rc != 0 && (w->failed < 0 || (int)job->index < w->failed)) {
		w->failed = (int)job->index;
		w->err = job->err;
		uni_buf_free(&w->messages);
		w->messages = job->messages;
		job->messages = (struct uni_buf)UNI_BUF_INIT;
	}
	uni_buf_free(&job->messages);
	pthread_cond_broadcast(&w->changed);
}

static void *work(void *user)
{
	struct walk *w = user;
	struct job *jobs UNI_AUTO_FREE = uni_alloc_array(uni_plan_count(w->b->plan), sizeof(*jobs));
	size_t count;

	pthread_mutex_lock(&w->mutex);
	while ((count = take_jobs(w, jobs)) != 0) {
		pthread_mutex_unlock(&w->mutex);
		do_jobs(jobs, count);
		pthread_mutex_lock(&w->mutex);
		for (size_t i = 0; i < count; i++)
			finish_job(w, &jobs[i]);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

/* This thread is one of those that work. None is called when it has ended. */
static void work_all(struct walk *w)
{
	work(w);
	for (size_t i = 0; i < w->helper_count; i++)
		pthread_join(w->helpers[i], NULL);
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
