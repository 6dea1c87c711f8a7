/*
 * The least machine there can be: entered by PVH it ends the machine through isa-debug-exit. What any kernel takes
 * beyond this is its own.
 */
	.section .note.Xen, "a", @note
	.align 4
	.long 4, 4, 18
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	xor %eax, %eax
	out %al, $0xf4
1:	hlt
	jmp 1b
