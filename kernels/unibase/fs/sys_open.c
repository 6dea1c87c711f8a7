/*
 * System calls that make, copy, change and close descriptors.
 */
#include "calls.h"

enum { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };

static int64_t open_at(int dirfd, uint64_t user_path, uint32_t flags, uint32_t mode)
{
	const uint32_t nameless = UK_O_TMPFILE & ~(uint32_t)UK_O_DIRECTORY;
	struct uk_file *file;
	struct fs_path path;
	int error;

	if ((flags & UK_O_PATH) == 0 && (flags & nameless) != 0 &&
	    (flags & (UK_O_TMPFILE | UK_O_CREAT)) != UK_O_TMPFILE)
		return -UK_EINVAL;
	error = fs_path_get(&path, user_path);
	if (error != 0)
		return error;
	error = fs_fd_room();
	if (error == 0) {
		file = fs_file_open_at(dirfd, path.text, flags | UK_O_LARGEFILE, mode);
		error = uk_is_err(file) ? (int)uk_ptr_err(file)
					: uk_fd_install(file, (flags & UK_O_CLOEXEC) != 0);
	}
	fs_path_put(&path);
	return error;
}

int64_t uk_sys_open(const struct uk_sysargs *s)
{
	return open_at(UK_AT_FDCWD, s->a[0], (uint32_t)s->a[1], (uint32_t)s->a[2]);
}

int64_t uk_sys_openat(const struct uk_sysargs *s)
{
	return open_at(fs_arg_int(s->a[0]), s->a[1], (uint32_t)s->a[2], (uint32_t)s->a[3]);
}

int64_t uk_sys_creat(const struct uk_sysargs *s)
{
	return open_at(UK_AT_FDCWD, s->a[0], UK_O_CREAT | UK_O_WRONLY | UK_O_TRUNC,
		       (uint32_t)s->a[1]);
}

int64_t uk_sys_close(const struct uk_sysargs *s)
{
	return fs_fd_close(fs_arg_int(s->a[0]));
}

int64_t uk_sys_close_range(const struct uk_sysargs *s)
{
	uint32_t first = (uint32_t)s->a[0], last = (uint32_t)s->a[1], flags = (uint32_t)s->a[2];

	if ((flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0 || first > last)
		return -UK_EINVAL;
	if (first > INT32_MAX)
		return 0;
	for (int fd = fs_fd_next((int)first); fd >= 0 && (uint32_t)fd <= last;
	     fd = fs_fd_next(fd + 1)) {
		if ((flags & CLOSE_RANGE_CLOEXEC) != 0)
			(void)fs_fd_set_flags(fd, true);
		else
			(void)fs_fd_close(fd);
	}
	return 0;
}

int64_t uk_sys_dup(const struct uk_sysargs *s)
{
	return fs_fd_dup(fs_arg_int(s->a[0]), 0, false);
}

int64_t uk_sys_dup2(const struct uk_sysargs *s)
{
	int fd = fs_arg_int(s->a[0]), to = fs_arg_int(s->a[1]);

	if (fd == to)
		return fs_fd_flags(fd) < 0 ? -UK_EBADF : fd;
	return fs_fd_dup_to(fd, to, false);
}

int64_t uk_sys_dup3(const struct uk_sysargs *s)
{
	uint32_t flags = (uint32_t)s->a[2];

	if ((flags & ~(uint32_t)UK_O_CLOEXEC) != 0 || (int)s->a[0] == (int)s->a[1])
		return -UK_EINVAL;
	return fs_fd_dup_to(fs_arg_int(s->a[0]), fs_arg_int(s->a[1]), flags != 0);
}

/* -- fcntl -- */

static int64_t set_status(struct uk_file *file, uint32_t flags)
{
	const uint32_t may = UK_O_APPEND | UK_O_NONBLOCK | UK_O_ASYNC | UK_O_DIRECT | UK_O_NOATIME;
	uint32_t changed = (file->flags ^ flags) & may;

	if ((changed & flags & UK_O_DIRECT) != 0)
		return -UK_EINVAL;
	file->flags ^= changed;
	return 0;
}

static int64_t record_lock(struct uk_file *file, int command, uint64_t user)
{
	struct uk_linux_flock lock;
	int error;

	if (uk_copy_from_user(&lock, user, sizeof(lock)) != 0)
		return -UK_EFAULT;
	error = fs_lock_range(file, command, &lock);
	if (error == 0 && (command == UK_F_GETLK || command == UK_F_OFD_GETLK) &&
	    uk_copy_to_user(user, &lock, sizeof(lock)) != 0)
		error = -UK_EFAULT;
	return error;
}

/* What Linux says of a file that others have open: no lease is ever given. */
static int64_t refuse_lease(const struct uk_file *file, int kind)
{
	if (file->inode == NULL || !UK_S_IS(file->inode->mode, REG) || kind < UK_F_RDLCK ||
	    kind > UK_F_UNLCK)
		return -UK_EINVAL;
	return -UK_EAGAIN;
}

static int64_t control(struct uk_file *file, int fd, int command, uint64_t arg)
{
	switch (command) {
	case UK_F_DUPFD:
		return fs_fd_dup(fd, fs_arg_int(arg), false);
	case UK_F_DUPFD_CLOEXEC:
		return fs_fd_dup(fd, fs_arg_int(arg), true);
	case UK_F_GETFD:
		return fs_fd_flags(fd);
	case UK_F_SETFD:
		return fs_fd_set_flags(fd, (arg & UK_FD_CLOEXEC) != 0);
	case UK_F_GETFL:
		return file->flags;
	default:
		break;
	}
	if ((file->flags & UK_O_PATH) != 0)
		return -UK_EBADF;
	switch (command) {
	case UK_F_SETFL:
		return set_status(file, (uint32_t)arg);
	case UK_F_GETLK:
	case UK_F_SETLK:
	case UK_F_SETLKW:
	case UK_F_OFD_GETLK:
	case UK_F_OFD_SETLK:
	case UK_F_OFD_SETLKW:
		return record_lock(file, command, arg);
	case UK_F_GETOWN:
	case UK_F_SETOWN: /* SIGIO is never sent */
		return 0;
	case UK_F_GETPIPE_SZ:
	case UK_F_SETPIPE_SZ:
		return fs_pipe_size(file, command == UK_F_SETPIPE_SZ, (uint32_t)arg);
	case UK_F_SETLEASE:
		return refuse_lease(file, fs_arg_int(arg));
	case UK_F_GETLEASE:
		return UK_F_UNLCK;
	case UK_F_ADD_SEALS:
	case UK_F_GET_SEALS:
		return fs_memfd_seals(file, command == UK_F_ADD_SEALS, (uint32_t)arg);
	default:
		return -UK_EINVAL;
	}
}

int64_t uk_sys_fcntl(const struct uk_sysargs *s)
{
	int fd = fs_arg_int(s->a[0]);
	struct uk_file *file = uk_fd_get(fd);
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = control(file, fd, fs_arg_int(s->a[1]), s->a[2]);
	uk_file_put(file);
	return result;
}

int64_t uk_sys_flock(const struct uk_sysargs *s)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = fs_lock_whole(file, fs_arg_int(s->a[1]));
	uk_file_put(file);
	return result;
}

/* -- ioctl -- */

UK_ASIDE int64_t set_flag(struct uk_file *file, uint32_t flag, uint64_t user)
{
	int on;

	if (uk_copy_from_user(&on, user, sizeof(on)) != 0)
		return -UK_EFAULT;
	if (on != 0)
		file->flags |= flag;
	else
		file->flags &= ~flag;
	return 0;
}

UK_ASIDE int64_t bytes_to_read(struct uk_file *file, uint64_t user)
{
	int left = (int)(file->inode->size - UK_MIN(file->offset, file->inode->size));

	return uk_copy_to_user(user, &left, sizeof(left));
}

/* What is the same for all files; -UK_ENOIOCTLCMD: not that. */
static int64_t file_control(struct uk_file *file, int fd, uint32_t request, uint64_t arg)
{
	switch (request) {
	case UK_FIOCLEX:
		return fs_fd_set_flags(fd, true);
	case UK_FIONCLEX:
		return fs_fd_set_flags(fd, false);
	case UK_FIONBIO:
		return set_flag(file, UK_O_NONBLOCK, arg);
	case UK_FIOASYNC:
		return set_flag(file, UK_O_ASYNC, arg);
	case UK_FIONREAD:
		if (file->ops == &fs_regular_ops)
			return bytes_to_read(file, arg);
		return -UK_ENOIOCTLCMD;
	default:
		return -UK_ENOIOCTLCMD;
	}
}

static int64_t device_control(struct uk_file *file, int fd, uint32_t request, uint64_t arg)
{
	int64_t result = -UK_ENOIOCTLCMD;

	if (request >= UK_FIONREAD) /* the least of those */
		result = file_control(file, fd, request, arg);
	if (result == -UK_ENOIOCTLCMD && file->ops->ioctl != NULL)
		result = file->ops->ioctl(file, request, arg);
	return result == -UK_ENOIOCTLCMD ? -UK_ENOTTY : result;
}

int64_t uk_sys_ioctl(const struct uk_sysargs *s)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(s->a[0]));
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	result = device_control(file, fs_arg_int(s->a[0]), (uint32_t)s->a[1], s->a[2]);
	uk_file_put(file);
	return result;
}
