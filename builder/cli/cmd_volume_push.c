/*
 * uni volume push: a volume becomes a snapshot in EC2.
 */
#include <uni/dest/snapshot.h>

#include "commands.h"

static const struct cli_option options[] = {
	{ "tag", 0, "KEY=VALUE", "put it on the snapshot, too; may be repeated" },
	{ "dry-run", 0, NULL, "say how many blocks would be sent" },
	{ "profile", 0, "NAME", "credentials of this profile" },
	{ 0 },
};

static void print_note(void *user, const struct uni_dest_note *note)
{
	(void)user;
	if (note->id != NULL)
		cli_out("%s  %s\n", note->where, note->id);
	else
		cli_out("%llu blocks, %s\n", (unsigned long long)note->calls,
			uni_size_text(note->bytes));
}

static int run(struct cli *cli)
{
	struct uni_dest_job job = { .source = cli->args[0],
				    .address = cli->args[1],
				    .profile = cli_value(cli, "profile"),
				    .dry_run = cli_flag(cli, "dry-run"),
				    .events = &cli->events,
				    .note = print_note };
	struct uni_err err = UNI_ERR_INIT;
	int rc;

	for (char **r = cli->repeats; r != NULL && *r != NULL; r++)
		if (uni_str_starts(*r, "tag="))
			uni_strv_add(&job.tags, *r + 4);
	rc = uni_snapshot_push(&job, &err);
	uni_strv_free(&job.tags);
	cli_progress_end(cli);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni volume push data.vol ec2://eu-central-1/data",
	  "prints the region and the snapshot's id" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_push = {
	.name = "volume push",
	.arguments = "FILE ec2://REGION/NAME",
	.summary = "Make a snapshot in EC2 of a volume",
	.text = "The volume (or any disk, in any form that uni reads) is filled up to whole GiB; "
		"blocks "
		"of\n"
		"zeros are not sent. The next push of that name sends what differs, one that was "
		"interrupted\n"
		"goes on.",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
