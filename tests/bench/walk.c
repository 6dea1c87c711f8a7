/*
 * The floor of a build with nothing changed: list every folder of a tree and look at every entry
 * once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long long entries, bytes;

static int walk(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int status = 0;

	if (dir == NULL)
		return -1;
	while (status == 0 && (entry = readdir(dir)) != NULL) {
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			status = -1;
		entries++;
		bytes += (unsigned long long)st.st_size;
		if (S_ISDIR(st.st_mode))
			status = walk(fd, entry->d_name);
	}
	closedir(dir);
	return status;
}

int main(int argc, char **argv)
{
	if (argc != 2 || walk(AT_FDCWD, argv[1]) != 0) {
		perror("walk");
		return 1;
	}
	printf("%llu %llu\n", entries, bytes);
	return 0;
}
