/*
 * Machines in EC2 (Amazon EC2 API Reference): started from an image, listed by a tag, their
 * console, ended.
 */
#ifndef UNI_AWS_INSTANCE_H
#define UNI_AWS_INSTANCE_H

#include <uni/aws/ec2.h>

#define UNI_EC2_TAG_MACHINE "uni:machine" /* of every machine that uni started */

struct uni_ec2_start {
	const char *image; /* "ami-..." */
	const char *type;  /* "t3.nano" */
	const char *name;
	const char *subnet;	       /* NULL: the default one */
	const struct uni_strv *groups; /* security groups' ids; none: the default */
	const char *token;	       /* the same token starts one machine */
};

struct uni_ec2_instance {
	char *id, *image, *name, *state, *type, *started;
	char *address, *private_address; /* "" when it has none */
};
struct uni_ec2_instances {
	struct uni_ec2_instance *items;
	size_t count, room;
};
#define UNI_AUTO_EC2_INSTANCES __attribute__((cleanup(uni_ec2_instances_free)))
void uni_ec2_instances_free(struct uni_ec2_instances *instances);

/* IMDSv2 only; the machine's disk goes with it. */
int uni_ec2_run(struct uni_aws *aws, const char *region, const struct uni_ec2_start *start,
		char id[UNI_EC2_ID], struct uni_err *err);
/* Those that uni started; `id` NULL: all. */
int uni_ec2_list(struct uni_aws *aws, const char *region, const char *id,
		 struct uni_ec2_instances *instances, struct uni_err *err);
/* What its serial port said last, at most 64 KiB; empty for some minutes after its start. */
int uni_ec2_console(struct uni_aws *aws, const char *region, const char *id, struct uni_buf *text,
		    struct uni_err *err);
/* The power button, a wait, and then it is gone. */
int uni_ec2_end(struct uni_aws *aws, const char *region, const char *id, struct uni_err *err);

#endif
