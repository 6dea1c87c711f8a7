/*
 * splice(2), tee(2) and vmsplice(2): bytes between pipes and files. They are copied, but for those
 * that go from a pipe to a socket, which sends the pipe's own pages. As on Linux a pipe is locked
 * while its bytes move, so that none is lost between a file that was read and a pipe that is full.
 */
#include <uk/signal.h>

#include "calls.h"
#include "pipe.h"

enum { NONBLOCK = 2, MORE = 4, FLAGS_KNOWN = 15 };

struct splice {
	struct fs_end in, out;
	uint64_t size;
	bool nonblock, more;
};

/* -- waiting, under the pipe's lock, which is given up meanwhile -- */

/* Until there are bytes, or nobody is left who could write some. */
static int wait_bytes(struct fs_pipe *pipe, bool nonblock)
{
	int error = 0;

	while (error == 0 && fs_pipe_used(pipe) == 0 && pipe->writers != 0) {
		if (nonblock)
			return -UK_EAGAIN;
		uk_mutex_unlock(&pipe->lock);
		error = uk_wait_event(&pipe->to_read, fs_pipe_used(pipe) != 0 || pipe->writers == 0,
				      UK_FOREVER, true);
		uk_mutex_lock(&pipe->lock);
	}
	return error;
}

static int wait_room(struct fs_pipe *pipe, bool nonblock)
{
	int error = 0;

	while (error == 0 && fs_pipe_room(pipe) == 0 && pipe->readers != 0) {
		if (nonblock)
			return -UK_EAGAIN;
		uk_mutex_unlock(&pipe->lock);
		error = uk_wait_event(&pipe->to_write,
				      fs_pipe_room(pipe) != 0 || pipe->readers == 0, UK_FOREVER,
				      true);
		uk_mutex_lock(&pipe->lock);
	}
	return error == 0 && pipe->readers == 0 ? -UK_EPIPE : error;
}

/* -- from a pipe to a file -- */

/* At most `most` bytes out of the page at the head. */
static int64_t put_part(struct fs_pipe *pipe, struct fs_end *out, uint64_t most, bool more)
{
	struct uk_page *page = *fs_pipe_page(pipe, pipe->head);
	size_t at = pipe->head & UK_PAGE_MASK;
	struct uk_iter it;
	int64_t moved;

	uk_iter_kernel(&it, (char *)uk_page_virt(page) + at, UK_MIN(most, UK_PAGE_SIZE - at));
	if (out->file->ops->write_pages != NULL)
		moved = out->file->ops->write_pages(out->file, &it, page, more || it.left < most);
	else
		moved = fs_write(out->file, &it, &out->offset);
	if (moved > 0)
		fs_pipe_taken(pipe, (uint64_t)moved);
	return moved;
}

static int64_t to_file(struct splice *s, struct fs_pipe *pipe)
{
	int64_t done = 0, moved = 0;
	int error;

	if ((s->out.file->flags & UK_O_APPEND) != 0)
		return -UK_EINVAL;
	uk_mutex_lock(&pipe->lock);
	error = wait_bytes(pipe, s->nonblock);
	while (error == 0 && (uint64_t)done < s->size && fs_pipe_used(pipe) != 0) {
		uint64_t most = UK_MIN(s->size - (uint64_t)done, fs_pipe_used(pipe));

		moved = put_part(pipe, &s->out, most, s->more);
		if (moved <= 0)
			break;
		done += moved;
	}
	uk_mutex_unlock(&pipe->lock);
	if (done > 0)
		uk_wake_all(&pipe->to_write);
	return done != 0 ? done : error != 0 ? error : moved;
}

/* -- from a file to a pipe -- */

/* At most `most` bytes into the page at the tail, which has room. */
static int64_t get_part(struct fs_end *in, struct fs_pipe *pipe, uint64_t most)
{
	struct uk_page **page = fs_pipe_page(pipe, pipe->tail);
	size_t at = pipe->tail & UK_PAGE_MASK;
	struct uk_iter it;
	int64_t moved;

	if (*page == NULL)
		*page = uk_page_alloc(0, false);
	if (*page == NULL)
		return -UK_ENOMEM;
	uk_iter_kernel(&it, (char *)uk_page_virt(*page) + at, UK_MIN(most, UK_PAGE_SIZE - at));
	moved = fs_read(in->file, &it, &in->offset);
	if (moved > 0)
		pipe->tail += (uint64_t)moved;
	return moved;
}

/* A stream is waited for once: what comes later is the next call's. */
static bool has_more(struct uk_file *in)
{
	return !in->ops->stream || (fs_poll(in, NULL) & UK_POLLIN) != 0;
}

static int64_t from_file(struct splice *s, struct fs_pipe *pipe)
{
	int64_t done = 0, moved = 0;
	int error;

	uk_mutex_lock(&pipe->lock);
	error = wait_room(pipe, s->nonblock);
	while (error == 0 && (uint64_t)done < s->size && fs_pipe_room(pipe) != 0 &&
	       (done == 0 || has_more(s->in.file))) {
		moved = get_part(&s->in, pipe,
				 UK_MIN(s->size - (uint64_t)done, fs_pipe_room(pipe)));
		if (moved <= 0)
			break;
		done += moved;
	}
	uk_mutex_unlock(&pipe->lock);
	if (done > 0)
		uk_wake_all(&pipe->to_read);
	if (error == -UK_EPIPE)
		uk_signal_self(UK_SIGPIPE);
	return done != 0 ? done : error != 0 ? error : moved;
}

/* -- from a pipe to another -- */

struct passing {
	struct fs_pipe *in, *out;
	uint64_t size;
	bool nonblock, keep; /* keep: the bytes stay in the first (tee) */
};

/* Under the locks of both; -UK_EAGAIN: one of them is to be waited for. */
static int64_t pass_some(const struct passing *p)
{
	uint64_t left = UK_MIN(p->size, fs_pipe_used(p->in)), position = p->in->head;
	int64_t done = 0, moved = 1;

	if (left == 0 && p->in->writers != 0)
		return -UK_EAGAIN;
	if (p->out->readers == 0)
		return -UK_EPIPE;
	if (left != 0 && fs_pipe_room(p->out) == 0)
		return -UK_EAGAIN;
	while (left != 0 && moved > 0) {
		size_t at = position & UK_PAGE_MASK;
		struct uk_iter it;

		uk_iter_kernel(&it, (char *)uk_page_virt(*fs_pipe_page(p->in, position)) + at,
			       UK_MIN(left, UK_PAGE_SIZE - at));
		moved = fs_pipe_give(p->out, &it);
		if (moved <= 0)
			break;
		done += moved;
		left -= (uint64_t)moved;
		position += (uint64_t)moved;
		if (!p->keep)
			fs_pipe_taken(p->in, (uint64_t)moved);
	}
	return done != 0 ? done : moved < 0 ? moved : 0;
}

static int64_t pass_locked(const struct passing *p)
{
	bool in_first = (uintptr_t)p->in < (uintptr_t)p->out;
	int64_t done;

	uk_mutex_lock(in_first ? &p->in->lock : &p->out->lock);
	uk_mutex_lock(in_first ? &p->out->lock : &p->in->lock);
	done = pass_some(p);
	uk_mutex_unlock(&p->in->lock);
	uk_mutex_unlock(&p->out->lock);
	return done;
}

static int64_t pass(const struct passing *p)
{
	struct fs_pipe *in = p->in, *out = p->out;
	int64_t done;
	int error;

	while ((done = pass_locked(p)) == -UK_EAGAIN && !p->nonblock) {
		error = uk_wait_event(&in->to_read, fs_pipe_used(in) != 0 || in->writers == 0,
				      UK_FOREVER, true);
		if (error == 0)
			error = uk_wait_event(&out->to_write,
					      fs_pipe_room(out) != 0 || out->readers == 0,
					      UK_FOREVER, true);
		if (error != 0)
			return error;
	}
	if (done > 0) {
		uk_wake_all(&out->to_read);
		uk_wake_all(&in->to_write);
	}
	if (done == -UK_EPIPE)
		uk_signal_self(UK_SIGPIPE);
	return done;
}

static bool waits_not(const struct uk_file *file)
{
	return (file->flags & UK_O_NONBLOCK) != 0;
}

/* -- the calls -- */

/* What has bytes to be moved in pieces: files, sockets, devices. */
static bool fits(const struct uk_file *file)
{
	return file->ops->write_pages != NULL ||
	       (file->inode != NULL &&
		(UK_S_IS(file->inode->mode, REG) || UK_S_IS(file->inode->mode, CHR)));
}

static int64_t move(struct splice *s)
{
	struct uk_file *in_file = s->in.file, *out_file = s->out.file;
	struct fs_pipe *in = fs_pipe_of(in_file), *out = fs_pipe_of(out_file);
	struct passing p = { in, out, s->size, s->nonblock, false };

	if ((in != NULL && s->in.user != 0) || (out != NULL && s->out.user != 0))
		return -UK_ESPIPE;
	if (!fs_can_read(in_file) || !fs_can_write(out_file))
		return -UK_EBADF;
	if ((in != NULL && waits_not(in_file)) || (out != NULL && waits_not(out_file)))
		s->nonblock = p.nonblock = true;
	if (in != NULL && out != NULL)
		return in == out ? -UK_EINVAL : pass(&p);
	if ((in == NULL && (!fits(in_file) || (in_file->ops->stream && s->in.user != 0))) ||
	    (out == NULL && (!fits(out_file) || (out_file->ops->stream && s->out.user != 0))))
		return -UK_EINVAL;
	return in != NULL ? to_file(s, in) : out != NULL ? from_file(s, out) : -UK_EINVAL;
}

int64_t uk_sys_splice(const struct uk_sysargs *s)
{
	struct splice splice = {
		.size = UK_MIN(s->a[4], UK_RW_MAX),
		.nonblock = (s->a[5] & NONBLOCK) != 0,
		.more = (s->a[5] & MORE) != 0,
	};
	int64_t result;

	if (s->a[4] == 0)
		return 0;
	if (((uint32_t)s->a[5] & ~(uint32_t)FLAGS_KNOWN) != 0)
		return -UK_EINVAL;
	result = fs_end_begin(&splice.in, s->a[0], s->a[1]);
	if (result == 0)
		result = fs_end_begin(&splice.out, s->a[2], s->a[3]);
	if (result == 0)
		result = move(&splice);
	result = fs_end_finish(&splice.in, result);
	return fs_end_finish(&splice.out, result);
}

static int64_t tee(struct uk_file *in, struct uk_file *out, uint64_t size, bool nonblock)
{
	struct passing p = { fs_pipe_of(in), fs_pipe_of(out), size, nonblock, true };

	if (!fs_can_read(in) || !fs_can_write(out))
		return -UK_EBADF;
	if (p.in == NULL || p.out == NULL || p.in == p.out)
		return -UK_EINVAL;
	p.nonblock |= waits_not(in) || waits_not(out);
	return pass(&p);
}

int64_t uk_sys_tee(const struct uk_sysargs *s)
{
	struct uk_file *in, *out;
	int64_t result;

	if (((uint32_t)s->a[3] & ~(uint32_t)FLAGS_KNOWN) != 0)
		return -UK_EINVAL;
	if (s->a[2] == 0)
		return 0;
	in = fs_fd_real(fs_arg_int(s->a[0]));
	out = fs_fd_real(fs_arg_int(s->a[1]));
	result = in == NULL || out == NULL ? -UK_EBADF
					   : tee(in, out, s->a[2], (s->a[3] & NONBLOCK) != 0);
	if (in != NULL)
		uk_file_put(in);
	if (out != NULL)
		uk_file_put(out);
	return result;
}

static int64_t exchange(struct fs_pipe *pipe, struct uk_iter *it, bool give, bool nonblock)
{
	int64_t result;

	uk_mutex_lock(&pipe->lock);
	result = give ? wait_room(pipe, nonblock) : wait_bytes(pipe, nonblock);
	if (result == 0)
		result = give ? fs_pipe_give(pipe, it) : fs_pipe_take(pipe, it);
	uk_mutex_unlock(&pipe->lock);
	if (result > 0)
		uk_wake_all(give ? &pipe->to_read : &pipe->to_write);
	if (result == -UK_EPIPE)
		uk_signal_self(UK_SIGPIPE);
	return result;
}

int64_t uk_sys_vmsplice(const struct uk_sysargs *s)
{
	struct uk_file *file;
	struct uk_iter it;
	struct fs_vec v;
	int64_t result;

	if (((uint32_t)s->a[3] & ~(uint32_t)FLAGS_KNOWN) != 0)
		return -UK_EINVAL;
	file = fs_fd_real(fs_arg_int(s->a[0]));
	if (file == NULL)
		return -UK_EBADF;
	result = fs_vec_get(&v, s->a[1], s->a[2], &it);
	if (result == 0) {
		if (it.left != 0 && fs_pipe_of(file) == NULL)
			result = -UK_EBADF;
		else if (it.left != 0)
			result = exchange(fs_pipe_of(file), &it, fs_can_write(file),
					  (s->a[3] & NONBLOCK) != 0);
		fs_vec_put(&v);
	}
	uk_file_put(file);
	return result;
}
