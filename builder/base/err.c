/*
 * Error values: one code, one line of text that grows context in front, one hint. Nothing is
 * allocated, so that the end of memory can be reported as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/err.h>

/* Marks a text that snprintf had to cut, without leaving half a UTF-8 character before the dots. */
static void mark_cut(char *text, size_t room, int wanted)
{
	if (wanted >= 0 && (size_t)wanted < room)
		return;
	size_t end = room - sizeof("...");
	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, "...", sizeof("..."));
}

int uni_err_set(struct uni_err *err, int code, const char *fmt, ...)
{
	/* The arguments may point into *err. */
	char text[sizeof(err->text)];
	va_list args;
	va_start(args, fmt);
	mark_cut(text, sizeof(text), vsnprintf(text, sizeof(text), fmt, args));
	va_end(args);
	memcpy(err->text, text, sizeof(text));
	err->hint[0] = '\0';
	err->code = code;
	return code;
}

static int code_of_errno(int number)
{
	switch (number) {
	case ENOMEM:
		return UNI_E_NOMEM;
	case ENOENT:
	case ENOTDIR:
		return UNI_E_NOENT;
	case EEXIST:
	case ENOTEMPTY:
		return UNI_E_EXIST;
	case EINVAL:
	case EISDIR:
	case ELOOP:
		return UNI_E_INVAL;
	case ENAMETOOLONG:
	case EFBIG:
	case EOVERFLOW:
	case EMFILE:
	case ENFILE:
		return UNI_E_LIMIT;
	case EOPNOTSUPP:
	case ENOSYS:
		return UNI_E_UNSUPPORTED;
	case EACCES:
	case EPERM:
	case EROFS:
		return UNI_E_DENIED;
	case EBUSY:
	case EWOULDBLOCK:
	case ETXTBSY:
		return UNI_E_BUSY;
	case ETIMEDOUT:
		return UNI_E_TIMEOUT;
	case EINTR:
	case ECANCELED:
		return UNI_E_CANCELLED;
	case ENOSPC:
	case EDQUOT:
		return UNI_E_NOSPACE;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return UNI_E_NETWORK;
	default:
		return UNI_E_IO;
	}
}

int uni_err_errno(struct uni_err *err, const char *fmt, ...)
{
	int number = errno;
	char reason[128];
	char text[sizeof(err->text) - sizeof(reason)]; /* a long path leaves room for the reason */
	va_list args;
	va_start(args, fmt);
	mark_cut(text, sizeof(text), vsnprintf(text, sizeof(text), fmt, args));
	va_end(args);
	/* The GNU strerror_r is the one with thread safety and a result for every number. */
	return uni_err_set(err, code_of_errno(number), "%s: %s", text,
			   strerror_r(number, reason, sizeof(reason)));
}

int uni_err_context(struct uni_err *err, const char *fmt, ...)
{
	char words[sizeof(err->text)];
	char text[sizeof(err->text)];
	va_list args;
	va_start(args, fmt);
	mark_cut(words, sizeof(words), vsnprintf(words, sizeof(words), fmt, args));
	va_end(args);
	mark_cut(text, sizeof(text), snprintf(text, sizeof(text), "%s: %s", words, err->text));
	memcpy(err->text, text, sizeof(text));
	return err->code;
}

int uni_err_hint(struct uni_err *err, const char *fmt, ...)
{
	char hint[sizeof(err->hint)];
	va_list args;
	va_start(args, fmt);
	mark_cut(hint, sizeof(hint), vsnprintf(hint, sizeof(hint), fmt, args));
	va_end(args);
	memcpy(err->hint, hint, sizeof(hint));
	return err->code;
}

void uni_err_clear(struct uni_err *err)
{
	err->code = 0;
	err->text[0] = '\0';
	err->hint[0] = '\0';
}
