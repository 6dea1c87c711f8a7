/*
 * What an image is made of, for programs that ask: made of its manifest, so that it says what the
 * build saw, and nothing of when, where or by whom. The same manifest gives the same bytes.
 *
 *   SPDX 2.3 (ISO/IEC 5962's successor), JSON; CycloneDX 1.5, JSON;
 *   SLSA provenance 1 as an in-toto statement 1, whose subjects are the image's artifacts.
 */
#ifndef UNI_BUNDLE_SBOM_H
#define UNI_BUNDLE_SBOM_H

#include <uni/base/digest.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>

enum uni_sbom_form { UNI_SBOM_SPDX, UNI_SBOM_CYCLONEDX, UNI_SBOM_PROVENANCE };
bool uni_sbom_form_parse(const char *name, enum uni_sbom_form *form);

/* What is known of a package beyond the manifest. Owned by the caller of the lookup. */
struct uni_sbom_known {
	char *version, *licence; /* licence: SPDX expression; NULL where unknown */
};
struct uni_sbom_lookup {
	/* Of the package `name`, one of whose files has this digest, or of which it is the only
	 * version. Nothing found leaves `known` as it is. May be NULL. */
	void (*fn)(void *user, const char *name, const struct uni_digest *digest,
		   struct uni_sbom_known *known);
	void *user;
};

/* `name` is the manifest's, for messages. */
int uni_sbom_write(enum uni_sbom_form form, const char *name, const struct uni_buf *manifest,
		   const struct uni_sbom_lookup *lookup, struct uni_buf *out, struct uni_err *err);

#endif
