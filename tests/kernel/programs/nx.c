/*
 * Data is not code.
 * @native no
 * @end fault 11
 * @match SIGSEGV at address
 */
#include "t.h"

int main(void)
{
	unsigned char code[] = { 0xc3 };

	((void (*)(void))(void *)code)();
	return 0;
}
