/*
 * System calls on what a file is: stat and its kin, permissions, owners, times, size, the file
 * system it is on.
 */
#include "calls.h"

enum { BLOCK_SIZE = 4096 };

/* What a call of the *at family names: by path, or by a descriptor alone. A reference. */
static int inode_at(int dirfd, uint64_t user_path, uint32_t flags, struct uk_inode **out)
{
	struct uk_dentry *dentry;
	struct fs_path path;
	int error = fs_path_get(&path, user_path);

	if (error != 0)
		return error;
	if (path.text[0] == '\0' && (flags & UK_AT_EMPTY_PATH) != 0 && dirfd != UK_AT_FDCWD) {
		struct uk_file *file = uk_fd_get(dirfd);

		*out = file != NULL ? fs_file_inode(file) : NULL;
		error = file == NULL ? -UK_EBADF : *out == NULL ? -UK_ENOMEM : 0;
		if (file != NULL)
			uk_file_put(file);
	} else {
		error = fs_walk_path(
			dirfd, path.text,
			((flags & UK_AT_SYMLINK_NOFOLLOW) == 0 ? (unsigned)FS_FOLLOW : 0) |
				((flags & UK_AT_EMPTY_PATH) != 0 ? (unsigned)FS_EMPTY : 0),
			&dentry);
		if (error == 0) {
			*out = dentry->inode;
			uk_inode_get(*out);
			fs_dentry_put(dentry);
		}
	}
	fs_path_put(&path);
	return error;
}

static int inode_of_fd(uint64_t fd, bool real, struct uk_inode **out)
{
	struct uk_file *file = real ? fs_fd_real(fs_arg_int(fd)) : uk_fd_get(fs_arg_int(fd));

	if (file == NULL)
		return -UK_EBADF;
	*out = fs_file_inode(file);
	uk_file_put(file);
	return *out != NULL ? 0 : -UK_ENOMEM;
}

/* -- stat -- */

static struct uk_linux_timespec time_of(int64_t ns)
{
	int64_t sec = ns / 1000000000, rest = ns % 1000000000;

	if (rest < 0) {
		rest += 1000000000;
		sec--;
	}
	return (struct uk_linux_timespec){ sec, rest };
}

static int64_t stat_to_user(struct uk_inode *inode, uint64_t user)
{
	struct uk_linux_stat st = {
		.dev = inode->super != NULL ? inode->super->dev : 0,
		.ino = inode->ino,
		.nlink = inode->nlink,
		.mode = inode->mode,
		.uid = inode->uid,
		.gid = inode->gid,
		.rdev = inode->rdev,
		.size = (int64_t)inode->size,
		.blksize = BLOCK_SIZE,
		.blocks = (int64_t)inode->blocks,
		.atime = time_of(inode->atime),
		.mtime = time_of(inode->mtime),
		.ctime = time_of(inode->ctime),
	};

	uk_inode_put(inode);
	return uk_copy_to_user(user, &st, sizeof(st));
}

static int64_t stat_at(int dirfd, uint64_t path, uint64_t user, uint32_t flags)
{
	const uint32_t known = UK_AT_SYMLINK_NOFOLLOW | UK_AT_NO_AUTOMOUNT | UK_AT_EMPTY_PATH;
	struct uk_inode *inode;
	int error;

	if ((flags & ~known) != 0)
		return -UK_EINVAL;
	error = inode_at(dirfd, path, flags, &inode);
	return error != 0 ? error : stat_to_user(inode, user);
}

int64_t uk_sys_stat(const struct uk_sysargs *s)
{
	return stat_at(UK_AT_FDCWD, s->a[0], s->a[1], 0);
}

int64_t uk_sys_lstat(const struct uk_sysargs *s)
{
	return stat_at(UK_AT_FDCWD, s->a[0], s->a[1], UK_AT_SYMLINK_NOFOLLOW);
}

int64_t uk_sys_newfstatat(const struct uk_sysargs *s)
{
	return stat_at(fs_arg_int(s->a[0]), s->a[1], s->a[2], (uint32_t)s->a[3]);
}

int64_t uk_sys_fstat(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_of_fd(s->a[0], false, &inode);

	return error != 0 ? error : stat_to_user(inode, s->a[1]);
}

static struct uk_linux_statx_time statx_time(int64_t ns)
{
	struct uk_linux_timespec t = time_of(ns);

	return (struct uk_linux_statx_time){ .sec = t.sec, .nsec = (uint32_t)t.nsec };
}

int64_t uk_sys_statx(const struct uk_sysargs *s)
{
	const uint32_t known = UK_AT_SYMLINK_NOFOLLOW | UK_AT_NO_AUTOMOUNT | UK_AT_EMPTY_PATH |
			       UK_AT_STATX_SYNC_TYPE;
	uint32_t flags = (uint32_t)s->a[2];
	struct uk_linux_statx sx;
	struct uk_inode *inode;
	int error;

	if (((uint32_t)s->a[3] & (uint32_t)UK_STATX_RESERVED) != 0 || (flags & ~known) != 0 ||
	    (flags & UK_AT_STATX_SYNC_TYPE) == UK_AT_STATX_SYNC_TYPE)
		return -UK_EINVAL;
	error = inode_at(fs_arg_int(s->a[0]), s->a[1], flags, &inode);
	if (error != 0)
		return error;
	sx = (struct uk_linux_statx){
		.mask = UK_STATX_BASIC_STATS,
		.blksize = BLOCK_SIZE,
		.nlink = inode->nlink,
		.uid = inode->uid,
		.gid = inode->gid,
		.mode = (uint16_t)inode->mode,
		.ino = inode->ino,
		.size = inode->size,
		.blocks = inode->blocks,
		.atime = statx_time(inode->atime),
		.ctime = statx_time(inode->ctime),
		.mtime = statx_time(inode->mtime),
		.rdev_major = (uint32_t)(inode->rdev >> 8 & 0xfff),
		.rdev_minor = (uint32_t)((inode->rdev & 0xff) | (inode->rdev >> 12 & 0xfff00)),
		.dev_minor = inode->super != NULL ? (uint32_t)inode->super->dev : 0,
	};
	uk_inode_put(inode);
	return uk_copy_to_user(s->a[4], &sx, sizeof(sx));
}

/* -- access -- */

static int64_t access_at(int dirfd, uint64_t path, uint32_t mode, uint32_t flags)
{
	const uint32_t known = UK_AT_EACCESS | UK_AT_SYMLINK_NOFOLLOW | UK_AT_EMPTY_PATH;
	struct uk_inode *inode;
	int error;

	if ((mode & ~7u) != 0 || (flags & ~known) != 0)
		return -UK_EINVAL;
	error = inode_at(dirfd, path, flags, &inode);
	if (error != 0)
		return error;
	error = (flags & UK_AT_EACCESS) != 0 ? uk_permit(inode, mode) : fs_permit_real(inode, mode);
	if (error == 0 && (mode & UK_W_OK) != 0 &&
	    (UK_S_IS(inode->mode, REG) || UK_S_IS(inode->mode, DIR) || UK_S_IS(inode->mode, LNK)))
		error = fs_may_write(inode);
	uk_inode_put(inode);
	return error;
}

int64_t uk_sys_access(const struct uk_sysargs *s)
{
	return access_at(UK_AT_FDCWD, s->a[0], (uint32_t)s->a[1], 0);
}

int64_t uk_sys_faccessat(const struct uk_sysargs *s)
{
	return access_at(fs_arg_int(s->a[0]), s->a[1], (uint32_t)s->a[2], 0);
}

int64_t uk_sys_faccessat2(const struct uk_sysargs *s)
{
	return access_at(fs_arg_int(s->a[0]), s->a[1], (uint32_t)s->a[2], (uint32_t)s->a[3]);
}

/* -- changes: each takes the inode's reference -- */

static int64_t change_mode(struct uk_inode *inode, uint32_t mode)
{
	int error = fs_may_write(inode);

	if (error == 0 && UK_S_IS(inode->mode, LNK))
		error = -UK_EOPNOTSUPP;
	if (error == 0 && !fs_owns(inode))
		error = -UK_EPERM;
	if (!fs_in_group(inode->gid) && !fs_is_root())
		mode &= ~(uint32_t)UK_S_ISGID;
	if (error == 0) {
		uk_mutex_lock(&inode->lock);
		inode->mode = (inode->mode & UK_S_IFMT) | (mode & UK_S_ALL);
		fs_touch(inode, false);
		uk_mutex_unlock(&inode->lock);
		fs_notify_self(inode, UK_IN_ATTRIB);
	}
	uk_inode_put(inode);
	return error;
}

static int64_t change_mode_at(int dirfd, uint64_t path, uint32_t mode, uint32_t flags)
{
	struct uk_inode *inode;
	int error = inode_at(dirfd, path, flags, &inode);

	return error != 0 ? error : change_mode(inode, mode);
}

int64_t uk_sys_chmod(const struct uk_sysargs *s)
{
	return change_mode_at(UK_AT_FDCWD, s->a[0], (uint32_t)s->a[1], 0);
}

int64_t uk_sys_fchmodat(const struct uk_sysargs *s)
{
	return change_mode_at(fs_arg_int(s->a[0]), s->a[1], (uint32_t)s->a[2], 0);
}

int64_t uk_sys_fchmod(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_of_fd(s->a[0], true, &inode);

	return error != 0 ? error : change_mode(inode, (uint32_t)s->a[1]);
}

/* Who owns it may give it to a group of theirs, and to nobody else. */
static bool may_give(const struct uk_inode *inode, uint32_t uid, uint32_t gid)
{
	if (fs_is_root())
		return true;
	return (uid == UINT32_MAX || (fs_owns(inode) && uid == inode->uid)) &&
	       (gid == UINT32_MAX || (fs_owns(inode) && (gid == inode->gid || fs_in_group(gid))));
}

static int64_t change_owner(struct uk_inode *inode, uint32_t uid, uint32_t gid)
{
	int error = fs_may_write(inode);

	if (error == 0 && !may_give(inode, uid, gid))
		error = -UK_EPERM;
	if (error == 0) {
		uk_mutex_lock(&inode->lock);
		if (uid != UINT32_MAX)
			inode->uid = uid;
		if (gid != UINT32_MAX)
			inode->gid = gid;
		inode->mode = fs_mode_given_away(inode->mode);
		fs_touch(inode, false);
		uk_mutex_unlock(&inode->lock);
		fs_notify_self(inode, UK_IN_ATTRIB);
	}
	uk_inode_put(inode);
	return error;
}

static int64_t change_owner_at(int dirfd, uint64_t path, uint64_t uid, uint64_t gid, uint32_t flags)
{
	struct uk_inode *inode;
	int error;

	if ((flags & ~(uint32_t)(UK_AT_SYMLINK_NOFOLLOW | UK_AT_EMPTY_PATH)) != 0)
		return -UK_EINVAL;
	error = inode_at(dirfd, path, flags, &inode);
	return error != 0 ? error : change_owner(inode, (uint32_t)uid, (uint32_t)gid);
}

int64_t uk_sys_chown(const struct uk_sysargs *s)
{
	return change_owner_at(UK_AT_FDCWD, s->a[0], s->a[1], s->a[2], 0);
}

int64_t uk_sys_lchown(const struct uk_sysargs *s)
{
	return change_owner_at(UK_AT_FDCWD, s->a[0], s->a[1], s->a[2], UK_AT_SYMLINK_NOFOLLOW);
}

int64_t uk_sys_fchownat(const struct uk_sysargs *s)
{
	return change_owner_at(fs_arg_int(s->a[0]), s->a[1], s->a[2], s->a[3], (uint32_t)s->a[4]);
}

int64_t uk_sys_fchown(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_of_fd(s->a[0], true, &inode);

	return error != 0 ? error : change_owner(inode, (uint32_t)s->a[1], (uint32_t)s->a[2]);
}

/* -- times -- */

static int64_t time_asked(const struct uk_linux_timespec *t, int64_t now, int64_t before)
{
	int64_t ns;

	if (t->nsec == UK_UTIME_OMIT)
		return before;
	if (t->nsec == UK_UTIME_NOW)
		return now;
	/* What does not fit 64 bits of nanoseconds is cut to what does. */
	if (__builtin_mul_overflow(t->sec, 1000000000ll, &ns) ||
	    __builtin_add_overflow(ns, t->nsec, &ns))
		return t->sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static bool nsec_is_valid(int64_t nsec)
{
	return (nsec >= 0 && nsec < 1000000000) || nsec == UK_UTIME_NOW || nsec == UK_UTIME_OMIT;
}

/* Any time is the owner's to set; who may write may say "now". */
static int may_change_times(const struct uk_inode *inode, const struct uk_linux_timespec t[2])
{
	if (fs_owns(inode))
		return 0;
	return t[0].nsec == UK_UTIME_NOW && t[1].nsec == UK_UTIME_NOW ? uk_permit(inode, UK_W_OK)
								      : -UK_EPERM;
}

static int64_t change_times(struct uk_inode *inode, const struct uk_linux_timespec t[2])
{
	int error = nsec_is_valid(t[0].nsec) && nsec_is_valid(t[1].nsec) ? fs_may_write(inode)
									 : -UK_EINVAL;

	if (error == 0)
		error = may_change_times(inode, t);
	if (error == 0) {
		int64_t now = uk_time_real();

		uk_mutex_lock(&inode->lock);
		inode->atime = time_asked(&t[0], now, inode->atime);
		inode->mtime = time_asked(&t[1], now, inode->mtime);
		fs_touch(inode, false);
		uk_mutex_unlock(&inode->lock);
		fs_notify_self(inode, UK_IN_ATTRIB);
	}
	uk_inode_put(inode);
	return error;
}

static int64_t change_times_at(uint64_t dirfd, uint64_t path, const struct uk_linux_timespec t[2],
			       uint32_t flags)
{
	struct uk_inode *inode;
	int error;

	if ((flags & ~(uint32_t)(UK_AT_SYMLINK_NOFOLLOW | UK_AT_EMPTY_PATH)) != 0)
		return -UK_EINVAL;
	if (path == 0 && fs_arg_int(dirfd) != UK_AT_FDCWD) {
		if (flags != 0)
			return -UK_EINVAL;
		error = inode_of_fd(dirfd, true, &inode);
	} else {
		error = inode_at(fs_arg_int(dirfd), path, flags, &inode);
	}
	return error != 0 ? error : change_times(inode, t);
}

static const struct uk_linux_timespec times_now[2] = { { 0, UK_UTIME_NOW }, { 0, UK_UTIME_NOW } };

int64_t uk_sys_utimensat(const struct uk_sysargs *s)
{
	struct uk_linux_timespec t[2] = { times_now[0], times_now[1] };

	if (s->a[2] != 0) {
		if (uk_copy_from_user(t, s->a[2], sizeof(t)) != 0)
			return -UK_EFAULT;
		if (t[0].nsec == UK_UTIME_OMIT && t[1].nsec == UK_UTIME_OMIT)
			return 0;
	}
	return change_times_at(s->a[0], s->a[1], t, (uint32_t)s->a[3]);
}

static int64_t utimes_at(uint64_t dirfd, uint64_t path, uint64_t user)
{
	struct uk_linux_timespec t[2] = { times_now[0], times_now[1] };
	struct uk_linux_timeval v[2];

	if (user != 0) {
		if (uk_copy_from_user(v, user, sizeof(v)) != 0)
			return -UK_EFAULT;
		for (unsigned i = 0; i < 2; i++) {
			if (v[i].usec < 0 || v[i].usec >= 1000000)
				return -UK_EINVAL;
			t[i] = (struct uk_linux_timespec){ v[i].sec, v[i].usec * 1000 };
		}
	}
	return change_times_at(dirfd, path, t, 0);
}

int64_t uk_sys_utimes(const struct uk_sysargs *s)
{
	return utimes_at((uint64_t)UK_AT_FDCWD, s->a[0], s->a[1]);
}

int64_t uk_sys_futimesat(const struct uk_sysargs *s)
{
	return utimes_at(s->a[0], s->a[1], s->a[2]);
}

int64_t uk_sys_utime(const struct uk_sysargs *s)
{
	struct uk_linux_timespec t[2] = { times_now[0], times_now[1] };
	int64_t seconds[2];

	if (s->a[1] != 0) {
		if (uk_copy_from_user(seconds, s->a[1], sizeof(seconds)) != 0)
			return -UK_EFAULT;
		for (unsigned i = 0; i < 2; i++)
			t[i] = (struct uk_linux_timespec){ seconds[i], 0 };
	}
	return change_times_at((uint64_t)UK_AT_FDCWD, s->a[0], t, 0);
}

/* -- size -- */

int64_t uk_sys_truncate(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error;

	if ((int64_t)s->a[1] < 0)
		return -UK_EINVAL;
	error = inode_at(UK_AT_FDCWD, s->a[0], 0, &inode);
	if (error != 0)
		return error;
	if (UK_S_IS(inode->mode, DIR))
		error = -UK_EISDIR;
	else
		error = UK_S_IS(inode->mode, REG) ? uk_permit(inode, UK_W_OK) : -UK_EINVAL;
	if (error == 0)
		error = fs_truncate(inode, s->a[1]);
	uk_inode_put(inode);
	return error;
}

int64_t uk_sys_ftruncate(const struct uk_sysargs *s)
{
	struct uk_file *file;
	int error = -UK_EINVAL;

	if ((int64_t)s->a[1] < 0)
		return -UK_EINVAL;
	file = fs_fd_real(fs_arg_int(s->a[0]));
	if (file == NULL)
		return -UK_EBADF;
	if (file->inode != NULL && UK_S_IS(file->inode->mode, REG) && fs_can_write(file))
		error = fs_truncate(file->inode, s->a[1]);
	if (error == 0)
		fs_notify(file->dentry, UK_IN_MODIFY);
	uk_file_put(file);
	return error;
}

int64_t uk_sys_fallocate(const struct uk_sysargs *s)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	int64_t offset = (int64_t)s->a[2], size = (int64_t)s->a[3], end;
	uint32_t mode = (uint32_t)s->a[1];
	int error;

	if (file == NULL)
		return -UK_EBADF;
	if (offset < 0 || size <= 0)
		error = -UK_EINVAL;
	else if ((mode & ~(uint32_t)(UK_FALLOC_KEEP_SIZE | UK_FALLOC_PUNCH_HOLE)) != 0 ||
		 mode == UK_FALLOC_PUNCH_HOLE)
		error = -UK_EOPNOTSUPP;
	else if (!fs_can_write(file))
		error = -UK_EBADF;
	else if (file->inode != NULL && UK_S_IS(file->inode->mode, IFO))
		error = -UK_ESPIPE;
	else if (file->inode != NULL && UK_S_IS(file->inode->mode, DIR))
		error = -UK_EISDIR;
	else if (file->ops != &fs_regular_ops)
		error = -UK_ENODEV;
	else if (__builtin_add_overflow(offset, size, &end) ||
		 (uint64_t)end > file->inode->super->size_max)
		error = -UK_EFBIG;
	else if ((mode & UK_FALLOC_PUNCH_HOLE) != 0)
		error = fs_punch(file->inode, (uint64_t)offset, (uint64_t)end);
	else
		error = fs_allocate(file->inode, (uint64_t)offset, (uint64_t)end,
				    (mode & UK_FALLOC_KEEP_SIZE) != 0);
	uk_file_put(file);
	return error;
}

/* -- the file system -- */

static int64_t statfs_to_user(struct uk_inode *inode, uint64_t user)
{
	enum { ST_RDONLY = 1, ST_VALID = 0x20, ANON_MAGIC = 0x09041934, PIPE_MAGIC = 0x50495045 };
	struct uk_linux_statfs out = { .bsize = BLOCK_SIZE, .frsize = BLOCK_SIZE };
	struct uk_super *super = inode->super;
	int error = 0;

	out.namelen = UK_NAME_MAX;
	out.flags = ST_VALID;
	out.type = UK_S_IS(inode->mode, IFO) ? PIPE_MAGIC : ANON_MAGIC;
	if (super != NULL) {
		out.fsid[0] = (int32_t)super->dev;
		if (super->read_only)
			out.flags |= ST_RDONLY;
		error = super->ops->statfs(super, &out);
	}
	uk_inode_put(inode);
	return error != 0 ? error : uk_copy_to_user(user, &out, sizeof(out));
}

int64_t uk_sys_statfs(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_at(UK_AT_FDCWD, s->a[0], 0, &inode);

	return error != 0 ? error : statfs_to_user(inode, s->a[1]);
}

int64_t uk_sys_fstatfs(const struct uk_sysargs *s)
{
	struct uk_inode *inode;
	int error = inode_of_fd(s->a[0], false, &inode);

	return error != 0 ? error : statfs_to_user(inode, s->a[1]);
}

int64_t uk_sys_umask(const struct uk_sysargs *s)
{
	return __atomic_exchange_n(&fs_umask, (uint32_t)s->a[0] & 0777, __ATOMIC_RELAXED);
}
