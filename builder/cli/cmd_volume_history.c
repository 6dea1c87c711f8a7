/*
 * uni volume history: the generations that a live volume has.
 */
#include <inttypes.h>

#include "commands.h"
#include "volumes.h"

static void one(const struct cli *cli, struct uni_buf *out, const struct uni_live_super *s,
		const char *what)
{
	if (s == NULL)
		return;
	if (cli->json) {
		uni_buf_puts(out, out->size > 1 ? ",\n  " : "\n  ");
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
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_volume_locate(cli->args[0], &file, &inside, &err);

	if (rc == 0)
		rc = uni_live_open(&live, file, false, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	if (cli->json)
		uni_buf_putc(&out, '[');
	one(cli, &out, uni_live_current(live), "served");
	one(cli, &out, uni_live_before(live), "before");
	if (cli->json)
		uni_buf_puts(&out, "\n]\n");
	cli_out_buf(&out);
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
