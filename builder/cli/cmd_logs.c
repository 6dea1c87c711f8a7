/*
 * uni logs: the console of a machine that stays.
 */
#include <unistd.h>

#include <uni/base/file.h>

#include "commands.h"
#include "ec2_machines.h"
#include "machines.h"

#define INTERRUPTED 130

static const struct cli_option options[] = {
	{ "follow", 'f', NULL, "go on with what comes, until the machine ends" },
	CLI_EC2_PROFILE,
	{ 0 },
};

static int write_out(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)user;
	return uni_write_full(STDOUT_FILENO, data, size, "standard output", err);
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (cli_is_ec2(cli->args[0]))
		return cli_ec2_logs(cli);
	if (uni_detached_open(&machine, cli->args[0], &err) != 0 ||
	    uni_detached_console(machine, cli_flag(cli, "follow"), write_out, NULL, &err) != 0)
		/* To be interrupted is how following ends. */
		return err.code == UNI_E_CANCELLED ? INTERRUPTED : cli_fail(cli, &err);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni logs -f site", "what the machine says, until it ends" },
	{ 0 },
};

const struct cli_command cli_cmd_logs = {
	.name = "logs",
	.arguments = "NAME|ec2://REGION/INSTANCE",
	.summary = "Print the console of a machine",
	.text = "Of one that runs, or of one that has ended and whose name was not used again.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
