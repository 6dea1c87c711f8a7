/*
 * uni build: a recipe becomes artifacts in a folder, a line of digest, size and path each.
 */
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/base/system.h>
#include <uni/exec/build.h>

#include "build_options.h"
#include "commands.h"

#define MAX_FORMATS 32

static const struct cli_option options[] = {
	{ "output", 'o', "DIR", "write the artifacts here (default: the working folder)" },
	{ "format", 'f', "LIST", "forms to write, separated by commas (default: the recipe's)" },
	CLI_RECIPE_OPTIONS,
	CLI_CACHE_OPTIONS,
	CLI_PASSPHRASE_OPTION,
	{ "fresh", 0, NULL, "take no result from the store: every step runs" },
	{ "force", 0, NULL, "replace files of these names that no build left there" },
	{ "sync", 0, NULL, "return only when the disk has the artifacts" },
	{ 0 },
};

static void print_text(const struct uni_build_result *result)
{
	char digest[UNI_DIGEST_TEXT];

	for (size_t i = 0; i < result->count; i++) {
		const struct uni_build_artifact *artifact = &result->artifacts[i];

		uni_content_digest_text(&artifact->digest, artifact->mapped, digest);
		cli_out("%s  %llu  %s\n", digest, (unsigned long long)artifact->size,
			artifact->path);
	}
}

static void print_json(const struct uni_build_result *result)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	char digest[UNI_DIGEST_TEXT];

	uni_buf_puts(&out, "{\"name\": ");
	uni_json_string(&out, result->name);
	uni_buf_printf(&out,
		       ", \"steps\": %zu, \"ran\": %zu, \"received\": %zu, \"sent\": %zu, "
		       "\"artifacts\": [",
		       result->steps, result->ran, result->received, result->sent);
	for (size_t i = 0; i < result->count; i++) {
		const struct uni_build_artifact *artifact = &result->artifacts[i];

		uni_content_digest_text(&artifact->digest, artifact->mapped, digest);
		uni_buf_printf(&out,
			       "%s\n  {\"format\": \"%s\", \"digest\": \"%s\", \"size\": %llu, "
			       "\"written\": %s, \"path\": ",
			       i != 0 ? "," : "", artifact->format, digest,
			       (unsigned long long)artifact->size,
			       artifact->written ? "true" : "false");
		uni_json_string(&out, artifact->path);
		uni_buf_puts(&out, "}");
	}
	uni_buf_puts(&out, "\n]}\n");
	cli_out_buf(&out);
}

int cli_split_formats(const char *list, struct uni_strv *formats, struct uni_err *err)
{
	while (*list != '\0') {
		size_t size = strcspn(list, ",");

		if (size != 0)
			uni_strv_take(formats, uni_strndup(list, size));
		list += size + (list[size] == ',');
	}
	if (formats->count == 0 || formats->count > MAX_FORMATS)
		return uni_err_set(err, UNI_E_USAGE, "--format wants a list such as raw,elf");
	return 0;
}

void cli_recipe_options(const struct cli *cli, struct uni_build_options *how)
{
	how->recipe = cli->arg_count != 0 ? cli->args[0] : "recipe.toml";
	how->variant = cli_value(cli, "variant");
	how->locked = cli_flag(cli, "locked");
	how->offline = cli_flag(cli, "offline") || uni_env("UNI_OFFLINE") != NULL;
	how->allow_secret = cli_flag(cli, "allow-secret");
	how->allow_outside = cli_flag(cli, "allow-outside");
}

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	UNI_AUTO_STRV struct uni_strv formats = { 0 };
	struct uni_build_result result = UNI_BUILD_RESULT_INIT;
	struct uni_build_options how = { .out_dir = cli_value(cli, "output"),
					 .fresh = cli_flag(cli, "fresh"),
					 .force = cli_flag(cli, "force"),
					 .sync = cli_flag(cli, "sync") };
	struct uni_err err = UNI_ERR_INIT;
	int status;

	if (how.out_dir != NULL && how.out_dir[0] == '\0')
		uni_err_set(&err, UNI_E_USAGE, "--output wants a folder");
	if (err.code != 0)
		return cli_fail(cli, &err);
	if (cli_value(cli, "format") != NULL) {
		if (cli_split_formats(cli_value(cli, "format"), &formats, &err) != 0)
			return cli_fail(cli, &err);
		how.formats = (const char *const *)formats.items;
		how.format_count = formats.count;
	}
	if (cli_recipe_build(cli, &how, &result, &diags, &err) != 0) {
		status = cli_fail_diags(cli, &diags, &err);
		if (result.log != NULL)
			cli_say(cli, "  the whole log is in %s", result.log);
	} else {
		cli_progress_end(cli);
		cli_print_diags(cli, &diags);
		if (cli->json)
			print_json(&result);
		else
			print_text(&result);
		status = UNI_EXIT_OK;
	}
	uni_build_result_free(&result);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni build recipe.toml -o out",
	  "writes out/NAME.raw, out/NAME.elf and out/NAME.manifest.json" },
	{ "uni build recipe.toml --cache oci://registry.example/cache",
	  "what another machine has built is fetched, and the rest is left there" },
	{ "uni build recipe.toml --format elf", "only the bootable ELF, with its manifest" },
	{ 0 },
};

const struct cli_command cli_cmd_build = {
	.name = "build",
	.arguments = "[RECIPE]",
	.summary = "Build the image of a recipe",
	.text = "Writes NAME.FORMAT for each form, and NAME.manifest.json, which says what went in "
		"and\n"
		"what came out. The same inputs give the same bytes. Prints digest, size and path "
		"of each.\n"
		"Without RECIPE it is recipe.toml in the working folder.",
	.options = options,
	.least = 0,
	.most = 1,
	.examples = examples,
	.run = run,
};
