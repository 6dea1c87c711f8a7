/*
 * What commands that build a recipe share.
 */
#ifndef UNI_CLI_BUILD_OPTIONS_H
#define UNI_CLI_BUILD_OPTIONS_H

#include <string.h>
#include <uni/exec/build.h>

#include "command.h"

#define CLI_RECIPE_OPTIONS                                                                         \
	{ "variant", 0, "NAME", "with the overlay [variant.NAME]" },                               \
		{ "locked", 0, NULL, "fail where uni.lock would change" },                         \
		{ "offline", 0, NULL, "fetch nothing: what is not in the store is an error" },     \
		{ "allow-secret", 0, NULL, "let private keys be among files and volumes" },        \
	{                                                                                          \
		"allow-outside", 0, NULL, "paths may leave the recipe's folder"                    \
	}

/* Recipe (the first argument), variant and allow-outside. */
void cli_recipe_options(const struct cli *cli, struct uni_build_options *how);
int cli_split_formats(const char *list, struct uni_strv *formats, struct uni_err *err);

#endif
