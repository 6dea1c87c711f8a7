/*
 * The process's descriptors and its working folder. There is one process, so there is one table;
 * it grows by doubling up to RLIMIT_NOFILE.
 */
#include <uk/log.h>
#include <uk/vfs.h>

#include "fs.h"

enum { FIRST_SIZE = 32, LIMIT_MAX = 1 << 20 };

struct slot {
	struct uk_file *file; /* NULL: free */
	bool cloexec;
};

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct slot first[FIRST_SIZE];
static struct slot *slots = first;
static int slot_count = FIRST_SIZE;
static int lowest_free; /* nothing below it is free */
static uint64_t limit = 1024;
static struct uk_dentry *cwd;

uint64_t uk_fd_limit(void)
{
	return limit;
}

void uk_fd_set_limit(uint64_t value)
{
	limit = UK_MIN(value, (uint64_t)LIMIT_MAX);
}

void fs_fd_start(struct uk_file *console)
{
	first[0].file = first[1].file = first[2].file = console;
	lowest_free = 3;
}

/* Makes room for descriptor `fd`. */
static int grow(int fd)
{
	int count = slot_count;
	struct slot *more, *old;
	uint64_t state;

	while (count <= fd)
		count *= 2;
	more = uk_alloc((size_t)count * sizeof(*more));
	if (more == NULL)
		return -UK_ENOMEM;
	state = uk_spin_lock(&lock);
	old = more;
	if (count > slot_count) {
		memcpy(more, slots, (size_t)slot_count * sizeof(*more));
		old = slots;
		slots = more;
		slot_count = count;
	}
	uk_spin_unlock(&lock, state);
	if (old != first)
		uk_free(old);
	return 0;
}

static int install_at_least(struct uk_file *file, int least, bool cloexec)
{
	for (;;) {
		uint64_t state = uk_spin_lock(&lock);
		int fd = UK_MAX(least, lowest_free);
		int error;

		while (fd < slot_count && slots[fd].file != NULL)
			fd++;
		if ((uint64_t)fd >= limit) {
			uk_spin_unlock(&lock, state);
			return -UK_EMFILE;
		}
		if (fd < slot_count) {
			slots[fd] = (struct slot){ file, cloexec };
			if (least <= lowest_free)
				lowest_free = fd + 1;
			uk_spin_unlock(&lock, state);
			return fd;
		}
		uk_spin_unlock(&lock, state);
		error = grow(fd);
		if (error != 0)
			return error;
	}
}

int fs_fd_room(void)
{
	uint64_t state = uk_spin_lock(&lock);
	int fd = lowest_free;

	while (fd < slot_count && slots[fd].file != NULL)
		fd++;
	lowest_free = fd;
	uk_spin_unlock(&lock, state);
	return (uint64_t)fd < limit ? 0 : -UK_EMFILE;
}

int uk_fd_install(struct uk_file *file, bool cloexec)
{
	int fd = install_at_least(file, 0, cloexec);

	if (fd < 0)
		uk_file_put(file);
	return fd;
}

static struct slot *slot_of(int fd)
{
	return (unsigned)fd < (unsigned)slot_count && slots[fd].file != NULL ? &slots[fd] : NULL;
}

/* With a reference; NULL: there is none, or it has one of the flags. */
UK_INLINE struct uk_file *get_without(int fd, uint32_t flags)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_file *file = (unsigned)fd < (unsigned)slot_count ? slots[fd].file : NULL;

	if (file != NULL && (file->flags & flags) == 0)
		uk_file_get(file);
	else
		file = NULL;
	uk_spin_unlock(&lock, state);
	return file;
}

struct uk_file *uk_fd_get(int fd)
{
	return get_without(fd, 0);
}

struct uk_file *fs_fd_real(int fd)
{
	return get_without(fd, UK_O_PATH);
}

/* What closing a descriptor does besides giving the reference back. */
static void drop(struct uk_file *file)
{
	if (file->inode != NULL && file->inode->locks != NULL)
		fs_lock_drop_posix(file);
	uk_file_put(file);
}

int fs_fd_close(int fd)
{
	uint64_t state = uk_spin_lock(&lock);
	struct slot *slot = slot_of(fd);
	struct uk_file *file = slot != NULL ? slot->file : NULL;

	if (file != NULL) {
		slot->file = NULL;
		lowest_free = UK_MIN(lowest_free, fd);
	}
	uk_spin_unlock(&lock, state);
	if (file == NULL)
		return -UK_EBADF;
	drop(file);
	return 0;
}

int fs_fd_dup(int fd, int least, bool cloexec)
{
	struct uk_file *file = uk_fd_get(fd);
	int copy;

	if (file == NULL)
		return -UK_EBADF;
	if (least < 0 || (uint64_t)least >= limit) {
		uk_file_put(file);
		return -UK_EINVAL;
	}
	copy = install_at_least(file, least, cloexec);
	if (copy < 0)
		uk_file_put(file);
	return copy;
}

int fs_fd_dup_to(int fd, int to, bool cloexec)
{
	struct uk_file *file, *old;
	uint64_t state;
	int error = 0;

	if (to < 0 || (uint64_t)to >= limit)
		return -UK_EBADF;
	file = uk_fd_get(fd);
	if (file == NULL)
		return -UK_EBADF;
	if (to >= slot_count)
		error = grow(to);
	if (error != 0) {
		uk_file_put(file);
		return error;
	}
	state = uk_spin_lock(&lock);
	old = slots[to].file;
	slots[to] = (struct slot){ file, cloexec };
	uk_spin_unlock(&lock, state);
	if (old != NULL)
		drop(old);
	return to;
}

int fs_fd_flags(int fd)
{
	uint64_t state = uk_spin_lock(&lock);
	struct slot *slot = slot_of(fd);
	int flags = slot == NULL ? -UK_EBADF : slot->cloexec ? UK_FD_CLOEXEC : 0;

	uk_spin_unlock(&lock, state);
	return flags;
}

int fs_fd_set_flags(int fd, bool cloexec)
{
	uint64_t state = uk_spin_lock(&lock);
	struct slot *slot = slot_of(fd);

	if (slot != NULL)
		slot->cloexec = cloexec;
	uk_spin_unlock(&lock, state);
	return slot != NULL ? 0 : -UK_EBADF;
}

int fs_fd_next(int fd)
{
	uint64_t state = uk_spin_lock(&lock);

	while (fd < slot_count && slots[fd].file == NULL)
		fd++;
	if (fd >= slot_count)
		fd = -1;
	uk_spin_unlock(&lock, state);
	return fd;
}

struct uk_dentry *fs_cwd_get(void)
{
	struct uk_dentry *root = fs_mount_root();
	uint64_t state = uk_spin_lock(&lock);
	struct uk_dentry *dentry = cwd != NULL ? cwd : root;

	fs_dentry_get(dentry);
	uk_spin_unlock(&lock, state);
	return dentry;
}

void fs_cwd_set(struct uk_dentry *dentry)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_dentry *old = cwd;

	cwd = dentry;
	uk_spin_unlock(&lock, state);
	fs_dentry_put(old);
}
