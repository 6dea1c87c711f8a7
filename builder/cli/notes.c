/*
 * Notes of pushes: lines for people, objects for programs.
 */
#include <inttypes.h>

#include <uni/base/system.h>

#include "notes.h"

#define DEADLINE_MAX 604800u /* a week */

struct cli_notes cli_notes_new(const struct cli *cli)
{
	return (struct cli_notes){ .list = cli_list_new(cli) };
}

static void print_request(const char *call, uint64_t calls, uint64_t bytes, const char *text)
{
	cli_out("%-26s %6" PRIu64 " %-5s  %10s%s%s\n", call, calls, calls == 1 ? "call" : "calls",
		uni_size_text(bytes), *text != '\0' ? "  " : "", text);
}

static void add_object(struct cli_list *list, const struct uni_dest_note *note)
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

bool cli_notes_take(struct cli_notes *notes, const struct uni_dest_note *note)
{
	bool request = uni_str_eq(note->what, "request");

	if (notes->list.json) {
		add_object(&notes->list, note);
		return true;
	}
	if (request) {
		print_request(note->where, note->calls, note->bytes, note->text);
		notes->calls += note->calls;
		notes->bytes += note->bytes;
	}
	return request;
}

void cli_notes_end(struct cli_notes *notes)
{
	if (notes->calls != 0)
		print_request("all", notes->calls, notes->bytes, "");
	cli_list_print(&notes->list);
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
