/*
 * What commands that build a recipe share.
 */
#ifndef UNI_CLI_BUILD_OPTIONS_H
#define UNI_CLI_BUILD_OPTIONS_H

#include <string.h>
#include <uni/exec/build.h>

#include "command.h"
#include "signature.h"

#define CLI_RECIPE_OPTIONS                                                                         \
	{ "variant", 0, "NAME", "with the overlay [variant.NAME]" },                               \
		{ "locked", 0, NULL, "fail where uni.lock would change" },                         \
		{ "offline", 0, NULL, "fetch nothing: what is not in the store is an error" },     \
		{ "allow-secret", 0, NULL, "let private keys be among files and volumes" },        \
	{                                                                                          \
		"allow-outside", 0, NULL, "paths may leave the recipe's folder"                    \
	}

#define CLI_CACHE_OPTIONS                                                                          \
	{ "cache", 0, "ADDRESS",                                                                   \
	  "share results of steps through oci://HOST/NAME (default: UNI_REMOTE_CACHE, or the "     \
	  "file cache of the configuration)" },                                                    \
		{ "cache-verify", 0, "KEY",                                                        \
		  "take only results that this key has signed: a PEM file, or one of ours" },      \
	{                                                                                          \
		"cache-sign", 0, "KEY",                                                            \
			"sign results that are sent, with a key of ours or a PEM file"             \
	}

#define CLI_PASSPHRASE_OPTION                                                                      \
	{                                                                                          \
		"passphrase-file", 0, "FILE",                                                      \
			"its first line is the key's passphrase (default: UNI_PASSPHRASE_FILE, "   \
			"or asked for)"                                                            \
	}

/* Recipe (the first argument), variant and allow-outside. */
void cli_recipe_options(const struct cli *cli, struct uni_build_options *how);
/* Builds by these options and those of CLI_RECIPE_OPTIONS and CLI_CACHE_OPTIONS. */
int cli_recipe_build(struct cli *cli, const struct uni_build_options *options,
		     struct uni_build_result *result, struct uni_diags *diags, struct uni_err *err);
int cli_split_formats(const char *list, struct uni_strv *formats, struct uni_err *err);

#endif
