/*
 * What ktest/user.c runs in user mode, copied to USER_CODE. Calls: 1 look at the registers, 2 done,
 * 3 failed at line rdi, 4 yield, 5 come back through an address that is not canonical.
 */
#define USER_DATA 0x600000

	.macro expect condition
	j\condition 9f
	movl $__LINE__, %edi
	movl $3, %eax
	syscall
9:
	.endm

	.section .rodata
	.globl user_code, user_code_end
user_code:
	/* rdi: this thread's number */
	movq %rdi, %rbx

	/* A call keeps every register but rax, rcx and r11. */
	movq $0x1111, %rdi
	movq $0x2222, %rsi
	movq $0x3333, %rdx
	movq $0x4444, %r10
	movq $0x5555, %r8
	movq $0x6666, %r9
	movq $0x7777, %rbp
	movq $0x8888, %r12
	movq $0x9999, %r13
	movq $0xaaaa, %r14
	movq $0xbbbb, %r15
	movq %rsp, USER_DATA + 64(, %rbx, 8)
	movl $1, %eax
	syscall
1:	cmpq $42, %rax
	expect e
	leaq 1b(%rip), %rax
	cmpq %rax, %rcx
	expect e
	cmpq $0x1111, %rdi
	expect e
	cmpq $0x4444, %r10
	expect e
	cmpq $0x7777, %rbp
	expect e
	cmpq $0xbbbb, %r15
	expect e
	cmpq %rsp, USER_DATA + 64(, %rbx, 8)
	expect e

	/* Exceptions: the kernel steps over the first, the second needs none, the third is mapped. */
	ud2
	int3
	movabsq $0x500000, %rax
	movq $77, (%rax)
	cmpq $77, (%rax)
	expect e
	/* The kernel's memory is not there: it steps over these two bytes. */
	movabsq $0xffffffff80200000, %rax
	movb (%rax), %al

	/* With the alignment flag set the kernel must not see user memory by accident; the flags come back. */
	pushfq
	orq $0x40000, (%rsp)
	popfq
	movl $4, %eax
	syscall
	pushfq
	popq %rax
	btq $18, %rax
	expect c
	pushfq
	andq $~0x40000, (%rsp)
	popfq

	/* FS is this thread's. */
	cmpq %rbx, %fs:0
	expect e

	/* So are the SSE registers, whoever runs in between. */
	movq %rbx, %xmm0
	movq %rbx, %xmm15
	movl $200, %r12d
2:	movl $4, %eax
	syscall
	movq %xmm0, %rax
	cmpq %rax, %rbx
	expect e
	movq %xmm15, %rax
	cmpq %rax, %rbx
	expect e
	decl %r12d
	jnz 2b

	movl $5, %eax
	syscall

	/* A thread that never calls gives way by force: each waits for all the others. */
	lock incq USER_DATA
3:	cmpq $3, USER_DATA
	jb 3b
	movl $2, %eax
	syscall
user_code_end:
	.section .note.GNU-stack, "", @progbits
