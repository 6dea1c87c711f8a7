/*
 * Stage 2's assembler: what has to be asked in real mode is asked on the way in (disk size, memory
 * map), so that afterwards only disk reads go back there, many sectors at a time. The stack is the
 * same in both modes.
 */
#include "places.h"

#define CODE32 0x08
#define DATA32 0x10
#define CODE16 0x18
#define DATA16 0x20

	.code16
	.section .start, "ax"
	.globl start
start:
	jmp enter
	.org start + 4
	.long STAGE2_MAGIC
enter:
	/* DL is the drive. Stage 1 has set up the rest; a CD's BIOS, which comes here at once,
	 * perhaps not. */
	cli
	ljmp $0, $0f
0:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $STACK_TOP, %sp
	sti
	cld
	movw $bss_start, %di
	movw $bss_words, %cx
	xorl %eax, %eax
	rep stosl
	movb %dl, boot_drive

	int $0x12
	movw %ax, boot_low_kib

	movw $boot_disk, %si
	movw $30, (%si)
	movb $0x48, %ah
	movb boot_drive, %dl
	int $0x13
	jc 1f
	movw $1, boot_disk_known

1:	xorl %ebx, %ebx
	movw $boot_map, %di
2:	movl $0xe820, %eax
	movl $0x534d4150, %edx
	movl $20, %ecx
	pushw %di
	int $0x15
	popw %di
	jc 3f
	cmpl $0x534d4150, %eax
	jne 3f
	addw $24, %di
	incw boot_map_count
	cmpw $E820_MAX, boot_map_count
	je 3f
	testl %ebx, %ebx
	jnz 2b

3:	cli
	lgdtl gdt_place
	call protected_mode
	.code32
	call boot_main
	/* boot_main does not return. */

/* Called from real mode by a 16-bit call; returns behind it in 32-bit mode. */
	.code16
protected_mode:
	popw %dx
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmp $CODE32, $1f
	.code32
1:	movl $DATA32, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl %eax, %ss
	movzwl %sp, %esp
	movzwl %dx, %edx
	jmp *%edx

/* Called by a 32-bit call; returns behind it in real mode with interrupts on. */
real_mode:
	popl %edx
	ljmp $CODE16, $1f
	.code16
1:	movw $DATA16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %fs
	movw %ax, %gs
	movw %ax, %ss
	movl %cr0, %eax
	andb $0xfe, %al
	movl %eax, %cr0
	ljmp $0, $2f
2:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %fs
	movw %ax, %gs
	movw %ax, %ss
	sti
	jmp *%dx

/*
 * unsigned bios_read(struct packet *packets, unsigned count): reads by one INT 13h for each packet.
 * 0, or the BIOS's error in bits 0 to 7 of what is never 0, and packets not done in bits 8 and up.
 */
	.code32
	.globl bios_read
bios_read:
	pushal
	movl 36(%esp), %esi
	movl 40(%esp), %ecx
	call real_mode
	.code16
1:	pushw %cx
	pushw %si
	movb $0x42, %ah
	movb boot_drive, %dl
	int $0x13
	popw %si
	popw %cx
	jc 2f
	addw $16, %si
	loop 1b
	xorw %ax, %ax
2:	cli
	movb %ah, %al
	movb %cl, %ah
	movw %ax, bios_result
	cld
	call protected_mode
	.code32
	popal
	movzwl bios_result, %eax
	ret

/* void bios_print(const char *text): on the screen, by the BIOS. */
	.globl bios_print
bios_print:
	pushal
	movl 36(%esp), %esi
	call real_mode
	.code16
1:	lodsb
	testb %al, %al
	jz 2f
	pushw %si
	movb $0x0e, %ah
	movw $7, %bx
	int $0x10
	popw %si
	jmp 1b
2:	cli
	cld
	call protected_mode
	.code32
	popal
	ret

/* void boot_enter(uint32_t entry, const void *start_info): the PVH state, and off. */
	.globl boot_enter
boot_enter:
	movl 4(%esp), %eax
	movl 8(%esp), %ebx
	cli
	cld
	jmp *%eax

	.section .data, "aw"
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00009b000000ffff
	.quad 0x000093000000ffff
gdt_end:
gdt_place:
	.word gdt_end - gdt - 1
	.long gdt
bios_result:
	.word 0

	.section .bss, "aw", @nobits
	.balign 8
	.globl boot_map, boot_map_count, boot_low_kib, boot_drive, boot_disk, boot_disk_known
boot_map:
	.skip 24 * E820_MAX
boot_disk:
	.skip 32
boot_disk_known:
	.skip 2
boot_map_count:
	.skip 2
boot_low_kib:
	.skip 2
boot_drive:
	.skip 1
