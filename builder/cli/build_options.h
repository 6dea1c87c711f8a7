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

/* The shared cache that options, environment or configuration name, if any, into `how`. */
struct cli_cache {
	struct uni_build_cache cache;
	struct cli_signature signature;
	struct uni_buf address, text;
	struct uni_pem pem;
};
void cli_cache_free(struct cli_cache *cache);
#define CLI_AUTO_CACHE __attribute__((cleanup(cli_cache_free)))
int cli_cache_options(const struct cli *cli, struct cli_cache *cache, struct uni_build_options *how,
		      struct uni_err *err);

/* Recipe (the first argument), variant and allow-outside. */
void cli_recipe_options(const struct cli *cli, struct uni_build_options *how);
int cli_split_formats(const char *list, struct uni_strv *formats, struct uni_err *err);

#endif
