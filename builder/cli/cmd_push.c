/*
 * uni push: an image goes where machines are started from it.
 */
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/exec/build.h>

#include "build_options.h"
#include "commands.h"
#include "company.h"
#include "notes.h"

static const struct cli_option options[] = {
	{ "tag", 0, "KEY=VALUE", "put it on image and snapshot, too; may be repeated" },
	{ "share", 0, "ACCOUNT", "let that account start it, too; may be repeated" },
	{ "wait", 0, NULL, "until it can be started everywhere" },
	{ "dry-run", 0, NULL, "say which requests would be made" },
	CLI_PUSH_TIMEOUT,
	{ "profile", 0, "NAME", "credentials of this profile" },
	{ "explain-credentials", 0, NULL, "say where credentials were looked for, and stop" },
	{ "sign", 0, "KEY", "to a registry: sign it with this key of ours, or this PEM file" },
	CLI_PASSPHRASE_OPTION,
	{ "bare", 0, NULL, "to a registry: attach neither bills of materials nor provenance" },
	{ "mount-from", 0, "NAME",
	  "a repository of the registry that may have parts already (default: those that pushes "
	  "and pulls from here have seen them in)" },
	CLI_RECIPE_OPTIONS,
	CLI_CACHE_OPTIONS,
	{ 0 },
};

static void print_note(void *user, const struct uni_dest_note *note)
{
	if (!cli_notes_take(user, note))
		cli_out("%s  %s  %s  %s\n", note->what, note->where, note->id, note->text);
}

/* Builds the form that the destination takes into a folder of its own. */
static int build(struct cli *cli, const struct uni_dest *dest, const char *folder, char **path)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	struct uni_build_result result = UNI_BUILD_RESULT_INIT;
	const char *const formats[] = { dest->format };
	struct uni_build_options how = { .out_dir = folder, .formats = formats, .format_count = 1 };
	struct uni_err err = UNI_ERR_INIT;
	int status = UNI_EXIT_OK;

	if (cli_recipe_build(cli, &how, &result, &diags, &err) != 0)
		status = cli_fail_diags(cli, &diags, &err);
	else
		*path = uni_asprintf("%s/%s.%s", folder, result.name, dest->format);
	cli_print_diags(cli, &diags);
	uni_build_result_free(&result);
	return status;
}

static int explain(struct cli *cli, const struct uni_dest *dest, const struct uni_dest_job *job)
{
	struct uni_strv lines UNI_AUTO_STRV = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int rc = dest->explain(job, &lines, &err);

	for (size_t i = 0; i < lines.count; i++)
		cli_out("%s\n", lines.items[i]);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static void take_repeats(const struct cli *cli, struct uni_dest_job *job)
{
	for (char **r = cli->repeats; r != NULL && *r != NULL; r++) {
		if (uni_str_starts(*r, "tag="))
			uni_strv_add(&job->tags, *r + strlen("tag="));
		else if (uni_str_starts(*r, "share="))
			uni_strv_add(&job->shares, *r + strlen("share="));
	}
}

static int push(struct cli *cli, const struct uni_dest *dest, struct uni_dest_job *job)
{
	struct cli_notes notes CLI_AUTO_NOTES = cli_notes_new(cli);
	struct uni_err err = UNI_ERR_INIT;
	int rc;

	job->note = print_note;
	job->user = &notes;
	rc = dest->push(job, &err);
	cli_progress_end(cli);
	cli_notes_end(&notes);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

/* Company is for registries alone. */
static int push_with_company(struct cli *cli, const struct uni_dest *dest, struct uni_dest_job *job)
{
	struct cli_company company CLI_AUTO_COMPANY = { .attachments = { { 0 } } };
	bool registry = uni_str_eq(dest->scheme, "oci");
	struct uni_err err = UNI_ERR_INIT;

	if (!registry && (cli_value(cli, "sign") != NULL || job->mount_from != NULL)) {
		uni_err_set(&err, UNI_E_USAGE, "--sign and --mount-from are for registries");
		return cli_fail(cli, &err);
	}
	if (registry && !job->dry_run && cli_company_prepare(cli, &company, job, &err) != 0)
		return cli_fail(cli, &err);
	return push(cli, dest, job);
}

static int run(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_dest *dest = uni_dest_find(cli->args[1], &err);
	struct uni_dest_job job = { .source = cli->args[0],
				    .address = cli->args[1],
				    .mount_from = cli_value(cli, "mount-from"),
				    .profile = cli_value(cli, "profile"),
				    .dry_run = cli_flag(cli, "dry-run"),
				    .wait = cli_flag(cli, "wait"),
				    .events = &cli->events };
	char *folder UNI_AUTO_FREE = NULL;
	char *path UNI_AUTO_FREE = NULL;
	int status = UNI_EXIT_OK;

	if (dest == NULL)
		return cli_fail(cli, &err);
	status = cli_push_deadline(cli);
	if (status != UNI_EXIT_OK)
		return status;
	if (cli_flag(cli, "explain-credentials") && dest->explain == NULL) {
		uni_err_set(&err, UNI_E_USAGE, "--explain-credentials is for EC2");
		return cli_fail(cli, &err);
	}
	if (cli_flag(cli, "explain-credentials"))
		return explain(cli, dest, &job);
	if (uni_str_ends(cli->args[0], ".toml")) {
		if (uni_dir_tmp(NULL, &folder, &err) != 0)
			return cli_fail(cli, &err);
		status = build(cli, dest, folder, &path);
		job.source = path;
	}
	take_repeats(cli, &job);
	if (status == UNI_EXIT_OK)
		status = push_with_company(cli, dest, &job);
	uni_strv_free(&job.tags);
	uni_strv_free(&job.shares);
	if (folder != NULL && uni_dir_remove(folder, &err) == 0)
		uni_tmp_forget(folder);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni push out/site.raw oci://registry.example/team/site:1.0 --sign me",
	  "into a registry, with a signature" },
	{ "uni push recipe.toml ec2://eu-central-1,us-east-1/ --wait",
	  "builds, makes a snapshot and an image, copies it to the second region" },
	{ "uni push out/site.ami ec2://eu-central-1/ --dry-run", "what that would take" },
	{ 0 },
};

const struct cli_command cli_cmd_push = {
	.name = "push",
	.arguments = "RECIPE|IMAGE ADDRESS",
	.summary = "Send an image to EC2, or an image or package to a registry",
	.text = "ec2://REGION[,REGION...]/[NAME] takes a recipe, or the folder NAME.ami that\n"
		"`uni build --format ami` writes. Blocks that are not zero go into a snapshot by "
		"the EBS\n"
		"direct APIs, without a bucket or a role; that becomes an image called\n"
		"NAME-VERSION-<16 digits of its digest>, where NAME is the recipe's unless the "
		"address has one.\n"
		"An image that is there already is taken. The next push of that name sends only "
		"blocks that\n"
		"differ. One that was interrupted goes on when the command is given again.\n\n"
		"oci://HOST/NAME[:TAG] takes a recipe, a raw disk, a package or any file. A disk "
		"goes as its\n"
		"parts, so that the next push sends the volumes that changed. What is there is "
		"not sent\n"
		"again. Bills of materials and provenance are attached, where the image's "
		"manifest is beside\n"
		"it; `uni sbom` reads them. A signature is one that `cosign verify --key` "
		"accepts.\n\n"
		"Credentials for EC2 are those of AWS's own tools, looked for in the same "
		"order;\n"
		"those for registries are Docker's (uni login).",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
