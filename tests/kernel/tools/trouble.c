/*
 * Writes files to a volume, each synced, until something goes wrong; then tells what still works.
 *
 *   trouble FOLDER MOST
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 64 << 10 };

static char bytes[SIZE], came[SIZE];

static void fill(int n)
{
	for (size_t i = 0; i < SIZE; i += sizeof(int))
		memcpy(bytes + i, &(int){ n * 4099 + (int)i }, sizeof(int));
}

/* 0, or which call failed, with errno. */
static const char *put(int n)
{
	const char *what = NULL;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "n%d", n);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0)
		return "open";
	fill(n);
	for (size_t done = 0; what == NULL && done < SIZE;) {
		ssize_t part = write(fd, bytes + done, SIZE - done);

		if (part <= 0)
			what = "write";
		else
			done += (size_t)part;
	}
	if (what == NULL && fsync(fd) != 0)
		what = "fsync";
	int error = errno;
	close(fd);
	errno = error;
	return what;
}

static int get(int n)
{
	char path[32];
	int fd, right;

	snprintf(path, sizeof(path), "n%d", n);
	fd = open(path, O_RDONLY);
	fill(n);
	right = fd >= 0 && read(fd, came, SIZE) == SIZE && memcmp(came, bytes, SIZE) == 0;
	if (fd >= 0)
		close(fd);
	return right;
}

int main(int argc, char **argv)
{
	int kept = 0, right = 0, most = argc == 3 ? atoi(argv[2]) : 0;
	const char *what = NULL;

	if (argc != 3 || chdir(argv[1]) != 0)
		return 2;
	while (kept < most && (what = put(kept)) == NULL)
		kept++;
	if (what != NULL)
		printf("%s: error %d\n", what, errno);
	printf("kept: %d\n", kept);
	for (int n = 0; n < kept; n++)
		right += get(n);
	printf("right: %d\n", right);
	if (what != NULL && kept > 2) {
		char path[32];

		snprintf(path, sizeof(path), "n%d", kept);
		unlink(path);
		printf("removed: %d\n", unlink("n0") == 0 ? 0 : errno);
		what = put(0);
		printf("again: %d\n", what == NULL ? 0 : errno);
	}
	return 0;
}
