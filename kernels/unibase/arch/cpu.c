/*
 * The processor: what it can do, control registers, segments, interrupt gates, system-call MSRs.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uk/paging.h>
#include <uk/sched.h>
#include <uk/trap.h>

#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define EFER_SCE 1
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
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

struct tss {
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
static uint64_t gdt[10] UK_SEALED;
static struct gate idt[UK_VECTOR_COUNT] UK_SEALED;
static struct tss tss;

static void read_features(void)
{
	struct uk_cpu_features *has = &uk_cpu_has;
	struct uk_cpuid one, seven = { 0, 0, 0, 0 }, extended;

	has->max_leaf = uk_cpuid(0, 0).a;
	one = uk_cpuid(1, 0);
	if (has->max_leaf >= 7)
		seven = uk_cpuid(7, 0);
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
		memcpy(has->hypervisor, name, sizeof(name));
	}
	uk_pte_nx = has->nx ? UK_PTE_NX_BIT : 0;
}

static void set_control(void)
{
	uint64_t cr0, cr4 = uk_read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	cr0 = (cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE;
	__asm__ volatile("movq %0, %%cr0" : : "r"(cr0));
	if (uk_cpu_has.xsave)
		cr4 |= CR4_OSXSAVE;
	if (uk_cpu_has.smep)
		cr4 |= CR4_SMEP;
	if (uk_cpu_has.smap)
		cr4 |= CR4_SMAP;
	if (uk_cpu_has.umip)
		cr4 |= CR4_UMIP;
	uk_write_cr4(cr4);
}

static void set_segments(void)
{
	uint64_t base = (uintptr_t)&tss;
	struct pointer p = { sizeof(gdt) - 1, (uintptr_t)gdt };

	gdt[UK_CS_KERNEL / 8] = 0x00af9b000000ffff;
	gdt[UK_DS_KERNEL / 8] = 0x00cf93000000ffff;
	gdt[UK_CS_USER32 / 8] = 0x00cffb000000ffff;
	gdt[UK_DS_USER / 8] = 0x00cff3000000ffff;
	gdt[UK_CS_USER / 8] = 0x00affb000000ffff;
	gdt[UK_TSS_SELECTOR / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
				   (base >> 24 & 0xff) << 56;
	gdt[UK_TSS_SELECTOR / 8 + 1] = base >> 32;
	tss.ist[IST_DOUBLE - 1] = (uintptr_t)uk_ist_double;
	tss.ist[IST_NMI - 1] = (uintptr_t)uk_ist_nmi;
	tss.io_map = sizeof(tss);
	__asm__ volatile("lgdt %0" : : "m"(p));
	__asm__ volatile("ltr %w0" : : "r"(UK_TSS_SELECTOR));
}

static void set_gates(void)
{
	struct pointer p = { sizeof(idt) - 1, (uintptr_t)idt };

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
	__asm__ volatile("lidt %0" : : "m"(p));
}

void uk_cpu_set_stack(uint64_t top)
{
	uk_cpu()->stack_top = top;
	tss.rsp[0] = top;
}

void uk_cpu_start(void)
{
	read_features();
	set_control();
	set_segments();
	set_gates();
	uk_wrmsr(MSR_EFER, uk_rdmsr(MSR_EFER) | EFER_SCE);
	uk_wrmsr(MSR_STAR, (uint64_t)UK_CS_USER32 << 48 | (uint64_t)UK_CS_KERNEL << 32);
	uk_wrmsr(MSR_LSTAR, (uintptr_t)uk_syscall_gate);
	uk_wrmsr(MSR_FMASK, SYSCALL_CLEARS);
}
