/*
 * The vDSO's file in the kernel: proc/vdso.c copies it to a page of its own.
 */
	.section .rodata.vdso, "a", @progbits
	.balign 8
	.globl uk_vdso_image, uk_vdso_image_end
uk_vdso_image:
	.incbin "vdso.so"
uk_vdso_image_end:

	.section .note.GNU-stack, "", @progbits
