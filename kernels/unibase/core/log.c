/*
 * The kernel's log: lines on the console, with the time where it is known or may be asked for (a
 * panic does not start a clock).
 */
#include <uk/clock.h>
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>

#define LINE_MAX 512
#define RFLAGS_IF 0x200

enum uk_log_level uk_log_max = UK_LOG_WARN;
void (*uk_console_tap)(int level, const char *data, size_t size);

void uk_log(enum uk_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX];
	__builtin_va_list args;
	int at, text, size;

	if (level > uk_log_max)
		return;
	at = uk_snprintf(line, sizeof(line), "uni: ");
	if (uk_clock_running() || (uk_rflags() & RFLAGS_IF)) {
		unsigned long us = uk_time_mono() / 1000;

		at += uk_snprintf(line + at, sizeof(line) - (size_t)at, "[%lu.%06lu] ",
				  us / 1000000, us % 1000000);
	}
	text = at;
	__builtin_va_start(args, fmt);
	size = at + uk_vsnprintf(line + at, sizeof(line) - (size_t)at, fmt, args);
	__builtin_va_end(args);
	if (size > LINE_MAX - 2)
		size = LINE_MAX - 2;
	if (uk_console_tap != NULL)
		uk_console_tap((int)level, line + text, (size_t)(size - text));
	line[size++] = '\n';
	uk_console_write(line, (size_t)size);
}
