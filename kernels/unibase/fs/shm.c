/*
 * System V shared memory (shmget(2) and its kin), which PostgreSQL holds as the sign that a server
 * runs on its files. A segment is a nameless file in memory, and each attachment an open file of
 * its own on it, so that the map itself knows what is still attached.
 *
 * There is one process: permissions are kept and told, and never refuse.
 */
#include <uk/map.h>
#include <uk/process.h>
#include <uk/thread.h>

#include "calls.h"

enum {
	IPC_CREAT = 01000,
	IPC_EXCL = 02000,
	IPC_RMID = 0,
	IPC_SET = 1,
	IPC_STAT = 2,
	SHM_LOCK = 11,
	SHM_UNLOCK = 12,
	SHM_HUGETLB = 04000,
	SHM_RDONLY = 010000,
	SHM_RND = 020000,
	SHM_REMAP = 040000,
	SHM_EXEC = 0100000,
	SHM_DEST = 01000, /* in the mode: goes with the last attachment */

	SEGMENTS_MAX = 4096,
	NS = 1000000000,
};

struct segment {
	struct uk_list item;
	struct uk_list attachments;
	struct uk_inode *inode; /* a reference */
	int id;
	uint64_t size; /* as asked for */
	struct uk_linux_ipc_perm perm;
	int64_t attached, detached, changed; /* ns since 1970, 0: never */
};

struct attachment {
	struct uk_list item;
	struct uk_file *file; /* a reference; the map's areas have the others */
	uint64_t start, end;
};

static struct uk_mutex lock = UK_MUTEX_INIT(lock);
static struct uk_list segments = UK_LIST_INIT(segments);
static unsigned count;

/* -- under the lock -- */

static struct segment *by_id(int id)
{
	uk_list_each (item, &segments) {
		struct segment *s = uk_list_entry(item, struct segment, item);

		if (s->id == id)
			return s;
	}
	return NULL;
}

static struct segment *by_key(int32_t key)
{
	uk_list_each (item, &segments) {
		struct segment *s = uk_list_entry(item, struct segment, item);

		if (key != 0 && s->perm.key == key)
			return s;
	}
	return NULL;
}

/* How many attachments there are; forgets those that were unmapped otherwise. */
static uint64_t attached(struct segment *s)
{
	uint64_t n = 0;

	uk_list_each_safe (item, &s->attachments) {
		struct attachment *a = uk_list_entry(item, struct attachment, item);

		if (a->file->refs > 1) {
			n++;
			continue;
		}
		uk_list_remove(&a->item);
		uk_file_put(a->file);
		uk_free(a);
	}
	return n;
}

/* Removed segments go when nothing is attached to them any more. */
static void sweep(void)
{
	uk_list_each_safe (item, &segments) {
		struct segment *s = uk_list_entry(item, struct segment, item);

		if ((s->perm.mode & SHM_DEST) == 0 || attached(s) != 0)
			continue;
		uk_list_remove(&s->item);
		uk_inode_put(s->inode);
		uk_free(s);
		count--;
	}
}

static int64_t make(int32_t key, uint64_t size, uint32_t flags)
{
	static int last;
	struct uk_super *super = fs_memory_super();
	struct segment *s;

	if (size == 0 || size > INT64_MAX - UK_PAGE_SIZE)
		return -UK_EINVAL;
	if (count >= SEGMENTS_MAX)
		return -UK_ENOSPC;
	s = uk_alloc(sizeof(*s));
	if (s == NULL || super == NULL)
		goto no_memory;
	s->inode = fs_tmpfs_nameless(super, UK_S_IFREG | (flags & 0777));
	if (s->inode == NULL)
		goto no_memory;
	if (fs_truncate(s->inode, UK_ALIGN_UP(size, UK_PAGE_SIZE)) != 0) {
		uk_inode_put(s->inode);
		goto no_memory;
	}
	uk_list_init(&s->attachments);
	s->id = last++;
	s->size = size;
	s->changed = uk_time_real();
	s->perm = (struct uk_linux_ipc_perm){ .key = key,
					      .uid = uk_process.uid.effective,
					      .gid = uk_process.gid.effective,
					      .cuid = uk_process.uid.effective,
					      .cgid = uk_process.gid.effective,
					      .mode = flags & 0777 };
	uk_list_push_back(&segments, &s->item);
	count++;
	return s->id;
no_memory:
	uk_free(s);
	return -UK_ENOMEM;
}

int64_t uk_sys_shmget(const struct uk_sysargs *args)
{
	int32_t key = fs_arg_int(args->a[0]);
	uint32_t flags = (uint32_t)args->a[2];
	struct segment *s;
	int64_t result;

	uk_mutex_lock(&lock);
	sweep();
	s = by_key(key);
	if (s == NULL && key != 0 && (flags & IPC_CREAT) == 0)
		result = -UK_ENOENT;
	else if (s == NULL)
		result = (flags & SHM_HUGETLB) != 0 ? -UK_ENOMEM : make(key, args->a[1], flags);
	else if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		result = -UK_EEXIST;
	else
		result = args->a[1] > s->size ? -UK_EINVAL : s->id;
	uk_mutex_unlock(&lock);
	return result;
}

/* -- attaching -- */

static struct uk_file *open_segment(struct segment *s, bool read_only)
{
	char name[32];

	uk_snprintf(name, sizeof(name), "/SYSV%08x (deleted)", (uint32_t)s->perm.key);
	uk_inode_get(s->inode);
	return fs_file_nameless(s->inode, name, read_only ? UK_O_RDONLY : UK_O_RDWR);
}

static int64_t attach(struct segment *s, uint64_t address, uint32_t flags)
{
	struct uk_map_request r = {
		.addr = address,
		.size = UK_ALIGN_UP(s->size, UK_PAGE_SIZE),
		.prot = UK_PROT_READ | ((flags & SHM_RDONLY) != 0 ? 0u : (unsigned)UK_PROT_WRITE),
		.flags = UK_AREA_SHARED,
		.fixed = address != 0,
		.keep = (flags & SHM_REMAP) == 0,
	};
	struct attachment *a = uk_alloc(sizeof(*a));
	int64_t result;

	if (a == NULL)
		return -UK_ENOMEM;
	a->file = r.file = open_segment(s, (flags & SHM_RDONLY) != 0);
	if (uk_is_err(a->file)) {
		result = uk_ptr_err(a->file);
		uk_free(a);
		return result;
	}
	result = uk_map_add(&r);
	if (result < 0) {
		uk_file_put(a->file);
		uk_free(a);
		return result == -UK_EEXIST ? -UK_EINVAL : result;
	}
	a->start = (uint64_t)result;
	a->end = a->start + r.size;
	s->attached = uk_time_real();
	uk_list_push_back(&s->attachments, &a->item);
	return result;
}

int64_t uk_sys_shmat(const struct uk_sysargs *args)
{
	uint64_t address = args->a[1];
	uint32_t flags = (uint32_t)args->a[2];
	struct segment *s;
	int64_t result;

	if ((flags & SHM_RND) != 0)
		address = UK_ALIGN_DOWN(address, UK_PAGE_SIZE);
	if ((address & UK_PAGE_MASK) != 0 || (address == 0 && (flags & SHM_REMAP) != 0))
		return -UK_EINVAL;
	/* Code has no business there: memory that is shared here can be written. */
	if ((flags & SHM_EXEC) != 0)
		return -UK_EACCES;
	uk_mutex_lock(&lock);
	s = by_id(fs_arg_int(args->a[0]));
	result = s == NULL ? -UK_EINVAL : attach(s, address, flags);
	uk_mutex_unlock(&lock);
	return result;
}

/* What is still mapped of it goes; other mappings may have taken its place in part. */
static void detach(struct attachment *a)
{
	struct uk_file *file;
	bool shared;

	for (uint64_t at = a->start; at < a->end;) {
		uint64_t start = at;

		if (!uk_map_file_at(&at, &file, &shared)) {
			at += UK_PAGE_SIZE;
			continue;
		}
		if (file == a->file)
			(void)uk_map_remove(start, UK_MIN(at, a->end) - start);
		if (file != NULL)
			uk_file_put(file);
	}
	uk_list_remove(&a->item);
	uk_file_put(a->file);
	uk_free(a);
}

static int detach_at(uint64_t address)
{
	uk_list_each (item, &segments) {
		struct segment *s = uk_list_entry(item, struct segment, item);

		(void)attached(s);
		uk_list_each (at, &s->attachments) {
			struct attachment *a = uk_list_entry(at, struct attachment, item);

			if (a->start != address)
				continue;
			detach(a);
			s->detached = uk_time_real();
			return 0;
		}
	}
	return -UK_EINVAL;
}

int64_t uk_sys_shmdt(const struct uk_sysargs *args)
{
	int result;

	uk_mutex_lock(&lock);
	result = detach_at(args->a[0]);
	sweep();
	uk_mutex_unlock(&lock);
	return result;
}

/* -- asking and changing -- */

static int tell(struct segment *s, uint64_t user)
{
	const struct uk_linux_shmid_ds ds = {
		.perm = s->perm,
		.size = s->size,
		.atime = s->attached / NS,
		.dtime = s->detached / NS,
		.ctime = s->changed / NS,
		.cpid = (int32_t)uk_process.pid,
		.lpid = s->attached != 0 ? (int32_t)uk_process.pid : 0,
		.nattch = attached(s),
	};

	return uk_copy_to_user(user, &ds, sizeof(ds));
}

static int set(struct segment *s, uint64_t user)
{
	struct uk_linux_shmid_ds ds;

	if (uk_copy_from_user(&ds, user, sizeof(ds)) != 0)
		return -UK_EFAULT;
	s->perm.uid = ds.perm.uid;
	s->perm.gid = ds.perm.gid;
	s->perm.mode = (s->perm.mode & ~0777u) | (ds.perm.mode & 0777);
	s->changed = uk_time_real();
	return 0;
}

static int control(struct segment *s, int command, uint64_t user)
{
	switch (command) {
	case IPC_STAT:
		return tell(s, user);
	case IPC_SET:
		return set(s, user);
	case IPC_RMID:
		s->perm.mode |= SHM_DEST;
		s->perm.key = 0;
		return 0;
	case SHM_LOCK:
	case SHM_UNLOCK:
		return 0; /* memory is never written out anywhere */
	default:
		return -UK_EINVAL;
	}
}

int64_t uk_sys_shmctl(const struct uk_sysargs *args)
{
	struct segment *s;
	int result;

	uk_mutex_lock(&lock);
	sweep();
	s = by_id(fs_arg_int(args->a[0]));
	result = s == NULL ? -UK_EINVAL : control(s, fs_arg_int(args->a[1]), args->a[2]);
	sweep();
	uk_mutex_unlock(&lock);
	return result;
}
