/*
 * Serves a live volume to a test: says what a new open of /data/page gives, what a file that was
 * opened before gives, and what /proc/live tells, whenever that changes. "drop" closes the held
 * file and takes the page anew, "stop" ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 600000 };

static void get(int fd, char *to, size_t room)
{
	ssize_t got = pread(fd, to, room - 1, 0);

	to[got > 0 ? got : 0] = '\0';
	if (got < 0)
		snprintf(to, room, "error %d", errno);
	to[strcspn(to, "\n")] = '\0';
}

static void get_path(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		snprintf(to, room, "error %d", errno);
		return;
	}
	get(fd, to, room);
	close(fd);
}

int main(void)
{
	char page[64], held_page[64], live[128];
	int held = open("/data/page", O_RDONLY);
	int folder = open("/data", O_RDONLY | O_DIRECTORY);
	int big = open("/data/big", O_RDONLY);
	int watch = open("/proc/live", O_RDONLY);

	setvbuf(stdout, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd p = { .fd = watch, .events = POLLPRI };

		get(watch, live, sizeof(live));
		get_path("/data/page", page, sizeof(page));
		get(held, held_page, sizeof(held_page));
		printf("page <%s> held <%s> live <%s>\n", page, held_page, live);
		if (strcmp(page, "stop") == 0)
			return 0;
		if (strcmp(page, "drop") == 0) {
			/* Never read until its slot was written again. */
			char last[16];

			if (pread(big, last, sizeof(last), BIG - sizeof(last)) < 0)
				printf("big: error %d\n", errno);
			else
				printf("big: read\n");
			close(big);
			close(held);
			close(folder);
			held = open("/data/page", O_RDONLY);
			printf("dropped\n");
		}
		if (poll(&p, 1, -1) != 1 || (p.revents & POLLPRI) == 0)
			return 1;
	}
}
