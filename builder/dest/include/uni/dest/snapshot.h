/*
 * A volume or disk as a snapshot in EC2, without an image around it.
 */
#ifndef UNI_DEST_SNAPSHOT_H
#define UNI_DEST_SNAPSHOT_H

#include <uni/dest/dest.h>

/* `job->source` is a file, `job->address` "ec2://REGION/NAME". Filled up with zeros to whole GiB.
 */
int uni_snapshot_push(const struct uni_dest_job *job, struct uni_err *err);

/* The newest complete one of that name, or "ec2://REGION/snap-...", into `path`, which is made: of
 * whole GiB, with holes where the snapshot has nothing. */
int uni_snapshot_pull(const char *address, const char *path, const struct uni_events *events,
		      struct uni_err *err);

#endif
