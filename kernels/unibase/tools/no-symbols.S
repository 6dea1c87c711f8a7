/* The first link's table of symbols: empty. */
	.section .rodata_symbols, "a"
	.globl uk_symbols
uk_symbols:
	.skip 256
	.byte 0, 0
	.section .note.GNU-stack, "", @progbits
