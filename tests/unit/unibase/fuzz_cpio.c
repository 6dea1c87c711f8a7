/*
 * Any bytes as the root archive: unpacked into a real tmpfs, read back, removed again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 64 };

struct listing {
	struct uk_dirent_sink sink;
	unsigned count;
	char name[ENTRIES_MAX][UK_NAME_MAX + 1];
};

static int keep(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		unsigned type, uint64_t next)
{
	struct listing *l = uk_container(sink, struct listing, sink);

	(void)ino;
	(void)type;
	(void)next;
	if (l->count == ENTRIES_MAX)
		return 1;
	memcpy(l->name[l->count], name, size);
	l->name[l->count++][size] = '\0';
	return 0;
}

static void read_file(const char *path)
{
	struct uk_file *file = uk_file_open(path, UK_O_RDONLY | UK_O_NOFOLLOW | UK_O_NONBLOCK, 0);
	static char bytes[65536];

	if (uk_is_err(file))
		return;
	(void)uk_file_read_kernel(file, bytes, sizeof(bytes), 0);
	uk_file_put(file);
}

/* Everything below a folder, so that the next input finds an empty one. */
static void clean(const char *path)
{
	char *child = malloc(2 * UK_PATH_MAX);
	struct listing *l = malloc(sizeof(*l));
	struct uk_file *folder;

	for (;;) {
		folder =
			uk_file_open(path[0] != '\0' ? path : "/", UK_O_RDONLY | UK_O_DIRECTORY, 0);
		if (uk_is_err(folder))
			abort();
		l->sink.add = keep;
		l->count = 0;
		(void)folder->ops->readdir(folder, &l->sink);
		uk_file_put(folder);
		if (l->count == 2)
			break;
		for (unsigned i = 2; i < l->count; i++) {
			snprintf(child, 2 * UK_PATH_MAX, "%s/%s", path, l->name[i]);
			read_file(child);
			if (fs_remove(UK_AT_FDCWD, child, false) != -UK_EISDIR)
				continue;
			clean(child);
			if (fs_remove(UK_AT_FDCWD, child, true) != 0)
				abort();
		}
	}
	free(child);
	free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	int error;

	shim_vfs();
	error = fs_cpio_unpack(data, size, &why);
	if (error != 0 && why == NULL)
		abort();
	clean("");
	return 0;
}
