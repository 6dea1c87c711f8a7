/*
 * References: records by name. They are what collection starts from, so nothing here goes away by
 * itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

#define REFS "refs"

static bool part_ok(const char *part, size_t size)
{
	if (size == 0 || size > 255 || part[0] == '.')
		return false;
	for (size_t i = 0; i < size; i++) {
		char c = part[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      strchr("._+~-", c) != NULL))
			return false;
	}
	return true;
}

static int check_name(const char *name, struct uni_err *err)
{
	const char *at = name;

	for (;;) {
		size_t size = strcspn(at, "/");

		if (!part_ok(at, size) || strlen(name) > STORE_NAME_MAX)
			return uni_err_set(err, UNI_E_INVAL, "\"%s\" cannot name a reference",
					   name);
		if (at[size] == '\0')
			return 0;
		at += size + 1;
	}
}

int uni_store_ref_get(struct uni_store *store, const char *name, struct uni_store_record *record,
		      struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(REFS, name);
	struct stat st;
	int rc = check_name(name, err);

	*record = (struct uni_store_record)UNI_STORE_RECORD_INIT;
	for (size_t i = 0; rc == 0 && i < store->place_count; i++)
		rc = store_record_read(&store->places[i], path, false, record, &st, err);
	if (rc < 0)
		return rc;
	return rc == 1 ? 0
		       : uni_err_set(err, UNI_E_NOENT, "%s is not in the store %s", name,
				     store->path);
}

bool uni_store_ref_stamp(struct uni_store *store, const char *name, struct uni_store_stamp *stamp)
{
	char *path UNI_AUTO_FREE = uni_path_join(REFS, name);
	struct uni_err ignored = UNI_ERR_INIT;
	struct stat st;

	for (size_t i = 0; check_name(name, &ignored) == 0 && i < store->place_count; i++)
		if (fstatat(store->places[i].fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			store_stamp(&st, stamp);
			return true;
		}
	return false;
}

int uni_store_ref_set(struct uni_store *store, const char *name,
		      const struct uni_store_record *record, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(REFS, name);
	int rc = check_name(name, err);

	if (rc == 0)
		rc = store_enter(store, err);
	if (rc != 0)
		return rc;
	rc = store_record_write(store, path, record, true, err);
	store_leave(store);
	return rc != 0 ? uni_err_context(err, "store: %s", name) : 0;
}

int uni_store_ref_remove(struct uni_store *store, const char *name, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(REFS, name);
	const struct store_place *place = &store->places[0];
	int rc = check_name(name, err);

	if (rc != 0)
		return rc;
	if (unlinkat(place->fd, path, 0) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return uni_err_set(err, UNI_E_NOENT, "%s is not in the store %s", name,
					   store->path);
		return uni_err_errno(err, "store: %s", name);
	}
	/* Folders that became empty. One that is not ends the loop. */
	for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
		*slash = '\0';
		if (strcmp(path, REFS) == 0 || unlinkat(place->fd, path, AT_REMOVEDIR) != 0)
			break;
	}
	return 0;
}

static int list_below(const struct store_place *place, const char *prefix, unsigned depth,
		      struct uni_strv *names, struct uni_err *err)
{
	char *path UNI_AUTO_FREE =
		uni_asprintf("%s/" REFS "%s%s", place->path, prefix[0] != '\0' ? "/" : "", prefix);
	struct uni_strv found UNI_AUTO_STRV = { .items = NULL };
	struct stat st;
	int rc;

	if (lstat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : uni_err_errno(err, "%s", path);
	if (S_ISREG(st.st_mode))
		uni_strv_add(names, prefix);
	if (!S_ISDIR(st.st_mode) || depth > 16)
		return 0;
	rc = uni_dir_list(path, &found, err);
	for (size_t i = 0; rc == 0 && i < found.count; i++) {
		char *below UNI_AUTO_FREE = prefix[0] != '\0'
						    ? uni_path_join(prefix, found.items[i])
						    : uni_strdup(found.items[i]);

		rc = list_below(place, below, depth + 1, names, err);
	}
	return rc;
}

int store_ref_names(const struct store_place *place, const char *prefix, struct uni_strv *names,
		    struct uni_err *err)
{
	int rc = prefix[0] != '\0' ? check_name(prefix, err) : 0;

	if (rc == 0)
		rc = list_below(place, prefix, 0, names, err);
	if (rc == 0)
		uni_strv_sort(names);
	return rc;
}

int uni_store_ref_list(struct uni_store *store, const char *prefix, struct uni_strv *names,
		       struct uni_err *err)
{
	for (size_t i = 0; i < store->place_count; i++) {
		struct uni_strv found UNI_AUTO_STRV = { .items = NULL };
		int rc = store_ref_names(&store->places[i], prefix, &found, err);

		if (rc != 0)
			return rc;
		for (size_t j = 0; j < found.count; j++)
			if (!uni_strv_has(names, found.items[j]))
				uni_strv_add(names, found.items[j]);
	}
	uni_strv_sort(names);
	return 0;
}
