/*
 * What the commands about machines that stay share (cmd_ps.c defines it).
 */
#ifndef UNI_CLI_MACHINES_H
#define UNI_CLI_MACHINES_H

#include <uni/vm/detached.h>

#include "command.h"

/* One object, without a newline. */
void cli_machine_json(struct uni_buf *out, const struct uni_detached *machine);
/* How one that does not run ended: its status, and a line about it in `text` (may be empty). */
int cli_machine_status(const struct uni_detached *machine, struct uni_buf *text);
/* Name, how to reach it, and what can be done with it, for people. */
void cli_machine_introduce(const struct uni_detached *machine);

#endif
