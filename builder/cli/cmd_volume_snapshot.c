/*
 * uni volume snapshot: a volume as it is now, in another file.
 */
#include <uni/base/file.h>

#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "force", 0, NULL, "replace what stands there" },
	{ 0 },
};

static int run(struct cli *cli)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	UNI_AUTO_FREE char *file = NULL;
	UNI_AUTO_FREE char *inside = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_volume_locate(cli->args[0], &file, &inside, &err);

	if (rc == 0)
		rc = uni_output_check(cli->args[1], cli_flag(cli, "force"), &err);
	/* The writers' lock: nobody changes it meanwhile. */
	if (rc == 0)
		rc = uni_live_open(&live, file, true, &err);
	if (rc == 0)
		rc = uni_file_copy(file, cli->args[1], 0666, &err);
	return rc == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume snapshot vm:web-1/content before.vol", "before a change" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_snapshot = {
	.name = "volume snapshot",
	.arguments = "FILE|vm:NAME/VOLUME NEW",
	.summary = "Copy a live volume as it is now",
	.text = "Both generations, with shared blocks where the file system can share them. "
		"Machines go on\n"
		"serving; writers wait.",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
