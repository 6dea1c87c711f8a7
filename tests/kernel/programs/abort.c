/*
 * abort() is a signal, not a fault.
 * @native no
 * @end signal 6
 * @match SIGABRT ended the program
 */
#include "t.h"

int main(void)
{
	abort();
}
