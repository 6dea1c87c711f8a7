/*
 * The FPU state of threads. Kernel code is compiled without these registers, so they keep the last
 * program thread's content through kernel threads and idling: it is saved when that thread leaves
 * the processor (another one may pick it up), and loaded only when the registers hold somebody
 * else's.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/sched.h>
#include <uk/trap.h>

#define LEGACY_SIZE 512
#define HEADER_SIZE 64
#define FCW_INIT 0x37f
#define MXCSR_INIT 0x1f80
/* x87, SSE, AVX, and AVX-512's three. */
#define XCR0_WANTED 0xe7ull
#define AVX512_OWN 0xe0ull
#define AVX512 0xe4ull /* which are there together, and with AVX, or not at all */

static uint64_t features UK_SEALED; /* XCR0 */
static size_t size UK_SEALED;
static bool optimised UK_SEALED; /* XSAVEOPT */

/* The beginning of a state. */
struct legacy {
	uint16_t fcw;
	uint8_t rest[22];
	uint32_t mxcsr;
};
_Static_assert(offsetof(struct legacy, mxcsr) == 24, "Intel SDM, volume 1, 10.5.1");

/* The first thread's, with room for all of XCR0_WANTED. */
static union {
	struct legacy state;
	uint8_t room[2688];
} first __attribute__((aligned(64)));

int uk_fpu_restore(const void *state, uint32_t low, uint32_t high);
int uk_fpu_restore_legacy(const void *state);

static void set_features(void)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(0), "a"((uint32_t)features), "d"((uint32_t)(features >> 32)));
}

void uk_fpu_join(void)
{
	if (features != 0)
		set_features();
}

void uk_fpu_start(void)
{
	struct uk_cpuid leaf;
	uint64_t found;

	size = LEGACY_SIZE;
	if (!uk_cpu_has.xsave)
		return;
	leaf = uk_cpuid(13, 0);
	found = (((uint64_t)leaf.d << 32) | leaf.a) & XCR0_WANTED;
	features = (found & AVX512) == AVX512 ? found : found & ~AVX512_OWN;
	set_features();
	size = uk_cpuid(13, 0).b;
	optimised = uk_cpuid(13, 1).a & 1;
	uk_assert(size <= sizeof(first));
}

size_t uk_fpu_size(void)
{
	return size;
}

uint64_t uk_fpu_features(void)
{
	return features;
}

static void save(void *state)
{
	uint32_t low = (uint32_t)features, high = (uint32_t)(features >> 32);

	if (features == 0)
		__asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
	else if (optimised)
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
}

UK_INLINE int load(const void *state)
{
	if (features == 0)
		return uk_fpu_restore_legacy(state);
	return uk_fpu_restore(state, (uint32_t)features, (uint32_t)(features >> 32));
}

/* Zeros are all else that it takes. */
static void begin_state(struct legacy *state)
{
	state->fcw = FCW_INIT;
	state->mxcsr = MXCSR_INIT;
}

static void init_state(void *state)
{
	memset(state, 0, size);
	begin_state(state);
}

void uk_fpu_first(void)
{
	begin_state(&first.state);
	uk_thread_self()->fpu = &first;
	uk_fpu_load();
}

int uk_fpu_new(struct uk_thread *thread)
{
	/* A multiple of 64 is aligned to 64. */
	thread->fpu = uk_alloc(UK_ALIGN_UP(size, 64));
	if (thread->fpu == NULL)
		return -UK_ENOMEM;
	if (uk_thread_self()->fpu != NULL) {
		uk_fpu_store();
		memcpy(thread->fpu, uk_thread_self()->fpu, size);
	} else {
		begin_state(thread->fpu);
	}
	return 0;
}

void uk_fpu_store(void)
{
	uint64_t state = uk_irq_save();

	if (uk_cpu()->fpu_owner == uk_cpu()->thread)
		save(uk_cpu()->thread->fpu);
	uk_irq_restore(state);
}

int uk_fpu_load(void)
{
	uint64_t state = uk_irq_save();
	struct uk_cpu *cpu = uk_cpu();
	int e = load(cpu->thread->fpu);

	if (e != 0) {
		init_state(cpu->thread->fpu);
		load(cpu->thread->fpu);
	}
	cpu->fpu_owner = cpu->thread;
	cpu->thread->fpu_cpu = cpu;
	uk_irq_restore(state);
	return e;
}

void uk_fpu_reset(void)
{
	init_state(uk_thread_self()->fpu);
	uk_fpu_load();
}

/* With interrupts off, before registers and stack change hands. */
void uk_fpu_switch(struct uk_thread *from, struct uk_thread *to)
{
	struct uk_cpu *cpu = uk_cpu();

	if (from->fpu != NULL && cpu->fpu_owner == from)
		save(from->fpu);
	if (to->fpu == NULL || (cpu->fpu_owner == to && to->fpu_cpu == cpu))
		return;
	load(to->fpu);
	cpu->fpu_owner = to;
	to->fpu_cpu = cpu;
}

void uk_fpu_drop(struct uk_thread *thread)
{
	if (uk_cpu()->fpu_owner == thread)
		uk_cpu()->fpu_owner = NULL;
	if (thread->fpu != &first)
		uk_free(thread->fpu);
	thread->fpu = NULL;
}
