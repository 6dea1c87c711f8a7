/*
 * A kernel that unpacks itself, as uk-imagetool lays it out: ELF header and notes, the kernel's
 * file as one LZ4 block, and the code of unpack.S. All of it lies so far behind the place of the
 * unpacked file that unpacking overwrites only what it has read; the code is never overwritten.
 */
#ifndef BOOT_UNPACK_H
#define BOOT_UNPACK_H

#include <stdint.h>

/* The code's first bytes, filled in by uk-imagetool. Addresses are physical, as linked. */
struct unpack_facts {
	uint32_t self;	      /* of these facts */
	uint32_t stack;	      /* its top; the kernel's lowest page, which it leaves alone */
	uint32_t image;	      /* where the kernel's file goes */
	uint32_t size;	      /* its bytes */
	uint32_t room;	      /* from `image` to the end of the packed bytes */
	uint32_t stored_size; /* packed bytes */
	uint32_t parts;	      /* the table of parts that came with the packed kernel */
	uint32_t parts_to;    /* the unpacked kernel's own */
	uint32_t text;	      /* the kernel's text, whose calls were made absolute */
	uint32_t text_size;
	uint32_t entry; /* of the unpacked kernel, by PVH */
};

/*
 * Calls of one function from many places hold as many different distances; packed they hold the
 * place from the text's start, which repeats. Distances that lead out of the text stay, but for
 * those that would be taken for a place: they get the values that the others left free. (The same
 * is done by LZX, [MS-PATCH] 2.8, "E8 call translation".)
 */
enum { UNPACK_CALL = 0xe8, UNPACK_CALL_SIZE = 5 };

static inline uint32_t unpack_call_place(uint32_t distance, uint32_t at, uint32_t text_size)
{
	if (distance + at < text_size)
		return distance + at;
	return distance + at - text_size < at ? distance - text_size : distance;
}

static inline uint32_t unpack_call_distance(uint32_t place, uint32_t at, uint32_t text_size)
{
	if (place < text_size)
		return place - at;
	return place + at < at ? place + text_size : place;
}

/* In every call of the text, or what looks like one. */
static inline void unpack_convert(uint8_t *text, uint32_t size,
				  uint32_t (*convert)(uint32_t word, uint32_t at, uint32_t size))
{
	uint32_t at = 0, word;

	while (size - at >= UNPACK_CALL_SIZE) {
		if (text[at] != UNPACK_CALL) {
			at++;
			continue;
		}
		__builtin_memcpy(&word, text + at + 1, sizeof(word));
		word = convert(word, at, size);
		__builtin_memcpy(text + at + 1, &word, sizeof(word));
		at += UNPACK_CALL_SIZE;
	}
}

/* What LZ4 needs behind what it unpacks so that reading stays ahead of writing (lz4.h, "in-place
 * decompression"), on 16 bytes. */
static inline uint64_t unpack_margin(uint64_t stored_size)
{
	return ((stored_size >> 8) + 32 + 15) & ~UINT64_C(15);
}

#endif
