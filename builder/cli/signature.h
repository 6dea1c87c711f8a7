/*
 * Signing for registries: by a key of `uni key`, or by a PEM file.
 */
#ifndef UNI_CLI_SIGNATURE_H
#define UNI_CLI_SIGNATURE_H

#include <uni/dest/attach.h>

#include "command.h"

struct cli_signature {
	const struct cli *cli;
	const char *key;	   /* as it was named; NULL: none */
	struct uni_signer *signer; /* a key of ours; else: */
	struct uni_buf pem;
	char *passphrase;
	struct uni_oci_signer how;
};
/* `key` may be NULL. The signature's place must not change afterwards. */
int cli_signature_open(const struct cli *cli, const char *key, struct cli_signature *signature,
		       struct uni_err *err);
void cli_signature_free(struct cli_signature *signature);

#endif
