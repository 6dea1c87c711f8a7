/*
 * Names for addresses in backtraces, from the table that tools/imagetool.c packs (format there).
 */
#include <uk/start.h>
#include <uk/symbols.h>

#define PAIRS 128
#define DEPTH_MAX 16

extern const uint8_t uk_symbols[];

static uint64_t read_uleb(const uint8_t **p)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t byte = *(*p)++;

		v |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return v;
	}
}

static size_t unpack(const uint8_t *packed, size_t size, char *to, size_t room)
{
	uint8_t stack[DEPTH_MAX * 2];
	size_t at = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned depth = 1;

		stack[0] = packed[i];
		while (depth != 0) {
			uint8_t byte = stack[--depth];

			if (byte < PAIRS) {
				if (at + 1 < room)
					to[at++] = (char)byte;
			} else if (depth + 2 <= sizeof(stack)) {
				stack[depth++] = uk_symbols[(byte - PAIRS) * 2 + 1];
				stack[depth++] = uk_symbols[(byte - PAIRS) * 2];
			}
		}
	}
	to[at] = 0;
	return at;
}

void uk_symbol_name(uint64_t address, char *to, size_t room)
{
	const uint8_t *p = uk_symbols + PAIRS * 2, *found = NULL;
	uint64_t offset = address - (uintptr_t)uk_text_start, at = 0, start = 0;
	size_t size;

	if (address < (uintptr_t)uk_text_start || address >= (uintptr_t)uk_text_end) {
		uk_strlcpy(to, "?", room);
		return;
	}
	for (;;) {
		at += read_uleb(&p);
		if (*p == 0 || at > offset)
			break;
		found = p;
		start = at;
		p += 1 + *p;
	}
	size = found != NULL ? unpack(found + 1, *found, to, room) : 0;
	uk_snprintf(to + size, room - size, "+%#lx", offset - start);
}
