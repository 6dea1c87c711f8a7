/*
 * The attachments of a push, and its signature.
 */
#include "company.h"

#include <uni/trust/dsse.h>

void cli_company_free(struct cli_company *company)
{
	cli_signature_free(&company->signature);
	for (size_t i = 0; i < CLI_COMPANY_FORMS; i++)
		uni_buf_free(&company->contents[i]);
}

/* In an envelope that says who signed, where that is a key of ours. */
static int seal(struct cli_company *c, struct uni_buf *statement, const char **type,
		struct uni_err *err)
{
	const struct uni_signer *const signers[] = { c->signature.signer };
	UNI_AUTO_BUF struct uni_buf envelope = UNI_BUF_INIT;
	int rc = uni_dsse_sign(*type, statement->data, statement->size, signers, 1, &envelope, err);

	if (rc != 0)
		return rc;
	uni_buf_clear(statement);
	uni_buf_add(statement, envelope.data, envelope.size);
	*type = CLI_SBOM_ENVELOPE;
	return 0;
}

/* An image without its manifest goes without them. */
static int make_attachments(struct cli_company *c, struct uni_dest_job *job, struct uni_err *err)
{
	static const char *const titles[] = { "sbom.spdx.json", "sbom.cdx.json",
					      "provenance.json" };
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	int rc = uni_store_open(&store, NULL, &c->signature.cli->events, err);

	for (size_t i = 0; rc == 0 && i < CLI_COMPANY_FORMS; i++) {
		enum uni_sbom_form form = (enum uni_sbom_form)i;
		const char *type = cli_sbom_type(form);

		rc = cli_sbom_write(store, job->source, form, &c->contents[i], err);
		if (rc == UNI_E_NOENT) {
			uni_err_clear(err);
			return 0;
		}
		if (rc == 0 && form == UNI_SBOM_PROVENANCE && c->signature.signer != NULL)
			rc = seal(c, &c->contents[i], &type, err);
		c->attachments[i] = (struct uni_dest_attachment){ .type = type,
								  .title = titles[i],
								  .content = &c->contents[i] };
	}
	job->attachments = c->attachments;
	job->attachment_count = rc == 0 ? CLI_COMPANY_FORMS : 0;
	return rc;
}

int cli_company_prepare(const struct cli *cli, struct cli_company *company,
			struct uni_dest_job *job, struct uni_err *err)
{
	int rc = cli_signature_open(cli, cli_value(cli, "sign"), &company->signature, err);

	if (rc == 0 && !cli_flag(cli, "bare"))
		rc = make_attachments(company, job, err);
	if (company->signature.key != NULL)
		job->signer = &company->signature.how;
	return rc;
}
