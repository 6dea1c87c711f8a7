/*
 * The registry of forms. A new one is a file and a line here.
 */
#include <uni/base/file.h>

#include "internal.h"

enum { CHUNK = 1 << 20 };

const struct uni_form *const uni_forms[] = { &form_gcp, &form_ova, &form_ami, &form_containerdisk,
					     NULL };

const struct uni_form *uni_form_find(const char *name)
{
	for (size_t i = 0; uni_forms[i] != NULL; i++)
		if (uni_str_eq(uni_forms[i]->name, name))
			return uni_forms[i];
	return NULL;
}

int uni_form_put(const struct uni_form_out *out, const char *name, const void *data, size_t size,
		 struct uni_err *err)
{
	struct uni_digest digest = uni_digest_of(data, size);
	int fd;
	int rc = out->begin(out->user, &fd, err);

	if (rc == 0)
		rc = uni_pwrite_full(fd, data, size, 0, name, err);
	return rc != 0 ? rc : out->end(out->user, name, &digest, err);
}

int bundle_tar_copy(struct uni_tar_writer *tar, int fd, uint64_t size, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < size;) {
		size_t step = size - at < CHUNK ? (size_t)(size - at) : CHUNK;

		rc = uni_pread_full(fd, chunk, step, at, "disk", err);
		if (rc == 0)
			rc = uni_tar_writer_data(tar, chunk, step, err);
		at += step;
	}
	return rc;
}
