/*
 * Writing a package: what is read is held against what package.json promises, since that stands in
 * front of it.
 */
#include "internal.h"

#include <uni/base/file.h>
#include <uni/io/tar.h>
#include <unistd.h>

#define CHUNK 65536

static int write_content(struct uni_tar_writer *tar, int fd, const struct uni_package_file *file,
			 struct uni_err *err)
{
	char *chunk UNI_AUTO_FREE = uni_alloc(CHUNK);
	struct uni_hash hash;
	struct uni_digest digest;
	uint64_t left = file->size;
	char extra;
	int rc = 0;

	uni_hash_start(&hash);
	while (rc == 0 && left > 0) {
		size_t now = left < CHUNK ? (size_t)left : CHUNK;

		rc = uni_read_full(fd, chunk, now, file->path, err);
		if (rc == UNI_E_CORRUPT)
			return uni_err_set(err, UNI_E_CHANGED,
					   "%s: became shorter while it was read", file->path);
		if (rc == 0)
			rc = uni_tar_writer_data(tar, chunk, now, err);
		uni_hash_add(&hash, chunk, now);
		left -= now;
	}
	if (rc != 0)
		return rc;
	digest = uni_hash_end(&hash);
	if (read(fd, &extra, 1) != 0 || !uni_digest_eq(&digest, &file->digest))
		return uni_err_set(err, UNI_E_CHANGED, "%s: changed while it was read", file->path);
	return 0;
}

static int write_file(struct uni_tar_writer *tar, const struct uni_package *package, size_t index,
		      int (*open)(void *user, size_t index, int *fd, struct uni_err *err),
		      void *user, struct uni_err *err)
{
	const struct uni_package_file *file = &package->files[index];
	struct uni_entry entry = package_entry(file->path, file->mode, file->size);
	int fd UNI_AUTO_CLOSE = -1;
	int rc = open(user, index, &fd, err);

	if (rc == 0)
		rc = uni_tar_writer_entry(tar, &entry, err);
	if (rc == 0)
		rc = write_content(tar, fd, file, err);
	return rc;
}

static int write_text(struct uni_tar_writer *tar, const char *name, const struct uni_buf *text,
		      struct uni_err *err)
{
	struct uni_entry entry = package_entry(name, 0644, text->size);
	int rc = uni_tar_writer_entry(tar, &entry, err);

	return rc == 0 ? uni_tar_writer_data(tar, text->data, text->size, err) : rc;
}

/* The description, and what is made of it. */
static int write_front(struct uni_tar_writer *tar, const struct uni_package *package,
		       struct uni_err *err)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf bill UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf provenance UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc;

	uni_package_json(package, &json);
	if (json.size > UNI_PACKAGE_JSON_MAX)
		return uni_err_set(err, UNI_E_LIMIT, PACKAGE_JSON " of %zu bytes", json.size);
	uni_package_spdx(package, &bill);
	uni_package_provenance(package, &provenance);
	rc = write_text(tar, PACKAGE_JSON, &json, err);
	if (rc == 0)
		rc = write_text(tar, PACKAGE_SPDX, &bill, err);
	return rc == 0 ? write_text(tar, PACKAGE_PROVENANCE, &provenance, err) : rc;
}

int uni_package_write(int fd, const char *name, const struct uni_package *package,
		      int (*open)(void *user, size_t index, int *fd, struct uni_err *err),
		      void *user, struct uni_err *err)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, name);
	struct uni_tar_writer *tar UNI_AUTO(uni_tar_writer) = NULL;
	int rc = uni_package_check(package, err);

	if (rc == 0)
		rc = uni_sink_push_zstd(&sink, PACKAGE_LEVEL, UNI_SIZE_UNKNOWN, err);
	if (rc != 0)
		return rc;
	tar = uni_tar_writer_new(sink);
	rc = write_front(tar, package, err);
	for (size_t i = 0; rc == 0 && i < package->file_count; i++)
		rc = write_file(tar, package, i, open, user, err);
	if (rc == 0)
		rc = uni_tar_writer_end(tar, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	return rc;
}
