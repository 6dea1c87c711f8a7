/*
 * A limit of the size of files: what fits is written, then the thread is told by signal and error.
 * @option --tmpfs /tmp:16777216
 */
#include "t.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static volatile sig_atomic_t told;

static void tell(int signo)
{
	(void)signo;
	told++;
}

int main(void)
{
	struct rlimit limit = { 5000, RLIM_INFINITY };
	static char data[8192];
	struct stat st;
	int fd = open("/tmp/file-limit", O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0 && signal(SIGXFSZ, tell) != SIG_ERR);
	check(ftruncate(fd, 6000) == 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0);
	check(ftruncate(fd, 5500) == 0 && told == 0);
	fails(ftruncate(fd, 5501), EFBIG);
	check(told == 1 && ftruncate(fd, 0) == 0 && ftruncate(fd, 5000) == 0);
	check(write(fd, data, 8192) == 5000 && told == 1);
	fails(write(fd, data, 1), EFBIG);
	check(told == 2 && write(fd, data, 0) == 0);
	check(pwrite(fd, data, 100, 4990) == 10);
	fails(pwrite(fd, data, 1, 7000), EFBIG);
	check(told == 3);
	fails(posix_fallocate(fd, 0, 5001) == EFBIG ? (errno = EFBIG, -1) : 0, EFBIG);
	check(told == 4 && fstat(fd, &st) == 0 && st.st_size == 5000);
	limit.rlim_cur = RLIM_INFINITY;
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0 && pwrite(fd, data, 1, 7000) == 1);
	check(close(fd) == 0 && unlink("/tmp/file-limit") == 0);
	done("file limit");
	return 0;
}
