/*
 * A package file into the store: each file becomes a blob while it is read, and the reference that
 * makes them a package comes last, when all was found to be as promised.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>

struct installing {
	struct uni_store *store;
	const struct uni_package *package;
	struct uni_store_writer *writer;
	struct uni_store_record record;
};

static int on_start(void *user, const struct uni_package *package, struct uni_err *err)
{
	struct installing *in = user;

	(void)err;
	in->package = package;
	return 0;
}

static int on_data(void *user, size_t index, const void *data, size_t size, struct uni_err *err)
{
	struct installing *in = user;
	int rc = 0;

	(void)index;
	if (in->writer == NULL)
		rc = uni_store_writer_open(&in->writer, in->store, err);
	if (rc == 0)
		rc = uni_write_full(uni_store_writer_fd(in->writer), data, size,
				    uni_store_path(in->store), err);
	return rc;
}

static int on_end(void *user, size_t index, struct uni_err *err)
{
	struct installing *in = user;
	const struct uni_package_file *file = &in->package->files[index];
	struct uni_store_entry blob;
	int rc = on_data(user, index, "", 0, err);

	if (rc == 0)
		rc = uni_store_writer_commit(in->writer, &file->digest, &blob, err);
	uni_store_writer_free(in->writer);
	in->writer = NULL;
	if (rc == 0)
		uni_store_record_add(&in->record, file->path, &blob);
	return rc != 0 ? rc : uni_check_cancel(err);
}

/* All but the name under which the record is to be found. */
static int unpack(struct uni_store *store, const char *file, struct uni_package **package,
		  struct uni_store_record *record, struct uni_err *err)
{
	struct installing in = { .store = store };
	struct uni_package_visitor visitor = {
		.start = on_start, .data = on_data, .end = on_end, .user = &in
	};
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_store_entry blob;
	int fd UNI_AUTO_CLOSE = open(file, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return uni_err_errno(err, "%s", file);
	rc = uni_package_read(package, fd, file, &visitor, err);
	uni_store_writer_free(in.writer);
	*record = in.record;
	if (rc != 0)
		return rc;
	uni_package_json(*package, &json);
	rc = uni_store_put(store, json.data, json.size, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, PACKAGE_JSON, &blob);
	record->meta = installed_meta(*package);
	return rc;
}

int uni_package_install(struct uni_store *store, const char *file, struct uni_installed **installed,
			struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	char *name UNI_AUTO_FREE = NULL;
	int rc = unpack(store, file, &package, &record, err);

	if (rc == 0) {
		name = installed_ref(package);
		rc = uni_store_ref_set(store, name, &record, err);
	}
	if (rc == 0 && installed != NULL)
		rc = installed_decode(&record, name, installed, err);
	return rc != 0 ? uni_err_context(err, "install") : 0;
}

static struct uni_digest archive_key(const struct uni_digest *archive)
{
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni package file 1");
	uni_hash_add(&hash, archive->bytes, sizeof(archive->bytes));
	return uni_hash_end(&hash);
}

int uni_package_known(struct uni_store *store, const struct uni_digest *archive,
		      struct uni_installed **installed, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = archive_key(archive);
	int rc = uni_store_result_get(store, &key, &record, err);

	*installed = NULL;
	if (rc != 1)
		return rc;
	rc = installed_decode(&record, "package", installed, err);
	return rc == 0 ? 1 : rc;
}

bool uni_package_here(struct uni_store *store, const struct uni_digest *archive)
{
	struct uni_digest key = archive_key(archive);

	return uni_store_result_known(store, &key);
}

int uni_package_load(struct uni_store *store, const char *file, const struct uni_digest *archive,
		     struct uni_installed **installed, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	struct uni_digest key = archive_key(archive);
	int rc = uni_package_known(store, archive, installed, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = unpack(store, file, &package, &record, err);
	if (rc == 0)
		rc = uni_store_result_put(store, &key, &record, err);
	return rc != 0 ? rc : installed_decode(&record, file, installed, err);
}
