/*
 * The hardware under uk_time_mono and timers. arch/clock.c; used by core/time.c and the scheduler.
 * The alarm is the running processor's own.
 */
#ifndef UK_CLOCK_H
#define UK_CLOCK_H

#include <uk/layout.h>
#include <uk/smp.h>
#include <uk/thread.h>
#include <uk/vdso.h>

/* An interrupt at `deadline` (monotonic ns) or soon after, or earlier when that is farther away
 * than the hardware can count; UK_FOREVER: none. Interrupts off. Replaces the one before. */
void uk_clock_arm(uint64_t deadline);
/* A tick roughly `ns` from now, or up to some tens of times as late, without asking the hardware
 * for its rate first. Interrupts off. uk_clock_arm replaces it. False when alarms are in use
 * already. */
bool uk_clock_soon(uint64_t ns);
/* Ticks of the processor's counter (uk_rdtsc) in ns. */
uint64_t uk_clock_ns(uint64_t ticks);
/* Whether the time is known without asking the hardware for its rate first. */
bool uk_clock_running(void);
/* Nanoseconds since 1970 at monotonic 0, when the hypervisor tells exactly; 0: it does not. */
int64_t uk_clock_wall(void);
/* Before further processors use the clock, and by each of these. Interrupts off. */
void uk_clock_share(void);
void uk_clock_join(void);
void uk_clock_alarm(void); /* the timer's interrupt */
/* Called by arch/clock.c in interrupt context: what is due. core/time.c */
void uk_clock_tick(void);

/* KVM's records, in a page that holds nothing else: the program may read it. */
union uk_pvclocks {
	struct uk_pvclock cpu[UK_CPUS_MAX];
	uint8_t page[UK_PAGE_SIZE];
};
extern union uk_pvclocks uk_pvclocks;

/* core/time.c: marks the running thread's slice as used up at this time; UK_FOREVER: no slice. */
void uk_slice_set(uint64_t end);
void uk_time_begin(void); /* the program begins: the time of day is asked for from here on */
/* core/time.c: a tick in roughly so many ns, whatever else is set; it runs what start-up put off.
 */
void uk_tick_soon(uint64_t ns);

#endif
