/*
 * Ways into the kernel and out of it: see uk/trap.h. Each entry builds a struct uk_frame and calls C
 * with its address; C has interrupts off again when it returns.
 *
 * Double fault, NMI and machine check have stacks of their own and may come at an instruction where
 * GS is still the user's although the mode is the kernel's: they ask the register itself.
 */
#include <uk/cpu.h>
#include <uk/layout.h>
#include <uk/trap.h>

#define OFF_RBX 40
#define OFF_R11 48
#define OFF_RCX 112
#define OFF_RIP 136
#define OFF_CS 144
#define OFF_RFLAGS 152
#define MSR_GS_BASE 0xc0000101

	.macro save
	pushq %rcx
	pushq %rax
	pushq %r9
	pushq %r8
	pushq %r10
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	.endm

	.macro restore
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %rdi
	popq %rsi
	popq %rdx
	popq %r10
	popq %r8
	popq %r9
	popq %rax
	popq %rcx
	.endm

	.section .text.trap, "ax", @progbits

	/* One way in of 16 bytes for each vector: vector and, where the processor pushed none, an error
	 * code of 0. */
	.balign 16
	.globl uk_trap_vectors
uk_trap_vectors:
	.set vector, 0
	.rept UK_VECTOR_COUNT
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq $0
	.endif
	pushq $vector
	.if vector == 2 || vector == 8 || vector == 18
	jmp enter_paranoid
	.else
	jmp enter
	.endif
	.set vector, vector + 1
	.endr

	.type enter, @function
enter:
	testb $3, 24(%rsp)
	jz 1f
	swapgs
	save
	/* The processor left SS null. Some AMD processors' SYSRET would hand its attributes on to another
	 * thread; and an emulator that sorts its translations by mode keeps one for both ways in. */
	movl $UK_DS_KERNEL, %eax
	movl %eax, %ss
	jmp 2f
1:	save
2:	movq %rsp, %rdi
	call uk_trap
leave:
	testb $3, OFF_CS(%rsp)
	jz 3f
	swapgs
3:	restore
	addq $16, %rsp
	iretq

	.type enter_paranoid, @function
enter_paranoid:
	save
	movl $MSR_GS_BASE, %ecx
	rdmsr
	xorl %ebx, %ebx
	testl %edx, %edx
	js 1f
	swapgs
	incl %ebx
1:	movq %rsp, %rdi
	call uk_trap_paranoid
	testl %ebx, %ebx
	jz 2f
	swapgs
2:	restore
	addq $16, %rsp
	iretq

	/* Who asks what never changes during the call needs no stack, and nothing that came meanwhile
	 * has to be seen to: interrupts are off until SYSRET. */
	.globl uk_syscall_gate
	.type uk_syscall_gate, @function
uk_syscall_gate:
	cmpq $UK_CALLS_TOLD, %rax
	jae 1f
	cmpb $0, uk_calls_told(%rax)
	je 1f
	movzbl uk_calls_told(%rax), %eax
	movl uk_process - 4(, %rax, 4), %eax
	sysretq
1:	swapgs
	movq %rsp, %gs:UK_CPU_USER_RSP
	movq %gs:UK_CPU_STACK_TOP, %rsp
	pushq $UK_DS_USER
	pushq %gs:UK_CPU_USER_RSP
	pushq %r11
	pushq $UK_CS_USER
	pushq %rcx
	pushq %rax
	pushq $UK_VECTOR_SYSCALL
	save
	xorl %ebp, %ebp
	movq %rsp, %rdi
	call uk_trap_syscall

	/* SYSRET does less than IRET, and with an address that is not canonical it faults in kernel mode
	 * on the user's stack: only where the frame is exactly what it would give back. C has put the
	 * user's segments there. Whatever differs stays in %rax. */
user_out:
	movq OFF_RIP(%rsp), %rcx
	movq %rcx, %rax
	xorq OFF_RCX(%rsp), %rax
	movq %rcx, %rdx
	shrq $47, %rdx
	orq %rdx, %rax
	movq OFF_RFLAGS(%rsp), %r11
	movq %r11, %rdx
	xorq OFF_R11(%rsp), %rdx
	orq %rdx, %rax
	andl $0x10100, %r11d /* resume and trap flags */
	orq %r11, %rax
	jnz leave
	restore
	movq 40(%rsp), %rsp
	swapgs
	sysretq

	/* The frame in %rdi, anywhere: interrupts are off, and what comes all the same has stacks of its
	 * own. This thread's is empty afterwards. */
	.globl uk_frame_leave
	.type uk_frame_leave, @function
uk_frame_leave:
	movq %rdi, %rsp
	jmp user_out

	/* bool uk_read_safe(const uint64_t *from, uint64_t *to): for a backtrace through bad pointers. */
	.globl uk_read_safe
	.type uk_read_safe, @function
uk_read_safe:
1:	movq (%rdi), %rax
	movq %rax, (%rsi)
	movl $1, %eax
	ret
2:	xorl %eax, %eax
	ret
	UK_FIXUP(1b, 2b)

	/* int uk_fpu_restore(state, low, high), int uk_fpu_restore_legacy(state): -UK_EINVAL when the
	 * processor refuses the state. */
	.globl uk_fpu_restore, uk_fpu_restore_legacy
	.type uk_fpu_restore, @function
uk_fpu_restore:
	movl %esi, %eax
1:	xrstor64 (%rdi)
	xorl %eax, %eax
	ret
2:	movl $-22, %eax
	ret
	UK_FIXUP(1b, 2b)
	.type uk_fpu_restore_legacy, @function
uk_fpu_restore_legacy:
3:	fxrstor64 (%rdi)
	xorl %eax, %eax
	ret
	UK_FIXUP(3b, 2b)

	/* struct uk_thread *uk_switch(struct uk_thread *from, struct uk_thread *to): gives back, on the
	 * stack of `to`, who ran before. */
	.globl uk_switch
	.type uk_switch, @function
uk_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq (%rsi), %rsp
	movq %rdi, %rax
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

	/* Where a new thread's first switch returns to. */
	.globl uk_thread_first
	.type uk_thread_first, @function
uk_thread_first:
	movq %rax, %rdi
	xorl %ebp, %ebp
	call uk_thread_begin
	ud2

	.section .bss, "aw", @nobits
	.globl uk_calls_told
uk_calls_told:
	.skip UK_CALLS_TOLD

	.section .bss..stack, "aw", @nobits
	.globl uk_idle_guard, uk_idle_stack_top
	.globl uk_ist_guard_double, uk_ist_double, uk_ist_guard_nmi, uk_ist_nmi
	.balign 4096
uk_idle_guard:
	.skip 4096
	.skip 8192
uk_idle_stack_top:
uk_ist_guard_double:
	.skip 4096
	.skip 8192
uk_ist_double:
uk_ist_guard_nmi:
	.skip 4096
	.skip 4096
uk_ist_nmi:

	.section .note.GNU-stack, "", @progbits
