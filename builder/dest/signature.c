/*
 * Signatures beside manifests, as `cosign sign --key` leaves them and `cosign verify --key` reads
 * them. The payload names the manifest's digest; its signature is an annotation of its layer.
 */
#include "bundle.h"
#include "descriptors.h"
#include <uni/dest/attach.h>

#include <string.h>

#define PAYLOAD_TYPE "application/vnd.dev.cosign.simplesigning.v1+json"
#define SIGNATURE_KEY "dev.cosignproject.cosign/signature"
#define PAYLOAD_MAX (64u << 10)
#define SIGNATURE_MAX 512 /* bytes */
#define NO_TIME "0001-01-01T00:00:00Z"

static char *signature_tag(const struct uni_digest *manifest)
{
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(manifest, text);
	*strchr(text, ':') = '-';
	return uni_asprintf("%s.sig", text);
}

static int read_signatures(struct uni_oci *oci, const struct uni_digest *manifest,
			   struct uni_json **json, struct descriptors *layers, struct uni_err *err)
{
	char *tag UNI_AUTO_FREE = signature_tag(manifest);

	return descriptors_of_tag(oci, tag, "layers", json, layers, err);
}

/* --- signing --- */

static void put_payload(const struct uni_oci_reference *reference,
			const struct uni_digest *manifest, struct uni_buf *out)
{
	char *name UNI_AUTO_FREE = uni_asprintf("%s/%s", reference->host, reference->name);
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(manifest, text);
	uni_buf_puts(out, "{\"critical\":{\"identity\":{\"docker-reference\":");
	uni_json_string(out, name);
	uni_buf_printf(out,
		       "},\"image\":{\"docker-manifest-digest\":\"%s\"},"
		       "\"type\":\"cosign container image signature\"},\"optional\":null}",
		       text);
}

/* An image's configuration, for clients that insist on one: a layer a payload. */
static void put_config(const struct descriptors *layers, struct uni_buf *out)
{
	uni_buf_puts(out, "{\"architecture\":\"\",\"created\":\"" NO_TIME "\",\"history\":[");
	for (size_t i = 0; i < layers->count; i++)
		uni_buf_printf(out, "%s{\"created\":\"" NO_TIME "\"}", i != 0 ? "," : "");
	uni_buf_puts(out, "],\"os\":\"\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (size_t i = 0; i < layers->count; i++) {
		char text[UNI_DIGEST_TEXT];

		uni_digest_text(&layers->items[i].digest, text);
		uni_buf_printf(out, "%s\"%s\"", i != 0 ? "," : "", text);
	}
	uni_buf_puts(out, "]},\"config\":{}}");
}

static int put_signatures(struct uni_oci *oci, const struct uni_digest *manifest,
			  const struct descriptors *layers, struct uni_err *err)
{
	struct uni_buf config UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_oci_manifest signatures = { .layers = layers->items,
					       .layer_count = layers->count };
	char *tag UNI_AUTO_FREE = signature_tag(manifest);
	int rc;

	put_config(layers, &config);
	signatures.config =
		(struct uni_oci_descriptor){ .media_type = UNI_OCI_CONFIG, .size = config.size };
	rc = uni_oci_put_bytes(oci, config.data, config.size, &signatures.config.digest, err);
	if (rc != 0)
		return rc;
	uni_oci_manifest_json(&signatures, &json);
	return uni_oci_put_manifest(oci, tag, UNI_OCI_MANIFEST, &json, NULL, err);
}

int uni_oci_sign(struct uni_oci *oci, const struct uni_oci_reference *reference,
		 const struct uni_digest *manifest, const struct uni_oci_signer *signer,
		 struct uni_err *err)
{
	struct descriptors layers AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf payload UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf signature UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_oci_annotation annotation = { .key = SIGNATURE_KEY };
	struct uni_oci_descriptor layer = { .media_type = PAYLOAD_TYPE,
					    .annotations = { &annotation, 1 } };
	char *text UNI_AUTO_FREE = NULL;
	int rc;

	put_payload(reference, manifest, &payload);
	rc = signer->sign(signer->user, payload.data, payload.size, &signature, err);
	if (rc == 0)
		rc = read_signatures(oci, manifest, &json, &layers, err);
	if (rc == 0)
		rc = uni_oci_put_bytes(oci, payload.data, payload.size, &layer.digest, err);
	if (rc != 0)
		return uni_err_context(err, "sign");
	text = uni_alloc(UNI_BASE64_ROOM(signature.size));
	uni_base64(signature.data, signature.size, text);
	annotation.value = text;
	layer.size = payload.size;
	for (size_t i = 0; i < layers.count; i++)
		if (uni_str_eq(descriptor_annotation(&layers.items[i], SIGNATURE_KEY), text))
			return 0; /* Ed25519 says the same each time */
	descriptors_add(&layers, &layer);
	rc = put_signatures(oci, manifest, &layers, err);
	return rc != 0 ? uni_err_context(err, "sign") : 0;
}

int uni_oci_sign_bundle(struct uni_oci *oci, const struct uni_oci_descriptor *manifest,
			const struct uni_oci_signer *signer, struct uni_err *err)
{
	struct uni_buf bundle UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = bundle_sign(&manifest->digest, signer, &bundle, err);

	if (rc == 0)
		rc = bundle_attach(oci, manifest, &bundle, err);
	return rc != 0 ? uni_err_context(err, "sign") : 0;
}

/* --- verifying --- */

/* Whether the payload, which is signed, speaks of this manifest. */
static bool payload_names(const struct uni_buf *payload, const struct uni_digest *manifest)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	const struct uni_json *critical;
	char text[UNI_DIGEST_TEXT];

	if (uni_json_parse(&json, "payload", uni_buf_text(payload), payload->size, &ignored) != 0)
		return false;
	uni_digest_text(manifest, text);
	critical = uni_json_get(json, "critical");
	return uni_str_eq(uni_json_text(uni_json_get(uni_json_get(critical, "image"),
						     "docker-manifest-digest")),
			  text);
}

static int check(struct uni_oci *oci, const struct uni_oci_descriptor *layer,
		 const struct uni_digest *manifest, const struct uni_pem *key, bool *valid,
		 struct uni_err *err)
{
	struct uni_buf payload UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&payload, PAYLOAD_MAX);
	const char *text = descriptor_annotation(layer, SIGNATURE_KEY);
	uint8_t signature[SIGNATURE_MAX];
	size_t size = 0;
	int rc;

	*valid = false;
	if (!uni_str_eq(layer->media_type, PAYLOAD_TYPE) || layer->size > PAYLOAD_MAX ||
	    text == NULL || !uni_unbase64(text, signature, sizeof(signature), &size))
		return 0;
	rc = uni_oci_get_blob(oci, &layer->digest, layer->size, sink, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	if (rc == 0)
		rc = uni_pem_verify(key, payload.data, payload.size, signature, size, valid, err);
	*valid = rc == 0 && *valid && payload_names(&payload, manifest);
	return rc;
}

/* Whether one of those under the tag is the key's; how many there are. */
static int find_in_tag(struct uni_oci *oci, const struct uni_digest *manifest,
		       const struct uni_pem *key, bool *valid, size_t *count, struct uni_err *err)
{
	struct descriptors layers AUTO_DESCRIPTORS = { .items = NULL };
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	int rc = read_signatures(oci, manifest, &json, &layers, err);

	*valid = false;
	for (size_t i = 0; rc == 0 && !*valid && i < layers.count; i++)
		rc = check(oci, &layers.items[i], manifest, key, valid, err);
	*count = layers.count;
	return rc;
}

int uni_oci_verify(struct uni_oci *oci, const struct uni_digest *manifest,
		   const struct uni_pem *key, struct uni_err *err)
{
	size_t tagged = 0, bundles = 0;
	char text[UNI_DIGEST_TEXT];
	bool valid;
	/* What is no key is said before anybody is asked. */
	int rc = uni_pem_verify(key, "", 0, "", 0, &valid, err);

	if (rc == 0)
		rc = find_in_tag(oci, manifest, key, &valid, &tagged, err);
	if (rc == 0 && !valid)
		rc = bundle_find(oci, manifest, key, &valid, &bundles, err);
	if (rc != 0 || valid)
		return rc;
	uni_digest_text(manifest, text);
	return uni_err_set(err, UNI_E_AUTH,
			   tagged + bundles != 0
				   ? "%s: none of its signatures is by the key %s"
				   : "%s has no signature; wanted is one by the key %s",
			   text, key->name);
}
