/*
 * uni ami: the images that were pushed to EC2.
 */
#include <uni/base/json.h>
#include <uni/dest/ami.h>

#include "commands.h"
#include "ec2_session.h"
#include "list.h"

static const struct cli_option options[] = {
	CLI_EC2_PROFILE,
	{ 0 },
};

static const struct cli_option gc_options[] = {
	CLI_EC2_PROFILE,
	{ "dry-run", 0, NULL, "only say what would go" },
	{ 0 },
};

static void image_json(struct uni_buf *out, const struct uni_ec2_image *image)
{
	uni_buf_puts(out, "{\"id\": ");
	uni_json_string(out, image->id);
	uni_buf_puts(out, ", \"name\": ");
	uni_json_string(out, image->name);
	uni_buf_puts(out, ", \"state\": ");
	uni_json_string(out, image->state);
	uni_buf_puts(out, ", \"created\": ");
	uni_json_string(out, image->created);
	uni_buf_puts(out, ", \"snapshots\": [");
	for (size_t i = 0; i < image->snapshots.count; i++) {
		uni_buf_puts(out, i != 0 ? ", " : "");
		uni_json_string(out, image->snapshots.items[i]);
	}
	uni_buf_puts(out, "], \"tags\": [");
	for (size_t i = 0; i < image->tags.count; i++) {
		uni_buf_puts(out, i != 0 ? ", " : "");
		uni_json_string(out, image->tags.items[i]);
	}
	uni_buf_puts(out, "]}");
}

static int run_list(struct cli *cli)
{
	struct cli_ec2 s CLI_AUTO_EC2 = { 0 };
	struct uni_ec2_images images UNI_AUTO_EC2_IMAGES = { 0 };
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_err err = UNI_ERR_INIT;
	int rc = cli_ec2_open(cli, cli->args[0], NULL, &s, &err);

	if (rc == 0)
		rc = uni_ami_list(s.aws, s.region, &images, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	for (size_t i = 0; i < images.count; i++) {
		const struct uni_ec2_image *image = &images.items[i];
		struct uni_buf *out = cli_list_item(&list);

		if (cli->json)
			image_json(out, image);
		else
			uni_buf_printf(out, "%s  %s  %s  %s\n", image->id, image->state,
				       image->created, image->name);
	}
	cli_list_print(&list);
	return UNI_EXIT_OK;
}

static int run_show(struct cli *cli)
{
	struct cli_ec2 s CLI_AUTO_EC2 = { 0 };
	struct uni_ec2_images images UNI_AUTO_EC2_IMAGES = { 0 };
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_ec2_image *image;
	int rc = cli_ec2_open(cli, cli->args[0], "image", &s, &err);

	if (rc == 0)
		rc = uni_ami_find(s.aws, s.region, s.name, &images, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	image = &images.items[0];
	if (cli->json) {
		image_json(&out, image);
		cli_out("%s\n", uni_buf_text(&out));
		return UNI_EXIT_OK;
	}
	cli_out("image     %s\nname      %s\nstate     %s\ncreated   %s\n", image->id, image->name,
		image->state, image->created);
	for (size_t i = 0; i < image->snapshots.count; i++)
		cli_out("snapshot  %s\n", image->snapshots.items[i]);
	for (size_t i = 0; i < image->tags.count; i++)
		cli_out("tag       %s\n", image->tags.items[i]);
	return UNI_EXIT_OK;
}

static int run_copy(struct cli *cli)
{
	struct cli_ec2 s CLI_AUTO_EC2 = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	char copy[UNI_EC2_ID];
	int rc = cli_ec2_open(cli, cli->args[0], "image", &s, &err);

	if (rc == 0 && !uni_aws_region_valid(cli->args[1]))
		rc = uni_err_set(&err, UNI_E_USAGE, "\"%s\" is no region's name", cli->args[1]);
	if (rc == 0)
		rc = uni_ami_copy(s.aws, s.region, s.name, cli->args[1], copy, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_out("%s  %s\n", cli->args[1], copy);
	return UNI_EXIT_OK;
}

static int run_deregister(struct cli *cli)
{
	struct cli_ec2 s CLI_AUTO_EC2 = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int rc = cli_ec2_open(cli, cli->args[0], "image", &s, &err);

	if (rc == 0)
		rc = uni_ami_remove(s.aws, s.region, s.name, &err);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static int run_gc(struct cli *cli)
{
	struct cli_ec2 s CLI_AUTO_EC2 = { 0 };
	struct uni_strv removed UNI_AUTO_STRV = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int rc = cli_ec2_open(cli, cli->args[0], NULL, &s, &err);

	if (rc == 0)
		rc = uni_ami_collect(s.aws, s.region, cli_flag(cli, "dry-run"), &removed, &err);
	for (size_t i = 0; i < removed.count; i++)
		cli_out("%s\n", removed.items[i]);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

const struct cli_command cli_cmd_ami_list = {
	.name = "ami list",
	.arguments = "ec2://REGION",
	.summary = "List the images in EC2 that uni made",
	.text = "Id, state, time and name of each image of yours with the tag uni:digest.",
	.options = options,
	.least = 1,
	.most = 1,
	.run = run_list,
};

const struct cli_command cli_cmd_ami_show = {
	.name = "ami show",
	.arguments = "ec2://REGION/IMAGE",
	.summary = "Show an image in EC2",
	.text = "Name, state, snapshots and tags of an image, which is named by its id or name.",
	.options = options,
	.least = 1,
	.most = 1,
	.run = run_show,
};

const struct cli_command cli_cmd_ami_copy = {
	.name = "ami copy",
	.arguments = "ec2://REGION/IMAGE REGION",
	.summary = "Copy an image to another region of EC2",
	.text = "Under the same name and with the same tags. Prints region and the copy's id; "
		"asking "
		"again\n"
		"makes no second copy.",
	.options = options,
	.least = 2,
	.most = 2,
	.run = run_copy,
};

const struct cli_command cli_cmd_ami_deregister = {
	.name = "ami deregister",
	.arguments = "ec2://REGION/IMAGE",
	.summary = "Remove an image from EC2, with its snapshots",
	.text = "Machines that run from it go on; none can be started from it any more.",
	.options = options,
	.least = 1,
	.most = 1,
	.run = run_deregister,
};

const struct cli_command cli_cmd_ami_gc = {
	.name = "ami gc",
	.arguments = "ec2://REGION",
	.summary = "Remove what interrupted pushes left in EC2",
	.text = "Snapshots of yours with the tag uni:digest that no image of yours is made of, "
		"and\n"
		"those of volumes that were never completed. A push that runs at this moment has\n"
		"one, too.",
	.options = gc_options,
	.least = 1,
	.most = 1,
	.run = run_gc,
};
