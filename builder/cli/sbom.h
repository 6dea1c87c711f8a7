/*
 * What the commands share that tell or attach what an image is made of.
 */
#ifndef UNI_CLI_SBOM_H
#define UNI_CLI_SBOM_H

#include <uni/bundle/sbom.h>
#include <uni/cache/store.h>

#define CLI_SBOM_ENVELOPE "application/vnd.dsse.envelope.v1+json" /* of signed provenance */

/* Media type of a form. */
const char *cli_sbom_type(enum uni_sbom_form form);
/* From the manifest beside the image (NAME.raw, NAME.manifest.json), or that itself; UNI_E_NOENT.
 */
int cli_sbom_write(struct uni_store *store, const char *image, enum uni_sbom_form form,
		   struct uni_buf *out, struct uni_err *err);

#endif
