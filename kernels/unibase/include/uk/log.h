/*
 * Kernel log, panic, and the ends of a machine. core/log.c, core/panic.c, core/exit.c.
 */
#ifndef UK_LOG_H
#define UK_LOG_H

#include <uk/types.h>

enum uk_log_level { UK_LOG_ERROR, UK_LOG_WARN, UK_LOG_NOTICE, UK_LOG_DEBUG };
extern enum uk_log_level
	uk_log_max; /* from the boot configuration; errors and warnings by default */

/* One line "uni: [seconds] text" to the console when `level` <= uk_log_max; a newline is added. */
void uk_log(enum uk_log_level level, const char *fmt, ...) UK_PRINTF(2, 3);

/* Registers, backtrace with symbols, exit record, end of the machine. */
void uk_panic(const char *fmt, ...) UK_PRINTF(1, 2) UK_NORETURN;
#define uk_assert(cond)                                                                            \
	do {                                                                                       \
		if (uk_unlikely(!(cond)))                                                          \
			uk_panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);        \
	} while (0)

/* Ends the machine: file systems synced by the caller; exit record, debug exit, ACPI power-off,
 * halt. kind and status as in <uni/abi/exit.h>. */
void uk_machine_end(unsigned kind, int status, uint64_t ip, uint64_t address,
		    const char *text) UK_NORETURN;
/* The same, but the machine starts again where something can do that. */
void uk_machine_restart(unsigned kind, int status, uint64_t ip, uint64_t address,
			const char *text) UK_NORETURN;
/* All ways there are, in order; they come back when nothing happens. drivers/power.c */
void uk_power_off(void);
void uk_power_reset(void);
/* The hypervisor's own way, tried before those: it is told how the machine ended, and whether it is
 * to start again. */
struct uni_exit_record;
void uk_end_register(void (*fn)(const struct uni_exit_record *record, bool again));

#endif
