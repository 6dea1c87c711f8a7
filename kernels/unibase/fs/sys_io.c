/*
 * System calls that move bytes: the read and write families, lseek, sendfile, copy_file_range,
 * fsync and its kin.
 */
#include "calls.h"

typedef int64_t transfer(struct uk_file *file, struct uk_iter *it, uint64_t *offset);

/* At the file's own offset, which is locked meanwhile so that two threads' bytes do not mix: a
 * stream has none, and leaves it alone. */
UK_INLINE int64_t move_on(struct uk_file *file, struct uk_iter *it, transfer *move)
{
	int64_t result;

	if (file->ops->stream)
		return move(file, it, &file->offset);
	uk_mutex_lock(&file->lock);
	result = move(file, it, &file->offset);
	uk_mutex_unlock(&file->lock);
	return result;
}

static int64_t move_at(struct uk_file *file, struct uk_iter *it, uint64_t offset, transfer *move)
{
	if (offset > INT64_MAX)
		return -UK_EINVAL;
	return file->ops->stream ? -UK_ESPIPE : move(file, it, &offset);
}

static int64_t at_own_offset(uint64_t fd, struct uk_iter *it, transfer *move)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(fd));
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = move_on(file, it, move);
	uk_file_put(file);
	return result;
}

static int64_t at_offset(uint64_t fd, struct uk_iter *it, uint64_t offset, transfer *move)
{
	struct uk_file *file;
	int64_t result;

	if (offset > INT64_MAX)
		return -UK_EINVAL;
	file = fs_fd_real(fs_arg_int(fd));
	if (file == NULL)
		return -UK_EBADF;
	result = move_at(file, it, offset, move);
	uk_file_put(file);
	return result;
}

static void one_buffer(struct uk_iovec *vec, struct uk_iter *it, uint64_t base, uint64_t size)
{
	*vec = (struct uk_iovec){ base, UK_MIN(size, UK_RW_MAX) };
	uk_iter_begin(it, vec, 1, vec->size);
}

int64_t uk_sys_read(const struct uk_sysargs *s)
{
	struct uk_iovec vec;
	struct uk_iter it;

	one_buffer(&vec, &it, s->a[1], s->a[2]);
	return at_own_offset(s->a[0], &it, fs_read);
}

int64_t uk_sys_write(const struct uk_sysargs *s)
{
	struct uk_iovec vec;
	struct uk_iter it;

	one_buffer(&vec, &it, s->a[1], s->a[2]);
	return at_own_offset(s->a[0], &it, fs_write);
}

int64_t uk_sys_pread64(const struct uk_sysargs *s)
{
	struct uk_iovec vec;
	struct uk_iter it;

	one_buffer(&vec, &it, s->a[1], s->a[2]);
	return at_offset(s->a[0], &it, s->a[3], fs_read);
}

int64_t uk_sys_pwrite64(const struct uk_sysargs *s)
{
	struct uk_iovec vec;
	struct uk_iter it;

	one_buffer(&vec, &it, s->a[1], s->a[2]);
	return at_offset(s->a[0], &it, s->a[3], fs_write);
}

static int64_t vector(const struct uk_sysargs *s, uint64_t offset, bool own, transfer *move)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	struct uk_iter it;
	struct fs_vec v;
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = fs_vec_get(&v, s->a[1], s->a[2], &it);
	if (result == 0) {
		result = own ? move_on(file, &it, move) : move_at(file, &it, offset, move);
		fs_vec_put(&v);
	}
	uk_file_put(file);
	return result;
}

int64_t uk_sys_readv(const struct uk_sysargs *s)
{
	return vector(s, 0, true, fs_read);
}

int64_t uk_sys_writev(const struct uk_sysargs *s)
{
	return vector(s, 0, true, fs_write);
}

int64_t uk_sys_preadv(const struct uk_sysargs *s)
{
	return vector(s, s->a[3], false, fs_read);
}

int64_t uk_sys_pwritev(const struct uk_sysargs *s)
{
	return vector(s, s->a[3], false, fs_write);
}

/* -- lseek -- */

/* Everything counts as data up to the end: that is always a right answer. */
static int64_t seek_to(const struct uk_file *file, int64_t offset, int whence)
{
	int64_t size = (int64_t)file->inode->size, base;

	switch (whence) {
	case UK_SEEK_SET:
		return offset;
	case UK_SEEK_CUR:
		base = (int64_t)file->offset;
		break;
	case UK_SEEK_END:
		if (UK_S_IS(file->inode->mode, DIR))
			return -UK_EINVAL;
		base = size;
		break;
	case UK_SEEK_DATA:
		return offset < 0 || offset >= size ? -UK_ENXIO : offset;
	case UK_SEEK_HOLE:
		return offset < 0 || offset >= size ? -UK_ENXIO : size;
	default:
		return -UK_EINVAL;
	}
	return __builtin_add_overflow(base, offset, &base) ? -UK_EINVAL : base;
}

static int64_t seek(struct uk_file *file, int64_t offset, int whence)
{
	int64_t to;

	if (file->ops->stream || file->inode == NULL)
		return -UK_ESPIPE;
	if (UK_S_IS(file->inode->mode, CHR))
		return 0;
	uk_mutex_lock(&file->lock);
	to = seek_to(file, offset, whence);
	if (to >= 0 && file->inode->super != NULL && UK_S_IS(file->inode->mode, REG) &&
	    (uint64_t)to > file->inode->super->size_max)
		to = -UK_EINVAL;
	if (to >= 0)
		file->offset = (uint64_t)to;
	else if (whence <= UK_SEEK_END)
		to = -UK_EINVAL;
	uk_mutex_unlock(&file->lock);
	return to;
}

int64_t uk_sys_lseek(const struct uk_sysargs *s)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = seek(file, (int64_t)s->a[1], fs_arg_int(s->a[2]));
	uk_file_put(file);
	return result;
}

/* -- file to file -- */

enum { RUN_PAGES = 16 };

/*
 * Pages of the page cache from `index` on that lie one behind the other in memory, as those of one
 * volume block and of the boot image do: they go out in one piece. References in page[].
 */
static int take_run(struct uk_file *in, uint64_t index, unsigned most,
		    struct uk_page *page[RUN_PAGES], unsigned *count)
{
	int error = uk_file_page(in, index, &page[0]);

	if (error != 0)
		return error;
	for (*count = 1; *count < most; ++*count) {
		struct uk_page *next = uk_cache_look(in->inode, index + *count);

		if (next == NULL)
			break;
		if (uk_page_virt(next) != (char *)uk_page_virt(page[0]) + *count * UK_PAGE_SIZE) {
			uk_page_put(next);
			break;
		}
		page[*count] = next;
	}
	return 0;
}

/* Some bytes of a regular file without copying them. */
static int64_t move_cached(struct uk_file *in, uint64_t offset, struct uk_file *out,
			   uint64_t *out_offset, uint64_t most)
{
	size_t at = offset & UK_PAGE_MASK;
	struct uk_page *page[RUN_PAGES];
	struct uk_iter it;
	unsigned count;
	int64_t size;
	int error;

	if (offset >= in->inode->size)
		return 0;
	most = UK_MIN(most, in->inode->size - offset);
	error = take_run(
		in, offset >> UK_PAGE_SHIFT,
		(unsigned)UK_MIN((at + most + UK_PAGE_MASK) >> UK_PAGE_SHIFT, (uint64_t)RUN_PAGES),
		page, &count);
	if (error != 0)
		return error == -UK_EFAULT ? 0 : error; /* it was cut meanwhile */
	uk_iter_kernel(&it, (char *)uk_page_virt(page[0]) + at,
		       UK_MIN(most, count * UK_PAGE_SIZE - at));
	if (out->ops->write_pages != NULL)
		size = out->ops->write_pages(out, &it, page[0], it.left < most);
	else
		size = fs_write(out, &it, out_offset);
	while (count != 0)
		uk_page_put(page[--count]);
	return size;
}

/* Some bytes of any other file by way of a bounce page. */
static int64_t move_bounced(struct uk_file *in, uint64_t offset, struct uk_file *out,
			    uint64_t *out_offset, uint64_t most, void *bounce)
{
	struct uk_iter it;
	int64_t size;

	uk_iter_kernel(&it, bounce, UK_MIN(most, UK_PAGE_SIZE));
	size = fs_read(in, &it, &offset);
	if (size <= 0)
		return size;
	uk_iter_kernel(&it, bounce, (size_t)size);
	return fs_write(out, &it, out_offset);
}

static int64_t move_bytes(struct uk_file *in, uint64_t *offset, struct uk_file *out,
			  uint64_t *out_offset, uint64_t size)
{
	bool cached = in->ops == &fs_regular_ops;
	void *bounce = cached ? NULL : uk_alloc(UK_PAGE_SIZE);
	int64_t done = 0, part = 1;

	if (!cached && bounce == NULL)
		return -UK_ENOMEM;
	size = UK_MIN(size, UK_RW_MAX);
	while ((uint64_t)done < size && part > 0) {
		uint64_t left = size - (uint64_t)done;

		part = cached ? move_cached(in, *offset, out, out_offset, left)
			      : move_bounced(in, *offset, out, out_offset, left, bounce);
		if (part <= 0)
			break;
		done += part;
		*offset += (uint64_t)part;
		if (uk_signal_pending())
			break;
	}
	uk_free(bounce);
	return done != 0 ? done : part;
}

static int64_t send(struct uk_file *out, struct uk_file *in, uint64_t *offset, uint64_t size)
{
	uint64_t none = 0, *out_offset = out->ops->stream ? &none : &out->offset;
	int64_t result;

	if (!fs_can_read(in) || !fs_can_write(out))
		return -UK_EBADF;
	if (in->ops->stream)
		return offset != NULL ? -UK_ESPIPE : -UK_EINVAL;
	if (in->ops->read == NULL || UK_S_IS(in->inode->mode, DIR) || out->ops->write == NULL ||
	    (out->flags & UK_O_APPEND) != 0)
		return -UK_EINVAL;
	if (offset != NULL)
		return move_bytes(in, offset, out, out_offset, size);
	uk_mutex_lock(&in->lock);
	result = move_bytes(in, &in->offset, out, out_offset, size);
	uk_mutex_unlock(&in->lock);
	return result;
}

int64_t uk_sys_sendfile(const struct uk_sysargs *s)
{
	struct uk_file *out, *in;
	uint64_t offset = 0;
	int64_t result;

	if (s->a[2] != 0 && uk_copy_from_user(&offset, s->a[2], sizeof(offset)) != 0)
		return -UK_EFAULT;
	if (offset > INT64_MAX)
		return -UK_EINVAL;
	in = fs_fd_real(fs_arg_int(s->a[1]));
	out = fs_fd_real(fs_arg_int(s->a[0]));
	result = in == NULL || out == NULL ? -UK_EBADF
					   : send(out, in, s->a[2] != 0 ? &offset : NULL, s->a[3]);
	if (result >= 0 && s->a[2] != 0 && uk_copy_to_user(s->a[2], &offset, sizeof(offset)) != 0)
		result = -UK_EFAULT;
	if (in != NULL)
		uk_file_put(in);
	if (out != NULL)
		uk_file_put(out);
	return result;
}

static int64_t copy_check(const struct uk_file *in, uint64_t from, const struct uk_file *out,
			  uint64_t to, uint64_t size)
{
	if (!fs_can_read(in) || !fs_can_write(out) || (out->flags & UK_O_APPEND) != 0)
		return -UK_EBADF;
	if (in->inode == NULL || out->inode == NULL)
		return -UK_EINVAL;
	if (UK_S_IS(in->inode->mode, DIR) || UK_S_IS(out->inode->mode, DIR))
		return -UK_EISDIR;
	if (in->ops != &fs_regular_ops || out->ops != &fs_regular_ops)
		return -UK_EINVAL;
	if (from + size < from || to + size < to)
		return -UK_EOVERFLOW;
	if (in->inode == out->inode && from < to + size && to < from + size)
		return -UK_EINVAL;
	return 0;
}

int64_t fs_end_begin(struct fs_end *end, uint64_t fd, uint64_t user)
{
	end->file = fs_fd_real(fs_arg_int(fd));
	end->user = user;
	if (end->file == NULL)
		return -UK_EBADF;
	end->offset = end->file->offset;
	if (user != 0 && uk_copy_from_user(&end->offset, user, sizeof(end->offset)) != 0)
		return -UK_EFAULT;
	return end->offset > INT64_MAX ? -UK_EINVAL : 0;
}

int64_t fs_end_finish(struct fs_end *end, int64_t result)
{
	if (end->file == NULL)
		return result;
	if (result > 0 && end->user == 0)
		end->file->offset = end->offset;
	else if (result > 0 && uk_copy_to_user(end->user, &end->offset, sizeof(end->offset)) != 0)
		result = -UK_EFAULT;
	uk_file_put(end->file);
	return result;
}

int64_t uk_sys_copy_file_range(const struct uk_sysargs *s)
{
	struct fs_end in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	uint64_t size = UK_MIN(s->a[4], UK_RW_MAX);
	int64_t result;

	if (s->a[5] != 0)
		return -UK_EINVAL;
	result = fs_end_begin(&in, s->a[0], s->a[1]);
	if (result == 0)
		result = fs_end_begin(&out, s->a[2], s->a[3]);
	if (result == 0)
		result = copy_check(in.file, in.offset, out.file, out.offset, size);
	if (result == 0)
		result = move_bytes(in.file, &in.offset, out.file, &out.offset, size);
	result = fs_end_finish(&in, result);
	return fs_end_finish(&out, result);
}

/* -- to the disk -- */

int fs_sync(struct uk_file *file, bool data_only)
{
	struct uk_inode *inode = file->inode;
	int error;

	if (inode == NULL || !(UK_S_IS(inode->mode, REG) || UK_S_IS(inode->mode, DIR)))
		return -UK_EINVAL;
	error = uk_cache_sync(inode);
	if (error == 0 && inode->ops->sync != NULL)
		error = inode->ops->sync(inode, data_only);
	return error;
}

/* What has no disk behind it, a pipe or a socket, has nothing to sync. */
int64_t fs_written(struct uk_file *file, int64_t done, uint32_t flags)
{
	int error = 0;

	if (done > 0 && (flags & (FS_RWF_DSYNC | FS_RWF_SYNC)) != 0)
		error = fs_sync(file, (flags & FS_RWF_SYNC) == 0);
	return error == 0 || error == -UK_EINVAL ? done : error;
}

static int64_t sync_file(uint64_t fd, bool data_only)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(fd));
	int error;

	if (file == NULL)
		return -UK_EBADF;
	error = fs_sync(file, data_only);
	uk_file_put(file);
	return error;
}

int64_t uk_sys_fsync(const struct uk_sysargs *s)
{
	return sync_file(s->a[0], false);
}

int64_t uk_sys_fdatasync(const struct uk_sysargs *s)
{
	return sync_file(s->a[0], true);
}

static int64_t vector2(const struct uk_sysargs *s, transfer *move)
{
	if ((s->a[5] & ~(uint64_t)FS_RWF_KNOWN) != 0)
		return -UK_EOPNOTSUPP;
	return vector(s, s->a[3], s->a[3] == UINT64_MAX, move);
}

int64_t uk_sys_preadv2(const struct uk_sysargs *s)
{
	return vector2(s, fs_read);
}

int64_t uk_sys_pwritev2(const struct uk_sysargs *s)
{
	int64_t done = vector2(s, fs_write);
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));

	if (file == NULL)
		return done;
	done = fs_written(file, done, (uint32_t)s->a[5]);
	uk_file_put(file);
	return done;
}

int64_t uk_sys_sync(const struct uk_sysargs *s)
{
	(void)s;
	uk_vfs_sync();
	return 0;
}

int64_t uk_sys_syncfs(const struct uk_sysargs *s)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	struct uk_super *super;
	int error = 0;

	if (file == NULL)
		return -UK_EBADF;
	super = file->inode != NULL ? file->inode->super : NULL;
	if (super != NULL && super->ops->sync != NULL)
		error = super->ops->sync(super);
	uk_file_put(file);
	return error;
}

/* Whether it has bytes at places; what is not open counts as one, and says so itself. */
static bool is_file(int fd)
{
	struct uk_file *file = fs_fd_real(fd);
	bool is = file == NULL || (file->inode != NULL && (UK_S_IS(file->inode->mode, REG) ||
							   UK_S_IS(file->inode->mode, DIR)));

	if (file != NULL)
		uk_file_put(file);
	return is;
}

int64_t uk_sys_sync_file_range(const struct uk_sysargs *s)
{
	if (s->a[3] > 7 || s->a[1] > INT64_MAX || s->a[2] > INT64_MAX)
		return -UK_EINVAL;
	if (!is_file(fs_arg_int(s->a[0])))
		return -UK_ESPIPE;
	return s->a[3] == 0 ? 0 : sync_file(s->a[0], true);
}

/* -- hints -- */

enum advice { ADVICE_NONE = 0, ADVICE_WILLNEED = 3, ADVICE_DONTNEED = 4, ADVICE_NOREUSE = 5 };

static void advise_file(struct uk_inode *inode, uint64_t offset, uint64_t end, enum advice advice)
{
	uint64_t first = offset >> UK_PAGE_SHIFT, last = end >> UK_PAGE_SHIFT;

	if (advice == ADVICE_WILLNEED && inode->ahead != 0 && offset < end)
		uk_cache_ahead(inode, first, (unsigned)UK_MIN(last - first, 512ull) + 1);
	/* Of pages that are only in part meant, the file's last one alone. */
	if (advice == ADVICE_DONTNEED)
		fs_cache_forget(inode, UK_ALIGN_UP(offset, UK_PAGE_SIZE) >> UK_PAGE_SHIFT,
				end == inode->size ? last + 1 : last);
}

static int64_t advise(uint64_t fd, uint64_t offset, uint64_t size, enum advice advice)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(fd));
	uint64_t end;

	if (file == NULL)
		return -UK_EBADF;
	if (file->ops->stream || file->inode == NULL) {
		uk_file_put(file);
		return -UK_ESPIPE;
	}
	if (!__builtin_add_overflow(offset, size, &end)) {
		end = UK_MIN(size != 0 ? end : UINT64_MAX, file->inode->size);
		advise_file(file->inode, offset, end, advice);
	}
	uk_file_put(file);
	return 0;
}

int64_t uk_sys_fadvise64(const struct uk_sysargs *s)
{
	int advice = fs_arg_int(s->a[3]);

	if (advice < 0 || advice > ADVICE_NOREUSE || s->a[2] > INT64_MAX)
		return -UK_EINVAL;
	return advise(s->a[0], s->a[1], s->a[2], (enum advice)advice);
}

int64_t uk_sys_readahead(const struct uk_sysargs *s)
{
	int64_t result = advise(s->a[0], s->a[1], s->a[2], ADVICE_WILLNEED);

	return result == -UK_ESPIPE ? -UK_EINVAL : result;
}
