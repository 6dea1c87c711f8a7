/*
 * What goes with an image into a registry: bills of materials and provenance, from the manifest
 * beside it, and a signature.
 */
#ifndef UNI_CLI_COMPANY_H
#define UNI_CLI_COMPANY_H

#include <uni/dest/dest.h>

#include "sbom.h"
#include "signature.h"

#define CLI_COMPANY_FORMS 3

struct cli_company {
	struct cli_signature signature;
	struct uni_buf contents[CLI_COMPANY_FORMS];
	struct uni_dest_attachment attachments[CLI_COMPANY_FORMS];
};
void cli_company_free(struct cli_company *company);
#define CLI_AUTO_COMPANY __attribute__((cleanup(cli_company_free)))

/* By --sign and --bare; into `job`, which borrows from `company`. */
int cli_company_prepare(const struct cli *cli, struct cli_company *company,
			struct uni_dest_job *job, struct uni_err *err);

#endif
