/*
 * Errors. What can fail returns int, 0 or one of the negative UNI_E_* below, and takes `struct
 * uni_err *` last (never NULL). The one who finds the trouble sets it; each hop that knows
 * something adds its words in front once; the command line prints it. Libraries never print and
 * never exit.
 */
#ifndef UNI_BASE_ERR_H
#define UNI_BASE_ERR_H

#include <stdarg.h>

/* X(name, value, text): codes and texts in one list. */
#define UNI_ERR_LIST(X)                                                                            \
	X(NOMEM, -1, "out of memory")                                                              \
	X(IO, -2, "input or output failed")                                                        \
	X(NOENT, -3, "does not exist")                                                             \
	X(EXIST, -4, "exists already")                                                             \
	X(INVAL, -5, "is not valid")                                                               \
	X(PARSE, -6, "cannot be read as what it should be")                                        \
	X(LIMIT, -7, "is over a limit")                                                            \
	X(CORRUPT, -8, "is damaged")                                                               \
	X(UNSUPPORTED, -9, "is not supported")                                                     \
	X(DENIED, -10, "is not permitted")                                                         \
	X(BUSY, -11, "is in use")                                                                  \
	X(TIMEOUT, -12, "took too long")                                                           \
	X(CANCELLED, -13, "was interrupted")                                                       \
	X(CHANGED, -14, "changed while it was read")                                               \
	X(NOSPACE, -15, "no space left")                                                           \
	X(PROCESS, -16, "a program failed")                                                        \
	X(DIFFERS, -17, "differs")                                                                 \
	X(NETWORK, -18, "the network failed")                                                      \
	X(AUTH, -19, "was not authorised")                                                         \
	X(USAGE, -20, "usage")                                                                     \
	X(MISSING_TOOL, -21, "a needed program or library is missing")

enum uni_error {
#define X(name, value, text) UNI_E_##name = (value),
	UNI_ERR_LIST(X)
#undef X
};

struct uni_err {
	int code;	 /* 0 or UNI_E_* */
	char text[1536]; /* one line (a child's output may add more); cut with "..." when too long
			  */
	char hint[512];	 /* what to do about it, or empty */
};

#define UNI_ERR_INIT                                                                               \
	{                                                                                          \
		.code = 0                                                                          \
	}

/* Sets code and text, clears the hint; returns `code`. */
int uni_err_set(struct uni_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same from the current errno: code by its meaning (ENOENT -> NOENT, ENOSPC and EDQUOT ->
 * NOSPACE, ...), text as formatted, then ": " and strerror. */
int uni_err_errno(struct uni_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "words: " in front of the text; returns err->code, so that `return uni_err_context(...)`
 * reads well. */
int uni_err_context(struct uni_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What to do about it; returns err->code. */
int uni_err_hint(struct uni_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void uni_err_clear(struct uni_err *err);
/* The list's text for a code. */
const char *uni_err_name(int code);

#endif
