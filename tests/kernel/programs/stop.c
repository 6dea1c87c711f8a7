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

static volatile int stop;
static void on_term(int signo)
{
	stop = signo;
}

int main(void)
{
	signal(SIGTERM, on_term);
	printf("ready\n");
	fflush(stdout);
	while (!stop)
		pause();
	printf("stopping\n");
	return 3;
}
