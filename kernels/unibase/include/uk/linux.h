/*
 * Structures and numbers of the Linux x86-64 system-call ABI (include/uapi of Linux), as programs
 * see them. Each area keeps to its own block below.
 */
#ifndef UK_LINUX_H
#define UK_LINUX_H

#include <uk/types.h>

struct uk_linux_timespec {
	int64_t sec;
	int64_t nsec;
};
struct uk_linux_timeval {
	int64_t sec;
	int64_t usec;
};

/* Files: types and permissions. */
enum {
	UK_S_IFMT = 0170000,
	UK_S_IFIFO = 0010000,
	UK_S_IFCHR = 0020000,
	UK_S_IFDIR = 0040000,
	UK_S_IFBLK = 0060000,
	UK_S_IFREG = 0100000,
	UK_S_IFLNK = 0120000,
	UK_S_IFSOCK = 0140000,
	UK_S_ISUID = 04000,
	UK_S_ISGID = 02000,
	UK_S_ISVTX = 01000,
	UK_S_ALL = 07777,
};
#define UK_S_IS(mode, type) (((mode)&UK_S_IFMT) == UK_S_IF##type)

/* open and openat. */
enum {
	UK_O_RDONLY = 0,
	UK_O_WRONLY = 1,
	UK_O_RDWR = 2,
	UK_O_ACCMODE = 3,
	UK_O_CREAT = 0100,
	UK_O_EXCL = 0200,
	UK_O_NOCTTY = 0400,
	UK_O_TRUNC = 01000,
	UK_O_APPEND = 02000,
	UK_O_NONBLOCK = 04000,
	UK_O_DSYNC = 010000,
	UK_O_ASYNC = 020000,
	UK_O_DIRECT = 040000,
	UK_O_LARGEFILE = 0100000,
	UK_O_DIRECTORY = 0200000,
	UK_O_NOFOLLOW = 0400000,
	UK_O_NOATIME = 01000000,
	UK_O_CLOEXEC = 02000000,
	UK_O_SYNC = 04010000,
	UK_O_PATH = 010000000,
	UK_O_TMPFILE = 020200000,
};

/* The *at calls, access, rename, lseek, fallocate. */
enum {
	UK_AT_FDCWD = -100,
	UK_AT_SYMLINK_NOFOLLOW = 0x100,
	UK_AT_REMOVEDIR = 0x200,
	UK_AT_EACCESS = 0x200,
	UK_AT_SYMLINK_FOLLOW = 0x400,
	UK_AT_NO_AUTOMOUNT = 0x800,
	UK_AT_EMPTY_PATH = 0x1000,
	UK_AT_STATX_SYNC_TYPE = 0x6000,
	UK_R_OK = 4,
	UK_W_OK = 2,
	UK_X_OK = 1,
	UK_RENAME_NOREPLACE = 1,
	UK_RENAME_EXCHANGE = 2,
	UK_SEEK_SET = 0,
	UK_SEEK_CUR = 1,
	UK_SEEK_END = 2,
	UK_SEEK_DATA = 3,
	UK_SEEK_HOLE = 4,
	UK_FALLOC_KEEP_SIZE = 1,
	UK_FALLOC_PUNCH_HOLE = 2,
	UK_FALLOC_ZERO_RANGE = 16,
	UK_UTIME_NOW = 0x3fffffff,
	UK_UTIME_OMIT = 0x3ffffffe,
	UK_IOV_MAX = 1024,
};
#define UK_RW_MAX 0x7ffff000ull /* bytes one read or write moves at most */

/* fcntl. */
enum {
	UK_F_DUPFD = 0,
	UK_F_GETFD = 1,
	UK_F_SETFD = 2,
	UK_F_GETFL = 3,
	UK_F_SETFL = 4,
	UK_F_GETLK = 5,
	UK_F_SETLK = 6,
	UK_F_SETLKW = 7,
	UK_F_SETOWN = 8,
	UK_F_GETOWN = 9,
	UK_F_OFD_GETLK = 36,
	UK_F_OFD_SETLK = 37,
	UK_F_OFD_SETLKW = 38,
	UK_F_DUPFD_CLOEXEC = 1030,
	UK_F_SETPIPE_SZ = 1031,
	UK_F_GETPIPE_SZ = 1032,
	UK_F_SETLEASE = 1024,
	UK_F_GETLEASE = 1025,
	UK_F_ADD_SEALS = 1033,
	UK_F_GET_SEALS = 1034,
	UK_FD_CLOEXEC = 1,
	UK_F_RDLCK = 0,
	UK_F_WRLCK = 1,
	UK_F_UNLCK = 2,
	UK_LOCK_SH = 1,
	UK_LOCK_EX = 2,
	UK_LOCK_NB = 4,
	UK_LOCK_UN = 8,
};

struct uk_linux_flock {
	int16_t type;
	int16_t whence;
	int32_t pad1;
	int64_t start;
	int64_t size;
	int32_t pid;
	int32_t pad2;
};

struct uk_linux_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	struct uk_linux_timespec atime, mtime, ctime;
	int64_t unused[3];
};

struct uk_linux_statx_time {
	int64_t sec;
	uint32_t nsec;
	int32_t pad;
};
enum { UK_STATX_BASIC_STATS = 0x7ff, UK_STATX_RESERVED = (int)0x80000000 };
struct uk_linux_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad1;
	uint64_t ino, size, blocks, attributes_mask;
	struct uk_linux_statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id, spare[13];
};

struct uk_linux_statfs {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};

/* Followed by the name, NUL-terminated; `reclen` is a multiple of 8. */
struct uk_linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type; /* S_IFMT >> 12 */
	char name[];
};

/* poll, epoll, select. */
enum {
	UK_POLLIN = 1,
	UK_POLLPRI = 2,
	UK_POLLOUT = 4,
	UK_POLLERR = 8,
	UK_POLLHUP = 16,
	UK_POLLNVAL = 32,
	UK_POLLRDNORM = 64,
	UK_POLLRDBAND = 128,
	UK_POLLWRNORM = 256,
	UK_POLLWRBAND = 512,
	UK_POLLRDHUP = 0x2000,
	UK_EPOLL_CTL_ADD = 1,
	UK_EPOLL_CTL_DEL = 2,
	UK_EPOLL_CTL_MOD = 3,
};
#define UK_EPOLLEXCLUSIVE (1u << 28)
#define UK_EPOLLWAKEUP (1u << 29)
#define UK_EPOLLONESHOT (1u << 30)
#define UK_EPOLLET (1u << 31)
struct uk_linux_pollfd {
	int32_t fd;
	int16_t events;
	int16_t revents;
};
struct UK_PACKED uk_linux_epoll_event {
	uint32_t events;
	uint64_t data;
};

/* Terminals and other ioctls. */
enum {
	UK_TCGETS = 0x5401,
	UK_TCSETS = 0x5402,
	UK_TCSETSW = 0x5403,
	UK_TCSETSF = 0x5404,
	UK_TCSBRK = 0x5409,
	UK_TCXONC = 0x540a,
	UK_TCFLSH = 0x540b,
	UK_TIOCSCTTY = 0x540e,
	UK_TIOCGPGRP = 0x540f,
	UK_TIOCSPGRP = 0x5410,
	UK_TIOCOUTQ = 0x5411,
	UK_TIOCGWINSZ = 0x5413,
	UK_TIOCSWINSZ = 0x5414,
	UK_FIONREAD = 0x541b,
	UK_FIONBIO = 0x5421,
	UK_TIOCGSID = 0x5429,
	UK_FIONCLEX = 0x5450,
	UK_FIOCLEX = 0x5451,
	UK_FIOASYNC = 0x5452,
};
struct uk_linux_termios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[19];
};
struct uk_linux_winsize {
	uint16_t row, col, xpixel, ypixel;
};
enum {
	/* iflag */
	UK_INLCR = 0100,
	UK_IGNCR = 0200,
	UK_ICRNL = 0400,
	/* oflag */
	UK_OPOST = 01,
	UK_ONLCR = 04,
	/* lflag */
	UK_ISIG = 01,
	UK_ICANON = 02,
	UK_ECHO = 010,
	UK_ECHOE = 020,
	UK_ECHOK = 040,
	UK_ECHONL = 0100,
	UK_NOFLSH = 0200,
	UK_ECHOCTL = 01000,
	UK_ECHOKE = 04000,
	UK_IEXTEN = 0100000,
	/* cc */
	UK_VINTR = 0,
	UK_VQUIT = 1,
	UK_VERASE = 2,
	UK_VKILL = 3,
	UK_VEOF = 4,
	UK_VTIME = 5,
	UK_VMIN = 6,
	UK_VSUSP = 10,
	UK_VEOL = 11,
	UK_VREPRINT = 12,
	UK_VWERASE = 14,
	UK_VLNEXT = 15,
	UK_VEOL2 = 16,
};

/* eventfd, timerfd, memfd, getrandom. */
enum {
	UK_EFD_SEMAPHORE = 1,
	UK_TFD_TIMER_ABSTIME = 1,
	UK_TFD_TIMER_CANCEL_ON_SET = 2,
	UK_MFD_CLOEXEC = 1,
	UK_MFD_ALLOW_SEALING = 2,
	UK_GRND_NONBLOCK = 1,
	UK_GRND_RANDOM = 2,
	UK_GRND_INSECURE = 4,
};
struct uk_linux_itimerspec {
	struct uk_linux_timespec interval, value;
};

/* System V shared memory. */
struct uk_linux_ipc_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid, mode;
	uint16_t seq, pad;
	uint32_t pad2;
	uint64_t unused[2];
};
struct uk_linux_shmid_ds {
	struct uk_linux_ipc_perm perm;
	uint64_t size;
	int64_t atime, dtime, ctime;
	int32_t cpid, lpid;
	uint64_t nattch, unused[2];
};
_Static_assert(sizeof(struct uk_linux_shmid_ds) == 112, "Linux ABI");

/* inotify. */
enum {
	UK_IN_ACCESS = 1,
	UK_IN_MODIFY = 2,
	UK_IN_ATTRIB = 4,
	UK_IN_CLOSE_WRITE = 8,
	UK_IN_CLOSE_NOWRITE = 0x10,
	UK_IN_OPEN = 0x20,
	UK_IN_MOVED_FROM = 0x40,
	UK_IN_MOVED_TO = 0x80,
	UK_IN_CREATE = 0x100,
	UK_IN_DELETE = 0x200,
	UK_IN_DELETE_SELF = 0x400,
	UK_IN_MOVE_SELF = 0x800,
	UK_IN_ALL = 0xfff,
	UK_IN_UNMOUNT = 0x2000,
	UK_IN_Q_OVERFLOW = 0x4000,
	UK_IN_IGNORED = 0x8000,
	UK_IN_ONLYDIR = 0x1000000,
	UK_IN_DONT_FOLLOW = 0x2000000,
	UK_IN_EXCL_UNLINK = 0x4000000,
	UK_IN_MASK_CREATE = 0x10000000,
	UK_IN_MASK_ADD = 0x20000000,
	UK_IN_ISDIR = 0x40000000,
};
#define UK_IN_ONESHOT 0x80000000u
/* What a watch may be made with; Linux takes the bits that only events have, too. */
#define UK_IN_KNOWN (0xf700efffu | UK_IN_ISDIR)
struct uk_linux_inotify_event {
	int32_t wd;
	uint32_t mask, cookie;
	uint32_t size; /* of the name that follows */
};

_Static_assert(sizeof(struct uk_linux_inotify_event) == 16, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_flock) == 32, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_stat) == 144, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_statx) == 256, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_statfs) == 120, "Linux ABI");
_Static_assert(offsetof(struct uk_linux_dirent64, name) == 19, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_epoll_event) == 12, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_termios) == 36, "Linux ABI");

#endif
