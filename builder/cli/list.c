/*
 * Lists as commands print them.
 */
#include "list.h"

struct cli_list cli_list_new(const struct cli *cli)
{
	return (struct cli_list){ .out = UNI_BUF_INIT, .json = cli->json };
}

struct uni_buf *cli_list_item(struct cli_list *list)
{
	if (list->json)
		uni_buf_puts(&list->out, list->count != 0 ? ",\n  " : "\n  ");
	list->count++;
	return &list->out;
}

void cli_list_print(struct cli_list *list)
{
	if (list->json) {
		cli_out("[");
		uni_buf_puts(&list->out, list->count != 0 ? "\n]\n" : "]\n");
	}
	cli_out_buf(&list->out);
}
