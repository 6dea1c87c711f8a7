/*
 * The processor: what it can do, control registers, segments, interrupt gates, system-call MSRs.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/smp.h>
#include <uk/trap.h>

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
/* Bits of CR4. */
#define OSFXSR 9
#define OSXMMEXCPT 10
#define UMIP 11
#define OSXSAVE 18
#define SMEP 20
#define SMAP 21
/* Cleared by SYSCALL: TF, IF, DF, IOPL, NT, AC. */
#define SYSCALL_CLEARS 0x47700

#define GATE_INTERRUPT 0x8e
#define GATE_USER 0xee
#define IST_DOUBLE 1
#define IST_NMI 2

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

struct uk_tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} UK_PACKED;

struct pointer {
	uint16_t limit;
	uint64_t base;
} UK_PACKED;

extern char uk_trap_vectors[], uk_syscall_gate[], uk_ist_double[], uk_ist_nmi[];

struct uk_cpu uk_cpu_boot;
struct uk_cpu_features uk_cpu_has UK_SEALED;
/* One for all processors: each has a TSS in it, of two entries. */
static uint64_t gdt[UK_TSS_SELECTOR / 8 + 2 * UK_CPUS_MAX] UK_SEALED;
static struct gate idt[UK_VECTOR_COUNT] UK_SEALED;
static struct uk_tss boot_tss;

static void read_features(void)
{
	struct uk_cpu_features *has = &uk_cpu_has;
	struct uk_cpuid one, seven, extended;
	uint32_t counts;

	has->max_leaf = uk_cpuid(0, 0).a;
	one = uk_cpuid(1, 0);
	/* Where there is no seventh leaf this is another one, of which nothing counts. */
	seven = uk_cpuid(7, 0);
	counts = 0 - (uint32_t)(has->max_leaf >= 7);
	seven.b &= counts;
	seven.c &= counts;
	extended = uk_cpuid(0x80000001, 0);
	has->nx = extended.d & (1u << 20);
	has->gib_pages = extended.d & (1u << 26);
	has->smep = seven.b & (1u << 7);
	has->smap = seven.b & (1u << 20);
	has->umip = seven.c & (1u << 2);
	has->rdseed = seven.b & (1u << 18);
	has->rdrand = one.c & (1u << 30);
	has->xsave = one.c & (1u << 26);
	has->tsc_deadline = one.c & (1u << 24);
	has->x2apic = one.c & (1u << 21);
	if (one.c & (1u << 31)) {
		struct uk_cpuid h = uk_cpuid(0x40000000, 0);
		uint32_t name[3] = { h.b, h.c, h.d };

		has->hypervisor_leaf = h.a >= 0x40000000 ? h.a : 0x40000000;
		__builtin_memcpy(has->hypervisor, name, sizeof(name));
	}
	uk_pte_nx = has->nx ? UK_PTE_NX_BIT : 0;
}

static void set_control(void)
{
	const struct uk_cpu_features *has = &uk_cpu_has;

	uk_write_cr4(uk_read_cr4() | 1ull << OSFXSR | 1ull << OSXMMEXCPT |
		     (uint64_t)has->xsave << OSXSAVE | (uint64_t)has->smep << SMEP |
		     (uint64_t)has->smap << SMAP | (uint64_t)has->umip << UMIP);
}

static void set_segments(void)
{
	gdt[UK_CS_KERNEL / 8] = 0x00af9b000000ffff;
	gdt[UK_DS_KERNEL / 8] = 0x00cf93000000ffff;
	gdt[UK_CS_USER32 / 8] = 0x00cffb000000ffff;
	gdt[UK_DS_USER / 8] = 0x00cff3000000ffff;
	gdt[UK_CS_USER / 8] = 0x00affb000000ffff;
}

static void set_tss(struct uk_tss *tss, uint64_t double_top, uint64_t nmi_top)
{
	tss->ist[IST_DOUBLE - 1] = double_top;
	tss->ist[IST_NMI - 1] = nmi_top;
	tss->io_map = sizeof(*tss);
}

/* LTR marks the descriptor as busy: it writes, too. */
static void load_segments(const struct uk_cpu *cpu)
{
	uint32_t selector = UK_TSS_SELECTOR + 16 * cpu->id;
	uint64_t base = (uintptr_t)cpu->tss;
	struct pointer p = { sizeof(gdt) - 1, (uintptr_t)gdt };

	gdt[selector / 8] = (sizeof(*cpu->tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
			    (base >> 24 & 0xff) << 56;
	gdt[selector / 8 + 1] = base >> 32;
	__asm__ volatile("lgdt %0" : : "m"(p));
	__asm__ volatile("ltr %w0" : : "r"(selector));
}

static void set_gates(void)
{
	for (unsigned v = 0; v < UK_VECTOR_COUNT; v++) {
		uint64_t entry = (uintptr_t)uk_trap_vectors + v * 16;

		idt[v] = (struct gate){ .offset_low = (uint16_t)entry,
					.selector = UK_CS_KERNEL,
					.type = GATE_INTERRUPT,
					.offset_middle = (uint16_t)(entry >> 16),
					.offset_high = (uint32_t)(entry >> 32) };
	}
	idt[UK_TRAP_BREAKPOINT].type = GATE_USER;
	idt[UK_TRAP_OVERFLOW].type = GATE_USER;
	idt[UK_TRAP_DOUBLE].ist = IST_DOUBLE;
	idt[UK_TRAP_NMI].ist = IST_NMI;
	idt[UK_TRAP_MACHINE].ist = IST_NMI;
}

static void load_gates(void)
{
	struct pointer p = { sizeof(idt) - 1, (uintptr_t)idt };

	__asm__ volatile("lidt %0" : : "m"(p));
	uk_wrmsr(MSR_STAR, (uint64_t)UK_CS_USER32 << 48 | (uint64_t)UK_CS_KERNEL << 32);
	uk_wrmsr(MSR_LSTAR, (uintptr_t)uk_syscall_gate);
	uk_wrmsr(MSR_FMASK, SYSCALL_CLEARS);
}

void uk_cpu_set_stack(uint64_t top)
{
	struct uk_cpu *cpu = uk_cpu();

	cpu->stack_top = top;
	cpu->tss->rsp[0] = top;
}

void uk_cpu_start(void)
{
	struct uk_cpu *cpu = uk_cpu();

	read_features();
	set_control();
	set_segments();
	set_tss(&boot_tss, (uintptr_t)uk_ist_double, (uintptr_t)uk_ist_nmi);
	cpu->tss = &boot_tss;
	load_segments(cpu);
	set_gates();
	load_gates();
}

int uk_cpu_new(struct uk_cpu *cpu, uint64_t double_top, uint64_t nmi_top)
{
	cpu->tss = uk_alloc(sizeof(*cpu->tss));
	if (cpu->tss == NULL)
		return -UK_ENOMEM;
	set_tss(cpu->tss, double_top, nmi_top);
	return 0;
}

void uk_cpu_join(struct uk_cpu *cpu)
{
	load_segments(cpu);
	load_gates();
}
