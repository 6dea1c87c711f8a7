/*
 * How a further processor comes from real mode, where a start-up interrupt leaves it, to C.
 *
 * The first part is copied to a page below 1 MiB, at whatever place, and runs there; arch/smp.c fills
 * in the words at its end. The page is mapped at its physical address, to be executed and not to be
 * written, by tables made for this alone; in them the upper half is the kernel's. With the boot
 * processor's control registers this enters long mode in one step, and leaves for the kernel's text.
 */
#include <uk/cpu.h>
#include <uk/layout.h>

#define AT(symbol) ((symbol) - uk_trampoline)

	.section .rodata.trampoline, "a"
	.balign 16
	.globl uk_trampoline, uk_trampoline_end, uk_trampoline_words
	.code16
uk_trampoline:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl AT(gdt_pointer)
	movl AT(cr4), %eax
	movl %eax, %cr4
	movl AT(cr3), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	movl AT(efer), %eax
	xorl %edx, %edx
	wrmsr
	movl AT(cr0), %eax
	movl %eax, %cr0
	ljmpl *AT(enter)

	.code64
long_mode:
	movq $uk_processor_enter, %rax
	jmp *%rax

	.balign 8
uk_trampoline_words: /* struct words of arch/smp.c */
cr0:	.long 0
cr3:	.long 0
cr4:	.long 0
efer:	.long 0
enter:	.long AT(long_mode), UK_CS_KERNEL
gdt_pointer:
	.word 4 * 8 - 1
	.long AT(gdt)
	.word 0
gdt:	.quad 0
	.quad 0
	.quad 0x00af9b000000ffff /* UK_CS_KERNEL */
	.quad 0x00cf93000000ffff /* UK_DS_KERNEL */
uk_trampoline_end:

	.section .text.trap, "ax", @progbits
	.globl uk_processor_enter
	.type uk_processor_enter, @function
uk_processor_enter:
	/* These are read from the table in the page, which is mapped no longer with the kernel's CR3. */
	movl $UK_DS_KERNEL, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	lldt %ax
	movq uk_processor_root, %rax
	movq %rax, %cr3
	/* One at a time; whoever comes too late finds nothing to be. */
	xorl %ebx, %ebx
	xchgq %rbx, uk_processor_next
	testq %rbx, %rbx
	jz 1f
	movl $0xc0000101, %ecx
	movl %ebx, %eax
	movq %rbx, %rdx
	shrq $32, %rdx
	wrmsr
	movq UK_CPU_STACK_TOP(%rbx), %rsp
	movq %rbx, %rdi
	xorl %ebp, %ebp
	call uk_processor_main
	ud2
1:	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
