/*
 * A division by zero is SIGFPE.
 * @native no
 * @end fault 8
 * @match SIGFPE in main
 */
#include "t.h"

int main(int argc, char **argv)
{
	volatile int zero = argc - 1;

	(void)argv;
	return argc * 1000 / zero;
}
