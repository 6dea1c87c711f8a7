/*
 * Pipes and FIFOs (pipe(7)): a ring of bytes in pages that come as they are needed. Up to PIPE_BUF
 * bytes are written in one piece or not at all.
 */
#include <uk/signal.h>

#include "calls.h"
#include "pipe.h"

enum { PAGES_USUAL = 16, PAGES_MAX = 256, ATOMIC = 4096 };

static const struct uk_file_ops pipe_ops;
/* Guards which pipe an inode has, and who has it open. Not the pipe's own lock, under which a
 * splice may sleep for long: closing one pipe must not wait for that, nor opening another. */
static struct uk_mutex opening = UK_MUTEX_INIT(opening);

static struct fs_pipe *pipe_new(void)
{
	struct fs_pipe *pipe = uk_alloc(sizeof(*pipe));

	if (pipe == NULL)
		return NULL;
	pipe->page = uk_alloc(PAGES_USUAL * sizeof(struct uk_page *));
	if (pipe->page == NULL) {
		uk_free(pipe);
		return NULL;
	}
	pipe->pages = PAGES_USUAL;
	uk_mutex_init(&pipe->lock);
	uk_waitq_init(&pipe->to_read);
	uk_waitq_init(&pipe->to_write);
	return pipe;
}

static void pipe_free(struct fs_pipe *pipe)
{
	for (unsigned i = 0; i < pipe->pages; i++)
		if (pipe->page[i] != NULL)
			uk_page_put(pipe->page[i]);
	uk_free(pipe->page);
	uk_free(pipe);
}

/* -- moving bytes, under the lock -- */

void fs_pipe_taken(struct fs_pipe *pipe, uint64_t size)
{
	struct uk_page **page = fs_pipe_page(pipe, pipe->head);
	uint64_t start = UK_ALIGN_DOWN(pipe->head, UK_PAGE_SIZE);
	bool empty;

	pipe->head += size;
	empty = fs_pipe_used(pipe) == 0;
	/* One page stays for the next write, unless a socket still sends from it; more is given
	 * back as it empties. */
	if (empty ? (*page)->refs != 1 : (pipe->head & UK_PAGE_MASK) == 0) {
		uk_page_put(*page);
		*page = NULL;
	}
	/* An empty pipe starts on that page again: all of its room is there. */
	if (empty)
		pipe->head = pipe->tail = start;
}

int64_t fs_pipe_take(struct fs_pipe *pipe, struct uk_iter *to)
{
	int64_t done = 0;

	while (to->left != 0 && fs_pipe_used(pipe) != 0) {
		struct uk_page **page = fs_pipe_page(pipe, pipe->head);
		size_t at = pipe->head & UK_PAGE_MASK;
		size_t size = UK_MIN(UK_PAGE_SIZE - at, fs_pipe_used(pipe));
		int64_t moved = uk_iter_put(to, (char *)uk_page_virt(*page) + at, size);

		if (moved < 0)
			return done != 0 ? done : moved;
		fs_pipe_taken(pipe, (uint64_t)moved);
		done += moved;
		if ((size_t)moved < size && to->left != 0)
			break;
	}
	return done;
}

int64_t fs_pipe_give(struct fs_pipe *pipe, struct uk_iter *from)
{
	int64_t done = 0;

	while (from->left != 0 && fs_pipe_room(pipe) != 0) {
		struct uk_page **page = fs_pipe_page(pipe, pipe->tail);
		size_t at = pipe->tail & UK_PAGE_MASK;
		size_t size = UK_MIN(UK_PAGE_SIZE - at, from->left);
		int64_t moved;

		if (*page == NULL)
			*page = uk_page_alloc(0, false);
		moved = *page == NULL ? -UK_ENOMEM
				      : uk_iter_get(from, (char *)uk_page_virt(*page) + at, size);
		if (moved < 0)
			return done != 0 ? done : moved;
		pipe->tail += (uint64_t)moved;
		done += moved;
		if ((size_t)moved < size)
			break;
	}
	return done;
}

static int64_t pipe_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct fs_pipe *pipe = file->data;
	int64_t result;

	(void)offset;
	if (to->left == 0)
		return 0;
	for (;;) {
		bool ended;

		uk_mutex_lock(&pipe->lock);
		result = fs_pipe_take(pipe, to);
		ended = pipe->writers == 0;
		uk_mutex_unlock(&pipe->lock);
		if (result != 0 || ended)
			break;
		if ((file->flags & UK_O_NONBLOCK) != 0)
			return -UK_EAGAIN;
		result =
			uk_wait_event(&pipe->to_read, fs_pipe_used(pipe) != 0 || pipe->writers == 0,
				      UK_FOREVER, true);
		if (result != 0)
			return result;
	}
	if (result > 0)
		uk_wake_all(&pipe->to_write);
	return result;
}

static int64_t write_some(struct fs_pipe *pipe, struct uk_iter *from, bool whole)
{
	int64_t result;

	uk_mutex_lock(&pipe->lock);
	if (pipe->readers == 0)
		result = -UK_EPIPE;
	else if (whole && fs_pipe_room(pipe) < from->left)
		result = -UK_EAGAIN;
	else
		result = fs_pipe_give(pipe, from);
	uk_mutex_unlock(&pipe->lock);
	if (result > 0)
		uk_wake_all(&pipe->to_read);
	return result;
}

static int64_t pipe_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	struct fs_pipe *pipe = file->data;
	bool whole = from->left <= ATOMIC;
	int64_t done = 0, result = 0;

	(void)offset;
	while (from->left != 0) {
		result = write_some(pipe, from, whole);
		if (result > 0) {
			done += result;
			continue;
		}
		if (result < 0 && result != -UK_EAGAIN)
			break;
		if ((file->flags & UK_O_NONBLOCK) != 0) {
			result = -UK_EAGAIN;
			break;
		}
		result = uk_wait_event(&pipe->to_write,
				       pipe->readers == 0 ||
					       fs_pipe_room(pipe) >= (whole ? from->left : 1),
				       UK_FOREVER, true);
		if (result != 0)
			break;
	}
	if (result == -UK_EPIPE)
		uk_signal_self(UK_SIGPIPE);
	return done != 0 ? done : result;
}

static unsigned pipe_poll(struct uk_file *file, struct uk_poll *poll)
{
	struct fs_pipe *pipe = file->data;
	unsigned events = 0;

	if (fs_can_read(file)) {
		uk_poll_add(poll, &pipe->to_read);
		if (fs_pipe_used(pipe) != 0)
			events |= UK_POLLIN | UK_POLLRDNORM;
		if (pipe->writers == 0 && pipe->writers_ever != 0)
			events |= UK_POLLHUP;
	}
	if (fs_can_write(file)) {
		uk_poll_add(poll, &pipe->to_write);
		if (fs_pipe_room(pipe) >= ATOMIC)
			events |= UK_POLLOUT | UK_POLLWRNORM;
		if (pipe->readers == 0)
			events |= UK_POLLERR;
	}
	return events;
}

static int64_t pipe_ioctl(struct uk_file *file, unsigned request, uint64_t arg)
{
	struct fs_pipe *pipe = file->data;
	int size = (int)fs_pipe_used(pipe);

	if (request != UK_FIONREAD)
		return -UK_ENOTTY;
	return uk_copy_to_user(arg, &size, sizeof(size));
}

/* -- opening and closing -- */

static void detach(struct uk_inode *inode, struct fs_pipe *pipe, bool reads, bool writes)
{
	bool last;

	uk_mutex_lock(&opening);
	pipe->readers -= reads;
	pipe->writers -= writes;
	last = pipe->readers == 0 && pipe->writers == 0;
	if (last)
		inode->pipe = NULL;
	uk_mutex_unlock(&opening);
	uk_wake_all(&pipe->to_read);
	uk_wake_all(&pipe->to_write);
	if (last)
		pipe_free(pipe);
}

static void pipe_release(struct uk_file *file)
{
	detach(file->inode, file->data, fs_can_read(file), fs_can_write(file));
}

static struct fs_pipe *attach(struct uk_inode *inode, bool reads, bool writes)
{
	struct fs_pipe *pipe;

	uk_mutex_lock(&opening);
	if (inode->pipe == NULL)
		inode->pipe = pipe_new();
	pipe = inode->pipe;
	if (pipe != NULL) {
		pipe->readers += reads;
		pipe->readers_ever += reads;
		pipe->writers += writes;
		pipe->writers_ever += writes;
	}
	uk_mutex_unlock(&opening);
	return pipe;
}

/* Each end waits for the other one to have been opened, be it for a moment (fifo(7)). */
static int wait_for_other(const struct uk_file *file, struct fs_pipe *pipe, bool reads)
{
	unsigned *other = reads ? &pipe->writers : &pipe->readers;
	volatile unsigned *ever = reads ? &pipe->writers_ever : &pipe->readers_ever;
	unsigned before = *ever;

	if (*other != 0 || (file->flags & UK_O_NONBLOCK) != 0)
		return 0;
	return uk_wait_event(reads ? &pipe->to_read : &pipe->to_write, *ever != before, UK_FOREVER,
			     true);
}

int fs_pipe_open(struct uk_inode *inode, struct uk_file *file)
{
	bool reads = fs_can_read(file), writes = fs_can_write(file);
	struct fs_pipe *pipe = attach(inode, reads, writes);
	int error = 0;

	if (pipe == NULL)
		return -UK_ENOMEM;
	uk_wake_all(&pipe->to_read);
	uk_wake_all(&pipe->to_write);
	if (writes && !reads && (file->flags & UK_O_NONBLOCK) != 0 && pipe->readers == 0)
		error = -UK_ENXIO;
	else if (reads != writes)
		error = wait_for_other(file, pipe, reads);
	if (error != 0) {
		detach(inode, pipe, reads, writes);
		return error;
	}
	file->ops = &pipe_ops;
	file->data = pipe;
	return 0;
}

static const struct uk_file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.stream = true,
};

struct fs_pipe *fs_pipe_of(const struct uk_file *file)
{
	return file->ops == &pipe_ops ? file->data : NULL;
}

/* The bytes move to pages of a ring of another length. */
static int64_t resize(struct fs_pipe *pipe, unsigned pages)
{
	struct uk_page **ring = uk_alloc(pages * sizeof(struct uk_page *));
	uint64_t first = pipe->head >> UK_PAGE_SHIFT;
	uint64_t end = UK_ALIGN_UP(pipe->tail, UK_PAGE_SIZE) >> UK_PAGE_SHIFT;

	if (ring == NULL)
		return -UK_ENOMEM;
	if (end - first > pages) {
		uk_free(ring);
		return -UK_EBUSY;
	}
	for (uint64_t i = first; i < end; i++) {
		struct uk_page **old = &pipe->page[i % pipe->pages];

		ring[i % pages] = *old;
		*old = NULL;
	}
	for (unsigned i = 0; i < pipe->pages; i++)
		if (pipe->page[i] != NULL)
			uk_page_put(pipe->page[i]);
	uk_free(pipe->page);
	pipe->page = ring;
	pipe->pages = pages;
	return 0;
}

int64_t fs_pipe_size(struct uk_file *file, bool set, uint32_t size)
{
	struct fs_pipe *pipe = fs_pipe_of(file);
	unsigned pages = 1;
	int64_t result = 0;

	if (pipe == NULL)
		return -UK_EBADF;
	if (!set)
		return (int64_t)fs_pipe_capacity(pipe);
	if (size > PAGES_MAX * UK_PAGE_SIZE)
		return size > INT32_MAX ? -UK_EINVAL : -UK_EPERM;
	while (pages * UK_PAGE_SIZE < size)
		pages *= 2;
	uk_mutex_lock(&pipe->lock);
	if (pages != pipe->pages)
		result = resize(pipe, pages);
	uk_mutex_unlock(&pipe->lock);
	uk_wake_all(&pipe->to_write);
	return result != 0 ? result : (int64_t)(pages * UK_PAGE_SIZE);
}

/* -- the calls -- */

static struct uk_inode *nameless(void)
{
	static const struct uk_inode_ops none;
	static uint64_t last_ino;
	struct uk_inode *inode = uk_inode_new(NULL, &none, UK_S_IFIFO | 0600);

	if (inode == NULL)
		return NULL;
	inode->ino = __atomic_add_fetch(&last_ino, 1, __ATOMIC_RELAXED);
	inode->atime = inode->mtime = inode->ctime = uk_time_real();
	fs_inode_own(inode, NULL);
	return inode;
}

/* Both ends; not blocking for the time, since nobody opened the other one yet. */
static int pipe_files(uint32_t flags, struct uk_file *end[2])
{
	struct uk_inode *inode = nameless();
	char name[32];

	if (inode == NULL)
		return -UK_ENOMEM;
	uk_snprintf(name, sizeof(name), "pipe:[%llu]", (unsigned long long)inode->ino);
	uk_inode_get(inode);
	end[0] = fs_file_nameless(inode, name, UK_O_RDONLY | UK_O_NONBLOCK);
	if (uk_is_err(end[0])) {
		uk_inode_put(inode);
		return (int)uk_ptr_err(end[0]);
	}
	end[1] = fs_file_nameless(inode, name, UK_O_WRONLY | UK_O_NONBLOCK);
	if (uk_is_err(end[1])) {
		uk_file_put(end[0]);
		return (int)uk_ptr_err(end[1]);
	}
	for (unsigned i = 0; i < 2; i++)
		end[i]->flags =
			(end[i]->flags & UK_O_ACCMODE) | (flags & (UK_O_NONBLOCK | UK_O_DIRECT));
	return 0;
}

static int64_t pipe_make(uint64_t user, uint32_t flags)
{
	bool cloexec = (flags & UK_O_CLOEXEC) != 0;
	struct uk_file *end[2] = { NULL, NULL };
	int fd[2], error;

	if ((flags & ~(uint32_t)(UK_O_CLOEXEC | UK_O_NONBLOCK | UK_O_DIRECT)) != 0)
		return -UK_EINVAL;
	error = pipe_files(flags, end);
	if (error != 0)
		return error;
	fd[0] = uk_fd_install(end[0], cloexec);
	if (fd[0] < 0) {
		uk_file_put(end[1]);
		return fd[0];
	}
	fd[1] = uk_fd_install(end[1], cloexec);
	error = fd[1] < 0 ? fd[1] : uk_copy_to_user(user, fd, sizeof(fd));
	if (error != 0) {
		(void)fs_fd_close(fd[0]);
		if (fd[1] >= 0)
			(void)fs_fd_close(fd[1]);
	}
	return error;
}

int64_t uk_sys_pipe(const struct uk_sysargs *s)
{
	return pipe_make(s->a[0], 0);
}

int64_t uk_sys_pipe2(const struct uk_sysargs *s)
{
	return pipe_make(s->a[0], (uint32_t)s->a[1]);
}
