/*
 * LZ4 for the box of the kernel partition. The search for good matches saves a sixth of the box, in
 * milliseconds in which a build does nothing else. So what is packed already, as most kernels are,
 * is taken as it is, and of what remains two halves are packed at the same time, the second with
 * the first's end as what came before; all of it is joined into the one block that loaders take.
 * Two, whatever the machine has: the bytes must not depend on that.
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
	PIECES_MAX = 4, /* in front of what is packed already, that, two halves behind it */
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

struct piece {
	const char *from; /* with what comes before it in front */
	size_t before;
	size_t size;
	bool as_it_is;
	uint8_t *made; /* owned */
	size_t packed_size;
};

struct pieces {
	struct piece items[PIECES_MAX];
	size_t count;
	unsigned threads;
	/* What LZ4 searches with takes longer to make than a small piece to pack: one thread has
	 * one for all; NULL: each piece makes its own. */
	LZ4_streamHC_t *stream;
};

static uint8_t *put(uint8_t *to, const uint8_t *from, size_t size)
{
	memcpy(to, from, size);
	return to + size;
}

/* A run of literals: its token, and lengths that do not fit there. */
static uint8_t *put_run(uint8_t *to, size_t count, uint8_t match_bits)
{
	*to++ = (uint8_t)((count < LENGTH_IN_TOKEN ? count : LENGTH_IN_TOKEN) << 4 | match_bits);
	if (count >= LENGTH_IN_TOKEN) {
		size_t left = count - LENGTH_IN_TOKEN;

		for (; left >= LENGTH_BYTE; left -= LENGTH_BYTE)
			*to++ = LENGTH_BYTE;
		*to++ = (uint8_t)left;
	}
	return to;
}

static void take_piece(struct piece *p)
{
	uint8_t *end = put_run(p->made, p->size, 0);

	end = put(end, (const uint8_t *)p->from, p->size);
	p->packed_size = (size_t)(end - p->made);
}

static int pack_piece(void *user, size_t index, struct uni_err *err)
{
	struct pieces *all = user;
	struct piece *p = &all->items[index];
	size_t window = p->before < WINDOW ? p->before : WINDOW;
	LZ4_streamHC_t *stream;
	int room, got;

	room = lz4.LZ4_compressBound((int)p->size);
	p->made = uni_try_alloc((uint64_t)room, INT_MAX, "LZ4 block", err);
	if (p->made == NULL)
		return err->code;
	if (p->as_it_is) {
		take_piece(p);
		return 0;
	}
	stream = all->stream != NULL ? all->stream : lz4.LZ4_createStreamHC();
	if (stream == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	lz4.LZ4_resetStreamHC_fast(stream, LEVEL);
	if (window != 0)
		lz4.LZ4_loadDictHC(stream, p->from - window, (int)window);
	got = lz4.LZ4_compress_HC_continue(stream, p->from, (char *)p->made, (int)p->size, room);
	if (stream != all->stream)
		lz4.LZ4_freeStreamHC(stream);
	p->packed_size = got > 0 ? (size_t)got : 0;
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

/* Appends a block to the one that fills `size` bytes of `block`: the last literals of that and the
 * first of this become one run, whose length takes more room than theirs. Gives the new size. */
static size_t join(uint8_t *block, size_t size, const uint8_t *next, size_t next_size)
{
	uint8_t *to = block + (last_sequence(block, block + size) - block);
	struct sequence a = read_sequence(to), b = read_sequence(next);
	size_t count = a.count + b.count;
	size_t head =
		1 + (count >= LENGTH_IN_TOKEN ? (count - LENGTH_IN_TOKEN) / LENGTH_BYTE + 1 : 0);

	memmove(to + head, a.literals, a.count);
	to = put_run(to, count, b.token & LENGTH_IN_TOKEN) + a.count;
	to = put(to, b.literals, b.count);
	to = put(to, b.match, (size_t)(next + next_size - b.match));
	return (size_t)(to - block);
}

static int join_all(const struct piece *pieces, size_t count, uint8_t **out, size_t *packed,
		    struct uni_err *err)
{
	uint64_t room = 0;
	uint8_t *block;

	/* The lengths between pieces take little more than the pieces themselves. */
	for (size_t i = 0; i < count; i++)
		room += pieces[i].packed_size + 64;
	block = uni_try_alloc(room, INT_MAX, "LZ4 block", err);
	if (block == NULL)
		return err->code;
	*packed = 0;
	for (size_t i = 0; i < count; i++) {
		if (i != 0) {
			*packed = join(block, *packed, pieces[i].made, pieces[i].packed_size);
		} else {
			memcpy(block, pieces[i].made, pieces[i].packed_size);
			*packed = pieces[i].packed_size;
		}
	}
	*out = block;
	return 0;
}

/* `before`: how much of what is in front of `from` is worth a look. */
static void add_piece(struct pieces *all, const char *from, size_t before, size_t size)
{
	if (size != 0)
		all->items[all->count++] =
			(struct piece){ .from = from, .before = before, .size = size };
}

/* On as many threads: one costs more than a small piece takes. */
static void add_halves(struct pieces *all, const char *from, size_t size)
{
	bool halved = size >= (size_t)2 * HALF_LEAST;
	size_t half = halved ? size / 2 : size;

	/* Nothing matches what is packed already. */
	add_piece(all, from, 0, half);
	add_piece(all, from + half, half, size - half);
	all->threads = halved ? 2 : 1;
}

static int pack(const char *data, size_t size, struct codec_range packed_already, uint8_t **out,
		size_t *packed, struct uni_err *err)
{
	struct pieces all = { .count = 0 };
	int rc;

	add_piece(&all, data, 0, packed_already.from);
	add_piece(&all, data + packed_already.from, 0, packed_already.to - packed_already.from);
	if (packed_already.from < packed_already.to)
		all.items[all.count - 1].as_it_is = true;
	add_halves(&all, data + packed_already.to, size - packed_already.to);
	if (all.threads == 1)
		all.stream = lz4.LZ4_createStreamHC();
	rc = uni_pool_run(all.count, all.threads, pack_piece, &all, err);
	if (rc == 0)
		rc = join_all(all.items, all.count, out, packed, err);
	for (size_t i = 0; i < all.count; i++)
		free(all.items[i].made);
	lz4.LZ4_freeStreamHC(all.stream); /* which may be NULL */
	return rc;
}

int codec_lz4_pack(const void *data, size_t size, struct codec_range packed_already, void **out,
		   size_t *packed, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *block = NULL;
	int rc = load(err);

	*out = NULL;
	*packed = 0;
	if (rc != 0)
		return rc;
	if (size == 0 || size > LZ4_MAX_INPUT_SIZE)
		return 0;
	rc = pack(data, size, packed_already, &block, packed, err);
	if (rc != 0 || *packed >= size) {
		*packed = 0;
		return rc;
	}
	*out = block;
	block = NULL;
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
