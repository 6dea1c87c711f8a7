/*
 * The power button ends a program that keeps all processors busy, in user mode and in calls.
 * @native no
 * @processors 4
 * @machine q35
 * @power ready
 * @end power 0
 * @once SIGTERM ended the program
 */
#include "busy.h"
#include "t.h"

int main(void)
{
	keep_busy();
	printf("ready\n");
	fflush(stdout);
	for (;;)
		;
}
