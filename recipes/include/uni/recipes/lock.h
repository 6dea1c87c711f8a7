/*
 * The lock file, uni.lock: what the names in a recipe were resolved to, for each architecture, so
 * that the same recipe takes the same packages and is built by the same tools tomorrow. TOML,
 * written by `uni` in one spelling only and kept under version control; people read it, and do not
 * edit it. Files of the recipe's own are not in it.
 *
 *   version = 1
 *
 *   [[x86_64.package]]
 *   name = "sqlite"
 *   version = "3.40.1"
 *   index = "main"                        # both or none: a package that is in the store only
 *   path = "sqlite/sqlite-3.40.1.tar.zst" # relative to the index, never a URL
 *   sha256 = "64 hex digits"
 *   size = 1234
 *
 *   [[x86_64.image]]                      # what a tag meant
 *   name = "oci://registry.example/team/site:1.0"
 *   sha256 = "64 hex digits"
 *
 *   [[x86_64.tool]]
 *   name = "ld"
 *   sha256 = "64 hex digits"
 */
#ifndef UNI_RECIPES_LOCK_H
#define UNI_RECIPES_LOCK_H

#include <uni/base/digest.h>
#include <uni/recipes/diag.h>

#define UNI_LOCK_VERSION 1
#define UNI_LOCK_MAX (4u << 20) /* bytes of a lock file */

struct uni_lock_package {
	char *name;
	char *version; /* exact */
	char *index;   /* name of the index it came from, or NULL */
	char *path;    /* in that index, or NULL */
	struct uni_digest digest;
	uint64_t size; /* bytes */
};

/* A container image's manifest or index; a tool's executable and codec libraries. */
struct uni_lock_named {
	char *name;
	struct uni_digest digest;
};

/* All lists are sorted by name, each name once. */
struct uni_lock_arch {
	char *name; /* "x86_64" */
	struct uni_lock_package *packages;
	size_t package_count;
	struct uni_lock_named *images;
	size_t image_count;
	struct uni_lock_named *tools;
	size_t tool_count;
};

struct uni_lock {
	struct uni_lock_arch *arches;
	size_t arch_count;
};

struct uni_lock *uni_lock_new(void);
void uni_lock_free(struct uni_lock *lock);
UNI_AUTO_DEFINE(uni_lock)

/* UNI_E_NOENT when there is no such file; else as uni_recipe_load: findings in `diags`, the first
 * in `err`. */
int uni_lock_load(struct uni_lock **out, const char *path, struct uni_diags *diags,
		  struct uni_err *err);
int uni_lock_parse(struct uni_lock **out, const char *name, const char *text, size_t size,
		   struct uni_diags *diags, struct uni_err *err);
/* The one spelling: the same lock gives the same bytes, however it was put together. */
void uni_lock_text(const struct uni_lock *lock, struct uni_buf *out);
int uni_lock_save(const struct uni_lock *lock, const char *path, struct uni_err *err);

/* NULL when the lock knows nothing of that architecture. */
const struct uni_lock_arch *uni_lock_arch(const struct uni_lock *lock, const char *arch);
/* NULL when absent, and for arch NULL. */
const struct uni_lock_package *uni_lock_package(const struct uni_lock_arch *arch, const char *name);
const struct uni_lock_named *uni_lock_image(const struct uni_lock_arch *arch, const char *name);
const struct uni_lock_named *uni_lock_tool(const struct uni_lock_arch *arch, const char *name);

/* Copies; replaces what has the same name. */
void uni_lock_put_package(struct uni_lock *lock, const char *arch,
			  const struct uni_lock_package *package);
void uni_lock_put_image(struct uni_lock *lock, const char *arch,
			const struct uni_lock_named *image);
void uni_lock_put_tool(struct uni_lock *lock, const char *arch, const struct uni_lock_named *tool);
/* Forgets an architecture, to be filled again. */
void uni_lock_drop(struct uni_lock *lock, const char *arch);

/*
 * How `wanted` differs from `locked`, a sentence each, by name; packages first. Either may be NULL:
 * nothing is in it. Returns the number of sentences.
 */
size_t uni_lock_drift(const struct uni_lock_arch *locked, const struct uni_lock_arch *wanted,
		      struct uni_strv *drift);

#endif
