/*
 * uni update: newer versions of what is installed, or of what a recipe's lock has.
 */
#include <string.h>
#include <uni/exec/build.h>
#include <uni/index/index.h>
#include <uni/recipes/version.h>

#include "commands.h"

static const struct cli_option options[] = {
	{ "recipe", 0, "RECIPE", "the packages of its lock, which is written anew" },
	{ 0 },
};

static int update_lock(struct cli *cli, struct uni_diags *diags, struct uni_err *err)
{
	struct uni_build_options how = { .recipe = cli_value(cli, "recipe"),
					 .update = (const char *const *)cli->args,
					 .update_count = cli->arg_count,
					 .update_all = cli->arg_count == 0 };

	return uni_build_update(&how, &cli->events, diags, err);
}

struct updating {
	struct cli *cli;
	struct uni_indexes *indexes;
	struct uni_strv names, versions; /* the newest installed of each that an index has */
	struct uni_strv ranges;		 /* nothing goes down, unless it was yanked */
	struct uni_strv seen;
};

static bool is_meant(const struct cli *cli, const char *name)
{
	for (unsigned i = 0; i < cli->arg_count; i++)
		if (strcmp(cli->args[i], name) == 0)
			return true;
	return cli->arg_count == 0;
}

/* Installed are listed newest first: the first of a name is the one to compare with. */
static int note(void *user, const struct uni_installed *installed, struct uni_err *err)
{
	struct updating *u = user;
	const struct uni_package *package = installed->package;
	const struct uni_index_package *offered;
	struct uni_err why = UNI_ERR_INIT;
	int rc;

	if (uni_strv_has(&u->seen, package->name))
		return 0;
	uni_strv_add(&u->seen, package->name);
	rc = uni_indexes_find(u->indexes, package->name, &offered, &why);
	if (rc == UNI_E_NOENT)
		return 0; /* installed from a file */
	if (rc != 0)
		return *err = why, rc;
	uni_strv_add(&u->names, package->name);
	uni_strv_add(&u->versions, package->version);
	for (size_t i = 0; i < offered->count; i++)
		if (offered->versions[i].yanked == NULL &&
		    !uni_version_newer(package->version, offered->versions[i].version)) {
			uni_strv_addf(&u->ranges, ">=%s", package->version);
			return 0;
		}
	uni_strv_add(&u->ranges, "*");
	return 0;
}

static const char *installed_version(const struct updating *u, const char *name)
{
	for (size_t i = 0; i < u->names.count; i++)
		if (strcmp(u->names.items[i], name) == 0)
			return u->versions.items[i];
	return NULL;
}

static bool goes_up(const struct updating *u, const struct uni_pin *pin)
{
	const char *old = installed_version(u, pin->name);

	return old == NULL || uni_version_newer(pin->version, old);
}

static int install_newer(struct updating *u, const struct uni_pin *pin, struct uni_err *err)
{
	UNI_AUTO(uni_installed) struct uni_installed *fresh = NULL;
	const char *old = installed_version(u, pin->name);
	int rc = uni_indexes_install(u->indexes, pin, &fresh, err);
	if (rc == 0)
		cli_out("%s %s%s%s\n", pin->name, old != NULL ? old : "", old != NULL ? " -> " : "",
			pin->version);
	return rc;
}

/* All that is installed is chosen together, so that what goes up still goes with the rest. */
static int install_all(struct updating *u, struct uni_err *err)
{
	UNI_AUTO_PINS struct uni_pins pins = { 0 };
	UNI_AUTO_PINS struct uni_pins newer = { 0 };
	UNI_AUTO_FREE struct uni_need *needs = uni_alloc_array(u->names.count + 1, sizeof(*needs));
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < u->names.count; i++)
		if (is_meant(u->cli, u->names.items[i]))
			needs[count++] = (struct uni_need){ .name = u->names.items[i],
							    .range = u->ranges.items[i],
							    .by = "what is installed" };
	rc = uni_resolve(u->indexes, needs, count, "x86_64", NULL, &pins, err);
	for (size_t i = 0; rc == 0 && i < pins.count; i++)
		if (goes_up(u, &pins.items[i]))
			uni_pins_put(&newer, &pins.items[i]);
	if (rc == 0)
		rc = uni_indexes_fetch(u->indexes, &newer, err);
	for (size_t i = 0; rc == 0 && i < newer.count; i++)
		rc = install_newer(u, &newer.items[i], err);
	return rc;
}

static int update_installed(struct cli *cli, struct uni_err *err)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_indexes) struct uni_indexes *indexes = NULL;
	struct uni_indexes_options how = { .events = &cli->events };
	int rc = uni_store_open(&store, NULL, &cli->events, err);

	how.store = store;
	if (rc == 0)
		rc = uni_indexes_open(&indexes, &how, err);
	struct updating u = { .cli = cli, .indexes = indexes };
	if (rc == 0)
		rc = uni_package_list(store, note, &u, err);
	for (unsigned i = 0; rc == 0 && i < cli->arg_count; i++)
		if (!uni_strv_has(&u.seen, cli->args[i]))
			rc = uni_err_set(err, UNI_E_NOENT, "%s is not installed", cli->args[i]);
	if (rc == 0)
		rc = install_all(&u, err);
	uni_strv_free(&u.names);
	uni_strv_free(&u.versions);
	uni_strv_free(&u.ranges);
	uni_strv_free(&u.seen);
	return rc;
}

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (cli_value(cli, "recipe") != NULL)
		return update_lock(cli, &diags, &err) != 0 ? cli_fail_diags(cli, &diags, &err)
							   : UNI_EXIT_OK;
	return update_installed(cli, &err) != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni update", "newer versions of all that is installed" },
	{ "uni update web --recipe recipe.toml", "uni.lock names the newest web that fits" },
	{ 0 },
};

const struct cli_command cli_cmd_update = {
	.name = "update",
	.arguments = "[NAME...]",
	.summary = "Take newer versions of packages",
	.text = "Without a recipe of what is installed from the indexes. With one its lock is "
		"written anew: for\n"
		"the names given, all others staying where they are, or for all.",
	.options = options,
	.most = 100,
	.examples = examples,
	.run = run,
};
