/*
 * poll(2) and select(2): stand on the queues of all files at once, look at each, sleep, look again.
 */
#include <uk/signal.h>

#include "calls.h"

enum { CHUNK = 16, FDS_MAX = 1 << 20, SECOND = 1000000000 };

struct chunk {
	struct chunk *next;
	unsigned used;
	struct uk_waiter waiter[CHUNK];
};

/* The queues one call stands on; the first few need no memory. */
struct stand {
	struct uk_poll poll;
	struct chunk *chunks; /* the newest first; its end is `first` */
	struct chunk first;
	struct uk_waitq never; /* so that the call waits although no file has a queue */
	bool failed;	       /* out of memory */
};

static void stand_add(struct uk_poll *poll, struct uk_waitq *q)
{
	struct stand *stand = uk_container(poll, struct stand, poll);
	struct uk_waiter *waiter;

	if (stand->chunks->used == CHUNK) {
		struct chunk *chunk = uk_alloc(sizeof(*chunk));

		if (chunk == NULL) {
			stand->failed = true;
			return;
		}
		chunk->next = stand->chunks;
		stand->chunks = chunk;
	}
	waiter = &stand->chunks->waiter[stand->chunks->used++];
	waiter->fn = NULL;
	uk_wait_prepare(q, waiter);
}

static void stand_begin(struct stand *stand)
{
	stand->poll.add = stand_add;
	stand->chunks = &stand->first;
	stand->first.next = NULL;
	stand->first.used = 0;
	stand->failed = false;
	uk_waitq_init(&stand->never);
	stand_add(&stand->poll, &stand->never);
}

static void stand_end(struct stand *stand)
{
	while (stand->chunks != NULL) {
		struct chunk *chunk = stand->chunks;

		for (unsigned i = 0; i < chunk->used; i++)
			uk_wait_finish(&chunk->waiter[i]);
		stand->chunks = chunk->next;
		if (chunk != &stand->first)
			uk_free(chunk);
	}
}

/* Looks at every file; how many have something to say. `poll` NULL: on the queues already. */
typedef int look(void *what, struct uk_poll *poll);

static int wait_for(look *all, void *what, uint64_t deadline)
{
	struct stand stand;
	bool late = deadline <= uk_time_mono();
	int count;

	if (late)
		return all(what, NULL);
	stand_begin(&stand);
	count = all(what, &stand.poll);
	while (count == 0 && !late) {
		if (stand.failed)
			count = -UK_ENOMEM;
		else if (uk_signal_pending())
			count = -UK_EINTR;
		else {
			late = !uk_wait_sleep(deadline);
			count = all(what, NULL);
		}
	}
	stand_end(&stand);
	return count;
}

uint64_t fs_deadline_after_ms(int ms)
{
	if (ms < 0)
		return UK_FOREVER;
	return ms == 0 ? 0 : uk_time_mono() + (uint64_t)ms * 1000000;
}

static uint64_t deadline_after(int64_t sec, int64_t nsec)
{
	uint64_t ns;

	if (sec == 0 && nsec == 0)
		return 0;
	if (__builtin_mul_overflow((uint64_t)sec, (uint64_t)SECOND, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)nsec + uk_time_mono(), &ns))
		return UK_FOREVER;
	return ns;
}

int fs_deadline_from_user(uint64_t user, uint64_t *deadline)
{
	struct uk_linux_timespec t;

	*deadline = UK_FOREVER;
	if (user == 0)
		return 0;
	if (uk_copy_from_user(&t, user, sizeof(t)) != 0)
		return -UK_EFAULT;
	if (t.sec < 0 || t.nsec < 0 || t.nsec >= SECOND)
		return -UK_EINVAL;
	*deadline = deadline_after(t.sec, t.nsec);
	return 0;
}

/* -- poll -- */

struct poll_set {
	struct uk_linux_pollfd *fds;
	unsigned count;
};

static int poll_look(void *what, struct uk_poll *poll)
{
	const struct poll_set *set = what;
	int ready = 0;

	for (unsigned i = 0; i < set->count; i++) {
		struct uk_linux_pollfd *p = &set->fds[i];
		unsigned events = UK_POLLNVAL;
		struct uk_file *file;

		p->revents = 0;
		if (p->fd < 0)
			continue;
		file = fs_fd_real(p->fd);
		if (file != NULL) {
			events = fs_poll(file, poll) &
				 ((uint16_t)p->events | UK_POLLERR | UK_POLLHUP);
			uk_file_put(file);
		}
		p->revents = (int16_t)events;
		ready += events != 0;
		if (ready != 0)
			poll = NULL; /* it will not come to sleeping */
	}
	return ready;
}

static int64_t poll_files(uint64_t user, uint64_t count, uint64_t deadline)
{
	struct uk_linux_pollfd room[CHUNK];
	struct poll_set set = { room, (unsigned)count };
	int64_t result = 0;

	if (count > uk_fd_limit() || count > FDS_MAX)
		return -UK_EINVAL;
	if (count > UK_COUNT(room)) {
		set.fds = uk_alloc(count * sizeof(*set.fds));
		if (set.fds == NULL)
			return -UK_ENOMEM;
	}
	if (uk_copy_from_user(set.fds, user, count * sizeof(*set.fds)) != 0)
		result = -UK_EFAULT;
	if (result == 0)
		result = wait_for(poll_look, &set, deadline);
	if (result >= 0 && uk_copy_to_user(user, set.fds, count * sizeof(*set.fds)) != 0)
		result = -UK_EFAULT;
	if (set.fds != room)
		uk_free(set.fds);
	return result;
}

int64_t uk_sys_poll(const struct uk_sysargs *s)
{
	return poll_files(s->a[0], (uint32_t)s->a[1], fs_deadline_after_ms(fs_arg_int(s->a[2])));
}

int64_t uk_sys_ppoll(const struct uk_sysargs *s)
{
	uint64_t deadline;
	int64_t result = fs_deadline_from_user(s->a[2], &deadline);

	if (result == 0)
		result = uk_signal_mask_from_user(s->a[3], s->a[4]);
	if (result != 0)
		return result;
	result = poll_files(s->a[0], (uint32_t)s->a[1], deadline);
	uk_signal_mask_restore(result == -UK_EINTR);
	return result;
}

/* -- select -- */

enum { READ, WRITE, EXCEPT, SETS };

struct select_set {
	unsigned count;	    /* descriptors */
	size_t words;	    /* 64-bit, in each map */
	uint64_t *in[SETS]; /* as asked */
	uint64_t *out[SETS];
};

static const unsigned select_events[SETS] = {
	UK_POLLRDNORM | UK_POLLRDBAND | UK_POLLIN | UK_POLLHUP | UK_POLLERR,
	UK_POLLWRBAND | UK_POLLWRNORM | UK_POLLOUT | UK_POLLERR,
	UK_POLLPRI,
};

static int select_one(const struct select_set *set, unsigned fd, struct uk_poll *poll)
{
	uint64_t bit = 1ull << fd % 64;
	struct uk_file *file;
	unsigned events;
	int ready = 0;

	if (((set->in[READ][fd / 64] | set->in[WRITE][fd / 64] | set->in[EXCEPT][fd / 64]) & bit) ==
	    0)
		return 0;
	file = fs_fd_real((int)fd);
	if (file == NULL)
		return -UK_EBADF;
	events = fs_poll(file, poll);
	uk_file_put(file);
	for (unsigned i = 0; i < SETS; i++) {
		if ((set->in[i][fd / 64] & bit) == 0 || (events & select_events[i]) == 0)
			continue;
		set->out[i][fd / 64] |= bit;
		ready++;
	}
	return ready;
}

static int select_look(void *what, struct uk_poll *poll)
{
	const struct select_set *set = what;
	int ready = 0;

	memset(set->out[0], 0, SETS * set->words * sizeof(uint64_t));
	for (unsigned fd = 0; fd < set->count; fd++) {
		int one = select_one(set, fd, ready == 0 ? poll : NULL);

		if (one < 0)
			return one;
		ready += one;
	}
	return ready;
}

static int64_t select_files(int count, const uint64_t user[SETS], uint64_t deadline)
{
	struct select_set set = { .count = (unsigned)count };
	size_t bytes;
	uint64_t *maps;
	int64_t result = 0;

	if (count < 0)
		return -UK_EINVAL;
	set.count = (unsigned)UK_MIN((uint64_t)count, uk_fd_limit());
	set.words = ((size_t)set.count + 63) / 64;
	bytes = set.words * sizeof(uint64_t);
	maps = uk_alloc(UK_MAX(2 * SETS * bytes, sizeof(uint64_t)));
	if (maps == NULL)
		return -UK_ENOMEM;
	for (unsigned i = 0; i < SETS; i++) {
		set.in[i] = maps + i * set.words;
		set.out[i] = maps + (SETS + i) * set.words;
		if (user[i] != 0 && uk_copy_from_user(set.in[i], user[i], bytes) != 0)
			result = -UK_EFAULT;
	}
	if (result == 0)
		result = wait_for(select_look, &set, deadline);
	for (unsigned i = 0; result >= 0 && i < SETS; i++)
		if (user[i] != 0 && uk_copy_to_user(user[i], set.out[i], bytes) != 0)
			result = -UK_EFAULT;
	uk_free(maps);
	return result;
}

int64_t uk_sys_select(const struct uk_sysargs *s)
{
	const uint64_t user[SETS] = { s->a[1], s->a[2], s->a[3] };
	uint64_t deadline = UK_FOREVER, now;
	struct uk_linux_timeval t;
	int64_t result;

	if (s->a[4] != 0) {
		if (uk_copy_from_user(&t, s->a[4], sizeof(t)) != 0)
			return -UK_EFAULT;
		if (t.sec < 0 || t.usec < 0)
			return -UK_EINVAL;
		deadline = deadline_after(t.sec + t.usec / 1000000, t.usec % 1000000 * 1000);
	}
	result = select_files(fs_arg_int(s->a[0]), user, deadline);
	/* As Linux: the time that was left. */
	if (s->a[4] != 0) {
		now = uk_time_mono();
		now = deadline > now ? deadline - now : 0;
		t = (struct uk_linux_timeval){ (int64_t)(now / SECOND),
					       (int64_t)(now % SECOND / 1000) };
		if (uk_copy_to_user(s->a[4], &t, sizeof(t)) != 0 && result >= 0)
			result = -UK_EFAULT;
	}
	return result;
}

int64_t uk_sys_pselect6(const struct uk_sysargs *s)
{
	const uint64_t user[SETS] = { s->a[1], s->a[2], s->a[3] };
	uint64_t deadline, mask[2] = { 0, 8 };
	int64_t result;

	if (s->a[5] != 0 && uk_copy_from_user(mask, s->a[5], sizeof(mask)) != 0)
		return -UK_EFAULT;
	result = fs_deadline_from_user(s->a[4], &deadline);
	if (result == 0)
		result = uk_signal_mask_from_user(mask[0], mask[1]);
	if (result != 0)
		return result;
	result = select_files(fs_arg_int(s->a[0]), user, deadline);
	uk_signal_mask_restore(result == -UK_EINTR);
	return result;
}
