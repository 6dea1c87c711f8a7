/*
 * Text without the locale: exact number parsing, sizes, UTF-8, hex, and the nearest known word for
 * error messages.
 */
#include <stdio.h>
#include <string.h>
#include <uni/base/text.h>

bool uni_str_eq(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

bool uni_str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool uni_str_ends(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t tail = strlen(suffix);
	return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

int uni_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Reads digits from *text on, at least one; false when there is none or the value overflows. */
static bool scan_u64(const char **text, unsigned base, uint64_t *value)
{
	const char *at = *text;
	uint64_t sum = 0;
	for (; (unsigned)uni_hex_digit(*at) < base; at++) {
		if (__builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)uni_hex_digit(*at), &sum))
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	*value = sum;
	return true;
}

bool uni_str_u64(const char *text, uint64_t *value)
{
	uint64_t sum;
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	if (hex)
		text += 2;
	if (!scan_u64(&text, hex ? 16 : 10, &sum) || *text != '\0')
		return false;
	*value = sum;
	return true;
}

bool uni_str_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGTPE";
	uint64_t sum;
	if (!scan_u64(&text, 10, &sum))
		return false;
	const char *unit = *text != '\0' ? strchr(units, *text) : NULL;
	if (unit != NULL) {
		text++;
		if (text[0] == 'i' && text[1] == 'B')
			text++;
		if (__builtin_mul_overflow(sum, UINT64_C(1024) << (10 * (unit - units)), &sum))
			return false;
	}
	if (*text == 'B')
		text++;
	if (*text != '\0')
		return false;
	*value = sum;
	return true;
}

const char *uni_size_text(uint64_t bytes)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	static _Thread_local char ring[4][32];
	static _Thread_local unsigned next;
	char *out = ring[next++ % UNI_COUNT(ring)];
	if (bytes < 1000) {
		snprintf(out, sizeof(ring[0]), "%u B", (unsigned)bytes);
		return out;
	}
	size_t unit = 0;
	uint64_t scale = 1000;
	/* 999,950 rounds up to 1000.0 kB, which is 1.0 MB. */
	while (unit + 1 < UNI_COUNT(units) && bytes >= scale * 1000 - scale / 20) {
		scale *= 1000;
		unit++;
	}
	uint64_t whole = bytes / scale;
	uint64_t tenth = (bytes % scale + scale / 20) / (scale / 10);
	if (tenth == 10) {
		whole++;
		tenth = 0;
	}
	snprintf(out, sizeof(ring[0]), "%llu.%llu %s", (unsigned long long)whole,
		 (unsigned long long)tenth, units[unit]);
	return out;
}

size_t uni_utf8_length(const char *text, size_t left)
{
	const unsigned char *at = (const unsigned char *)text;

	if (at[0] < 0x80)
		return 1;
	size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || left < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

bool uni_utf8_valid(const char *text, size_t size)
{
	while (size > 0) {
		size_t length = uni_utf8_length(text, size);

		if (length == 0)
			return false;
		text += length;
		size -= length;
	}
	return true;
}

void uni_hex(const void *data, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * size] = '\0';
}

void uni_base64(const void *data, size_t size, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t three = (uint32_t)bytes[i] << 16;

		three |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		three |= left > 2 ? bytes[i + 2] : 0;
		*out++ = digits[three >> 18];
		*out++ = digits[three >> 12 & 63];
		*out++ = left > 1 ? digits[three >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[three & 63] : '=';
	}
	*out = '\0';
}

bool uni_unhex(const char *hex, void *out, size_t size)
{
	uint8_t *bytes = out;
	if (strnlen(hex, 2 * size + 1) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = uni_hex_digit(hex[2 * i]);
		int low = uni_hex_digit(hex[2 * i + 1]);
		if (high > 15 || low > 15)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

#define NEAREST_MAX 64

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, or swap two neighbours, one each. */
static unsigned distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	unsigned rows[3][NEAREST_MAX + 1];
	unsigned *before = rows[0];
	unsigned *above = rows[1];
	unsigned *row = rows[2];
	for (size_t j = 0; j <= b_size; j++)
		above[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a_size; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_size; j++) {
			unsigned cost = a[i - 1] != b[j - 1];
			row[j] = least(above[j - 1] + cost, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		unsigned *free_row = before;
		before = above;
		above = row;
		row = free_row;
	}
	return above[b_size];
}

const char *uni_str_nearest(const char *word, const char *const *known, size_t count)
{
	const char *best = NULL;
	unsigned best_distance = UINT32_MAX;
	size_t size = strnlen(word, NEAREST_MAX);
	for (size_t i = 0; i < count; i++) {
		size_t other = strnlen(known[i], NEAREST_MAX);
		size_t longer = size > other ? size : other;
		unsigned steps = distance(word, size, known[i], other);
		/* A third of the letters may be wrong, but never all of them. */
		if (steps <= (longer + 2) / 3 && steps < longer && steps < best_distance) {
			best = known[i];
			best_distance = steps;
		}
	}
	return best;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

bool uni_unbase64(const char *text, void *out, size_t room, size_t *size)
{
	uint8_t *to = out;
	size_t length = strlen(text), pad = 0, used = 0;

	while (pad < 2 && pad < length && text[length - 1 - pad] == '=')
		pad++;
	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		uint32_t group = 0;
		size_t bytes = i + 4 == length ? 3 - pad : 3;

		for (size_t j = 0; j < 4; j++) {
			int value = j > bytes ? 0 : base64_value(text[i + j]);

			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		/* One value has one text: what is cut off is zero. */
		if (used + bytes > room || (group & ((1u << (8 * (3 - bytes))) - 1)) != 0)
			return false;
		for (size_t j = 0; j < bytes; j++)
			to[used++] = (uint8_t)(group >> (16 - 8 * j));
	}
	*size = used;
	return true;
}
