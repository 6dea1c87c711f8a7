/*
 * What a push to EC2 is asked for, looked at before anything is sent.
 */
#ifndef DEST_EC2_JOB_H
#define DEST_EC2_JOB_H

#include "internal.h"

/* "ec2://REGION[,REGION...]/[NAME]": `name` gets what an image is called in place of its own name,
 * NULL where the address has none. Owned by the caller. */
int ec2_job_address(const char *address, struct uni_strv *regions, char **name,
		    struct uni_err *err);
/* Tags and accounts: EC2 would refuse them when all blocks are sent. */
int ec2_job_check(const struct uni_dest_job *job, struct uni_err *err);

#endif
