/*
 * Memory. Small allocations do not fail: when the system has none left, the process ends through
 * the handler that the command line installs (it removes temporary files first). Whatever is sized
 * by outside input goes through uni_try_alloc, which reports. All are released with free(3), or by
 * the cleanup attributes here.
 */
#ifndef UNI_BASE_MEM_H
#define UNI_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <uni/base/err.h>

/* For what no caller could go on without: memory, and the library that hashes. The handler says why
 * and ends the process; without one it is aborted. */
void uni_set_end_handler(void (*handler)(const char *why));
void uni_end(const char *why) __attribute__((noreturn));

void *uni_alloc(size_t size);			  /* zeroed */
void *uni_alloc_array(size_t count, size_t size); /* zeroed, overflow checked */
void *uni_realloc_array(void *old, size_t count, size_t size);
char *uni_strdup(const char *text);
char *uni_strndup(const char *text, size_t size);
void *uni_memdup(const void *data, size_t size);
char *uni_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* NULL with UNI_E_NOMEM or UNI_E_LIMIT (above `limit`) in `err`; not zeroed. `what` names the
 * object. */
void *uni_try_alloc(uint64_t size, uint64_t limit, const char *what, struct uni_err *err);

static inline void uni_free_ptr(void *p)
{
	free(*(void **)p);
}
void uni_close_fd(int *fd); /* closes when >= 0 */

/* The descriptor, which a cleanup then leaves open. */
static inline int uni_take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

#define UNI_AUTO_FREE __attribute__((cleanup(uni_free_ptr)))
#define UNI_AUTO_CLOSE __attribute__((cleanup(uni_close_fd)))
/* Defines a cleanup for a type with TYPE_free(TYPE *): struct uni_x *x UNI_AUTO(uni_x) = NULL; */
#define UNI_AUTO_DEFINE(name)                                                                      \
	static inline void name##_auto_free(struct name **p)                                       \
	{                                                                                          \
		name##_free(*p);                                                                   \
	}
#define UNI_AUTO(name) __attribute__((cleanup(name##_auto_free)))

#define UNI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Grows `*items` (count used, cap room) so that one more fits; doubling. */
#define UNI_PUSH_ROOM(items, count, cap)                                                           \
	do {                                                                                       \
		if ((count) == (cap)) {                                                            \
			(cap) = (cap) != 0 ? (cap)*2 : 8;                                          \
			(items) = uni_realloc_array((items), (cap), sizeof(*(items)));             \
		}                                                                                  \
	} while (0)

#endif
