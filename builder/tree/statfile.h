/*
 * The stat cache's file and its image in memory. The file is this machine's own: native byte order,
 * mapped as it is. Behind the header come scopes, records (those of a scope together, sorted by
 * path), and the text that both point into, each string NUL-terminated.
 */
#ifndef UNI_TREE_STATFILE_H
#define UNI_TREE_STATFILE_H

#include <pthread.h>
#include <uni/tree/statcache.h>

#define STATFILE_MAGIC UINT64_C(0x0132746174736e75) /* "unstat2\1" */
#define STATFILE_MAX (UINT64_C(1) << 30)
#define STATFILE_SLACK_NS 1000000000

struct statfile_header {
	uint64_t magic;
	uint64_t checksum; /* of all that follows */
	uint64_t scopes;
	uint64_t records;
	uint64_t text; /* bytes */
};

struct statfile_scope {
	uint64_t name; /* offset in the text */
	uint64_t first;
	uint64_t count;
};

struct statfile_record {
	struct uni_filestat st;
	uint8_t digest[32];
	uint64_t path; /* offset in the text */
};

struct noted {
	struct statfile_record record;
	char *path;
};

struct uni_statscope {
	struct uni_statscope *next;
	const struct uni_statcache *cache;
	char *name;
	const struct statfile_record *records; /* in the file */
	size_t count;
	uint8_t *seen; /* a byte a record */
	size_t seen_count;
	size_t cursor; /* where the next one is looked for first */
	struct noted *noted;
	size_t noted_count, noted_room;
};

struct uni_statcache {
	char *path;
	void *map; /* NULL: empty */
	size_t map_size;
	const struct statfile_scope *scopes;
	size_t scope_count;
	const struct statfile_record *records;
	size_t record_count;
	const char *text;
	size_t text_size;
	pthread_mutex_t lock; /* of the list */
	struct uni_statscope *open;
};

/* Guards against damage, not against intent. */
uint64_t statfile_checksum(const void *data, size_t size);

#endif
