/*
 * Edge cases of calls that are said to be as on Linux: wrong flags, numbers, sizes and places.
 * @root
 * @option --tmpfs /tmp:16777216
 */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void *const bad = (void *)16;
static char room[8192];
static int file, folder, ends[2];

static void descriptors(void)
{
	struct stat st;

	try(syscall(SYS_pipe2, room, 0x1234));
	try(syscall(SYS_pipe2, bad, 0));
	try(syscall(SYS_dup3, file, file, 0));
	try(syscall(SYS_dup3, file, 60, 7));
	try(syscall(SYS_dup3, file, -1, 0));
	try(syscall(SYS_dup2, file, 5000000));
	try(fcntl(file, F_DUPFD, -1));
	try(fcntl(file, F_DUPFD, 50000000));
	try(fcntl(file, 12345));
	try(fcntl(file, F_GETLEASE));
	try(fcntl(file, F_SETLEASE, 77));
	try(fcntl(ends[0], F_SETLEASE, F_RDLCK));
	try(fcntl(ends[0], F_GETPIPE_SZ));
	try(fcntl(file, F_GETPIPE_SZ));
	try(syscall(SYS_close_range, 9, 8, 0));
	try(syscall(SYS_close_range, 900, 901, 64));
	try(flock(file, 0));
	try(flock(file, LOCK_SH | LOCK_EX));
	try(ioctl(file, 0x1234, 0));
	try(ioctl(ends[0], FIONREAD, bad));
	try(eventfd(0, 0x1234));
	try(epoll_create(0));
	try(timerfd_create(99, 0));
	try(syscall(SYS_timerfd_gettime, file, room));
	check(fstat(ends[0], &st) == 0);
	printf("pipe %o\n", (unsigned)st.st_mode);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	check(fstat(s, &st) == 0);
	printf("socket %o\n", (unsigned)st.st_mode);
	check(close(s) == 0);
}

static void bytes(void)
{
	struct iovec v[2] = { { room, (size_t)-1 }, { bad, 5 } };

	try(lseek(file, -1, SEEK_SET));
	try(lseek(file, 0, 77));
	try(lseek(ends[0], 0, SEEK_SET));
	try(lseek(file, 100000, SEEK_DATA));
	try(lseek(file, INT64_MAX, SEEK_END));
	try(pread(file, room, 10, -1));
	try(pread(ends[0], room, 10, 0));
	try(read(folder, room, 10));
	try(write(folder, room, 10));
	try(read(file, bad, 10));
	try(write(file, bad, 10));
	try(write(file, bad, 0));
	try(readv(file, v, 2));
	try(readv(file, v, -1));
	try(readv(file, v + 1, 1));
	try(preadv(file, v, 0, 0));
	try(ftruncate(file, -1));
	try(ftruncate(folder, 1));
	try(truncate("/tmp", 1));
	try(syscall(SYS_fallocate, file, 0, 0L, 0L));
	try(syscall(SYS_fallocate, file, 2, 0L, 10L));
	try(syscall(SYS_fallocate, ends[1], 0, 0L, 10L));
	try(syscall(SYS_sync_file_range, file, 0L, 0L, 99));
	try(syscall(SYS_sync_file_range, ends[0], 0L, 0L, 0));
	try(fsync(ends[0]));
	try(syscall(SYS_fadvise64, file, 0L, 0L, 99));
	try(syscall(SYS_fadvise64, ends[0], 0L, 0L, 0));
	try(syscall(SYS_readahead, ends[0], 0L, 10L));
	try(syscall(SYS_copy_file_range, file, 0, file, 0, 10L, 1));
	try(getrandom(room, 10, 0x100));
	try(getrandom(bad, 10, 0));
}

static void names(void)
{
	struct timespec wrong[2] = { { 0, -5 }, { 0, 0 } };
	struct statfs fs;

	try(syscall(SYS_readlinkat, AT_FDCWD, "/tmp", room, 10L));
	try(syscall(SYS_readlink, "/tmp/edges/link", room, 0L));
	try(syscall(SYS_readlink, "/tmp/edges/link", room, 2L));
	try(linkat(AT_FDCWD, "/tmp/edges/file", AT_FDCWD, "/tmp/edges/file", 0));
	try(linkat(AT_FDCWD, "/tmp/edges", AT_FDCWD, "/tmp/edges/hard", 0));
	try(linkat(AT_FDCWD, "/tmp/edges/file", AT_FDCWD, "/tmp/edges/x", 0x1));
	try(symlink("", "/tmp/edges/x"));
	try(symlink("x", ""));
	try(mkdir("/tmp/edges/file/x", 0700));
	try(mkdir("/tmp/edges/", 0700));
	try(mkdir("/", 0700));
	try(rmdir("/tmp/edges/."));
	try(rmdir("/tmp/edges/.."));
	try(rmdir("/tmp/edges/file"));
	try(unlink("/tmp/edges"));
	try(unlink("/tmp/edges/file/"));
	try(unlinkat(folder, "file", 0x1));
	try(rename("/tmp/edges", "/tmp/edges/sub"));
	try(rename("/tmp/edges/file", "/tmp/edges"));
	try(rename("/tmp/edges/.", "/tmp/edges/x"));
	try(syscall(SYS_renameat2, folder, "file", folder, "link", 1));
	try(syscall(SYS_renameat2, folder, "file", folder, "none", 2));
	try(syscall(SYS_renameat2, folder, "file", folder, "link", 0x100));
	try(mknod("/tmp/edges/x", S_IFDIR | 0700, 0));
	try(mknod("/tmp/edges/x", 0170000, 0));
	try(open("/tmp/edges/file", O_DIRECTORY));
	try(open("/tmp/edges/file/", O_RDONLY));
	try(open("/tmp/edges/none/", O_CREAT, 0600));
	try(open("/tmp/edges", O_RDWR));
	try(open("/tmp/edges/link", O_NOFOLLOW));
	try(open("", O_RDONLY));
	try(open(bad, O_RDONLY));
	try(chdir("/tmp/edges/file"));
	try(syscall(SYS_getcwd, room, 1L));
	try(syscall(SYS_getcwd, bad, 100L));
	try(statfs("/tmp/edges/none", &fs));
	try(syscall(SYS_statfs, "/tmp", bad));
	try(syscall(SYS_utimensat, AT_FDCWD, "/tmp/edges/file", wrong, 0));
	try(syscall(SYS_utimensat, AT_FDCWD, "/tmp/edges/file", NULL, 0x1));
	try(syscall(SYS_faccessat2, AT_FDCWD, "/tmp", 9, 0));
	try(syscall(SYS_newfstatat, AT_FDCWD, "", room, AT_EMPTY_PATH));
	try(syscall(SYS_newfstatat, file, "x", room, 0));
	try(syscall(SYS_statx, AT_FDCWD, "/tmp", 0x6000, 0, room));
	try(syscall(SYS_getdents64, folder, room, 10L));
	try(syscall(SYS_getdents64, file, room, 100L));
	try(syscall(SYS_fchmodat, AT_FDCWD, "/tmp/edges/none", 0600));
}

static void waiting(void)
{
	struct timespec wrong = { 0, 1000000000 }, none = { 0, 0 };
	struct timeval wrong_time = { -1, 0 };
	sigset_t set;

	try(syscall(SYS_ppoll, NULL, 0L, &wrong, NULL, 8L));
	try(syscall(SYS_ppoll, NULL, 0L, &none, &set, 7L));
	try(poll(bad, 1, 0));
	try(select(-1, NULL, NULL, NULL, NULL));
	try(select(0, NULL, NULL, NULL, &wrong_time));
	try(nanosleep(&wrong, NULL));
	try(syscall(SYS_clock_nanosleep, 77, 0, &none, NULL));
	try(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &none, NULL));
	try(clock_getres(77, NULL));
	try(syscall(SYS_waitid, P_ALL, 0, NULL, WEXITED, NULL));
	try(syscall(SYS_waitid, P_ALL, 0, NULL, 0, NULL));
	try(syscall(SYS_waitid, 9, 0, NULL, WEXITED, NULL));
	try(syscall(SYS_wait4, -1, NULL, 0x4000, NULL));
	try(syscall(SYS_futex, room, 77, 0, NULL, NULL, 0));
	try(syscall(SYS_futex, room + 1, 0, 0, NULL, NULL, 0));
	try(syscall(SYS_futex, room, 0, 5, NULL, NULL, 0));
	try(syscall(SYS_rt_sigtimedwait, &set, NULL, &wrong, 8L));
}

static void process(void)
{
	stack_t stack = { .ss_sp = room, .ss_size = 100 }, wrong = { .ss_flags = 77 };
	struct sched_param param = { .sched_priority = 5 };
	struct rlimit limit = { 5, 4 };

	try(sigaltstack(&stack, NULL));
	try(sigaltstack(&wrong, NULL));
	try(syscall(SYS_rt_sigaction, SIGKILL, room, NULL, 8L));
	try(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8L));
	try(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4L));
	try(syscall(SYS_rt_sigprocmask, 9, room, NULL, 8L));
	try(kill(getpid(), 65));
	try(syscall(SYS_tgkill, getpid(), -1, 0));
	try(syscall(SYS_tgkill, getpid(), 999999, 0));
	try(sched_setscheduler(0, 77, &param));
	try(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param));
	try(syscall(SYS_sched_getparam, 0, NULL));
	try(syscall(SYS_sched_getparam, -1, &param));
	try(syscall(SYS_sched_rr_get_interval, -1, room));
	try(getpriority(0, 999999));
	try(getpriority(0, -1));
	try(syscall(SYS_setrlimit, RLIMIT_CORE, &limit));
	try(getrusage(77, bad));
	try(getrusage(RUSAGE_SELF, bad));
	try(syscall(SYS_membarrier, 0, 1));
	try(mincore(room + 1, 1, (void *)room));
	try(madvise(room + 1, 1, MADV_DONTNEED));
	try(madvise((void *)0x10000, 4096, MADV_DONTNEED));
	try(mlock((void *)0x10000, 4096));
	try(munmap((void *)0x10001, 4096));
	try(munmap((void *)0x10000, 0));
	try(mprotect((void *)0x10000, 4096, PROT_READ));
	try(msync((void *)0x10000, 4096, MS_SYNC | MS_ASYNC));
	try(msync((void *)0x10000, 4096, MS_SYNC));
	try(mremap((void *)0x10000, 4096, 8192, 0) == MAP_FAILED ? -1 : 0);
	try(syscall(SYS_getcpu, NULL, NULL, NULL));
	try(syscall(SYS_set_robust_list, NULL, 5L));
	try(syscall(SYS_get_robust_list, 999999, room, room));
	try(syscall(SYS_capget, NULL, NULL));
	try(syscall(SYS_sysinfo, bad));
	try(syscall(SYS_uname, bad));
	try(syscall(SYS_times, bad));
}

int main(void)
{
	check(mkdir("/tmp/edges", 0755) == 0 && symlink("file", "/tmp/edges/link") == 0);
	file = open("/tmp/edges/file", O_RDWR | O_CREAT, 0644);
	folder = open("/tmp/edges", O_RDONLY | O_DIRECTORY);
	check(file >= 0 && folder >= 0 && write(file, room, 100) == 100 && pipe(ends) == 0);
	descriptors();
	bytes();
	names();
	waiting();
	process();
	check(unlink("/tmp/edges/file") == 0 && unlink("/tmp/edges/link") == 0);
	check(rmdir("/tmp/edges") == 0);
	return 0;
}
