/*
 * File locks, all advisory: flock(2), POSIX record locks and those of open file descriptions
 * (fcntl(2)). There is one process, and its POSIX locks never stand in each other's way; flock and
 * description locks belong to open files and do.
 *
 * One mutex guards all of them: locking is rare, and lists are short.
 */
#include <uk/vfs.h>

#include "fs.h"

struct uk_file_lock {
	struct uk_file_lock *next;
	const void *owner; /* an open file, or &posix_owner */
	bool whole;	   /* by flock: a world of its own */
	bool exclusive;
	uint64_t start, end; /* end is the last byte */
};

static const char posix_owner;
static struct uk_mutex lock = UK_MUTEX_INIT(lock);
static struct uk_waitq changed = UK_WAITQ_INIT(changed);

static struct uk_file_lock *conflict(const struct uk_inode *inode, const struct uk_file_lock *want)
{
	for (struct uk_file_lock *l = inode->locks; l != NULL; l = l->next)
		if (l->whole == want->whole && l->owner != want->owner &&
		    (l->exclusive || want->exclusive) && l->start <= want->end &&
		    want->start <= l->end)
			return l;
	return NULL;
}

/* Takes [start, end] out of what `owner` holds. A lock cut in two needs *spare, and uses it. */
static void carve(struct uk_inode *inode, const struct uk_file_lock *cut,
		  struct uk_file_lock **spare)
{
	for (struct uk_file_lock **at = &inode->locks; *at != NULL;) {
		struct uk_file_lock *l = *at;

		if (l->whole != cut->whole || l->owner != cut->owner || l->start > cut->end ||
		    cut->start > l->end) {
			at = &l->next;
		} else if (l->start < cut->start && l->end > cut->end) {
			struct uk_file_lock *tail = *spare;

			*spare = NULL;
			*tail = *l;
			tail->start = cut->end + 1;
			l->end = cut->start - 1;
			l->next = tail;
			return;
		} else if (l->start < cut->start) {
			l->end = cut->start - 1;
			at = &l->next;
		} else if (l->end > cut->end) {
			l->start = cut->end + 1;
			at = &l->next;
		} else {
			*at = l->next;
			uk_free(l);
		}
	}
}

static int try_set(struct uk_inode *inode, const struct uk_file_lock *want, bool release)
{
	struct uk_file_lock *added = NULL, *spare = uk_alloc(sizeof(*spare));
	int error = spare == NULL ? -UK_ENOMEM : 0;

	if (!release && error == 0) {
		added = uk_alloc(sizeof(*added));
		if (added == NULL)
			error = -UK_ENOMEM;
	}
	uk_mutex_lock(&lock);
	if (error == 0 && !release && conflict(inode, want) != NULL)
		error = -UK_EAGAIN;
	if (error == 0) {
		carve(inode, want, &spare);
		if (added != NULL) {
			*added = *want;
			added->next = inode->locks;
			inode->locks = added;
			added = NULL;
		}
	}
	uk_mutex_unlock(&lock);
	uk_free(added);
	uk_free(spare);
	if (error == 0)
		uk_wake_all(&changed);
	return error;
}

static int set(struct uk_inode *inode, const struct uk_file_lock *want, bool release, bool wait)
{
	int error, result;

	result = uk_wait_event(&changed,
			       (error = try_set(inode, want, release)) != -UK_EAGAIN || !wait,
			       UK_FOREVER, true);
	return result != 0 ? result : error;
}

static void drop(struct uk_inode *inode, const void *owner)
{
	struct uk_file_lock *gone = NULL;

	uk_mutex_lock(&lock);
	for (struct uk_file_lock **at = &inode->locks; *at != NULL;) {
		struct uk_file_lock *l = *at;

		if (l->owner != owner) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->next = gone;
		gone = l;
	}
	uk_mutex_unlock(&lock);
	if (gone == NULL)
		return;
	while (gone != NULL) {
		struct uk_file_lock *next = gone->next;

		uk_free(gone);
		gone = next;
	}
	uk_wake_all(&changed);
}

void fs_lock_drop_file(struct uk_file *file)
{
	drop(file->inode, file);
}

void fs_lock_drop_posix(struct uk_file *file)
{
	drop(file->inode, &posix_owner);
}

int fs_lock_whole(struct uk_file *file, int operation)
{
	struct uk_file_lock want = { .owner = file, .whole = true, .end = UINT64_MAX };
	int kind = operation & ~UK_LOCK_NB;

	if (kind != UK_LOCK_SH && kind != UK_LOCK_EX && kind != UK_LOCK_UN)
		return -UK_EINVAL;
	if (file->inode == NULL)
		return -UK_EBADF;
	want.exclusive = kind == UK_LOCK_EX;
	return set(file->inode, &want, kind == UK_LOCK_UN, (operation & UK_LOCK_NB) == 0);
}

/* Where the range of an fcntl lies, as absolute bytes. */
static int resolve(const struct uk_file *file, const struct uk_linux_flock *from,
		   struct uk_file_lock *to)
{
	int64_t start, end;

	switch (from->whence) {
	case UK_SEEK_SET:
		start = 0;
		break;
	case UK_SEEK_CUR:
		start = (int64_t)file->offset;
		break;
	case UK_SEEK_END:
		start = (int64_t)file->inode->size;
		break;
	default:
		return -UK_EINVAL;
	}
	if (__builtin_add_overflow(start, from->start, &start))
		return -UK_EOVERFLOW;
	if (start < 0)
		return -UK_EINVAL;
	if (from->size == 0) {
		end = INT64_MAX;
	} else if (from->size > 0) {
		if (__builtin_add_overflow(start, from->size - 1, &end))
			return -UK_EOVERFLOW;
	} else {
		end = start - 1;
		if (__builtin_add_overflow(start, from->size, &start) || start < 0)
			return -UK_EINVAL;
	}
	to->start = (uint64_t)start;
	to->end = (uint64_t)end;
	return 0;
}

static void report(const struct uk_file_lock *found, struct uk_linux_flock *to)
{
	if (found == NULL) {
		to->type = UK_F_UNLCK;
		return;
	}
	to->type = found->exclusive ? UK_F_WRLCK : UK_F_RDLCK;
	to->whence = UK_SEEK_SET;
	to->start = (int64_t)found->start;
	to->size = found->end == INT64_MAX ? 0 : (int64_t)(found->end - found->start + 1);
	to->pid = found->owner == &posix_owner ? 1 : -1;
}

int fs_lock_range(struct uk_file *file, int command, struct uk_linux_flock *asked)
{
	bool own = command >= UK_F_OFD_GETLK;
	bool get = command == UK_F_GETLK || command == UK_F_OFD_GETLK;
	struct uk_file_lock want = { .owner = own ? (const void *)file : &posix_owner };
	int error;

	if (asked->type != UK_F_RDLCK && asked->type != UK_F_WRLCK &&
	    (get || asked->type != UK_F_UNLCK))
		return -UK_EINVAL;
	if (own && asked->pid != 0)
		return -UK_EINVAL;
	if (file->inode == NULL)
		return -UK_EBADF;
	error = resolve(file, asked, &want);
	if (error != 0)
		return error;
	want.exclusive = asked->type == UK_F_WRLCK;
	if (get) {
		uk_mutex_lock(&lock);
		report(conflict(file->inode, &want), asked);
		uk_mutex_unlock(&lock);
		return 0;
	}
	if ((asked->type == UK_F_RDLCK && !fs_can_read(file)) ||
	    (asked->type == UK_F_WRLCK && !fs_can_write(file)))
		return -UK_EBADF;
	return set(file->inode, &want, asked->type == UK_F_UNLCK,
		   command == UK_F_SETLKW || command == UK_F_OFD_SETLKW);
}
