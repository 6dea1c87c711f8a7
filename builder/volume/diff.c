/*
 * What differs between two volumes, name by name.
 */
#include <string.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>

#include "internal.h"

struct name {
	char *text;
	struct uni_fs_stat stat;
};

struct names {
	struct name *items;
	size_t count, room;
};

struct diff {
	struct uni_fs_reader *a;
	struct uni_fs_reader *b;
	uni_volume_diff_fn *fn;
	void *user;
};

static int take_name(void *user, const char *text, const struct uni_fs_stat *stat,
		     struct uni_err *err)
{
	struct names *names = user;

	(void)err;
	UNI_PUSH_ROOM(names->items, names->count, names->room);
	names->items[names->count++] = (struct name){ uni_strdup(text), *stat };
	return 0;
}

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i].text);
	free(names->items);
}

static int hash_piece(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)err;
	uni_hash_add(user, data, size);
	return 0;
}

static int digest_of(struct uni_fs_reader *reader, const char *path, const struct uni_fs_stat *stat,
		     struct uni_digest *digest, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf target = UNI_BUF_INIT;
	struct uni_hash hash;
	int rc = 0;

	uni_hash_start(&hash);
	if (stat->type == UNI_FS_TYPE_FILE)
		rc = uni_fs_read(reader, path, hash_piece, &hash, err);
	else if (stat->type == UNI_FS_TYPE_LINK)
		rc = uni_fs_readlink(reader, path, &target, err);
	uni_hash_add(&hash, uni_buf_text(&target), target.size);
	*digest = uni_hash_end(&hash);
	return rc;
}

/* 1: they differ. */
static int compare(const struct diff *d, const char *path, const struct uni_fs_stat *a,
		   const struct uni_fs_stat *b, struct uni_err *err)
{
	struct uni_digest one;
	struct uni_digest two;
	int rc;

	if (a->type != b->type || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
	    a->size != b->size || a->device != b->device)
		return 1;
	rc = digest_of(d->a, path, a, &one, err);
	if (rc == 0)
		rc = digest_of(d->b, path, b, &two, err);
	return rc != 0 ? rc : !uni_digest_eq(&one, &two);
}

static int diff_folder(const struct diff *d, const char *path, bool in_a, bool in_b,
		       struct uni_err *err);

/* A name that is in `a`, in `b`, or in both; NULL: it is not. */
static int diff_name(const struct diff *d, const char *path, const struct uni_fs_stat *a,
		     const struct uni_fs_stat *b, struct uni_err *err)
{
	bool below_a = a != NULL && a->type == UNI_FS_TYPE_FOLDER;
	bool below_b = b != NULL && b->type == UNI_FS_TYPE_FOLDER;
	int rc = 0;

	if (a == NULL)
		rc = d->fn(d->user, UNI_VOLUME_ADDED, path, b, err);
	else if (b == NULL)
		rc = d->fn(d->user, UNI_VOLUME_REMOVED, path, a, err);
	else
		rc = compare(d, path, a, b, err);
	if (rc == 1)
		rc = d->fn(d->user, UNI_VOLUME_CHANGED, path, b, err);
	if (rc == 0 && (below_a || below_b))
		rc = diff_folder(d, path, below_a, below_b, err);
	return rc;
}

static int diff_folder(const struct diff *d, const char *path, bool in_a, bool in_b,
		       struct uni_err *err)
{
	struct names a = { .items = NULL };
	struct names b = { .items = NULL };
	int rc = in_a ? uni_fs_list(d->a, path, take_name, &a, err) : 0;

	if (rc == 0 && in_b)
		rc = uni_fs_list(d->b, path, take_name, &b, err);
	for (size_t i = 0, k = 0; rc == 0 && (i < a.count || k < b.count);) {
		int order = i == a.count   ? 1
			    : k == b.count ? -1
					   : strcmp(a.items[i].text, b.items[k].text);

		UNI_AUTO_FREE char *name =
			uni_path_join(path, order <= 0 ? a.items[i].text : b.items[k].text);

		rc = diff_name(d, name, order <= 0 ? &a.items[i].stat : NULL,
			       order >= 0 ? &b.items[k].stat : NULL, err);
		i += order <= 0;
		k += order >= 0;
	}
	names_clear(&a);
	names_clear(&b);
	return rc;
}

int uni_volume_diff(struct uni_fs_reader *a, struct uni_fs_reader *b, uni_volume_diff_fn *fn,
		    void *user, struct uni_err *err)
{
	const struct diff d = { a, b, fn, user };

	return diff_folder(&d, "/", true, true, err);
}
