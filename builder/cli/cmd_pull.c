/*
 * uni pull, login, logout: what is in registries, and who we are there.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uni/dest/pull.h>
#include <uni/oci/registry.h>

#include "commands.h"
#include "keys.h"

#define PASSWORD_MAX 4096

static const struct cli_option pull_options[] = {
	{ "output", 'o', "DIR", "write it here (default: the working folder)" },
	{ "force", 0, NULL, "replace what stands there" },
	{ "verify", 0, "KEY", "only what this key has signed: a PEM file, or one of ours" },
	{ 0 },
};

static int run_pull(struct cli *cli)
{
	const char *folder = cli_value(cli, "output") != NULL ? cli_value(cli, "output") : ".";
	const char *key = cli_value(cli, "verify");
	struct uni_strv paths UNI_AUTO_STRV = { 0 };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_pem pem;
	const struct uni_pull pull = { .address = cli->args[0],
				       .folder = folder,
				       .force = cli_flag(cli, "force"),
				       .key = key != NULL ? &pem : NULL,
				       .events = &cli->events };
	struct uni_err err = UNI_ERR_INIT;

	if ((key != NULL && cli_public_load(key, &text, &pem, &err) != 0) ||
	    uni_oci_pull(&pull, &paths, &err) != 0)
		return cli_fail(cli, &err);
	cli_progress_end(cli);
	for (size_t i = 0; i < paths.count; i++)
		cli_out("%s\n", paths.items[i]);
	return UNI_EXIT_OK;
}

static const struct cli_example pull_examples[] = {
	{ "uni pull oci://registry.example/team/site:1.0 -o out",
	  "the disk that was pushed there" },
	{ "uni pull oci://registry.example/team/site:1.0 --verify cosign.pub",
	  "only when the holder of that key has signed it" },
	{ 0 },
};

const struct cli_command cli_cmd_pull = {
	.name = "pull",
	.arguments = "oci://HOST/NAME[:TAG|@DIGEST]",
	.summary = "Get an image, a package or files from a registry",
	.text = "A disk is put together from its parts, each checked while it comes. Other "
		"artifacts "
		"are\n"
		"written as files under their titles. Prints their paths.",
	.options = pull_options,
	.least = 1,
	.most = 1,
	.examples = pull_examples,
	.run = run_pull,
};

static const struct cli_option login_options[] = {
	{ "user", 'u', "NAME", "the user's name there" },
	{ 0 },
};

/* One line from standard input; without echo where a person types it. */
static int read_password(char *password, struct uni_err *err)
{
	if (isatty(STDIN_FILENO)) {
		char *typed = getpass("Password: ");

		if (typed == NULL || strlen(typed) >= PASSWORD_MAX)
			return uni_err_set(err, UNI_E_USAGE, "no password was given");
		memcpy(password, typed, strlen(typed) + 1);
		explicit_bzero(typed, strlen(typed));
		return 0;
	}
	if (fgets(password, PASSWORD_MAX, stdin) == NULL)
		return uni_err_set(err, UNI_E_USAGE, "standard input gives no password");
	password[strcspn(password, "\r\n")] = '\0';
	return 0;
}

static int run_login(struct cli *cli)
{
	const char *user = cli_value(cli, "user");
	const struct uni_net_options net = { .events = &cli->events };
	struct uni_err err = UNI_ERR_INIT;
	char password[PASSWORD_MAX];
	int rc = user != NULL ? read_password(password, &err)
			      : uni_err_set(&err, UNI_E_USAGE, "--user NAME is missing");

	if (rc == 0)
		rc = uni_oci_login(cli->args[0], user, password, &net, &err);
	explicit_bzero(password, sizeof(password));
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

const struct cli_command cli_cmd_login = {
	.name = "login",
	.arguments = "HOST",
	.summary = "Keep a user and password for a registry",
	.text = "Reads the password from standard input, tries it, and keeps both as Docker does: "
		"with the\n"
		"credential helper that ~/.docker/config.json names, else in that file.",
	.options = login_options,
	.least = 1,
	.most = 1,
	.run = run_login,
};

static int run_logout(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;

	return uni_oci_logout(cli->args[0], &err) != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

const struct cli_command cli_cmd_logout = {
	.name = "logout",
	.arguments = "HOST",
	.summary = "Forget user and password of a registry",
	.text = "They are removed from where `uni login` put them.",
	.least = 1,
	.most = 1,
	.run = run_logout,
};
