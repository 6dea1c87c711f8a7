/*
 * uni plan: the graph of steps, with keys and what is kept already.
 */
#include <uni/exec/build.h>

#include "build_options.h"
#include "commands.h"

static const struct cli_option options[] = {
	CLI_RECIPE_OPTIONS,
	{ "format", 'f', "LIST", "forms to write, separated by commas (default: the recipe's)" },
	{ "dot", 0, NULL, "as a graph for Graphviz" },
	{ 0 },
};

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	UNI_AUTO_STRV struct uni_strv formats = { 0 };
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO(uni_plan) struct uni_plan *plan = NULL;
	struct uni_build_options how = { .fresh = false };
	struct uni_err err = UNI_ERR_INIT;

	cli_recipe_options(cli, &how);
	if (cli_flag(cli, "dot") && cli->json) {
		uni_err_set(&err, UNI_E_USAGE, "--dot and --json exclude each other");
		return cli_fail(cli, &err);
	}
	if (cli_value(cli, "format") != NULL) {
		if (cli_split_formats(cli_value(cli, "format"), &formats, &err) != 0)
			return cli_fail(cli, &err);
		how.formats = (const char *const *)formats.items;
		how.format_count = formats.count;
	}
	if (uni_build_plan(&how, &plan, &cli->events, &diags, &err) != 0)
		return cli_fail_diags(cli, &diags, &err);
	cli_progress_end(cli);
	cli_print_diags(cli, &diags);
	if (cli_flag(cli, "dot"))
		uni_plan_dot(plan, &out);
	else if (cli->json)
		uni_plan_json(plan, &out);
	else
		uni_plan_text(plan, &out);
	cli_out_buf(&out);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni plan recipe.toml", "a line a step: what would run, what is kept" },
	{ "uni plan recipe.toml --dot | dot -Tsvg > plan.svg", "a picture of it" },
	{ 0 },
};

const struct cli_command cli_cmd_plan = {
	.name = "plan",
	.arguments = "[RECIPE]",
	.summary = "Show the steps of a build with their keys, without running them",
	.text = "Forms of one disk are made in one pass over its content; those that would be are "
		"named\n"
		"before the sum, as \"passes\" with --json, and framed with --dot.\n"
		"Without RECIPE it is recipe.toml in the working folder.",
	.options = options,
	.most = 1,
	.examples = examples,
	.run = run,
};
