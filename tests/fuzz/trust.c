/*
 * Any bytes as a root of trust and as an envelope: both are read, and neither is believed.
 */
#include <stdlib.h>
#include <uni/trust/dsse.h>
#include <uni/trust/tuf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = NULL;
	struct uni_buf payload UNI_AUTO_BUF = UNI_BUF_INIT;
	static const struct uni_public_key nobody;
	struct uni_buf pem UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *envelope UNI_AUTO(uni_json) = NULL;
	struct uni_tuf_options options = {
		.state = "/nonexistent", .root = data, .root_size = size, .read_only = true
	};
	(void)uni_tuf_open(&tuf, &options, NULL, &err);
	uni_public_key_pem(&nobody, &pem);
	const struct uni_pem key = { .name = "key", .text = pem.data, .size = pem.size };
	uni_err_clear(&err);
	if (uni_json_parse(&envelope, "envelope", (const char *)data, size, &err) == 0 &&
	    uni_dsse_open(envelope, "type", &key, &payload, &err) == 0)
		abort();
	return 0;
}
