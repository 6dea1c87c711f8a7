/*
 * Memory that runs out inside a call, with a file's lock held, ends the program in good order.
 * @native no
 * @memory 32
 * @end signal 9
 * @match out of memory: the program has
 */
#include "t.h"
#include <fcntl.h>

int main(void)
{
	int fd = open("/tmp/f", O_RDWR | O_CREAT, 0600);
	char *p = mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(write(fd, p, 1 << 20) == 1 << 20);
	for (size_t at = 0;; at += 1 << 20)
		check(pread(fd, p + at, 1 << 20, 0) == 1 << 20);
}
