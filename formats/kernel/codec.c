/*
 * LZ4 for the box of the kernel partition. The search for good matches saves a sixth of the box, in
 * milliseconds in which a build does nothing else; so the two halves are packed at the same time,
 * the second with the first's end as what came before, and joined into the one block that loaders
 * take. Two, whatever the machine has: the bytes must not depend on that.
 */
#include "codec.h"

#include <limits.h>
#include <lz4hc.h>
#include <string.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

enum {
	LEVEL = 4,	   /* higher ones save a hundredth and take twice as long */
	WINDOW = 64 << 10, /* how far back a match may lie */
	HALF_LEAST = 64 << 10,
	LENGTH_BYTE = 255,
	LENGTH_IN_TOKEN = 15,
};

#define LZ4_FNS(X)                                                                                 \
	X(LZ4_compressBound)                                                                       \
	X(LZ4_createStreamHC)                                                                      \
	X(LZ4_freeStreamHC)                                                                        \
	X(LZ4_resetStreamHC_fast)                                                                  \
	X(LZ4_loadDictHC)                                                                          \
	X(LZ4_compress_HC_continue)                                                                \
	X(LZ4_decompress_safe)

static struct {
	LZ4_FNS(UNI_LAZY_FIELD)
} lz4;

static int load(struct uni_err *err)
{
	static const char *const names[] = { LZ4_FNS(UNI_LAZY_NAME) };

	return uni_lazy_load("liblz4.so.1", names, UNI_COUNT(names), &lz4, err);
}

struct half {
	const char *from; /* with what comes before it in front */
	size_t before;
	size_t size;
	uint8_t *packed;
	size_t room, packed_size;
};

static int pack_half(void *user, size_t index, struct uni_err *err)
{
	struct half *h = (struct half *)user + index;
	LZ4_streamHC_t *stream = lz4.LZ4_createStreamHC();
	size_t window = h->before < WINDOW ? h->before : WINDOW;
	int got;

	if (stream == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	lz4.LZ4_resetStreamHC_fast(stream, LEVEL);
	if (window != 0)
		lz4.LZ4_loadDictHC(stream, h->from - window, (int)window);
	got = lz4.LZ4_compress_HC_continue(stream, h->from, (char *)h->packed, (int)h->size,
					   (int)h->room);
	lz4.LZ4_freeStreamHC(stream);
	h->packed_size = got > 0 ? (size_t)got : 0;
	return got > 0 ? 0 : uni_err_set(err, UNI_E_IO, "LZ4 cannot pack the kernel");
}

/* --- joining: LZ4's block format --- */

/* A sequence: its literals, and where what follows them begins. */
struct sequence {
	uint8_t token;
	const uint8_t *literals;
	size_t count;
	const uint8_t *match; /* its offset; the block's end when there is none */
};

static size_t more_length(const uint8_t **at)
{
	size_t length = 0;

	do
		length += **at;
	while (*(*at)++ == LENGTH_BYTE);
	return length;
}

static struct sequence read_sequence(const uint8_t *at)
{
	struct sequence s = { .token = *at++ };

	s.count = s.token >> 4;
	if (s.count == LENGTH_IN_TOKEN)
		s.count += more_length(&at);
	s.literals = at;
	s.match = at + s.count;
	return s;
}

/* The last sequence of a block of ours, which has literals alone. */
static const uint8_t *last_sequence(const uint8_t *at, const uint8_t *end)
{
	for (;;) {
		struct sequence s = read_sequence(at);
		const uint8_t *next = s.match + 2;

		if (s.match == end)
			return at;
		if ((s.token & LENGTH_IN_TOKEN) == LENGTH_IN_TOKEN)
			(void)more_length(&next);
		at = next;
	}
}

static uint8_t *put(uint8_t *to, const uint8_t *from, size_t size)
{
	memcpy(to, from, size);
	return to + size;
}

/* Behind the first half, in its room: its last literals and the second's first become one run. */
static size_t join(const struct half *first, const struct half *second)
{
	const uint8_t *end = first->packed + first->packed_size;
	uint8_t *to = first->packed + (last_sequence(first->packed, end) - first->packed);
	struct sequence a = read_sequence(to), b = read_sequence(second->packed);
	UNI_AUTO_FREE uint8_t *tail = uni_memdup(a.literals, a.count);
	size_t count = a.count + b.count;

	*to++ = (uint8_t)((count < LENGTH_IN_TOKEN ? count : LENGTH_IN_TOKEN) << 4 |
			  (b.token & LENGTH_IN_TOKEN));
	if (count >= LENGTH_IN_TOKEN) {
		size_t left = count - LENGTH_IN_TOKEN;

		for (; left >= LENGTH_BYTE; left -= LENGTH_BYTE)
			*to++ = LENGTH_BYTE;
		*to++ = (uint8_t)left;
	}
	to = put(to, tail, a.count);
	to = put(to, b.literals, b.count);
	to = put(to, b.match, (size_t)(second->packed + second->packed_size - b.match));
	return (size_t)(to - first->packed);
}

static int pack_halves(const char *data, size_t size, uint8_t *buffer, size_t room, size_t *packed,
		       struct uni_err *err)
{
	size_t middle = size >= (size_t)2 * HALF_LEAST ? size / 2 : size;
	UNI_AUTO_FREE uint8_t *second = uni_alloc(room);
	struct half halves[2] = {
		{ .from = data, .size = middle, .packed = buffer, .room = room },
		{ .from = data + middle,
		  .before = middle,
		  .size = size - middle,
		  .packed = second,
		  .room = room },
	};
	size_t count = middle == size ? 1 : 2;
	int rc = uni_pool_run(count, (unsigned)count, pack_half, halves, err);

	if (rc == 0)
		*packed = count == 1 ? halves[0].packed_size : join(&halves[0], &halves[1]);
	return rc;
}

int codec_lz4_pack(const void *data, size_t size, void **out, size_t *packed, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *buffer = NULL;
	uint64_t room;
	int rc = load(err);

	*out = NULL;
	*packed = 0;
	if (rc != 0)
		return rc;
	if (size == 0 || size > LZ4_MAX_INPUT_SIZE)
		return 0;
	/* Two blocks and the lengths between them are little more than one. */
	room = (uint64_t)lz4.LZ4_compressBound((int)size) + 64;
	buffer = uni_try_alloc(room, INT_MAX, "LZ4 block", err);
	if (buffer == NULL)
		return err->code;
	rc = pack_halves(data, size, buffer, (size_t)room, packed, err);
	if (rc != 0 || *packed >= size) {
		*packed = 0;
		return rc;
	}
	*out = buffer;
	buffer = NULL;
	return 0;
}

int codec_lz4_unpack(const void *data, size_t size, void *out, size_t room, struct uni_err *err)
{
	int rc = load(err);

	if (rc != 0)
		return rc;
	if (size > INT_MAX || room > INT_MAX ||
	    lz4.LZ4_decompress_safe(data, out, (int)size, (int)room) != (int)room)
		return uni_err_set(err, UNI_E_CORRUPT, "LZ4 block is damaged");
	return 0;
}

int codec_lz4_file(struct uni_strv *files, struct uni_err *err)
{
	char *path;
	int rc = uni_lazy_file("liblz4.so.1", &path, err);

	if (rc == 0)
		uni_strv_take(files, path);
	return rc;
}
