/*
 * Arguments. Long options with "=" or a following word, short ones bundled or with their value,
 * "--" ends them. An unknown option names the nearest known one.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

const struct cli_option cli_common_options[] = {
	{ "help", 'h', NULL, "show this help" },
	{ "json", 0, NULL, "results as JSON on standard output" },
	{ "quiet", 'q', NULL, "no progress" },
	{ "verbose", 'v', NULL, "say more" },
	{ 0 },
};

static size_t option_count(const struct cli_option *options)
{
	size_t count = 0;

	while (options != NULL && options[count].name != NULL)
		count++;
	return count;
}

static void usage_hint(const struct cli_command *command)
{
	fprintf(stderr, "  see: uni %s --help\n", command->name);
}

static int unknown_option(const struct cli_command *command, const char *word)
{
	const char *known[64];
	size_t count = 0;
	const char *near;

	for (size_t i = 0; i < option_count(command->options) && count < 60; i++)
		known[count++] = command->options[i].name;
	for (size_t i = 0; cli_common_options[i].name != NULL; i++)
		known[count++] = cli_common_options[i].name;
	fprintf(stderr, "uni: %s: unknown option \"%s\"\n", command->name, word);
	near = uni_str_nearest(word + strspn(word, "-"), known, count);
	if (near != NULL)
		fprintf(stderr, "  did you mean --%s?\n", near);
	else
		usage_hint(command);
	return UNI_EXIT_USAGE;
}

/* Index in the command's options, or -1 - index among the common ones; INT32_MIN when there is
 * none. */
static int find_option(const struct cli_command *command, const char *name, size_t size,
		       char letter)
{
	const struct cli_option *lists[] = { command->options, cli_common_options };

	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < option_count(lists[l]); i++) {
			const struct cli_option *o = &lists[l][i];

			if (letter != 0
				    ? o->letter == letter
				    : strlen(o->name) == size && memcmp(o->name, name, size) == 0)
				return l == 0 ? (int)i : -1 - (int)i;
		}
	return INT32_MIN;
}

static void set_common(struct cli *cli, const char *name)
{
	cli->json |= uni_str_eq(name, "json");
	cli->quiet |= uni_str_eq(name, "quiet");
	cli->verbose |= uni_str_eq(name, "verbose");
}

struct words {
	int argc;
	char **argv;
	int next;
	struct uni_strv repeats;
	bool help;
};

/* One option; `value` is what stood behind "=" or the letter, or NULL. */
static int take_option(struct cli *cli, struct words *words, int index, const char *value)
{
	const struct cli_option *option =
		index >= 0 ? &cli->command->options[index] : &cli_common_options[-1 - index];

	if (option->value == NULL && value != NULL) {
		fprintf(stderr, "uni: %s: --%s takes no value\n", cli->command->name, option->name);
		return UNI_EXIT_USAGE;
	}
	if (option->value != NULL && value == NULL) {
		if (words->next >= words->argc) {
			fprintf(stderr, "uni: %s: --%s needs a value: %s\n", cli->command->name,
				option->name, option->value);
			return UNI_EXIT_USAGE;
		}
		value = words->argv[words->next++];
	}
	if (index < 0) {
		words->help |= uni_str_eq(option->name, "help");
		set_common(cli, option->name);
		return 0;
	}
	cli->values[index] = value != NULL ? value : "";
	uni_strv_addf(&words->repeats, "%s=%s", option->name, value != NULL ? value : "");
	return 0;
}

static int take_long(struct cli *cli, struct words *words, const char *word)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
	int index = find_option(cli->command, name, size, 0);

	if (index == INT32_MIN)
		return unknown_option(cli->command, word);
	return take_option(cli, words, index, equals != NULL ? equals + 1 : NULL);
}

static int take_short(struct cli *cli, struct words *words, const char *word)
{
	for (const char *letter = word + 1; *letter != '\0'; letter++) {
		int index = find_option(cli->command, NULL, 0, *letter);
		const struct cli_option *option;
		int status;

		if (index == INT32_MIN)
			return unknown_option(cli->command, word);
		option = index >= 0 ? &cli->command->options[index]
				    : &cli_common_options[-1 - index];
		if (option->value != NULL)
			return take_option(cli, words, index,
					   letter[1] != '\0' ? letter + 1 : NULL);
		status = take_option(cli, words, index, NULL);
		if (status != 0)
			return status;
	}
	return 0;
}

static int check_count(const struct cli *cli)
{
	const struct cli_command *command = cli->command;

	if (cli->arg_count >= command->least && cli->arg_count <= command->most)
		return 0;
	if (cli->arg_count < command->least)
		fprintf(stderr, "uni: %s: something is missing: uni %s %s\n", command->name,
			command->name, command->arguments);
	else
		fprintf(stderr, "uni: %s: \"%s\" is one argument too many\n", command->name,
			cli->args[command->most]);
	usage_hint(command);
	return UNI_EXIT_USAGE;
}

int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	struct words words = { .argc = argc, .argv = argv };
	bool options = true;
	int status = 0;

	memset(cli, 0, sizeof(*cli));
	cli->command = command;
	cli->values = uni_alloc_array(option_count(command->options) + 1, sizeof(*cli->values));
	cli->args = uni_alloc_array((size_t)argc + 1, sizeof(*cli->args));
	while (status == 0 && words.next < argc) {
		char *word = argv[words.next++];

		if (options && uni_str_eq(word, "--"))
			options = false;
		else if (options && uni_str_starts(word, "--"))
			status = take_long(cli, &words, word);
		else if (options && word[0] == '-' && word[1] != '\0')
			status = take_short(cli, &words, word);
		else
			cli->args[cli->arg_count++] = word;
	}
	cli->repeats = words.repeats.items;
	if (words.help) {
		cli_print_help(command);
		return -1;
	}
	return status != 0 ? status : check_count(cli);
}

void cli_release(struct cli *cli)
{
	for (char **item = cli->repeats; item != NULL && *item != NULL; item++)
		free(*item);
	free(cli->repeats);
	free(cli->args);
	free(cli->values);
}

static int option_index(const struct cli *cli, const char *option)
{
	int index = find_option(cli->command, option, strlen(option), 0);

	return index >= 0 ? index : -1;
}

const char *cli_value(const struct cli *cli, const char *option)
{
	int index = option_index(cli, option);

	return index >= 0 ? cli->values[index] : NULL;
}

bool cli_flag(const struct cli *cli, const char *option)
{
	return cli_value(cli, option) != NULL;
}
