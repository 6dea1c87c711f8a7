/*
 * TOML values without quotes and brackets: booleans, integers, floating-point numbers, and the four
 * kinds of date and time (RFC 3339). A value is cut out as one word first and then read by the form
 * it has.
 */
#include "toml.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Longer words are no number that means something; zeros and digits behind the 17th say nothing. */
enum { WORD_MAX = 400 };

struct word {
	const char *text;
	size_t size;
	struct uni_pos pos;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '-' || c == '+' || c == '.' || c == ':';
}

/* How many of `text`'s first characters match `pattern`, where 0 stands for any digit; whole
 * pattern or nothing. */
static size_t match(const char *text, size_t size, const char *pattern)
{
	size_t length = strlen(pattern);

	if (size < length)
		return 0;
	for (size_t i = 0; i < length; i++)
		if (pattern[i] == '0' ? !is_digit(text[i]) : text[i] != pattern[i])
			return 0;
	return length;
}

static void cut_word(struct toml_reader *r, struct word *word)
{
	word->pos = toml_here(r);
	word->text = r->at;
	while (r->at < r->end && is_word(*r->at))
		r->at++;
	/* A space may stand for the T between date and time. */
	if (r->at - word->text == 10 && match(word->text, 10, "0000-00-00") != 0 &&
	    match(r->at, (size_t)(r->end - r->at), " 00:") != 0) {
		r->at++;
		while (r->at < r->end && is_word(*r->at))
			r->at++;
	}
	word->size = (size_t)(r->at - word->text);
}

static unsigned two_digits(const char *text)
{
	return (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool fail_time(struct toml_reader *r, const struct word *word, const char *what)
{
	return toml_fail(r, word->pos, "dates and times look like 2024-02-29T23:59:59Z", "%s",
			 what);
}

static bool read_date(struct toml_reader *r, const struct word *word, struct uni_toml_time *time)
{
	const char *s = word->text;
	unsigned year, month, day;

	if (match(s, word->size, "0000-00-00") == 0)
		return fail_time(r, word, "the date is not of the form YYYY-MM-DD");
	year = two_digits(s) * 100 + two_digits(s + 2);
	month = two_digits(s + 5);
	day = two_digits(s + 8);
	if (month < 1 || month > 12)
		return fail_time(r, word, "there is no such month");
	if (day < 1 || day > days_in(year, month))
		return fail_time(r, word, "there is no such day in this month");
	time->year = (uint16_t)year;
	time->month = (uint8_t)month;
	time->day = (uint8_t)day;
	return true;
}

/* HH:MM:SS with an optional fraction; `*used` characters of `s`. */
static bool read_clock(struct toml_reader *r, const struct word *word, const char *s, size_t size,
		       struct uni_toml_time *time, size_t *used)
{
	uint32_t unit = 100000000;

	*used = match(s, size, "00:00:00");
	if (*used == 0)
		return fail_time(r, word, "the time is not of the form HH:MM:SS");
	time->hour = (uint8_t)two_digits(s);
	time->minute = (uint8_t)two_digits(s + 3);
	time->second = (uint8_t)two_digits(s + 6);
	if (time->hour > 23 || time->minute > 59 || time->second > 60)
		return fail_time(r, word, "there is no such time of day");
	if (*used == size || s[*used] != '.')
		return true;
	++*used;
	if (*used == size || !is_digit(s[*used]))
		return fail_time(r, word, "a fraction of a second needs a digit");
	for (; *used < size && is_digit(s[*used]); ++*used, unit /= 10)
		time->nanosecond += (uint32_t)(s[*used] - '0') * unit;
	return true;
}

static bool read_offset(struct toml_reader *r, const struct word *word, const char *s, size_t size,
			struct uni_toml_time *time)
{
	int minutes;

	if (size == 1 && (s[0] == 'Z' || s[0] == 'z'))
		return true;
	if (size != 6 || (s[0] != '+' && s[0] != '-') || match(s + 1, 5, "00:00") == 0)
		return fail_time(r, word, "the offset behind the time is neither Z nor +HH:MM");
	if (two_digits(s + 1) > 23 || two_digits(s + 4) > 59)
		return fail_time(r, word, "there is no such offset from UTC");
	minutes = (int)(two_digits(s + 1) * 60 + two_digits(s + 4));
	time->offset = (int16_t)(s[0] == '-' ? -minutes : minutes);
	return true;
}

static bool read_time(struct toml_reader *r, const struct word *word, struct uni_toml_value *value)
{
	struct uni_toml_time *time = &value->time;
	const char *s = word->text, *end = word->text + word->size;
	bool dated = match(s, word->size, "00:") == 0;
	size_t used;

	*time = (struct uni_toml_time){ .year = 0 };
	if (dated) {
		if (!read_date(r, word, time))
			return false;
		s += 10;
		value->type = UNI_TOML_LOCAL_DATE;
		if (s == end)
			return true;
		if (*s != 'T' && *s != 't' && *s != ' ')
			return fail_time(r, word, "a date is followed by T and a time, or nothing");
		s++;
	}
	if (!read_clock(r, word, s, (size_t)(end - s), time, &used))
		return false;
	s += used;
	value->type = dated ? UNI_TOML_LOCAL_DATETIME : UNI_TOML_LOCAL_TIME;
	if (s == end)
		return true;
	if (!dated)
		return fail_time(r, word, "a time without date has no offset");
	value->type = UNI_TOML_DATETIME;
	return read_offset(r, word, s, (size_t)(end - s), time);
}

int64_t uni_toml_time_seconds(const struct uni_toml_time *time)
{
	int64_t days = 0;

	for (unsigned month = 1; month < time->month; month++)
		days += days_in(time->year, month);
	/* Leap days before the year, and those of the 1969 years before 1970. */
	days += time->day - 1 + ((int64_t)time->year - 1970) * 365;
	if (time->year > 0)
		days += (time->year - 1) / 4 - (time->year - 1) / 100 + (time->year - 1) / 400 + 1;
	days -= 1969 / 4 - 1969 / 100 + 1969 / 400 + 1;
	return days * 86400 + ((int64_t)time->hour * 60 + time->minute - time->offset) * 60 +
	       time->second;
}

/* Copies the digits at `*s` without their underscores; at least one, underscores only between two.
 */
static bool take_digits(const char **s, const char *end, const char *digits, char **out)
{
	const char *start = *s;

	for (; *s < end; ++*s) {
		if (**s == '_') {
			if (*s == start || (*s)[-1] == '_')
				return false;
			continue;
		}
		if (strchr(digits, **s) == NULL)
			break;
		*(*out)++ = **s;
	}
	return *s != start && (*s)[-1] != '_';
}

static bool fail_number(struct toml_reader *r, const struct word *word)
{
	return toml_fail(r, word->pos, "text needs quotes",
			 "'%.*s' is no value: neither number, boolean, date nor time",
			 word->size > 60 ? 60 : (int)word->size, word->text);
}

static bool read_based(struct toml_reader *r, const struct word *word, struct uni_toml_value *value)
{
	char digits[WORD_MAX + 1], *out = digits;
	const char *s = word->text + 2, *end = word->text + word->size;
	unsigned shift = word->text[1] == 'x' ? 4 : word->text[1] == 'o' ? 3 : 1;
	const char *known = shift == 4 ? "0123456789abcdefABCDEF" : shift == 3 ? "01234567" : "01";
	uint64_t number = 0;

	if (!take_digits(&s, end, known, &out) || s != end)
		return fail_number(r, word);
	for (const char *d = digits; d < out; d++) {
		unsigned digit = (unsigned)(is_digit(*d) ? *d - '0' : (*d | 0x20) - 'a' + 10);

		if (number >> (63 - shift) != 0)
			return toml_fail(r, word->pos, NULL,
					 "the integer does not fit into 64 bits");
		number = number << shift | digit;
	}
	value->type = UNI_TOML_INTEGER;
	value->integer = (int64_t)number;
	return true;
}

static bool read_decimal(struct toml_reader *r, const struct word *word, const char *digits,
			 struct uni_toml_value *value)
{
	bool negative = *digits == '-';
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	uint64_t number = 0;

	for (const char *d = digits + (negative ? 1 : 0); *d != '\0'; d++) {
		unsigned digit = (unsigned)(*d - '0');

		if (number > (limit - digit) / 10)
			return toml_fail(r, word->pos, NULL,
					 "the integer does not fit into 64 bits");
		number = number * 10 + digit;
	}
	value->type = UNI_TOML_INTEGER;
	/* Not -(int64_t)number, which overflows for the least integer. */
	value->integer = (int64_t)(negative ? 0 - number : number);
	return true;
}

static bool read_number(struct toml_reader *r, const struct word *word,
			struct uni_toml_value *value)
{
	static const char decimal[] = "0123456789";
	char plain[WORD_MAX + 2], *out = plain;
	const char *s = word->text, *end = word->text + word->size;
	const char *first;
	bool floating = false;

	if (*s == '+' || *s == '-') {
		if (*s == '-')
			*out++ = '-';
		s++;
	}
	first = s;
	if (!take_digits(&s, end, decimal, &out))
		return fail_number(r, word);
	if (*first == '0' && s - first > 1)
		return toml_fail(r, word->pos, "octal numbers are written 0o644",
				 "a number cannot begin with 0");
	if (s < end && *s == '.') {
		floating = true;
		*out++ = *s++;
		if (!take_digits(&s, end, decimal, &out))
			return fail_number(r, word);
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		floating = true;
		*out++ = *s++;
		if (s < end && (*s == '+' || *s == '-'))
			*out++ = *s++;
		if (!take_digits(&s, end, decimal, &out))
			return fail_number(r, word);
	}
	if (s != end)
		return fail_number(r, word);
	*out = '\0';
	if (!floating)
		return read_decimal(r, word, plain, value);
	value->type = UNI_TOML_FLOAT;
	value->number = strtod(plain, NULL);
	return true;
}

static bool word_is(const struct word *word, const char *text)
{
	return word->size == strlen(text) && memcmp(word->text, text, word->size) == 0;
}

/* true, false, inf and nan; `*known` tells whether it was one. */
static void read_name(const struct word *word, struct uni_toml_value *value, bool *known)
{
	struct word unsigned_word = *word;
	bool negative = word->text[0] == '-';

	*known = true;
	if (word_is(word, "true") || word_is(word, "false")) {
		value->type = UNI_TOML_BOOL;
		value->boolean = word->size == 4;
		return;
	}
	if (negative || word->text[0] == '+') {
		unsigned_word.text++;
		unsigned_word.size--;
	}
	value->type = UNI_TOML_FLOAT;
	if (word_is(&unsigned_word, "inf"))
		value->number = negative ? -(double)INFINITY : (double)INFINITY;
	else if (word_is(&unsigned_word, "nan"))
		value->number = (double)NAN;
	else
		*known = false;
}

bool toml_scan_plain(struct toml_reader *r, struct uni_toml_value *value)
{
	struct word word;
	char found[32];
	bool known;

	cut_word(r, &word);
	if (word.size == 0)
		return toml_fail(r, word.pos, NULL, "a value is expected, not %s",
				 toml_found(r, found));
	if (word.size > WORD_MAX)
		return toml_fail(r, word.pos, NULL, "the number is longer than %d characters",
				 WORD_MAX);
	read_name(&word, value, &known);
	if (known)
		return true;
	if (match(word.text, word.size, "0000-") != 0 || match(word.text, word.size, "00:") != 0)
		return read_time(r, &word, value);
	if (word.size > 2 && word.text[0] == '0' && memchr("xob", word.text[1], 3) != NULL)
		return read_based(r, &word, value);
	return read_number(r, &word, value);
}
