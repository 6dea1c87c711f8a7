/*
 * From UEFI's long mode to the PVH entry. The firmware may have put us above 4 GiB and its page
 * tables go with paging, so this piece is copied below 640 KiB and runs there, where addresses are
 * the same with and without paging; all that it needs lies in it.
 *
 *   efi_trampoline(entry, start info): System V registers edi and esi.
 */
	.section .text, "ax", @progbits
	.code64
	.globl efi_trampoline, efi_trampoline_end
	.balign 8
efi_trampoline:
	cli
	cld
	leaq gdt(%rip), %rax
	movq %rax, gdt_place + 2(%rip)
	lgdt gdt_place(%rip)
	movq %cr4, %rax
	btrq $17, %rax /* PCIDE: paging cannot be switched off with it */
	movq %rax, %cr4
	leaq 1f(%rip), %rax
	pushq $8
	pushq %rax
	lretq
	.code32
1:	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	movl $0xc0000080, %ecx
	rdmsr
	andl $~0x100, %eax /* LME */
	wrmsr
	xorl %eax, %eax
	movl %eax, %cr4
	movl $0x11, %eax /* PE, ET */
	movl %eax, %cr0
	movl %esi, %ebx
	jmp *%edi

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
gdt_place:
	.word gdt_place - gdt - 1
	.quad 0
efi_trampoline_end:

	/* struct uni_seal, not filled in. Here, where no compiler sees that it is constant. */
	.section .uniseal, "a", @progbits
	.globl efi_seal
efi_seal:
	.asciz "UNISEAL"
	.long 1 /* UNI_SEAL_VERSION */
	.skip 60

	.section .note.GNU-stack, "", @progbits
