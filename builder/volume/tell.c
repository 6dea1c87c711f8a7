/*
 * Telling machines that a volume has new content, by their doorbells, and waiting for what they
 * write into these; before that, waiting until none holds the slot that is to be written.
 */
#include <uni/base/mem.h>
#include <uni/base/system.h>

#include "internal.h"

#define MS UINT64_C(1000000)
/* A knock is not lost, only late: to repeat it soon makes machines that are busy with it busier. */
enum { AGAIN_MS = 2000, ASK_MS = 100, WAIT_MS = 20, READ_MS = 100, SILENT_MS = 1000 };

static void set_trouble(struct uni_volume_user *user, const char *text)
{
	free(user->trouble);
	user->trouble = uni_strdup(text);
}

static struct uni_bells *bells_of(const struct uni_volume_users *users)
{
	struct uni_bells *bells = uni_bells_new();

	for (size_t i = 0; i < users->count; i++)
		uni_bells_add(bells, users->items[i].machine);
	return bells;
}

static bool read_answer(const struct uni_volume_user *user, struct uni_bell_answer *answer)
{
	struct uni_err ignored = UNI_ERR_INIT;

	return uni_detached_answer(user->machine, user->index, answer, &ignored) == 0;
}

static const char *reason_text(uint32_t reason)
{
	switch ((enum uni_bell_reason)reason) {
	case UNI_BELL_SIGNATURE:
		return "it is not signed by the key that this machine was built with";
	case UNI_BELL_VERSION_NEW:
		return "its format is not known there";
	case UNI_BELL_OLD:
		return "it is older than the least generation that this machine takes";
	case UNI_BELL_CONTENT:
		return "it is damaged";
	case UNI_BELL_MEMORY:
		return "memory is out there";
	case UNI_BELL_NONE:
		break;
	}
	return "refused";
}

/* Whether there is nothing more to wait for from this one. */
static bool settled(struct uni_volume_user *user, uint64_t generation)
{
	struct uni_bell_answer a;

	if (user->serves)
		return true;
	if (!read_answer(user, &a))
		return false;
	if (a.generation >= generation) {
		user->serves = true;
		free(user->trouble);
		user->trouble = NULL;
		return true;
	}
	if (a.status == UNI_BELL_REFUSED && a.refused == generation) {
		UNI_AUTO_FREE char *text =
			uni_asprintf("refuses generation %llu: %s", (unsigned long long)generation,
				     reason_text(a.reason));

		set_trouble(user, text);
		return true;
	}
	return false;
}

/*
 * One round of waiting: rings, again after a while, for those of whom `done` is not true; their
 * answers are read when they have changed, and now and then because not every host can tell.
 */
struct round {
	struct uni_volume_users *users;
	struct uni_bells *bells;
	bool *done;
	uint64_t start, ring_at, read_at;
};

static void round_open(struct round *r, struct uni_volume_users *users)
{
	*r = (struct round){ .users = users, .bells = bells_of(users) };
	r->done = uni_alloc_array(users->count + 1, sizeof(*r->done));
	r->start = uni_clock_mono_ns();
}

static void round_close(struct round *r)
{
	uni_bells_free(r->bells);
	free(r->done);
}

static bool is_due(uint64_t *at, unsigned every_ms)
{
	uint64_t now = uni_clock_mono_ns();

	if (now < *at)
		return false;
	*at = now + every_ms * MS;
	return true;
}

static void round_ring(struct round *r, unsigned every_ms)
{
	if (!is_due(&r->ring_at, every_ms))
		return;
	for (size_t i = 0; i < r->users->count; i++)
		if (!r->done[i])
			uni_bells_ring(r->bells, i);
}

static bool round_is_over(const struct round *r, unsigned limit_ms)
{
	return uni_clock_mono_ns() - r->start >= limit_ms * MS;
}

/* Of the answers that are not in: how many. */
static size_t round_read(struct round *r, bool (*done)(struct uni_volume_user *user, void *arg),
			 void *arg)
{
	bool all = is_due(&r->read_at, READ_MS);
	size_t left = 0;

	for (size_t i = 0; i < r->users->count; i++) {
		if (!r->done[i] && (uni_bells_changed(r->bells, i) || all))
			r->done[i] = done(&r->users->items[i], arg);
		left += !r->done[i];
	}
	return left;
}

static bool is_settled(struct uni_volume_user *user, void *generation)
{
	return settled(user, *(const uint64_t *)generation);
}

static void note_silence(const struct round *r, int wait_ms)
{
	for (size_t i = 0; i < r->users->count; i++) {
		struct uni_volume_user *user = &r->users->items[i];
		const char *why = uni_bells_trouble(r->bells, i);
		UNI_AUTO_FREE char *silent = uni_asprintf("has not answered within %d ms", wait_ms);

		if (!user->serves && user->trouble == NULL && (why != NULL || wait_ms > 0))
			set_trouble(user, why != NULL ? why : silent);
	}
}

void volume_users_tell(struct uni_volume_users *users, uint64_t generation, int wait_ms)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct round r;
	int rc = 0;

	if (users->count == 0)
		return;
	round_open(&r, users);
	round_ring(&r, AGAIN_MS);
	while (rc == 0 &&
	       (wait_ms > 0 ? round_read(&r, is_settled, &generation) != 0 &&
				      !round_is_over(&r, (unsigned)wait_ms)
			    : uni_bells_ringing(r.bells) && !round_is_over(&r, SILENT_MS))) {
		rc = uni_bells_wait(r.bells, WAIT_MS, &ignored);
		if (wait_ms > 0)
			round_ring(&r, AGAIN_MS);
	}
	note_silence(&r, wait_ms);
	round_close(&r);
}

/* -- before a slot is written -- */

/* Whether this machine is known to hold the slot. `fresh`: its answer is of now. */
static bool holds(const struct uni_volume_user *user, uint64_t current, uint64_t inactive,
		  bool *fresh)
{
	struct uni_bell_answer a;

	*fresh = false;
	if (!read_answer(user, &a))
		return false;
	/* From the current generation on it can only move up. */
	*fresh = a.generation >= current && a.pinned >= current;
	return a.pinned <= inactive;
}

static int name_holders(const struct uni_volume_users *users, uint64_t current, uint64_t inactive,
			struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf names = UNI_BUF_INIT;
	struct uni_bell_answer a;
	bool refused = false;
	bool fresh;

	for (size_t i = 0; i < users->count; i++) {
		if (!holds(&users->items[i], current, inactive, &fresh))
			continue;
		uni_buf_printf(&names, "%s%s", names.size != 0 ? ", " : "",
			       users->items[i].machine);
		refused = refused || (read_answer(&users->items[i], &a) && a.refused == current);
	}
	if (refused) {
		uni_err_set(err, UNI_E_BUSY,
			    "generation %llu is refused by %s, which serves the one before",
			    (unsigned long long)current, uni_buf_text(&names));
		return uni_err_hint(err, "uni volume rollback goes back to that; sign it if they "
					 "want it signed");
	}
	uni_err_set(err, UNI_E_BUSY, "files of generation %llu are still open in %s",
		    (unsigned long long)inactive, uni_buf_text(&names));
	return uni_err_hint(err, "wait longer for them to be closed (--timeout SECONDS)");
}

struct slot {
	uint64_t current, inactive;
};

static bool is_clear(struct uni_volume_user *user, void *arg)
{
	const struct slot *slot = arg;
	bool fresh;

	(void)holds(user, slot->current, slot->inactive, &fresh);
	return fresh;
}

static bool is_held(const struct uni_volume_users *users, const struct slot *slot)
{
	bool held = false, fresh;

	for (size_t i = 0; i < users->count; i++)
		held = holds(&users->items[i], slot->current, slot->inactive, &fresh) || held;
	return held;
}

int volume_users_clear_slot(struct uni_volume_users *users, uint64_t current, uint64_t inactive,
			    int wait_ms, struct uni_err *err)
{
	unsigned patience = wait_ms > SILENT_MS ? (unsigned)wait_ms : SILENT_MS;
	struct slot slot = { .current = current, .inactive = inactive };
	struct round r;
	int rc = 0;

	if (inactive == 0)
		return 0;
	round_open(&r, users);
	while (rc == 0 && round_read(&r, is_clear, &slot) != 0) {
		/* Who does not answer is not waited for; who holds it is. */
		if (round_is_over(&r, SILENT_MS) && !is_held(users, &slot))
			break;
		if (round_is_over(&r, patience)) {
			rc = name_holders(users, current, inactive, err);
			break;
		}
		round_ring(&r, ASK_MS);
		rc = uni_bells_wait(r.bells, WAIT_MS, err);
	}
	round_close(&r);
	return rc;
}
