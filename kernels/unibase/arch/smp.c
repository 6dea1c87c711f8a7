/*
 * Further processors: found in ACPI's MADT, started by INIT and start-up interrupts (Intel SDM
 * volume 3, section 9.4) when the program makes its second thread, stopped by NMI.
 *
 * They start one after the other, each in a page below 1 MiB that is mapped for them to execute and
 * for nobody to write (arch/trampoline.S); page and tables are given back when the last one runs. A
 * processor that does not come in time is left out. It may come later nevertheless: then it must
 * find its page, which is kept, and in uk_processor_next that it is not wanted.
 */
#include <uk/clock.h>
#include <uk/io.h>
#include <uk/irq.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/smp.h>
#include <uk/xen.h>

#define MIB_1 0x100000
#define TABLES 4      /* PML4 to page table, each a frame behind the page */
#define BLOCK_ORDER 3 /* the page and the tables */
#define PATIENCE_NS 1000000000ull
#define AGAIN_NS 10000000ull /* after this the start-up interrupt is repeated */

#define MADT_ENTRIES 44
#define MADT_APIC 0
#define MADT_X2APIC 9
#define MADT_ENABLED 1u

#define MSR_EFER 0xc0000080
#define EFER_LMA (1u << 10)

/* What the trampoline's end holds. */
struct words {
	uint32_t cr0, cr3, cr4, efer;
	uint32_t enter, enter_segment;
	uint16_t gdt_limit;
	uint32_t gdt_base;
} UK_PACKED;

extern char uk_trampoline[], uk_trampoline_end[], uk_trampoline_words[];
extern struct uk_cpu *volatile uk_processor_next; /* who is about to start */
extern uint64_t uk_processor_root;		  /* the kernel's CR3 */
void uk_processor_main(struct uk_cpu *cpu) UK_NORETURN;

struct uk_cpu *uk_cpus[UK_CPUS_MAX] = { &uk_cpu_boot };
volatile uint32_t uk_cpu_count = 1;
volatile bool uk_smp_stopped;
struct uk_cpu *volatile uk_processor_next;
uint64_t uk_processor_root;

static uint32_t apic_ids[UK_CPUS_MAX]; /* in the MADT's order, the boot processor first */
static uint32_t possible;	       /* 0: nobody asked yet */
static volatile uint32_t arrived;
static bool tried;

static uint32_t own_apic_id(void)
{
	if (uk_cpu_has.x2apic && uk_cpu_has.max_leaf >= 11 && uk_cpuid(11, 0).b != 0)
		return uk_cpuid(11, 0).d;
	return uk_cpuid(1, 0).b >> 24;
}

static void add(uint32_t apic_id, uint32_t flags)
{
	for (uint32_t i = 0; i < possible; i++)
		if (apic_ids[i] == apic_id)
			return;
	/* Without x2APIC there is no way to call one beyond eight bits. */
	if (!(flags & MADT_ENABLED) || (apic_id > 254 && !uk_cpu_has.x2apic))
		return;
	if (possible == UK_CPUS_MAX)
		uk_log(UK_LOG_WARN, "more than %u processors: the others are not used",
		       UK_CPUS_MAX);
	else
		apic_ids[possible++] = apic_id;
}

static uint32_t word(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static void read_madt(void)
{
	size_t size = 0;
	const uint8_t *madt = uk_acpi_table("APIC", &size);

	for (size_t at = MADT_ENTRIES; madt != NULL && at + 2 <= size; at += madt[at + 1]) {
		const uint8_t *entry = madt + at;
		size_t length = entry[1];

		if (length < 2 || length > size - at)
			return;
		if (entry[0] == MADT_APIC && length >= 8)
			add(entry[3], word(entry + 4));
		else if (entry[0] == MADT_X2APIC && length >= 16)
			add(word(entry + 4), word(entry + 8));
	}
}

uint32_t uk_smp_possible(void)
{
	if (possible != 0)
		return possible;
	apic_ids[0] = own_apic_id();
	possible = 1;
	read_madt();
	/* Its events and its timer are the first processor's. */
	if (possible > 1 && uk_xen_start()) {
		uk_log(UK_LOG_WARN, "%u processors: of Xen's, one is used", possible);
		possible = 1;
	}
	return possible;
}

static struct uk_cpu *cpu_new(uint32_t id)
{
	struct uk_cpu *cpu = uk_alloc(sizeof(*cpu));
	uint64_t stack = uk_stack_map(), double_top = uk_stack_map(), nmi_top = uk_stack_map();

	if (cpu == NULL || stack == 0 || double_top == 0 || nmi_top == 0)
		return NULL;
	cpu->self = cpu;
	cpu->id = id;
	cpu->apic_id = apic_ids[id];
	cpu->canary = uk_cpu_boot.canary;
	if (uk_cpu_new(cpu, double_top, nmi_top) != 0 || uk_sched_new(cpu, stack) != 0 ||
	    uk_timeline_new(cpu) != 0)
		return NULL;
	return cpu;
}

/* Tables that map the page at its own address and the upper half as the kernel has it. */
static void make_tables(uint64_t *const table[TABLES], uk_paddr_t page)
{
	const uint64_t *root = uk_phys_to_virt(uk_paging_root());

	memset(table[0], 0, TABLES * UK_PAGE_SIZE);
	memcpy(&table[0][256], &root[256], 256 * sizeof(*root));
	for (unsigned i = 0; i + 1 < TABLES; i++)
		table[i][0] = uk_virt_to_phys(table[i + 1]) | UK_PTE_PRESENT | UK_PTE_WRITE;
	table[TABLES - 1][page >> UK_PAGE_SHIFT] = page | UK_PTE_PRESENT;
}

static void make_trampoline(struct uk_page *block)
{
	uk_paddr_t page = uk_page_paddr(block);
	uint8_t *to = uk_page_virt(block);
	struct words *words = (struct words *)(void *)(to + (uk_trampoline_words - uk_trampoline));
	uint64_t *table[TABLES], cr0;

	for (unsigned i = 0; i < TABLES; i++)
		table[i] = (uint64_t *)(void *)(to + (i + 1) * UK_PAGE_SIZE);
	make_tables(table, page);
	memcpy(to, uk_trampoline, (size_t)(uk_trampoline_end - uk_trampoline));
	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	words->cr0 = (uint32_t)cr0;
	words->cr3 = (uint32_t)uk_virt_to_phys(table[0]);
	words->cr4 = (uint32_t)uk_read_cr4();
	words->efer = (uint32_t)uk_rdmsr(MSR_EFER) & ~EFER_LMA;
	words->enter += (uint32_t)page;
	words->gdt_base += (uint32_t)page;
	uk_processor_root = uk_paging_root();
}

static void send(const struct uk_cpu *cpu, uint32_t command)
{
	uint64_t state = uk_irq_save();

	uk_apic_command(cpu->apic_id, command);
	uk_irq_restore(state);
}

static bool wait_for(uint32_t count, uint64_t ns)
{
	uint64_t end = uk_time_mono() + ns;

	while (arrived != count && uk_time_mono() < end)
		uk_pause();
	return arrived == count;
}

static bool start_one(struct uk_cpu *cpu, uk_paddr_t page)
{
	uint32_t start = UK_APIC_START | (uint32_t)(page >> UK_PAGE_SHIFT);

	uk_processor_next = cpu;
	send(cpu, UK_APIC_INIT);
	send(cpu, start);
	if (!wait_for(cpu->id, AGAIN_NS)) {
		send(cpu, start);
		(void)wait_for(cpu->id, PATIENCE_NS);
	}
	/* Taken: it is on its way. */
	if (__atomic_exchange_n(&uk_processor_next, NULL, __ATOMIC_SEQ_CST) == NULL)
		while (arrived != cpu->id)
			uk_pause();
	return arrived == cpu->id;
}

static bool start_all(uk_paddr_t page)
{
	for (uint32_t id = 1; id < possible; id++) {
		struct uk_cpu *cpu = cpu_new(id);

		uk_cpus[id] = cpu;
		if (cpu == NULL || !start_one(cpu, page)) {
			uk_log(UK_LOG_WARN, "processor %u of %u does not start: %s", id + 1,
			       possible, cpu == NULL ? "no memory" : "no answer");
			possible = id;
			return cpu == NULL;
		}
	}
	return true;
}

/* Only the boot processor runs here, and those that wait for `uk_cpu_count`. */
static void start_others(void)
{
	struct uk_page *block = uk_page_alloc_low(BLOCK_ORDER, MIB_1);
	uint64_t state;

	if (block == NULL) {
		uk_log(UK_LOG_WARN, "no memory for the start of further processors");
		possible = 1;
		return;
	}
	uk_apic_start();
	make_trampoline(block);
	uk_paging_protect(uk_page_virt(block), false);
	uk_paging_open();
	state = uk_irq_save();
	uk_clock_share();
	uk_irq_restore(state);
	if (start_all(uk_page_paddr(block))) {
		uk_paging_protect(uk_page_virt(block), true);
		uk_page_put(block);
	}
	uk_paging_seal();
	state = uk_irq_save();
	if (possible > 1)
		uk_kernel_begin();
	__atomic_store_n(&uk_cpu_count, possible, __ATOMIC_SEQ_CST);
	uk_irq_restore(state);
	uk_log(UK_LOG_NOTICE, "%u processors", uk_cpu_count);
}

void uk_smp_start(void)
{
	if (tried)
		return;
	tried = true;
	if (uk_smp_possible() > 1)
		start_others();
}

void uk_processor_main(struct uk_cpu *cpu)
{
	uk_cpu_join(cpu);
	uk_fpu_join();
	uk_apic_join();
	uk_clock_join();
	uk_cpu_set_stack(cpu->stack_top);
	__atomic_store_n(&arrived, cpu->id, __ATOMIC_SEQ_CST);
	while (uk_cpu_count <= cpu->id)
		uk_pause();
	/* Sealed data and the trampoline's page changed their rights meanwhile. */
	uk_tlb_flush_all();
	uk_sched_join(cpu);
}

void uk_smp_wake(struct uk_cpu *cpu)
{
	uk_apic_command(cpu->apic_id, UK_APIC_FIXED | UK_VECTOR_WAKE);
}

void uk_smp_stop(void)
{
	if (uk_cpu_count == 1 || __atomic_exchange_n(&uk_smp_stopped, true, __ATOMIC_SEQ_CST))
		return;
	for (uint32_t i = 0; i < uk_cpu_count; i++)
		if (uk_cpus[i] != uk_cpu())
			uk_apic_command(uk_cpus[i]->apic_id, UK_APIC_NMI);
}

void uk_smp_obey(void)
{
	while (uk_smp_stopped)
		__asm__ volatile("cli; hlt");
}
