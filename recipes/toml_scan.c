/*
 * The TOML reader's lexical half: where the reader is, white space and comments, keys and the four
 * kinds of string. The text is known to be UTF-8 before anything here looks at it, and ends behind
 * `end`, not at a NUL.
 */
#include "toml.h"

#include <stdio.h>
#include <string.h>

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Control characters that TOML forbids everywhere; tab is none of them. */
static bool is_control(char c)
{
	unsigned char u = (unsigned char)c;

	return (u < 0x20 && u != '\t') || u == 0x7f;
}

static bool is_bare_key(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

struct uni_pos toml_here(struct toml_reader *r)
{
	if (r->mark < r->line_start || r->mark > r->at) {
		r->mark = r->line_start;
		r->mark_column = 1;
	}
	for (; r->mark < r->at; r->mark++)
		if (!is_continuation(*r->mark))
			r->mark_column++;
	return (struct uni_pos){ r->line, r->mark_column };
}

bool toml_fail(struct toml_reader *r, struct uni_pos pos, const char *hint, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	uni_diags_error(r->diags, r->name, pos, "%s", text);
	if (hint != NULL)
		uni_diags_hint(r->diags, "%s", hint);
	return false;
}

const char *toml_found(const struct toml_reader *r, char buf[32])
{
	size_t size = 1;

	if (r->at == r->end)
		return "the end of the file";
	if (*r->at == '\n' || *r->at == '\r')
		return "the end of the line";
	if (*r->at == '\t' || *r->at == ' ')
		return "white space";
	if (*r->at == '#')
		return "a comment";
	if (is_control(*r->at)) {
		snprintf(buf, 32, "the control character U+%04X", (unsigned)(unsigned char)*r->at);
		return buf;
	}
	while (r->at + size < r->end && is_continuation(r->at[size]))
		size++;
	snprintf(buf, 32, "'%.*s'", (int)size, r->at);
	return buf;
}

bool toml_at_newline(const struct toml_reader *r)
{
	if (r->at == r->end)
		return false;
	return *r->at == '\n' || (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n');
}

void toml_take_newline(struct toml_reader *r)
{
	r->at += *r->at == '\r' ? 2 : 1;
	r->line++;
	r->line_start = r->at;
}

void toml_skip_blank(struct toml_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
}

static bool fail_control(struct toml_reader *r, const char *where)
{
	if (*r->at == '\r')
		return toml_fail(r, toml_here(r), "end lines with a line feed",
				 "a carriage return without line feed %s", where);
	return toml_fail(r, toml_here(r), "in a string in double quotes, write it as \\u00XX",
			 "the control character U+%04X %s", (unsigned)(unsigned char)*r->at, where);
}

bool toml_skip_comment(struct toml_reader *r)
{
	if (r->at == r->end || *r->at != '#')
		return true;
	while (r->at < r->end && !toml_at_newline(r)) {
		if (is_control(*r->at))
			return fail_control(r, "in a comment");
		r->at++;
	}
	return true;
}

bool toml_check_utf8(struct toml_reader *r, const char *text, size_t size)
{
	r->at = r->line_start = r->mark = text;
	r->end = text + size;
	r->line = r->mark_column = 1;
	while (r->at < r->end) {
		size_t length = uni_utf8_length(r->at, (size_t)(r->end - r->at));

		if (length == 0)
			return toml_fail(r, toml_here(r), "save the file as UTF-8",
					 "the byte 0x%02X is not UTF-8 here",
					 (unsigned)(unsigned char)*r->at);
		r->at += length;
		if (r->at[-1] == '\n') {
			r->line++;
			r->line_start = r->at;
		}
	}
	r->at = r->line_start = r->mark = text;
	r->line = r->mark_column = 1;
	/* A byte order mark at the very start is no character of the text. */
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r->at = r->line_start = r->mark = text + 3;
	return true;
}

static void add_utf8(struct uni_buf *out, uint32_t c)
{
	if (c < 0x80) {
		uni_buf_putc(out, (char)c);
	} else if (c < 0x800) {
		uni_buf_putc(out, (char)(0xc0 | c >> 6));
		uni_buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		uni_buf_putc(out, (char)(0xe0 | c >> 12));
		uni_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		uni_buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		uni_buf_putc(out, (char)(0xf0 | c >> 18));
		uni_buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		uni_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		uni_buf_putc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* \uXXXX and \UXXXXXXXX; the reader stands on the letter. */
static bool scan_unicode(struct toml_reader *r, struct uni_pos pos)
{
	unsigned digits = *r->at == 'u' ? 4 : 8;
	char letter = *r->at++;
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++, r->at++) {
		int digit = r->at < r->end ? uni_hex_digit(*r->at) : 16;

		if (digit > 15)
			return toml_fail(r, pos, NULL, "\\%c needs %u hexadecimal digits", letter,
					 digits);
		c = c << 4 | (uint32_t)digit;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail(r, pos, NULL, "U+%04X is no Unicode scalar value", (unsigned)c);
	add_utf8(&r->scratch, c);
	return true;
}

/* A backslash at the end of a line in """: everything up to the next visible character goes. */
static bool scan_continued_line(struct toml_reader *r, struct uni_pos pos)
{
	toml_skip_blank(r);
	if (!toml_at_newline(r))
		return toml_fail(r, pos, "write \\\\ for a backslash",
				 "a backslash before white space, but the line does not end");
	for (;;) {
		toml_skip_blank(r);
		if (!toml_at_newline(r))
			return true;
		toml_take_newline(r);
	}
}

static bool scan_escape(struct toml_reader *r, bool multiline)
{
	static const char letters[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	struct uni_pos pos = toml_here(r);
	const char *letter;
	char found[32];

	r->at++;
	if (multiline &&
	    (toml_at_newline(r) || (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))))
		return scan_continued_line(r, pos);
	if (r->at < r->end && (*r->at == 'u' || *r->at == 'U'))
		return scan_unicode(r, pos);
	letter = r->at < r->end && *r->at != '\0' ? strchr(letters, *r->at) : NULL;
	if (letter == NULL)
		return toml_fail(
			r, pos, "write \\\\ for a backslash, or put the string in single quotes",
			"a backslash before %s is no escape of TOML", toml_found(r, found));
	uni_buf_putc(&r->scratch, values[letter - letters]);
	r->at++;
	return true;
}

/* Whether `count` times `quote` stands here. */
static bool at_quotes(const struct toml_reader *r, char quote, int count)
{
	if (r->end - r->at < count)
		return false;
	for (int i = 0; i < count; i++)
		if (r->at[i] != quote)
			return false;
	return true;
}

static bool scan_single_line(struct toml_reader *r, char quote, struct uni_pos start)
{
	for (;;) {
		if (r->at == r->end || toml_at_newline(r))
			return toml_fail(r, start,
					 quote == '"' ? "use \"\"\" for text over several lines"
						      : "use ''' for text over several lines",
					 "the string has no closing %c in its line", quote);
		if (*r->at == quote) {
			r->at++;
			return true;
		}
		if (is_control(*r->at))
			return fail_control(r, "in a string");
		if (quote == '"' && *r->at == '\\') {
			if (!scan_escape(r, false))
				return false;
			continue;
		}
		uni_buf_putc(&r->scratch, *r->at++);
	}
}

/* Up to two quotes may stand directly before the closing three. */
static void take_closing(struct toml_reader *r, char quote)
{
	r->at += 3;
	for (int i = 0; i < 2 && r->at < r->end && *r->at == quote; i++) {
		uni_buf_putc(&r->scratch, quote);
		r->at++;
	}
}

static bool scan_multiline(struct toml_reader *r, char quote, struct uni_pos start)
{
	if (toml_at_newline(r))
		toml_take_newline(r);
	for (;;) {
		if (r->at == r->end)
			return toml_fail(r, start, NULL, "the string has no closing %c%c%c", quote,
					 quote, quote);
		if (at_quotes(r, quote, 3)) {
			take_closing(r, quote);
			return true;
		}
		if (toml_at_newline(r)) {
			/* One form of newline in values, whatever editor wrote the file. */
			uni_buf_putc(&r->scratch, '\n');
			toml_take_newline(r);
			continue;
		}
		if (is_control(*r->at))
			return fail_control(r, "in a string");
		if (quote == '"' && *r->at == '\\') {
			if (!scan_escape(r, true))
				return false;
			continue;
		}
		uni_buf_putc(&r->scratch, *r->at++);
	}
}

bool toml_scan_string(struct toml_reader *r, bool multiline_allowed, const char **data,
		      size_t *size)
{
	struct uni_pos start = toml_here(r);
	char quote = *r->at;
	bool sound;

	uni_buf_clear(&r->scratch);
	if (at_quotes(r, quote, 3)) {
		if (!multiline_allowed)
			return toml_fail(r, start, "put the key in one pair of quotes",
					 "a key cannot be a string over several lines");
		r->at += 3;
		sound = scan_multiline(r, quote, start);
	} else {
		r->at++;
		sound = scan_single_line(r, quote, start);
	}
	if (!sound)
		return false;
	*data = toml_copy(r->doc, uni_buf_text(&r->scratch), r->scratch.size);
	*size = r->scratch.size;
	return true;
}

bool toml_scan_key(struct toml_reader *r, const char **data, size_t *size)
{
	const char *start = r->at;
	char found[32];

	if (r->at < r->end && (*r->at == '"' || *r->at == '\''))
		return toml_scan_string(r, false, data, size);
	while (r->at < r->end && is_bare_key(*r->at))
		r->at++;
	if (r->at == start)
		return toml_fail(
			r, toml_here(r),
			"bare keys are made of A-Z, a-z, 0-9, - and _; put others in quotes",
			"a key is expected, not %s", toml_found(r, found));
	*size = (size_t)(r->at - start);
	*data = toml_copy(r->doc, start, *size);
	return true;
}
