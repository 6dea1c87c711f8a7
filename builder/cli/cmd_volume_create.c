/*
 * uni volume create: a volume in a file, from a folder, an archive or another volume.
 */
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/fs/fs.h>
#include <uni/fs/squash.h>

#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "from", 0, "PLACE",
	  "a folder, a tar archive, a volume, FILE:/PATH in one, git+..., oci://..., ec2://..." },
	{ "format", 0, "NAME", "live, squashfs or ext4 (default: live)" },
	{ "size", 0, "SIZE", "of the volume's file (default: twice what the content needs)" },
	{ "label", 0, "TEXT",
	  "its name; of a live volume also its identity (default: the file's)" },
	{ "compression", 0, "NAME", "zstd, lz4, gzip or none (default: zstd)" },
	CLI_VOLUME_SIGN,
	{ "force", 0, NULL, "replace what stands there" },
	{ 0 },
};

static int read_size(const struct cli *cli, uint64_t *size, struct uni_err *err)
{
	const char *text = cli_value(cli, "size");

	if (text == NULL || (uni_str_size(text, size) && *size != 0))
		return 0;
	return uni_err_set(err, UNI_E_USAGE, "--size \"%s\" is not a size", text);
}

/* Looks before anything is read whether the content can fit at all. */
static int check_room(const struct uni_fs_format *format, const struct uni_tree *tree,
		      struct uni_fs_options *how, struct uni_err *err)
{
	int rc = format->resolve(how, err);

	return rc == 0 ? uni_fs_fits(format, tree, how, err) : rc;
}

static int create_live(const struct cli *cli, const struct uni_tree *tree, const char *label,
		       struct uni_volume_copy *result, struct uni_err *err)
{
	UNI_AUTO(uni_live_key) struct uni_live_key *key = NULL;
	struct uni_live_options how = { .compression = cli_value(cli, "compression"),
					.time = cli_volume_time(),
					.replace = cli_flag(cli, "force") };
	struct uni_fs_options plain = { .compression = how.compression };
	struct uni_live_shape shape = { .label = label };
	int rc = read_size(cli, &shape.size, err);

	if (rc == 0)
		rc = cli_volume_key(cli, &key, err);
	how.key = key;
	plain.size = shape.size;
	if (rc == 0)
		rc = check_room(uni_fs_find("live"), tree, &plain, err);
	return rc == 0 ? uni_live_create(cli->args[0], &shape, tree, &how, &result->made, err) : rc;
}

/* Formats of the registry write to a name of ours, which then becomes theirs. */
static int create_plain(const struct cli *cli, const struct uni_tree *tree, const char *name,
			const char *label, struct uni_err *err)
{
	const struct uni_fs_format *format = uni_fs_find(name);
	struct uni_fs_options how = { .volume = label,
				      .image = label,
				      .compression = cli_value(cli, "compression"),
				      .undigested = true };
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	struct uni_fs_result result;
	uint64_t size = 0;
	int rc;

	if (format == NULL)
		return uni_err_set(err, UNI_E_USAGE, "there is no format \"%s\"", name);
	rc = read_size(cli, &size, err);
	how.size = size;
	how.writable = strcmp(name, "ext4") == 0;
	how.verity = strcmp(name, "squashfs") == 0;
	if (rc == 0)
		rc = check_room(format, tree, &how, err);
	if (rc == 0)
		rc = uni_output_open(&out, cli->args[0], 0666, cli_flag(cli, "force"), err);
	if (rc == 0)
		rc = format->write(tree, &how, uni_outfile_tmp(out), &result, err);
	return rc == 0 ? uni_outfile_commit(out, true, err) : rc;
}

/* "out/site.vol" is "site". */
static char *label_of(const struct cli *cli)
{
	char *label = uni_strdup(cli_value(cli, "label") != NULL ? cli_value(cli, "label")
								 : uni_path_base(cli->args[0]));
	char *dot = strrchr(label, '.');

	if (cli_value(cli, "label") == NULL && dot != NULL && dot != label)
		*dot = '\0';
	return label;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *source = NULL;
	UNI_AUTO_FREE char *label = label_of(cli);
	const char *format = cli_value(cli, "format");
	bool live = format == NULL || strcmp(format, "live") == 0;
	struct uni_volume_copy result = { .volumes = 1 };
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tree *tree;
	int rc;

	if (cli_value(cli, "from") == NULL) {
		uni_err_set(&err, UNI_E_USAGE, "--from is missing");
		return cli_fail(cli, &err);
	}
	if (uni_output_check(cli->args[0], cli_flag(cli, "force"), &err) != 0) {
		uni_err_hint(&err, "uni volume copy gives it new content, --force replaces it");
		return cli_fail(cli, &err);
	}
	if (uni_volume_source_open(&source, cli_value(cli, "from"), &err) != 0)
		return cli_fail(cli, &err);
	tree = uni_volume_source_tree(source);
	rc = live ? create_live(cli, tree, label, &result, &err)
		  : create_plain(cli, tree, format, label, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	uni_volume_source_note(source);
	return live ? cli_volume_report(cli, &result, false) : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni volume create site.vol --from site/", "a live volume of a folder" },
	{ "uni volume create site.vol --from site.tar --size 1G --sign key.pem",
	  "signed, with room to grow" },
	{ "uni volume create site.vol --from oci://registry.example/site:1//srv/www",
	  "a folder of a container image" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_create = {
	.name = "volume create",
	.arguments = "FILE",
	.summary = "Make a volume",
	.text = "A live volume takes new content while machines serve from it: uni volume copy.\n"
		"Of its size each generation has about half. Volumes of the same label have the "
		"same\n"
		"identity, by which a machine finds its volume.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
