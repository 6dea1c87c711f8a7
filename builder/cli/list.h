/*
 * What a command lists: lines for people, or with --json one array of objects. It is printed when
 * it is whole, so that a failure in the middle leaves no half of an array behind.
 */
#ifndef UNI_CLI_LIST_H
#define UNI_CLI_LIST_H

#include <uni/base/json.h>

#include "command.h"

struct cli_list {
	struct uni_buf out;
	size_t count;
	bool json;
};

static inline void cli_list_release(struct cli_list *list)
{
	uni_buf_free(&list->out);
}
#define CLI_AUTO_LIST __attribute__((cleanup(cli_list_release)))

/* An empty list in the form that the command was asked for. */
struct cli_list cli_list_new(const struct cli *cli);
/* Where the next item is written: a line with its newline, or an object. Borrowed from the list. */
struct uni_buf *cli_list_item(struct cli_list *list);
/* To standard output. */
void cli_list_print(struct cli_list *list);

#endif
