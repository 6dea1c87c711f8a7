/*
 * Envelopes around statements.
 */
#include <string.h>
#include <uni/base/json.h>
#include <uni/trust/dsse.h>

#define SIGNATURES_MAX 64
#define SIGNATURE_MAX 512 /* bytes */

void uni_dsse_pae(const char *type, const void *payload, size_t size, struct uni_buf *out)
{
	uni_buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, size);
	uni_buf_add(out, payload, size);
}

static void put_base64(struct uni_buf *out, const void *data, size_t size)
{
	char *text UNI_AUTO_FREE = uni_alloc(UNI_BASE64_ROOM(size));

	uni_base64(data, size, text);
	uni_buf_puts(out, text);
}

void uni_dsse_json(const char *type, const void *payload, size_t size,
		   const struct uni_dsse_signature *signatures, size_t count, struct uni_buf *out)
{
	uni_buf_puts(out, "{\"payload\":\"");
	put_base64(out, payload, size);
	uni_buf_puts(out, "\",\"payloadType\":");
	uni_json_string(out, type);
	uni_buf_puts(out, ",\"signatures\":[");
	for (size_t i = 0; i < count; i++) {
		uni_buf_puts(out, i != 0 ? ",{" : "{");
		if (signatures[i].key_id != NULL) {
			uni_buf_puts(out, "\"keyid\":");
			uni_json_string(out, signatures[i].key_id);
			uni_buf_putc(out, ',');
		}
		uni_buf_puts(out, "\"sig\":\"");
		put_base64(out, signatures[i].bytes, signatures[i].size);
		uni_buf_puts(out, "\"}");
	}
	uni_buf_puts(out, "]}");
}

/* What a signer leaves. */
struct signed_by {
	uint8_t bytes[UNI_SIGNATURE_SIZE];
	char id[UNI_KEY_ID_TEXT];
};

int uni_dsse_sign(const char *type, const void *payload, size_t size,
		  const struct uni_signer *const *signers, size_t count, struct uni_buf *out,
		  struct uni_err *err)
{
	struct signed_by *by UNI_AUTO_FREE = uni_alloc_array(count + 1, sizeof(*by));
	struct uni_dsse_signature *signatures UNI_AUTO_FREE =
		uni_alloc_array(count + 1, sizeof(*signatures));
	struct uni_buf pae UNI_AUTO_BUF = UNI_BUF_INIT;

	uni_dsse_pae(type, payload, size, &pae);
	for (size_t i = 0; i < count; i++) {
		int rc = uni_signer_sign(signers[i], pae.data, pae.size, by[i].bytes, err);

		if (rc != 0)
			return rc;
		uni_public_key_id(uni_signer_public(signers[i]), by[i].id);
		signatures[i] = (struct uni_dsse_signature){ .key_id = by[i].id,
							     .bytes = by[i].bytes,
							     .size = sizeof(by[i].bytes) };
	}
	uni_dsse_json(type, payload, size, signatures, count, out);
	return 0;
}

/* Signatures name keys only as a hint: each is tried. */
static int any_by(const struct uni_json *signatures, const struct uni_pem *key,
		  const struct uni_buf *pae, bool *valid, struct uni_err *err)
{
	int rc = 0;

	*valid = false;
	for (size_t i = 0; rc == 0 && !*valid && i < uni_json_count(signatures); i++) {
		const char *text = uni_json_text(uni_json_get(uni_json_item(signatures, i), "sig"));
		uint8_t bytes[SIGNATURE_MAX];
		size_t size;

		if (text != NULL && uni_unbase64(text, bytes, sizeof(bytes), &size))
			rc = uni_pem_verify(key, pae->data, pae->size, bytes, size, valid, err);
	}
	return rc;
}

int uni_dsse_open(const struct uni_json *envelope, const char *type, const struct uni_pem *key,
		  struct uni_buf *payload, struct uni_err *err)
{
	const char *text = uni_json_text(uni_json_get(envelope, "payload"));
	const struct uni_json *signatures = uni_json_get(envelope, "signatures");
	struct uni_buf pae UNI_AUTO_BUF = UNI_BUF_INIT;
	uint8_t *bytes UNI_AUTO_FREE = NULL;
	size_t room, got;
	bool valid;
	int rc;

	if (text == NULL || uni_json_count(signatures) > SIGNATURES_MAX)
		return uni_err_set(err, UNI_E_PARSE, "not a DSSE envelope");
	if (!uni_str_eq(uni_json_text(uni_json_get(envelope, "payloadType")), type))
		return uni_err_set(err, UNI_E_AUTH, "the envelope is not of type %s", type);
	room = strlen(text) + 1;
	bytes = uni_alloc(room);
	if (!uni_unbase64(text, bytes, room, &got))
		return uni_err_set(err, UNI_E_PARSE, "the envelope's payload is not base64");
	uni_dsse_pae(type, bytes, got, &pae);
	rc = any_by(signatures, key, &pae, &valid, err);
	if (rc == 0 && !valid)
		rc = uni_err_set(err, UNI_E_AUTH, "the envelope is not signed by the key %s",
				 key->name);
	if (rc == 0)
		uni_buf_add(payload, bytes, got);
	return rc;
}
