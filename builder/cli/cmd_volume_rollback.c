/*
 * uni volume rollback: one step back.
 */
#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	CLI_VOLUME_WAIT,
	CLI_VOLUME_TIMEOUT,
	CLI_VOLUME_SIGN,
	{ 0 },
};

static int run(struct cli *cli)
{
	UNI_AUTO(uni_live_key) struct uni_live_key *key = NULL;
	struct uni_volume_copy copy = { .time = cli_volume_time() };
	struct uni_err err = UNI_ERR_INIT;
	int status;

	if (cli_volume_key(cli, &key, &err) != 0 || cli_volume_wait(cli, &copy.wait_ms, &err) != 0)
		return cli_fail(cli, &err);
	copy.key = key;
	status = uni_volume_rollback(cli->args[0], &copy, &err) == 0
			 ? cli_volume_report(cli, &copy, copy.wait_ms != 0)
			 : cli_fail(cli, &err);
	uni_volume_copy_clear(&copy);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni volume rollback site.vol", "and machines that have it are told" },
	{ "uni volume rollback vm:'web-*'/content --wait", "until all serve it" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_rollback = {
	.name = "volume rollback",
	.arguments = "FILE|vm:NAME/VOLUME",
	.summary = "Go back to the generation before",
	.text = "The content before becomes a new generation; a second rollback goes forward "
		"again. Only\n"
		"a superblock is written.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
