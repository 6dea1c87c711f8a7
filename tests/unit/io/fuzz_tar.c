/*
 * The reader of tar on any bytes: it must end, stay within its limits, and give paths that stay
 * inside.
 */
#include "source_of.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uni/io/tar.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
	if (path[0] == '\0' || path[0] == '/' || strcmp(path, "..") == 0 ||
	    strncmp(path, "../", 3) == 0 || strstr(path, "/../") != NULL ||
	    (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0))
		abort();
}

/* Gives what looks like a header its right checksum, or damage would go no further than there. */
static void seal(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned sum = 0;
		if (memcmp(data + at + 257, "ustar", 5) != 0)
			continue;
		memset(data + at + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += data[at + i];
		snprintf((char *)data + at + 148, 8, "%06o", sum & 0777777);
	}
}

static void read_all(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	static const struct uni_tar_limits limits = { .entries = 1000,
						      .size = 1 << 20,
						      .path_size = 300 };
	struct uni_source *source UNI_AUTO(uni_source) = source_of(data, size);
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) =
		uni_tar_reader_new(source, &limits, "fuzz");
	const struct uni_entry *entry;
	uint64_t total = 0;
	uint64_t entries = 0;
	while (uni_tar_reader_next(tar, &entry, &err) == 1) {
		char part[300];
		size_t got;
		check_path(entry->path);
		if (entry->type == UNI_ENTRY_HARDLINK)
			check_path(entry->target);
		while (uni_tar_reader_data(tar, part, sizeof(part), &got, &err) == 0 && got != 0)
			total += got;
		if (++entries > limits.entries || total > limits.size)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size);
	uint8_t *sealed = malloc(size != 0 ? size : 1);
	if (sealed == NULL)
		abort();
	memcpy(sealed, data, size);
	seal(sealed, size);
	read_all(sealed, size);
	free(sealed);
	return 0;
}
