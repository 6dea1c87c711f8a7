/*
 * The statement says that the manifest is signed, and nothing more: of bundles with other
 * statements (provenance, bills of materials) none counts as a signature. There is neither a log's
 * entry nor a time in them.
 */
#include "bundle.h"
#include "referrers.h"

#include <string.h>
#include <uni/base/json.h>
#include <uni/trust/dsse.h>

#define PAYLOAD_TYPE "application/vnd.in-toto+json"
#define PREDICATE_TYPE "https://sigstore.dev/cosign/sign/v1"
#define BUNDLE_MAX (1u << 20)

/* --- signing --- */

static void put_statement(const struct uni_digest *manifest, struct uni_buf *out)
{
	char hex[65];

	uni_hex(manifest->bytes, sizeof(manifest->bytes), hex);
	uni_buf_printf(out,
		       "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":"
		       "{\"sha256\":\"%s\"}}],\"predicateType\":\"" PREDICATE_TYPE
		       "\",\"predicate\":{}}",
		       hex);
}

int bundle_sign(const struct uni_digest *manifest, const struct uni_oci_signer *signer,
		struct uni_buf *out, struct uni_err *err)
{
	struct uni_buf statement UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf pae UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf bytes UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_dsse_signature signature = { .key_id = NULL };
	int rc;

	put_statement(manifest, &statement);
	uni_dsse_pae(PAYLOAD_TYPE, statement.data, statement.size, &pae);
	rc = signer->sign(signer->user, pae.data, pae.size, &bytes, err);
	if (rc != 0)
		return rc;
	signature.bytes = bytes.data;
	signature.size = bytes.size;
	/* Which key it is the reader knows: the hint that could say so is left out. */
	uni_buf_puts(out, "{\"mediaType\":\"" BUNDLE_TYPE
			  "\",\"verificationMaterial\":{\"publicKey\":{}},\"dsseEnvelope\":");
	uni_dsse_json(PAYLOAD_TYPE, statement.data, statement.size, &signature, 1, out);
	uni_buf_puts(out, "}");
	return 0;
}

int bundle_attach(struct uni_oci *oci, const struct uni_oci_descriptor *manifest,
		  const struct uni_buf *bundle, struct uni_err *err)
{
	static const struct uni_oci_annotation annotations[] = {
		{ "dev.sigstore.bundle.content", "dsse-envelope" },
		{ "dev.sigstore.bundle.predicateType", PREDICATE_TYPE },
	};
	const struct referrer referrer = {
		.subject = manifest,
		.type = BUNDLE_TYPE,
		.annotations = { annotations, UNI_COUNT(annotations) },
		.content = bundle,
		.beside = true,
	};

	return referrer_put(oci, &referrer, err);
}

/* --- verifying --- */

static bool states(const struct uni_buf *statement, const struct uni_digest *manifest)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	const struct uni_json *subjects;
	bool found = false;
	char hex[65];

	if (uni_json_parse(&json, "statement", uni_buf_text(statement), statement->size,
			   &ignored) != 0 ||
	    !uni_str_eq(uni_json_text(uni_json_get(json, "predicateType")), PREDICATE_TYPE))
		return false;
	uni_hex(manifest->bytes, sizeof(manifest->bytes), hex);
	subjects = uni_json_get(json, "subject");
	for (size_t i = 0; !found && i < uni_json_count(subjects); i++)
		found = uni_str_eq(
			uni_json_text(uni_json_get(
				uni_json_get(uni_json_item(subjects, i), "digest"), "sha256")),
			hex);
	return found;
}

struct looking {
	const struct uni_digest *manifest;
	const struct uni_pem *key;
	size_t count;
};

/* 1: this is the one. What is no bundle, or another's, is passed over. */
static int look(void *user, const struct uni_buf *content, struct uni_err *err)
{
	struct looking *l = user;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf statement UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_json_parse(&json, "bundle", uni_buf_text(content), content->size, err);

	l->count++;
	if (rc == 0)
		rc = uni_dsse_open(uni_json_get(json, "dsseEnvelope"), PAYLOAD_TYPE, l->key,
				   &statement, err);
	if (rc == 0)
		return states(&statement, l->manifest);
	uni_err_clear(err);
	return 0;
}

int bundle_find(struct uni_oci *oci, const struct uni_digest *manifest, const struct uni_pem *key,
		bool *valid, size_t *count, struct uni_err *err)
{
	struct looking looking = { .manifest = manifest, .key = key };
	int rc = referrers_each(oci, manifest, BUNDLE_TYPE, BUNDLE_MAX, look, &looking, err);

	*valid = rc == 1;
	*count = looking.count;
	return rc < 0 ? rc : 0;
}
