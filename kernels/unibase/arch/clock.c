/*
 * Time: the processor's counter (TSC), scaled; and the local APIC's timer as a one-shot alarm.
 *
 * Nothing is measured before somebody asks for the time. The counter's rate comes from, in this
 * order: kvmclock (KVM documentation, "KVM-specific MSRs") or Xen's clock, which is the same
 * record, the hypervisor's CPUID leaf 0x40000010, CPUID leaf 0x15, or else a short measurement
 * against the APIC timer where its rate is known (QEMU and KVM count nanoseconds) or against the
 * PIT. Measured against the APIC timer it is right to about 0.01 %: both counters are read
 * together, the quickest of many readings counts. (Longer measurements, from alarm to alarm, were
 * worse on a busy host: interrupts come late.)
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/irq.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/smp.h>
#include <uk/start.h>
#include <uk/xen.h>

#define MSR_KVM_WALL 0x4b564d00
#define MSR_KVM_CLOCK 0x4b564d01
#define MSR_TSC_DEADLINE 0x6e0
#define KVM_FEATURE_CLOCK2 (1u << 3)

#define APIC_TIMER_CURRENT 0x390
#define APIC_DEADLINE_MODE 0x40000

#define PIT_HZ 1193182u
#define PIT_PATIENCE 100000000 /* ticks of our counter */
#define GUESS_HZ 2000000000u
#define SAMPLES 12
#define MEASURE_NS 250000
#define NS 1000000000ull

struct pvwall {
	volatile uint32_t version;
	uint32_t sec, nsec;
};

enum rate { RATE_UNKNOWN, RATE_PARAVIRTUAL, RATE_TOLD, RATE_MEASURED };

union uk_pvclocks uk_pvclocks __attribute__((aligned(UK_PAGE_SIZE)));
static struct pvwall kvm_wall __attribute__((aligned(64)));
static const struct uk_pvclock *pv; /* KVM's, one a processor, or Xen's, of the only one */
static uint64_t pv_start;	    /* what it said at our monotonic 0: Xen's is the host's */
static bool xen_alarm;
static enum rate rate;
static struct uk_spinlock start_lock = UK_SPINLOCK_INIT;

/* time = (tsc - base_tsc) * mult / 2^32 */
static uint64_t base_tsc, mult, hertz;
static volatile uint64_t last_ns; /* kvmclock that is not stable: never go back */

static uint64_t apic_hertz; /* after the divisor; 0: not known yet */
static bool deadline_mode, alarm_ready;
static uint32_t soon; /* counts to a tick that was asked for before the alarm was ready; 0: none */
static uint64_t scale(uint64_t value, uint64_t to, uint64_t from)
{
	uint64_t high, low, quotient, rest;

	/* value * to / from in 128 bits; the result must fit, or is cut to the largest. */
	__asm__("mulq %3" : "=d"(high), "=a"(low) : "a"(value), "r"(to));
	if (high >= from)
		return UINT64_MAX;
	__asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "r"(from));
	return quotient;
}

static inline uint64_t multiply_shift32(uint64_t a, uint64_t b)
{
	return (uint64_t)(((unsigned __int128)a * b) >> 32);
}

static bool hypervisor_is(const char *name)
{
	return uk_cpu_has.hypervisor_leaf != 0 && strcmp(uk_cpu_has.hypervisor, name) == 0;
}

static uint64_t read_paravirtual(void);

static void join_kvm_clock(void)
{
	uk_wrmsr(MSR_KVM_CLOCK, uk_virt_to_phys(&uk_pvclocks.cpu[uk_cpu()->id]) | 1);
}

static bool start_paravirtual(void)
{
	if (hypervisor_is("KVMKVMKVM") && (uk_cpuid(0x40000001, 0).a & KVM_FEATURE_CLOCK2)) {
		join_kvm_clock();
		pv = uk_pvclocks.cpu;
	} else {
		pv = uk_xen_clock();
	}
	if (pv == NULL || pv->mul == 0)
		return false;
	hertz = (NS << 32) / pv->mul;
	hertz = pv->shift < 0 ? hertz << -pv->shift : hertz >> pv->shift;
	if (pv == uk_pvclocks.cpu) {
		uk_vdso_pvclock();
	} else {
		pv_start = read_paravirtual();
		last_ns = 0;
	}
	return true;
}

static uint64_t read_paravirtual(void)
{
	const struct uk_pvclock *r = pv == uk_pvclocks.cpu ? &pv[uk_cpu()->id] : pv;
	uint64_t ns = uk_pvclock_read(r) - pv_start, last;

	if (r->flags & UK_PVCLOCK_STABLE)
		return ns;
	last = last_ns;
	while (ns > last)
		if (__atomic_compare_exchange_n(&last_ns, &last, ns, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return ns;
	return last;
}

/* What hypervisor or processor say of the counter's rate; 0: nothing. */
static uint64_t told_rate(void)
{
	struct uk_cpuid r;

	if (uk_cpu_has.hypervisor_leaf >= 0x40000010) {
		r = uk_cpuid(0x40000010, 0);
		if (r.a != 0)
			return r.a * 1000ull;
	}
	if (uk_cpu_has.max_leaf >= 0x15) {
		r = uk_cpuid(0x15, 0);
		if (r.a != 0 && r.b != 0 && r.c != 0)
			return (uint64_t)r.c * r.b / r.a;
	}
	return 0;
}

/* The APIC timer counts bus cycles, which both emulations define as 1 ns. */
static bool apic_counts_ns(void)
{
	return hypervisor_is("TCGTCGTCGTCG") || hypervisor_is("KVMKVMKVM");
}

static void apic_count_from(uint32_t count, bool ring)
{
	uk_apic_count(ring ? UK_VECTOR_TIMER : APIC_MASKED, count);
}

struct sample {
	uint64_t tsc, left;
};

/* Both counters at one moment: of several tries the one that took the least time. */
static struct sample sample_apic(void)
{
	struct sample s = { 0, 0 };
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t before = uk_rdtsc();
		uint64_t left = uk_apic_read(APIC_TIMER_CURRENT);
		uint64_t took = uk_rdtsc() - before;

		if (took < best) {
			best = took;
			s = (struct sample){ before + took / 2, left };
		}
	}
	return s;
}

static uint64_t measure_by_apic(void)
{
	struct sample start, end;

	apic_hertz = NS / APIC_DIVISOR;
	uk_apic_start();
	apic_count_from(UINT32_MAX, false);
	start = sample_apic();
	while (start.left - uk_apic_read(APIC_TIMER_CURRENT) < MEASURE_NS / APIC_DIVISOR)
		uk_pause();
	end = sample_apic();
	if (soon != 0)
		apic_count_from(soon, true);
	return scale(end.tsc - start.tsc, apic_hertz, start.left - end.left);
}

/* Channel 2 of the PIT (8254 datasheet), gated by port 0x61, counts MEASURE_NS down once: how many
 * ticks of our counter, 0 without a PIT. */
static uint64_t pit_run(uint32_t count)
{
	uint8_t gate = (uint8_t)(uk_in8(0x61) & ~3u);
	uint64_t start, now;

	uk_out8(0x61, gate);
	uk_out8(0x43, 0xb0);
	uk_out8(0x42, (uint8_t)count);
	uk_out8(0x42, (uint8_t)(count >> 8));
	uk_out8(0x61, gate | 1);
	start = uk_rdtsc();
	do {
		now = uk_rdtsc();
		if (now - start > PIT_PATIENCE)
			return 0;
	} while (!(uk_in8(0x61) & 0x20));
	return now - start;
}

/* An interruption only ever makes it longer: the shortest of three. */
static uint64_t measure_by_pit(void)
{
	const uint32_t count = (uint32_t)(MEASURE_NS * (uint64_t)PIT_HZ / NS);
	uint64_t ticks = pit_run(count);

	for (int i = 0; i < 2 && ticks != 0; i++)
		ticks = UK_MIN(ticks, pit_run(count));
	if (ticks == 0) {
		uk_log(UK_LOG_WARN, "no clock to measure the processor's by: assuming %u MHz",
		       GUESS_HZ / 1000000);
		return GUESS_HZ;
	}
	return scale(ticks, PIT_HZ, count);
}

static void start_rate(void)
{
	uint64_t state = uk_spin_lock(&start_lock), hz;
	enum rate found = RATE_TOLD;

	if (rate == RATE_UNKNOWN) {
		if (start_paravirtual()) {
			found = RATE_PARAVIRTUAL;
		} else {
			base_tsc = uk_boot.tsc;
			hz = told_rate();
			if (hz == 0) {
				found = RATE_MEASURED;
				hz = apic_counts_ns() ? measure_by_apic() : measure_by_pit();
			}
			/* The time since the machine's start counts at the same rate. */
			hertz = hz;
			mult = scale(NS, 1ull << 32, hz);
			uk_vdso_counter(base_tsc, mult);
		}
		__atomic_store_n(&rate, found, __ATOMIC_RELEASE);
	}
	uk_spin_unlock(&start_lock, state);
}

uint64_t uk_time_mono(void)
{
	if (uk_unlikely(__atomic_load_n(&rate, __ATOMIC_ACQUIRE) == RATE_UNKNOWN))
		start_rate();
	if (rate == RATE_PARAVIRTUAL)
		return read_paravirtual();
	return multiply_shift32(uk_rdtsc() - base_tsc, mult);
}

bool uk_clock_running(void)
{
	return __atomic_load_n(&rate, __ATOMIC_ACQUIRE) != RATE_UNKNOWN;
}

uint64_t uk_clock_ns(uint64_t ticks)
{
	if (rate == RATE_UNKNOWN)
		start_rate();
	return scale(ticks, NS, hertz);
}

int64_t uk_clock_wall(void)
{
	const struct pvwall *wall = &kvm_wall;

	uk_time_mono();
	if (rate != RATE_PARAVIRTUAL)
		return 0;
	if (pv == uk_pvclocks.cpu)
		uk_wrmsr(MSR_KVM_WALL, uk_virt_to_phys(wall));
	else
		wall = uk_xen_wall();
	return (int64_t)(wall->sec * NS + wall->nsec + pv_start);
}

void uk_clock_alarm(void)
{
	soon = 0;
	uk_clock_tick();
}

static void xen_tick(void *arg)
{
	(void)arg;
	uk_clock_alarm();
}

static void set_deadline_mode(void)
{
	uk_apic_write(APIC_LVT_TIMER, APIC_DEADLINE_MODE | UK_VECTOR_TIMER);
	__asm__ volatile("mfence" : : : "memory");
}

static void start_alarm(void)
{
	uk_apic_start();
	soon = 0;
	uk_time_mono();
	alarm_ready = true;
	xen_alarm = uk_xen_alarm_start(xen_tick);
	if (xen_alarm)
		return;
	deadline_mode = uk_cpu_has.tsc_deadline && rate != RATE_MEASURED;
	if (deadline_mode) {
		set_deadline_mode();
	} else if (apic_hertz == 0 && apic_counts_ns()) {
		apic_hertz = NS / APIC_DIVISOR;
	} else if (apic_hertz == 0) {
		uint64_t start = uk_rdtsc(), span = scale(MEASURE_NS, hertz, NS);

		apic_count_from(UINT32_MAX, false);
		while (uk_rdtsc() - start < span)
			uk_pause();
		apic_hertz = scale(UINT32_MAX - uk_apic_read(APIC_TIMER_CURRENT), hertz,
				   uk_rdtsc() - start);
	}
}

void uk_clock_share(void)
{
	if (!alarm_ready)
		start_alarm();
}

void uk_clock_join(void)
{
	if (pv == uk_pvclocks.cpu)
		join_kvm_clock();
	if (deadline_mode)
		set_deadline_mode();
}

void uk_clock_arm(uint64_t deadline)
{
	uint64_t now, wait, count;

	if (!alarm_ready) {
		if (deadline == UK_FOREVER)
			return;
		start_alarm();
	}
	if (xen_alarm) {
		uk_xen_alarm_set(deadline == UK_FOREVER ? deadline : deadline + pv_start);
		return;
	}
	now = uk_time_mono();
	wait = deadline > now ? deadline - now : 0;
	if (deadline_mode) {
		uk_wrmsr(MSR_TSC_DEADLINE,
			 deadline == UK_FOREVER ? 0 : uk_rdtsc() + 1 + scale(wait, hertz, NS));
		return;
	}
	if (deadline == UK_FOREVER) {
		uk_apic_write(APIC_TIMER_INITIAL, 0);
		return;
	}
	count = scale(wait, apic_hertz, NS) + 1;
	apic_count_from((uint32_t)UK_MIN(count, UINT32_MAX), true);
}

/* The APIC's rate is taken for a nanosecond a count: elsewhere it is slower by tens at most. */
bool uk_clock_soon(uint64_t ns)
{
	if (alarm_ready || uk_xen_start())
		return false;
	uk_apic_start();
	soon = (uint32_t)(ns / APIC_DIVISOR);
	apic_count_from(soon, true);
	return true;
}

void uk_delay_us(unsigned us)
{
	uint64_t end = uk_time_mono() + us * 1000ull;

	while (uk_time_mono() < end)
		uk_pause();
}
