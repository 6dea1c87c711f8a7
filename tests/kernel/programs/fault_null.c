/*
 * A null pointer ends the machine with the reason, the function's name and a status of its own.
 * @native no
 * @end fault 11
 * @match SIGSEGV at address 0x0 in culprit\+0x
 * @match rip 0
 * @match \? [0-9a-f]{16} main\+0x
 */
#include "t.h"

__attribute__((noinline)) static int culprit(volatile int *p)
{
	return *p + 1;
}

int main(void)
{
	printf("before\n");
	fflush(stdout);
	return culprit(NULL) + (int)time(NULL);
}
