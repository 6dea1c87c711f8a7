/*
 * The program: finds the command, runs it, and ends. Signals remove what is half-made.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/system.h>

#include "command.h"
#include "commands.h"

static void on_signal(int signal_number)
{
	/* The first lets long work stop in order; the second does not wait for it. */
	if (uni_cancelled != 0) {
		uni_tmp_cleanup();
		_exit(128 + signal_number);
	}
	uni_cancelled = 1;
}

/* Without memory: no stdio. */
static void on_end(const char *why)
{
	uni_tmp_cleanup();
	(void)!write(STDERR_FILENO, "uni: ", 5);
	(void)!write(STDERR_FILENO, why, strlen(why));
	(void)!write(STDERR_FILENO, "\n", 1);
	_exit(UNI_EXIT_FAILED);
}

static void install_handlers(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < UNI_COUNT(signals); i++)
		sigaction(signals[i], &action, NULL);
	/* A reader that goes away, a full disk and a size limit are errors of the write that meets
	 * them. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	uni_set_end_handler(on_end);
}

/* The command whose name the first words are: two words before one. */
static const struct cli_command *find_command(int argc, char **argv, int *used)
{
	for (int words = argc > 1 ? 2 : 1; words > 0; words--) {
		UNI_AUTO_FREE char *name =
			words == 2 ? uni_asprintf("%s %s", argv[0], argv[1]) : uni_strdup(argv[0]);

		for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
			if (uni_str_eq((*c)->name, name)) {
				*used = words;
				return *c;
			}
	}
	return NULL;
}

static int unknown_command(const char *word)
{
	struct uni_strv known UNI_AUTO_STRV = { .items = NULL };
	const char *near;

	for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
		uni_strv_add(&known, (*c)->name);
	near = uni_str_nearest(word, (const char *const *)known.items, known.count);
	if (word[0] == '-')
		fprintf(stderr, "uni: \"%s\" stands in front of a command\n", word);
	else
		fprintf(stderr, "uni: unknown command \"%s\"\n", word);
	if (word[0] == '-')
		fprintf(stderr, "  options stand behind it: uni COMMAND %s\n", word);
	else if (near != NULL)
		fprintf(stderr, "  did you mean \"%s\"?\n", near);
	else
		fprintf(stderr, "  \"uni --help\" lists the commands\n");
	return UNI_EXIT_USAGE;
}

/* What is no command may be the first word of several, and may ask for help with them. */
static int no_command(int argc, char **argv)
{
	if (argc == 2 && (uni_str_eq(argv[1], "--help") || uni_str_eq(argv[1], "-h")) &&
	    cli_print_family(stdout, argv[0]))
		return cli_finish_output();
	if (cli_print_family(stderr, argv[0]))
		return UNI_EXIT_USAGE;
	return unknown_command(argv[0]);
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
	struct cli cli;
	int status = cli_parse(&cli, command, argc, argv);

	if (status == 0) {
		cli_progress_start(&cli);
		status = command->run(&cli);
		cli_progress_end(&cli);
	} else if (status < 0) {
		status = UNI_EXIT_OK; /* help was shown */
	}
	cli_release(&cli);
	return status;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;
	int used = 0, status, output;

	install_handlers();
	if (argc < 2) {
		fprintf(stderr, "uni: say what to do: \"uni --help\" lists the commands\n");
		return UNI_EXIT_USAGE;
	}
	if (uni_str_eq(argv[1], "--help") || uni_str_eq(argv[1], "-h") ||
	    (uni_str_eq(argv[1], "help") && argc == 2)) {
		cli_print_overview();
		return cli_finish_output();
	}
	if (uni_str_eq(argv[1], "--version")) {
		printf("uni %s\n", UNI_VERSION);
		return cli_finish_output();
	}
	command = find_command(argc - 1, argv + 1, &used);
	if (command == NULL)
		return no_command(argc - 1, argv + 1);
	status = run_command(command, argc - 1 - used, argv + 1 + used);
	uni_tmp_cleanup();
	output = cli_finish_output();
	return status != 0 ? status : output;
}
