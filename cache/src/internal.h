/*
 * Inside the store. Layout of a place (PATH/v1):
 *
 *   limit              bytes that blobs may take, where somebody set it
 *   usage              bytes that they took when they were last counted, and what came since
 *   lock               held shared while something is looked up or published, exclusive by gc
 *   keys               one byte range a step key, locked while the step is made
 *   blobs/a/bcdef...   content
 *   results/a/bcdef... records by step key
 *   refs/NAME...       records by name
 *   leases/ID          what a process uses: digests, 32 bytes each; locked as long as it lives
 *   tmp/ID.N           files in the making, of the process with that lease
 *
 * All locks are "open file description" locks: they vanish with their holder and do not mix up
 * threads.
 */
#ifndef UNI_CACHE_INTERNAL_H
#define UNI_CACHE_INTERNAL_H

#include <pthread.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/cache/store.h>

#define STORE_RECORD_MAX (64u << 20) /* bytes of a record file */
#define STORE_NAME_MAX 4096
#define STORE_PATH_ROOM 96 /* "results/" and a digest, or "blobs/" and one */
#define STORE_SEALED 0444  /* the mode of what is in the store; it never changes again */

/* A folder with the layout above, open for the store's life. */
struct store_place {
	char *path;
	int fd; /* O_PATH folder */
	bool writable;
	bool shared; /* a group's: what is made here may be replaced and removed by its members */
};

/* Digests, for membership only. */
struct store_set {
	struct uni_digest *slots;
	bool *used;
	size_t count, room; /* room is a power of two */
};

struct uni_store {
	char *path; /* as asked for */
	/* The first is where things are published; a second one is a store that we may only read.
	 */
	struct store_place places[2];
	size_t place_count;
	char *scratch; /* temporary folder that holds places[0], or NULL */
	const struct uni_events *events;
	pthread_mutex_t mutex; /* of what follows */
	int lock_fd;
	unsigned lock_users;
	bool pinned; /* leases cannot be written: the lock is kept instead */
	int lease_fd;
	char lease_id[17];
	struct store_set leased;
	uint64_t next_tmp;
	uint64_t published;	      /* bytes of blobs that were not there before */
	struct uni_store_entry empty; /* the blob of no bytes, once it was put */
	bool has_empty;
};

/* lease.c */
bool store_set_add(struct store_set *set, const struct uni_digest *digest); /* false: was there */
bool store_set_has(const struct store_set *set, const struct uni_digest *digest);
void store_set_free(struct store_set *set);
int store_lock_range(int fd, short type, int64_t start, int64_t length, bool wait, const char *name,
		     struct uni_err *err);
/* Between enter and leave gc takes nothing. What is found in between must be leased there to last.
 */
int store_enter(struct uni_store *store, struct uni_err *err);
void store_leave(struct uni_store *store);
/* Entered only. */
void store_lease(struct uni_store *store, const struct uni_digest *digests, size_t count);
int store_lease_start(struct uni_store *store, struct uni_err *err);
void store_lease_end(struct uni_store *store);
/* With the lock held exclusively: what living processes hold, and what dead ones left behind. */
int store_lease_read(const struct store_place *place, struct store_set *leased, bool clean,
		     struct uni_err *err);

/* share.c: modes of what is made, as the place's own folder has them. */
bool store_shared_mode(mode_t mode); /* a folder's: is it a group's? */
void store_share_file(const struct store_place *place, int fd);
/* `path` and what lies between it and the place, which were made just now. */
void store_share_folders(const struct store_place *place, const char *path);

/* limit.c: at the end of a store that published something, when its leases are over. */
void store_limit_keep(struct uni_store *store);
/* Under the exclusive lock: what was counted. */
void store_usage_set(const struct store_place *place, uint64_t bytes);
/* collect.c: UNI_E_BUSY, where it does not wait, when the store is in use. */
int store_collect(struct uni_store *store, const struct uni_store_gc_options *options, bool wait,
		  struct uni_store_gc_report *report, struct uni_err *err);

/* store.c: a file in tmp, for this process to fill by `fd`. */
int store_tmp(struct uni_store *store, char **path, int *fd, struct uni_err *err);
/* Gives a file, which looks as `st`, the mode of what is in the store. */
int store_seal(int fd, const struct stat *st, const char *name, struct uni_err *err);
/* Moves `tmp` to `name` in the place we write to, making the folder that it wants. */
int store_publish(struct uni_store *store, const char *tmp, const char *name, struct uni_err *err);

/* blob.c */
void store_blob_name(const struct uni_digest *digest, char out[STORE_PATH_ROOM]);
void store_result_name(const struct uni_digest *key, char out[STORE_PATH_ROOM]);
void store_stamp(const struct stat *st, struct uni_store_stamp *stamp);
/*
 * Looks whether the blob is there and whole. 1: yes (`place` says where, `restamped` is set when
 * the entry's stamp was brought up to date), 0: no, negative: error.
 */
int store_blob_check(struct uni_store *store, struct uni_store_entry *blob,
		     const struct store_place **place, bool *restamped, struct uni_err *err);
/* Whether a blob's file is what `expected` says, read as that knows it. 1: yes, 0: no, or it cannot
 * be read; negative: who looked was stopped, or has no memory. */
int store_blob_look(int fd, const struct uni_digest *expected, const char *name, uint64_t *size,
		    struct uni_err *err);
/* Removes a damaged blob, if it is still the file that was looked at, and warns. */
void store_blob_drop(struct uni_store *store, const struct store_place *place,
		     const struct uni_digest *digest, uint64_t inode);

/* record.c */
int store_record_encode(const struct uni_store_record *record, struct uni_buf *out,
			struct uni_err *err);
int store_record_parse(const char *text, size_t size, const char *name,
		       struct uni_store_record *record, struct uni_err *err);
/* 1: read (times of the file in `st`), 0: absent, UNI_E_CORRUPT: not a record. `touch` makes its
 * time of use now. */
int store_record_read(const struct store_place *place, const char *name, bool touch,
		      struct uni_store_record *record, struct stat *st, struct uni_err *err);
/* `lasting`: the disk has it, and its blobs, before it has its name. */
int store_record_write(struct uni_store *store, const char *name,
		       const struct uni_store_record *record, bool lasting, struct uni_err *err);

/* flush.c: waits until the disk has all blobs of the record, with their names... */
int store_flush_blobs(const struct uni_store *store, const struct uni_store_record *record,
		      struct uni_err *err);
/* ...or all folders on the way to `name`. */
int store_flush_name(const struct uni_store *store, const char *name, struct uni_err *err);

/* list.c: calls for each digest-named file below "blobs" or "results" of a place, sorted. `name` is
 * its path in the place. Strange files are given with `digest` NULL. */
typedef int store_walk_fn(void *user, const char *name, const struct uni_digest *digest,
			  struct uni_err *err);
int store_walk(const struct store_place *place, const char *kind, store_walk_fn *fn, void *user,
	       struct uni_err *err);
/* ref.c: reference names of one place, sorted. */
int store_ref_names(const struct store_place *place, const char *prefix, struct uni_strv *names,
		    struct uni_err *err);

#endif
