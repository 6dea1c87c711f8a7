/* Formatted text and the string functions, against what the C standard says of them. */
#include "ktest.h"

#define SAME(wanted, ...)                                                                          \
	do {                                                                                       \
		char text_[80];                                                                    \
		int size_ = uk_snprintf(text_, sizeof(text_), __VA_ARGS__);                        \
		CHECK(strcmp(text_, wanted) == 0);                                                 \
		CHECK(size_ == (int)sizeof(wanted) - 1);                                           \
	} while (0)

static void formats(void)
{
	char cut[6];

	SAME("a 5 -7 x", "%c %d %i %s", 'a', 5, -7, "x");
	SAME("  42|42  |0042|+", "%4d|%-4d|%04d|+", 42, 42, 42);
	SAME("ff FF 0xff 17", "%x %X %#x %o", 255, 255, 255, 15);
	SAME("18446744073709551615 -9223372036854775808", "%lu %ld", UINT64_MAX, INT64_MIN);
	SAME("[abc] [ab] [  a] [a  ]", "[%s] [%.2s] [%3s] [%-3s]", "abc", "abc", "a", "a");
	SAME("007 -012", "%.3d %04d", 7, -12);
	SAME("1 255 65535", "%hhu %hhu %hu", (unsigned char)1, (unsigned char)255,
	     (unsigned short)65535);
	SAME("100%", "%d%%", 100);
	SAME("     12", "%*d", 7, 12);
	SAME("abc", "%.*s", 3, "abcdef");
	CHECK(uk_snprintf(cut, sizeof(cut), "%s", "abcdefgh") == 8 && strcmp(cut, "abcde") == 0);
	CHECK(uk_snprintf(NULL, 0, "%d", 12345) == 5);
}

static void strings(void)
{
	uint8_t from[300], to[300];

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (size_t size = 0; size < 130; size++) {
		for (size_t at = 0; at < 9; at++) {
			memset(to, 0xee, sizeof(to));
			CHECK(memcpy(to + at, from + 3, size) == to + at);
			CHECK(memcmp(to + at, from + 3, size) == 0);
			CHECK((at == 0 || to[at - 1] == 0xee) && to[at + size] == 0xee);
			memset(to + at, 0x11, size);
			for (size_t i = 0; i < size; i++)
				CHECK(to[at + i] == 0x11);
			CHECK((at == 0 || to[at - 1] == 0xee) && to[at + size] == 0xee);
			memcpy(to, from, sizeof(to));
			memmove(to + at, to + 4, size);
			CHECK(memcmp(to + at, from + 4, size) == 0);
		}
	}
	CHECK(memcmp("abcdefgh1", "abcdefgh2", 9) < 0 && memcmp("b", "a", 1) > 0);
	CHECK(memcmp("\x80", "\x7f", 1) > 0 && strcmp("\x80", "\x7f") > 0);
	CHECK(strlen("abc") == 3 && strnlen("abc", 2) == 2 && strncmp("abc", "abd", 2) == 0);
	CHECK(strcmp(strchr("a/b/c", '/'), "/b/c") == 0 && strchr("abc", 'x') == NULL);
	CHECK(strcmp(strrchr("a/b/c", '/'), "/c") == 0 && *strchr("abc", 0) == 0);
	CHECK(uk_strlcpy((char *)to, "abcdef", 4) == 6 && strcmp((char *)to, "abc") == 0);
}

void ktest(void)
{
	formats();
	strings();
}
