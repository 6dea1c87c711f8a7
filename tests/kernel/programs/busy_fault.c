/*
 * A fault on one processor while the others are busy is told once, and the machine starts again.
 * @native no
 * @processors 4
 * @option --on-fault reboot
 * @end fault 11
 * @once SIGSEGV at address 0x10 in main
 */
#include "busy.h"
#include "t.h"

int main(void)
{
	keep_busy();
	*(volatile int *)0x10 = 1;
	return 0;
}
