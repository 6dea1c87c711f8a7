/*
 * Tracing: a line on the console for each system call, read by people who know strace.
 */
#include "sys.h"
#include <uk/io.h>
#include <uk/process.h>
#include <uk/user.h>

enum { LINE_MAX = 512, STRING_MAX = 64 };

struct line {
	char text[LINE_MAX];
	size_t size;
};

static void add(struct line *l, const char *fmt, ...) UK_PRINTF(2, 3);
static void add(struct line *l, const char *fmt, ...)
{
	__builtin_va_list args;
	int wanted;

	__builtin_va_start(args, fmt);
	wanted = uk_vsnprintf(l->text + l->size, sizeof(l->text) - l->size, fmt, args);
	__builtin_va_end(args);
	if (wanted > 0)
		l->size = UK_MIN(l->size + (size_t)wanted, sizeof(l->text) - 1);
}

static void add_string(struct line *l, uint64_t user)
{
	char text[STRING_MAX + 1];
	int64_t length = uk_string_from_user(text, user, sizeof(text));

	if (length == -UK_EFAULT) {
		add(l, "0x%lx", (unsigned long)user);
		return;
	}
	text[STRING_MAX] = '\0';
	add(l, "\"%s\"%s", text, length < 0 ? "..." : "");
}

static void add_argument(struct line *l, char kind, uint64_t value)
{
	switch (kind) {
	case 'd':
	case 'f':
		add(l, "%d", (int)value);
		break;
	case 'z':
	case 'o':
		add(l, "%lu", (unsigned long)value);
		break;
	case 's':
		add_string(l, value);
		break;
	case 'p':
		if (value == 0)
			add(l, "NULL");
		else
			add(l, "0x%lx", (unsigned long)value);
		break;
	default:
		add(l, "0x%lx", (unsigned long)value);
		break;
	}
}

enum { FIRST_OF_SOCKETS = 88 }; /* ENOTSOCK */

/* Errors 1 to 40 and those of sockets, 88 to 115, by name. */
static const char *error_name(int64_t error)
{
	static const char names[] =
		"EPERM\0ENOENT\0ESRCH\0EINTR\0EIO\0ENXIO\0E2BIG\0ENOEXEC\0EBADF\0ECHILD\0EAGAIN\0"
		"ENOMEM\0EACCES\0EFAULT\0ENOTBLK\0EBUSY\0EEXIST\0EXDEV\0ENODEV\0ENOTDIR\0EISDIR\0"
		"EINVAL\0ENFILE\0EMFILE\0ENOTTY\0ETXTBSY\0EFBIG\0ENOSPC\0ESPIPE\0EROFS\0EMLINK\0"
		"EPIPE\0EDOM\0ERANGE\0EDEADLK\0ENAMETOOLONG\0ENOLCK\0ENOSYS\0ENOTEMPTY\0ELOOP\0";
	static const char of_sockets[] =
		"ENOTSOCK\0EDESTADDRREQ\0EMSGSIZE\0EPROTOTYPE\0ENOPROTOOPT\0EPROTONOSUPPORT\0"
		"ESOCKTNOSUPPORT\0EOPNOTSUPP\0EPFNOSUPPORT\0EAFNOSUPPORT\0EADDRINUSE\0"
		"EADDRNOTAVAIL\0ENETDOWN\0ENETUNREACH\0ENETRESET\0ECONNABORTED\0ECONNRESET\0"
		"ENOBUFS\0EISCONN\0ENOTCONN\0ESHUTDOWN\0ETOOMANYREFS\0ETIMEDOUT\0"
		"ECONNREFUSED\0EHOSTDOWN\0EHOSTUNREACH\0EALREADY\0EINPROGRESS\0";
	const char *name = names;

	if (error == UK_ERESTARTSYS || error == UK_ERESTARTNOHAND)
		return "broken off";
	if (error >= FIRST_OF_SOCKETS && error <= UK_EINPROGRESS) {
		name = of_sockets;
		error -= FIRST_OF_SOCKETS - 1;
	} else if (error < 1 || error > UK_ELOOP) {
		return "";
	}
	while (--error > 0)
		name += strlen(name) + 1;
	return name;
}

void uk_trace_call(const char *name, const char *trace, const struct uk_sysargs *s, int64_t result,
		   bool returns)
{
	struct line l = { .size = 0 };

	add(&l, "[%d] %s(", uk_task_self()->tid, name);
	for (unsigned i = 0; trace != NULL && i < UK_COUNT(s->a) && trace[i] != '\0'; i++) {
		if (i > 0)
			add(&l, ", ");
		add_argument(&l, trace[i], s->a[i]);
	}
	if (!returns)
		add(&l, ") = ?");
	else if (result < 0 && result > -4096)
		add(&l, ") = -1 %s", error_name(-result));
	else if (result > 0xffff)
		add(&l, ") = 0x%lx", (unsigned long)result);
	else
		add(&l, ") = %ld", (long)result);
	l.size = UK_MIN(l.size, sizeof(l.text) - 2);
	l.text[l.size++] = '\n';
	uk_console_write(l.text, l.size);
}
