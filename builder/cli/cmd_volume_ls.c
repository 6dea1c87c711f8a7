/*
 * uni volume ls: names in a volume.
 */
#include <inttypes.h>
#include <uni/base/path.h>

#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "before", 'b', NULL, "of a live volume's generation before" },
	{ 0 },
};

struct listing {
	struct uni_buf out;
	bool json;
	size_t count;
};

static int list_entry(void *user, const char *name, const struct uni_fs_stat *stat,
		      struct uni_err *err)
{
	static const char letters[] = "-dlbcps";
	struct listing *l = user;

	(void)err;
	if (l->json) {
		uni_buf_printf(&l->out,
			       "%s\n  {\"type\": \"%c\", \"mode\": \"%04o\", \"size\": %" PRIu64
			       ", \"mtime\": %" PRId64 ", \"name\": ",
			       l->count++ != 0 ? "," : "", letters[stat->type], stat->mode,
			       stat->size, stat->mtime);
		cli_json_string(&l->out, name);
		uni_buf_putc(&l->out, '}');
		return 0;
	}
	uni_buf_printf(&l->out, "%c%04o %12" PRIu64 " ", letters[stat->type], stat->mode,
		       stat->size);
	cli_volume_time_text(&l->out, stat->mtime);
	uni_buf_printf(&l->out, " %s\n", name);
	return 0;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct listing l = { .json = cli->json };
	struct uni_fs_stat stat;
	const char *inside;
	int rc = uni_volume_open(&volume, cli->args[0], cli_flag(cli, "before"), &err);

	if (rc != 0)
		return cli_fail(cli, &err);
	inside = uni_volume_inside(volume);
	if (l.json)
		uni_buf_putc(&l.out, '[');
	rc = uni_fs_stat(uni_volume_reader(volume), inside, &stat, &err);
	if (rc == 0 && stat.type != UNI_FS_TYPE_FOLDER && stat.type != UNI_FS_TYPE_LINK)
		rc = list_entry(&l, uni_path_base(inside), &stat, &err);
	else if (rc == 0)
		rc = uni_fs_list(uni_volume_reader(volume), inside, list_entry, &l, &err);
	if (l.json)
		uni_buf_puts(&l.out, "\n]\n");
	if (rc == 0)
		cli_out_buf(&l.out);
	uni_buf_free(&l.out);
	return rc == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume ls site.vol:/img", "one folder" },
	{ "uni volume ls vm:web-1/content", "what a machine serves" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_ls = {
	.name = "volume ls",
	.arguments = "FILE[:/PATH]",
	.summary = "List files of a volume",
	.text = "Volumes are live ones, squashfs, ext4, FAT and cpio archives; or those of running "
		"machines:\n"
		"vm:NAME/VOLUME[:/PATH].",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
