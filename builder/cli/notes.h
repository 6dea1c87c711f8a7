/*
 * What a destination tells of its work (uni/dest/dest.h), as pushes print it.
 */
#ifndef UNI_CLI_NOTES_H
#define UNI_CLI_NOTES_H

#include <uni/dest/dest.h>

#include "list.h"

/* A request that would be made: call, how often, bytes, what for. */
void cli_note_request(const struct uni_dest_note *note);
void cli_note_json(struct cli_list *list, const struct uni_dest_note *note);

/* --timeout SECONDS of a push, over all that it does: 0, or an exit status. */
int cli_push_deadline(struct cli *cli);
#define CLI_PUSH_TIMEOUT                                                                           \
	{                                                                                          \
		"timeout", 't', "SECONDS", "give up after this time; the same command goes on"     \
	}

#endif
