/*
 * Memory that may be mapped 2 MiB at a time, and what is done to parts of it: every page keeps what
 * was written to it, and has the rights that it was given last.
 * @memory 96
 */
#include "t.h"
#include <pthread.h>
#include <setjmp.h>

#define PAGE 4096ul
#define HUGE (512 * PAGE)
#define SIZE (8 * HUGE)
#define PAGES (SIZE / PAGE)

static sigjmp_buf back;

static void on_fault(int signo)
{
	(void)signo;
	siglongjmp(back, 1);
}

static int faults(volatile char *p)
{
	if (sigsetjmp(back, 1) != 0)
		return 1;
	*p = *p;
	return 0;
}

static char *area(void)
{
	char *p =
		mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	/* A kernel without huge pages says EINVAL, and must do the same to the pages. */
	check(madvise(p, SIZE, MADV_HUGEPAGE) == 0 || errno == EINVAL);
	return p;
}

static void fill(char *p)
{
	for (size_t i = 0; i < PAGES; i++) {
		check(*(size_t *)(p + i * PAGE + 8) == 0);
		*(size_t *)(p + i * PAGE) = i + 1;
	}
}

static int holds(const char *p, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++)
		if (*(const size_t *)(p + i * PAGE) != i + 1)
			return 0;
	return 1;
}

static void test_parts(void)
{
	static unsigned char there[PAGES];
	char *p = area(), *q;

	fill(p);
	check(mincore(p, SIZE, there) == 0 && (there[0] & 1) && (there[PAGES - 1] & 1));
	/* One page of the first, of the second, of the third. */
	check(munmap(p + 5 * PAGE, PAGE) == 0 && faults(p + 5 * PAGE));
	check(holds(p, 0, 5) && holds(p, 6, PAGES));
	check(madvise(p + 600 * PAGE, PAGE, MADV_DONTNEED) == 0);
	check(*(size_t *)(p + 600 * PAGE) == 0 && holds(p, 6, 600) && holds(p, 601, PAGES));
	check(mprotect(p + 1100 * PAGE, PAGE, PROT_READ) == 0 && faults(p + 1100 * PAGE));
	check(!faults(p + 1099 * PAGE) && !faults(p + 1101 * PAGE) && holds(p, 601, PAGES));
	/* The fourth is moved in part, the fifth as a whole and to where it is not aligned. */
	q = mmap(NULL, 4 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(mremap(p + 3 * HUGE + PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) ==
	      q);
	check(*(size_t *)(q + 2 * PAGE) == 3 * 512 + 4 && faults(p + 3 * HUGE + 3 * PAGE));
	q += 5 * PAGE;
	check(mremap(p + 4 * HUGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	check(*(size_t *)(q + 511 * PAGE) == 5 * 512 && faults(p + 4 * HUGE));
	check(holds(p, 5 * 512, PAGES));
	munmap(p, SIZE);
	munmap(q - 5 * PAGE, 4 * HUGE);
	done("parts");
}

static void test_whole(void)
{
	char *p = area();

	fill(p);
	check(mprotect(p, SIZE, PROT_READ) == 0 && faults(p) && faults(p + SIZE - 1));
	check(holds(p, 0, PAGES));
	check(mprotect(p + HUGE, HUGE, PROT_NONE) == 0 && faults(p + HUGE));
	check(mprotect(p, SIZE, PROT_READ | PROT_WRITE) == 0);
	check(!faults(p) && !faults(p + HUGE) && holds(p, 0, PAGES));
	check(madvise(p + HUGE, HUGE, MADV_DONTNEED) == 0);
	check(p[HUGE] == 0 && p[2 * HUGE - PAGE] == 0);
	check(holds(p, 0, 512) && holds(p, 2 * 512, PAGES));
	check(munmap(p, SIZE) == 0 && faults(p));
	fails(madvise(p, SIZE, MADV_DONTNEED), ENOMEM);
	done("whole");
}

enum { THREADS = 4 };
static char *shared;

/* All of them touch the same 2 MiB at once; one in eight of each one's pages is taken apart. */
static void *work(void *arg)
{
	size_t me = (size_t)arg;

	for (size_t i = me; i < PAGES; i += THREADS) {
		char *page = shared + i * PAGE;

		*(size_t *)page = i + 1;
		if (i / THREADS % 8 == 0)
			check(mprotect(page, PAGE, PROT_READ) == 0 &&
			      mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
		else if (i / THREADS % 8 == 1) {
			check(madvise(page, PAGE, MADV_DONTNEED) == 0 && *(size_t *)page == 0);
			*(size_t *)page = i + 1;
		}
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t thread[THREADS];

	for (int round = 0; round < 3; round++) {
		shared = area();
		for (size_t i = 0; i < THREADS; i++)
			check(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
		for (size_t i = 0; i < THREADS; i++)
			check(pthread_join(thread[i], NULL) == 0);
		check(holds(shared, 0, PAGES) && munmap(shared, SIZE) == 0);
	}
	done("threads");
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &sa, NULL);
	test_parts();
	test_whole();
	test_threads();
	return 0;
}
