/*
 * A volume or disk as a snapshot in EC2, without an image around it.
 */
#ifndef UNI_DEST_SNAPSHOT_H
#define UNI_DEST_SNAPSHOT_H

#include <uni/dest/dest.h>

/* `job->source` is a file, `job->address` "ec2://REGION/NAME". Filled up with zeros to whole GiB.
 */
int uni_snapshot_push(const struct uni_dest_job *job, struct uni_err *err);

#endif
