/*
 * What a destination tells of its work (uni/dest/dest.h), as pushes print it.
 */
#ifndef UNI_CLI_NOTES_H
#define UNI_CLI_NOTES_H

#include <uni/dest/dest.h>

#include "list.h"

/* The notes of one push. */
struct cli_notes {
	struct cli_list list;
	uint64_t calls, bytes; /* of the requests that would be made */
};

static inline void cli_notes_release(struct cli_notes *notes)
{
	cli_list_release(&notes->list);
}
#define CLI_AUTO_NOTES __attribute__((cleanup(cli_notes_release)))

/* None yet, in the form that the command was asked for. */
struct cli_notes cli_notes_new(const struct cli *cli);
/* Takes one whose form is the same wherever it goes: all as objects, for people a request (call,
 * how often, bytes, what for). False: the caller prints it. */
bool cli_notes_take(struct cli_notes *notes, const struct uni_dest_note *note);
/* The objects, or what all requests come to, to standard output. */
void cli_notes_end(struct cli_notes *notes);

/* --timeout SECONDS of a push, over all that it does: 0, or an exit status. */
int cli_push_deadline(struct cli *cli);
#define CLI_PUSH_TIMEOUT                                                                           \
	{                                                                                          \
		"timeout", 't', "SECONDS", "give up after this time; the same command goes on"     \
	}

#endif
