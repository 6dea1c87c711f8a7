/*
 * Reading a package, all of it taken for hostile. package.json comes first and says exactly what
 * follows, so an entry is right or the end: no path of the archive is ever used, only compared.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/io/tar.h>

#define CHUNK 65536
/* Tar headers and padding, next to the files. */
#define OVERHEAD_MAX (UINT64_C(1) << 30)

struct reader {
	struct uni_tar_reader *tar;
	const struct uni_package_visitor *visitor;
	const struct uni_package *package;
	const struct uni_entry *ahead; /* looked at, and not taken */
	char *chunk;
};

static int take_next(struct reader *r, const struct uni_entry **entry, struct uni_err *err)
{
	*entry = r->ahead;
	r->ahead = NULL;
	return *entry != NULL ? 1 : uni_tar_reader_next(r->tar, entry, err);
}

static int next_entry(struct reader *r, const char *path, uint32_t mode,
		      const struct uni_entry **entry, struct uni_err *err)
{
	const struct uni_entry *e;
	int rc = take_next(r, entry, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return uni_err_set(err, UNI_E_CORRUPT, "%s is missing", path);
	e = *entry;
	if (e->type != UNI_ENTRY_FILE || strcmp(e->path, path) != 0)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "where the file %s should be is something "
				   "else: %s",
				   path, e->path);
	if (e->mode != mode || e->uid != 0 || e->gid != 0 || e->mtime != 0 || e->xattr_count != 0)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: owner, mode or time is not as it should "
				   "be",
				   path);
	return 0;
}

static int read_text(struct reader *r, const char *name, uint64_t limit, struct uni_buf *text,
		     struct uni_err *err)
{
	const struct uni_entry *entry;
	size_t got;
	int rc = next_entry(r, name, 0644, &entry, err);

	if (rc != 0)
		return rc;
	if (entry->size > limit)
		return uni_err_set(err, UNI_E_LIMIT, "%s of %s", name, uni_size_text(entry->size));
	do {
		rc = uni_tar_reader_data(r->tar, r->chunk, CHUNK, &got, err);
		if (rc == 0)
			uni_buf_add(text, r->chunk, got);
	} while (rc == 0 && got != 0);
	return rc;
}

/* A text that is made of the description: this one and no other. */
static int read_made(struct reader *r, const char *name, const struct uni_buf *due,
		     struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = read_text(r, name, due->size, &text, err);

	if (rc == 0 && (text.size != due->size || memcmp(text.data, due->data, due->size) != 0))
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s does not say what " PACKAGE_JSON " does",
				 name);
	return rc;
}

/* Both, or, in a package that was made without them, none. */
static int read_attested(struct reader *r, const struct uni_package *package, struct uni_err *err)
{
	struct uni_buf bill UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf provenance UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = take_next(r, &r->ahead, err);

	if (rc != 1 || strcmp(r->ahead->path, PACKAGE_SPDX) != 0)
		return rc < 0 ? rc : 0;
	uni_package_spdx(package, &bill);
	uni_package_provenance(package, &provenance);
	rc = read_made(r, PACKAGE_SPDX, &bill, err);
	return rc == 0 ? read_made(r, PACKAGE_PROVENANCE, &provenance, err) : rc;
}

static int read_description(struct reader *r, struct uni_package **package, struct uni_err *err)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf again UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = read_text(r, PACKAGE_JSON, UNI_PACKAGE_JSON_MAX, &json, err);

	if (rc == 0)
		rc = uni_package_parse(package, uni_buf_text(&json), json.size, err);
	if (rc != 0)
		return rc;
	/* One text for one package: the digest must not depend on how it was spelled. */
	uni_package_json(*package, &again);
	if (again.size != json.size || memcmp(again.data, json.data, json.size) != 0)
		return uni_err_set(err, UNI_E_CORRUPT, PACKAGE_JSON ": not in its canonical form");
	return 0;
}

static int read_file(struct reader *r, size_t index, struct uni_err *err)
{
	const struct uni_package_file *file = &r->package->files[index];
	const struct uni_entry *entry;
	struct uni_digest digest;
	struct uni_hash hash;
	size_t got;
	int rc = next_entry(r, file->path, file->mode, &entry, err);

	if (rc != 0)
		return rc;
	if (entry->size != file->size)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: its size is not the one promised",
				   file->path);
	uni_hash_start(&hash);
	do {
		rc = uni_tar_reader_data(r->tar, r->chunk, CHUNK, &got, err);
		if (rc == 0 && got != 0) {
			uni_hash_add(&hash, r->chunk, got);
			rc = r->visitor->data(r->visitor->user, index, r->chunk, got, err);
		}
	} while (rc == 0 && got != 0);
	if (rc != 0)
		return rc;
	digest = uni_hash_end(&hash);
	if (!uni_digest_eq(&digest, &file->digest))
		return uni_err_set(err, UNI_E_CORRUPT, "%s: its digest is not the one promised",
				   file->path);
	return r->visitor->end(r->visitor->user, index, err);
}

static int skip_start(void *user, const struct uni_package *package, struct uni_err *err)
{
	(void)user;
	(void)package;
	(void)err;
	return 0;
}

static int skip_data(void *user, size_t index, const void *data, size_t size, struct uni_err *err)
{
	(void)user;
	(void)index;
	(void)data;
	(void)size;
	(void)err;
	return 0;
}

static int skip_end(void *user, size_t index, struct uni_err *err)
{
	(void)user;
	(void)index;
	(void)err;
	return 0;
}

static int read_all(struct reader *r, struct uni_package **package, struct uni_source *source,
		    struct uni_err *err)
{
	const struct uni_entry *entry;
	size_t got = 0;
	int rc = read_description(r, package, err);

	if (rc == 0)
		rc = read_attested(r, *package, err);
	if (rc == 0) {
		r->package = *package;
		rc = r->visitor->start(r->visitor->user, *package, err);
	}
	for (size_t i = 0; rc == 0 && i < r->package->file_count; i++)
		rc = read_file(r, i, err);
	if (rc != 0)
		return rc;
	rc = take_next(r, &entry, err);
	if (rc == 1)
		return uni_err_set(err, UNI_E_CORRUPT, "%s is not in its description", entry->path);
	/* To the compressed stream's very end, or a cut one could pass. */
	do {
		if (rc == 0)
			rc = uni_source_read(source, r->chunk, CHUNK, &got, err);
	} while (rc == 0 && got != 0 && uni_all_zero(r->chunk, got));
	if (rc == 0 && got != 0)
		return uni_err_set(err, UNI_E_CORRUPT, "there is something behind its end");
	return rc;
}

/* As what the visitor does with it may, or one who stops us: that says nothing about the package.
 */
static bool fails_for_other_reasons(int rc)
{
	return rc == UNI_E_NOSPACE || rc == UNI_E_IO || rc == UNI_E_DENIED || rc == UNI_E_NOMEM ||
	       rc == UNI_E_CANCELLED || rc == UNI_E_TIMEOUT;
}

int uni_package_read(struct uni_package **package, int fd, const char *name,
		     const struct uni_package_visitor *visitor, struct uni_err *err)
{
	static const struct uni_tar_limits limits = {
		.entries = UNI_PACKAGE_FILES_MAX + 3,
		.size = UNI_PACKAGE_SIZE_MAX + 8 * UNI_PACKAGE_JSON_MAX,
		.path_size = 255,
	};
	struct uni_source *source UNI_AUTO(uni_source) = uni_source_from_fd(fd, name);
	struct uni_package *made UNI_AUTO(uni_package) = NULL;
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) = NULL;
	char *chunk UNI_AUTO_FREE = uni_alloc(CHUNK);
	static const struct uni_package_visitor skip = { skip_start, skip_data, skip_end, NULL };
	struct reader r = { .visitor = visitor != NULL ? visitor : &skip, .chunk = chunk };
	int rc = uni_source_push_zstd(&source, UNI_PACKAGE_SIZE_MAX + OVERHEAD_MAX, name, err);

	*package = NULL;
	if (rc != 0)
		return rc;
	r.tar = tar = uni_tar_reader_new(source, &limits, name);
	rc = read_all(&r, &made, source, err);
	if (rc != 0 && fails_for_other_reasons(rc))
		return uni_err_context(err, "%s", name);
	if (rc != 0)
		return uni_err_context(err, "%s: not a sound package", name);
	*package = made;
	made = NULL;
	return 0;
}
