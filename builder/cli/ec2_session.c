/*
 * Sessions in EC2, and which of a command's options count there.
 */
#include "ec2_session.h"

#include <uni/dest/ami.h>

int cli_ec2_open(const struct cli *cli, const char *address, const char *wanted, struct cli_ec2 *e,
		 struct uni_err *err)
{
	const struct uni_net_options net = { .events = &cli->events };
	struct uni_aws_options how = { .profile = cli_value(cli, "profile"), .net = &net };
	int rc = uni_ami_address(address, &e->region, &e->name, err);

	if (rc != 0)
		return rc;
	if (wanted != NULL && e->name == NULL)
		return uni_err_set(err, UNI_E_USAGE, "%s: names no %s", address, wanted);
	if (wanted == NULL && e->name != NULL)
		return uni_err_set(err, UNI_E_USAGE, "%s: a region is enough", address);
	how.region = e->region;
	return uni_aws_open(&e->aws, &how, err);
}

void cli_ec2_close(struct cli_ec2 *e)
{
	uni_aws_free(e->aws);
	free(e->region);
	free(e->name);
}

static bool is_named(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (uni_str_eq(*names, name))
			return true;
	return false;
}

int cli_ec2_options(const struct cli *cli, bool in_ec2, const char *const *names,
		    struct uni_err *err)
{
	const struct cli_option *options = cli->command->options;

	for (size_t i = 0; options[i].name != NULL; i++)
		if (cli->values[i] != NULL && is_named(names, options[i].name) != in_ec2)
			return uni_err_set(err, UNI_E_USAGE, "--%s has no meaning %s",
					   options[i].name,
					   in_ec2 ? "in EC2" : "but for ec2://REGION/...");
	return 0;
}
