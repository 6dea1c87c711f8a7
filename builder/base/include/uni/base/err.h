/*
 * Errors. What can fail returns int, 0 or one of the negative UNI_E_* below, and takes `struct
 * uni_err *` last (never NULL). The one who finds the trouble sets it; each hop that knows
 * something adds its words in front once; the command line prints it. Libraries never print and
 * never exit.
 */
#ifndef UNI_BASE_ERR_H
#define UNI_BASE_ERR_H

#include <stdarg.h>

enum uni_error {
	UNI_E_NOMEM = -1,	  /* out of memory */
	UNI_E_IO = -2,		  /* input or output failed */
	UNI_E_NOENT = -3,	  /* does not exist */
	UNI_E_EXIST = -4,	  /* exists already */
	UNI_E_INVAL = -5,	  /* is not valid */
	UNI_E_PARSE = -6,	  /* cannot be read as what it should be */
	UNI_E_LIMIT = -7,	  /* is over a limit */
	UNI_E_CORRUPT = -8,	  /* is damaged */
	UNI_E_UNSUPPORTED = -9,	  /* is not supported */
	UNI_E_DENIED = -10,	  /* is not permitted */
	UNI_E_BUSY = -11,	  /* is in use */
	UNI_E_TIMEOUT = -12,	  /* took too long */
	UNI_E_CANCELLED = -13,	  /* was interrupted */
	UNI_E_CHANGED = -14,	  /* changed while it was read */
	UNI_E_NOSPACE = -15,	  /* no space left */
	UNI_E_PROCESS = -16,	  /* a program failed */
	UNI_E_DIFFERS = -17,	  /* differs */
	UNI_E_NETWORK = -18,	  /* the network failed */
	UNI_E_AUTH = -19,	  /* was not authorised */
	UNI_E_USAGE = -20,	  /* usage */
	UNI_E_MISSING_TOOL = -21, /* a needed program or library is missing */
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

#endif
