/*
 * Signing by a key of `uni key` or by a PEM file, and the attachments of a push.
 */
#include "company.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/trust/dsse.h>

#include "keys.h"

void cli_company_free(struct cli_company *company)
{
	uni_signer_free(company->signer);
	if (company->pem.data != NULL)
		explicit_bzero(company->pem.data, company->pem.size);
	uni_buf_free(&company->pem);
	if (company->passphrase != NULL)
		explicit_bzero(company->passphrase, strlen(company->passphrase));
	free(company->passphrase);
	for (size_t i = 0; i < CLI_COMPANY_FORMS; i++)
		uni_buf_free(&company->contents[i]);
}

static int sign_pem(struct cli_company *c, const void *data, size_t size, struct uni_buf *signature,
		    struct uni_err *err)
{
	const struct uni_pem pem = { .name = c->key,
				     .text = uni_buf_text(&c->pem),
				     .size = c->pem.size };
	int rc = uni_pem_sign(&pem, c->passphrase, data, size, signature, err);

	if (rc != UNI_E_AUTH || c->passphrase != NULL)
		return rc;
	rc = cli_passphrase(c->cli, c->key, false, &c->passphrase, err);
	return rc == 0 ? uni_pem_sign(&pem, c->passphrase, data, size, signature, err) : rc;
}

static int sign(void *user, const void *data, size_t size, struct uni_buf *signature,
		struct uni_err *err)
{
	struct cli_company *c = user;
	uint8_t bytes[UNI_SIGNATURE_SIZE];
	int rc;

	if (c->signer == NULL)
		return sign_pem(c, data, size, signature, err);
	rc = uni_signer_sign(c->signer, data, size, bytes, err);
	if (rc == 0)
		uni_buf_add(signature, bytes, sizeof(bytes));
	return rc;
}

static int load_key(struct cli_company *c, struct uni_err *err)
{
	if (cli_key_is_file(c->key))
		return uni_file_read(c->key, CLI_PEM_MAX, &c->pem, err);
	return cli_signer_load(c->cli, c->key, &c->signer, err);
}

/* In an envelope that says who signed, where that is a key of ours. */
static int seal(struct cli_company *c, struct uni_buf *statement, const char **type,
		struct uni_err *err)
{
	const struct uni_signer *const signers[] = { c->signer };
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
	int rc = uni_store_open(&store, NULL, &c->cli->events, err);

	for (size_t i = 0; rc == 0 && i < CLI_COMPANY_FORMS; i++) {
		enum uni_sbom_form form = (enum uni_sbom_form)i;
		const char *type = cli_sbom_type(form);

		rc = cli_sbom_write(store, job->source, form, &c->contents[i], err);
		if (rc == UNI_E_NOENT) {
			uni_err_clear(err);
			return 0;
		}
		if (rc == 0 && form == UNI_SBOM_PROVENANCE && c->signer != NULL)
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
	int rc = 0;

	company->cli = cli;
	company->key = cli_value(cli, "sign");
	if (company->key != NULL)
		rc = load_key(company, err);
	if (rc == 0 && !cli_flag(cli, "bare"))
		rc = make_attachments(company, job, err);
	company->how = (struct uni_oci_signer){ .sign = sign, .user = company };
	if (company->key != NULL)
		job->signer = &company->how;
	return rc;
}
