/*
 * epoll(7), level and edge triggered. An interest stands on its file's queues for good: when the
 * file says that something happened, the interest goes on the ready list of its epoll, and who
 * waits looks at those alone. An epoll may be watched like any file, by another one too: whoever
 * watches stands on a queue of its own and looks whether something in it is really ready.
 *
 * One mutex guards which interests there are, for all epolls: files that are closed take theirs
 * along. A ready list has a spinlock of its own, because events come from interrupts.
 */
#include <uk/signal.h>

#include "calls.h"

enum { QUEUES_MAX = 3, BATCH = 32, NESTED_MAX = 4 };

struct epoll {
	struct uk_file *file; /* itself: no reference */
	struct uk_list interests;
	struct uk_spinlock ready_lock;
	struct uk_list ready;
	struct uk_waitq wait;	  /* who waits for events, woken one by one */
	struct uk_waitq watchers; /* of the epoll as a file, all told each time */
};

/* One stay on a queue of the file. */
struct stay {
	struct uk_waiter waiter;
	struct interest *interest;
};

struct interest {
	struct uk_list item;	 /* in its epoll */
	struct uk_list watching; /* of its file */
	struct uk_list ready;	 /* of its epoll's ready list, or alone */
	struct epoll *epoll;
	struct uk_file *file; /* no reference: see fs_epoll_forget */
	int fd;
	uint32_t events; /* 0: after its one shot */
	uint64_t data;
	struct uk_poll poll;
	unsigned stays;
	struct stay stay[QUEUES_MAX];
};

static const struct uk_file_ops epoll_ops;
static struct uk_mutex interests_lock = UK_MUTEX_INIT(interests_lock);

static void make_ready(struct interest *i)
{
	uint64_t state = uk_spin_lock(&i->epoll->ready_lock);
	bool was = !uk_list_empty(&i->ready);

	if (!was)
		uk_list_push_back(&i->epoll->ready, &i->ready);
	uk_spin_unlock(&i->epoll->ready_lock, state);
	if (!was)
		uk_wake_one(&i->epoll->wait);
	uk_wake_all(&i->epoll->watchers);
}

static void make_unready(struct interest *i)
{
	uint64_t state = uk_spin_lock(&i->epoll->ready_lock);

	uk_list_remove(&i->ready);
	uk_spin_unlock(&i->epoll->ready_lock, state);
}

/* The file's queue calls this, under its lock, perhaps in an interrupt. */
static void something_happened(struct uk_waiter *waiter)
{
	make_ready(uk_container(waiter, struct stay, waiter)->interest);
}

static void stand_on(struct uk_poll *poll, struct uk_waitq *q)
{
	struct interest *i = uk_container(poll, struct interest, poll);
	struct stay *stay = &i->stay[i->stays];
	uint64_t state;

	if (i->stays == QUEUES_MAX)
		return;
	i->stays++;
	stay->interest = i;
	stay->waiter.fn = something_happened;
	stay->waiter.queue = q;
	state = uk_spin_lock(&q->lock);
	uk_list_push_back(&q->waiters, &stay->waiter.item);
	uk_spin_unlock(&q->lock, state);
}

static void stand_off(struct interest *i)
{
	while (i->stays != 0) {
		struct uk_waiter *waiter = &i->stay[--i->stays].waiter;
		uint64_t state = uk_spin_lock(&waiter->queue->lock);

		uk_list_remove(&waiter->item);
		uk_spin_unlock(&waiter->queue->lock, state);
	}
}

static unsigned look(struct epoll *epoll, struct uk_poll *poll);

static unsigned happens(struct interest *i, struct uk_poll *poll)
{
	unsigned events = i->file->ops == &epoll_ops ? look(i->file->data, poll)
						     : i->file->ops->poll(i->file, poll);

	return events & i->events;
}

/* -- interests, under interests_lock -- */

static struct interest *interest_find(struct epoll *epoll, struct uk_file *file, int fd)
{
	uk_list_each (item, &file->watchers) {
		struct interest *i = uk_list_entry(item, struct interest, watching);

		if (i->epoll == epoll && i->fd == fd)
			return i;
	}
	return NULL;
}

static void interest_drop(struct interest *i)
{
	stand_off(i);
	make_unready(i);
	uk_list_remove(&i->item);
	uk_list_remove(&i->watching);
	uk_free(i);
}

static uint32_t events_of(const struct uk_linux_epoll_event *event)
{
	return event->events | UK_POLLERR | UK_POLLHUP;
}

/* How many epolls stand one in another from this one down; more than NESTED_MAX also when `sought`
 * is among them. Bounded, since no deeper ones were ever made. */
static unsigned depth_of(const struct epoll *epoll, const struct epoll *sought)
{
	unsigned deepest = 0;

	if (epoll == sought)
		return NESTED_MAX + 1;
	uk_list_each (item, &epoll->interests) {
		const struct uk_file *file = uk_list_entry(item, struct interest, item)->file;

		if (file->ops == &epoll_ops)
			deepest = UK_MAX(deepest, depth_of(file->data, sought));
	}
	return deepest + 1;
}

static unsigned height_of(const struct uk_file *file)
{
	unsigned highest = 0;

	uk_list_each (item, &file->watchers)
		highest = UK_MAX(
			highest,
			height_of(uk_list_entry(item, struct interest, watching)->epoll->file) + 1);
	return highest;
}

static int nesting_check(const struct epoll *epoll, const struct uk_file *file)
{
	if (file->ops != &epoll_ops)
		return 0;
	return depth_of(file->data, epoll) + height_of(epoll->file) > NESTED_MAX ? -UK_ELOOP : 0;
}

static int interest_add(struct epoll *epoll, struct uk_file *file, int fd,
			const struct uk_linux_epoll_event *event)
{
	struct interest *i;
	int error;

	if (interest_find(epoll, file, fd) != NULL)
		return -UK_EEXIST;
	error = nesting_check(epoll, file);
	if (error != 0)
		return error;
	i = uk_alloc(sizeof(*i));
	if (i == NULL)
		return -UK_ENOMEM;
	i->epoll = epoll;
	i->file = file;
	i->fd = fd;
	i->events = events_of(event);
	i->data = event->data;
	i->poll.add = stand_on;
	uk_list_init(&i->ready);
	uk_list_push_back(&epoll->interests, &i->item);
	uk_list_push_back(&file->watchers, &i->watching);
	if (happens(i, &i->poll) != 0)
		make_ready(i);
	return 0;
}

static int interest_change(struct epoll *epoll, struct uk_file *file, int fd, int operation,
			   const struct uk_linux_epoll_event *event)
{
	struct interest *i = interest_find(epoll, file, fd);

	if (i == NULL)
		return -UK_ENOENT;
	if (operation == UK_EPOLL_CTL_DEL) {
		interest_drop(i);
		return 0;
	}
	if ((i->events & UK_EPOLLEXCLUSIVE) != 0)
		return -UK_EINVAL;
	i->events = events_of(event);
	i->data = event->data;
	make_unready(i);
	if (happens(i, NULL) != 0)
		make_ready(i);
	return 0;
}

void fs_epoll_forget(struct uk_file *file)
{
	if (uk_list_empty(&file->watchers))
		return;
	uk_mutex_lock(&interests_lock);
	uk_list_each_safe (item, &file->watchers)
		interest_drop(uk_list_entry(item, struct interest, watching));
	uk_mutex_unlock(&interests_lock);
}

static int control_check(const struct uk_file *epoll, const struct uk_file *file, int operation,
			 const struct uk_linux_epoll_event *event)
{
	const uint32_t with_exclusive = UK_POLLIN | UK_POLLOUT | UK_POLLERR | UK_POLLHUP |
					UK_EPOLLWAKEUP | UK_EPOLLET | UK_EPOLLEXCLUSIVE;

	if (file->ops->poll == NULL)
		return -UK_EPERM;
	if (epoll->ops != &epoll_ops || file == epoll)
		return -UK_EINVAL;
	if ((event->events & UK_EPOLLEXCLUSIVE) != 0 &&
	    (operation != UK_EPOLL_CTL_ADD || file->ops == &epoll_ops ||
	     (event->events & ~with_exclusive) != 0))
		return -UK_EINVAL;
	return 0;
}

static int control(struct uk_file *epoll, struct uk_file *file, int fd, int operation,
		   const struct uk_linux_epoll_event *event)
{
	int error = control_check(epoll, file, operation, event);

	if (error != 0)
		return error;
	uk_mutex_lock(&interests_lock);
	switch (operation) {
	case UK_EPOLL_CTL_ADD:
		error = interest_add(epoll->data, file, fd, event);
		break;
	case UK_EPOLL_CTL_DEL:
	case UK_EPOLL_CTL_MOD:
		error = interest_change(epoll->data, file, fd, operation, event);
		break;
	default:
		error = -UK_EINVAL;
		break;
	}
	uk_mutex_unlock(&interests_lock);
	return error;
}

int64_t uk_sys_epoll_ctl(const struct uk_sysargs *s)
{
	struct uk_linux_epoll_event event = { 0, 0 };
	int operation = fs_arg_int(s->a[1]);
	struct uk_file *epoll, *file;
	int error;

	if (operation != UK_EPOLL_CTL_DEL && uk_copy_from_user(&event, s->a[3], sizeof(event)) != 0)
		return -UK_EFAULT;
	epoll = fs_fd_real(fs_arg_int(s->a[0]));
	file = fs_fd_real(fs_arg_int(s->a[2]));
	error = epoll == NULL || file == NULL
			? -UK_EBADF
			: control(epoll, file, fs_arg_int(s->a[2]), operation, &event);
	if (epoll != NULL)
		uk_file_put(epoll);
	if (file != NULL)
		uk_file_put(file);
	return error;
}

/* -- waiting -- */

/* The first of the ready ones, taken off the list. */
static struct interest *take_ready(struct epoll *epoll)
{
	uint64_t state = uk_spin_lock(&epoll->ready_lock);
	struct interest *i = uk_list_first(&epoll->ready, struct interest, ready);

	if (i != NULL)
		uk_list_remove(&i->ready);
	uk_spin_unlock(&epoll->ready_lock, state);
	return i;
}

/* Back to where it was taken from. */
static void give_back(struct interest *i)
{
	uint64_t state = uk_spin_lock(&i->epoll->ready_lock);

	uk_list_remove(&i->ready); /* it may have become ready anew meanwhile */
	uk_list_push_front(&i->epoll->ready, &i->ready);
	uk_spin_unlock(&i->epoll->ready_lock, state);
}

/* An epoll as a watched file, under interests_lock. What is on the ready list was ready once. */
static unsigned look(struct epoll *epoll, struct uk_poll *poll)
{
	struct interest *i;

	uk_poll_add(poll, &epoll->watchers);
	while ((i = take_ready(epoll)) != NULL) {
		if (happens(i, NULL) != 0) {
			give_back(i);
			return UK_POLLIN | UK_POLLRDNORM;
		}
	}
	return 0;
}

/* What is reported and level triggered stays ready, behind all others: nobody starves. */
static void keep_ready(struct epoll *epoll, struct uk_list *kept)
{
	uint64_t state = uk_spin_lock(&epoll->ready_lock);
	bool some;

	while (!uk_list_empty(kept)) {
		struct uk_list *item = kept->next;

		uk_list_remove(item);
		uk_list_push_back(&epoll->ready, item);
	}
	some = !uk_list_empty(&epoll->ready);
	uk_spin_unlock(&epoll->ready_lock, state);
	if (some)
		uk_wake_one(&epoll->wait);
}

static int collect(struct epoll *epoll, struct uk_linux_epoll_event *to, int room)
{
	struct uk_list kept = UK_LIST_INIT(kept);
	struct interest *i;
	int count = 0;

	uk_mutex_lock(&interests_lock);
	while (count < room && (i = take_ready(epoll)) != NULL) {
		unsigned events = happens(i, NULL);
		uint64_t state;

		if (events == 0)
			continue;
		to[count++] = (struct uk_linux_epoll_event){ events, i->data };
		if ((i->events & UK_EPOLLONESHOT) != 0)
			i->events = 0;
		if ((i->events & UK_EPOLLET) != 0 || i->events == 0)
			continue;
		state = uk_spin_lock(&epoll->ready_lock);
		/* Something may have happened again, and put it back already. */
		uk_list_remove(&i->ready);
		uk_list_push_back(&kept, &i->ready);
		uk_spin_unlock(&epoll->ready_lock, state);
	}
	keep_ready(epoll, &kept);
	uk_mutex_unlock(&interests_lock);
	return count;
}

/* Whole batches, so that the program's memory is not touched under the lock. */
static int64_t collect_to_user(struct epoll *epoll, uint64_t user, int room)
{
	struct uk_linux_epoll_event batch[BATCH];
	int count = collect(epoll, batch, UK_MIN(room, (int)BATCH));

	if (count > 0 && uk_copy_to_user(user, batch, (size_t)count * sizeof(batch[0])) != 0)
		return -UK_EFAULT;
	return count;
}

static bool has_ready(struct epoll *epoll)
{
	return !uk_list_empty(&epoll->ready);
}

static int64_t wait_ready(struct uk_file *file, uint64_t user, int room, uint64_t deadline)
{
	struct epoll *epoll = file->data;

	if (file->ops != &epoll_ops)
		return -UK_EINVAL;
	for (;;) {
		int64_t count = collect_to_user(epoll, user, room);
		int error;

		if (count != 0 || deadline <= uk_time_mono())
			return count;
		error = uk_wait_event(&epoll->wait, has_ready(epoll), deadline, true);
		if (error == -UK_ERESTARTSYS)
			return -UK_EINTR;
	}
}

static int64_t epoll_wait(const struct uk_sysargs *s, uint64_t deadline)
{
	int room = fs_arg_int(s->a[2]);
	struct uk_file *file;
	int64_t result;

	if (room <= 0 || room > INT32_MAX / (int)sizeof(struct uk_linux_epoll_event))
		return -UK_EINVAL;
	file = fs_fd_real(fs_arg_int(s->a[0]));
	if (file == NULL)
		return -UK_EBADF;
	result = wait_ready(file, s->a[1], room, deadline);
	uk_file_put(file);
	return result;
}

static int64_t epoll_wait_masked(const struct uk_sysargs *s, uint64_t deadline)
{
	int64_t result = uk_signal_mask_from_user(s->a[4], s->a[5]);

	if (result != 0)
		return result;
	result = epoll_wait(s, deadline);
	uk_signal_mask_restore(result == -UK_EINTR);
	return result;
}

int64_t uk_sys_epoll_wait(const struct uk_sysargs *s)
{
	return epoll_wait(s, fs_deadline_after_ms(fs_arg_int(s->a[3])));
}

int64_t uk_sys_epoll_pwait(const struct uk_sysargs *s)
{
	return epoll_wait_masked(s, fs_deadline_after_ms(fs_arg_int(s->a[3])));
}

int64_t uk_sys_epoll_pwait2(const struct uk_sysargs *s)
{
	uint64_t deadline;
	int error = fs_deadline_from_user(s->a[3], &deadline);

	return error != 0 ? error : epoll_wait_masked(s, deadline);
}

/* -- the file -- */

static unsigned epoll_poll(struct uk_file *file, struct uk_poll *poll)
{
	unsigned events;

	uk_mutex_lock(&interests_lock);
	events = look(file->data, poll);
	uk_mutex_unlock(&interests_lock);
	return events;
}

static void epoll_release(struct uk_file *file)
{
	struct epoll *epoll = file->data;

	uk_mutex_lock(&interests_lock);
	uk_list_each_safe (item, &epoll->interests)
		interest_drop(uk_list_entry(item, struct interest, item));
	uk_mutex_unlock(&interests_lock);
	uk_free(epoll);
}

static int epoll_describe(struct uk_file *file, char *to, size_t room)
{
	int size = (int)uk_strlcpy(to, "anon_inode:[eventpoll]", room);

	(void)file;
	return (size_t)size < room ? size : -UK_ERANGE;
}

static const struct uk_file_ops epoll_ops = {
	.poll = epoll_poll,
	.release = epoll_release,
	.describe = epoll_describe,
	.stream = true,
};

static int64_t epoll_make(bool cloexec)
{
	struct epoll *epoll = uk_alloc(sizeof(*epoll));
	struct uk_file *file;

	if (epoll == NULL)
		return -UK_ENOMEM;
	uk_list_init(&epoll->interests);
	uk_list_init(&epoll->ready);
	uk_waitq_init(&epoll->wait);
	uk_waitq_init(&epoll->watchers);
	file = uk_file_new(&epoll_ops, epoll, UK_O_RDWR);
	if (file == NULL) {
		uk_free(epoll);
		return -UK_ENOMEM;
	}
	epoll->file = file;
	return uk_fd_install(file, cloexec);
}

int64_t uk_sys_epoll_create(const struct uk_sysargs *s)
{
	return fs_arg_int(s->a[0]) <= 0 ? -UK_EINVAL : epoll_make(false);
}

int64_t uk_sys_epoll_create1(const struct uk_sysargs *s)
{
	uint32_t flags = (uint32_t)s->a[0];

	if ((flags & ~(uint32_t)UK_O_CLOEXEC) != 0)
		return -UK_EINVAL;
	return epoll_make(flags != 0);
}
