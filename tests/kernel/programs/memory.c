/*
 * The address space: brk, mmap in its ways, holes, splits, protection, growing, moving, giving
 * back.
 */
#include "t.h"
#include <setjmp.h>

#define PAGE 4096ul
static sigjmp_buf back;
static volatile int caught;

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	caught = signo * 100 + info->si_code;
	siglongjmp(back, 1);
}

/* signal * 100 + code of one access, 0 when it went well. */
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

static void test_brk(void)
{
	char *start = (char *)syscall(SYS_brk, 0);
	char *end = (char *)syscall(SYS_brk, start + 3 * PAGE + 5);

	check(end == start + 3 * PAGE + 5);
	for (char *p = start; p < end; p += 512)
		check(*p == 0);
	memset(start, 7, (size_t)(end - start));
	check((char *)syscall(SYS_brk, start + 10) == start + 10);
	check(start[9] == 7);
	check(probe(start + 2 * PAGE, 0) == SIGSEGV * 100 + SEGV_MAPERR);
	check((char *)syscall(SYS_brk, start + 3 * PAGE) == start + 3 * PAGE);
	check(start[2 * PAGE] == 0);
	check((char *)syscall(SYS_brk, 1) == start + 3 * PAGE);
	check((char *)syscall(SYS_brk, start) == start);
	done("brk");
}

static void test_mmap(void)
{
	char *p = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p32;

	check(p != MAP_FAILED && (uintptr_t)p % PAGE == 0);
	for (int i = 0; i < 10; i++)
		check(p[i * PAGE + 17] == 0);
	memset(p, 1, 10 * PAGE);
	/* A hole in the middle, then something else in the hole. */
	check(munmap(p + 4 * PAGE, 2 * PAGE) == 0);
	check(probe(p + 4 * PAGE, 0) == SIGSEGV * 100 + SEGV_MAPERR);
	check(p[3 * PAGE] == 1 && p[6 * PAGE] == 1);
	check(mmap(p + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p + 4 * PAGE);
	check(p[4 * PAGE] == 0);
	fails(mmap(p + 3 * PAGE, 2 * PAGE, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
	      EEXIST);
	/* MAP_FIXED over what is there. */
	check(mmap(p, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == p);
	check(p[0] == 0 && p[PAGE] == 0 && p[2 * PAGE] == 1);
	/* A free hint is taken, an occupied one is not. */
	check(munmap(p + 5 * PAGE, 5 * PAGE) == 0);
	check(mmap(p + 7 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	      p + 7 * PAGE);
	check(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != p);
	/* A hint counts in low memory, too. */
	p32 = mmap((void *)0x50000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
		   0);
	check(p32 == (char *)0x50000000);
	p32 = mmap(p32, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	check(p32 != (char *)0x50000000 && (uintptr_t)p32 < 0x80000000u);
	check(munmap(p32, PAGE) == 0 && munmap((void *)0x50000000, PAGE) == 0);
	check(munmap(p, 10 * PAGE) == 0 && munmap(p, 10 * PAGE) == 0);
	fails(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	fails(mmap((void *)1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
	      EINVAL);
	fails(mmap(NULL, ~0ul - PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	fails(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), EINVAL);
	fails(munmap((void *)1, PAGE), EINVAL);
	fails(munmap(p, 0), EINVAL);
	done("mmap");
}

static void test_protect(void)
{
	char *p = mmap(NULL, 5 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(probe(p, 0) == SIGSEGV * 100 + SEGV_ACCERR);
	check(mprotect(p + PAGE, 3 * PAGE, PROT_READ | PROT_WRITE) == 0);
	check(probe(p + PAGE, 1) == 0 && probe(p + 4 * PAGE, 0) == SIGSEGV * 100 + SEGV_ACCERR);
	p[2 * PAGE] = 33;
	check(mprotect(p + 2 * PAGE, PAGE, PROT_READ) == 0);
	check(probe(p + 2 * PAGE, 0) == 0 && p[2 * PAGE] == 33);
	check(probe(p + 2 * PAGE, 1) == SIGSEGV * 100 + SEGV_ACCERR);
	check(mprotect(p + 2 * PAGE, PAGE, PROT_NONE) == 0);
	check(probe(p + 2 * PAGE, 0) == SIGSEGV * 100 + SEGV_ACCERR);
	check(mprotect(p, 5 * PAGE, PROT_READ | PROT_WRITE) == 0);
	check(p[2 * PAGE] == 33 && probe(p + 2 * PAGE, 1) == 0 && probe(p, 1) == 0);
	check(munmap(p + 2 * PAGE, PAGE) == 0);
	fails(mprotect(p, 5 * PAGE, PROT_READ), ENOMEM);
	fails(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
	check(mprotect(p, 0, PROT_READ) == 0);
	munmap(p, 5 * PAGE);
	done("mprotect");
}

static void test_remap(void)
{
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q;

	for (int i = 0; i < 8; i++)
		p[i * PAGE] = (char)i;
	check(munmap(p + 4 * PAGE, 4 * PAGE) == 0);
	check(mremap(p, 4 * PAGE, 6 * PAGE, 0) == p);
	check(p[5 * PAGE] == 0 && p[3 * PAGE] == 3);
	check(mremap(p, 6 * PAGE, 2 * PAGE, 0) == p);
	check(probe(p + 2 * PAGE, 0) == SIGSEGV * 100 + SEGV_MAPERR);
	check(mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      p + 2 * PAGE);
	fails(mremap(p, 2 * PAGE, 600 * PAGE, 0), ENOMEM);
	q = mremap(p, 2 * PAGE, 600 * PAGE, MREMAP_MAYMOVE);
	check(q != MAP_FAILED && q != p && q[PAGE] == 1 && q[599 * PAGE] == 0);
	check(probe(p, 0) == SIGSEGV * 100 + SEGV_MAPERR);
	check(mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	check(p[PAGE] == 1 && probe(q, 0) == SIGSEGV * 100 + SEGV_MAPERR && q[2 * PAGE] == 0);
	fails(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
	fails(mremap((void *)PAGE, PAGE, 2 * PAGE, 0), EFAULT);
	fails(mremap(p, PAGE, 0, 0), EINVAL);
	done("mremap");
}

static void test_advice(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned char there[4];

	check(mincore(p, 4 * PAGE, there) == 0 && there[0] == 0);
	memset(p, 5, 4 * PAGE);
	check(mincore(p, 4 * PAGE, there) == 0 && (there[0] & 1) && (there[3] & 1));
	check(madvise(p + PAGE, PAGE, MADV_DONTNEED) == 0);
	check(p[0] == 5 && p[PAGE] == 0 && p[2 * PAGE] == 5);
	s[0] = 9;
	check(madvise(s, PAGE, MADV_DONTNEED) == 0 && s[0] == 9);
	check(madvise(p, PAGE, MADV_WILLNEED) == 0 && madvise(p, PAGE, MADV_HUGEPAGE) == 0);
	fails(madvise(p, PAGE, 77), EINVAL);
	fails(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	check(munmap(p + PAGE, PAGE) == 0);
	fails(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
	check(p[0] == 0 && p[3 * PAGE] == 0);
	fails(mincore(p, 4 * PAGE, there), ENOMEM);
	check(mlock(p, PAGE) == 0 && munlock(p, PAGE) == 0);
	check(msync(p, PAGE, MS_SYNC) == 0);
	fails(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
	fails(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	done("advice");
}

/* A terabyte reserved costs nothing, whatever is done to it. */
static void test_huge(void)
{
	const size_t tib = 1ul << 40;
	char *p = mmap(NULL, tib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
	     *q;

	check(p != MAP_FAILED);
	for (size_t at = 0; at < tib; at += tib / 16) {
		check(mprotect(p + at, PAGE, PROT_READ | PROT_WRITE) == 0);
		p[at] = 3;
	}
	for (size_t at = 0; at < tib; at += tib / 16)
		check(p[at] == 3);
	check(mprotect(p, tib, PROT_READ) == 0 && probe(p + tib / 2, 1) != 0);
	check(mprotect(p, tib, PROT_READ | PROT_WRITE) == 0 && p[tib / 16] == 3);
	check(madvise(p, tib, MADV_DONTNEED) == 0);
	check(p[0] == 0 && p[tib / 2] == 0);
	check(munmap(p, tib) == 0);
	p = mmap(NULL, tib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0);
	p[tib / 3] = 4;
	q = mremap(p, tib, 2 * tib, MREMAP_MAYMOVE);
	check(q != MAP_FAILED && q[tib / 3] == 4 && q[tib] == 0);
	p = mmap(NULL, 2 * tib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(mremap(q, 2 * tib, 2 * tib, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	check(p[tib / 3] == 4 && p[tib / 2] == 0);
	check(munmap(p, 2 * tib) == 0);
	done("huge");
}

static char data[3 * PAGE] __attribute__((aligned(4096))) = { [0] = 1, [PAGE] = 2 };
static const char fixed[PAGE] __attribute__((aligned(4096))) = "text";

/* Private pages of the program's own file: written, they are copied; the rest stays the file's. */
static void test_copy(void)
{
	volatile char *p = (volatile char *)(uintptr_t)fixed;

	data[PAGE] = 5;
	check(data[0] == 1 && data[PAGE] == 5 && data[2 * PAGE] == 0);
	check(probe(p, 1) == SIGSEGV * 100 + SEGV_ACCERR);
	check(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE) == 0);
	check(probe(p + 100, 1) == 0 && p[100] == 1);
	check(mprotect((void *)p, PAGE, PROT_READ) == 0 && p[0] == 't');
	check(madvise((void *)p, PAGE, MADV_DONTNEED) == 0 && p[100] == 0);
	check(probe((char *)test_brk, 1) == SIGSEGV * 100 + SEGV_ACCERR);
	check(probe(NULL, 0) == SIGSEGV * 100 + SEGV_MAPERR);
	check(probe((char *)0xffff800000000000ul, 0) / 100 == SIGSEGV);
	check(probe((char *)0x8000000000000000ul, 0) == SIGSEGV * 100 + SI_KERNEL);
	done("copy");
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char *many[3000];

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	test_brk();
	test_mmap();
	test_protect();
	test_remap();
	test_advice();
	test_huge();
	test_copy();
	/* Many areas that do not join, then joined again. */
	for (int i = 0; i < 3000; i++) {
		many[i] = mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(many[i] != MAP_FAILED);
	}
	for (int i = 0; i < 3000; i++)
		check(munmap(many[i * 7 % 3000], PAGE) == 0);
	done("many");
	return 0;
}
