/*
 * What came, against what was said about it; and both as text for people.
 */
#include "run.h"

#include <regex.h>
#include <string.h>
#include <uni/base/digest.h>

#define REGEX_BYTES_MAX (1u << 20)
#define SHOWN_BYTES 2000
#define SHOWN_LINES 20

static bool match_regex(const char *pattern, const char *data, size_t size, int flags)
{
	regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)size };
	regex_t regex;
	bool found;

	if (size > REGEX_BYTES_MAX)
		range.rm_eo = REGEX_BYTES_MAX;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
		return false;
	/* By its size, for it may hold NULs. */
	found = regexec(&regex, data != NULL ? data : "", 1, &range, REG_STARTEND | flags) == 0;
	regfree(&regex);
	return found;
}

static bool match_digest(const char *hex, const char *data, size_t size)
{
	struct uni_digest digest = uni_digest_of(data, size);
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(&digest, text);
	return strcmp(text + strlen("sha256:"), hex) == 0;
}

bool test_match(const struct uni_recipe_match *match, const char *data, size_t size)
{
	size_t length = match->text != NULL ? strlen(match->text) : 0;

	switch (match->kind) {
	case UNI_MATCH_NONE:
		return true;
	case UNI_MATCH_CONTAINS:
		return length == 0 ||
		       (size != 0 && memmem(data, size, match->text, length) != NULL);
	case UNI_MATCH_EQUALS:
		return size == length && (size == 0 || memcmp(data, match->text, size) == 0);
	case UNI_MATCH_REGEX:
		return match_regex(match->text, data, size, 0);
	case UNI_MATCH_SHA256:
		return match_digest(match->text, data, size);
	}
	return false;
}

bool test_match_early(const struct uni_recipe_match *match, const char *data, size_t size)
{
	if (match->kind == UNI_MATCH_REGEX)
		return match_regex(match->text, data, size, REG_NOTEOL);
	return match->kind == UNI_MATCH_CONTAINS && test_match(match, data, size);
}

void test_match_describe(const struct uni_recipe_match *match, struct uni_buf *out)
{
	static const char *const verbs[] = {
		[UNI_MATCH_NONE] = "anything",		[UNI_MATCH_CONTAINS] = "it contains ",
		[UNI_MATCH_EQUALS] = "it is exactly ",	[UNI_MATCH_REGEX] = "it matches ",
		[UNI_MATCH_SHA256] = "its SHA-256 is ",
	};

	uni_buf_puts(out, verbs[match->kind]);
	if (match->kind == UNI_MATCH_NONE)
		return;
	uni_buf_putc(out, '"');
	test_show(match->text, strlen(match->text), out);
	uni_buf_putc(out, '"');
}

void test_show(const char *data, size_t size, struct uni_buf *out)
{
	size_t lines = 0, start = out->size;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)data[i];

		if (out->size - start >= SHOWN_BYTES || lines >= SHOWN_LINES) {
			uni_buf_printf(out, "... (%zu bytes in all)", size);
			return;
		}
		if (c == '\n') {
			lines++;
			uni_buf_putc(out, '\n');
		} else if (c == '\r' && i + 1 < size && data[i + 1] == '\n') {
			continue;
		} else if (c == '\t' || (c >= 0x20 && c < 0x7f)) {
			uni_buf_putc(out, (char)c);
		} else if (c >= 0x80 && size - i >= 2) {
			size_t width = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

			if (width <= size - i && uni_utf8_valid(data + i, width)) {
				uni_buf_add(out, data + i, width);
				i += width - 1;
			} else {
				uni_buf_printf(out, "\\x%02x", c);
			}
		} else {
			uni_buf_printf(out, "\\x%02x", c);
		}
	}
}
