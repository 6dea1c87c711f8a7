/*
 * The least disk there can be: a boot sector that ends the machine through isa-debug-exit.
 */
	.text
	.code16
	.globl start
start:
	xor %ax, %ax
	out %al, $0xf4
1:	hlt
	jmp 1b
	.org 510
	.word 0xaa55
