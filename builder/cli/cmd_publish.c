/*
 * uni index create, index delegate, publish, yank: the publisher's side of an index.
 */
#include <string.h>
#include <uni/base/system.h>
#include <uni/index/publish.h>

#include "commands.h"
#include "keys.h"

#define KEYS_MAX 16
#define DAY INT64_C(86400)

/* The public parts of the keys that an option names. */
static int named_keys(const struct cli *cli, const char *option, struct uni_public_key *list,
		      size_t *count, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv names = { 0 };
	UNI_AUTO_FREE char *dir = uni_keys_dir();
	int rc = 0;

	cli_values(cli, option, &names);
	if (names.count > KEYS_MAX)
		return uni_err_set(err, UNI_E_USAGE, "more than %d keys", KEYS_MAX);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		rc = uni_keys_public(dir, names.items[i], &list[i], err);
	*count = names.count;
	return rc;
}

static int number_option(const struct cli *cli, const char *option, uint64_t most, uint64_t *value,
			 struct uni_err *err)
{
	const char *text = cli_value(cli, option);

	if (text != NULL && (!uni_str_u64(text, value) || *value > most))
		return uni_err_set(err, UNI_E_USAGE, "--%s wants a number up to %llu", option,
				   (unsigned long long)most);
	return 0;
}

static int commit(const struct cli *cli, struct uni_publisher *publisher, struct uni_err *err)
{
	struct cli_signers signers CLI_AUTO_SIGNERS = { 0 };
	int rc = cli_signers_load(cli, &signers, err);

	if (rc == 0 && signers.count == 0)
		rc = uni_err_set(err, UNI_E_USAGE, "--key names the key that signs");
	return rc == 0 ? uni_publisher_commit(publisher,
					      (const struct uni_signer *const *)signers.items,
					      signers.count, err)
		       : rc;
}

static const struct cli_option create_options[] = {
	{ "root", 0, "NAME", "a key of the root; repeats (default: those of --key)" },
	{ "threshold", 0, "N", "how many of them sign a change of keys (default: 1)" },
	{ "publisher", 0, "NAME", "a key that vouches for packages (default: as the root's)" },
	{ "online", 0, "NAME", "the key of snapshot and timestamp (default: as the publisher's)" },
	{ "bins", 0, "BITS", "spread packages over 2^BITS files of metadata (default: 0)" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

static int create(struct cli *cli, struct uni_digest *digest, struct uni_err *err)
{
	static const char *const options[] = { "root", "publisher", "online" };
	struct uni_public_key lists[3][KEYS_MAX], given[KEYS_MAX];
	size_t counts[3], given_count;
	uint64_t threshold = 1, bits = 0;
	struct uni_tuf_lifetimes lifetimes = { .now = uni_clock_now() };
	UNI_AUTO(uni_publisher) struct uni_publisher *publisher = NULL;
	int rc = named_keys(cli, "key", given, &given_count, err);

	for (size_t i = 0; rc == 0 && i < UNI_COUNT(options); i++) {
		rc = named_keys(cli, options[i], lists[i], &counts[i], err);
		if (rc != 0 || counts[i] != 0)
			continue;
		counts[i] = i == 0 ? given_count : counts[i - 1];
		memcpy(lists[i], i == 0 ? given : lists[i - 1], sizeof(given));
	}
	if (rc == 0)
		rc = number_option(cli, "threshold", KEYS_MAX, &threshold, err);
	if (rc == 0)
		rc = number_option(cli, "bins", 14, &bits, err);
	if (rc != 0)
		return rc;
	struct uni_tuf_keys keys[UNI_TUF_ROLES] = {
		[UNI_TUF_ROOT] = { lists[0], counts[0], (unsigned)threshold },
		[UNI_TUF_SNAPSHOT] = { lists[2], counts[2], 1 },
		[UNI_TUF_TARGETS] = { lists[1], counts[1], 1 },
		[UNI_TUF_TIMESTAMP] = { lists[2], counts[2], 1 },
	};
	rc = uni_publisher_create(&publisher, cli->args[0], keys, (unsigned)bits, &lifetimes, err);
	if (rc == 0)
		rc = commit(cli, publisher, err);
	return rc == 0 ? uni_publisher_root(publisher, digest, err) : rc;
}

static int run_create(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	char text[UNI_DIGEST_TEXT];

	if (create(cli, &digest, &err) != 0)
		return cli_fail(cli, &err);
	uni_digest_text(&digest, text);
	cli_out("%s  %s/metadata/1.root.json\n", text, cli->args[0]);
	return UNI_EXIT_OK;
}

static const struct cli_example create_examples[] = {
	{ "uni index create pub --key me", "an index in pub/, for any static web server" },
	{ "uni index create pub --root a --root b --root c --threshold 2 --publisher me "
	  "--online ci -k a -k b -k me -k ci",
	  "three keys of whom two change who may sign" },
	{ 0 },
};

const struct cli_command cli_cmd_index_create = {
	.name = "index create",
	.arguments = "DIR|git+URL",
	.summary = "Make an index of packages",
	.text = "Prints the digest of its root, by which others come to trust it: \"uni index add "
		"NAME URL\n"
		"--root DIGEST\".",
	.options = create_options,
	.least = 1,
	.most = 1,
	.examples = create_examples,
	.run = run_create,
};

static const struct cli_option delegate_options[] = {
	{ "publisher", 0, "NAME", "a key of the publisher; repeats" },
	{ "threshold", 0, "N", "how many of these sign (default: 1)" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

static int delegate(struct cli *cli, struct uni_err *err)
{
	struct uni_public_key list[KEYS_MAX];
	struct uni_tuf_keys keys = { .keys = list };
	struct uni_tuf_lifetimes lifetimes = { .now = uni_clock_now() };
	UNI_AUTO(uni_publisher) struct uni_publisher *publisher = NULL;
	UNI_AUTO_STRV struct uni_strv patterns = { 0 };
	uint64_t threshold = 1;
	int rc = named_keys(cli, "publisher", list, &keys.count, err);

	if (rc == 0)
		rc = number_option(cli, "threshold", KEYS_MAX, &threshold, err);
	keys.threshold = (unsigned)threshold;
	for (unsigned i = 2; i < cli->arg_count; i++)
		uni_strv_addf(&patterns, "packages/%s.json", cli->args[i]);
	if (rc == 0)
		rc = uni_publisher_open(&publisher, cli->args[0], &lifetimes, err);
	if (rc == 0)
		rc = uni_tuf_repository_delegate(uni_publisher_repository(publisher), cli->args[1],
						 &keys, (const char *const *)patterns.items, err);
	return rc == 0 ? commit(cli, publisher, err) : rc;
}

static int run_delegate(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;

	return delegate(cli, &err) != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example delegate_examples[] = {
	{ "uni index delegate pub web-team web 'web-*' --publisher theirs -k me -k theirs",
	  "web and web-... are vouched for by their key alone" },
	{ 0 },
};

const struct cli_command cli_cmd_index_delegate = {
	.name = "index delegate",
	.arguments = "DIR|git+URL PUBLISHER PACKAGE...",
	.summary = "Give names of packages to a publisher, in an index of one's own",
	.text = "PACKAGE is a name or a pattern with '*'. From then on only the publisher's keys "
		"vouch for them.",
	.options = delegate_options,
	.least = 3,
	.most = 100,
	.examples = delegate_examples,
	.run = run_delegate,
};

static int run_embed(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_index_embed(cli->args[0], (const char *const *)cli->args + 1,
				 cli->arg_count - 1, &err);

	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example embed_examples[] = {
	{ "uni index embed /usr/share/uni/index out/",
	  "the packages that go with an installed uni" },
	{ 0 },
};

const struct cli_command cli_cmd_index_embed = {
	.name = "index embed",
	.arguments = "DIR PACKAGE|DIR...",
	.summary = "Make the index that is installed with uni",
	.text = "Written anew from package files. It is trusted by the digests in it, which "
		"\"sha256sum "
		"-c\"\n"
		"reads, and needs no key. uni looks for it in ../share/uni/index beside its "
		"program, "
		"or where\n"
		"UNI_INDEX says.",
	.least = 2,
	.most = 1000,
	.examples = embed_examples,
	.run = run_embed,
};

static const struct cli_option publish_options[] = {
	{ "to", 0, "DIR", "folder of the index, or git+https://, git+ssh://, git+file://" },
	{ "days", 0, "N", "how long it holds without being signed again (default: 7)" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

static int open_to(const struct cli *cli, struct uni_publisher **publisher, struct uni_err *err)
{
	struct uni_tuf_lifetimes lifetimes = { .now = uni_clock_now() };
	uint64_t days = 7;
	int rc = number_option(cli, "days", 366, &days, err);

	if (rc == 0 && cli_value(cli, "to") == NULL)
		rc = uni_err_set(err, UNI_E_USAGE,
				 "--to names the folder or the git repository of the index");
	lifetimes.seconds[UNI_TUF_TIMESTAMP] = (int64_t)days * DAY;
	lifetimes.seconds[UNI_TUF_SNAPSHOT] = (int64_t)days * DAY;
	return rc == 0 ? uni_publisher_open(publisher, cli_value(cli, "to"), &lifetimes, err) : rc;
}

static int run_publish(struct cli *cli)
{
	UNI_AUTO(uni_publisher) struct uni_publisher *publisher = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int rc = open_to(cli, &publisher, &err);

	for (unsigned i = 0; rc == 0 && i < cli->arg_count; i++)
		rc = uni_publisher_add(publisher, cli->args[i], &err);
	if (rc == 0)
		rc = commit(cli, publisher, &err);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example publish_examples[] = {
	{ "uni publish web-1.2.0-any.unipkg --to pub -k me", "puts it into the index in pub/" },
	{ "uni publish web-1.2.0-any.unipkg --to git+ssh://git@example.org/index.git -k me",
	  "commits and pushes" },
	{ "uni publish --to pub -k me", "signs again, before what is there expires" },
	{ 0 },
};

const struct cli_command cli_cmd_publish = {
	.name = "publish",
	.arguments = "[PACKAGE...]",
	.summary = "Sign packages and put them into an index",
	.text = "The index is a folder, ready for any static web server, or a git repository, to "
		"which a\n"
		"commit is pushed. What is published never "
		"changes: the\n"
		"same version with other content is refused. Without a package the index is signed "
		"again.",
	.options = publish_options,
	.most = 1000,
	.examples = publish_examples,
	.run = run_publish,
};

static const struct cli_option yank_options[] = {
	{ "to", 0, "DIR", "folder of the index, or git+https://, git+ssh://, git+file://" },
	{ "why", 0, "TEXT", "what is wrong with it (default: \"yanked\")" },
	{ "undo", 0, NULL, "offer it again" },
	{ "days", 0, "N", "how long it holds without being signed again (default: 7)" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

static int run_yank(struct cli *cli)
{
	UNI_AUTO(uni_publisher) struct uni_publisher *publisher = NULL;
	UNI_AUTO_FREE char *name = uni_strdup(cli->args[0]);
	const char *why = cli_value(cli, "why") != NULL ? cli_value(cli, "why") : "yanked";
	char *version = strchr(name, '@');
	struct uni_err err = UNI_ERR_INIT;
	int rc = 0;

	if (version == NULL)
		rc = uni_err_set(&err, UNI_E_USAGE, "which version? NAME@VERSION");
	else
		*version++ = '\0';
	if (rc == 0)
		rc = open_to(cli, &publisher, &err);
	if (rc == 0)
		rc = uni_publisher_yank(publisher, name, version,
					cli_flag(cli, "undo") ? NULL : why, &err);
	if (rc == 0)
		rc = commit(cli, publisher, &err);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

const struct cli_command cli_cmd_yank = {
	.name = "yank",
	.arguments = "NAME@VERSION",
	.summary = "Offer a version no longer, in an index",
	.text = "Nobody is given it anew; whoever has it locked keeps it.",
	.options = yank_options,
	.least = 1,
	.most = 1,
	.run = run_yank,
};
