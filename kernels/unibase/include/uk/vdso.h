/*
 * The clocks as the program reads them without a system call: code that the kernel brings (vdso/)
 * and maps into the program, and the page of numbers that this code reads. proc/vdso.c.
 */
#ifndef UK_VDSO_H
#define UK_VDSO_H

#include <uk/types.h>

/* Where the program's time comes from; what is not known yet is asked of the kernel, by a call. */
enum uk_vdso_source {
	UK_VDSO_ASK,
	UK_VDSO_COUNTER, /* (counter - base) * mult / 2^32 */
	UK_VDSO_PVCLOCK, /* the record in the next page */
};

/* Everything changes while `version` is odd, and changes it. */
struct uk_vdso_clock {
	volatile uint32_t version;
	uint32_t source; /* enum uk_vdso_source */
	uint64_t base, mult;
	int64_t real;	     /* real time at monotonic 0, ns */
	uint32_t real_known; /* bool */
};

/* KVM's and Xen's record of a processor's clock (KVM documentation, "KVM-specific MSRs"). */
struct uk_pvclock {
	volatile uint32_t version;
	uint32_t pad0;
	uint64_t tsc;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad[2];
};
#define UK_PVCLOCK_STABLE 1 /* of flags: all processors' records say the same */

/* Nanoseconds of a record, by the processor that it belongs to, or by any where it is stable. */
static inline uint64_t uk_pvclock_read(const struct uk_pvclock *r)
{
	uint32_t version, low, high;
	uint64_t ns, delta;

	do {
		version = __atomic_load_n(&r->version, __ATOMIC_ACQUIRE);
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
		delta = ((uint64_t)high << 32 | low) - r->tsc;
		delta = r->shift < 0 ? delta >> -r->shift : delta << r->shift;
		ns = r->system_time + (uint64_t)(((unsigned __int128)delta * r->mul) >> 32);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((version & 1) != 0 || version != r->version);
	return ns;
}

/* Told by who finds it out: any context, any processor. */
void uk_vdso_counter(uint64_t base, uint64_t mult);
void uk_vdso_pvclock(void); /* KVM writes to uk_pvclocks */
void uk_vdso_real(int64_t offset);
/* Maps code and numbers into the program: the code's ELF header, 0: none. */
uint64_t uk_vdso_map(void);

#endif
