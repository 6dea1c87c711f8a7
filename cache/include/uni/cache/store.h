/*
 * The content-addressed store: a folder that several builds use at once and that survives being
 * killed at any moment.
 *
 * A blob is a file named by the SHA-256 of its content (of its map when it is sparse), read-only,
 * written under a temporary name and renamed when it is whole. A record is a list of named blobs
 * with a line of text; records are found by a step's key (results: they may go at any time and are
 * made again) or by a name (references: they stay until removed). A record remembers size, times
 * and inode that each of its blobs had when it was published, so that using one costs a stat; when
 * they differ the blob is hashed, and one that is damaged is dropped and counts as absent.
 *
 * What a process publishes or looks up is leased to it until its store is freed or it dies:
 * collection never takes it. References and their blobs are flushed to the disk; nothing else is:
 * after a loss of power the stat or the hash finds what is missing.
 *
 * When the folder cannot be written, what is published goes to a temporary folder that ends with
 * the store, and a warning says so. A store may be used from several threads.
 *
 * A store whose folder belongs to a group and has mode 2770 or 2775 is that group's: what is made
 * in it has modes by which every member can use, replace and collect it.
 *
 * Content leaves the store by reflink or copy, never as a hard link.
 */
#ifndef UNI_CACHE_STORE_H
#define UNI_CACHE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/event.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>

struct uni_store;

/* `path` NULL: uni_dir_cache(). Creates what is missing. `events` (or NULL) is borrowed and gets
 * warnings. */
int uni_store_open(struct uni_store **store, const char *path, const struct uni_events *events,
		   struct uni_err *err);
void uni_store_free(struct uni_store *store); /* ends the leases */
UNI_AUTO_DEFINE(uni_store)
const char *uni_store_path(const struct uni_store *store);
/* A folder beside the blobs for what others keep there; made when it is missing and can be. Owned
 * by the caller. */
char *uni_store_folder(const struct uni_store *store, const char *name);

/* What tells cheaply that a blob is still the file that was published. */
struct uni_store_stamp {
	uint64_t inode;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
};

bool uni_store_stamp_eq(const struct uni_store_stamp *a, const struct uni_store_stamp *b);

struct uni_store_entry {
	char *name; /* in its record; owned by it. No newline, at most 4096 bytes. */
	uint64_t size;
	struct uni_digest digest;
	bool mapped; /* the digest is of its map: it is sparse (uni/base/mapdigest.h) */
	struct uni_store_stamp stamp;
};

struct uni_store_record {
	struct uni_store_entry *entries;
	size_t count, room;
	char *meta; /* text of the one who made the record, or NULL */
};
#define UNI_STORE_RECORD_INIT                                                                      \
	{                                                                                          \
		.entries = NULL                                                                    \
	}
#define UNI_AUTO_STORE_RECORD __attribute__((cleanup(uni_store_record_free)))
void uni_store_record_free(struct uni_store_record *record); /* may be used again afterwards */
/* Adds a blob as it came out of a commit or another record, under `name`. */
void uni_store_record_add(struct uni_store_record *record, const char *name,
			  const struct uni_store_entry *blob);
/* NULL when there is none of that name. Part of the record. */
struct uni_store_entry *uni_store_record_find(const struct uni_store_record *record,
					      const char *name);

/* A blob in the making: a temporary file in the store. Free without commit removes it. */
struct uni_store_writer;
int uni_store_writer_open(struct uni_store_writer **writer, struct uni_store *store,
			  struct uni_err *err);
int uni_store_writer_fd(const struct uni_store_writer *writer);
const char *uni_store_writer_path(struct uni_store_writer *writer); /* for children */
/* Publishes. `known`: the digest when the caller has hashed what it wrote, else NULL. `blob` (its
 * name NULL) is what goes into records. */
int uni_store_writer_commit(struct uni_store_writer *writer, const struct uni_digest *known,
			    struct uni_store_entry *blob, struct uni_err *err);
void uni_store_writer_free(struct uni_store_writer *writer);
UNI_AUTO_DEFINE(uni_store_writer)

int uni_store_put(struct uni_store *store, const void *data, size_t size,
		  struct uni_store_entry *blob, struct uni_err *err);
/* A regular file's content; UNI_E_CHANGED when it moves meanwhile. */
int uni_store_put_file(struct uni_store *store, const char *path, struct uni_store_entry *blob,
		       struct uni_err *err);

/* For reading; UNI_E_NOENT when it is absent or was found damaged. The entry's stamp is brought up
 * to date when the content still has the digest. */
int uni_store_blob_open(struct uni_store *store, struct uni_store_entry *blob, int *fd,
			struct uni_err *err);
/* The path for programs that want one; checked as above. Owned by the caller. */
int uni_store_blob_path(struct uni_store *store, struct uni_store_entry *blob, char **path,
			struct uni_err *err);
/* Into memory; UNI_E_LIMIT above `limit`. */
int uni_store_blob_read(struct uni_store *store, struct uni_store_entry *blob, uint64_t limit,
			struct uni_buf *out, struct uni_err *err);
/* To an empty file that the caller made. */
int uni_store_blob_copy(struct uni_store *store, struct uni_store_entry *blob,
			struct uni_outfile *out, struct uni_err *err);

/*
 * Results, by step key. 1: found, with every blob there; 0: none (a damaged blob is dropped with a
 * warning, and so is the result); negative: error.
 */
int uni_store_result_get(struct uni_store *store, const struct uni_digest *key,
			 struct uni_store_record *record, struct uni_err *err);
/* Whether a result stands there, by looking at the record alone. For printing plans. */
bool uni_store_result_known(struct uni_store *store, const struct uni_digest *key);
int uni_store_result_put(struct uni_store *store, const struct uni_digest *key,
			 const struct uni_store_record *record, struct uni_err *err);
/* The result of `key`, which was got or put just now, under another key too. */
int uni_store_result_alias(struct uni_store *store, const struct uni_digest *key,
			   const struct uni_digest *alias, const struct uni_store_record *record,
			   struct uni_err *err);

/* One at a time, among all processes: held while a step is made, so that two builds do it once.
 * Waits (looking at uni_cancelled). A thread holds at most one. Dies with the process. */
int uni_store_key_lock(struct uni_store *store, const struct uni_digest *key, int *fd,
		       struct uni_err *err); /* released by closing fd */

/*
 * References: names are parts of [A-Za-z0-9._+~-] joined by '/', at most 255 bytes a part, none
 * of them starting with a dot. get: as for results, blobs unchecked (opening one checks it);
 * UNI_E_NOENT when there is none. set: the disk has it, and its blobs, when it returns.
 */
int uni_store_ref_get(struct uni_store *store, const char *name, struct uni_store_record *record,
		      struct uni_err *err);
int uni_store_ref_set(struct uni_store *store, const char *name,
		      const struct uni_store_record *record, struct uni_err *err);
int uni_store_ref_remove(struct uni_store *store, const char *name, struct uni_err *err);
/* What tells cheaply that a reference is as it was; false when there is none. */
bool uni_store_ref_stamp(struct uni_store *store, const char *name, struct uni_store_stamp *stamp);
/* Names below `prefix` ("packages", "packages/unibase"; "" for all), sorted by bytes. */
int uni_store_ref_list(struct uni_store *store, const char *prefix, struct uni_strv *names,
		       struct uni_err *err);

/* ls: what the store holds. Called by kind, each sorted. */
enum uni_store_kind { UNI_STORE_BLOB, UNI_STORE_RESULT, UNI_STORE_REF };
struct uni_store_item {
	enum uni_store_kind kind;
	const char *name; /* digest text, key text, or reference name */
	uint64_t size;	  /* of the blob, or of the record's blobs */
	int64_t used;	  /* seconds since 1970: a result's last use, else when it was written */
	const struct uni_store_record *record; /* NULL for a blob */
};
int uni_store_list(struct uni_store *store,
		   int (*fn)(void *user, const struct uni_store_item *item, struct uni_err *err),
		   void *user, struct uni_err *err);

struct uni_store_verify_report {
	uint64_t blobs, bytes; /* read */
	uint64_t damaged;      /* blobs dropped */
	uint64_t dropped;      /* records that were unreadable, and what belongs in no store */
};
/* Hashes every blob, in parallel; drops what is damaged, with a warning for each. */
int uni_store_verify(struct uni_store *store, struct uni_store_verify_report *report,
		     struct uni_err *err);

struct uni_store_gc_options {
	uint64_t
		limit; /* bytes that blobs may keep; 0: all that no reference or lease holds goes */
	bool dry_run;
};
struct uni_store_gc_report {
	uint64_t blobs, bytes, results; /* taken, or to be taken */
	uint64_t kept_bytes;
	uint64_t kept_blobs;
};
/* Drops results, least recently used first, until the blobs that are left fit; then blobs that
 * nothing names; then what processes that died left behind. */
int uni_store_gc(struct uni_store *store, const struct uni_store_gc_options *options,
		 struct uni_store_gc_report *report, struct uni_err *err);

/*
 * How much blobs may take, for all who use the store; 0: whatever they need. Where nothing was set
 * it is UNI_STORE_LIMIT_DEFAULT: enough for some hundred images, and no disk is full of what was
 * built last year. One who has published
 * something collects when he frees the store and it has grown beyond that, down to four fifths, so
 * that not every build does. What living processes lease stays, and so does what references hold.
 */
#define UNI_STORE_LIMIT_DEFAULT (20ull << 30)
int uni_store_limit_get(struct uni_store *store, uint64_t *limit, struct uni_err *err);
int uni_store_limit_set(struct uni_store *store, uint64_t limit, struct uni_err *err);

#endif
