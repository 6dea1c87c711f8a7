/*
 * read(2) and pread(2) without the kernel lock, as databases and servers of files read from many
 * threads: where all of it is in the page cache, what it touches has locks of its own. Whatever
 * else would be to do (a page is missing, is to be read ahead of, somebody watches, a time is due)
 * is left to the ordinary way, which begins anew.
 */
#include <uk/smp.h>
#include <uk/syscall.h>
#include <uk/user.h>

#include "calls.h"

static bool is_plain(const struct uk_file *file)
{
	return file->ops == &fs_regular_ops && fs_can_read(file) &&
	       (file->flags & UK_O_DIRECT) == 0 && fs_watches == 0 && !fs_access_counts(file);
}

/* All that the call wants from `offset` on, or false. */
static bool read_cached(struct uk_file *file, const struct uk_sysargs *s, uint64_t offset,
			int64_t *done)
{
	struct uk_iovec vec = { s->a[1], UK_MIN(s->a[2], UK_RW_MAX) };
	struct uk_inode *inode = file->inode;
	uint64_t end = inode->size;
	struct uk_iter to;

	uk_iter_user(&to, &vec, 1);
	for (*done = 0; to.left != 0 && offset < end;) {
		uint64_t index = offset >> UK_PAGE_SHIFT;
		size_t at = offset & UK_PAGE_MASK;
		size_t size = UK_MIN(UK_MIN(UK_PAGE_SIZE - at, end - offset), to.left);
		struct uk_page *page =
			fs_leads_ahead(file, index) ? NULL : uk_cache_find(inode, index);
		int64_t moved;

		if (page == NULL)
			return false;
		file->ahead = index + 1;
		moved = uk_iter_put(&to, (char *)uk_page_virt(page) + at, size);
		uk_page_put(page);
		if (moved != (int64_t)size)
			return false;
		*done += moved;
		offset += size;
	}
	return true;
}

/* What the end of a file brings with it needs the kernel lock. */
static void put(struct uk_file *file)
{
	uint32_t refs = file->refs;
	bool took;

	while (refs > 1)
		if (__atomic_compare_exchange_n(&file->refs, &refs, refs - 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return;
	took = uk_kernel_enter();
	uk_file_put(file);
	if (took)
		uk_kernel_leave();
}

bool uk_read_alone(const struct uk_sysargs *s, bool own_offset, int64_t *result)
{
	struct uk_file *file =
		own_offset || s->a[3] <= INT64_MAX ? uk_fd_get(fs_arg_int(s->a[0])) : NULL;
	bool done;

	if (file == NULL)
		return false;
	done = is_plain(file);
	if (done) {
		if (own_offset)
			uk_mutex_lock(&file->lock);
		done = read_cached(file, s, own_offset ? file->offset : s->a[3], result);
		if (own_offset) {
			file->offset += done ? (uint64_t)*result : 0;
			uk_mutex_unlock(&file->lock);
		}
	}
	put(file);
	return done;
}
