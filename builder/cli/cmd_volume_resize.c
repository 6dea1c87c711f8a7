/*
 * uni volume resize: a live volume with larger or smaller slots.
 */
#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	CLI_VOLUME_SIGN,
	{ 0 },
};

static int check_unused(const char *path, struct uni_err *err)
{
	struct uni_volume_users users = { .items = NULL };
	int rc = uni_volume_users_of(path, &users, err);

	if (rc == 0 && users.count != 0) {
		uni_err_set(err, UNI_E_BUSY, "%s: machine \"%s\" has it open", path,
			    users.items[0].machine);
		rc = uni_err_hint(err, "a machine does not notice another size; stop it first");
	}
	uni_volume_users_clear(&users);
	return rc;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_live_key) struct uni_live_key *key = NULL;
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	struct uni_live_options how = { .time = cli_volume_time() };
	struct uni_volume_copy result = { .volumes = 1 };
	struct uni_err err = UNI_ERR_INIT;
	uint64_t size = 0;
	int rc = 0;

	if (!uni_str_size(cli->args[1], &size) || size == 0)
		rc = uni_err_set(&err, UNI_E_USAGE, "\"%s\" is not a size", cli->args[1]);
	if (rc == 0)
		rc = cli_volume_key(cli, &key, &err);
	how.key = key;
	if (rc == 0)
		rc = uni_live_open(&live, cli->args[0], true, &err);
	if (rc == 0)
		rc = check_unused(cli->args[0], &err);
	if (rc == 0)
		rc = uni_live_resize(live, size, &how, &result.made, &err);
	return rc == 0 ? cli_volume_report(cli, &result, false) : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume resize site.vol 2G", "room for content of a gigabyte" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_resize = {
	.name = "volume resize",
	.arguments = "FILE SIZE",
	.summary = "Make a live volume larger or smaller",
	.text = "The content stays, as a new generation; there is none before it then. No machine "
		"may have\n"
		"the volume.",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
