/*
 * The clocks in the program's own mode, for its C library: every call of Linux's vDSO that is asked
 * for often. What cannot be answered from the page of numbers becomes the system call.
 */
#include <uk/vdso.h>

#define NS 1000000000ull
#define PUBLIC __attribute__((visibility("default")))

enum { CALL_GETTIMEOFDAY = 96, CALL_TIME = 201, CALL_CLOCK_GETTIME = 228 };
enum { REALTIME = 0, MONOTONIC = 1, MONOTONIC_RAW = 4, REALTIME_COARSE = 5, BOOTTIME = 7 };

struct timespec {
	int64_t sec, nsec;
};
struct timeval {
	int64_t sec, usec;
};
struct timezone {
	int32_t minutes_west, dst;
};

/* Placed by vdso.lds. */
extern const struct uk_vdso_clock uk_vdso_page __attribute__((visibility("hidden")));
extern const struct uk_pvclock uk_vdso_record __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int clock, struct timespec *to);
int __vdso_gettimeofday(struct timeval *to, struct timezone *zone);
int64_t __vdso_time(int64_t *to);

static int64_t ask(int64_t call, uint64_t first, void *second)
{
	int64_t result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(call), "D"(first), "S"(second)
			 : "rcx", "r11", "memory");
	return result;
}

/* The counter, not before what was read last. */
static uint64_t counter(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static bool monotonic(const struct uk_vdso_clock *c, uint64_t *ns)
{
	switch (c->source) {
	case UK_VDSO_COUNTER:
		*ns = (uint64_t)(((unsigned __int128)(counter() - c->base) * c->mult) >> 32);
		return true;
	case UK_VDSO_PVCLOCK:
		*ns = uk_pvclock_read(&uk_vdso_record);
		return (uk_vdso_record.flags & UK_PVCLOCK_STABLE) != 0;
	default:
		return false;
	}
}

static bool read_clock(bool real, uint64_t *ns)
{
	const struct uk_vdso_clock *c = &uk_vdso_page;
	uint32_t version;
	uint64_t offset;
	bool known;

	do {
		version = __atomic_load_n(&c->version, __ATOMIC_ACQUIRE);
		known = (!real || c->real_known) && monotonic(c, ns);
		offset = real ? (uint64_t)c->real : 0;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) != 0 || version != c->version);
	*ns += offset;
	return known;
}

PUBLIC int __vdso_clock_gettime(int clock, struct timespec *to)
{
	bool real = clock == REALTIME || clock == REALTIME_COARSE;
	uint64_t ns = 0;

	if ((!real && clock != MONOTONIC && (clock < MONOTONIC_RAW || clock > BOOTTIME)) ||
	    !read_clock(real, &ns))
		return (int)ask(CALL_CLOCK_GETTIME, (uint64_t)clock, to);
	to->sec = (int64_t)(ns / NS);
	to->nsec = (int64_t)(ns % NS);
	return 0;
}

PUBLIC int __vdso_gettimeofday(struct timeval *to, struct timezone *zone)
{
	uint64_t ns = 0;

	if (!read_clock(true, &ns))
		return (int)ask(CALL_GETTIMEOFDAY, (uintptr_t)to, zone);
	if (to != NULL) {
		to->sec = (int64_t)(ns / NS);
		to->usec = (int64_t)(ns % NS / 1000);
	}
	if (zone != NULL)
		*zone = (struct timezone){ 0, 0 };
	return 0;
}

PUBLIC int64_t __vdso_time(int64_t *to)
{
	uint64_t ns = 0;

	if (!read_clock(true, &ns))
		return ask(CALL_TIME, (uintptr_t)to, NULL);
	if (to != NULL)
		*to = (int64_t)(ns / NS);
	return (int64_t)(ns / NS);
}
