/*
 * Walking the store: for ls, verify and gc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "src/internal.h"

static bool name_digest(const char *folder, const char *file, struct uni_digest *digest)
{
	char hex[65];

	if (strlen(folder) != 1 || strlen(file) != 63)
		return false;
	snprintf(hex, sizeof(hex), "%s%s", folder, file);
	return uni_digest_parse(hex, digest);
}

int store_walk(const struct store_place *place, const char *kind, store_walk_fn *fn, void *user,
	       struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(place->path, kind);
	struct uni_strv folders UNI_AUTO_STRV = { .items = NULL };
	int rc = uni_dir_list(path, &folders, err);

	for (size_t i = 0; rc == 0 && i < folders.count; i++) {
		char *dir UNI_AUTO_FREE = uni_path_join(path, folders.items[i]);
		struct uni_strv files UNI_AUTO_STRV = { .items = NULL };

		rc = uni_dir_list(dir, &files, err);
		/* No folder: it is as strange as what else does not belong there. */
		if (rc == UNI_E_NOENT) {
			char *name UNI_AUTO_FREE = uni_path_join(kind, folders.items[i]);

			uni_err_clear(err);
			rc = fn(user, name, NULL, err);
		}
		for (size_t j = 0; rc == 0 && j < files.count; j++) {
			char *name UNI_AUTO_FREE =
				uni_asprintf("%s/%s/%s", kind, folders.items[i], files.items[j]);
			struct uni_digest digest;
			bool ours = name_digest(folders.items[i], files.items[j], &digest);

			rc = fn(user, name, ours ? &digest : NULL, err);
		}
		if (rc == 0)
			rc = uni_check_cancel(err);
	}
	return rc;
}

struct lister {
	const struct store_place *place;
	int (*fn)(void *user, const struct uni_store_item *item, struct uni_err *err);
	void *user;
};

static int list_blob(void *user, const char *name, const struct uni_digest *digest,
		     struct uni_err *err)
{
	const struct lister *l = user;
	char text[UNI_DIGEST_TEXT];
	struct stat st;
	struct uni_store_item item = { .kind = UNI_STORE_BLOB, .name = text };

	if (digest == NULL || fstatat(l->place->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	uni_digest_text(digest, text);
	item.size = (uint64_t)st.st_size;
	item.used = st.st_mtim.tv_sec;
	return l->fn(l->user, &item, err);
}

static int list_record(const struct lister *l, enum uni_store_kind kind, const char *shown,
		       const char *name, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store_item item = { .kind = kind, .name = shown, .record = &record };
	struct stat st;
	int rc = store_record_read(l->place, name, false, &record, &st, err);

	/* What is damaged or went away meanwhile is verify's affair. */
	if (rc == 0 || rc == UNI_E_CORRUPT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < record.count; i++)
		item.size += record.entries[i].size;
	item.used = st.st_mtim.tv_sec;
	return l->fn(l->user, &item, err);
}

static int list_result(void *user, const char *name, const struct uni_digest *digest,
		       struct uni_err *err)
{
	char text[UNI_DIGEST_TEXT];

	if (digest == NULL)
		return 0;
	uni_digest_text(digest, text);
	return list_record(user, UNI_STORE_RESULT, text, name, err);
}

static int list_place(const struct lister *l, struct uni_err *err)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	struct lister copy = *l;
	int rc = store_walk(l->place, "blobs", list_blob, &copy, err);

	if (rc == 0)
		rc = store_walk(l->place, "results", list_result, &copy, err);
	if (rc == 0)
		rc = store_ref_names(l->place, "", &refs, err);
	for (size_t i = 0; rc == 0 && i < refs.count; i++) {
		char *name UNI_AUTO_FREE = uni_path_join("refs", refs.items[i]);

		rc = list_record(l, UNI_STORE_REF, refs.items[i], name, err);
	}
	return rc;
}

int uni_store_list(struct uni_store *store,
		   int (*fn)(void *user, const struct uni_store_item *item, struct uni_err *err),
		   void *user, struct uni_err *err)
{
	struct lister l = { .fn = fn, .user = user };
	int rc = store_enter(store, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < store->place_count; i++) {
		l.place = &store->places[i];
		rc = list_place(&l, err);
	}
	store_leave(store);
	return rc;
}
