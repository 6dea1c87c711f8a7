/*
 * The list of libraries that ldconfig(8) keeps for glibc's loader, read as that reads it (glibc,
 * sysdeps/generic/dl-cache.h: struct cache_file_new, struct file_entry_new). Only entries for
 * x86-64 are seen.
 */
#ifndef UNI_BASE_LDCACHE_H
#define UNI_BASE_LDCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <uni/base/text.h>

#define UNI_LDCACHE_PATH "/etc/ld.so.cache"
#define UNI_LDCACHE_MAX (16u << 20) /* bytes that are worth reading of it */

struct uni_ldcache_entry {
	const char *path; /* borrowed of the file; NULL: it does not end inside */
	bool for_some;	  /* for some processors only: which, the loader knows */
};

/* The next entry of the library `name` from number `*at` on, which is 0 at first and behind that
 * entry afterwards. False when there is none, as in a file that is no such list. */
bool uni_ldcache_next(const struct uni_buf *file, const char *name, size_t *at,
		      struct uni_ldcache_entry *entry);

#endif
