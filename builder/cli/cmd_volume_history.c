/*
 * uni volume history: the generations that a live volume has.
 */
#include <inttypes.h>

#include "commands.h"
#include "list.h"
#include "volumes.h"

static void one(struct cli_list *list, const struct uni_live_super *s, const char *what)
{
	struct uni_buf *out;

	if (s == NULL)
		return;
	out = cli_list_item(list);
	if (list->json) {
		cli_volume_super_json(out, s);
		return;
	}
	uni_buf_printf(out, "%" PRIu64 "  ", s->generation);
	cli_volume_time_text(out, s->time);
	uni_buf_printf(out, "  %" PRIu64 " bytes  %s%s\n", s->fs_size,
		       (s->flags & UNI_LIVE_SIGNED) != 0 ? "signed  " : "", what);
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	UNI_AUTO_FREE char *file = NULL;
	UNI_AUTO_FREE char *inside = NULL;
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_volume_locate(cli->args[0], &file, &inside, &err);

	if (rc == 0)
		rc = uni_live_open(&live, file, false, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	one(&list, uni_live_current(live), "served");
	one(&list, uni_live_before(live), "before");
	cli_list_print(&list);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni volume history site.vol", "two lines at most" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_history = {
	.name = "volume history",
	.arguments = "FILE",
	.summary = "List the generations of a live volume",
	.text = "What is served, and what uni volume rollback goes back to.",
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
