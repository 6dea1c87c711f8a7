/*
 * Files in memory: private and shared mappings, stores that reads see and the other way round, the
 * end of the file, truncation, the program's own file.
 */
#include "t.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>

enum { PAGE = 4096 };

static sigjmp_buf bus;

static void on_bus(int number, siginfo_t *info, void *context)
{
	(void)context;
	siglongjmp(bus, number == SIGBUS && info->si_code == BUS_ADRERR ? 1 : 2);
}

static int touch(volatile char *at)
{
	int fault = sigsetjmp(bus, 1);

	if (fault == 0)
		(void)*at;
	return fault;
}

static int open_file(const char *path, size_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);

	check(fd >= 0);
	for (size_t i = 0; i < size; i++) {
		char c = (char)('a' + i / PAGE % 26);

		check(pwrite(fd, &c, 1, (off_t)i) == 1);
	}
	return fd;
}

static void shared(int fd)
{
	char *a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *b = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	char got[4];

	check(a != MAP_FAILED && b != MAP_FAILED);
	memcpy(a + PAGE, "XYZ", 3);
	check(pread(fd, got, 3, PAGE) == 3 && memcmp(got, "XYZ", 3) == 0);
	check(memcmp(b, "XYZ", 3) == 0);
	check(pwrite(fd, "written", 7, PAGE + 10) == 7);
	check(memcmp(b + 10, "written", 7) == 0 && memcmp(a + PAGE + 10, "written", 7) == 0);
	check(msync(a, 3 * PAGE, MS_SYNC) == 0);
	check(msync(a + PAGE, PAGE, MS_SYNC) == 0 && msync(a, 1, MS_SYNC) == 0);
	check(munmap(a, 3 * PAGE) == 0 && munmap(b, PAGE) == 0);
	check(pread(fd, got, 3, PAGE) == 3 && memcmp(got, "XYZ", 3) == 0);
}

static void private_copy(int fd)
{
	char *a = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char got[4];

	check(a != MAP_FAILED && a[0] == 'a');
	a[0] = '!';
	check(pread(fd, got, 1, 0) == 1 && got[0] == 'a');
	check(pwrite(fd, "?", 1, 1) == 1);
	check(a[0] == '!' && a[1] != '?'); /* its page is a copy by now */
	check(munmap(a, 2 * PAGE) == 0);
}

static void ends(int fd)
{
	char *a;

	check(ftruncate(fd, PAGE + 100) == 0);
	a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(a != MAP_FAILED);
	check(touch(a + PAGE + 99) == 0);
	check(a[PAGE + 100] == 0 && a[2 * PAGE - 1] == 0); /* zeros behind the end in its page */
	printf("behind the end: %d\n", touch(a + 2 * PAGE));
	check(ftruncate(fd, 3 * PAGE) == 0);
	printf("after growing: %d %d\n", touch(a + 2 * PAGE), a[2 * PAGE]);
	a[2 * PAGE] = 'z';
	check(ftruncate(fd, 10) == 0);
	printf("after shrinking: %d %d\n", touch(a + PAGE), touch(a + 2 * PAGE));
	printf("cut: '%c' %d\n", a[9], a[10]);
	check(ftruncate(fd, 3 * PAGE) == 0);
	printf("grown again: %d %d\n", a[PAGE], a[2 * PAGE]);
	check(munmap(a, 3 * PAGE) == 0);
}

static void rules(const char *path)
{
	int read_only = open(path, O_RDONLY), write_only = open(path, O_WRONLY), pipes[2];

	check(read_only >= 0 && write_only >= 0 && pipe(pipes) == 0);
	fails(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, read_only, 0), EACCES);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, write_only, 0), EACCES);
	check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0) != MAP_FAILED);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0), EBADF);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, read_only, 100), EINVAL);
	close(read_only);
	close(write_only);
}

/* What is not wanted in memory any more is no less there: synced, changed since, or mapped. */
static void given_up(const char *path)
{
	int fd = open_file(path, 4 * PAGE);
	char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), c = 0;

	check(a != MAP_FAILED && fsync(fd) == 0);
	a[1] = 'M';
	check(pwrite(fd, "D", 1, 2 * PAGE) == 1);
	check(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	check(posix_fadvise(fd, PAGE + 1, PAGE, POSIX_FADV_DONTNEED) == 0);
	printf("given up: %c%c", a[0], a[1]);
	for (int i = 1; i < 4; i++) {
		check(pread(fd, &c, 1, i * PAGE) == 1);
		printf(" %c", c);
	}
	puts("");
	check(munmap(a, PAGE) == 0 && close(fd) == 0);
}

/* The program's text through its file, and its file through a mapping. */
static void own_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	char *a, *copy;

	check(fd >= 0 && fstat(fd, &st) == 0);
	a = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	copy = malloc((size_t)st.st_size);
	check(a != MAP_FAILED && copy != NULL);
	check(pread(fd, copy, (size_t)st.st_size, 0) == st.st_size);
	check(memcmp(a, copy, (size_t)st.st_size) == 0);
	check(memcmp(a, "\177ELF", 4) == 0);
	printf("own file: %lld bytes\n", (long long)st.st_size);
	close(fd);
}

int main(void)
{
	const struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	char path[64];
	int fd;

	check(sigaction(SIGBUS, &action, NULL) == 0);
	snprintf(path, sizeof(path), "/dev/shm/uni-maps-%d", (int)getpid());
	fd = open_file(path, 3 * PAGE);
	shared(fd);
	private_copy(fd);
	ends(fd);
	rules(path);
	own_file();
	given_up(path);
	check(unlink(path) == 0);
	/* A file without a name lives as long as its mapping. */
	{
		char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		check(a != MAP_FAILED);
		close(fd);
		a[0] = 'q';
		printf("without a name: %c\n", a[0]);
	}
	return 0;
}
