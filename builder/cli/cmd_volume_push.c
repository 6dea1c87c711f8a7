/*
 * uni volume push: a volume becomes a snapshot in EC2, or an artifact in a registry.
 */
#include <uni/dest/snapshot.h>
#include <uni/dest/volume.h>

#include "commands.h"
#include "notes.h"

static const struct cli_option options[] = {
	{ "tag", 0, "KEY=VALUE", "put it on the snapshot in EC2, too; may be repeated" },
	{ "dry-run", 0, NULL, "say which requests would be made, and how much would be sent" },
	CLI_PUSH_TIMEOUT,
	{ "profile", 0, "NAME", "credentials of this profile (EC2)" },
	{ 0 },
};

static void print_note(void *user, const struct uni_dest_note *note)
{
	if (cli_notes_take(user, note))
		return;
	if (note->id != NULL)
		cli_out("%s  %s\n", note->where, note->id);
	else
		cli_out("%llu %s, %s\n", (unsigned long long)note->calls, note->text,
			uni_size_text(note->bytes));
}

static int run(struct cli *cli)
{
	struct cli_notes notes CLI_AUTO_NOTES = cli_notes_new(cli);
	struct uni_dest_job job = { .source = cli->args[0],
				    .address = cli->args[1],
				    .profile = cli_value(cli, "profile"),
				    .dry_run = cli_flag(cli, "dry-run"),
				    .events = &cli->events,
				    .note = print_note,
				    .user = &notes };
	struct uni_err err = UNI_ERR_INIT;
	int rc = cli_push_deadline(cli);

	if (rc != UNI_EXIT_OK)
		return rc;
	for (char **r = cli->repeats; r != NULL && *r != NULL; r++)
		if (uni_str_starts(*r, "tag="))
			uni_strv_add(&job.tags, *r + 4);
	rc = uni_str_starts(cli->args[1], "oci://") ? uni_volume_artifact_push(&job, &err)
						    : uni_snapshot_push(&job, &err);
	uni_strv_free(&job.tags);
	cli_progress_end(cli);
	cli_notes_end(&notes);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni volume push data.vol ec2://eu-central-1/data",
	  "prints the region and the snapshot's id" },
	{ "uni volume push site.vol oci://registry.example/team/site:2",
	  "sends what version 1 under that tag had not" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_push = {
	.name = "volume push",
	.arguments = "FILE ec2://REGION/NAME|oci://HOST/NAME[:TAG]",
	.summary = "Make a snapshot in EC2 of a volume, or put it into a registry",
	.text = "For EC2 the volume (or any disk, in any form that uni reads) is filled up to "
		"whole\n"
		"GiB; blocks of zeros are not sent. The next push of that name sends what "
		"differs,\n"
		"one that was interrupted goes on.\n\n"
		"In a registry it lies in chunks of 64 KiB. A push sends those that the volume "
		"under\n"
		"the same tag has not, and uni pull gets those that the file which stands there "
		"has\n"
		"not.",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
