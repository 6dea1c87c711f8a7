/*
 * A file tree as it goes into an artifact: sorted, and normalised once and for all, so that nothing
 * of where it came from is left. Owner and group are 0, times are given, modes follow from the
 * owner's permission to execute, names are UTF-8, hard links are files of their own. Content stays
 * where it is until it is asked for; a file that changed since it was added is found then.
 *
 * Paths in a tree are relative, "a/b", the root is ".". They are sorted as byte strings in which
 * '/' comes before every other byte, so that a folder comes before what is in it.
 */
#ifndef UNI_TREE_TREE_H
#define UNI_TREE_TREE_H

#include <uni/base/event.h>
#include <uni/io/entry.h>
#include <uni/io/secret.h>
#include <uni/io/sink.h>
#include <uni/tree/statcache.h>

#define UNI_TREE_DEPTH_MAX 256
#define UNI_TREE_PATH_MAX 4095
#define UNI_TREE_ENTRIES_MAX (1u << 24)

struct uni_tree;

/* How what is added is normalised. */
struct uni_tree_rules {
	int64_t mtime;
	uint32_t file_mode; /* 0: 0755 when its owner may execute it, else 0644 */
	uint32_t dir_mode;  /* 0: 0755 */
	bool keep_modes;    /* what is read from this machine has the mode that it has there */
};

/* An empty root, of rules->dir_mode. Folders that have to be made on the way to an entry follow
 * the same rules. */
struct uni_tree *uni_tree_new(const struct uni_tree_rules *rules);
void uni_tree_free(struct uni_tree *tree);
UNI_AUTO_DEFINE(uni_tree)

/*
 * Adding. `at` is a path in the tree, normalised here; one with ".." is UNI_E_INVAL. Something that
 * is no folder replaces what stood there, a folder is laid over a folder, and a folder and anything
 * else at one place are UNI_E_EXIST. After an error the tree is as it was or has some of what was
 * to be added, and is only to be freed.
 */

/* All below `path` (itself followed when it is a link; no link in it is). Devices, sockets and
 * FIFOs are UNI_E_UNSUPPORTED, names that are not UTF-8 UNI_E_INVAL. */
int uni_tree_add_folder(struct uni_tree *tree, const char *at, const char *path,
			const struct uni_tree_rules *rules, struct uni_err *err);
/* A regular file, links followed. `known`: its digest when that is sure, as of a blob, or NULL. */
int uni_tree_add_file(struct uni_tree *tree, const char *at, const char *path,
		      const struct uni_digest *known, const struct uni_tree_rules *rules,
		      struct uni_err *err);
int uni_tree_add_data(struct uni_tree *tree, const char *at, const void *data, size_t size,
		      const struct uni_tree_rules *rules, struct uni_err *err); /* copied */
int uni_tree_add_symlink(struct uni_tree *tree, const char *at, const char *target,
			 const struct uni_tree_rules *rules, struct uni_err *err);
int uni_tree_add_dir(struct uni_tree *tree, const char *at, const struct uni_tree_rules *rules,
		     struct uni_err *err); /* takes new mode and time when it is there */

/* From now on, content that uni_tree_content gives is looked at for secrets as it passes. */
void uni_tree_find_secrets(struct uni_tree *tree);

uint64_t uni_tree_bytes(const struct uni_tree *tree); /* of all files' content */

struct uni_tree_node;
struct uni_tree_entry {
	struct uni_entry meta;		 /* a file, folder or symbolic link; borrowed */
	const struct uni_digest *digest; /* of a file's content when it is known, else NULL */
	enum uni_secret secret;		 /* found in the content, once it was given */
	const char *source;		 /* the file or walked folder it came from, or NULL */
	struct uni_tree_node *node;
};

/* All entries in order, the root first; ends at the first result other than 0, and returns it.
 * After entries were added, the first to do so has the tree for himself: they are brought into
 * order. */
int uni_tree_each(const struct uni_tree *tree,
		  int (*fn)(void *user, const struct uni_tree_entry *entry, struct uni_err *err),
		  void *user, struct uni_err *err);
/* 1 and the entry (valid until the tree changes, or is gone through; `path` as given), or 0. */
int uni_tree_find(const struct uni_tree *tree, const char *path, struct uni_tree_entry *entry);

typedef int uni_tree_data_fn(void *user, const void *data, size_t size, struct uni_err *err);
/* That many bytes of zeros, which were not read. */
typedef int uni_tree_hole_fn(void *user, uint64_t size, struct uni_err *err);

/* Gives a file's content in pieces, hashed on the way unless its digest is known, which it is
 * afterwards. UNI_E_CHANGED names a file that is not as it was added. One file by one thread. */
int uni_tree_content(const struct uni_tree *tree, const struct uni_tree_entry *entry,
		     uni_tree_data_fn *fn, void *user, struct uni_err *err);
/* The same for a caller who makes nothing of zeros: holes of the file come to `hole`, in order with
 * the rest. Where they lie must not show in what is made: a block of zeros may come as either. */
int uni_tree_content_sparse(const struct uni_tree *tree, const struct uni_tree_entry *entry,
			    uni_tree_data_fn *fn, uni_tree_hole_fn *hole, void *user,
			    struct uni_err *err);

/* What of a file's content is no hole on this machine's disk, and in how many pieces. Looks, but
 * reads nothing. */
struct uni_tree_data {
	uint64_t bytes;
	uint64_t pieces;
};
int uni_tree_data(const struct uni_tree_entry *entry, struct uni_tree_data *data,
		  struct uni_err *err);
/* Whether the data of all files is more than `most` bytes. */
int uni_tree_data_exceeds(const struct uni_tree *tree, uint64_t most, bool *exceeds,
			  struct uni_err *err);

/*
 * SHA-256 over all that the tree is: paths, types, modes, times, sizes, targets, content digests,
 * which for sparse content are those of uni/base/mapdigest.h.
 * Contents whose digest is not known yet, not even to `scope` (which may be NULL), are read, on
 * `threads` threads (0: all processors), and noted there.
 */
int uni_tree_digest(struct uni_tree *tree, struct uni_statscope *scope, unsigned threads,
		    struct uni_digest *digest, struct uni_err *err);
/* The same from what is known alone: 1, or 0 when that is not enough. Reads no content. */
int uni_tree_digest_known(struct uni_tree *tree, struct uni_statscope *scope,
			  struct uni_digest *digest, struct uni_err *err);
/* The same of a tree whose contents were all read, by uni_tree_content or else. */
int uni_tree_digest_read(const struct uni_tree *tree, struct uni_digest *digest,
			 struct uni_err *err);
/* Tells `scope` what content digests became known, as by uni_tree_write_tar. */
void uni_tree_note(const struct uni_tree *tree, struct uni_statscope *scope);

/* The tree as a tar archive, into `sink`, which is not finished; contents are hashed in the same
 * read. `digest`, unless NULL, is that of uni_tree_digest. */
int uni_tree_write_tar(const struct uni_tree *tree, struct uni_sink *sink,
		       struct uni_digest *digest, struct uni_err *err);

/* Negative, 0, positive, as paths are sorted. */
int uni_tree_path_cmp(const char *a, const char *b);

#endif
