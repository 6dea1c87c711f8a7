/* The clock never goes back, delays are not short, the time of day follows what it was set to. */
#include "ktest.h"
#include <uk/clock.h>
#include <uk/io.h>

void ktest(void)
{
	uint64_t last = uk_time_mono();
	int64_t real;

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t now = uk_time_mono();

		CHECK(now >= last);
		last = now;
	}
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before = uk_time_mono();

		uk_delay_us(200);
		CHECK(uk_time_mono() - before >= 200000);
		last = uk_time_mono();
		CHECK(last >= before);
	}
	CHECK(uk_time_real() == 0); /* nothing runs yet, and the image names no epoch */
	uk_time_begin();
	uk_time_set_real(1700000000ll * 1000000000);
	real = uk_time_real();
	CHECK(real >= 1700000000ll * 1000000000 && uk_time_real() >= real);
	CHECK(uk_clock_ns(0) == 0);
}
