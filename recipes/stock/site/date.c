/*
 * Dates of HTTP, by the civil calendar; the C library's own would look at time zones.
 */
#include <string.h>

#include "http.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970-01-01; years are counted from March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void two(char *out, int64_t value)
{
	out[0] = (char)('0' + value / 10 % 10);
	out[1] = (char)('0' + value % 10);
}

void http_date_write(int64_t seconds, char out[HTTP_DATE_SIZE])
{
	int64_t day = seconds / 86400, of_day = seconds % 86400;
	int64_t year = 1970 + day / 366, month = 1;

	while (days_of(year + 1, 1, 1) <= day)
		year++;
	while (month < 12 && days_of(year, (int)month + 1, 1) <= day)
		month++;
	memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_SIZE);
	memcpy(out, days + (day + 4) % 7 * 3, 3);
	two(out + 5, day - days_of(year, (int)month, 1) + 1);
	memcpy(out + 8, months + (month - 1) * 3, 3);
	two(out + 12, year / 100);
	two(out + 14, year % 100);
	two(out + 17, of_day / 3600);
	two(out + 20, of_day / 60 % 60);
	two(out + 23, of_day % 60);
}

static bool digits(const char *at, size_t count, int *value)
{
	*value = 0;
	for (size_t i = 0; i < count; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*value = *value * 10 + (at[i] - '0');
	}
	return true;
}

static bool month_of(const char *at, int *month)
{
	for (int i = 0; i < 12; i++)
		if (memcmp(months + i * 3, at, 3) == 0) {
			*month = i + 1;
			return true;
		}
	return false;
}

static bool clock_of(const char *at, int64_t *seconds)
{
	int hour, minute, second;

	if (!digits(at, 2, &hour) || !digits(at + 3, 2, &minute) || !digits(at + 6, 2, &second) ||
	    at[2] != ':' || at[5] != ':' || hour > 23 || minute > 59 || second > 60)
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" */
bool http_date_read(struct http_text text, int64_t *seconds)
{
	const char *comma = text.text != NULL ? memchr(text.text, ',', text.size) : NULL;
	size_t rest = comma != NULL ? text.size - (size_t)(comma - text.text) : 0;
	const char *at = comma;
	int year, month, day;
	int64_t clock;

	if (rest == 26) {
		if (!digits(at + 2, 2, &day) || !month_of(at + 5, &month) ||
		    !digits(at + 9, 4, &year) || !clock_of(at + 14, &clock))
			return false;
	} else if (rest == 24) {
		if (!digits(at + 2, 2, &day) || !month_of(at + 5, &month) ||
		    !digits(at + 9, 2, &year) || !clock_of(at + 12, &clock))
			return false;
		year += year < 70 ? 2000 : 1900;
	} else if (comma == NULL && text.size == 24) {
		at = text.text;
		if (!month_of(at + 4, &month) ||
		    !(at[8] == ' ' ? digits(at + 9, 1, &day) : digits(at + 8, 2, &day)) ||
		    !clock_of(at + 11, &clock) || !digits(at + 20, 4, &year))
			return false;
	} else {
		return false;
	}
	if (day < 1 || day > 31 || year < 1970)
		return false;
	*seconds = days_of(year, month, day) * 86400 + clock;
	return true;
}
