/*
 * Takes what the first caller sends, then sends the second as much of its own; says the sum of
 * each.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char bytes[65536];

static uint32_t add(uint32_t sum, ssize_t size)
{
	for (ssize_t i = 0; i < size; i++)
		sum = sum * 31 + bytes[i];
	return sum;
}

static int take(int fd, long *all)
{
	uint32_t sum = 0;
	ssize_t size;

	for (*all = 0; (size = read(fd, bytes, sizeof(bytes))) > 0; *all += size)
		sum = add(sum, size);
	printf("took %ld %08x\n", *all, sum);
	return size < 0;
}

static int give(int fd, long all)
{
	uint32_t sum = 0, dice = 1;
	ssize_t size;

	for (; all > 0; all -= size) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)((dice = dice * 1103515245 + 12345) >> 16);
		size = write(fd, bytes, all < (long)sizeof(bytes) ? (size_t)all : sizeof(bytes));
		if (size <= 0)
			return 1;
		sum = add(sum, size);
	}
	printf("gave %08x\n", sum);
	/* What was written arrives before the machine ends: the caller closes when it has all. */
	return shutdown(fd, SHUT_WR) != 0 || read(fd, bytes, 1) != 0;
}

int main(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), first, second;
	long all;

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4) != 0)
		return 2;
	first = accept(fd, NULL, NULL);
	if (first < 0 || take(first, &all) != 0)
		return 3;
	close(first);
	second = accept(fd, NULL, NULL);
	return second < 0 || give(second, all) != 0 ? 4 : 0;
}
