/*
 * The power button is SIGTERM; what the program does then is its own affair, the end is told as
 * such.
 * @native no
 * @machine q35
 * @power ready
 * @end power 3
 * @match stopping
 */
#include "t.h"

static volatile sig_atomic_t stop;
static void on_term(int signo)
{
	stop = signo;
}

int main(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	check(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	signal(SIGTERM, on_term);
	printf("ready\n");
	fflush(stdout);
	while (!stop)
		sigsuspend(&old);
	printf("stopping\n");
	return 3;
}
