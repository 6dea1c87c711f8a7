/*
 * uni volume stat: what a volume is.
 */
#include <inttypes.h>
#include <string.h>

#include <uni/base/json.h>

#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "before", 'b', NULL, "of a live volume's generation before" },
	{ 0 },
};

static void about_json(const struct uni_volume *volume, const struct uni_fs_about *about,
		       struct uni_buf *out)
{
	const struct uni_live *live = uni_volume_live(volume);

	uni_buf_puts(out, "{\"format\": ");
	uni_json_string(out, about->format);
	uni_buf_puts(out, ", \"compression\": ");
	uni_json_string(out, about->compression);
	uni_buf_printf(out,
		       ", \"block_size\": %u, \"used\": %" PRIu64 ", \"inodes\": %" PRIu64
		       ", \"mtime\": %" PRId64,
		       about->block_size, about->used, about->inodes, about->mtime);
	if (live != NULL) {
		uni_buf_printf(out, ", \"size\": %" PRIu64 ", \"live\": ", uni_live_size(live));
		cli_volume_super_json(out, uni_volume_super(volume));
	}
	uni_buf_puts(out, "}\n");
}

static void about_text(const struct uni_volume *volume, const struct uni_fs_about *about,
		       struct uni_buf *out)
{
	const struct uni_live_super *s = uni_volume_super(volume);
	struct uni_uuid uuid;
	char text[UNI_UUID_TEXT];

	uni_buf_printf(out, "%s, %s, blocks of %u: %" PRIu64 " bytes, %" PRIu64 " inodes\n",
		       about->format,
		       about->compression != NULL ? about->compression : "not compressed",
		       about->block_size, about->used, about->inodes);
	if (s == NULL)
		return;
	memcpy(uuid.bytes, s->uuid, sizeof(uuid.bytes));
	uni_uuid_text(&uuid, text);
	uni_buf_printf(out, "live volume %.*s, %s\ngeneration %" PRIu64 " of ",
		       (int)sizeof(s->label), s->label, text, s->generation);
	cli_volume_time_text(out, s->time);
	uni_buf_printf(out, ", %s\n%" PRIu64 " of %" PRIu64 " bytes used in slot %u\n",
		       (s->flags & UNI_LIVE_SIGNED) != 0 ? "signed" : "not signed", s->fs_size,
		       s->data_blocks * UNI_LIVE_BLOCK, s->slot);
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_fs_about about = { .format = "" };

	if (uni_volume_open(&volume, cli->args[0], cli_flag(cli, "before"), &err) != 0)
		return cli_fail(cli, &err);
	uni_fs_about(uni_volume_reader(volume), &about);
	if (cli->json)
		about_json(volume, &about, &out);
	else
		about_text(volume, &about, &out);
	cli_out_buf(&out);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni volume stat --json site.vol", "with root hash and offsets, for veritysetup" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_stat = {
	.name = "volume stat",
	.arguments = "FILE",
	.summary = "Say what a volume is",
	.text = "Format, sizes, and of a live volume identity, generation and place of what it "
		"serves.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
