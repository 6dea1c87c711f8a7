/*
 * uni volume cat: a file out of a volume.
 */
#include <unistd.h>

#include <uni/base/file.h>

#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "before", 'b', NULL, "of a live volume's generation before" },
	{ 0 },
};

static int write_out(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)user;
	return uni_write_full(STDOUT_FILENO, data, size, "standard output", err);
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_volume_open(&volume, cli->args[0], cli_flag(cli, "before"), &err);

	if (rc == 0)
		rc = uni_fs_read(uni_volume_reader(volume), uni_volume_inside(volume), write_out,
				 NULL, &err);
	return rc == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume cat site.vol:/index.html", "one file" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_cat = {
	.name = "volume cat",
	.arguments = "FILE:/PATH",
	.summary = "Print a file of a volume",
	.text = "To standard output, as it is.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
