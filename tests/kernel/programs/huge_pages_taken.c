/*
 * When 2 MiB are mapped at a time: where the program says so, and behind what it has filled; never
 * where it touches little, where it says no, and where memory is not plentiful.
 * @native no
 * @memory 128
 */
#include "t.h"
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGE 4096ul
#define HUGE (512 * PAGE)

static long faults(void)
{
	struct rusage usage;

	check(getrusage(RUSAGE_SELF, &usage) == 0);
	return usage.ru_minflt;
}

static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	check(f != NULL && fscanf(f, "%*d %ld", &pages) == 1);
	fclose(f);
	return pages;
}

/* In KiB, all that a file of /proc says. */
static long huge_in(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[128];
	long kib = 0, more, lines = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "AnonHugePages: %ld kB", &more) == 1) {
			kib += more;
			lines++;
		}
	check(f != NULL && lines != 0);
	fclose(f);
	return kib;
}

static long huge(void)
{
	long kib = huge_in("/proc/meminfo");

	check(huge_in("/proc/self/smaps") == kib && huge_in("/proc/self/smaps_rollup") == kib);
	return kib;
}

static char *area(size_t size)
{
	char *p =
		mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	return (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
}

/* Writes to every `step` bytes; how many faults that took. */
static long touch(char *p, size_t size, size_t step)
{
	long before = faults();

	for (size_t at = 0; at < size; at += step)
		p[at] = 1;
	return faults() - before;
}

int main(void)
{
	long before = huge() + faults() + resident(); /* what these take themselves */
	char *p = area(32 * HUGE);

	before = resident();

	/* A page in each 2 MiB, then little in one place: what is touched is taken. */
	check(touch(p, 32 * HUGE, HUGE) == 32 && resident() - before == 32 && huge() == 0);
	check(munmap(p, 32 * HUGE) == 0 && resident() == before);
	p = area(16 * HUGE);
	check(touch(p, 4 * HUGE, PAGE) == 4 * 512 && resident() - before == 4 * 512);
	check(huge() == 0);
	/* It goes on, and so it will go on: a fault for each 2 MiB. */
	check(touch(p + 4 * HUGE, 12 * HUGE, PAGE) == 12 && huge() == 12 * 2048);
	check(resident() - before == 16 * 512);
	check(munmap(p + 15 * HUGE + PAGE, PAGE) == 0 && huge() == 11 * 2048);
	check(munmap(p, 16 * HUGE) == 0 && huge() == 0 && resident() == before);

	p = area(2 * HUGE);
	check(madvise(p, 2 * HUGE, MADV_HUGEPAGE) == 0);
	check(touch(p, 2 * HUGE, PAGE) == 2 && huge() == 2 * 2048);
	check(munmap(p, 2 * HUGE) == 0);
	p = area(8 * HUGE);
	check(madvise(p, 8 * HUGE, MADV_HUGEPAGE) == 0);
	check(madvise(p, 8 * HUGE, MADV_NOHUGEPAGE) == 0);
	check(touch(p, 8 * HUGE, PAGE) == 8 * 512 && huge() == 0);
	check(munmap(p, 8 * HUGE) == 0);
	fails(madvise(p, 8 * HUGE, MADV_HUGEPAGE), ENOMEM);
	check(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 &&
	      prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
	p = area(8 * HUGE);
	check(touch(p, 8 * HUGE, PAGE) == 8 * 512 && huge() == 0 && munmap(p, 8 * HUGE) == 0);
	check(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0);

	/* The last of 128 MiB go a page at a time. */
	p = area(56 * HUGE);
	check(touch(p, 56 * HUGE, PAGE) > 512 && huge() > 32 * 2048);
	check(munmap(p, 56 * HUGE) == 0 && huge() == 0 && resident() == before);
	return 0;
}
