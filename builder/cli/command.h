/*
 * What a command is. One const struct a command holds everything that people read about it; --help,
 * the man page and shell completion are made of it, so that they cannot disagree. Only this module
 * prints, reads argv or exits.
 */
#ifndef UNI_CLI_COMMAND_H
#define UNI_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uni/base/err.h>
#include <uni/base/event.h>
#include <uni/base/text.h>
#include <uni/recipes/diag.h>

/* Exit statuses (contract 7). */
enum {
	UNI_EXIT_OK = 0,
	UNI_EXIT_FAILED = 1,
	UNI_EXIT_USAGE = 2,
	UNI_EXIT_UNKNOWN = 3, /* could not tell */
	UNI_EXIT_TIMEOUT = 124,
	UNI_EXIT_TROUBLE = 125, /* of ours, while a program's status was asked for */
};

struct cli_option {
	const char *name;  /* long name without dashes */
	char letter;	   /* short name, or 0 */
	const char *value; /* what its value is called; NULL: a flag */
	const char *help;
};

struct cli_example {
	const char *command;
	const char *meaning;
};

struct cli;
struct cli_command {
	const char *name;		    /* "cache ls" for a command of two words */
	const char *arguments;		    /* "RECIPE" */
	const char *summary;		    /* one line */
	const char *text;		    /* paragraphs for --help and the man page */
	const struct cli_option *options;   /* ends with a NULL name; or NULL */
	unsigned least, most;		    /* positional arguments */
	const struct cli_example *examples; /* ends with a NULL command; or NULL */
	bool program_status; /* fails with UNI_EXIT_TROUBLE, for statuses below are the program's */
	int (*run)(struct cli *cli);
};

/* A run of a command: its arguments, and where its words go. */
struct cli {
	const struct cli_command *command;
	char **args; /* positional */
	unsigned arg_count;
	const char **
		values; /* one for each option, in order; "" for a flag that was given, else NULL */
	char **repeats; /* option values in order of appearance as "NAME=VALUE", NULL at the end */
	bool json, verbose, quiet;
	struct uni_events events;
};

extern const struct cli_command *const cli_commands[]; /* by name, NULL at the end */
extern const struct cli_option cli_common_options[];

const char *cli_value(const struct cli *cli, const char *option); /* NULL when not given */
bool cli_flag(const struct cli *cli, const char *option);

/* args.c: 0, or an exit status after it has said what is wrong. */
int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv);
void cli_release(struct cli *cli);

/* help.c */
void cli_print_help(const struct cli_command *command);
void cli_print_overview(void);
/* The commands whose names begin with `word`, as help or as the answer to an error; false if there
 * are none. */
bool cli_print_family(FILE *out, const char *word);
void cli_print_man(const struct cli_command *command); /* NULL: of uni itself */
int cli_print_completion(const char *shell);	       /* exit status */

/* output.c: standard error for people, standard output for results. */
void cli_out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cli_out_buf(const struct uni_buf *buf);
int cli_fail(const struct cli *cli, const struct uni_err *err); /* prints; the exit status for it */
void cli_print_diags(const struct cli *cli, const struct uni_diags *diags);
/* Prints `diags`, or `err` where nothing in them says what is wrong; the exit status. */
int cli_fail_diags(const struct cli *cli, const struct uni_diags *diags, const struct uni_err *err);
void cli_say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_progress_start(struct cli *cli);
void cli_progress_end(struct cli *cli);
int cli_finish_output(void); /* flushes standard output; an error there is a failure */

#endif
