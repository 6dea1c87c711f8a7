/*
 * LZ4's block format (lz4_Block_format.md, 1.6.x): sequences of a token, literals, and a match.
 * Packed bytes end where the room ends, and unpacked bytes grow towards them; each step looks that
 * it overwrites nothing that is still to be read, so damaged input ends here and nowhere else.
 */
#include "boot.h"

#define PLENTY 64 /* bytes */

struct lz4 {
	const uint8_t *in, *in_end;
	uint8_t *start, *out, *out_end;
};

/* Copies are made in eights where both sides have that much to spare. */
static void copy8(uint8_t *to, const uint8_t *from)
{
	uint32_t word[2];

	__builtin_memcpy(word, from, 8);
	__builtin_memcpy(to, word, 8);
}

/* A length whose four bits in the token were all set; false when the input ends, or is absurd. */
static bool more_length(struct lz4 *s, size_t *length)
{
	uint8_t byte;

	do {
		if (s->in == s->in_end || *length > (size_t)(s->out_end - s->start))
			return false;
		byte = *s->in++;
		*length += byte;
	} while (byte == 255);
	return true;
}

/* May `length` bytes be written, given that `read` of the input are gone by then? */
static bool fits(const struct lz4 *s, size_t length, size_t read)
{
	return length <= (size_t)(s->out_end - s->out) && length <= (size_t)(s->in + read - s->out);
}

static bool literals(struct lz4 *s, size_t length)
{
	if (length > (size_t)(s->in_end - s->in) || !fits(s, length, length))
		return false;
	if ((size_t)(s->in - s->out) >= length + 8 && (size_t)(s->in_end - s->in) >= length + 8) {
		for (size_t i = 0; i < length; i += 8)
			copy8(s->out + i, s->in + i);
	} else {
		for (size_t i = 0; i < length; i++)
			s->out[i] = s->in[i];
	}
	s->in += length;
	s->out += length;
	return true;
}

static bool match(struct lz4 *s, size_t offset, size_t length)
{
	const uint8_t *from = s->out - offset;

	if (offset == 0 || offset > (size_t)(s->out - s->start) || !fits(s, length, 0))
		return false;
	if (offset >= 8 && (size_t)(s->in - s->out) >= length + 8) {
		for (size_t i = 0; i < length; i += 8)
			copy8(s->out + i, from + i);
	} else {
		for (size_t i = 0; i < length; i++)
			s->out[i] = from[i];
	}
	s->out += length;
	return true;
}

static bool sequence(struct lz4 *s)
{
	uint8_t token = *s->in++;
	size_t length = token >> 4, offset;

	if (length == 15 && !more_length(s, &length))
		return false;
	if (!literals(s, length))
		return false;
	if (s->in == s->in_end)
		return true; /* the last one has no match */
	if (s->in_end - s->in < 2)
		return false;
	offset = (size_t)s->in[0] | (size_t)s->in[1] << 8;
	s->in += 2;
	length = token & 15;
	if (length == 15 && !more_length(s, &length))
		return false;
	return match(s, offset, length + 4);
}

/*
 * Most sequences have few literals and a short match that starts far enough back. Where there is
 * plenty on all sides they are copied with a few looks instead of one for every byte; what is
 * written behind their end is written again. False: nothing was done.
 */
static bool short_sequence(struct lz4 *s)
{
	const uint8_t *in = s->in;
	uint8_t *out = s->out;
	size_t literal = *in >> 4, more = *in & 15, offset;

	if (literal == 15 || more == 15 || (size_t)(s->in_end - in) < PLENTY ||
	    (size_t)(s->out_end - out) < PLENTY || (size_t)(in - out) < PLENTY)
		return false;
	copy8(out, in + 1);
	if (literal > 8)
		copy8(out + 8, in + 9);
	in += 1 + literal;
	out += literal;
	offset = (size_t)in[0] | (size_t)in[1] << 8;
	if (offset < 8 || offset > (size_t)(out - s->start))
		return false;
	copy8(out, out - offset);
	if (more > 4) {
		copy8(out + 8, out - offset + 8);
		copy8(out + 16, out - offset + 16);
	}
	s->in = in + 2;
	s->out = out + more + 4;
	return true;
}

const char *lz4_unpack(uint8_t *out, size_t size, size_t room, size_t stored_size)
{
	struct lz4 s = { .in = out + room - stored_size,
			 .in_end = out + room,
			 .start = out,
			 .out = out,
			 .out_end = out + size };

	while (s.in != s.in_end)
		if (!short_sequence(&s) && !sequence(&s))
			return "the kernel is damaged: it cannot be unpacked";
	return s.out == s.out_end ? NULL : "the kernel is damaged: it unpacks to another length";
}
