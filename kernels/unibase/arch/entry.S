/*
 * From the PVH entry to C: 32-bit protected mode, paging off, EBX = start info. The image may lie
 * at any 2 MiB-aligned place below 4 GiB; from the first C instruction on it runs at its linked
 * virtual address behind page tables where text cannot be written and nothing else can be executed.
 *
 * The four tables here map the image (its one table is shared between its final place and, for the
 * two jumps, its physical address, which C takes away again) and leave the direct map to C.
 */
#include <uk/cpu.h>
#include <uk/layout.h>

#define PHYS(symbol) ((symbol) - UK_IMAGE_BASE)
#define IN_IMAGE(symbol) ((symbol) - UK_IMAGE_BASE - UK_LINK_PADDR)

#define PRESENT 0x001
#define WRITE 0x002
#define ACCESSED_DIRTY 0x060
#define GLOBAL 0x100
#define CONSTANT (PRESENT | ACCESSED_DIRTY | GLOBAL)
#define DATA (CONSTANT | WRITE)

	.section .note.uni, "a", @note
	.balign 4 /* more would be the segment's alignment too, by which QEMU then pads the name */
	/* XEN_ELFNOTE_PHYS32_ENTRY, eight bytes: QEMU reads as many of an ELF64's */
	.long 4, 8, 18
	.asciz "Xen"
	.quad PHYS(uk_pvh_entry)

	.globl uk_parts
	.long 4, 8 + 40 * 16, 1 /* UNI_NOTE_PARTS */
	.asciz "uni"
uk_parts:
	.long 1, 0 /* UNI_PARTS_VERSION, count: the tool fills it */
	.skip 40 * 16

	.long 4, 16, 2 /* UNI_NOTE_KERNEL */
	.asciz "uni"
	.long 1, 1, 1, 0 /* configuration versions: 1 to 1 */

	.section .text.entry, "ax", @progbits
	.code32
	.globl uk_pvh_entry
uk_pvh_entry:
	cli
	cld
	/* Where are we? There is no stack: borrow four bytes of the start info for one call. */
	movl 4(%ebx), %edx
	leal 8(%ebx), %esp
	call 1f
1:	popl %ebp
	movl %edx, 4(%ebx)
	subl $PHYS(1b), %ebp
	testl $0x1fffff, %ebp
	jz 2f
	xorl %ebp, %ebp /* nonsense: that memory cannot be written; then we are where we were linked */
	/* Loaders clear .bss, but QEMU does not again when a machine starts anew. */
2:	cmpl $0, PHYS(boot_ran)(%ebp)
	je 5f
	leal UK_LINK_PADDR(%ebp), %edi
	leal PHYS(uk_bss_end)(%ebp), %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl
5:	movl $1, PHYS(boot_ran)(%ebp)
	leal PHYS(uk_boot_stack_top)(%ebp), %esp
	pushl %ebx

	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb refuse
	movl $0x80000001, %eax
	cpuid
	btl $29, %edx /* long mode */
	jnc refuse
	andl $0x100000, %edx /* no-execute */
	shll $11, %edx
	movl %edx, %esi /* the upper half of an entry that says so */

	/* The image's table: see the segments in unibase.lds.S. */
	leal PHYS(ranges)(%ebp), %edx
3:	movl (%edx), %eax
	movl 4(%edx), %ecx
	movl 12(%edx), %edi
	leal -UK_LINK_PADDR(%eax), %ebx
	shrl $12, %ebx
	leal PHYS(uk_boot_pt)(%ebp, %ebx, 8), %ebx
	andl %esi, %edi
	addl %ebp, %ecx
	addl %ebp, %eax
	orl 8(%edx), %eax
4:	movl %eax, (%ebx)
	movl %edi, 4(%ebx)
	addl $8, %ebx
	addl $4096, %eax
	cmpl %ecx, %eax
	jb 4b
	addl $16, %edx
	cmpl $0, (%edx)
	jne 3b

	/* The three tables above it: one of each serves both places. */
	leal PHYS(uk_boot_pt) + PRESENT + WRITE(%ebp), %eax
	movl %eax, PHYS(uk_boot_pd) + 8 * (UK_LINK_PADDR >> 21)(%ebp)
	leal UK_LINK_PADDR(%ebp), %ecx
	shrl $21, %ecx
	andl $511, %ecx
	movl %eax, PHYS(uk_boot_pd)(%ebp, %ecx, 8)
	leal PHYS(uk_boot_pd) + PRESENT + WRITE(%ebp), %eax
	movl %eax, PHYS(uk_boot_pdpt) + 8 * 510(%ebp)
	leal UK_LINK_PADDR(%ebp), %ecx
	shrl $30, %ecx
	movl %eax, PHYS(uk_boot_pdpt)(%ebp, %ecx, 8)
	leal PHYS(uk_boot_pdpt) + PRESENT + WRITE(%ebp), %eax
	movl %eax, PHYS(uk_boot_pml4) + 8 * 511(%ebp)
	movl %eax, PHYS(uk_boot_pml4)(%ebp)

	movl %cr4, %eax
	orl $0xa0, %eax /* PAE, PGE */
	movl %eax, %cr4
	leal PHYS(uk_boot_pml4)(%ebp), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x101, %eax /* LME, SCE: SYSCALL's entry is set before there is a user mode */
	shrl $20, %esi	 /* NXE, if there is such */
	orl %esi, %eax
	wrmsr
	movl %cr0, %eax
	andl $~0x6000000c, %eax /* caches on; TS, EM: the FPU too */
	orl $0x80010023, %eax	/* PG, WP, NE, MP, PE */
	movl %eax, %cr0

	leal PHYS(uk_boot_gdt)(%ebp), %eax
	subl $8, %esp
	movw $(4 * 8 - 1), (%esp)
	movl %eax, 2(%esp)
	lgdt (%esp)
	addl $8, %esp
	pushl $UK_CS_KERNEL
	leal PHYS(long_mode)(%ebp), %eax
	pushl %eax
	lretl

	/* No long mode: the end of the machine, as uk_machine_end would write it without a record. */
refuse:
	movw $0xf4, %dx
	movl $0x7f, %eax /* UNI_DEBUG_EXIT_PANIC */
	outl %eax, %dx
5:	hlt
	jmp 5b

	.code64
long_mode:
	movl $UK_DS_KERNEL, %eax
	movl %eax, %ss /* DS and ES mean nothing in this mode */
	movl (%rsp), %edi /* start info */
	movl %ebp, %esi /* moved by: upwards only */
	movq $7f, %rax
	jmp *%rax
7:	movq $uk_boot_stack_top, %rsp
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	lldt %ax

	/* GS and the canary, before the first C function: its low byte stays 0 and ends strings. */
	movl $0xc0000101, %ecx
	movq $uk_cpu_boot, %rbx
	movq %rbx, (%rbx)
	movl %ebx, %eax
	movq %rbx, %rdx
	shrq $32, %rdx
	wrmsr
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, uk_boot_tsc
	movq %rax, %r8
	movl $1, %eax
	movq %rbx, %r9
	cpuid
	btl $30, %ecx
	jnc 8f
	rdrand %rax
	xorq %rax, %r8
8:	movabsq $0x9e3779b97f4a7c15, %rax
	imulq %rax, %r8
	movq %r8, %rax
	shrq $29, %rax
	xorq %rax, %r8
	xorb %r8b, %r8b
	movq %r8, UK_CPU_CANARY(%r9)

	xorl %ebp, %ebp
	call uk_start
	ud2

	.section .rodata.gdt, "a"
	.balign 8
	.globl uk_boot_gdt
uk_boot_gdt:
	.quad 0
	.quad 0
	.quad 0x00af9b000000ffff /* UK_CS_KERNEL */
	.quad 0x00cf93000000ffff /* UK_DS_KERNEL */

	/* What of the image is mapped how: from, to, as linked; flags; mask of the entries' upper halves.
	 * The lowest page stays unmapped, under the boot stack. */
	.section .rodata.ranges, "a"
	.balign 4
ranges:
	.long PHYS(uk_boot_guard) + 4096, PHYS(uk_bss_end), DATA, -1
	.long PHYS(uk_file_start), PHYS(uk_text_start), CONSTANT, -1
	.long PHYS(uk_text_start), PHYS(uk_data_start), CONSTANT, 0
	.long PHYS(uk_data_start), PHYS(uk_image_pages_end), DATA, -1
	.long 0

	.section .bss..stack, "aw", @nobits
	.globl uk_boot_stack_top
	.balign 4096
	.skip UK_STACK_SIZE
uk_boot_stack_top:

	.section .bss..tables, "aw", @nobits
	.globl uk_boot_pml4, uk_boot_pdpt, uk_boot_pd, uk_boot_pt
	.balign 4096
uk_boot_pml4:
	.skip 4096
uk_boot_pdpt:
	.skip 4096
uk_boot_pd:
	.skip 4096
uk_boot_pt:
	.skip 4096

	.section .bss, "aw", @nobits
	.globl uk_boot_tsc
	.balign 8
uk_boot_tsc:
	.skip 8
boot_ran:
	.skip 4

	.section .note.GNU-stack, "", @progbits
