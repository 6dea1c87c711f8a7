/*
 * uni test: builds a recipe's image and proves it by the recipe's [[test]] tables.
 */
#include <string.h>

#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/exec/build.h>
#include <uni/test/test.h>
#include <uni/vm/vm.h>

#include "build_options.h"
#include "commands.h"

#define JOBS_MAX 256

static const struct cli_option options[] = {
	{ "filter", 'f', "PATTERN", "only tests whose name matches (\"*\" and \"?\")" },
	{ "matrix", 0, NULL,
	  "each test in every form, on every machine and by all firmware that starts it" },
	{ "kernel", 'k', NULL, "start the bootable ELF directly instead of the disk" },
	{ "machine", 0, "NAME", "pc, q35 or microvm (default: q35; microvm with --kernel)" },
	{ "jobs", 'j', "N", "machines at a time (default: as many as processors)" },
	{ "junit", 0, "FILE", "write the results as JUnit XML too" },
	{ "keep", 0, NULL, "keep the machines' folders, and say where they are" },
	{ "accel", 0, "NAME", "kvm or tcg (default: the faster one here, measured once)" },
	{ "qemu", 0, "PROGRAM", "the emulator (default: qemu-system-x86_64)" },
	CLI_RECIPE_OPTIONS,
	CLI_CACHE_OPTIONS,
	CLI_PASSPHRASE_OPTION,
	{ 0 },
};

static const char *outcome_name(enum uni_test_outcome outcome)
{
	static const char *const names[] = { "passed", "failed", "unknown" };

	return names[outcome];
}

/* Every line of `text` behind `margin`, the first behind `label`. */
static void print_block(const char *label, const char *margin, const char *text)
{
	const char *before = label;

	do {
		size_t size = strcspn(text, "\n");

		cli_out("%s%.*s\n", before, (int)size, text);
		text += size + (text[size] == '\n');
		before = margin;
	} while (*text != '\0');
}

static void print_measures(const struct uni_test_result *result)
{
	if (result->boot_ns != 0)
		cli_out(", started in %.0f ms (%.2f times the floor)",
			(double)result->boot_ns / 1e6,
			(double)result->boot_ns / (double)result->floor_ns);
	if (result->memory != 0)
		cli_out(", touched %s", uni_size_text(result->memory));
	if (result->requests != 0)
		cli_out(", %llu of %llu requests failed", (unsigned long long)result->failures,
			(unsigned long long)result->requests);
}

static void print_result(void *user, const struct uni_test_result *result)
{
	static const char *const words[] = { "PASS", "FAIL", "????" };
	UNI_AUTO_BUF struct uni_buf way = UNI_BUF_INIT;
	struct cli *cli = user;

	if (cli->json)
		return;
	cli_progress_end(cli);
	uni_test_way(result, &way);
	cli_out("%s %s (%s) %.2f s", words[result->outcome], result->name, uni_buf_text(&way),
		(double)result->ns / 1e9);
	print_measures(result);
	cli_out("\n");
	if (result->outcome != UNI_TEST_PASSED) {
		cli_out("  %s\n", result->what);
		if (result->expected != NULL)
			print_block("    expected: ", "              ", result->expected);
		print_block(result->expected != NULL ? "    came:     " : "    ",
			    result->expected != NULL ? "              " : "    ", result->came);
		if (result->console[0] != '\0')
			print_block("    console:  ", "              ", result->console);
	}
	if (result->folder != NULL)
		cli_out("  kept in %s\n", result->folder);
	(void)cli_finish_output();
}

static void json_text(struct uni_buf *out, const char *name, const char *text)
{
	uni_buf_printf(out, ", \"%s\": ", name);
	uni_json_string(out, text);
}

static void json_number(struct uni_buf *out, const char *name, uint64_t number, bool known)
{
	if (known)
		uni_buf_printf(out, ", \"%s\": %llu", name, (unsigned long long)number);
}

static void json_result(struct uni_buf *out, const struct uni_test_result *result)
{
	uni_buf_puts(out, "    {\"name\": ");
	uni_json_string(out, result->name);
	json_text(out, "format", result->format);
	json_text(out, "machine", result->machine);
	if (result->firmware != NULL)
		json_text(out, "firmware", result->firmware);
	json_text(out, "outcome", outcome_name(result->outcome));
	json_number(out, "ns", result->ns, true);
	json_number(out, "boot_ns", result->boot_ns, result->boot_ns != 0);
	json_number(out, "floor_ns", result->floor_ns, result->floor_ns != 0);
	json_number(out, "memory", result->memory, result->memory != 0);
	json_number(out, "requests", result->requests, result->requests != 0);
	json_number(out, "failures", result->failures, result->requests != 0);
	if (result->outcome != UNI_TEST_PASSED) {
		json_text(out, "what", result->what);
		json_text(out, "expected", result->expected);
		json_text(out, "came", result->came);
	}
	json_text(out, "console", result->console);
	if (result->folder != NULL)
		json_text(out, "folder", result->folder);
	uni_buf_putc(out, '}');
}

static void print_json(const struct uni_test_report *report, const char *image)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	uni_buf_puts(&out, "{\"image\": ");
	uni_json_string(&out, image);
	uni_buf_printf(&out, ", \"outcome\": \"%s\", \"ns\": %llu, \"tests\": [\n",
		       outcome_name(uni_test_report_outcome(report)),
		       (unsigned long long)report->ns);
	for (size_t i = 0; i < report->count; i++) {
		json_result(&out, &report->results[i]);
		uni_buf_puts(&out, i + 1 < report->count ? ",\n" : "\n");
	}
	uni_buf_puts(&out, "]}\n");
	cli_out_buf(&out);
}

static void print_summary(const struct cli *cli, const struct uni_test_report *report)
{
	size_t counts[3] = { 0 };

	for (size_t i = 0; i < report->count; i++)
		counts[report->results[i].outcome]++;
	cli_say(cli, "%zu of %zu passed%s in %.1f s", counts[UNI_TEST_PASSED], report->count,
		counts[UNI_TEST_UNKNOWN] != 0 ? ", some could not be told," : "",
		(double)report->ns / 1e9);
}

/* What is tested: files of a folder of its own, for somebody may be running the others. */
struct built {
	struct uni_build_result result;
	struct uni_test_disk *disks;
	size_t disk_count;
	const char *kernel;
	struct uni_strv writable;
};

static void built_free(struct built *built)
{
	free(built->disks);
	uni_strv_free(&built->writable);
	uni_build_result_free(&built->result);
}

/* The usual forms, and with --matrix what else the recipe asks for that can be started here. */
static void find_formats(const struct cli *cli, const struct uni_recipe *recipe,
			 struct uni_strv *formats)
{
	uni_strv_add(formats, "raw");
	uni_strv_add(formats, "elf");
	for (size_t i = 0; i < recipe->output_count && cli_flag(cli, "matrix"); i++) {
		const struct uni_recipe_output *output = &recipe->outputs[i];

		if (output->asked && uni_vm_disk_driver(output->format) != NULL &&
		    !uni_strv_has(formats, output->format))
			uni_strv_add(formats, output->format);
	}
}

static void note_artifacts(struct built *built, const char *format)
{
	for (size_t i = 0; i < built->result.count; i++) {
		const char *path = built->result.artifacts[i].path;

		if (!uni_str_eq(built->result.artifacts[i].format, format))
			continue;
		if (uni_str_eq(format, "elf"))
			built->kernel = path;
		else if (uni_str_eq(format, "writable"))
			uni_strv_add(&built->writable, path);
		else
			built->disks[built->disk_count++] =
				(struct uni_test_disk){ built->result.artifacts[i].format, path };
	}
}

static int build(struct cli *cli, const struct uni_recipe *recipe, const char *dir,
		 struct built *built, struct uni_diags *diags, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv formats = { 0 };
	struct uni_build_options how = { .out_dir = dir };
	int status;

	find_formats(cli, recipe, &formats);
	how.formats = (const char *const *)formats.items;
	how.format_count = formats.count;
	status = cli_recipe_build(cli, &how, &built->result, diags, err);
	built->disks = uni_alloc_array(built->result.count + 1, sizeof(*built->disks));
	for (size_t i = 0; status == 0 && i < formats.count; i++)
		note_artifacts(built, formats.items[i]);
	if (status == 0)
		note_artifacts(built, "writable");
	return status;
}

static int read_options(const struct cli *cli, struct uni_test_options *how, struct uni_err *err)
{
	const char *jobs = cli_value(cli, "jobs");
	uint64_t number = 0;

	how->emulator = cli_value(cli, "qemu");
	how->accel = cli_value(cli, "accel");
	how->machine = cli_value(cli, "machine");
	how->filter = cli_value(cli, "filter");
	how->direct = cli_flag(cli, "kernel");
	how->matrix = cli_flag(cli, "matrix");
	how->keep = cli_flag(cli, "keep");
	if (jobs != NULL && (!uni_str_u64(jobs, &number) || number == 0 || number > JOBS_MAX))
		return uni_err_set(err, UNI_E_USAGE, "--jobs \"%s\" is not a number from 1 to %d",
				   jobs, JOBS_MAX);
	how->jobs = (unsigned)number;
	return 0;
}

static int test_built(struct cli *cli, const struct uni_recipe *recipe, const struct built *built,
		      struct uni_test_report *report, struct uni_err *err)
{
	const struct uni_test_image image = { recipe, built->disks, built->disk_count,
					      built->kernel,
					      (const char *const *)built->writable.items };
	struct uni_test_options how = { .done = print_result, .user = cli };
	UNI_AUTO_BUF struct uni_buf junit = UNI_BUF_INIT;
	const char *file = cli_value(cli, "junit");

	if (read_options(cli, &how, err) != 0 || uni_test_run(&image, &how, report, err) != 0)
		return err->code;
	uni_test_junit(report, recipe->image.name, &junit);
	if (file != NULL && uni_file_write(file, junit.data, junit.size, 0666, err) != 0)
		return err->code;
	if (cli->json)
		print_json(report, recipe->image.name);
	print_summary(cli, report);
	return 0;
}

static int find_authorities(struct cli *cli, struct uni_recipe *recipe, const char *dir,
			    struct uni_err *err)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;

	if (uni_store_open(&store, NULL, &cli->events, err) != 0)
		return err->code;
	return uni_test_authorities(recipe, store, dir, err);
}

static int exit_status(const struct uni_test_report *report)
{
	switch (uni_test_report_outcome(report)) {
	case UNI_TEST_PASSED:
		return UNI_EXIT_OK;
	case UNI_TEST_FAILED:
		return UNI_EXIT_FAILED;
	case UNI_TEST_UNKNOWN:
		break;
	}
	return UNI_EXIT_UNKNOWN;
}

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	UNI_AUTO(uni_recipe) struct uni_recipe *recipe = NULL;
	struct built built = { .result = UNI_BUILD_RESULT_INIT };
	UNI_AUTO_FREE char *dir = NULL;
	const struct uni_recipe_options how = { .variant = cli_value(cli, "variant"),
						.allow_outside = cli_flag(cli, "allow-outside") };
	struct uni_test_report report = UNI_TEST_REPORT_INIT;
	struct uni_err err = UNI_ERR_INIT, ignored = UNI_ERR_INIT;
	int status;

	if (uni_recipe_load(&recipe, cli->args[0], &how, &diags, &err) != 0)
		return cli_fail_diags(cli, &diags, &err);
	uni_diags_free(&diags); /* the build finds the same */
	if (uni_dir_tmp(NULL, &dir, &err) != 0 ||
	    build(cli, recipe, dir, &built, &diags, &err) != 0)
		status = cli_fail_diags(cli, &diags, &err);
	else if (find_authorities(cli, recipe, dir, &err) != 0 ||
		 test_built(cli, recipe, &built, &report, &err) != 0)
		status = cli_fail(cli, &err);
	else
		status = exit_status(&report);
	uni_test_report_free(&report);
	built_free(&built);
	if (dir != NULL) {
		(void)uni_dir_remove(dir, &ignored);
		uni_tmp_forget(dir);
	}
	return status;
}

static const struct cli_example examples[] = {
	{ "uni test recipe.toml", "every test, on the machine that is usual for it" },
	{ "uni test recipe.toml --matrix --junit results.xml", "everywhere, for a build server" },
	{ "uni test recipe.toml -f 'load*' --keep", "some, to look at afterwards" },
	{ 0 },
};

const struct cli_command cli_cmd_test = {
	.name = "test",
	.arguments = "RECIPE",
	.summary = "Boot the image of a recipe and check what it does",
	.text = "Builds the image, starts a machine for each [[test]] of the recipe, several at a "
		"time, and\n"
		"compares what it does with what the test expects. A failure says what was "
		"expected, what came,\n"
		"and what the console said last. Exit status 1 when a test failed, 3 when one "
		"could not be told.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
