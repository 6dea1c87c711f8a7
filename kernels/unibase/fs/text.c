/*
 * Text that grows.
 */
#include "text.h"

#include <uk/mem.h>

enum { FIRST_ROOM = 512 };

static bool grow(struct fs_text *text, size_t more)
{
	size_t room = text->room != 0 ? text->room : FIRST_ROOM;
	char *at;

	while (room - text->size <= more)
		room *= 2;
	if (room == text->room)
		return true;
	at = uk_realloc(text->at, room);
	if (at == NULL) {
		text->failed = true;
		return false;
	}
	text->at = at;
	text->room = room;
	return true;
}

void fs_text_add_bytes(struct fs_text *text, const void *bytes, size_t size)
{
	if (text->failed || !grow(text, size))
		return;
	memcpy(text->at + text->size, bytes, size);
	text->size += size;
}

void fs_text_add(struct fs_text *text, const char *fmt, ...)
{
	__builtin_va_list args;
	char line[512];
	int size;

	__builtin_va_start(args, fmt);
	size = uk_vsnprintf(line, sizeof(line), fmt, args);
	__builtin_va_end(args);
	fs_text_add_bytes(text, line, UK_MIN((size_t)size, sizeof(line) - 1));
}

void fs_text_free(struct fs_text *text)
{
	uk_free(text->at);
	*text = (struct fs_text){ .at = NULL };
}
