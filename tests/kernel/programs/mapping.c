/*
 * Mappings of files: shared ones are the file, private ones a copy of what is written; what lies
 * behind the end of the file is SIGBUS.
 */
#include "t.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>

#define PAGE 4096ul
static const char *path = "/tmp/uni-kernel-test-mapping";
static sigjmp_buf back;
static volatile int caught;

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	caught = signo * 100 + info->si_code;
	siglongjmp(back, 1);
}

static int probe(volatile char *p, int write)
{
	caught = 0;
	if (sigsetjmp(back, 1) == 0) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	return caught;
}

static int make_file(size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0);
	for (size_t i = 0; i < size; i++) {
		char c = (char)('a' + i / PAGE % 26);

		check(write(fd, &c, 1) == 1);
	}
	return fd;
}

static char at(int fd, off_t offset)
{
	char c = '?';

	check(pread(fd, &c, 1, offset) == 1);
	return c;
}

static void test_shared(void)
{
	int fd = make_file(3 * PAGE + 100);
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);

	check(p != MAP_FAILED && q != MAP_FAILED);
	check(p[0] == 'a' && p[PAGE] == 'b' && q[0] == 'b');
	p[PAGE] = 'X';
	check(q[0] == 'X' && at(fd, PAGE) == 'X');
	check(pwrite(fd, "Y", 1, PAGE + 1) == 1 && p[PAGE + 1] == 'Y' && q[1] == 'Y');
	/* The rest of the last page is there and zero, but not the file's. */
	check(p[3 * PAGE + 100] == 0);
	p[3 * PAGE + 200] = 'Z';
	check(msync(p, 4 * PAGE, MS_SYNC) == 0);
	check(lseek(fd, 0, SEEK_END) == (off_t)(3 * PAGE + 100));
	check(probe(q, 1) == SIGSEGV * 100 + SEGV_ACCERR);
	check(mprotect(q, PAGE, PROT_READ | PROT_WRITE) == 0 && probe(q, 1) == 0);
	check(at(fd, PAGE) == 1);
	/* Unmapped, closed, and still written. */
	p[2 * PAGE] = 'W';
	check(munmap(p, 4 * PAGE) == 0 && munmap(q, PAGE) == 0);
	check(at(fd, 2 * PAGE) == 'W');
	close(fd);
	done("shared");
}

static void test_private(void)
{
	int fd = make_file(2 * PAGE);
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	check(p != MAP_FAILED && p[0] == 'a');
	p[PAGE] = 'X';
	check(at(fd, PAGE) == 'b' && p[PAGE + 1] == 'b');
	check(pwrite(fd, "Q", 1, 5) == 1 && p[5] == 'Q');
	check(madvise(p, 2 * PAGE, MADV_DONTNEED) == 0 && p[PAGE] == 'b');
	check(munmap(p, 2 * PAGE) == 0);
	/* For a private mapping it is enough that the file can be read. */
	close(fd);
	fd = open(path, O_RDONLY);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	check(p != MAP_FAILED && probe(p, 1) == 0);
	check(munmap(p, PAGE) == 0);
	fails(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	check(p != MAP_FAILED);
	fails(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	check(munmap(p, PAGE) == 0);
	close(fd);
	fd = open(path, O_WRONLY);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
	close(fd);
	fd = open("/tmp", O_RDONLY);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
	close(fd);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EBADF);
	done("private");
}

static void test_end(void)
{
	int fd = make_file(2 * PAGE + 10);
	char *p = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct timespec t;

	check(probe(p + 2 * PAGE, 0) == 0);
	check(probe(p + 3 * PAGE, 0) == SIGBUS * 100 + BUS_ADRERR);
	/* The kernel's own access fails without a signal. */
	fails(syscall(SYS_nanosleep, p + 4 * PAGE, NULL), EFAULT);
	fails(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p + 4 * PAGE), EFAULT);
	check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	/* Growing makes room, cutting takes it, what comes back is zero. */
	check(ftruncate(fd, 4 * PAGE) == 0 && probe(p + 3 * PAGE, 1) == 0);
	check(ftruncate(fd, PAGE) == 0);
	check(probe(p + PAGE, 0) == SIGBUS * 100 + BUS_ADRERR && p[0] == 'a');
	check(ftruncate(fd, 2 * PAGE) == 0 && p[PAGE] == 0);
	check(munmap(p, 6 * PAGE) == 0);
	close(fd);
	done("end");
}

/* Reading a file into its own mapping, writing a file from it. */
static void test_self(void)
{
	int fd = make_file(4 * PAGE);
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check(pread(fd, p + 2 * PAGE, PAGE, 0) == (ssize_t)PAGE && p[2 * PAGE] == 'a');
	check(pwrite(fd, p + PAGE, PAGE, 3 * PAGE) == (ssize_t)PAGE && p[3 * PAGE] == 'b');
	madvise(p, 4 * PAGE, MADV_DONTNEED);
	check(pwrite(fd, p, 2 * PAGE, PAGE) == (ssize_t)(2 * PAGE) && p[PAGE] == 'a');
	check(pread(fd, p + 10, 2 * PAGE, PAGE) == (ssize_t)(2 * PAGE));
	check(munmap(p, 4 * PAGE) == 0);
	close(fd);
	done("self");
}

/* A file stays while it is mapped, though it has no name any more. */
static void test_unlinked(void)
{
	int fd = make_file(PAGE);
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	check(unlink(path) == 0);
	check(p[100] == 'a' && probe(p, 1) == 0 && p[0] == 1);
	p = mremap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	check(p != MAP_FAILED && p[0] == 1);
	check(probe(p + PAGE, 0) == SIGBUS * 100 + BUS_ADRERR);
	check(munmap(p, 3 * PAGE) == 0);
	done("unlinked");
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	test_shared();
	test_private();
	test_end();
	test_self();
	test_unlinked();
	return 0;
}
