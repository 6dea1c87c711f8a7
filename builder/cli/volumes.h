/*
 * What the commands about volumes share (volumes.c).
 */
#ifndef UNI_CLI_VOLUMES_H
#define UNI_CLI_VOLUMES_H

#include <uni/volume/volume.h>

#include "command.h"

#define CLI_VOLUME_SIGN                                                                            \
	{                                                                                          \
		"sign", 0, "KEY", "sign the new generation with this Ed25519 key (PEM)"            \
	}
#define CLI_VOLUME_WAIT                                                                            \
	{                                                                                          \
		"wait", 'w', NULL, "return when every machine that has the volume serves it"       \
	}
#define CLI_VOLUME_TIMEOUT                                                                         \
	{                                                                                          \
		"timeout", 't', "SECONDS", "how long to wait for machines (default: 10)"           \
	}

/* Of a new generation: now, or SOURCE_DATE_EPOCH. */
int64_t cli_volume_time(void);
/* --sign; *key stays NULL without it. */
int cli_volume_key(const struct cli *cli, struct uni_live_key **key, struct uni_err *err);
#define CLI_VOLUME_PRINT                                                                           \
	{                                                                                          \
		"print", 0, NULL, "write the order that a guest of Xen takes, and do nothing else" \
	}
/* The order of attach, or (mount NULL) of detach, to standard output; the exit status. */
int cli_volume_print_order(struct cli *cli, const char *mount, bool read_only);

/* --timeout, in milliseconds. */
int cli_volume_patience(const struct cli *cli, int *wait_ms, struct uni_err *err);
/* --wait and --timeout: 0 without both. */
int cli_volume_wait(const struct cli *cli, int *wait_ms, struct uni_err *err);
/* What a copy or rollback came to; the exit status. */
int cli_volume_report(const struct cli *cli, const struct uni_volume_copy *copy, bool waited);
/* A superblock as an object. */
void cli_volume_super_json(struct uni_buf *out, const struct uni_live_super *super);
/* "2026-11-21 06:00:00" of seconds since 1970, in UTC. */
void cli_volume_time_text(struct uni_buf *out, int64_t time);

#endif
