/*
 * What writers of SPDX 2.3 share. A package stands on a line of its own, without a comma behind.
 */
#ifndef BUNDLE_SPDX_H
#define BUNDLE_SPDX_H

#include <uni/base/digest.h>
#include <uni/base/text.h>

/* `before`, then the text as a JSON string, or the digest's hex as one. */
void spdx_text(struct uni_buf *out, const char *before, const char *text);
void spdx_hex(struct uni_buf *out, const char *before, const struct uni_digest *digest);
struct spdx_package {
	const char *id, *name;
	const char *version, *licence;	 /* NULL: not known */
	const struct uni_digest *digest; /* NULL: none */
	const char *purpose;		 /* SPDX 2.3, section 7.24 */
};
void spdx_package(struct uni_buf *out, const struct spdx_package *package);
void spdx_relation(struct uni_buf *out, const char *from, const char *type, const char *to,
		   const char *end);

#endif
