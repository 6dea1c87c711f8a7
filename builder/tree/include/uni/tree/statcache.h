/*
 * Remembers the SHA-256 of files by what stat says of them, in one file, so that a build with
 * nothing changed reads no content. A record holds for a file only as long as device, inode, size,
 * modification and change time are the same, and none is kept of a file that changed within a
 * second before it was hashed: a second change could have left the same times ("racy git").
 *
 * Records belong to scopes, one for each tree or list of files of a recipe. What a scope is asked
 * for and told in one run is what is kept of it; scopes that were not opened stay as they are.
 * Scopes of one cache may be used by several threads, each by one at a time.
 */
#ifndef UNI_TREE_STATCACHE_H
#define UNI_TREE_STATCACHE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <uni/base/digest.h>
#include <uni/base/mem.h>

struct uni_filestat {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};
struct uni_filestat uni_filestat_of(const struct stat *st);
bool uni_filestat_eq(const struct uni_filestat *a, const struct uni_filestat *b);

struct uni_statcache;
struct uni_statscope;

/* A file that is absent or damaged is an empty cache: it only costs time. */
struct uni_statcache *uni_statcache_new(const char *path);
/* Writes it, atomically, when anything is new or gone. */
int uni_statcache_save(struct uni_statcache *cache, struct uni_err *err);
void uni_statcache_free(struct uni_statcache *cache); /* with its scopes */
UNI_AUTO_DEFINE(uni_statcache)

/* Owned by the cache. The same name gives the same scope. */
struct uni_statscope *uni_statcache_scope(struct uni_statcache *cache, const char *name);
/* Fastest when asked in the order of uni_tree_path_cmp. */
bool uni_statscope_find(struct uni_statscope *scope, const char *path,
			const struct uni_filestat *st, struct uni_digest *digest);
/* `hashed_at_ns`: uni_clock_now_ns() behind the last read. */
void uni_statscope_note(struct uni_statscope *scope, const char *path,
			const struct uni_filestat *st, int64_t hashed_at_ns,
			const struct uni_digest *digest);
/* Digest of a regular file, from the cache or its content; UNI_E_CHANGED when it moves meanwhile.
 * `scope` may be NULL, `size` too. */
int uni_statscope_digest_file(struct uni_statscope *scope, const char *path, uint64_t *size,
			      struct uni_digest *digest, struct uni_err *err);

#endif
