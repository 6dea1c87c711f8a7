/*
 * Envelopes around statements.
 */
#include <string.h>
#include <uni/base/json.h>
#include <uni/trust/dsse.h>

#define SIGNATURES_MAX 64

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

int uni_dsse_sign(const char *type, const void *payload, size_t size,
		  const struct uni_signer *const *signers, size_t count, struct uni_buf *out,
		  struct uni_err *err)
{
	struct uni_buf pae UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_dsse_pae(type, payload, size, &pae);
	uni_buf_puts(out, "{\"payload\":\"");
	put_base64(out, payload, size);
	uni_buf_puts(out, "\",\"payloadType\":");
	uni_json_string(out, type);
	uni_buf_puts(out, ",\"signatures\":[");
	for (size_t i = 0; i < count; i++) {
		uint8_t signature[UNI_SIGNATURE_SIZE];
		char id[UNI_KEY_ID_TEXT];
		int rc = uni_signer_sign(signers[i], pae.data, pae.size, signature, err);
		if (rc != 0)
			return rc;
		uni_public_key_id(uni_signer_public(signers[i]), id);
		uni_buf_printf(out, "%s{\"keyid\":\"%s\",\"sig\":\"", i != 0 ? "," : "", id);
		put_base64(out, signature, sizeof(signature));
		uni_buf_puts(out, "\"}");
	}
	uni_buf_puts(out, "]}");
	return 0;
}

/* Signatures name keys only as a hint: each is tried with each key. */
static size_t count_signers(const struct uni_json *signatures, const struct uni_buf *pae,
			    const struct uni_public_key *keys, size_t count)
{
	size_t found = 0;
	for (size_t k = 0; k < count; k++) {
		bool doubled = false, signed_by = false;
		for (size_t j = 0; j < k; j++)
			doubled |= uni_public_key_eq(&keys[j], &keys[k]);
		for (size_t i = 0; !doubled && !signed_by && i < uni_json_count(signatures); i++) {
			const char *text =
				uni_json_text(uni_json_get(uni_json_item(signatures, i), "sig"));
			uint8_t signature[UNI_SIGNATURE_SIZE + 3];
			size_t size;
			signed_by = text != NULL &&
				    uni_unbase64(text, signature, sizeof(signature), &size) &&
				    size == UNI_SIGNATURE_SIZE &&
				    uni_signature_valid(&keys[k], pae->data, pae->size, signature);
		}
		found += signed_by;
	}
	return found;
}

int uni_dsse_open(const void *envelope, size_t size, const char *type,
		  const struct uni_public_key *keys, size_t count, size_t threshold,
		  struct uni_buf *payload, struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf pae UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_json_parse(&json, "envelope", envelope, size, err);
	if (rc != 0)
		return rc;
	const char *text = uni_json_text(uni_json_get(json, "payload"));
	const struct uni_json *signatures = uni_json_get(json, "signatures");
	if (text == NULL || uni_json_count(signatures) > SIGNATURES_MAX)
		return uni_err_set(err, UNI_E_PARSE, "not a DSSE envelope");
	if (!uni_str_eq(uni_json_text(uni_json_get(json, "payloadType")), type))
		return uni_err_set(err, UNI_E_AUTH, "the envelope is not of type %s", type);
	size_t room = strlen(text), got;
	uint8_t *bytes UNI_AUTO_FREE = uni_alloc(room + 1);
	if (!uni_unbase64(text, bytes, room + 1, &got))
		return uni_err_set(err, UNI_E_PARSE, "the envelope's payload is not base64");
	uni_dsse_pae(type, bytes, got, &pae);
	if (threshold == 0 || count_signers(signatures, &pae, keys, count) < threshold)
		return uni_err_set(err, UNI_E_AUTH, "the envelope is not signed by those who must");
	uni_buf_add(payload, bytes, got);
	return 0;
}
