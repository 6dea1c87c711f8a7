/*
 * The configured limit of memory ends the program, though the machine has more.
 * @native no
 * @option --limit memory=4194304
 * @end signal 9
 * @match out of memory: the program has 40[0-9][0-9] KiB
 */
#include "t.h"

int main(void)
{
	for (;;)
		memset(malloc(1 << 16), 1, 1 << 16);
}
