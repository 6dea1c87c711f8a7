/*
 * A stack overflow can be handled on an alternate stack; a handler without one that overflows again
 * ends the program.
 */
#include "t.h"
#include <setjmp.h>

static sigjmp_buf back;
static char altstack[32768];

static void handler(int signo)
{
	(void)signo;
	siglongjmp(back, 1);
}

__attribute__((noinline)) static int deeper(int n)
{
	volatile char room[4000];

	room[n % 1000] = 1;
	return deeper(n + 1) + room[n % 1000];
}

int main(void)
{
	stack_t st = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

	check(sigaltstack(&st, NULL) == 0 && sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(back, 1) == 0)
			deeper(0);
		printf("came back %d\n", i);
	}
	return 0;
}
