/*
 * One artifact of each type beside a manifest.
 */
#include "referrers.h"
#include <uni/dest/attach.h>

#define CONTENT_MAX (64u << 20)

int uni_oci_attach(struct uni_oci *oci, const struct uni_oci_descriptor *subject, const char *type,
		   const char *title, const struct uni_buf *content, struct uni_err *err)
{
	const struct referrer referrer = {
		.subject = subject, .type = type, .title = title, .content = content
	};
	int rc = referrer_put(oci, &referrer, err);

	return rc != 0 ? uni_err_context(err, "attach %s", title) : 0;
}

/* The first will do. */
static int take_content(void *user, const struct uni_buf *content, struct uni_err *err)
{
	(void)err;
	uni_buf_add(user, content->data, content->size);
	return 1;
}

int uni_oci_attached(struct uni_oci *oci, const struct uni_digest *subject, const char *type,
		     struct uni_buf *content, struct uni_err *err)
{
	int rc = referrers_each(oci, subject, type, CONTENT_MAX, take_content, content, err);

	if (rc == 0)
		return uni_err_set(err, UNI_E_NOENT, "nothing of type %s is attached to it", type);
	return rc < 0 ? rc : 0;
}
