/*
 * Machines in EC2, for the commands that run, list, show and stop machines: what they do with an
 * address "ec2://REGION..." (ec2_machines.c).
 */
#ifndef UNI_CLI_EC2_MACHINES_H
#define UNI_CLI_EC2_MACHINES_H

#include "ec2_session.h"

/* Each an exit status: 2 for options and arguments that have no meaning there. */
int cli_ec2_run(struct cli *cli);			/* ec2://REGION/IMAGE */
int cli_ec2_ps(struct cli *cli);			/* ec2://REGION */
int cli_ec2_logs(struct cli *cli);			/* ec2://REGION/INSTANCE */
int cli_ec2_stop(struct cli *cli, const char *machine); /* ec2://REGION/INSTANCE */

#endif
