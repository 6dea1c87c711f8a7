/*
 * ldconfig's list: a header, entries, and strings at offsets from the file's start.
 */
#include <uni/base/ldcache.h>

#include <string.h>

#define MAGIC "glibc-ld.so.cache1.1"
#define FLAGS_X86_64 0x0303 /* libc6, x86-64 */

struct header {
	char magic[20];
	uint32_t count;
	uint32_t strings_size;
	uint8_t flags;
	uint8_t pad[3];
	uint32_t extension;
	uint32_t unused[3];
};
_Static_assert(sizeof(struct header) == 48, "struct cache_file_new");

struct file_entry {
	int32_t flags;
	uint32_t name, path;
	uint32_t os_version;
	uint64_t capabilities;
};
_Static_assert(sizeof(struct file_entry) == 24, "struct file_entry_new");

/* Entries that lie in the file. */
static size_t count_entries(const struct uni_buf *file)
{
	struct header header;

	if (file->size < sizeof(header))
		return 0;
	memcpy(&header, file->data, sizeof(header));
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 ||
	    header.count > (file->size - sizeof(header)) / sizeof(struct file_entry))
		return 0;
	return header.count;
}

/* NULL: outside of the file, or without an end. */
static const char *string_at(const struct uni_buf *file, uint32_t offset)
{
	if (offset >= file->size || memchr(file->data + offset, '\0', file->size - offset) == NULL)
		return NULL;
	return file->data + offset;
}

bool uni_ldcache_next(const struct uni_buf *file, const char *name, size_t *at,
		      struct uni_ldcache_entry *entry)
{
	size_t count = count_entries(file);

	while (*at < count) {
		size_t offset = sizeof(struct header) + (*at)++ * sizeof(struct file_entry);
		struct file_entry found;

		memcpy(&found, file->data + offset, sizeof(found));
		if (found.flags != FLAGS_X86_64 || !uni_str_eq(string_at(file, found.name), name))
			continue;
		entry->path = string_at(file, found.path);
		entry->for_some = found.capabilities != 0;
		return true;
	}
	return false;
}
