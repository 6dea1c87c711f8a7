/* A buffer that runs over on the stack is noticed before the function returns. */
#include "ktest.h"

static __attribute__((noinline)) void fill(volatile unsigned char *buffer, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer[i] = 'x';
}

static __attribute__((noinline)) size_t victim(size_t size)
{
	unsigned char buffer[32];

	fill(buffer, size);
	return buffer[3];
}

void ktest(void)
{
	CHECK(victim(16) == 'x');
	victim(48);
}
