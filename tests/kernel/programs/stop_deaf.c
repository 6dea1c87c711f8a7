/*
 * A program that does not care is ended when its time is up.
 * @native no
 * @machine q35
 * @power ready
 * @option --grace 300
 * @end power 0
 * @match did not end in time
 */
#include "t.h"

int main(void)
{
	signal(SIGTERM, SIG_IGN);
	printf("ready\n");
	fflush(stdout);
	for (;;)
		sleep(1000);
}
