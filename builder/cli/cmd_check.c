/*
 * uni check: all that is wrong with a recipe, its inputs, and what it wants of its base, at once,
 * without building.
 */
#include <uni/exec/build.h>

#include "build_options.h"
#include "commands.h"
#include "list.h"

static const struct cli_option options[] = {
	CLI_RECIPE_OPTIONS,
	{ 0 },
};

static void print_json(const struct cli *cli, const struct uni_diags *diags)
{
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);

	for (size_t i = 0; i < diags->count; i++) {
		const struct uni_diag *d = &diags->items[i];
		struct uni_buf *out = cli_list_item(&list);

		uni_buf_printf(out, "{\"severity\": \"%s\", \"file\": ",
			       d->severity == UNI_SEVERITY_WARNING ? "warning" : "error");
		uni_json_string(out, d->file);
		uni_buf_printf(out, ", \"line\": %u, \"column\": %u, \"message\": ", d->pos.line,
			       d->pos.column);
		uni_json_string(out, d->message);
		if (d->hint != NULL) {
			uni_buf_puts(out, ", \"hint\": ");
			uni_json_string(out, d->hint);
		}
		uni_buf_puts(out, "}");
	}
	cli_list_print(&list);
}

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	struct uni_build_options how = { .recipe = NULL };
	struct uni_err err = UNI_ERR_INIT;
	int status;

	cli_recipe_options(cli, &how);
	status = uni_build_check(&how, &cli->events, &diags, &err);
	if (cli->json && (status == 0 || diags.errors != 0)) {
		print_json(cli, &diags);
		return status == 0 ? UNI_EXIT_OK : UNI_EXIT_FAILED;
	}
	if (status != 0)
		return cli_fail_diags(cli, &diags, &err);
	cli_print_diags(cli, &diags);
	cli_say(cli, "%s: nothing wrong", how.recipe);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni check recipe.toml", "prints every finding as FILE:LINE:COLUMN: what is wrong" },
	{ 0 },
};

const struct cli_command cli_cmd_check = {
	.name = "check",
	.arguments = "[RECIPE]",
	.summary = "Find everything that is wrong with a recipe, without building",
	.text = "Everything is told at once: what is wrong with the recipe, with its inputs on "
		"this\n"
		"machine and in packages, and what its base cannot do. Nothing is compiled, and "
		"no\n"
		"volume is written.\n"
		"Without RECIPE it is recipe.toml in the working folder.",
	.options = options,
	.most = 1,
	.examples = examples,
	.run = run,
};
