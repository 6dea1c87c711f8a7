/* How calls of EC2 are made, for the files that make them. */
#ifndef AWS_EC2_H
#define AWS_EC2_H

#include <uni/aws/ec2.h>
#include <uni/base/xml.h>

/* `form` NULL: no fields. `repeatable`: nothing is made twice by asking twice. */
int ec2_ask(struct uni_aws *aws, const char *region, const char *action,
	    const struct uni_ec2_form *form, bool repeatable, struct uni_xml **root,
	    struct uni_err *err);
/* A call whose answer is of no interest. */
int ec2_tell(struct uni_aws *aws, const char *region, const char *action,
	     const struct uni_ec2_form *form, struct uni_err *err);
/* Text of an element, "" where there is none; owned by the caller. */
char *ec2_copy_text(const struct uni_xml *item, const char *path);
/* An id that begins like that, and has nothing in it that an id has not. */
int ec2_take_id(const char *id, const char *action, const char *prefix, char out[UNI_EC2_ID],
		struct uni_err *err);

#endif
