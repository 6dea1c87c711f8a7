/*
 * Tells what is below a folder: names, modes, sizes, links, a sum of every content. Run on the tree
 * that a volume was made of and on the volume, it must tell the same.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char bytes[100000];

static void tell_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	uint32_t sum = 0;
	ssize_t size;

	while (fd >= 0 && (size = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < size; i++)
			sum = sum * 31 + (unsigned char)bytes[i];
	if (fd < 0 || size < 0)
		printf(" error %d", errno);
	else
		printf(" sum %08x", sum);
	if (fd >= 0)
		close(fd);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void walk(const char *path, size_t skip);

static void tell_folder(const char *path, size_t skip)
{
	DIR *dir = opendir(path);
	static char *names[10000];
	size_t first, count = 0;
	static size_t used;
	struct dirent *e;

	first = used;
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			names[first + count++] = strdup(e->d_name);
	if (dir != NULL)
		closedir(dir);
	used = first + count;
	qsort(names + first, count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < count; i++) {
		char *child;

		if (asprintf(&child, "%s/%s", path, names[first + i]) < 0)
			exit(1);
		walk(child, skip);
		free(child);
		free(names[first + i]);
	}
	used = first;
}

static void walk(const char *path, size_t skip)
{
	struct stat st;
	char target[2000];

	if (lstat(path, &st) != 0) {
		printf("%s error %d\n", path + skip, errno);
		return;
	}
	printf("%s %o", path + skip, st.st_mode);
	if (S_ISREG(st.st_mode)) {
		printf(" %lld bytes", (long long)st.st_size);
		tell_file(path);
	} else if (S_ISLNK(st.st_mode)) {
		ssize_t size = readlink(path, target, sizeof(target));

		printf(" -> %.*s", (int)size, target);
	}
	printf(" %lld\n", (long long)st.st_mtime);
	if (S_ISDIR(st.st_mode))
		tell_folder(path, skip);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		walk(argv[i], strlen(argv[i]));
		fflush(stdout);
	}
	return 0;
}
