/*
 * What would be asked of EC2 and EBS, a note each: --dry-run.
 */
#ifndef DEST_EC2_SAY_H
#define DEST_EC2_SAY_H

#include "ec2_snapshot.h"
#include "internal.h"

void ec2_say(const struct uni_dest_job *job, const char *call, uint64_t calls, uint64_t bytes,
	     const char *text);
/* All that makes a snapshot of the content; `part` is what it is called within an image, or NULL.
 */
int ec2_say_snapshot(const struct uni_dest_job *job, const struct ec2_content *content,
		     const char *region, const char *part, struct uni_err *err);

#endif
