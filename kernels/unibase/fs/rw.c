/*
 * Regular files through the page cache, for every file system that fills pages; and folders.
 *
 * A read takes no lock: it holds the page it copies from. A write holds the inode's lock, so that
 * appends do not mix, and may fault on the program's memory meanwhile.
 */
#include <uk/map.h>
#include <uk/process.h>
#include <uk/smp.h>
#include <uk/vfs.h>

#include "fs.h"

enum { AHEAD_MIN = 4, LETS_OTHERS = 2048 };

/* How large the caller may make a file: the kernel, which also writes before there is a process,
 * has no RLIMIT_FSIZE. */
static uint64_t caller_limit(void)
{
	if (uk_thread_self()->process == NULL)
		return UINT64_MAX;
	return uk_process.limit[UK_RLIMIT_FSIZE].soft;
}

static uint64_t size_limit(const struct uk_inode *inode)
{
	return UK_MIN(inode->super->size_max, caller_limit());
}

static int too_large(uint64_t size)
{
	if (size > caller_limit())
		uk_signal_self(UK_SIGXFSZ);
	return -UK_EFBIG;
}

static uint64_t ahead_unit(const struct uk_inode *inode)
{
	return UK_MAX(1ull << inode->fill_order, (uint64_t)AHEAD_MIN);
}

bool fs_leads_ahead(const struct uk_file *file, uint64_t index)
{
	const struct uk_inode *inode = file->inode;

	return inode->ahead != 0 && index == file->ahead && index % ahead_unit(inode) == 0;
}

/* Asks for what comes next when this reader goes forward; returns the page behind this one. */
static void read_ahead(struct uk_file *file, uint64_t index)
{
	if (fs_leads_ahead(file, index))
		uk_cache_ahead(file->inode, index + ahead_unit(file->inode), file->inode->ahead);
	file->ahead = index + 1;
}

static int64_t regular_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct uk_inode *inode = file->inode;
	int64_t done = 0;

	if ((file->flags & UK_O_DIRECT) != 0 && inode->ops->read_direct != NULL)
		return inode->ops->read_direct(file, to, offset);
	while (to->left != 0 && *offset < inode->size) {
		uint64_t index = *offset >> UK_PAGE_SHIFT;
		size_t at = *offset & UK_PAGE_MASK;
		size_t size = UK_MIN(UK_PAGE_SIZE - at, inode->size - *offset);
		struct uk_page *page;
		int64_t moved;
		int error;

		if (at == 0 || index != file->ahead - 1)
			read_ahead(file, index);
		error = uk_cache_get(inode, index, &page);
		if (error != 0)
			return done != 0 ? done : error;
		moved = uk_iter_put(to, (char *)uk_page_virt(page) + at, size);
		uk_page_put(page);
		if (moved < 0)
			return done != 0 ? done : moved;
		done += moved;
		*offset += (uint64_t)moved;
		if ((size_t)moved < size && to->left != 0)
			break; /* a fault in the middle */
	}
	fs_accessed(file);
	return done;
}

/* Into a page that the inode's lock keeps in its place, and so without the kernel lock: others go
 * on meanwhile, as they do when it sleeps for a page of the program. */
static int64_t take_in(struct uk_iter *from, void *to, size_t size)
{
	bool lets = size >= LETS_OTHERS && uk_kernel_shared && uk_kernel_held();
	int64_t moved;

	if (lets)
		uk_kernel_leave();
	moved = uk_iter_get(from, to, size);
	if (lets)
		uk_kernel_enter();
	return moved;
}

/*
 * A page that is not in the cache and whose old bytes are not wanted: written before it goes in, so
 * that nobody waits for a page while the program's memory is touched (which may be this very file,
 * mapped). When another came first, the bytes are copied into that one.
 */
static int64_t write_new_page(struct uk_inode *inode, uint64_t index, size_t at, size_t size,
			      struct uk_iter *from)
{
	struct uk_page *page, *other;
	int64_t moved;
	char *bytes;
	int error, charged;

	charged = inode->ops->reserve != NULL ? inode->ops->reserve(inode, index) : 0;
	if (charged < 0)
		return charged;
	page = uk_page_alloc_user(size < UK_PAGE_SIZE);
	bytes = page != NULL ? uk_page_virt(page) : NULL;
	moved = page == NULL ? -UK_ENOMEM : take_in(from, bytes + at, size);
	if (moved > 0) {
		memset(bytes + at + moved, 0, size - (size_t)moved);
		error = fs_cache_add(inode, index, page, true, charged != 0);
		if (error == 0) {
			uk_page_put(page);
			return moved;
		}
		if (error == -UK_EEXIST)
			error = uk_cache_get_dirty(inode, index, &other);
		if (error == 0) {
			memcpy((char *)uk_page_virt(other) + at, bytes + at, (size_t)moved);
			uk_page_put(other);
		} else {
			moved = error;
		}
	}
	if (page != NULL)
		uk_page_put(page);
	if (charged != 0)
		inode->ops->unreserve(inode, 1);
	return moved;
}

static int64_t write_part(struct uk_inode *inode, uint64_t offset, struct uk_iter *from)
{
	uint64_t index = offset >> UK_PAGE_SHIFT;
	size_t at = offset & UK_PAGE_MASK;
	size_t size = UK_MIN(UK_PAGE_SIZE - at, from->left);
	struct uk_page *page = uk_cache_find(inode, index);
	int64_t moved;
	int error;

	if (page == NULL && (size == UK_PAGE_SIZE || index << UK_PAGE_SHIFT >= inode->size))
		return write_new_page(inode, index, at, size, from);
	if (page != NULL)
		uk_page_put(page);
	error = uk_cache_get_dirty(inode, index, &page);
	if (error != 0)
		return error;
	moved = take_in(from, (char *)uk_page_virt(page) + at, size);
	uk_page_put(page);
	return moved;
}

/* Under the inode's lock; behind `done` bytes that went past the cache. */
static int64_t write_locked(struct uk_inode *inode, struct uk_iter *from, uint64_t *offset,
			    int64_t done)
{

	while (from->left != 0) {
		size_t wanted = UK_MIN(UK_PAGE_SIZE - (*offset & UK_PAGE_MASK), from->left);
		int64_t moved = write_part(inode, *offset, from);

		if (moved < 0)
			return done != 0 ? done : moved;
		done += moved;
		*offset += (uint64_t)moved;
		if (*offset > inode->size)
			inode->size = *offset;
		if ((size_t)moved < wanted)
			return done != 0 ? done : -UK_EFAULT;
		if (inode->ops->write_pages != NULL && fs_cache_crowded()) {
			int error = fs_cache_sync(inode);

			if (error != 0)
				return done;
		}
	}
	return done;
}

/* What stood behind the old end must read as zeros when the file grows over it. */
static int zero_behind(struct uk_inode *inode)
{
	size_t at = inode->size & UK_PAGE_MASK;
	struct uk_page *page;
	int error;

	if (at == 0 || inode->ops->write_pages == NULL)
		return 0;
	error = uk_cache_get_dirty(inode, inode->size >> UK_PAGE_SHIFT, &page);
	if (error != 0)
		return error;
	memset((char *)uk_page_virt(page) + at, 0, UK_PAGE_SIZE - at);
	uk_page_put(page);
	return 0;
}

/* O_SYNC and O_DSYNC: what was written is on the disk when the call returns. O_DIRECT: it has left
 * the cache. */
static int write_through(struct uk_file *file)
{
	struct uk_inode *inode = file->inode;
	int error = 0;

	if (inode->ops->write_pages == NULL)
		return 0;
	if ((file->flags & (UK_O_DSYNC | UK_O_DIRECT)) != 0)
		error = uk_cache_sync(inode);
	if (error == 0 && (file->flags & UK_O_DSYNC) != 0 && inode->ops->sync != NULL)
		error = inode->ops->sync(inode, (file->flags & UK_O_SYNC) != UK_O_SYNC);
	return error;
}

static int64_t regular_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	struct uk_inode *inode = file->inode;
	int64_t done = 0;
	int error = 0;

	uk_mutex_lock(&inode->lock);
	if ((file->flags & UK_O_APPEND) != 0)
		*offset = inode->size;
	if (from->left != 0) {
		if ((inode->seals & FS_SEAL_WRITE) != 0 ||
		    ((inode->seals & FS_SEAL_GROW) != 0 && *offset + from->left > inode->size))
			done = -UK_EPERM;
		else if (*offset >= size_limit(inode))
			done = too_large(*offset + 1);
		else {
			from->left = UK_MIN(from->left, size_limit(inode) - *offset);
			done = *offset > inode->size ? zero_behind(inode) : 0;
			if (done == 0 && (file->flags & UK_O_DIRECT) != 0 &&
			    inode->ops->write_direct != NULL)
				done = inode->ops->write_direct(inode, from, offset);
			if (done >= 0)
				done = write_locked(inode, from, offset, done);
		}
	}
	if (done > 0)
		fs_touch(inode, true);
	uk_mutex_unlock(&inode->lock);
	if (done > 0)
		error = write_through(file);
	if (inode->ops->write_pages != NULL && fs_cache_crowded())
		inode->super->ops->balance(inode->super);
	return error != 0 ? error : done;
}

const struct uk_file_ops fs_regular_ops = { .read = regular_read, .write = regular_write };

/* What is cached behind the new end goes, but the kept part of a changed page stays. */
static void cut_pages(struct uk_inode *inode, uint64_t size)
{
	uint64_t index = size >> UK_PAGE_SHIFT;
	struct uk_page *page = uk_cache_find(inode, index);
	size_t at = size & UK_PAGE_MASK;

	if (page != NULL && at != 0 && (page->flags & UK_PAGE_DIRTY) != 0) {
		memset((char *)uk_page_virt(page) + at, 0, UK_PAGE_SIZE - at);
		index++;
	}
	if (page != NULL)
		uk_page_put(page);
	fs_cache_settle(inode, index, UINT64_MAX >> UK_PAGE_SHIFT);
	uk_cache_truncate(inode, index);
	uk_map_forget_file(inode, index);
}

/* Before the end moves: bytes behind it must not come to light, on the disk neither. */
static int settle_end(struct uk_inode *inode, uint64_t size)
{
	struct uk_page *page;
	int error;

	if (inode->ops->write_pages == NULL || size == inode->size)
		return 0;
	if (size > inode->size) {
		error = zero_behind(inode);
		return error != 0 || (inode->size & UK_PAGE_MASK) == 0 ? error
								       : fs_cache_sync(inode);
	}
	if ((size & UK_PAGE_MASK) == 0)
		return 0;
	error = uk_cache_get_dirty(inode, size >> UK_PAGE_SHIFT, &page);
	if (error == 0)
		uk_page_put(page);
	/* Full as the volume may be, a file can be cut. */
	return error == -UK_ENOSPC ? 0 : error;
}

int fs_truncate(struct uk_inode *inode, uint64_t size)
{
	int error = fs_may_write(inode);

	if (error != 0)
		return error;
	if (inode->ops->truncate == NULL)
		return -UK_EINVAL;
	if (size > inode->size && size > size_limit(inode))
		return too_large(size);
	uk_mutex_lock(&inode->lock);
	if ((size < inode->size && (inode->seals & FS_SEAL_SHRINK) != 0) ||
	    (size > inode->size && (inode->seals & FS_SEAL_GROW) != 0))
		error = -UK_EPERM;
	else
		error = settle_end(inode, size);
	if (error == 0)
		error = inode->ops->truncate(inode, size);
	if (error == 0) {
		bool shorter = size < inode->size;

		inode->size = size;
		if (shorter)
			cut_pages(inode, size);
		fs_touch(inode, true);
	}
	uk_mutex_unlock(&inode->lock);
	return error;
}

static int zero_part(struct uk_inode *inode, uint64_t offset, uint64_t end)
{
	struct uk_page *page;
	int error;

	if (offset >= end)
		return 0;
	error = uk_cache_get_dirty(inode, offset >> UK_PAGE_SHIFT, &page);
	if (error != 0)
		return error;
	memset((char *)uk_page_virt(page) + (offset & UK_PAGE_MASK), 0, end - offset);
	uk_page_put(page);
	return 0;
}

int fs_punch(struct uk_inode *inode, uint64_t offset, uint64_t end)
{
	uint64_t first = UK_ALIGN_UP(offset, UK_PAGE_SIZE), last = UK_ALIGN_DOWN(end, UK_PAGE_SIZE);
	int error;

	if (inode->ops->punch == NULL)
		return -UK_EOPNOTSUPP;
	uk_mutex_lock(&inode->lock);
	error = (inode->seals & FS_SEAL_WRITE) != 0 ? -UK_EPERM : fs_may_write(inode);
	if (error == 0 && offset < inode->size)
		error = zero_part(inode, offset, UK_MIN(first, end));
	if (error == 0 && last >= first && last < inode->size)
		error = zero_part(inode, last, end);
	if (error == 0 && first < last)
		error = inode->ops->punch(inode, first >> UK_PAGE_SHIFT, last >> UK_PAGE_SHIFT);
	if (error == 0)
		uk_map_forget_file(inode, first >> UK_PAGE_SHIFT);
	if (error == 0)
		fs_touch(inode, true);
	uk_mutex_unlock(&inode->lock);
	return error;
}

/* Pages that are there already stay as they are; the others become zeros that count as used. */
int fs_allocate(struct uk_inode *inode, uint64_t offset, uint64_t end, bool keep_size)
{
	uint64_t last = UK_ALIGN_UP(end, UK_PAGE_SIZE) >> UK_PAGE_SHIFT;
	int error;

	uk_mutex_lock(&inode->lock);
	error = fs_may_write(inode);
	if (error == 0 && (inode->seals & FS_SEAL_GROW) != 0 && end > inode->size)
		error = -UK_EPERM;
	if (error == 0 && !keep_size && end > inode->size && end > size_limit(inode))
		error = too_large(end);
	if (error == 0 && inode->ops->allocate != NULL) {
		if (!keep_size && end > inode->size)
			error = settle_end(inode, end);
		if (error == 0)
			error = inode->ops->allocate(inode, offset, end, keep_size);
		last = 0;
	}
	for (uint64_t i = offset >> UK_PAGE_SHIFT; error == 0 && i < last; i++) {
		struct uk_page *page;

		error = uk_cache_get_dirty(inode, i, &page);
		if (error == 0)
			uk_page_put(page);
		if (error == -UK_ENOMEM)
			error = -UK_ENOSPC;
	}
	if (error == 0 && !keep_size && end > inode->size)
		inode->size = end;
	if (error == 0)
		fs_touch(inode, true);
	uk_mutex_unlock(&inode->lock);
	return error;
}

int64_t uk_file_read_kernel(struct uk_file *file, void *data, size_t size, uint64_t offset)
{
	struct uk_iter to;

	if (file->ops->read == NULL)
		return -UK_EINVAL;
	uk_iter_kernel(&to, data, size);
	return file->ops->read(file, &to, &offset);
}

/* How many pages of it can be mapped. */
static uint64_t pages_of(const struct uk_inode *inode)
{
	return UK_ALIGN_UP(inode->size, UK_PAGE_SIZE) >> UK_PAGE_SHIFT;
}

static int mapped_page(struct uk_file *file, uint64_t index)
{
	struct uk_inode *inode = file->inode;

	if (inode == NULL || inode->ops->fill == NULL)
		return -UK_ENODEV;
	return index < pages_of(inode) ? 0 : -UK_EFAULT;
}

struct uk_page *uk_file_page_ready(struct uk_file *file, uint64_t index)
{
	struct uk_inode *inode = file->inode;

	if (inode == NULL || index >= pages_of(inode) || fs_leads_ahead(file, index))
		return NULL;
	file->ahead = index + 1;
	return uk_cache_look(inode, index);
}

int uk_file_page(struct uk_file *file, uint64_t index, struct uk_page **page)
{
	int error;

	*page = uk_file_page_ready(file, index);
	if (*page != NULL)
		return 0;
	error = mapped_page(file, index);
	if (error != 0)
		return error;
	read_ahead(file, index);
	return uk_cache_get(file->inode, index, page);
}

int uk_file_page_write(struct uk_file *file, uint64_t index, struct uk_page **page)
{
	int error = mapped_page(file, index);

	if (error == 0)
		error = (file->inode->seals & FS_SEAL_WRITE) != 0 ? -UK_EPERM
								  : fs_may_write(file->inode);
	if (error != 0)
		return error;
	if (file->inode->ops->write_pages != NULL && fs_cache_crowded())
		file->inode->super->ops->balance(file->inode->super);
	return uk_cache_get_dirty(file->inode, index, page);
}

/* -- folders -- */

static int64_t folder_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	(void)file;
	(void)to;
	(void)offset;
	return -UK_EISDIR;
}

/* "." and ".." stand at 0 and 1, and what the file system has comes behind. */
static int folder_dots(struct uk_file *file, struct uk_dirent_sink *sink)
{
	struct uk_dentry *up;
	int full = 0;

	if (file->offset == 0) {
		full = sink->add(sink, ".", 1, file->inode->ino, UK_S_IFDIR >> 12, 1);
		if (full == 0)
			file->offset = 1;
	}
	if (file->offset == 1 && full == 0) {
		up = fs_dentry_parent(file->dentry);
		full = sink->add(sink, "..", 2, up->inode->ino, UK_S_IFDIR >> 12, 2);
		fs_dentry_put(up);
		if (full == 0)
			file->offset = 2;
	}
	return full;
}

static int folder_readdir(struct uk_file *file, struct uk_dirent_sink *sink)
{
	struct uk_inode *dir = file->inode;
	int result;

	uk_mutex_lock(&dir->lock);
	if (dir->nlink == 0)
		result = -UK_ENOENT;
	else
		result = folder_dots(file, sink);
	if (result == 0 && dir->ops->readdir != NULL)
		result = dir->ops->readdir(dir, &file->offset, sink);
	uk_mutex_unlock(&dir->lock);
	fs_accessed(file);
	return result < 0 ? result : 0;
}

const struct uk_file_ops fs_folder_ops = { .read = folder_read, .readdir = folder_readdir };
