/*
 * uni cache ls, verify, gc, limit: the store of what was built.
 */
#include <time.h>

#include <uni/cache/store.h>

#include "commands.h"
#include "list.h"

static const struct cli_option ls_options[] = {
	{ "all", 'a', NULL, "blobs too, and notes of what was found out about inputs" },
	{ 0 },
};

struct listing {
	struct cli_list list;
	bool all;
};

/* A result without content is what a build found out and would otherwise look up again. */
static bool is_note(const struct uni_store_item *item)
{
	return item->kind == UNI_STORE_RESULT && item->record != NULL && item->record->count == 0;
}

static const char *kind_name(const struct uni_store_item *item)
{
	static const char *const names[] = { "blob", "result", "reference" };

	return is_note(item) ? "note" : names[item->kind];
}

/* What a result's first blob was made as, or NULL. */
static const char *what_of(const struct uni_store_item *item)
{
	return item->kind == UNI_STORE_RESULT && item->record != NULL && item->record->count != 0
		       ? item->record->entries[0].name
		       : NULL;
}

static void list_text(struct uni_buf *out, const struct uni_store_item *item, const char *date)
{
	uni_buf_printf(out, "%-9s  %10s  %s  %s", kind_name(item), uni_size_text(item->size), date,
		       item->name);
	if (what_of(item) != NULL)
		uni_buf_printf(out, "  (%s)", what_of(item));
	uni_buf_putc(out, '\n');
}

static void list_json(struct uni_buf *out, const struct uni_store_item *item, const char *date)
{
	uni_buf_printf(out, "{\"kind\": \"%s\", \"size\": %llu, \"used\": \"%s\", \"name\": ",
		       kind_name(item), (unsigned long long)item->size, date);
	uni_json_string(out, item->name);
	if (what_of(item) != NULL) {
		uni_buf_puts(out, ", \"what\": ");
		uni_json_string(out, what_of(item));
	}
	uni_buf_putc(out, '}');
}

static int list_item(void *user, const struct uni_store_item *item, struct uni_err *err)
{
	struct listing *listing = user;
	time_t when = (time_t)item->used;
	struct tm day;
	char date[32] = "-";

	(void)err;
	if ((item->kind == UNI_STORE_BLOB || is_note(item)) && !listing->all)
		return 0;
	if (gmtime_r(&when, &day) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &day);
	(listing->list.json ? list_json : list_text)(cli_list_item(&listing->list), item, date);
	return 0;
}

static int open_store(struct cli *cli, struct uni_store **store, struct uni_err *err)
{
	return uni_store_open(store, NULL, &cli->events, err);
}

static int run_ls(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	struct listing listing = { .list = cli_list_new(cli), .all = cli_flag(cli, "all") };
	struct uni_err err = UNI_ERR_INIT;
	int rc = open_store(cli, &store, &err);

	if (rc == 0)
		rc = uni_store_list(store, list_item, &listing, &err);
	if (rc == 0)
		cli_list_print(&listing.list);
	cli_list_release(&listing.list);
	return rc == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

const struct cli_command cli_cmd_cache_ls = {
	.name = "cache ls",
	.arguments = "",
	.summary = "List what the store holds",
	.options = ls_options,
	.run = run_ls,
};

static int run_verify(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	struct uni_store_verify_report report = { 0 };
	struct uni_err err = UNI_ERR_INIT;

	if (open_store(cli, &store, &err) != 0 || uni_store_verify(store, &report, &err) != 0)
		return cli_fail(cli, &err);
	if (cli->json)
		cli_out("{\"blobs\": %llu, \"bytes\": %llu, \"damaged\": %llu, \"dropped\": "
			"%llu}\n",
			(unsigned long long)report.blobs, (unsigned long long)report.bytes,
			(unsigned long long)report.damaged, (unsigned long long)report.dropped);
	else
		cli_out("%llu blobs, %s: %llu damaged and dropped, %llu unreadable records "
			"dropped\n",
			(unsigned long long)report.blobs, uni_size_text(report.bytes),
			(unsigned long long)report.damaged, (unsigned long long)report.dropped);
	return report.damaged != 0 || report.dropped != 0 ? UNI_EXIT_FAILED : UNI_EXIT_OK;
}

const struct cli_command cli_cmd_cache_verify = {
	.name = "cache verify",
	.arguments = "",
	.summary = "Hash everything in the store, and drop what is damaged",
	.text = "What was dropped is made again by the next build that needs it. Exit status 1 "
		"when\n"
		"something was damaged.",
	.run = run_verify,
};

static const struct cli_option gc_options[] = {
	{ "limit", 0, "SIZE", "keep results up to this size, the last used first (\"2G\")" },
	{ "dry-run", 'n', NULL, "only say what would go" },
	{ 0 },
};

static int run_gc(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	struct uni_store_gc_options how = { .dry_run = cli_flag(cli, "dry-run") };
	struct uni_store_gc_report report = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	const char *limit = cli_value(cli, "limit");

	if (limit != NULL && !uni_str_size(limit, &how.limit)) {
		uni_err_set(&err, UNI_E_USAGE, "--limit \"%s\" is not a size such as 500M or 2G",
			    limit);
		return cli_fail(cli, &err);
	}
	if (open_store(cli, &store, &err) != 0 || uni_store_gc(store, &how, &report, &err) != 0)
		return cli_fail(cli, &err);
	if (cli->json)
		cli_out("{\"blobs\": %llu, \"bytes\": %llu, \"results\": %llu, \"kept_blobs\": "
			"%llu, "
			"\"kept_bytes\": %llu}\n",
			(unsigned long long)report.blobs, (unsigned long long)report.bytes,
			(unsigned long long)report.results, (unsigned long long)report.kept_blobs,
			(unsigned long long)report.kept_bytes);
	else
		cli_out("%s%llu blobs and %llu results, %s; %s stay\n",
			how.dry_run ? "would take " : "took ", (unsigned long long)report.blobs,
			(unsigned long long)report.results, uni_size_text(report.bytes),
			uni_size_text(report.kept_bytes));
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_cache_gc = {
	.name = "cache gc",
	.arguments = "",
	.summary = "Collect what no reference and no running build needs",
	.text = "Installed packages stay. Without --limit all results of builds go.",
	.options = gc_options,
	.run = run_gc,
};

/* What was set holds from now on, not only for the next build. */
static int set_limit(struct uni_store *store, const char *text, struct uni_err *err)
{
	struct uni_store_gc_options how = { .limit = 0 };
	struct uni_store_gc_report report;
	int rc;

	if (!uni_str_eq(text, "none") && (!uni_str_size(text, &how.limit) || how.limit == 0))
		return uni_err_set(err, UNI_E_USAGE,
				   "\"%s\" is not a size such as 500M or 20G, nor \"none\"", text);
	rc = uni_store_limit_set(store, how.limit, err);
	return rc == 0 && how.limit != 0 ? uni_store_gc(store, &how, &report, err) : rc;
}

static int run_limit(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	/* Whatever fits: only counted. */
	const struct uni_store_gc_options count = { .limit = UINT64_MAX, .dry_run = true };
	struct uni_store_gc_report report = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	uint64_t limit = 0, used;
	int rc = open_store(cli, &store, &err);

	if (rc == 0 && cli->arg_count != 0)
		rc = set_limit(store, cli->args[0], &err);
	if (rc == 0)
		rc = uni_store_limit_get(store, &limit, &err);
	if (rc == 0)
		rc = uni_store_gc(store, &count, &report, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	used = report.kept_bytes + report.bytes;
	if (cli->json)
		cli_out("{\"limit\": %llu, \"used\": %llu}\n", (unsigned long long)limit,
			(unsigned long long)used);
	else if (limit == 0)
		cli_out("no limit; %s are used\n", uni_size_text(used));
	else
		cli_out("limit %s; %s are used\n", uni_size_text(limit), uni_size_text(used));
	return UNI_EXIT_OK;
}

static const struct cli_example limit_examples[] = {
	{ "uni cache limit 20G", "what was used longest ago goes when the store outgrows that" },
	{ "uni cache limit none", "everything stays until uni cache gc" },
	{ 0 },
};

const struct cli_command cli_cmd_cache_limit = {
	.name = "cache limit",
	.arguments = "[SIZE|none]",
	.summary = "Say or set how much the store may keep",
	.text = "A build that takes the store beyond its limit collects when it is done, from "
		"what\n"
		"was used longest ago on, down to four fifths. Installed packages stay, and what a "
		"running\n"
		"build uses. The limit belongs to the store: it holds for all who use it. Where "
		"none "
		"was set\n"
		"it is 20 GiB.",
	.least = 0,
	.most = 1,
	.examples = limit_examples,
	.run = run_limit,
};
