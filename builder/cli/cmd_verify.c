/*
 * uni verify: rebuilds what a manifest describes and compares.
 */
#include <uni/base/json.h>
#include <uni/exec/build.h>

#include "commands.h"

static const struct cli_option options[] = {
	{ "recipe", 0, "FILE", "the recipe (default: where the manifest was built)" },
	{ "allow-outside", 0, NULL, "paths may leave the recipe's folder" },
	{ "cached", 0, NULL, "results may come from the store; else every step runs again" },
	{ 0 },
};

static void print_json(const struct uni_verify_report *report)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	uni_buf_printf(&out, "{\"same\": %s, \"artifacts\": %zu", report->same ? "true" : "false",
		       report->artifacts);
	if (report->differs != NULL) {
		uni_buf_puts(&out, ", \"differs\": ");
		uni_json_string(&out, report->differs);
		uni_buf_puts(&out, ", \"detail\": ");
		uni_json_string(&out, report->detail != NULL ? report->detail : "");
	}
	if (report->partition != NULL) {
		uni_buf_puts(&out, ", \"partition\": ");
		uni_json_string(&out, report->partition);
	}
	if (report->has_offset)
		uni_buf_printf(&out, ", \"offset\": %llu", (unsigned long long)report->offset);
	uni_buf_puts(&out, "}\n");
	cli_out_buf(&out);
}

static void print_text(const struct cli *cli, const struct uni_verify_report *report)
{
	if (report->same) {
		cli_out("%s: the same, %zu artifact%s\n", cli->args[0], report->artifacts,
			report->artifacts == 1 ? "" : "s");
		return;
	}
	cli_out("%s: %s differs", cli->args[0], report->differs);
	if (report->partition != NULL)
		cli_out(", partition \"%s\"", report->partition);
	if (report->has_offset)
		cli_out(", at offset %llu", (unsigned long long)report->offset);
	cli_out("%s%s\n", report->detail != NULL ? ": " : "",
		report->detail != NULL ? report->detail : "");
}

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	struct uni_verify_options how = { .manifest = cli->args[0],
					  .recipe = cli_value(cli, "recipe"),
					  .allow_outside = cli_flag(cli, "allow-outside"),
					  .cached = cli_flag(cli, "cached") };
	struct uni_verify_report report = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int status = uni_build_verify(&how, &report, &cli->events, &diags, &err);

	cli_progress_end(cli);
	if (status == 0 || (status == UNI_E_DIFFERS && report.differs != NULL)) {
		if (cli->json)
			print_json(&report);
		else
			print_text(cli, &report);
		status = report.same ? UNI_EXIT_OK : UNI_EXIT_FAILED;
	} else {
		status = cli_fail_diags(cli, &diags, &err);
		if (status == UNI_EXIT_FAILED)
			status = UNI_EXIT_UNKNOWN;
	}
	uni_verify_report_free(&report);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni verify out/site.manifest.json", "rebuilds and compares every artifact" },
	{ 0 },
};

const struct cli_command cli_cmd_verify = {
	.name = "verify",
	.arguments = "MANIFEST",
	.summary = "Rebuild what a manifest describes, and compare",
	.text = "A tool or an input that is not the manifest's is named before anything is built. "
		"Else the\n"
		"first artifact that differs is named, with partition and offset. Exit status: 0 "
		"the same,\n"
		"1 differs, 3 could not tell.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
