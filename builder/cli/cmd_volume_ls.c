/*
 * uni volume ls: names in a volume.
 */
#include <inttypes.h>
#include <uni/base/path.h>

#include "commands.h"
#include "list.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "before", 'b', NULL, "of a live volume's generation before" },
	{ 0 },
};

static int list_entry(void *user, const char *name, const struct uni_fs_stat *stat,
		      struct uni_err *err)
{
	static const char letters[] = "-dlbcps";
	struct cli_list *list = user;
	struct uni_buf *out = cli_list_item(list);

	(void)err;
	if (list->json) {
		uni_buf_printf(out,
			       "{\"type\": \"%c\", \"mode\": \"%04o\", \"size\": %" PRIu64
			       ", \"mtime\": %" PRId64 ", \"name\": ",
			       letters[stat->type], stat->mode, stat->size, stat->mtime);
		uni_json_string(out, name);
		uni_buf_putc(out, '}');
		return 0;
	}
	uni_buf_printf(out, "%c%04o %12" PRIu64 " ", letters[stat->type], stat->mode, stat->size);
	cli_volume_time_text(out, stat->mtime);
	uni_buf_printf(out, " %s\n", name);
	return 0;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_fs_stat stat;
	const char *inside;
	int rc = uni_volume_open(&volume, cli->args[0], cli_flag(cli, "before"), &err);

	if (rc != 0)
		return cli_fail(cli, &err);
	inside = uni_volume_inside(volume);
	rc = uni_fs_stat(uni_volume_reader(volume), inside, &stat, &err);
	if (rc == 0 && stat.type != UNI_FS_TYPE_FOLDER && stat.type != UNI_FS_TYPE_LINK)
		rc = list_entry(&list, uni_path_base(inside), &stat, &err);
	else if (rc == 0)
		rc = uni_fs_list(uni_volume_reader(volume), inside, list_entry, &list, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_list_print(&list);
	return UNI_EXIT_OK;
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
