/*
 * Passphrases are asked for when a key turns out to need one.
 */
#include "signature.h"

#include <string.h>
#include <uni/base/file.h>

#include "keys.h"

void cli_signature_free(struct cli_signature *s)
{
	uni_signer_free(s->signer);
	if (s->pem.data != NULL)
		explicit_bzero(s->pem.data, s->pem.size);
	uni_buf_free(&s->pem);
	if (s->passphrase != NULL)
		explicit_bzero(s->passphrase, strlen(s->passphrase));
	free(s->passphrase);
}

static int sign_pem(struct cli_signature *s, const void *data, size_t size,
		    struct uni_buf *signature, struct uni_err *err)
{
	const struct uni_pem pem = { .name = s->key,
				     .text = uni_buf_text(&s->pem),
				     .size = s->pem.size };
	int rc = uni_pem_sign(&pem, s->passphrase, data, size, signature, err);

	if (rc != UNI_E_AUTH || s->passphrase != NULL)
		return rc;
	rc = cli_passphrase(s->cli, s->key, false, &s->passphrase, err);
	return rc == 0 ? uni_pem_sign(&pem, s->passphrase, data, size, signature, err) : rc;
}

static int sign(void *user, const void *data, size_t size, struct uni_buf *signature,
		struct uni_err *err)
{
	struct cli_signature *s = user;
	uint8_t bytes[UNI_SIGNATURE_SIZE];
	int rc;

	if (s->signer == NULL)
		return sign_pem(s, data, size, signature, err);
	rc = uni_signer_sign(s->signer, data, size, bytes, err);
	if (rc == 0)
		uni_buf_add(signature, bytes, sizeof(bytes));
	return rc;
}

int cli_signature_open(const struct cli *cli, const char *key, struct cli_signature *s,
		       struct uni_err *err)
{
	s->cli = cli;
	s->key = key;
	s->how = (struct uni_oci_signer){ .sign = sign, .user = s };
	if (key == NULL)
		return 0;
	if (cli_key_is_file(key))
		return uni_file_read(key, CLI_PEM_MAX, &s->pem, err);
	return cli_signer_load(cli, key, &s->signer, err);
}
