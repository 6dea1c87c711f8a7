/*
 * Commands about the program itself: help, man, completion, schema.
 */
#include <stdio.h>
#include <string.h>

#include <uni/recipes/recipe.h>

#include "commands.h"

static const struct cli_command *command_named(const struct cli *cli)
{
	UNI_AUTO_FREE char *name = cli->arg_count == 2
					   ? uni_asprintf("%s %s", cli->args[0], cli->args[1])
					   : uni_strdup(cli->args[0]);

	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
		if (uni_str_eq((*c)->name, name))
			return *c;
	fprintf(stderr, "uni: unknown command \"%s\"\n", name);
	return NULL;
}

static int run_help(struct cli *cli)
{
	const struct cli_command *command;

	if (cli->arg_count == 0) {
		cli_print_overview();
		return UNI_EXIT_OK;
	}
	if (cli->arg_count == 1 && cli_print_family(stdout, cli->args[0]))
		return UNI_EXIT_OK;
	command = command_named(cli);
	if (command == NULL)
		return UNI_EXIT_USAGE;
	cli_print_help(command);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Tell about a command",
	.most = 2,
	.run = run_help,
};

static int run_man(struct cli *cli)
{
	const struct cli_command *command = NULL;

	if (cli->arg_count != 0 && (command = command_named(cli)) == NULL)
		return UNI_EXIT_USAGE;
	cli_print_man(command);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_man = {
	.name = "man",
	.arguments = "[COMMAND]",
	.summary = "Print a man page in roff",
	.text = "For \"uni man build | man -l -\"; the installed pages are made this way.",
	.most = 2,
	.run = run_man,
};

static int run_completion(struct cli *cli)
{
	return cli_print_completion(cli->args[0]);
}

const struct cli_command cli_cmd_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.summary = "Print completion for a shell",
	.least = 1,
	.most = 1,
	.run = run_completion,
};

static const struct cli_option schema_options[] = {
	{ "reference", 0, NULL, "the reference page (Markdown) instead" },
	{ 0 },
};

static int run_schema(struct cli *cli)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	if (cli_flag(cli, "reference"))
		uni_recipe_reference(&text);
	else
		uni_recipe_json_schema(&text);
	cli_out_buf(&text);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_schema = {
	.name = "schema",
	.arguments = "",
	.summary = "Print the JSON Schema of recipes, for editors",
	.text = "The schema is made of the table that validates, so that both say the same.",
	.options = schema_options,
	.run = run_schema,
};
