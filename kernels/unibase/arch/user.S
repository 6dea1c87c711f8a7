/*
 * The only instructions that touch the program's memory. Each may fault: uk_user_fault maps the
 * page and they go on, or they end at their fixup and say what is left. Between uk_user_nofault and
 * its end nothing is mapped: such code runs with a spinlock held. AC is set only here (SMAP).
 */
#include <uk/trap.h>

	.section .text.user, "ax"

	.macro open
	cmpb	$0, uk_user_smap(%rip)
	je	.Lopen\@
	stac
.Lopen\@:
	.endm
	.macro close
	cmpb	$0, uk_user_smap(%rip)
	je	.Lclose\@
	clac
.Lclose\@:
	.endm

/* size_t uk_user_copy(void *to, const void *from, size_t size): bytes not copied. */
	.globl	uk_user_copy
uk_user_copy:
	open
	movq	%rdx, %rcx
	andl	$7, %edx
	shrq	$3, %rcx
1:	rep movsq
	movl	%edx, %ecx
2:	rep movsb
copied:
	movq	%rcx, %rax
	close
	ret
3:	leaq	(%rdx, %rcx, 8), %rcx	/* byte by byte up to the page that is missing */
	jmp	2b
	UK_FIXUP(1b, 3b)
	UK_FIXUP(2b, copied)

/* size_t uk_user_zero(void *to, size_t size): bytes not cleared. */
	.globl	uk_user_zero
uk_user_zero:
	open
	movq	%rsi, %rcx
	movl	%esi, %edx
	andl	$7, %edx
	shrq	$3, %rcx
	xorl	%eax, %eax
1:	rep stosq
	movl	%edx, %ecx
2:	rep stosb
	jmp	copied
3:	leaq	(%rdx, %rcx, 8), %rcx
	jmp	2b
	UK_FIXUP(1b, 3b)
	UK_FIXUP(2b, copied)

/* ssize_t uk_user_string(char *to, const char *from, size_t room): length without NUL; `room` when
 * there is none; -1 after a fault. */
	.globl	uk_user_string
uk_user_string:
	open
	xorl	%ecx, %ecx
1:	cmpq	%rdx, %rcx
	je	3f
2:	movb	(%rsi, %rcx), %al
	movb	%al, (%rdi, %rcx)
	testb	%al, %al
	je	3f
	incq	%rcx
	jmp	1b
4:	movq	$-1, %rcx
3:	movq	%rcx, %rax
	close
	ret
	UK_FIXUP(2b, 4b)

	.globl	uk_user_nofault_start, uk_user_nofault_end
uk_user_nofault_start:
/* int uk_user_load32(uint32_t *value, const uint32_t *from): 0, or -1 after a fault. */
	.globl	uk_user_load32
uk_user_load32:
	open
	xorl	%eax, %eax
1:	movl	(%rsi), %edx
	movl	%edx, (%rdi)
2:	close
	ret
3:	movl	$-1, %eax
	jmp	2b
	UK_FIXUP(1b, 3b)

/* int uk_user_swap32(uint32_t *at, uint32_t *expected, uint32_t value): compare and exchange; what
 * was there goes to *expected. 0, or -1 after a fault. */
	.globl	uk_user_swap32
uk_user_swap32:
	open
	movl	(%rsi), %eax
1:	lock cmpxchgl %edx, (%rdi)
	movl	%eax, (%rsi)
	xorl	%eax, %eax
2:	close
	ret
3:	movl	$-1, %eax
	jmp	2b
	UK_FIXUP(1b, 3b)
uk_user_nofault_end:
