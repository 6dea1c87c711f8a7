/*
 * How the stories of files are told: a call as it is written, and its result. Included once by each
 * story.
 */
#ifndef FILES_CALLS_H
#define FILES_CALLS_H

#include "files.h"
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#define P(p) ((long)(uintptr_t)(p))
#define CALL6(n, a, b, c, d, e, f)                                                                 \
	w->call(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL5(n, a, b, c, d, e) CALL6(n, a, b, c, d, e, 0)
#define CALL4(n, a, b, c, d) CALL6(n, a, b, c, d, 0, 0)
#define CALL3(n, a, b, c) CALL6(n, a, b, c, 0, 0, 0)
#define CALL2(n, a, b) CALL6(n, a, b, 0, 0, 0, 0)
#define CALL1(n, a) CALL6(n, a, 0, 0, 0, 0, 0)
#define PICK(_1, _2, _3, _4, _5, _6, name, ...) name
#define CALL(n, ...) PICK(__VA_ARGS__, CALL6, CALL5, CALL4, CALL3, CALL2, CALL1, 0)(n, __VA_ARGS__)
/* Tells the call as it is written here, and its result. */
#define TELL(n, ...) w->say("%s(%s) = %ld\n", #n, #__VA_ARGS__, CALL(n, __VA_ARGS__))

/* A file with this text. */
static inline void make_file(const struct world *w, const char *path, const char *text)
{
	long fd = CALL(open, P(path), O_CREAT | O_WRONLY | O_TRUNC, 0644);

	if (fd >= 0) {
		CALL(write, fd, P(text), strlen(text));
		CALL(close, fd);
	}
}

#endif
