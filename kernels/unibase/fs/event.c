/*
 * eventfd(2) and timerfd_create(2): counters that threads wait for through descriptors.
 */
#include "calls.h"

/* -- eventfd -- */

struct event {
	struct uk_spinlock lock;
	struct uk_waitq changed;
	uint64_t count;
	bool semaphore;
};

static bool event_take(struct event *event, uint64_t *value)
{
	uint64_t state = uk_spin_lock(&event->lock);
	bool some = event->count != 0;

	if (some) {
		*value = event->semaphore ? 1 : event->count;
		event->count -= *value;
	}
	uk_spin_unlock(&event->lock, state);
	return some;
}

static bool event_give(struct event *event, uint64_t value)
{
	uint64_t state = uk_spin_lock(&event->lock);
	bool fits = value < UINT64_MAX - event->count;

	if (fits)
		event->count += value;
	uk_spin_unlock(&event->lock, state);
	return fits;
}

static int64_t event_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct event *event = file->data;
	uint64_t value = 0;
	int64_t result;

	(void)offset;
	if (to->left < sizeof(value))
		return -UK_EINVAL;
	if (!event_take(event, &value)) {
		if ((file->flags & UK_O_NONBLOCK) != 0)
			return -UK_EAGAIN;
		result =
			uk_wait_event(&event->changed, event_take(event, &value), UK_FOREVER, true);
		if (result != 0)
			return result;
	}
	uk_wake_all(&event->changed);
	result = uk_iter_put(to, &value, sizeof(value));
	return result < 0 ? result : (int64_t)sizeof(value);
}

static int64_t event_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	struct event *event = file->data;
	uint64_t value;
	int64_t result;

	(void)offset;
	if (from->left < sizeof(value))
		return -UK_EINVAL;
	result = uk_iter_get(from, &value, sizeof(value));
	if (result < 0)
		return result;
	if (value == UINT64_MAX)
		return -UK_EINVAL;
	if (!event_give(event, value)) {
		if ((file->flags & UK_O_NONBLOCK) != 0)
			return -UK_EAGAIN;
		result = uk_wait_event(&event->changed, event_give(event, value), UK_FOREVER, true);
		if (result != 0)
			return result;
	}
	uk_wake_all(&event->changed);
	return sizeof(value);
}

static unsigned event_poll(struct uk_file *file, struct uk_poll *poll)
{
	struct event *event = file->data;
	unsigned events = 0;

	uk_poll_add(poll, &event->changed);
	if (event->count > 0)
		events |= UK_POLLIN | UK_POLLRDNORM;
	if (event->count < UINT64_MAX - 1)
		events |= UK_POLLOUT | UK_POLLWRNORM;
	return events;
}

static void data_release(struct uk_file *file)
{
	uk_free(file->data);
}

static int describe(char *to, size_t room, const char *what)
{
	int size = uk_snprintf(to, room, "anon_inode:[%s]", what);

	return (size_t)size < room ? size : -UK_ERANGE;
}

static int event_describe(struct uk_file *file, char *to, size_t room)
{
	(void)file;
	return describe(to, room, "eventfd");
}

static const struct uk_file_ops event_ops = {
	.read = event_read,
	.write = event_write,
	.poll = event_poll,
	.release = data_release,
	.describe = event_describe,
	.stream = true,
};

bool fs_is_eventfd(const struct uk_file *file)
{
	return file->ops == &event_ops;
}

void fs_eventfd_add(struct uk_file *file)
{
	struct event *event = file->data;

	(void)event_give(event, 1);
	uk_wake_all(&event->changed);
}

/* Takes `data`, which the operations' release frees. */
static int64_t install(const struct uk_file_ops *ops, void *data, uint32_t flags)
{
	struct uk_file *file = uk_file_new(ops, data, UK_O_RDWR | (flags & UK_O_NONBLOCK));

	if (file == NULL) {
		uk_free(data);
		return -UK_ENOMEM;
	}
	return uk_fd_install(file, (flags & UK_O_CLOEXEC) != 0);
}

static int64_t event_make(uint64_t count, uint32_t flags)
{
	struct event *event;

	if ((flags & ~(uint32_t)(UK_EFD_SEMAPHORE | UK_O_CLOEXEC | UK_O_NONBLOCK)) != 0)
		return -UK_EINVAL;
	event = uk_alloc(sizeof(*event));
	if (event == NULL)
		return -UK_ENOMEM;
	uk_waitq_init(&event->changed);
	event->count = (uint32_t)count;
	event->semaphore = (flags & UK_EFD_SEMAPHORE) != 0;
	return install(&event_ops, event, flags);
}

int64_t uk_sys_eventfd(const struct uk_sysargs *s)
{
	return event_make(s->a[0], 0);
}

int64_t uk_sys_eventfd2(const struct uk_sysargs *s)
{
	return event_make(s->a[0], (uint32_t)s->a[1]);
}

/* -- timerfd -- */

enum { REALTIME = 0, MONOTONIC = 1, BOOTTIME = 7, REALTIME_ALARM = 8, BOOTTIME_ALARM = 9 };
enum { SECOND = 1000000000 };

struct timer {
	struct uk_timer timer;
	struct uk_spinlock lock;
	struct uk_waitq expired;
	uint64_t next;	   /* monotonic ns; UK_FOREVER: not set */
	uint64_t interval; /* ns; 0: once */
	uint64_t count;	   /* expirations that nobody read */
	bool real;
};

/* Counts what is due, and sets the next time. */
static void count_due(struct timer *t, uint64_t now)
{
	if (t->next > now)
		return;
	if (t->interval == 0) {
		t->count++;
		t->next = UK_FOREVER;
		return;
	}
	{
		uint64_t rounds = (now - t->next) / t->interval + 1;

		t->count += rounds;
		t->next += rounds * t->interval;
	}
}

static void timer_fires(struct uk_timer *timer)
{
	struct timer *t = uk_container(timer, struct timer, timer);
	uint64_t state = uk_spin_lock(&t->lock);

	count_due(t, uk_time_mono());
	uk_spin_unlock(&t->lock, state);
	/* The next expiration is armed when this one is read: who does not look costs nothing. */
	uk_wake_all(&t->expired);
}

static uint64_t timer_take(struct timer *t)
{
	uint64_t state = uk_spin_lock(&t->lock), count, next;

	count_due(t, uk_time_mono());
	count = t->count;
	t->count = 0;
	next = t->next;
	uk_spin_unlock(&t->lock, state);
	if (count != 0 && next != UK_FOREVER)
		uk_timer_arm(&t->timer, next);
	return count;
}

static int64_t timer_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct timer *t = file->data;
	uint64_t count;
	int64_t result;

	(void)offset;
	if (to->left < sizeof(count))
		return -UK_EINVAL;
	count = timer_take(t);
	if (count == 0) {
		if ((file->flags & UK_O_NONBLOCK) != 0)
			return -UK_EAGAIN;
		result = uk_wait_event(&t->expired, (count = timer_take(t)) != 0, UK_FOREVER, true);
		if (result != 0)
			return result;
	}
	result = uk_iter_put(to, &count, sizeof(count));
	return result < 0 ? result : (int64_t)sizeof(count);
}

static unsigned timer_poll(struct uk_file *file, struct uk_poll *poll)
{
	struct timer *t = file->data;

	uk_poll_add(poll, &t->expired);
	return t->count != 0 ? UK_POLLIN | UK_POLLRDNORM : 0;
}

static void timer_release(struct uk_file *file)
{
	struct timer *t = file->data;

	uk_timer_cancel(&t->timer);
	uk_free(t);
}

static int timer_describe(struct uk_file *file, char *to, size_t room)
{
	(void)file;
	return describe(to, room, "timerfd");
}

static const struct uk_file_ops timer_ops = {
	.read = timer_read,
	.poll = timer_poll,
	.release = timer_release,
	.describe = timer_describe,
	.stream = true,
};

int64_t uk_sys_timerfd_create(const struct uk_sysargs *s)
{
	int clock = fs_arg_int(s->a[0]);
	uint32_t flags = (uint32_t)s->a[1];
	struct timer *t;

	if ((flags & ~(uint32_t)(UK_O_CLOEXEC | UK_O_NONBLOCK)) != 0 ||
	    (clock != REALTIME && clock != MONOTONIC && clock != BOOTTIME &&
	     clock != REALTIME_ALARM && clock != BOOTTIME_ALARM))
		return -UK_EINVAL;
	t = uk_alloc(sizeof(*t));
	if (t == NULL)
		return -UK_ENOMEM;
	uk_waitq_init(&t->expired);
	t->timer.fn = timer_fires;
	t->next = UK_FOREVER;
	t->real = clock == REALTIME || clock == REALTIME_ALARM;
	return install(&timer_ops, t, flags);
}

static uint64_t to_ns(const struct uk_linux_timespec *t)
{
	uint64_t ns;

	if (__builtin_mul_overflow((uint64_t)t->sec, (uint64_t)SECOND, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)t->nsec, &ns) || ns > INT64_MAX)
		return INT64_MAX;
	return ns;
}

static struct uk_linux_timespec from_ns(uint64_t ns)
{
	return (struct uk_linux_timespec){ (int64_t)(ns / SECOND), (int64_t)(ns % SECOND) };
}

static void timer_state(struct timer *t, struct uk_linux_itimerspec *out)
{
	uint64_t now = uk_time_mono(), state = uk_spin_lock(&t->lock);

	count_due(t, now);
	out->interval = from_ns(t->interval);
	out->value = from_ns(t->next == UK_FOREVER ? 0 : t->next - now);
	uk_spin_unlock(&t->lock, state);
}

static void timer_set(struct timer *t, const struct uk_linux_itimerspec *spec, bool absolute)
{
	uint64_t now = uk_time_mono(), value = to_ns(&spec->value), next = now + value, state;

	if (absolute) {
		uint64_t clock = t->real ? (uint64_t)uk_time_real() : now;

		next = value > clock ? now + (value - clock) : now;
	}
	if (value == 0)
		next = UK_FOREVER;
	uk_timer_cancel(&t->timer);
	state = uk_spin_lock(&t->lock);
	t->next = next;
	t->interval = to_ns(&spec->interval);
	t->count = 0;
	uk_spin_unlock(&t->lock, state);
	if (next != UK_FOREVER)
		uk_timer_arm(&t->timer, next);
}

static struct uk_file *timer_of(uint64_t fd, int *error)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(fd));

	if (file == NULL) {
		*error = -UK_EBADF;
	} else if (file->ops != &timer_ops) {
		uk_file_put(file);
		file = NULL;
		*error = -UK_EINVAL;
	}
	return file;
}

static bool is_valid(const struct uk_linux_timespec *t)
{
	return t->sec >= 0 && t->nsec >= 0 && t->nsec < SECOND;
}

int64_t uk_sys_timerfd_settime(const struct uk_sysargs *s)
{
	uint32_t flags = (uint32_t)s->a[1];
	struct uk_linux_itimerspec spec, old;
	struct uk_file *file;
	int error = 0;

	if (uk_copy_from_user(&spec, s->a[2], sizeof(spec)) != 0)
		return -UK_EFAULT;
	if ((flags & ~(uint32_t)(UK_TFD_TIMER_ABSTIME | UK_TFD_TIMER_CANCEL_ON_SET)) != 0 ||
	    !is_valid(&spec.value) || !is_valid(&spec.interval))
		return -UK_EINVAL;
	file = timer_of(s->a[0], &error);
	if (file == NULL)
		return error;
	timer_state(file->data, &old);
	timer_set(file->data, &spec, (flags & UK_TFD_TIMER_ABSTIME) != 0);
	uk_file_put(file);
	if (s->a[3] != 0 && uk_copy_to_user(s->a[3], &old, sizeof(old)) != 0)
		return -UK_EFAULT;
	return 0;
}

int64_t uk_sys_timerfd_gettime(const struct uk_sysargs *s)
{
	struct uk_linux_itimerspec now;
	struct uk_file *file;
	int error = 0;

	file = timer_of(s->a[0], &error);
	if (file == NULL)
		return error;
	timer_state(file->data, &now);
	uk_file_put(file);
	return uk_copy_to_user(s->a[1], &now, sizeof(now));
}
