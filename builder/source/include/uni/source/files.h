/*
 * A set of files in the store: what an archive or a container image was unpacked into. Each file's
 * content is a blob; a result names them, with this text for what is not in a result's entries:
 *
 *   d MODE PATH	a folder
 *   f MODE PATH	the next entry
 *   l PATH		a symbolic link; its target is the line that follows
 */
#ifndef UNI_SOURCE_FILES_H
#define UNI_SOURCE_FILES_H

#include <uni/cache/store.h>
#include <uni/io/tar.h>
#include <uni/tree/tree.h>

#define UNI_FILES_MAX 200000
#define UNI_FILES_ENTRIES_MAX 400000 /* with folders and links */

struct uni_files {
	struct uni_store_record record; /* its meta is set at the end */
	struct uni_buf words;
	size_t count;	   /* of entries */
	void *names;	   /* of files, for hard links to them: a tree, made when it is wanted */
	size_t name_count; /* files that are in it */
};
void uni_files_free(struct uni_files *files);
#define UNI_AUTO_FILES __attribute__((cleanup(uni_files_free)))

/* Adding, in any order; names with a line feed are UNI_E_UNSUPPORTED, too many UNI_E_LIMIT. */
int uni_files_add(struct uni_files *files, const char *path, uint32_t mode,
		  const struct uni_store_entry *blob, struct uni_err *err);
int uni_files_add_dir(struct uni_files *files, const char *path, uint32_t mode,
		      struct uni_err *err);
int uni_files_add_link(struct uni_files *files, const char *path, const char *target,
		       struct uni_err *err);
/* The file that was added last under that path, or NULL; until the next one is added. */
const struct uni_store_entry *uni_files_find(struct uni_files *files, const char *path);
/* The record of what was added; `files` is empty afterwards. */
void uni_files_take(struct uni_files *files, struct uni_store_record *record);

/* The present entry of an archive, which is a file, as a blob. */
int uni_files_receive(struct uni_store *store, struct uni_tar_reader *tar,
		      const struct uni_entry *entry, struct uni_store_entry *blob,
		      struct uni_err *err);

struct uni_files_item {
	enum uni_entry_type type; /* file, folder or symbolic link */
	const char *path;
	uint32_t mode;
	const char *target;	       /* of a link */
	struct uni_store_entry *entry; /* of a file */
	size_t count;		       /* of a folder that is listed: how much is in it */
};
/* All, as they were added; UNI_E_CORRUPT where the record is none of these. */
int uni_files_each(struct uni_store_record *record,
		   int (*fn)(void *user, const struct uni_files_item *item, struct uni_err *err),
		   void *user, struct uni_err *err);

/* A set to look around in, links followed inside of it; `record` is borrowed. */
struct uni_files_view;
int uni_files_view_new(struct uni_files_view **view, struct uni_store_record *record,
		       struct uni_err *err);
void uni_files_view_free(struct uni_files_view *view);
UNI_AUTO_DEFINE(uni_files_view)
/* What a path stands for: its own path, "." the root (`real`, owned), and the file's entry (part of
 * the record; NULL for a folder). UNI_E_NOENT. */
int uni_files_view_find(const struct uni_files_view *view, const char *path, char **real,
			struct uni_store_entry **entry, struct uni_err *err);
/* What is in a folder, by names alone, sorted. */
int uni_files_view_list(const struct uni_files_view *view, const char *path,
			int (*fn)(void *user, const struct uni_files_item *item,
				  struct uni_err *err),
			void *user, struct uni_err *err);

/* What lies below the folder `below` (NULL: all) into a tree. */
int uni_files_fill(struct uni_store *store, struct uni_store_record *record, const char *below,
		   struct uni_tree *tree, const struct uni_tree_rules *rules, struct uni_err *err);

#endif
