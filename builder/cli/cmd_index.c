/*
 * uni index add, remove, list, refresh; search, info, update: packages from indexes.
 */
#include <string.h>
#include <uni/base/system.h>
#include <uni/index/index.h>

#include "commands.h"
#include "list.h"

static const struct cli_option add_options[] = {
	{ "root", 0, "FILE|DIGEST", "whom to trust: its root, or sha256:... of its first root" },
	{ 0 },
};

static int run_add(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;

	if (uni_index_add(cli->args[0], cli->args[1], cli_value(cli, "root"), NULL, &err) != 0)
		return cli_fail(cli, &err);
	return UNI_EXIT_OK;
}

static const struct cli_example add_examples[] = {
	{ "uni index add main https://packages.example/uni --root sha256:...",
	  "its owner says which digest" },
	{ "uni index add team git+https://example.org/index.git --root sha256:...",
	  "in a git repository" },
	{ "uni index add mine ./pub", "a folder of this machine is trusted as it is" },
	{ 0 },
};

const struct cli_command cli_cmd_index_add = {
	.name = "index add",
	.arguments = "NAME URL|git+URL|DIR",
	.summary = "Take packages from an index too",
	.text = "A package belongs to the first index that has its name, in the order in which "
		"they "
		"were added.",
	.options = add_options,
	.least = 2,
	.most = 2,
	.examples = add_examples,
	.run = run_add,
};

static int run_remove(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;

	return uni_index_remove(cli->args[0], &err) != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

const struct cli_command cli_cmd_index_remove = {
	.name = "index remove",
	.arguments = "NAME",
	.summary = "Take no packages from an index any more",
	.text = "What was installed from it stays.",
	.least = 1,
	.most = 1,
	.run = run_remove,
};

static int run_list(struct cli *cli)
{
	struct uni_index_list list UNI_AUTO_INDEX_LIST = { .items = NULL };
	struct cli_list lines CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_err err = UNI_ERR_INIT;
	char digest[UNI_DIGEST_TEXT];

	if (uni_index_list_load(&list, &err) != 0)
		return cli_fail(cli, &err);
	for (size_t i = 0; i < list.count; i++) {
		struct uni_buf *out = cli_list_item(&lines);

		uni_digest_text(&list.items[i].root, digest);
		if (!cli->json) {
			uni_buf_printf(out, "%-16s %s  %s\n", list.items[i].name, digest,
				       list.items[i].url);
			continue;
		}
		uni_buf_printf(out,
			       "{\"name\": \"%s\", \"root\": \"%s\", \"url\": ", list.items[i].name,
			       digest);
		uni_json_string(out, list.items[i].url);
		uni_buf_putc(out, '}');
	}
	cli_list_print(&lines);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_index_list = {
	.name = "index list",
	.arguments = "",
	.summary = "List the indexes that packages are taken from",
	.text = "Name, digest of the root that was trusted first, and address.",
	.run = run_list,
};

/* The store, and the indexes of this user, for a command. */
static int open_all(struct cli *cli, bool offline, struct uni_store **store,
		    struct uni_indexes **indexes, struct uni_err *err)
{
	struct uni_indexes_options options = { .events = &cli->events, .offline = offline };
	int rc = uni_store_open(store, NULL, &cli->events, err);

	options.store = *store;
	return rc == 0 ? uni_indexes_open(indexes, &options, err) : rc;
}

static int run_refresh(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_indexes) struct uni_indexes *indexes = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (open_all(cli, false, &store, &indexes, &err) != 0 ||
	    uni_indexes_refresh(indexes, cli->arg_count != 0 ? cli->args[0] : NULL, &err) != 0)
		return cli_fail(cli, &err);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_index_refresh = {
	.name = "index refresh",
	.arguments = "[NAME]",
	.summary = "Fetch what is new in the indexes",
	.text = "Other commands do so by themselves; one request where nothing is new.",
	.most = 1,
	.run = run_refresh,
};

static const struct cli_option offline_options[] = {
	{ "offline", 0, NULL, "by what was fetched before" },
	{ 0 },
};

static int found(void *user, const char *index, const char *name, const char *version,
		 const char *description)
{
	struct cli_list *list = user;
	struct uni_buf *out = cli_list_item(list);

	if (!list->json) {
		uni_buf_printf(out, "%-20s %-12s %-10s %s\n", name, version, index,
			       description != NULL ? description : "");
		return 0;
	}
	uni_buf_puts(out, "{\"name\": ");
	uni_json_string(out, name);
	uni_buf_puts(out, ", \"version\": ");
	uni_json_string(out, version);
	uni_buf_printf(out, ", \"index\": \"%s\", \"description\": ", index);
	uni_json_string(out, description);
	uni_buf_putc(out, '}');
	return 0;
}

static int run_search(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_indexes) struct uni_indexes *indexes = NULL;
	UNI_AUTO_STRV struct uni_strv words = { 0 };
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_err err = UNI_ERR_INIT;
	int rc;

	for (unsigned i = 0; i < cli->arg_count; i++)
		uni_strv_add(&words, cli->args[i]);
	if (words.count == 0)
		uni_strv_add(&words, ""); /* which every name has */
	rc = open_all(cli, cli_flag(cli, "offline"), &store, &indexes, &err);
	if (rc == 0)
		rc = uni_indexes_search(indexes, (const char *const *)words.items, found, &list,
					&err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_list_print(&list);
	if (list.count == 0)
		uni_event_warning(&cli->events, "no package has %s in its name or description",
				  words.count == 1 ? "that" : "all of that");
	return UNI_EXIT_OK;
}

static const struct cli_example search_examples[] = {
	{ "uni search web", "packages with \"web\" in their name or description" },
	{ 0 },
};

const struct cli_command cli_cmd_search = {
	.name = "search",
	.arguments = "[WORD...]",
	.summary = "Look for packages in the indexes",
	.text = "Prints name, newest version, index and description of those that have every "
		"word;\n"
		"without one, of all.",
	.options = offline_options,
	.least = 0,
	.most = 32,
	.examples = search_examples,
	.run = run_search,
};

static void print_info(const struct uni_index_package *package)
{
	const struct uni_index_version *newest = &package->versions[0];

	cli_out("%s, from index %s\n", package->name, package->index);
	if (newest->description != NULL)
		cli_out("  %s\n", newest->description);
	cli_out("  kind %s, licence %s\n", newest->kind,
		newest->licence != NULL ? newest->licence : "not said");
	for (size_t i = 0; i < package->count; i++) {
		const struct uni_index_version *v = &package->versions[i];
		char digest[UNI_DIGEST_TEXT];

		uni_digest_text(&v->digest, digest);
		cli_out("%-12s %-8s %10s  %s%s%s\n", v->version, v->arch, uni_size_text(v->size),
			digest, v->yanked != NULL ? "  yanked: " : "",
			v->yanked != NULL ? v->yanked : "");
		for (size_t j = 0; j < v->requires.count; j++)
			cli_out("  needs %s\n", v->requires.items[j]);
	}
}

static int run_info(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_indexes) struct uni_indexes *indexes = NULL;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	const struct uni_index_package *package;
	struct uni_err err = UNI_ERR_INIT;

	if (open_all(cli, cli_flag(cli, "offline"), &store, &indexes, &err) != 0 ||
	    uni_indexes_find(indexes, cli->args[0], &package, &err) != 0)
		return cli_fail(cli, &err);
	if (cli->json) {
		uni_index_package_text(package, &out);
		cli_out_buf(&out);
	} else if (package->count != 0) {
		print_info(package);
	}
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_info = {
	.name = "info",
	.arguments = "NAME",
	.summary = "Tell about a package in the indexes",
	.text = "Its versions with size, digest, and what they need.",
	.options = offline_options,
	.least = 1,
	.most = 1,
	.run = run_info,
};
