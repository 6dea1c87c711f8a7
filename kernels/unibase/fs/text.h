/*
 * Text that grows, for the files of /proc. fs/text.c.
 */
#ifndef UK_FS_TEXT_H
#define UK_FS_TEXT_H

#include <uk/types.h>

struct fs_text {
	char *at;
	size_t size;
	size_t room;
	bool failed; /* out of memory: says it once, at the end */
};

void fs_text_add(struct fs_text *text, const char *fmt, ...) UK_PRINTF(2, 3);
void fs_text_add_bytes(struct fs_text *text, const void *bytes, size_t size);
void fs_text_free(struct fs_text *text);

#endif
