/*
 * The kernel's log: lines on the console.
 */
#include <uk/io.h>
#include <uk/log.h>

#define LINE_MAX 512

enum uk_log_level uk_log_max = UK_LOG_WARN;

void uk_log(enum uk_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX];
	__builtin_va_list args;
	int at, size;

	if (level > uk_log_max)
		return;
	at = uk_snprintf(line, sizeof(line), "uni: ");
	__builtin_va_start(args, fmt);
	size = at + uk_vsnprintf(line + at, sizeof(line) - (size_t)at, fmt, args);
	__builtin_va_end(args);
	if (size > LINE_MAX - 2)
		size = LINE_MAX - 2;
	line[size++] = '\n';
	uk_console_write(line, (size_t)size);
}
