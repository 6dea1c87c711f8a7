/*
 * Stage 1: the code of the protective MBR. It fetches stage 2 from the sectors that the tool wrote
 * into it, looks whether it came whole, and jumps. What goes wrong is told on screen and COM1 as
 * "uni boot: N", because there is no room for sentences:
 *   1 the BIOS cannot read this disk by sector number   2 reading failed   3 stage 2 is damaged
 */
#include "places.h"

	.code16
	.section .text, "ax"
	.globl start
start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $STACK_TOP, %sp
	sti
	cld
	ljmp $0, $1f
1:
	movw $0x55aa, %bx
	movb $0x41, %ah
	int $0x13
	movb $'1', %al
	jc fail
	cmpw $0xaa55, %bx
	jne fail
	testb $1, %cl
	jz fail

	movw count, %ax
	decw %ax
	cmpw $(STAGE2_SIZE_MAX / 512), %ax
	movb $'3', %al
	jae fail
	movw $packet, %si
	movb $0x42, %ah
	int $0x13
	movb $'2', %al
	jc fail

	movw count, %cx
	shlw $7, %cx
	movw $STAGE2_LOAD, %si
	xorl %ebx, %ebx
2:	lodsl
	addl %eax, %ebx
	loop 2b
	movb $'3', %al
	testl %ebx, %ebx
	jnz fail
	cmpl $STAGE2_MAGIC, STAGE2_LOAD + 4
	jne fail
	jmp STAGE2_LOAD

fail:
	movb %al, code
	movw $message, %si
3:	lodsb
	testb %al, %al
	jz stop
	pushw %ax
	movb $0x0e, %ah
	xorw %bx, %bx
	int $0x10
	popw %ax
	movw $COM1, %dx
	outb %al, %dx
	/* The line may be set to any speed: wait for it, but not for ever. */
	movw $(COM1 + 5), %dx
	xorw %cx, %cx
4:	inb %dx, %al
	testb $0x20, %al
	loopz 4b
	jmp 3b
stop:
	movl $DEBUG_EXIT_PANIC, %eax
	outl %eax, $DEBUG_EXIT_PORT
	cli
5:	hlt
	jmp 5b

message:
	.ascii "uni boot: "
code:
	.byte 0, '\r', '\n', 0

	/* Disk address packet (EDD 3.0, section 2.4.2); two of its fields are the tool's to patch. */
	.org start + STAGE1_COUNT_OFFSET - 2
packet:
	.byte 16, 0
count:
	.word 0
	.word STAGE2_LOAD, 0
	.org start + STAGE1_LBA_OFFSET
	.quad 0
	.org start + STAGE1_SIZE
