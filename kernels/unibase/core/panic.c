/*
 * When the kernel cannot go on.
 */
#include <uk/cpu.h>
#include <uk/log.h>
#include <uni/abi/exit.h>

void __stack_chk_fail(void) UK_NORETURN;

void uk_panic(const char *fmt, ...)
{
	char text[160];
	__builtin_va_list args;

	uk_irq_off();
	__builtin_va_start(args, fmt);
	uk_vsnprintf(text, sizeof(text), fmt, args);
	__builtin_va_end(args);
	uk_log(UK_LOG_ERROR, "kernel panic: %s", text);
	uk_machine_end(UNI_EXIT_PANIC, 0, (uint64_t)__builtin_return_address(0), 0, text);
}

/* The compiler calls it when a function's canary was overwritten. */
void __stack_chk_fail(void)
{
	uk_panic("stack smashed");
}
