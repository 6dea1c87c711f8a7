/*
 * When memory is out the program is ended, with the reason.
 * @native no
 * @memory 32
 * @end signal 9
 * @match out of memory: the program has
 */
#include "t.h"

int main(void)
{
	for (;;)
		memset(malloc(1 << 20), 1, 1 << 20);
}
