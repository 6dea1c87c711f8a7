/*
 * uni volume attach: a volume into a machine that runs.
 */
#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "mount", 'm', "PATH", "where it is in the machine" },
	{ "read-only", 0, NULL, "an ext4 that is not written to" },
	CLI_VOLUME_TIMEOUT,
	CLI_VOLUME_PRINT,
	{ 0 },
};

static int run(struct cli *cli)
{
	const char *mount = cli_value(cli, "mount");
	struct uni_err err = UNI_ERR_INIT;
	int wait_ms = 0;

	if (mount != NULL && cli_flag(cli, "print"))
		return cli_volume_print_order(cli, mount, cli_flag(cli, "read-only"));
	if (cli->arg_count != 2)
		uni_err_set(&err, UNI_E_USAGE, "vm:NAME is missing");
	else if (mount == NULL)
		uni_err_set(&err, UNI_E_USAGE, "--mount is missing");
	else if (cli_volume_patience(cli, &wait_ms, &err) == 0)
		(void)uni_volume_plug(cli->args[0], cli->args[1], mount, cli_flag(cli, "read-only"),
				      wait_ms, &err);
	return err.code == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume attach site.vol vm:web-1 --mount /srv", "a live volume" },
	{ "uni volume attach data.raw vm:db --mount /data", "an ext4 that the machine writes to" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_attach = {
	.name = "volume attach",
	.arguments = "FILE [vm:NAME]",
	.summary = "Mount a volume in a machine that runs",
	.text = "FILE is a live volume, an ext4, or a squashfs with its hash tree. Its disk is "
		"plugged into\n"
		"the machine, which mounts it; the command returns when that is done. The machine "
		"must have\n"
		"been started with --detach as q35, which has four ports for disks.\n\n"
		"With --print it does nothing but write the order, for a guest of Xen whose disk "
		"was attached\n"
		"with xl block-attach: xenstore-write /local/domain/ID/uni/order/0 ORDER.",
	.options = options,
	.least = 1,
	.most = 2,
	.examples = examples,
	.run = run,
};
