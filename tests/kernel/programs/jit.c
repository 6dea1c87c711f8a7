/*
 * A program whose recipe declares that it compiles code: memory that is writable and executable at
 * once, its own and shared.
 * @option --jit
 */
#include "t.h"

typedef int (*function)(void);

static void runs(unsigned char *p)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42,%eax; ret */

	memcpy(p, code, sizeof(code));
	check(((function)(void *)p)() == 42);
	p[1] = 43;
	check(((function)(void *)p)() == 43);
}

int main(void)
{
	const int rwx = PROT_READ | PROT_WRITE | PROT_EXEC;
	int fd = memfd_create("code", 0);
	unsigned char *p = mmap(NULL, 8192, rwx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	runs(p);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED);
	p[4096] = 1;
	check(mprotect(p, 8192, rwx) == 0);
	runs(p);
	runs(p + 4096);
	check(ftruncate(fd, 4096) == 0);
	p = mmap(NULL, 4096, rwx, MAP_SHARED, fd, 0);
	check(p != MAP_FAILED);
	runs(p);
	printf("ran\n");
	return 0;
}
