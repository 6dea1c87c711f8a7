/*
 * uni pack, install, list, remove: packages from folders, and those in the store.
 */
#include <string.h>
#include <sys/stat.h>

#include <uni/base/path.h>
#include <uni/index/index.h>
#include <uni/source/package.h>

#include "commands.h"
#include "list.h"

static const struct cli_option pack_options[] = {
	{ "output", 'o', "DIR", "write the package here (default: the working folder)" },
	{ "dir", 0, "DIR", "where the files are (default: the folder of package.toml)" },
	{ "force", 0, NULL, "replace another file of that name" },
	{ 0 },
};

static int run_pack(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	struct uni_pack how = { .dir = cli_value(cli, "dir"),
				.out_dir = cli_value(cli, "output"),
				.replace = cli_flag(cli, "force") };
	UNI_AUTO_FREE char *toml = NULL, *path = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	char text[UNI_DIGEST_TEXT];
	struct stat st;

	if (stat(cli->args[0], &st) == 0 && S_ISDIR(st.st_mode))
		toml = uni_path_join(cli->args[0], "package.toml");
	else
		toml = uni_strdup(cli->args[0]);
	how.toml = toml;
	if (how.out_dir == NULL)
		how.out_dir = ".";
	if (uni_package_pack(&how, &path, &digest, &diags, &err) != 0)
		return cli_fail_diags(cli, &diags, &err);
	uni_digest_text(&digest, text);
	cli_out("%s  %s\n", text, path);
	return UNI_EXIT_OK;
}

static const struct cli_example pack_examples[] = {
	{ "uni pack sqlite/ -o out",
	  "writes out/NAME-VERSION-ARCH.unipkg from sqlite/package.toml" },
	{ 0 },
};

const struct cli_command cli_cmd_pack = {
	.name = "pack",
	.arguments = "DIR|package.toml",
	.summary = "Make a package: a base, objects, a program, a CA bundle, or content",
	.text = "The same files give the same bytes. Prints the package's digest (of its "
		"description, which\n"
		"covers every file) and its path.",
	.options = pack_options,
	.least = 1,
	.most = 1,
	.examples = pack_examples,
	.run = run_pack,
};

static void print_installed(void *user, const struct uni_digest *digest, const char *name,
			    const char *version, const char *arch)
{
	char text[UNI_DIGEST_TEXT];

	(void)user;
	uni_digest_text(digest, text);
	cli_out("%s  %s %s %s\n", text, name, version, arch);
}

static bool is_file(const char *argument)
{
	return strchr(argument, '/') != NULL || uni_str_ends(argument, UNI_PACKAGE_SUFFIX);
}

/* NAME[@RANGE], and what these require. */
static int install_named(const struct cli *cli, struct uni_store *store,
			 const struct uni_strv *named, struct uni_err *err)
{
	UNI_AUTO(uni_indexes) struct uni_indexes *indexes = NULL;
	UNI_AUTO_PINS struct uni_pins pins = { 0 };
	UNI_AUTO_FREE struct uni_need *needs = uni_alloc_array(named->count, sizeof(*needs));
	struct uni_indexes_options options = { .store = store,
					       .events = &cli->events,
					       .offline = cli_flag(cli, "offline") };
	int rc = uni_indexes_open(&indexes, &options, err);

	for (size_t i = 0; i < named->count; i++) {
		char *range = strchr(named->items[i], '@');

		needs[i] = (struct uni_need){ .name = named->items[i], .by = "you" };
		if (range != NULL) {
			*range = '\0';
			needs[i].range = range + 1;
		}
	}
	if (rc == 0)
		rc = uni_resolve(indexes, needs, named->count, "x86_64", NULL, &pins, err);
	return rc == 0 ? uni_indexes_install_all(indexes, &pins, print_installed, NULL, err) : rc;
}

static int run_install(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO_STRV struct uni_strv named = { 0 };
	struct uni_err err = UNI_ERR_INIT;

	if (uni_store_open(&store, NULL, &cli->events, &err) != 0)
		return cli_fail(cli, &err);
	for (unsigned i = 0; i < cli->arg_count; i++) {
		UNI_AUTO(uni_installed) struct uni_installed *installed = NULL;

		if (!is_file(cli->args[i])) {
			uni_strv_add(&named, cli->args[i]);
			continue;
		}
		if (uni_package_install(store, cli->args[i], &installed, &err) != 0)
			return cli_fail(cli, &err);
		print_installed(NULL, &installed->digest, installed->package->name,
				installed->package->version, installed->package->arch);
	}
	if (named.count != 0 && install_named(cli, store, &named, &err) != 0)
		return cli_fail(cli, &err);
	return UNI_EXIT_OK;
}

static const struct cli_option install_options[] = {
	{ "offline", 0, NULL, "by what was fetched before" },
	{ 0 },
};

static const struct cli_example install_examples[] = {
	{ "uni install ./web-1.2.0-any.unipkg", "a package file" },
	{ "uni install web@^1", "the newest 1.x that the indexes have, and what it requires" },
	{ 0 },
};

const struct cli_command cli_cmd_install = {
	.name = "install",
	.arguments = "FILE|NAME[@RANGE]...",
	.summary = "Put packages into the store",
	.text = "From files, or from the indexes (see \"uni index add\"). Each is checked while it "
		"is "
		"read; nothing\n"
		"of a bad one stays. Recipes name packages as pkg:NAME.",
	.options = install_options,
	.least = 1,
	.most = 1000,
	.examples = install_examples,
	.run = run_install,
};

static int list_package(void *user, const struct uni_installed *installed, struct uni_err *err)
{
	const struct uni_package *package = installed->package;
	struct cli_list *list = user;
	struct uni_buf *out = cli_list_item(list);
	char digest[UNI_DIGEST_TEXT];

	(void)err;
	uni_digest_text(&installed->digest, digest);
	if (list->json)
		uni_buf_printf(out,
			       "{\"name\": \"%s\", \"version\": \"%s\", \"arch\": \"%s\", "
			       "\"kind\": \"%s\", \"digest\": \"%s\"}",
			       package->name, package->version, package->arch,
			       uni_package_kind_name(package->kind), digest);
	else
		uni_buf_printf(out, "%-16s %-12s %-8s %-8s %s\n", package->name, package->version,
			       package->arch, uni_package_kind_name(package->kind),
			       package->description != NULL ? package->description : "");
	return 0;
}

static int run_list(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_err err = UNI_ERR_INIT;

	if (uni_store_open(&store, NULL, &cli->events, &err) != 0 ||
	    uni_package_list(store, list_package, &list, &err) != 0)
		return cli_fail(cli, &err);
	cli_list_print(&list);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_list = {
	.name = "list",
	.arguments = "",
	.summary = "List the packages in the store",
	.run = run_list,
};

static int run_remove(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_installed) struct uni_installed *installed = NULL;
	UNI_AUTO_FREE char *name = uni_strdup(cli->args[0]);
	char *range = strchr(name, '@');
	struct uni_err err = UNI_ERR_INIT;

	if (range != NULL)
		*range++ = '\0';
	if (uni_store_open(&store, NULL, &cli->events, &err) != 0 ||
	    uni_package_find(store, name, range, "x86_64", &installed, &err) != 0 ||
	    uni_package_remove(store, installed->package, &err) != 0)
		return cli_fail(cli, &err);
	cli_out("removed %s %s; \"uni cache gc\" frees what it held\n", installed->package->name,
		installed->package->version);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_remove = {
	.name = "remove",
	.arguments = "NAME[@RANGE]",
	.summary = "Remove a package from the store",
	.least = 1,
	.most = 1,
	.run = run_remove,
};
