/*
 * What commands that sign share: passphrases, and the keys that --key names.
 */
#ifndef UNI_CLI_KEYS_H
#define UNI_CLI_KEYS_H

#include <uni/trust/key.h>

#include "command.h"

#define CLI_KEY_OPTIONS                                                                            \
	{ "key", 'k', "NAME", "sign with this key; repeats" },                                     \
	{                                                                                          \
		"passphrase-file", 0, "FILE",                                                      \
			"its first line is the keys' passphrase (default: UNI_PASSPHRASE_FILE, "   \
			"or asked for)"                                                            \
	}

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
