/*
 * The time of day from the CMOS clock (Motorola MC146818). Read once, when real time is first asked
 * for: waiting for a quiet moment may take 2 ms.
 */
#include "drivers.h"

#define INDEX 0x70
#define DATA 0x71
#define STATUS_A 0x0a
#define STATUS_B 0x0b
#define UPDATING 0x80
#define BINARY 0x04
#define HOURS_24 0x02
#define PM 0x80
#define TRIES 20000 /* of a register read; an update takes 2 ms */

struct stamp {
	uint8_t second, minute, hour, day, month, year;
};

static uint8_t read_cmos(uint8_t reg)
{
	uk_out8(INDEX, reg);
	return uk_in8(DATA);
}

static void read_stamp(struct stamp *t)
{
	for (unsigned i = 0; i < TRIES && (read_cmos(STATUS_A) & UPDATING) != 0; i++)
		;
	t->second = read_cmos(0);
	t->minute = read_cmos(2);
	t->hour = read_cmos(4);
	t->day = read_cmos(7);
	t->month = read_cmos(8);
	t->year = read_cmos(9);
}

static uint8_t from_bcd(uint8_t v)
{
	return (uint8_t)((v >> 4) * 10 + (v & 15));
}

static void decode(struct stamp *t, uint8_t format)
{
	bool pm = (format & HOURS_24) == 0 && (t->hour & PM) != 0;

	if ((format & HOURS_24) == 0)
		t->hour = (uint8_t)(t->hour & ~PM);
	if ((format & BINARY) == 0) {
		t->second = from_bcd(t->second);
		t->minute = from_bcd(t->minute);
		t->hour = from_bcd(t->hour);
		t->day = from_bcd(t->day);
		t->month = from_bcd(t->month);
		t->year = from_bcd(t->year);
	}
	if ((format & HOURS_24) == 0)
		t->hour = (uint8_t)(t->hour % 12 + (pm ? 12 : 0));
}

/* Days from 1970-01-01 to a day of the Gregorian calendar; years count from March. */
static int64_t days(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	unsigned m = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

int64_t uk_rtc_read(void)
{
	struct stamp t, again;
	uint8_t format = read_cmos(STATUS_B);

	if (format == 0xff)
		return 0;
	/* Twice the same: no update came in between. */
	read_stamp(&t);
	for (unsigned i = 0; i < 4; i++) {
		read_stamp(&again);
		if (memcmp(&t, &again, sizeof(t)) == 0)
			break;
		t = again;
	}
	decode(&t, format);
	if (t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31 || t.hour > 23 ||
	    t.minute > 59 || t.second > 60)
		return 0;
	/* Two digits of the year: no machine here ran before 1970. */
	return days(t.year < 70 ? 2000 + t.year : 1900 + t.year, t.month, t.day) * 86400 +
	       t.hour * 3600 + t.minute * 60 + t.second;
}
