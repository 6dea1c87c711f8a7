/*
 * How far a transfer is, how fast it goes and how long it will take, as a line of text.
 */
#ifndef UNI_CLI_PROGRESS_H
#define UNI_CLI_PROGRESS_H

#include <stddef.h>
#include <stdint.h>
#include <uni/base/event.h>

struct cli_pace {
	char name[64]; /* of what is transferred */
	uint64_t first_ns, last_ns, last_done;
	double rate; /* bytes a second, of the last seconds mostly; 0: not known yet */
};

/* Takes a UNI_EVENT_PROGRESS of that time (uni_clock_mono_ns) and writes the line for it. */
void cli_pace_line(struct cli_pace *pace, const struct uni_event *event, uint64_t now_ns,
		   char *line, size_t room);

#endif
