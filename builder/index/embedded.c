/*
 * The index that came with uni: a folder beside the program, made when it was built.
 *
 *   digests                a line a file, "HEX  PATH", as sha256sum -c reads it
 *   names.json             as in any index
 *   packages/NAME.json
 *   files/NAME/FILE
 *
 * Whoever installed uni installed these digests with it and is trusted as much. There is no key, no
 * signature and nothing that expires.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/recipes/version.h>

#define DIGESTS_MAX (16u << 20)
#define HEX_SIZE 64

struct embedded {
	const struct uni_indexes_options *options;
	char *dir;
	struct uni_buf digests;
};

char *index_embedded_dir(void)
{
	const char *named = uni_env("UNI_INDEX");
	char *self UNI_AUTO_FREE = uni_dir_self();
	char *beside UNI_AUTO_FREE = uni_path_join(self, "../share/uni/index");
	char *dir UNI_AUTO_FREE = uni_path_absolute(named != NULL ? named : beside);
	char *digests UNI_AUTO_FREE = uni_path_join(dir, INDEX_DIGESTS);
	if (!uni_file_exists(digests))
		return NULL;
	char *found = dir;
	dir = NULL;
	return found;
}

static void embedded_close(void *index)
{
	struct embedded *e = index;
	uni_buf_free(&e->digests);
	free(e->dir);
	free(e);
}

static int embedded_open(void **index, const struct uni_index_entry *entry,
			 const struct uni_indexes_options *options, struct uni_err *err)
{
	struct embedded *e = uni_alloc(sizeof(*e));
	int rc = 0;
	(void)entry;
	e->options = options;
	e->dir = index_embedded_dir();
	if (e->dir != NULL) { /* else it has nothing */
		char *file UNI_AUTO_FREE = uni_path_join(e->dir, INDEX_DIGESTS);
		rc = uni_file_read(file, DIGESTS_MAX, &e->digests, err);
	}
	if (rc != 0)
		embedded_close(e);
	else
		*index = e;
	return rc;
}

/* What came with uni is as new as it gets. */
static int embedded_refresh(void *index, struct uni_err *err)
{
	(void)index;
	(void)err;
	return 0;
}

/* "HEX  PATH" */
static bool find_digest(const struct embedded *e, const char *path, struct uni_digest *digest)
{
	size_t size = strlen(path);
	for (const char *line = uni_buf_text(&e->digests); *line != '\0';) {
		size_t length = strcspn(line, "\n");
		if (length == HEX_SIZE + 2 + size && memcmp(line + HEX_SIZE, "  ", 2) == 0 &&
		    memcmp(line + HEX_SIZE + 2, path, size) == 0) {
			char *hex UNI_AUTO_FREE = uni_strndup(line, HEX_SIZE);
			return uni_unhex(hex, digest->bytes, sizeof(digest->bytes));
		}
		line += length + (line[length] == '\n');
	}
	return false;
}

static int embedded_read(void *index, const char *path, uint64_t limit, struct uni_buf *out,
			 struct uni_err *err)
{
	struct embedded *e = index;
	struct uni_digest wanted;
	if (!find_digest(e, path, &wanted))
		return uni_err_set(err, UNI_E_NOENT, "the embedded index has no %s", path);
	char *file UNI_AUTO_FREE = uni_path_join(e->dir, path);
	int rc = uni_file_read(file, limit, out, err);
	if (rc != 0)
		return rc == UNI_E_NOENT ? uni_err_set(err, UNI_E_CORRUPT, "%s is missing", file)
					 : rc;
	struct uni_digest found = uni_digest_of(uni_buf_text(out), out->size);
	return uni_digest_eq(&found, &wanted)
		       ? 0
		       : uni_err_set(err, UNI_E_CORRUPT,
				     "%s is not the file that was installed with uni", file);
}

static int embedded_fetch(void *index, const struct uni_pin *pin, struct uni_store_entry *blob,
			  struct uni_err *err)
{
	struct embedded *e = index;
	struct uni_fetch fetch = { .store = e->options->store,
				   .events = e->options->events,
				   .offline = e->options->offline };
	struct uni_digest now;
	if (find_digest(e, pin->path, &now) && uni_digest_eq(&now, &pin->digest)) {
		char *url UNI_AUTO_FREE = uni_asprintf("file://%s/%s", e->dir, pin->path);
		return uni_fetch_https(&fetch, url, &pin->digest, blob, err);
	}
	/* One of an earlier uni may still be in the store. */
	if (uni_fetch_known(&fetch, &pin->digest, blob))
		return 0;
	uni_err_set(err, UNI_E_AUTH,
		    "the %s %s that is locked is not the one that came with this uni", pin->name,
		    pin->version);
	return uni_err_hint(err, "\"uni update %s --recipe RECIPE\" takes the one that did",
			    pin->name);
}

/* The version in "files/NAME/NAME-VERSION-ARCH.unipkg", if that is what the path is. */
static char *version_for(const char *path, size_t size, const char *name, const char *arch)
{
	char *start UNI_AUTO_FREE = uni_asprintf("files/%s/%s-", name, name);
	char *end UNI_AUTO_FREE = uni_asprintf("-%s" UNI_PACKAGE_SUFFIX, arch);
	size_t fixed = strlen(start) + strlen(end);
	if (size <= fixed || memcmp(path, start, strlen(start)) != 0 ||
	    memcmp(path + size - strlen(end), end, strlen(end)) != 0)
		return NULL;
	return uni_strndup(path + strlen(start), size - fixed);
}

static char *version_in(const char *path, size_t size, const char *name, const char *arch)
{
	char *version = version_for(path, size, name, arch);
	return version != NULL ? version : version_for(path, size, name, "any");
}

/* Whether that version, of bytes with that digest in `hex`, is another than the pin's and above it
 * or beside it. */
static bool supersedes(const char *version, const char *hex, const struct uni_pin *pin,
		       const char *range)
{
	char locked[2 * sizeof(pin->digest.bytes) + 1];
	uni_hex(pin->digest.bytes, sizeof(pin->digest.bytes), locked);
	if (uni_str_eq(version, pin->version))
		return strncmp(hex, locked, HEX_SIZE) != 0;
	return uni_version_newer(version, pin->version) && uni_range_has_text(range, version);
}

char *uni_index_embedded_newer(const struct uni_pin *pin, const char *range, const char *arch)
{
	const struct uni_indexes_options none = { .store = NULL };
	struct uni_err ignored = UNI_ERR_INIT;
	char *best = NULL;
	void *index;
	if (pin->index == NULL || !uni_str_eq(pin->index, INDEX_EMBEDDED_NAME) ||
	    embedded_open(&index, NULL, &none, &ignored) != 0)
		return NULL;
	const struct embedded *e = index;
	for (const char *line = uni_buf_text(&e->digests); *line != '\0';) {
		size_t length = strcspn(line, "\n");
		char *version UNI_AUTO_FREE =
			length <= HEX_SIZE + 2 ? NULL
					       : version_in(line + HEX_SIZE + 2,
							    length - HEX_SIZE - 2, pin->name, arch);
		if (version != NULL && supersedes(version, line, pin, range) &&
		    (best == NULL || uni_version_newer(version, best))) {
			free(best);
			best = version;
			version = NULL;
		}
		line += length + (line[length] == '\n');
	}
	embedded_close(index);
	return best;
}

const struct index_kind index_embedded = {
	.open = embedded_open,
	.refresh = embedded_refresh,
	.read = embedded_read,
	.fetch = embedded_fetch,
	.close = embedded_close,
};
