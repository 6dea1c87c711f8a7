/*
 * What commands that sign share: passphrases, and the keys that --key names.
 */
#ifndef UNI_CLI_KEYS_H
#define UNI_CLI_KEYS_H

#include <uni/trust/key.h>
#include <uni/trust/pem.h>

#include "command.h"

#define CLI_KEY_OPTIONS                                                                            \
	{ "key", 'k', "NAME", "sign with this key; repeats" },                                     \
	{                                                                                          \
		"passphrase-file", 0, "FILE",                                                      \
			"its first line is the keys' passphrase (default: UNI_PASSPHRASE_FILE, "   \
			"or asked for)"                                                            \
	}

#define CLI_PEM_MAX 16384

/* Whether it is a file with a key, and no name of a key of ours. */
bool cli_key_is_file(const char *key);
/* A public key, from a PEM file or by the name of one of ours; `text` holds it. */
int cli_public_load(const char *key, struct uni_buf *text, struct uni_pem *pem,
		    struct uni_err *err);
/* A key of ours, with its passphrase where it needs one. */
int cli_signer_load(const struct cli *cli, const char *name, struct uni_signer **signer,
		    struct uni_err *err);

/* From --passphrase-file, UNI_PASSPHRASE_FILE or the terminal (twice when `fresh`). */
int cli_passphrase(const struct cli *cli, const char *what, bool fresh, char **passphrase,
		   struct uni_err *err);

struct cli_signers {
	struct uni_signer **items;
	size_t count, room;
};
void cli_signers_free(struct cli_signers *signers);
#define CLI_AUTO_SIGNERS __attribute__((cleanup(cli_signers_free)))
int cli_signers_load(const struct cli *cli, struct cli_signers *signers, struct uni_err *err);
/* Values of an option that repeats, in order. */
void cli_values(const struct cli *cli, const char *option, struct uni_strv *values);

#endif
