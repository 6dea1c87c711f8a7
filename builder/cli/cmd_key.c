/*
 * uni key new, list, rotate, revoke: the keys that sign indexes.
 */
#include <string.h>
#include <uni/base/system.h>
#include <uni/index/publish.h>

#include "commands.h"
#include "keys.h"

static const struct cli_option new_options[] = {
	{ "passphrase-file", 0, "FILE",
	  "its first line is the passphrase (default: UNI_PASSPHRASE_FILE, or asked for)" },
	{ "no-passphrase", 0, NULL, "leave the private key in the clear" },
	{ "public", 0, "HEX", "the public key of one that is kept elsewhere, with --command" },
	{ "command", 0, "PROGRAM",
	  "signs instead: gets the bytes, answers with the signature; repeats for arguments" },
	{ 0 },
};

static int add_command(const struct cli *cli, const char *dir, struct uni_public_key *public,
		       struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { 0 };
	const char *hex = cli_value(cli, "public");

	cli_values(cli, "command", &argv);
	if (hex == NULL || argv.count == 0 || !uni_unhex(hex, public->bytes, sizeof(public->bytes)))
		return uni_err_set(err, UNI_E_USAGE,
				   "--command and --public (64 hex digits) belong together");
	return uni_keys_add_command(dir, cli->args[0], public, (const char *const *)argv.items,
				    err);
}

static int add_fresh(const struct cli *cli, const char *dir, struct uni_public_key *public,
		     struct uni_err *err)
{
	UNI_AUTO(uni_signer) struct uni_signer *signer = NULL;
	UNI_AUTO_FREE char *passphrase = NULL;
	int rc = 0;

	if (!cli_flag(cli, "no-passphrase"))
		rc = cli_passphrase(cli, cli->args[0], true, &passphrase, err);
	if (rc == 0)
		rc = uni_signer_new(&signer, err);
	if (rc == 0)
		rc = uni_keys_add(dir, cli->args[0], signer, passphrase, err);
	if (passphrase != NULL)
		explicit_bzero(passphrase, strlen(passphrase));
	if (rc == 0)
		*public = *uni_signer_public(signer);
	return rc;
}

static void print_key(const char *name, const struct uni_public_key *public)
{
	char id[UNI_KEY_ID_TEXT], hex[65];

	uni_public_key_id(public, id);
	uni_hex(public->bytes, sizeof(public->bytes), hex);
	cli_out("%-16s %s  %s\n", name, id, hex);
}

static int run_new(struct cli *cli)
{
	UNI_AUTO_FREE char *dir = uni_keys_dir();
	struct uni_public_key public;
	struct uni_err err = UNI_ERR_INIT;
	int rc = cli_value(cli, "command") != NULL || cli_value(cli, "public") != NULL
			 ? add_command(cli, dir, &public, &err)
			 : add_fresh(cli, dir, &public, &err);

	if (rc != 0)
		return cli_fail(cli, &err);
	print_key(cli->args[0], &public);
	return UNI_EXIT_OK;
}

static const struct cli_example new_examples[] = {
	{ "uni key new me", "asks for a passphrase, and keeps the key encrypted under it" },
	{ "uni key new token --public HEX --command sign-it --command slot1",
	  "a key that a program signs with" },
	{ 0 },
};

const struct cli_command cli_cmd_key_new = {
	.name = "key new",
	.arguments = "NAME",
	.summary = "Make a key that signs packages",
	.text = "An Ed25519 key in the user's configuration folder (UNI_KEYS names another), "
		"readable by its\n"
		"owner alone. Prints its name, its id and its public part.",
	.options = new_options,
	.least = 1,
	.most = 1,
	.examples = new_examples,
	.run = run_new,
};

static int run_list(struct cli *cli)
{
	UNI_AUTO_FREE char *dir = uni_keys_dir();
	UNI_AUTO_STRV struct uni_strv names = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	struct uni_public_key public;

	if (uni_keys_list(dir, &names, &err) != 0)
		return cli_fail(cli, &err);
	for (size_t i = 0; i < names.count; i++) {
		if (uni_keys_public(dir, names.items[i], &public, &err) != 0)
			return cli_fail(cli, &err);
		print_key(names.items[i], &public);
	}
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_key_list = {
	.name = "key list",
	.arguments = "",
	.summary = "List the keys that sign packages",
	.text = "Name, id and public part of each.",
	.run = run_list,
};

static int run_public(struct cli *cli)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_pem pem;

	if (cli_public_load(cli->args[0], &text, &pem, &err) != 0)
		return cli_fail(cli, &err);
	cli_out_buf(&text);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_key_public = {
	.name = "key public",
	.arguments = "NAME",
	.summary = "Print the public part of a key in PEM",
	.text = "For others who verify: cosign verify --key, openssl pkeyutl -verify.",
	.least = 1,
	.most = 1,
	.run = run_public,
};

static const struct cli_option change_options[] = {
	{ "index", 0, "DIR", "folder or git+URL of the index" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

/* Every role that `old` signs is signed by `next` instead. */
static int replace(struct uni_tuf_repository *r, const struct uni_public_key *old,
		   const struct uni_public_key *next, struct uni_err *err)
{
	size_t found = 0;

	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++) {
		struct uni_tuf_keys keys;
		struct uni_public_key list[64];
		bool has = false;

		uni_tuf_repository_keys(r, role, &keys);
		if (keys.count > UNI_COUNT(list))
			return uni_err_set(err, UNI_E_LIMIT, "too many keys");
		for (size_t i = 0; i < keys.count; i++) {
			bool is = uni_public_key_eq(&keys.keys[i], old);

			list[i] = is ? *next : keys.keys[i];
			has |= is;
		}
		if (!has)
			continue;
		found++;
		keys.keys = list;
		int rc = uni_tuf_repository_set_keys(r, role, &keys, err);
		if (rc != 0)
			return rc;
	}
	if (found == 0)
		return uni_err_set(err, UNI_E_NOENT, "no role of the index has that key");
	return 0;
}

static int change(struct cli *cli, const char *next_name)
{
	UNI_AUTO_FREE char *dir = uni_keys_dir();
	UNI_AUTO(uni_publisher) struct uni_publisher *publisher = NULL;
	struct cli_signers signers CLI_AUTO_SIGNERS = { 0 };
	struct uni_tuf_lifetimes lifetimes = { .now = uni_clock_now() };
	struct uni_public_key old, next;
	struct uni_err err = UNI_ERR_INIT;
	size_t count = 0;
	int rc = 0;

	if (cli_value(cli, "index") == NULL)
		rc = uni_err_set(&err, UNI_E_USAGE, "--index names the folder of the index");
	if (rc == 0)
		rc = uni_keys_public(dir, cli->args[0], &old, &err);
	if (rc == 0 && next_name != NULL)
		rc = uni_keys_public(dir, next_name, &next, &err);
	if (rc == 0)
		rc = cli_signers_load(cli, &signers, &err);
	if (rc == 0)
		rc = uni_publisher_open(&publisher, cli_value(cli, "index"), &lifetimes, &err);
	if (rc == 0 && next_name != NULL)
		rc = replace(uni_publisher_repository(publisher), &old, &next, &err);
	else if (rc == 0)
		rc = uni_tuf_repository_revoke(uni_publisher_repository(publisher), &old, &count,
					       &err);
	if (rc == 0 && next_name == NULL && count == 0)
		rc = uni_err_set(&err, UNI_E_NOENT, "no role of the index has that key");
	if (rc == 0)
		rc = uni_publisher_commit(publisher,
					  (const struct uni_signer *const *)signers.items,
					  signers.count, &err);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static int run_rotate(struct cli *cli)
{
	return change(cli, cli->args[1]);
}

static const struct cli_example rotate_examples[] = {
	{ "uni key rotate old new --index pub -k old -k new",
	  "the root that says so is signed by both" },
	{ 0 },
};

const struct cli_command cli_cmd_key_rotate = {
	.name = "key rotate",
	.arguments = "OLD NEW",
	.summary = "Put another key in the place of one, in an index",
	.text = "In every role that OLD signs. A change of the root's keys is signed by enough of "
		"the old and\n"
		"of the new ones, and clients follow the chain.",
	.options = change_options,
	.least = 2,
	.most = 2,
	.examples = rotate_examples,
	.run = run_rotate,
};

static int run_revoke(struct cli *cli)
{
	return change(cli, NULL);
}

static const struct cli_example revoke_examples[] = {
	{ "uni key revoke stolen --index pub -k root1 -k root2",
	  "whatever that key signs is refused from then on" },
	{ 0 },
};

const struct cli_command cli_cmd_key_revoke = {
	.name = "key revoke",
	.arguments = "NAME",
	.summary = "Take a key out of an index",
	.text = "Out of every role and publisher that has it. A publisher without keys vouches for "
		"nothing any\n"
		"more; a role must have enough keys left, else rotate it.",
	.options = change_options,
	.least = 1,
	.most = 1,
	.examples = revoke_examples,
	.run = run_revoke,
};
