/*
 * Making the index that goes with uni (embedded.c reads it): a folder written anew from package
 * files, under a temporary name until it is whole. The same packages give the same bytes.
 */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/index/publish.h>
#include <unistd.h>

struct line {
	char *path;
	struct uni_digest digest;
};

struct embedding {
	char *dir; /* in the making */
	struct uni_index_package **packages;
	size_t package_count, package_room;
	struct index_names names;
	struct line *lines;
	size_t line_count, line_room;
};

static void embedding_clear(struct embedding *e)
{
	struct uni_err ignored = UNI_ERR_INIT;
	for (size_t i = 0; i < e->package_count; i++)
		uni_index_package_free(e->packages[i]);
	for (size_t i = 0; i < e->line_count; i++)
		free(e->lines[i].path);
	if (e->dir != NULL) {
		(void)uni_dir_remove(e->dir, &ignored);
		uni_tmp_forget(e->dir);
	}
	index_names_free(&e->names);
	free(e->packages);
	free(e->lines);
	free(e->dir);
}

static void note_line(struct embedding *e, const char *path, const struct uni_digest *digest)
{
	UNI_PUSH_ROOM(e->lines, e->line_count, e->line_room);
	e->lines[e->line_count++] = (struct line){ uni_strdup(path), *digest };
}

/* "DIR/PATH", whose folder is made. */
static int place(const struct embedding *e, const char *path, char **full, struct uni_err *err)
{
	char *file UNI_AUTO_FREE = uni_path_join(e->dir, path);
	char *parent UNI_AUTO_FREE = uni_path_dir(file);
	int rc = uni_dir_make(parent, 0755, err);
	if (rc == 0) {
		*full = file;
		file = NULL;
	}
	return rc;
}

static int put_text(struct embedding *e, const char *path, const struct uni_buf *text,
		    struct uni_err *err)
{
	struct uni_digest digest = uni_digest_of(uni_buf_text(text), text->size);
	char *file UNI_AUTO_FREE = NULL;
	int rc = place(e, path, &file, err);
	if (rc == 0)
		rc = uni_file_write(file, uni_buf_text(text), text->size, 0644, err);
	if (rc == 0)
		note_line(e, path, &digest);
	return rc;
}

static struct uni_index_package *package_of(struct embedding *e, const char *name)
{
	for (size_t i = 0; i < e->package_count; i++)
		if (uni_str_eq(e->packages[i]->name, name))
			return e->packages[i];
	UNI_PUSH_ROOM(e->packages, e->package_count, e->package_room);
	struct uni_index_package *fresh = uni_alloc(sizeof(*fresh));
	fresh->name = uni_strdup(name);
	return e->packages[e->package_count++] = fresh;
}

static int add_file(struct embedding *e, const char *file, struct uni_err *err)
{
	struct uni_index_version offered = { .version = NULL };
	char *name UNI_AUTO_FREE = NULL;
	char *to UNI_AUTO_FREE = NULL;
	int rc = index_offer_read(file, &name, &offered, err);
	if (rc == 0)
		rc = place(e, offered.path, &to, err);
	if (rc == 0 && uni_file_exists(to))
		rc = uni_err_set(err, UNI_E_EXIST, "%s %s is given twice", name, offered.version);
	if (rc == 0)
		rc = uni_file_copy(file, to, 0644, err);
	if (rc == 0) {
		note_line(e, offered.path, &offered.digest);
		index_package_take(package_of(e, name), &offered);
	}
	index_version_clear(&offered);
	return rc;
}

/* A package file, or a folder with some. */
static int add(struct embedding *e, const char *path, struct uni_err *err)
{
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct stat st;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return add_file(e, path, err);
	int rc = uni_dir_list(path, &names, err);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		char *file UNI_AUTO_FREE = uni_path_join(path, names.items[i]);
		if (uni_str_ends(names.items[i], UNI_PACKAGE_SUFFIX))
			rc = add_file(e, file, err);
	}
	return rc;
}

static int line_order(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->path, ((const struct line *)b)->path);
}

static int write_digests(struct embedding *e, struct uni_err *err)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	char *file UNI_AUTO_FREE = uni_path_join(e->dir, INDEX_DIGESTS);
	qsort(e->lines, e->line_count, sizeof(*e->lines), line_order);
	for (size_t i = 0; i < e->line_count; i++) {
		char hex[65];
		uni_hex(e->lines[i].digest.bytes, sizeof(e->lines[i].digest.bytes), hex);
		uni_buf_printf(&out, "%s  %s\n", hex, e->lines[i].path);
	}
	return uni_file_write(file, out.data, out.size, 0644, err);
}

static int write_lists(struct embedding *e, struct uni_err *err)
{
	struct uni_buf names UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < e->package_count; i++) {
		struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
		char *path UNI_AUTO_FREE = uni_asprintf("packages/%s.json", e->packages[i]->name);
		uni_index_package_text(e->packages[i], &text);
		index_names_note(&e->names, e->packages[i]);
		rc = put_text(e, path, &text, err);
	}
	if (rc == 0)
		rc = index_names_text(&e->names, NULL, &names, err);
	if (rc == 0)
		rc = put_text(e, "names.json", &names, err);
	return rc == 0 ? write_digests(e, err) : rc;
}

/* In one step where something is there: whoever reads sees the old one or the new. */
static int take_place(struct embedding *e, const char *dir, struct uni_err *err)
{
	if (chmod(e->dir, 0755) != 0)
		return uni_err_errno(err, "%s", e->dir);
	return uni_dir_put(e->dir, dir, err);
}

/* An index as this makes them, or an empty folder. */
static int may_replace(const char *dir, struct uni_err *err)
{
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	if (!uni_file_exists(dir))
		return 0;
	int rc = uni_dir_list(dir, &names, err);
	if (rc == 0 && names.count != 0 && !uni_strv_has(&names, INDEX_DIGESTS))
		rc = uni_err_set(err, UNI_E_EXIST, "%s has other files in it", dir);
	return rc;
}

int uni_index_embed(const char *dir, const char *const *files, size_t count, struct uni_err *err)
{
	struct embedding e = { .dir = NULL };
	char *whole UNI_AUTO_FREE = uni_path_absolute(dir);
	char *parent UNI_AUTO_FREE = uni_path_dir(whole);
	int rc = may_replace(whole, err);
	if (rc == 0)
		rc = uni_dir_make(parent, 0755, err);
	if (rc == 0)
		rc = uni_dir_tmp(parent, &e.dir, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add(&e, files[i], err);
	if (rc == 0)
		rc = write_lists(&e, err);
	if (rc == 0)
		rc = take_place(&e, whole, err);
	embedding_clear(&e);
	return rc;
}
