/*
 * uni volume copy: content from place to place, into machines that run as well.
 */
#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	CLI_VOLUME_WAIT,
	CLI_VOLUME_TIMEOUT,
	CLI_VOLUME_SIGN,
	{ "bandwidth", 0, "SIZE", "at most so many bytes a second, for example 20M" },
	{ "no-freeze", 0, NULL,
	  "copy a machine's writable volume as it is, as after a loss of power" },
	{ "force", 0, NULL, "replace an archive that stands there" },
	{ "verify-all", 0, NULL, "read back the whole slot, not only what was written" },
	{ 0 },
};

static int read_bandwidth(const struct cli *cli, uint64_t *bandwidth, struct uni_err *err)
{
	const char *text = cli_value(cli, "bandwidth");

	if (text == NULL || (uni_str_size(text, bandwidth) && *bandwidth != 0))
		return 0;
	return uni_err_set(err, UNI_E_USAGE, "--bandwidth \"%s\" is not a size", text);
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_live_key) struct uni_live_key *key = NULL;
	struct uni_volume_copy copy = { .time = cli_volume_time(),
					.replace = cli_flag(cli, "force"),
					.verify_all = cli_flag(cli, "verify-all"),
					.no_freeze = cli_flag(cli, "no-freeze") };
	struct uni_err err = UNI_ERR_INIT;
	int status;

	if (cli_volume_key(cli, &key, &err) != 0 ||
	    cli_volume_wait(cli, &copy.wait_ms, &err) != 0 ||
	    read_bandwidth(cli, &copy.bandwidth, &err) != 0)
		return cli_fail(cli, &err);
	copy.key = key;
	status = uni_volume_copy(cli->args[0], cli->args[1], &copy, &err) == 0
			 ? cli_volume_report(cli, &copy, copy.wait_ms != 0)
			 : cli_fail(cli, &err);
	uni_volume_copy_clear(&copy);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni volume copy site/ site.vol", "a new generation" },
	{ "uni volume copy site/ vm:'web-*'/content --wait",
	  "into every machine of that name, without a restart" },
	{ "uni volume copy index.html site.vol:/index.html", "one file" },
	{ "uni volume copy settings/ data.raw:/etc/app", "into an ext4 that no machine has" },
	{ "uni volume copy site.vol out/", "all files, into a folder" },
	{ "uni volume copy oci://registry.example/team/site:2 vm:'web-*'/content --wait",
	  "of a registry, what this host has not" },
	{ "uni volume copy vm:db/data backup.raw", "a writable volume as it is now, while its "
						   "machine goes on writing; again: what changed" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_copy = {
	.name = "volume copy",
	.arguments = "SRC DST",
	.summary = "Put content into a volume, or take it out",
	.text = "SRC is a folder, a tar archive, a volume's file, FILE:/PATH in one, "
		"vm:NAME/VOLUME,\n"
		"git+URL#COMMIT[:FOLDER], oci://HOST/NAME:TAG[//FOLDER] (a container image, or "
		"what was\n"
		"pushed), or ec2://REGION/NAME, the newest snapshot of that name, or one by its "
		"id.\n"
		"DST is a live volume, which gets a new generation unless it holds that content "
		"already;\n"
		"FILE:/PATH, where only that part is replaced (in an ext4, files of the same "
		"name); a\n"
		"folder; a file that ends in .tar; a new file, which becomes a copy of the "
		"volume;\n"
		"oci://HOST/NAME:TAG or ec2://REGION/NAME, where the volume's file goes; or "
		"vm:NAME/VOLUME,\n"
		"the volume of running machines, with * and ? in NAME. Only blocks of 4 KiB that "
		"differ are\n"
		"written. With --wait the exit status is 1 when a machine does not serve it in "
		"time, and\n"
		"each that does not is named.",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
