/* The first link's table of symbols: empty. */
	.section .rodata_symbols, "a"
	.globl uk_symbols
uk_symbols:
	.section .note.GNU-stack, "", @progbits
