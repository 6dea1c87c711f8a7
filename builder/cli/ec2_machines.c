/*
 * Machines in EC2. An instance is named by its id; what uni did not start is left alone.
 */
#include "ec2_machines.h"
#include "ec2_session.h"
#include "list.h"

#include <string.h>

#include <uni/aws/instance.h>
#include <uni/base/json.h>
#include <uni/base/system.h>
#include <uni/dest/ami.h>

/* What counts in EC2 of the options of run and ps; of those of logs and stop the profile alone. */
static const char *const run_options[] = { "type",    "subnet", "security-group", "name", "detach",
					   "profile", NULL };
static const char *const ps_options[] = { "all", "profile", NULL };
static const char *const other_options[] = { "profile", NULL };

static int begin(const struct cli *cli, const char *const *options, const char *address,
		 const char *wanted, struct cli_ec2 *e, struct uni_err *err)
{
	int rc = cli_ec2_options(cli, true, options, err);

	return rc == 0 ? cli_ec2_open(cli, address, wanted, e, err) : rc;
}

/* The one machine of ours with that id. */
static int find(const struct cli_ec2 *e, struct uni_ec2_instances *found, struct uni_err *err)
{
	int rc = uni_ec2_list(e->aws, e->region, e->name, found, err);

	if (rc == 0 && found->count == 0)
		rc = uni_err_set(err, UNI_E_NOENT, "%s has no machine \"%s\" that uni started",
				 e->region, e->name);
	return rc;
}

int cli_ec2_run(struct cli *cli)
{
	struct cli_ec2 e CLI_AUTO_EC2 = { 0 };
	struct uni_ec2_images images UNI_AUTO_EC2_IMAGES = { 0 };
	struct uni_strv groups UNI_AUTO_STRV = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	char id[UNI_EC2_ID], token[33];
	uint8_t random[16];
	int rc = begin(cli, run_options, cli->args[0], "image", &e, &err);

	if (rc == 0 && cli->arg_count > 1)
		rc = uni_err_set(&err, UNI_E_USAGE, "a program in EC2 has the image's arguments");
	if (rc == 0)
		rc = uni_ami_find(e.aws, e.region, e.name, &images, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	for (char **r = cli->repeats; r != NULL && *r != NULL; r++)
		if (uni_str_starts(*r, "security-group="))
			uni_strv_add(&groups, *r + strlen("security-group="));
	uni_random(random, sizeof(random));
	uni_hex(random, sizeof(random), token);

	const char *type = cli_value(cli, "type"), *name = cli_value(cli, "name");
	const char *built = uni_ec2_image_tag(&images.items[0], UNI_AMI_TAG_NAME);
	const struct uni_ec2_start start = {
		.image = images.items[0].id,
		.type = type != NULL ? type : "t3.nano",
		.name = name != NULL ? name : (built != NULL ? built : images.items[0].name),
		.subnet = cli_value(cli, "subnet"),
		.groups = &groups,
		.token = token,
	};

	rc = uni_ami_check_type(&images.items[0], start.type, &err);
	if (rc == 0 && uni_ec2_run(e.aws, e.region, &start, id, &err) != 0)
		rc = uni_ami_refused(&images.items[0], &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_out("ec2://%s/%s\n", e.region, id);
	return UNI_EXIT_OK;
}

static bool is_listed(const struct cli *cli, const struct uni_ec2_instance *instance)
{
	return cli_flag(cli, "all") || !uni_str_eq(instance->state, "terminated");
}

static void print_json(const struct cli *cli, const struct uni_ec2_instances *instances)
{
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);

	for (size_t i = 0; i < instances->count; i++) {
		const struct uni_ec2_instance *x = &instances->items[i];
		const char *const fields[][2] = {
			{ "id", x->id },	   { "image", x->image },
			{ "name", x->name },	   { "state", x->state },
			{ "type", x->type },	   { "started", x->started },
			{ "address", x->address }, { "private_address", x->private_address },
		};
		struct uni_buf *out;

		if (!is_listed(cli, x))
			continue;
		out = cli_list_item(&list);
		uni_buf_putc(out, '{');
		for (size_t j = 0; j < UNI_COUNT(fields); j++) {
			uni_buf_printf(out, "%s\"%s\": ", j != 0 ? ", " : "", fields[j][0]);
			uni_json_string(out, fields[j][1]);
		}
		uni_buf_putc(out, '}');
	}
	cli_list_print(&list);
}

int cli_ec2_ps(struct cli *cli)
{
	struct cli_ec2 e CLI_AUTO_EC2 = { 0 };
	struct uni_ec2_instances list UNI_AUTO_EC2_INSTANCES = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int rc = begin(cli, ps_options, cli->args[0], NULL, &e, &err);

	if (rc == 0)
		rc = uni_ec2_list(e.aws, e.region, NULL, &list, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	if (cli->json) {
		print_json(cli, &list);
		return UNI_EXIT_OK;
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct uni_ec2_instance *x = &list.items[i];

		if (is_listed(cli, x))
			cli_out("%-16s  %-13s  %s  %s  %s  %s\n", x->name, x->state, x->id, x->type,
				*x->address != '\0' ? x->address : x->private_address, x->image);
	}
	return UNI_EXIT_OK;
}

int cli_ec2_logs(struct cli *cli)
{
	struct cli_ec2 e CLI_AUTO_EC2 = { 0 };
	struct uni_ec2_instances found UNI_AUTO_EC2_INSTANCES = { 0 };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	int rc = begin(cli, other_options, cli->args[0], "machine", &e, &err);

	if (rc == 0)
		rc = find(&e, &found, &err);
	if (rc == 0)
		rc = uni_ec2_console(e.aws, e.region, e.name, &text, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_out_buf(&text);
	return UNI_EXIT_OK;
}

int cli_ec2_stop(struct cli *cli, const char *machine)
{
	struct cli_ec2 e CLI_AUTO_EC2 = { 0 };
	struct uni_ec2_instances found UNI_AUTO_EC2_INSTANCES = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int rc = begin(cli, other_options, machine, "machine", &e, &err);

	if (rc == 0)
		rc = find(&e, &found, &err);
	if (rc == 0)
		rc = uni_ec2_end(e.aws, e.region, e.name, &err);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}
