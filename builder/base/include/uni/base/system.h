/*
 * The one place that reads the clock, the environment, randomness, and the number of processors;
 * cancellation; and shared libraries that are loaded on first use.
 */
#ifndef UNI_BASE_SYSTEM_H
#define UNI_BASE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/err.h>

int64_t uni_clock_now(void);			   /* seconds since 1970 */
int64_t uni_clock_now_ns(void);			   /* to compare with file times */
uint64_t uni_clock_mono_ns(void);		   /* for durations */
int uni_wait_ms(unsigned ms, struct uni_err *err); /* UNI_E_CANCELLED when cut short */
const char *uni_env(const char *name);		   /* NULL when absent or empty */
void uni_random(void *data, size_t size);
unsigned uni_processors(void); /* at least 1; obeys affinity and UNI_JOBS */
/* XDG folders, created by nobody here: $XDG_CACHE_HOME/uni or ~/.cache/uni, and so on. Owned by the
 * caller. */
char *uni_dir_cache(void); /* UNI_CACHE overrides */
char *uni_dir_state(void);
char *uni_dir_config(void);
char *uni_dir_self(void); /* folder of the running executable */

/* Set by the command line's signal handler; long loops look at it. */
extern volatile int uni_cancelled;
/* UNI_E_CANCELLED when set, UNI_E_TIMEOUT when the deadline has passed. */
int uni_check_cancel(struct uni_err *err);
/* All that this process does must be done in so many seconds; 0: no limit. Before any thread. */
void uni_deadline_set(unsigned seconds);

/*
 * Loads `soname` and fills `table`, an array of `count` function pointers, from `names`. Loaded
 * once, kept. UNI_E_MISSING_TOOL names library and symbol. Callers keep one static table for each
 * library, e.g. #define FNS(X) X(archive_write_new) X(archive_write_free) static struct {
 * FNS(UNI_LAZY_FIELD) } lib;  static const char *const names[] = { FNS(UNI_LAZY_NAME) };
 */
#define UNI_LAZY_FIELD(fn) __typeof__(&fn) fn;
#define UNI_LAZY_NAME(fn) #fn,
int uni_lazy_load(const char *soname, const char *const *names, size_t count, void *table,
		  struct uni_err *err);
/* The file that such a library comes from, links resolved: it is an input where its bytes matter.
 * Owned by the caller. */
int uni_lazy_file(const char *soname, char **path, struct uni_err *err);

#endif
