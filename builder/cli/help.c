/*
 * Help, man pages and completion, all made of the commands' own structs.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

static void print_option(const struct cli_option *option)
{
	char left[64];

	if (option->letter != 0)
		snprintf(left, sizeof(left), "-%c, --%s%s%s", option->letter, option->name,
			 option->value != NULL ? " " : "",
			 option->value != NULL ? option->value : "");
	else
		snprintf(left, sizeof(left), "    --%s%s%s", option->name,
			 option->value != NULL ? " " : "",
			 option->value != NULL ? option->value : "");
	printf("  %-26s %s\n", left, option->help);
}

void cli_print_help(const struct cli_command *command)
{
	printf("usage: uni %s [options]%s%s\n\n%s.\n", command->name,
	       command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
	if (command->text != NULL)
		printf("\n%s\n", command->text);
	printf("\noptions:\n");
	for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++)
		print_option(o);
	for (const struct cli_option *o = cli_common_options; o->name != NULL; o++)
		print_option(o);
	if (command->examples != NULL)
		printf("\nexamples:\n");
	for (const struct cli_example *e = command->examples; e != NULL && e->command != NULL; e++)
		printf("  %s\n      %s\n", e->command, e->meaning);
}

void cli_print_overview(void)
{
	printf("usage: uni COMMAND [options] ...\n\nAn application as an immutable machine "
	       "image.\n\n"
	       "commands:\n");
	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
		printf("  %-14s %s\n", (*c)->name, (*c)->summary);
	printf("\n\"uni COMMAND --help\" tells more; \"uni --version\" the version.\n");
}

bool cli_print_family(FILE *out, const char *word)
{
	size_t size = strlen(word);
	bool found = false;

	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
		if (strncmp((*c)->name, word, size) != 0 || (*c)->name[size] != ' ')
			continue;
		if (!found)
			fprintf(out,
				out == stderr
					? "uni: %s: say which:\n"
					: "usage: uni %s COMMAND [options] ...\n\ncommands:\n",
				word);
		fprintf(out, "  uni %-20s %s\n", (*c)->name, (*c)->summary);
		found = true;
	}
	return found;
}

/* A leading dot or quote is a request to roff, a backslash and a hyphen have meanings of their own.
 */
static void man_text(const char *text)
{
	bool start = true;

	for (; *text != '\0'; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		if (*text == '\\' || *text == '-')
			putchar('\\');
		putchar(*text);
		start = *text == '\n';
	}
}

static void man_option(const struct cli_option *option)
{
	printf(".TP\n\\fB");
	if (option->letter != 0)
		printf("\\-%c\\fR, \\fB", option->letter);
	printf("\\-\\-");
	man_text(option->name);
	printf("\\fR");
	if (option->value != NULL)
		printf(" \\fI%s\\fR", option->value);
	putchar('\n');
	man_text(option->help);
	putchar('\n');
}

static void man_command(const struct cli_command *command)
{
	printf(".SH SYNOPSIS\n\\fBuni %s\\fR [options]%s%s\n.SH DESCRIPTION\n", command->name,
	       command->arguments[0] != '\0' ? " " : "", command->arguments);
	man_text(command->summary);
	printf(".\n");
	if (command->text != NULL) {
		printf(".PP\n");
		man_text(command->text);
		putchar('\n');
	}
	printf(".SH OPTIONS\n");
	for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++)
		man_option(o);
	for (const struct cli_option *o = cli_common_options; o->name != NULL; o++)
		man_option(o);
	if (command->examples != NULL)
		printf(".SH EXAMPLES\n");
	for (const struct cli_example *e = command->examples; e != NULL && e->command != NULL;
	     e++) {
		printf(".TP\n");
		man_text(e->command);
		putchar('\n');
		man_text(e->meaning);
		putchar('\n');
	}
}

static void man_overview(void)
{
	printf(".SH SYNOPSIS\n\\fBuni\\fR \\fICOMMAND\\fR [options] ...\n.SH DESCRIPTION\n"
	       "An application as an immutable machine image: built from a recipe, the same bytes "
	       "every "
	       "time.\n.SH COMMANDS\n");
	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
		printf(".TP\n\\fB%s\\fR\n", (*c)->name);
		man_text((*c)->summary);
		putchar('\n');
	}
	printf(".SH EXIT STATUS\n0 done; 1 failed, or what was compared differs; 2 usage; 3 could "
	       "not tell. "
	       "\\fBuni run\\fR gives the program's own, 124 after a time\\-out, 125 for trouble "
	       "of its own, "
	       "134 when the guest faulted, 141 when nobody reads its output any more.\n");
}

void cli_print_man(const struct cli_command *command)
{
	char title[64] = "uni";

	if (command != NULL)
		snprintf(title, sizeof(title), "uni-%s", command->name);
	for (char *c = title; *c != '\0'; c++)
		if (*c == ' ')
			*c = '-';
	printf(".TH \"%s\" 1 \"\" \"uni %s\"\n.SH NAME\n", title, UNI_VERSION);
	man_text(title);
	printf(" \\- ");
	man_text(command != NULL ? command->summary : "applications as immutable machine images");
	putchar('\n');
	if (command != NULL)
		man_command(command);
	else
		man_overview();
}

static void completion_words(const char *separator)
{
	const char *last = "";

	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
		size_t size = strcspn((*c)->name, " ");

		if (strncmp(last, (*c)->name, size) == 0 && last[size] == ' ')
			continue; /* a second command of the same family */
		printf("%s%.*s", last[0] != '\0' ? separator : "", (int)size, (*c)->name);
		last = (*c)->name;
	}
}

static void completion_options(const struct cli_command *command)
{
	for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++)
		printf("--%s ", o->name);
	for (const struct cli_option *o = cli_common_options; o->name != NULL; o++)
		printf("--%s%s", o->name, o[1].name != NULL ? " " : "");
}

static void completion_bash(void)
{
	printf("# bash completion for uni\n_uni()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	       "options=\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"");
	completion_words(" ");
	printf("\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" "
	       "in\n");
	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
		printf("\t\"%s%s) options=\"", (*c)->name,
		       strchr((*c)->name, ' ') != NULL ? "\"" : " \"*");
		completion_options(*c);
		printf("\" ;;\n");
	}
	printf("\tesac\n\tcase $cur in\n\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) "
	       ";;\n"
	       "\t*) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n\tesac\n}\ncomplete -o filenames -F "
	       "_uni uni\n");
}

static void completion_fish(void)
{
	printf("# fish completion for uni\n");
	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
		size_t size = strcspn((*c)->name, " ");

		printf("complete -c uni -n __fish_use_subcommand -a %.*s -d \"%s\"\n", (int)size,
		       (*c)->name, (*c)->summary);
		for (const struct cli_option *o = (*c)->options; o != NULL && o->name != NULL; o++)
			printf("complete -c uni -n \"__fish_seen_subcommand_from %.*s\" -l %s%s -d "
			       "\"%s\"\n",
			       (int)size, (*c)->name, o->name, o->value != NULL ? " -r" : "",
			       o->help);
	}
}

int cli_print_completion(const char *shell)
{
	if (uni_str_eq(shell, "bash") || uni_str_eq(shell, "zsh")) {
		/* zsh runs bash's completion once bashcompinit is loaded. */
		if (uni_str_eq(shell, "zsh"))
			printf("autoload -U +X bashcompinit && bashcompinit\n");
		completion_bash();
		return UNI_EXIT_OK;
	}
	if (uni_str_eq(shell, "fish")) {
		completion_fish();
		return UNI_EXIT_OK;
	}
	fprintf(stderr, "uni: completion: shell \"%s\" is not known\n  use bash, zsh or fish\n",
		shell);
	return UNI_EXIT_USAGE;
}
