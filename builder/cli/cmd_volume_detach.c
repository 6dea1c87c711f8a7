/*
 * uni volume detach: a volume out of a machine that runs.
 */
#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	CLI_VOLUME_TIMEOUT,
	CLI_VOLUME_PRINT,
	{ 0 },
};

static int run(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;
	int wait_ms = 0;

	if (cli_flag(cli, "print"))
		return cli_volume_print_order(cli, NULL, false);
	if (cli->arg_count != 2)
		uni_err_set(&err, UNI_E_USAGE, "vm:NAME is missing");
	else if (cli_volume_patience(cli, &wait_ms, &err) == 0)
		(void)uni_volume_unplug(cli->args[0], cli->args[1], wait_ms, &err);
	return err.code == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume detach site.vol vm:web-1", "by its file, or its name: site" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_detach = {
	.name = "volume detach",
	.arguments = "FILE|NAME [vm:NAME]",
	.summary = "Unmount a volume in a machine that runs",
	.text = "What the machine wrote is on the disk when the command returns, and the file is "
		"free for\n"
		"other uses. While programs have files of it open it stays, and they are named.",
	.options = options,
	.least = 1,
	.most = 2,
	.examples = examples,
	.run = run,
};
