/*
 * Notes of pushes: lines for people, objects for programs.
 */
#include <inttypes.h>

#include <uni/base/system.h>

#include "notes.h"

#define DEADLINE_MAX 604800u /* a week */

void cli_note_request(const struct uni_dest_note *note)
{
	cli_out("%-26s %6" PRIu64 " calls  %10s  %s\n", note->where, note->calls,
		uni_size_text(note->bytes), note->text);
}

void cli_note_json(struct cli_list *list, const struct uni_dest_note *note)
{
	struct uni_buf *out = cli_list_item(list);

	uni_buf_printf(out, "{\"what\": \"%s\", \"where\": ", note->what);
	uni_json_string(out, note->where);
	uni_buf_puts(out, ", \"id\": ");
	uni_json_string(out, note->id);
	uni_buf_puts(out, ", \"text\": ");
	uni_json_string(out, note->text);
	uni_buf_printf(out, ", \"calls\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", note->calls,
		       note->bytes);
}

int cli_push_deadline(struct cli *cli)
{
	const char *text = cli_value(cli, "timeout");
	struct uni_err err = UNI_ERR_INIT;
	uint64_t seconds;

	if (text == NULL)
		return UNI_EXIT_OK;
	if (!uni_str_u64(text, &seconds) || seconds == 0 || seconds > DEADLINE_MAX) {
		uni_err_set(&err, UNI_E_USAGE,
			    "--timeout \"%s\" is not a number of seconds from 1 to %u", text,
			    DEADLINE_MAX);
		return cli_fail(cli, &err);
	}
	uni_deadline_set((unsigned)seconds);
	return UNI_EXIT_OK;
}
