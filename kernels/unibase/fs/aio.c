/*
 * Asynchronous I/O as databases use it through libaio (io_submit(2)). Every operation is done when
 * it is submitted, by the thread that submits it; what is asynchronous is only that its result is
 * fetched later. A context's number is the address of a page of zeros in the program's memory:
 * libaio looks for a ring of results there, finds none, and calls.
 */
#include <uk/map.h>
#include <uk/signal.h>

#include "calls.h"

enum {
	PREAD = 0,
	PWRITE = 1,
	FSYNC = 2,
	FDSYNC = 3,
	PREADV = 7,
	PWRITEV = 8,

	FLAG_RESFD = 1,
	EVENTS_MAX = 65536, /* as Linux's fs.aio-max-nr */
};

/* <linux/aio_abi.h> */
struct iocb {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t priority;
	int32_t fd;
	uint64_t buffer, size;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags;
	int32_t result_fd;
};
_Static_assert(sizeof(struct iocb) == 64, "Linux ABI");

struct io_event {
	uint64_t data, iocb;
	int64_t result, result2;
};

struct context {
	struct uk_list item;
	uint64_t id; /* where its page lies */
	unsigned refs;
	bool gone;
	uint32_t room, first, count; /* of the ring */
	uint32_t begun;		     /* places in it that are taken already */
	struct uk_waitq done;
	struct io_event *event; /* [room] */
};

static struct uk_mutex lock = UK_MUTEX_INIT(lock);
static struct uk_list contexts = UK_LIST_INIT(contexts);
static uint32_t events_promised;

/* -- contexts -- */

static struct context *context_get(uint64_t id)
{
	struct context *found = NULL;

	uk_mutex_lock(&lock);
	uk_list_each (item, &contexts) {
		struct context *c = uk_list_entry(item, struct context, item);

		if (c->id == id)
			found = c;
	}
	if (found != NULL)
		found->refs++;
	uk_mutex_unlock(&lock);
	return found;
}

static void context_put(struct context *c)
{
	bool last;

	uk_mutex_lock(&lock);
	last = --c->refs == 0;
	if (last)
		events_promised -= c->room;
	uk_mutex_unlock(&lock);
	if (last) {
		uk_free(c->event);
		uk_free(c);
	}
}

/* Sets aside that many of all the events there may be. */
static bool promise(struct context *c, uint32_t room)
{
	bool fits;

	uk_mutex_lock(&lock);
	fits = room <= EVENTS_MAX - events_promised;
	if (fits) {
		events_promised += room;
		c->room = room;
	}
	uk_mutex_unlock(&lock);
	return fits;
}

/* Its number. */
static int64_t context_new(uint32_t room)
{
	const struct uk_map_request page = { .size = UK_PAGE_SIZE,
					     .prot = UK_PROT_READ | UK_PROT_WRITE };
	struct context *c = uk_alloc(sizeof(*c));
	int64_t id;

	if (c == NULL)
		return -UK_ENOMEM;
	c->refs = 1;
	uk_waitq_init(&c->done);
	id = promise(c, room) ? 0 : -UK_EAGAIN;
	if (id == 0) {
		c->event = uk_alloc(room * sizeof(c->event[0]));
		id = c->event != NULL ? uk_map_add(&page) : -UK_ENOMEM;
	}
	if (id < 0) {
		context_put(c);
		return id;
	}
	c->id = (uint64_t)id;
	uk_mutex_lock(&lock);
	uk_list_push_back(&contexts, &c->item);
	uk_mutex_unlock(&lock);
	return id;
}

static int64_t destroy(uint64_t id)
{
	struct context *c = context_get(id);
	bool gone;

	if (c == NULL)
		return -UK_EINVAL;
	uk_mutex_lock(&lock);
	gone = c->gone;
	c->gone = true;
	uk_list_remove(&c->item);
	uk_mutex_unlock(&lock);
	if (!gone) {
		uk_wake_all(&c->done);
		(void)uk_map_remove(c->id, UK_PAGE_SIZE);
		context_put(c);
	}
	context_put(c);
	return gone ? -UK_EINVAL : 0;
}

int64_t uk_sys_io_setup(const struct uk_sysargs *s)
{
	uint32_t room = (uint32_t)s->a[0];
	uint64_t old;
	int64_t id;

	if (uk_copy_from_user(&old, s->a[1], sizeof(old)) != 0)
		return -UK_EFAULT;
	if (old != 0 || room == 0 || room > INT32_MAX / sizeof(struct io_event))
		return -UK_EINVAL;
	id = context_new(room);
	if (id < 0)
		return id;
	if (uk_copy_to_user(s->a[1], &id, sizeof(id)) != 0) {
		(void)destroy((uint64_t)id);
		return -UK_EFAULT;
	}
	return 0;
}

int64_t uk_sys_io_destroy(const struct uk_sysargs *s)
{
	return destroy(s->a[0]);
}

/* -- submitting -- */

static int64_t transfer(struct uk_file *file, const struct iocb *cb, struct uk_iter *it, bool write)
{
	uint64_t offset = (uint64_t)cb->offset;
	int64_t result;

	if (write)
		result = fs_written(file, fs_write(file, it, &offset), cb->rw_flags);
	else
		result = fs_read(file, it, &offset);
	/* Nobody starts it again: it was submitted, and that cannot be undone. */
	return result == -UK_ERESTARTSYS ? -UK_EINTR : result;
}

static int64_t move(struct uk_file *file, const struct iocb *cb, int64_t *result)
{
	bool write = cb->opcode == PWRITE || cb->opcode == PWRITEV;
	bool vector = cb->opcode == PREADV || cb->opcode == PWRITEV;
	struct uk_iovec one = { cb->buffer, UK_MIN(cb->size, UK_RW_MAX) };
	struct uk_iter it;
	struct fs_vec v;
	int error;

	if ((cb->rw_flags & ~(uint32_t)FS_RWF_KNOWN) != 0)
		return -UK_EOPNOTSUPP;
	if (write ? !fs_can_write(file) : !fs_can_read(file))
		return -UK_EBADF;
	if ((write ? file->ops->write == NULL : file->ops->read == NULL) || cb->offset < 0)
		return -UK_EINVAL;
	if (!vector) {
		uk_iter_user(&it, &one, 1);
		*result = transfer(file, cb, &it, write);
		return 0;
	}
	error = fs_vec_get(&v, cb->buffer, cb->size, &it);
	if (error != 0)
		return error;
	*result = transfer(file, cb, &it, write);
	fs_vec_put(&v);
	return 0;
}

static int64_t sync(struct uk_file *file, const struct iocb *cb, int64_t *result)
{
	if (cb->buffer != 0 || cb->offset != 0 || cb->size != 0 || cb->rw_flags != 0)
		return -UK_EINVAL;
	*result = fs_sync(file, cb->opcode == FDSYNC);
	return *result == -UK_EINVAL ? -UK_EINVAL : 0;
}

/* 0 with the operation's own result, or why it could not even be begun. */
static int64_t perform(struct uk_file *file, const struct iocb *cb, int64_t *result)
{
	switch (cb->opcode) {
	case PREAD:
	case PWRITE:
	case PREADV:
	case PWRITEV:
		return move(file, cb, result);
	case FSYNC:
	case FDSYNC:
		return sync(file, cb, result);
	default:
		return -UK_EINVAL;
	}
}

static void complete(struct context *c, const struct io_event *event)
{
	uk_mutex_lock(&lock);
	c->event[(c->first + c->count++) % c->room] = *event;
	c->begun--;
	uk_mutex_unlock(&lock);
	uk_wake_all(&c->done);
}

static int64_t submit_to(struct context *c, const struct iocb *cb, uint64_t user)
{
	struct uk_file *file = fs_fd_real(cb->fd), *told = NULL;
	struct io_event event = { cb->data, user, 0, 0 };
	int64_t error = file == NULL ? -UK_EBADF : 0;

	if (error == 0 && (cb->flags & FLAG_RESFD) != 0) {
		told = fs_fd_real(cb->result_fd);
		error = told == NULL ? -UK_EBADF : fs_is_eventfd(told) ? 0 : -UK_EINVAL;
	}
	if (error == 0)
		error = perform(file, cb, &event.result);
	if (error == 0) {
		complete(c, &event);
		if (told != NULL)
			fs_eventfd_add(told);
	}
	if (told != NULL)
		uk_file_put(told);
	if (file != NULL)
		uk_file_put(file);
	return error;
}

/* Results that nobody fetched must not be lost. */
static bool begin(struct context *c)
{
	bool fits;

	uk_mutex_lock(&lock);
	fits = c->count + c->begun < c->room;
	c->begun += fits;
	uk_mutex_unlock(&lock);
	return fits;
}

static int64_t submit_one(struct context *c, uint64_t user)
{
	struct iocb cb;
	int64_t error;

	if (uk_copy_from_user(&cb, user, sizeof(cb)) != 0)
		return -UK_EFAULT;
	if (cb.reserved != 0 || cb.size > INT64_MAX)
		return -UK_EINVAL;
	if (!begin(c))
		return -UK_EAGAIN;
	error = submit_to(c, &cb, user);
	if (error != 0) {
		uk_mutex_lock(&lock);
		c->begun--;
		uk_mutex_unlock(&lock);
	}
	return error;
}

int64_t uk_sys_io_submit(const struct uk_sysargs *s)
{
	int64_t count = (int64_t)s->a[1], done = 0, error = 0;
	struct context *c;
	uint64_t user;

	if (count < 0)
		return -UK_EINVAL;
	c = context_get(s->a[0]);
	if (c == NULL)
		return -UK_EINVAL;
	count = UK_MIN(count, (int64_t)c->room);
	while (done < count && error == 0) {
		error = uk_copy_from_user(&user, s->a[2] + (uint64_t)done * sizeof(user),
					  sizeof(user));
		if (error == 0)
			error = submit_one(c, user);
		if (error == 0)
			done++;
	}
	context_put(c);
	return done != 0 ? done : error;
}

/* What was submitted is done already. */
int64_t uk_sys_io_cancel(const struct uk_sysargs *s)
{
	struct iocb cb;

	return uk_copy_from_user(&cb, s->a[1], sizeof(cb)) != 0 ? -UK_EFAULT : -UK_EINVAL;
}

/* -- fetching -- */

struct fetch {
	struct context *context;
	int64_t least, most;
	uint64_t user, deadline;
};

/* What is there, behind the `done` that were fetched before; how many these are then. A result
 * leaves the ring when the program has it. */
static int64_t fetch_some(const struct fetch *f, int64_t done)
{
	struct context *c = f->context;
	int error = 0;

	uk_mutex_lock(&lock);
	while (error == 0 && c->count != 0 && done < f->most) {
		error = uk_copy_to_user(f->user + (uint64_t)done * sizeof(c->event[0]),
					&c->event[c->first], sizeof(c->event[0]));
		if (error == 0) {
			c->first = (c->first + 1) % c->room;
			c->count--;
			done++;
		}
	}
	uk_mutex_unlock(&lock);
	return done != 0 ? done : error;
}

static int64_t fetch(const struct fetch *f)
{
	struct context *c = f->context;
	int64_t done = 0;
	int error = 0;

	for (;;) {
		done = fetch_some(f, done);
		if (done < 0 || done >= f->least || c->gone || error != 0 ||
		    f->deadline <= uk_time_mono())
			break;
		error = uk_wait_event(&c->done, c->count != 0 || c->gone, f->deadline, true);
	}
	return done == 0 && error == -UK_ERESTARTSYS ? -UK_EINTR : done;
}

int64_t uk_sys_io_getevents(const struct uk_sysargs *s)
{
	struct fetch f = {
		.least = (int64_t)s->a[1],
		.most = (int64_t)s->a[2],
		.user = s->a[3],
	};
	int64_t result = fs_deadline_from_user(s->a[4], &f.deadline);

	if (result != 0)
		return result;
	f.context = context_get(s->a[0]);
	if (f.context == NULL)
		return -UK_EINVAL;
	result = f.least < 0 || f.most < f.least ? -UK_EINVAL : fetch(&f);
	context_put(f.context);
	return result;
}

int64_t uk_sys_io_pgetevents(const struct uk_sysargs *s)
{
	uint64_t mask[2] = { 0, 0 }; /* as the call has it: where the set lies, and its size */
	int64_t result = 0;

	if (s->a[5] != 0 && uk_copy_from_user(mask, s->a[5], sizeof(mask)) != 0)
		return -UK_EFAULT;
	if (mask[0] != 0)
		result = uk_signal_mask_from_user(mask[0], mask[1]);
	if (result != 0)
		return result;
	result = uk_sys_io_getevents(s);
	if (mask[0] != 0)
		uk_signal_mask_restore(result == -UK_EINTR);
	return result;
}
