/*
 * uni volume diff: names that differ between two volumes, or two generations of one.
 */
#include "commands.h"
#include "list.h"
#include "volumes.h"

static int note(void *user, enum uni_volume_change change, const char *path,
		const struct uni_fs_stat *stat, struct uni_err *err)
{
	static const char *const letters[] = { "A", "D", "M" };
	struct cli_list *list = user;
	struct uni_buf *out = cli_list_item(list);

	(void)err;
	if (list->json) {
		uni_buf_printf(out, "{\"change\": \"%s\", \"path\": ", letters[change]);
		uni_json_string(out, path);
		uni_buf_putc(out, '}');
	} else {
		uni_buf_printf(out, "%s %s%s\n", letters[change], path,
			       stat->type == UNI_FS_TYPE_FOLDER ? "/" : "");
	}
	return 0;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_volume) struct uni_volume *a = NULL;
	UNI_AUTO(uni_volume) struct uni_volume *b = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	int rc = uni_volume_open(&a, cli->args[0], cli->arg_count == 1, &err);

	if (rc == 0)
		rc = uni_volume_open(&b, cli->args[cli->arg_count - 1], false, &err);
	if (rc == 0)
		rc = uni_volume_diff(uni_volume_reader(a), uni_volume_reader(b), note, &list, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_list_print(&list);
	return list.count != 0 ? UNI_EXIT_FAILED : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni volume diff site.vol", "the generation before with the one that is served" },
	{ "uni volume diff old.squashfs site.vol", "any two volumes" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_diff = {
	.name = "volume diff",
	.arguments = "FILE [FILE]",
	.summary = "Compare two volumes, or what a live one served before",
	.text = "A is a name that was added, D one that is gone, M one whose content, mode or "
		"owner changed.\n"
		"Times are not compared. The exit status is 1 when anything differs.",
	.least = 1,
	.most = 2,
	.examples = examples,
	.run = run,
};
