/*
 * What every command about things in EC2 begins with: the address that names a region, and there
 * an image or a machine; a session in whose name is asked.
 */
#ifndef UNI_CLI_EC2_SESSION_H
#define UNI_CLI_EC2_SESSION_H

#include <uni/aws/client.h>

#include "command.h"

#define CLI_EC2_PROFILE                                                                            \
	{                                                                                          \
		"profile", 0, "NAME", "in EC2: credentials of this profile"                        \
	}

struct cli_ec2 {
	struct uni_aws *aws;
	char *region;
	char *name; /* NULL: the address names a region alone */
};

static inline bool cli_is_ec2(const char *argument)
{
	return uni_str_starts(argument, "ec2://");
}

/* Of "ec2://REGION/NAME", which is `wanted` ("image") there; NULL: of "ec2://REGION". UNI_E_USAGE.
 * `e` starts zeroed. */
int cli_ec2_open(const struct cli *cli, const char *address, const char *wanted, struct cli_ec2 *e,
		 struct uni_err *err);
void cli_ec2_close(struct cli_ec2 *e);
#define CLI_AUTO_EC2 __attribute__((cleanup(cli_ec2_close)))

/* UNI_E_USAGE where the command was given an option that has no meaning there (`in_ec2`: in EC2;
 * else here): `names` are those that have one in EC2 (or only there), NULL at the end. */
int cli_ec2_options(const struct cli *cli, bool in_ec2, const char *const *names,
		    struct uni_err *err);

#endif
