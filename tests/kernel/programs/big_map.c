/*
 * A mapped file larger than memory: pages that were not used for a while are unmapped and leave the
 * page cache, and come back when they are missed. The program's own memory stays.
 * @native no
 * @memory 20
 * @volume 32
 */
#include "t.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	int fd = open("/volume/big", O_RDONLY);
	struct stat st;
	char *own = malloc(4 << 20);
	const uint64_t *p;

	check(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 32l << 20);
	memset(own, 5, 4 << 20);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	check(p != MAP_FAILED);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < (size_t)st.st_size / 8; i += 512)
			check(p[i] == i * 8);
	for (size_t i = 0; i < 4 << 20; i += 4096)
		check(own[i] == 5);
	return 0;
}
