/*
 * Options and words that the commands about volumes share.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <uni/base/json.h>
#include <uni/base/system.h>

#include "volumes.h"

#define WAIT_S 10
#define WAIT_MAX_S 86400

int64_t cli_volume_time(void)
{
	const char *epoch = uni_env("SOURCE_DATE_EPOCH");
	uint64_t value;

	if (epoch != NULL && uni_str_u64(epoch, &value) && value <= UINT32_MAX)
		return (int64_t)value;
	return uni_clock_now();
}

int cli_volume_key(const struct cli *cli, struct uni_live_key **key, struct uni_err *err)
{
	const char *path = cli_value(cli, "sign");

	return path != NULL ? uni_live_key_load(key, path, err) : 0;
}

int cli_volume_patience(const struct cli *cli, int *wait_ms, struct uni_err *err)
{
	const char *text = cli_value(cli, "timeout");
	uint64_t seconds = WAIT_S;

	if (text != NULL && (!uni_str_u64(text, &seconds) || seconds > WAIT_MAX_S))
		return uni_err_set(err, UNI_E_USAGE,
				   "--timeout \"%s\" is not a number of seconds up to %d", text,
				   WAIT_MAX_S);
	*wait_ms = (int)seconds * 1000;
	return 0;
}

int cli_volume_print_order(struct cli *cli, const char *mount, bool read_only)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_volume_order(cli->args[0], mount, read_only, &out, &err) != 0)
		return cli_fail(cli, &err);
	uni_buf_putc(&out, '\n');
	cli_out_buf(&out);
	return UNI_EXIT_OK;
}

int cli_volume_wait(const struct cli *cli, int *wait_ms, struct uni_err *err)
{
	if (cli_volume_patience(cli, wait_ms, err) != 0)
		return err->code;
	if (!cli_flag(cli, "wait") && cli_value(cli, "timeout") == NULL)
		*wait_ms = 0;
	return 0;
}

static void report_json(const struct uni_volume_copy *copy)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	uni_buf_printf(&out,
		       "{\"volumes\": %zu, \"unchanged\": %zu, \"generation\": %" PRIu64
		       ", \"fs_size\": %" PRIu64 ", \"blocks_written\": %" PRIu64
		       ", \"tree_blocks_written\": %" PRIu64 ", \"blocks_cleared\": %" PRIu64
		       ", \"blocks_kept\": %" PRIu64 ", \"machines\": [",
		       copy->volumes, copy->unchanged, copy->made.generation, copy->made.fs_size,
		       copy->made.blocks_written, copy->made.tree_written,
		       copy->made.blocks_cleared, copy->made.blocks_kept);
	for (size_t i = 0; i < copy->users.count; i++) {
		const struct uni_volume_user *user = &copy->users.items[i];

		uni_buf_puts(&out, i != 0 ? ", {\"name\": " : "{\"name\": ");
		uni_json_string(&out, user->machine);
		uni_buf_printf(&out,
			       ", \"serves\": %s, \"trouble\": ", user->serves ? "true" : "false");
		if (user->trouble != NULL)
			uni_json_string(&out, user->trouble);
		else
			uni_buf_puts(&out, "null");
		uni_buf_putc(&out, '}');
	}
	uni_buf_puts(&out, "]}\n");
	cli_out_buf(&out);
}

/* Of a disk that a machine writes to. */
static int report_disk(const struct cli *cli, const struct uni_detached_copy *disk)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	if (cli->json) {
		uni_buf_printf(&out,
			       "{\"size\": %" PRIu64 ", \"moved\": %" PRIu64
			       ", \"changes_only\": %s, \"frozen\": %s}\n",
			       disk->size, disk->moved, disk->changes_only ? "true" : "false",
			       disk->frozen ? "true" : "false");
		cli_out_buf(&out);
		return UNI_EXIT_OK;
	}
	cli_say(cli, "%s of %s copied%s%s", uni_size_text(disk->moved), uni_size_text(disk->size),
		disk->changes_only ? ", the rest is as in the copy before" : "",
		disk->frozen ? "" : "; its journal is to be replayed, as after a loss of power");
	return UNI_EXIT_OK;
}

int cli_volume_report(const struct cli *cli, const struct uni_volume_copy *copy, bool waited)
{
	size_t serving = 0;
	int status = UNI_EXIT_OK;

	if (copy->is_disk)
		return report_disk(cli, &copy->disk);

	for (size_t i = 0; i < copy->users.count; i++) {
		serving += copy->users.items[i].serves;
		if (copy->users.items[i].trouble != NULL)
			status = UNI_EXIT_FAILED;
	}
	if (cli->json) {
		report_json(copy);
		return status;
	}
	if (copy->volumes != 0)
		cli_say(cli,
			"generation %" PRIu64 ": %" PRIu64 " blocks of 4 KiB written, %" PRIu64
			" cleared, %" PRIu64 " kept",
			copy->made.generation, copy->made.blocks_written, copy->made.blocks_cleared,
			copy->made.blocks_kept);
	else if (copy->unchanged != 0)
		cli_say(cli, "generation %" PRIu64 " holds this content; nothing was written",
			copy->made.generation);
	if (waited && copy->users.count != 0)
		cli_say(cli, "%zu of %zu machines serve it", serving, copy->users.count);
	for (size_t i = 0; i < copy->users.count; i++)
		if (copy->users.items[i].trouble != NULL)
			cli_say(cli, "uni: %s: %s", copy->users.items[i].machine,
				copy->users.items[i].trouble);
	return status;
}

void cli_volume_time_text(struct uni_buf *out, int64_t time)
{
	time_t seconds = (time_t)time;
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&seconds, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	uni_buf_puts(out, text);
}

void cli_volume_super_json(struct uni_buf *out, const struct uni_live_super *s)
{
	struct uni_uuid uuid;
	char text[UNI_UUID_TEXT];
	char root[65];
	char label[sizeof(s->label) + 1] = "";

	memcpy(uuid.bytes, s->uuid, sizeof(uuid.bytes));
	uni_uuid_text(&uuid, text);
	uni_hex(s->root_hash, sizeof(s->root_hash), root);
	memcpy(label, s->label, sizeof(s->label));
	uni_buf_printf(out,
		       "{\"generation\": %" PRIu64 ", \"time\": %" PRId64
		       ", \"uuid\": \"%s\", \"label\": ",
		       s->generation, s->time, text);
	uni_json_string(out, label);
	uni_buf_printf(out,
		       ", \"slot\": %u, \"slot_offset\": %" PRIu64 ", \"slot_size\": %" PRIu64
		       ", \"data_blocks\": %" PRIu64 ", \"hash_offset\": %" PRIu64
		       ", \"fs_size\": %" PRIu64 ", \"signed\": %s, \"root_hash\": \"%s\"",
		       s->slot, s->slot_offset, s->slot_size, s->data_blocks, s->hash_offset,
		       s->fs_size, (s->flags & UNI_LIVE_SIGNED) != 0 ? "true" : "false", root);
	uni_hex(s->salt, sizeof(s->salt), root);
	uni_buf_printf(out, ", \"salt\": \"%s\"}", root);
}
