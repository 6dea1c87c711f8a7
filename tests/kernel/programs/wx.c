/*
 * Writable and executable at once is refused, and said once; one after the other is allowed.
 * @native no
 * @match mmap: refused: memory is never writable and executable at once; \[app\] jit = true
 * @once never writable
 */
#include "t.h"

int main(void)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42,%eax; ret */
	unsigned char *p;

	fails(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0),
	      EACCES);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED);
	memcpy(p, code, sizeof(code));
	fails(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), EACCES);
	check(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
	check(((int (*)(void))(void *)p)() == 42);
	check(mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0);
	p[1] = 43;
	check(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
	check(((int (*)(void))(void *)p)() == 43);
	return 0;
}
