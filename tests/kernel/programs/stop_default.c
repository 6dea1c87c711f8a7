/*
 * Without a handler the power button ends the program at once.
 * @native no
 * @machine q35
 * @power ready
 * @end power 0
 */
#include "t.h"

int main(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		;
}
