/*
 * Running out of the first stack is named.
 * @native no
 * @end fault 11
 * @match stack overflow in deeper
 */
#include "t.h"

__attribute__((noinline)) static int deeper(int n)
{
	volatile char room[1024];

	room[n % 1000] = 1;
	return deeper(n + 1) + room[n % 1000];
}

int main(void)
{
	return deeper(0);
}
