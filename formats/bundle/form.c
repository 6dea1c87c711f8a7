/*
 * The registry of forms. A new one is a file and a line here.
 */
#include <uni/base/file.h>

#include "internal.h"

const struct uni_form *const uni_forms[] = { &form_ami, &form_containerdisk, NULL };

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
