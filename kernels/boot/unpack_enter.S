/*
 * The PVH entry of a kernel that unpacks itself (unpack.h). It is entered as the kernel would be,
 * wherever loaders moved it, and enters the kernel in the same state: 32-bit protected mode, paging
 * off, EBX = start info. Linked at 0, with the facts in front.
 */
#include "places.h"

	.section .start, "ax", @progbits
	.code32
	.globl start
start:
	.skip 11 * 4 /* struct unpack_facts */
	cli
	cld
	/* Where are we? No stack is ours before we know: borrow four bytes of low memory, which
	 * every machine can write, for one call. */
	movl STACK_TOP - 4, %edx
	movl $STACK_TOP, %esp
	call 1f
1:	popl %ebp
	movl %edx, STACK_TOP - 4
	subl $1b, %ebp

	movl %ebp, %edx
	subl (%ebp), %edx /* facts.self: by how much we were moved */
	movl 4(%ebp), %esp /* facts.stack */
	addl %edx, %esp
	pushl %edx
	pushl %ebp
	call unpack
	jmp *%eax

	.section .note.GNU-stack, "", @progbits
