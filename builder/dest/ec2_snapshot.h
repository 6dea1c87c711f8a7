/*
 * Content as a snapshot of EBS: what is sent of it, going on after an interruption, and what stays
 * behind when it cannot be done.
 */
#ifndef DEST_EC2_SNAPSHOT_H
#define DEST_EC2_SNAPSHOT_H

#include "ec2_state.h"
#include <uni/base/event.h>

/* All borrowed. */
struct ec2_content {
	struct uni_aws *aws;
	const struct uni_ami_map *map;
	/* The map's nth block, UNI_MAP_BLOCK bytes. */
	int (*read)(const void *user, size_t n, void *data, struct uni_err *err);
	const void *user;
	const char *name; /* what the next push of that name builds on */
	const char *description;
	const struct uni_strv *tags; /* "KEY=VALUE" */
	const struct uni_events *events;
};

/* For a session that uploads: many at once, and patience with a service that throttles. */
struct uni_net_options ec2_net_options(const struct uni_events *events);

/* Makes it, and then `then` with its id (or NULL), whose failure is that of the whole: a snapshot
 * that nobody can go on with is removed, another is named in the error. */
int ec2_snapshot_make(const struct ec2_content *content, const char *region,
		      int (*then)(void *user, const char *snapshot, struct uni_err *err),
		      void *then_user, char snapshot[UNI_EBS_ID], struct uni_err *err);

/* How many blocks that would send, and on which snapshot (owned by the caller; NULL: on none). */
int ec2_snapshot_plan(const struct ec2_content *content, const char *region, size_t *blocks,
		      char **parent, struct uni_err *err);

#endif
