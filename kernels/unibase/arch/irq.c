/*
 * Interrupts: vectors, the local APIC (Intel SDM volume 3, chapter 11; by MSR where there is
 * x2APIC), the I/O APIC (82093AA datasheet). Nothing is set up before the first device or timer
 * asks, so that a program that needs neither does not pay for it; the old interrupt controllers are
 * masked at once.
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/irq.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/smp.h>
#include <uk/start.h>
#include <uk/trap.h>

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2 (1u << 10)
#define MSR_X2APIC 0x800

#define APIC_ID 0x20
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_COMMAND 0x300
#define APIC_COMMAND_BUSY 0x1000
#define APIC_COMMAND_TO 0x310
#define MSR_COMMAND 0x830
#define APIC_LVT_LINT0 0x350
#define APIC_ENABLE 0x100
#define APIC_DIVIDE_16 3

#define VECTOR_SPURIOUS (UK_VECTOR_COUNT - 1)
#define VECTOR_FIRST (UK_VECTOR_TIMER + 1)

#define IOAPIC_DEFAULT 0xfec00000
#define IOAPICS_MAX 4
#define IOAPIC_VERSION 1
#define IOAPIC_TABLE 16
#define IOAPIC_LEVEL (1u << 15)
#define IOAPIC_LOW (1u << 13)

struct handler {
	void (*fn)(void *arg);
	void *arg;
};

struct ioapic {
	volatile uint32_t *registers;
	uint32_t base, count; /* lines */
};

static uint64_t taken; /* interrupts, of all kinds */
static struct handler handlers[UK_VECTOR_COUNT];
static struct uk_spinlock lock = UK_SPINLOCK_INIT; /* handlers, I/O APICs */
static volatile uint32_t *apic;			   /* NULL: x2APIC or not set up */
static bool apic_ready;
static struct ioapic ioapics[IOAPICS_MAX];
static unsigned ioapic_count;

void uk_apic_write(unsigned reg, uint32_t v)
{
	if (apic != NULL)
		apic[reg / 4] = v;
	else
		uk_wrmsr(MSR_X2APIC + reg / 16, v);
}

uint32_t uk_apic_read(unsigned reg)
{
	return apic != NULL ? apic[reg / 4] : (uint32_t)uk_rdmsr(MSR_X2APIC + reg / 16);
}

void uk_apic_command(uint32_t apic_id, uint32_t command)
{
	/* What was written before must be seen by whom this interrupts: WRMSR waits for nothing. */
	__asm__ volatile("mfence" : : : "memory");
	if (apic == NULL) {
		uk_wrmsr(MSR_COMMAND, (uint64_t)apic_id << 32 | command);
		return;
	}
	while (uk_apic_read(APIC_COMMAND) & APIC_COMMAND_BUSY)
		uk_pause();
	uk_apic_write(APIC_COMMAND_TO, apic_id << 24);
	uk_apic_write(APIC_COMMAND, command);
}

void uk_apic_count(uint32_t entry, uint32_t count)
{
	if (apic != NULL) {
		apic[APIC_TIMER_DIVIDE / 4] = APIC_DIVIDE_16;
		apic[APIC_LVT_TIMER / 4] = entry;
		apic[APIC_TIMER_INITIAL / 4] = count;
	} else {
		uk_wrmsr(MSR_X2APIC + APIC_TIMER_DIVIDE / 16, APIC_DIVIDE_16);
		uk_wrmsr(MSR_X2APIC + APIC_LVT_TIMER / 16, entry);
		uk_wrmsr(MSR_X2APIC + APIC_TIMER_INITIAL / 16, count);
	}
}

/* Switches it on; its number. */
UK_INLINE uint32_t begin(uint64_t base)
{
	uk_wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	if (apic != NULL) {
		apic[APIC_LVT_LINT0 / 4] = APIC_MASKED;
		apic[APIC_SPURIOUS / 4] = APIC_ENABLE | VECTOR_SPURIOUS;
		return apic[APIC_ID / 4] >> 24;
	}
	uk_wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2);
	uk_wrmsr(MSR_X2APIC + APIC_LVT_LINT0 / 16, APIC_MASKED);
	uk_wrmsr(MSR_X2APIC + APIC_SPURIOUS / 16, APIC_ENABLE | VECTOR_SPURIOUS);
	return (uint32_t)uk_rdmsr(MSR_X2APIC + APIC_ID / 16);
}

void uk_apic_join(void)
{
	begin(uk_rdmsr(MSR_APIC_BASE));
}

void uk_apic_start(void)
{
	uint64_t base;

	if (apic_ready)
		return;
	apic_ready = true;
	base = uk_rdmsr(MSR_APIC_BASE);
	if (!uk_cpu_has.x2apic)
		apic = uk_apic_map(base & 0xffffff000);
	uk_cpu()->apic_id = begin(base);
}

void uk_irq_start(void)
{
	uk_out8(0x21, 0xff);
	uk_out8(0xa1, 0xff);
	/* The tick that firmware left running (8254, channel 0) ends with this count: nobody hears
	 * it, but a host would go on making it. */
	uk_out8(0x43, 0x30);
	uk_out8(0x40, 0);
	uk_out8(0x40, 0);
}

/* Handlers of devices run with the kernel lock held, as the threads do that they work with. */
static void call_handler(unsigned vector)
{
	bool entered = uk_kernel_enter();
	struct handler h = handlers[vector];

	if (h.fn != NULL)
		h.fn(h.arg);
	if (entered)
		uk_kernel_leave();
}

void uk_irq_handle(unsigned vector)
{
	struct uk_cpu *cpu = uk_cpu();

	if (vector == VECTOR_SPURIOUS)
		return;
	cpu->irq_depth++;
	__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
	if (vector == UK_VECTOR_FLUSH)
		uk_shoot_serve(cpu);
	else if (vector == UK_VECTOR_WAKE)
		uk_runq_look();
	else if (vector == UK_VECTOR_TIMER)
		uk_clock_alarm();
	else
		call_handler(vector);
	uk_apic_write(APIC_EOI, 0);
	cpu->irq_depth--;
}

uint64_t uk_irq_taken(void)
{
	return __atomic_load_n(&taken, __ATOMIC_RELAXED);
}

int uk_irq_alloc(void (*fn)(void *arg), void *arg)
{
	uint64_t state;
	int found = -UK_ENOSPC;

	uk_apic_start();
	state = uk_spin_lock(&lock);
	for (int v = VECTOR_FIRST; v < UK_VECTOR_WAKE; v++) {
		if (handlers[v].fn == NULL) {
			handlers[v] = (struct handler){ fn, arg };
			found = v;
			break;
		}
	}
	uk_spin_unlock(&lock, state);
	return found;
}

void uk_irq_free(int vector)
{
	uint64_t state = uk_spin_lock(&lock);

	if (vector >= VECTOR_FIRST && vector < UK_VECTOR_WAKE)
		handlers[vector] = (struct handler){ NULL, NULL };
	uk_spin_unlock(&lock, state);
}

void uk_irq_msi(int vector, uint64_t *address, uint32_t *data)
{
	*address = 0xfee00000ull | (uint64_t)(uk_cpu_boot.apic_id & 0xff) << 12;
	*data = (uint32_t)vector;
}

static uint32_t ioapic_read(const struct ioapic *io, uint32_t reg)
{
	io->registers[0] = reg;
	return io->registers[4];
}

static void ioapic_write(const struct ioapic *io, uint32_t reg, uint32_t v)
{
	io->registers[0] = reg;
	io->registers[4] = v;
}

static void ioapic_add(uk_paddr_t paddr, uint32_t base)
{
	struct ioapic *io = &ioapics[ioapic_count];

	if (ioapic_count == IOAPICS_MAX)
		return;
	io->registers = uk_io_map(paddr, 0x20);
	if (io->registers == NULL)
		return;
	io->base = base;
	io->count = (ioapic_read(io, IOAPIC_VERSION) >> 16 & 0xff) + 1;
	ioapic_count++;
}

/* From the MADT (ACPI specification, section 5.2.12), else the one at its usual place. */
static void ioapics_find(void)
{
	size_t size = 0;
	const uint8_t *madt = uk_acpi_table("APIC", &size);

	for (size_t at = 44; madt != NULL && at + 2 <= size;) {
		uint32_t paddr, base;

		if (madt[at + 1] < 2 || madt[at + 1] > size - at)
			break;
		if (madt[at] == 1 && madt[at + 1] >= 12) {
			memcpy(&paddr, madt + at + 4, 4);
			memcpy(&base, madt + at + 8, 4);
			ioapic_add(paddr, base);
		}
		at += madt[at + 1];
	}
	if (ioapic_count == 0)
		ioapic_add(IOAPIC_DEFAULT, 0);
}

int uk_irq_route_gsi(unsigned gsi, int vector, bool level, bool active_low)
{
	uint64_t state;

	uk_apic_start();
	if (ioapic_count == 0)
		ioapics_find();
	for (unsigned i = 0; i < ioapic_count; i++) {
		const struct ioapic *io = &ioapics[i];
		uint32_t line = gsi - io->base;

		if (gsi < io->base || line >= io->count)
			continue;
		state = uk_spin_lock(&lock);
		ioapic_write(io, IOAPIC_TABLE + line * 2 + 1, uk_cpu_boot.apic_id << 24);
		ioapic_write(io, IOAPIC_TABLE + line * 2,
			     (uint32_t)vector | (level ? IOAPIC_LEVEL : 0) |
				     (active_low ? IOAPIC_LOW : 0));
		uk_spin_unlock(&lock, state);
		return 0;
	}
	return -UK_ENODEV;
}
