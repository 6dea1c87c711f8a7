/*
 * uni import: a first recipe for a program that exists, and what of it will not work.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/index/index.h>
#include <uni/inspect/container.h>
#include <uni/oci/registry.h>

#include "commands.h"

#define DEFAULT_BASE "unibase"
#define DEFAULT_RECIPE "recipe.toml"
#define TABLE_FILE "calls.txt"

static const struct cli_option options[] = {
	{ "output", 'o', "FILE", "write the recipe here (default: recipe.toml; \"-\": print it)" },
	{ "base", 0, "NAME", "the base that is asked what it can do (default: unibase)" },
	{ "program", 0, "PATH", "of an image: this one, not what the image starts" },
	{ "force", 0, NULL, "replace what stands there" },
	{ 0 },
};

/* What the base's package says of calls; `*table` stays NULL when it says nothing. */
static int find_table(const struct cli *cli, const char *base, struct uni_calls **table,
		      struct uni_err *err)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_installed) struct uni_installed *installed = NULL;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	const struct uni_need need = { .name = base, .by = "you" };
	struct uni_store_entry *entry;

	if (uni_store_open(&store, NULL, &cli->events, err) != 0 ||
	    uni_index_obtain(store, &cli->events, &need, "x86_64", &installed, err) != 0)
		return err->code;
	entry = uni_store_record_find(&installed->record, TABLE_FILE);
	if (entry == NULL)
		return 0;
	if (uni_store_blob_read(store, entry, UNI_CALLS_TABLE_MAX, &text, err) != 0)
		return err->code;
	return uni_calls_parse(table, TABLE_FILE, uni_buf_text(&text), text.size, err);
}

/* The program as the recipe is to say it: relative where it lies below the recipe's folder. */
static char *program_path(const char *program, const char *recipe)
{
	const char *slash = strrchr(recipe, '/');
	UNI_AUTO_FREE char *parent =
		slash != NULL ? uni_strndup(recipe, (size_t)(slash - recipe + 1)) : uni_strdup(".");
	UNI_AUTO_FREE char *folder = realpath(parent, NULL), *file = realpath(program, NULL);
	size_t length = folder != NULL ? strlen(folder) : 0;

	if (folder == NULL || file == NULL)
		return uni_strdup(program);
	if (uni_str_starts(file, folder) && file[length] == '/')
		return uni_strdup(file + length + 1);
	return uni_strdup(file);
}

static const char *severity_name(enum uni_program_severity severity)
{
	static const char *const names[] = { "stops", "may", "note" };

	return names[severity];
}

static void print_json(const struct uni_program_look *look, const char *recipe)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	uni_buf_puts(&out, "{\"image\": ");
	uni_json_string(&out, look->name);
	uni_buf_puts(&out, ", \"recipe\": ");
	uni_json_string(&out, recipe);
	uni_buf_puts(&out, ", \"findings\": [");
	for (size_t i = 0; i < look->count; i++) {
		const struct uni_program_finding *f = &look->findings[i];

		uni_buf_printf(&out, "%s\n  {\"severity\": \"%s\", \"text\": ", i != 0 ? "," : "",
			       severity_name(f->severity));
		uni_json_string(&out, f->text);
		if (f->hint != NULL) {
			uni_buf_puts(&out, ", \"hint\": ");
			uni_json_string(&out, f->hint);
		}
		uni_buf_putc(&out, '}');
	}
	uni_buf_puts(&out, "]}\n");
	cli_out_buf(&out);
}

static void print_findings(const struct uni_program_look *look)
{
	static const char *const words[] = { "will not run", "may not work", "note" };

	for (size_t i = 0; i < look->count; i++) {
		cli_out("%-13s %s\n", words[look->findings[i].severity], look->findings[i].text);
		if (look->findings[i].hint != NULL)
			cli_out("%-13s   %s\n", "", look->findings[i].hint);
	}
	if (look->count == 0)
		cli_out("nothing in it stands in the way\n");
}

/* "server.libraries", beside the recipe. */
static char *libraries_folder(const struct uni_program_look *look)
{
	return uni_asprintf("%s.libraries", look->name);
}

/* What the user put beside them, plugins or data, stays. */
static int write_libraries(const struct cli *cli, const struct uni_program_look *look,
			   const char *recipe, struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = uni_path_dir(recipe), *name = libraries_folder(look);
	UNI_AUTO_FREE char *folder = uni_path_join(dir, name);

	if (look->libraries.count == 0)
		return 0;
	if (uni_output_check(folder, cli_flag(cli, "force"), err) != 0)
		return err->code;
	return uni_program_collect(look, folder, err);
}

static int write_recipe(const struct cli *cli, const struct uni_program_look *look,
			const char *path, const struct uni_buf *text, struct uni_err *err)
{
	if (uni_str_eq(path, "-")) {
		cli_out_buf(text);
		return 0;
	}
	if (uni_output_check(path, cli_flag(cli, "force"), err) != 0 ||
	    write_libraries(cli, look, path, err) != 0)
		return err->code;
	return uni_file_write(path, text->data, text->size, 0666, err);
}

/* What is said of the import, and how it ends. */
static int finish(struct cli *cli, const struct uni_program_look *look, const char *path,
		  const char *advice)
{
	bool printed = uni_str_eq(path, "-");

	if (cli->json)
		print_json(look, path);
	else if (!printed)
		print_findings(look);
	if (!printed)
		cli_say(cli, "wrote %s%s", path, advice);
	return uni_program_stops(look) ? UNI_EXIT_FAILED : UNI_EXIT_OK;
}

static int import_program(struct cli *cli, const char *base, const char *path,
			  const struct uni_calls *table, struct uni_program_look *look,
			  struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_FREE char *program = program_path(cli->args[0], path), *folder = NULL;
	UNI_AUTO_FREE char *placed = NULL;

	if (cli_value(cli, "program") != NULL) {
		uni_err_set(err, UNI_E_USAGE, "--program is for images");
		return cli_fail(cli, err);
	}
	if (uni_program_look(cli->args[0], base, table, look, err) != 0)
		return cli_fail(cli, err);
	folder = libraries_folder(look);

	placed = uni_program_path(look);

	const struct uni_program_words words = {
		.base = base, .program = program, .path = placed, .folder = folder
	};

	uni_program_recipe(look, &words, &text);
	if (write_recipe(cli, look, path, &text, err) != 0)
		return cli_fail(cli, err);
	return finish(cli, look, path,
		      program[0] == '/' && placed == NULL
			      ? "; the program lies outside of its folder: copy it "
				"there, or build with --allow-outside"
			      : "");
}

/* Where an image is, as the argument says it: "oci://..." or "oci:PLACE[:TAG]". `place` (owned)
 * holds what the others point to; *address is how the recipe says it. */
static int parse_image(const char *text, const char *recipe, struct uni_image_source *source,
		       char **place, char **address, struct uni_err *err)
{
	struct uni_oci_reference reference UNI_AUTO_OCI_REFERENCE = { .host = NULL };
	UNI_AUTO_FREE char *near = NULL;
	char *mark;
	int rc = 0;

	*place = uni_strdup(text + strlen("oci:"));
	if (uni_str_starts(text, "oci://")) {
		rc = uni_oci_reference_parse(text, &reference, err);
		free(*place);
		*place = uni_strndup(text, strcspn(text, "@"));
		source->address = *place;
		source->has_digest = reference.has_digest;
		source->digest = reference.digest;
		*address = uni_strdup(text);
		return rc;
	}
	mark = strrchr(*place, ':');
	if (mark != NULL && strchr(mark, '/') == NULL) {
		*mark = '\0';
		source->tag = mark + 1;
	}
	source->path = *place;
	near = program_path(*place, recipe);
	*address = uni_asprintf("oci:%s%s%s", near, source->tag != NULL ? ":" : "",
				source->tag != NULL ? source->tag : "");
	return 0;
}

static int import_image(struct cli *cli, const char *base, const char *path,
			const struct uni_calls *table, struct uni_program_look *look,
			struct uni_err *err)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_FREE char *place = NULL, *address = NULL;
	struct uni_image_source source = { .address = NULL };
	struct uni_container container = {
		.image = &source, .program = cli_value(cli, "program"), .base = base, .table = table
	};

	if (parse_image(cli->args[0], path, &source, &place, &address, err) != 0 ||
	    uni_store_open(&store, NULL, &cli->events, err) != 0)
		return cli_fail(cli, err);

	const struct uni_fetch fetch = { .store = store, .events = &cli->events };

	container.address = address;
	if (uni_container_look(&fetch, &container, look, &text, err) != 0)
		return cli_fail(cli, err);
	cli_progress_end(cli);
	if (uni_str_eq(path, "-"))
		cli_out_buf(&text);
	else if (uni_output_check(path, cli_flag(cli, "force"), err) != 0 ||
		 uni_file_write(path, text.data, text.size, 0666, err) != 0)
		return cli_fail(cli, err);
	return finish(cli, look, path, "");
}

static int run(struct cli *cli)
{
	const char *base = cli_value(cli, "base"), *path = cli_value(cli, "output");
	UNI_AUTO(uni_calls) struct uni_calls *table = NULL;
	struct uni_program_look look = UNI_PROGRAM_LOOK_INIT;
	struct uni_err err = UNI_ERR_INIT;
	int status;

	base = base != NULL ? base : DEFAULT_BASE;
	path = path != NULL ? path : DEFAULT_RECIPE;
	if (find_table(cli, base, &table, &err) != 0)
		return cli_fail(cli, &err);
	status = uni_str_starts(cli->args[0], "oci:")
			 ? import_image(cli, base, path, table, &look, &err)
			 : import_program(cli, base, path, table, &look, &err);
	uni_program_look_free(&look);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni import ./server", "writes recipe.toml for it, and says what may not work" },
	{ "uni import /bin/busybox -o -", "prints the recipe" },
	{ "uni import /usr/bin/redis-server", "a dynamic program: its libraries are copied into a "
					      "folder beside the recipe" },
	{ "uni import oci://registry.example/team/site:1.0",
	  "a container image: its program, arguments, environment and folders" },
	{ "uni import oci:saved.tar --program /usr/sbin/nginx",
	  "of what docker save wrote, a program that the image does not name" },
	{ 0 },
};

const struct cli_command cli_cmd_import = {
	.name = "import",
	.arguments = "PROGRAM|oci:IMAGE",
	.summary = "Write a first recipe for a program, and say what of it will not work",
	.text = "Reads the program without starting it: what it is, which system calls its code "
		"can "
		"make, and what\n"
		"the base makes of these. What it may never do is said too, for that cannot be "
		"known. The loader\n"
		"and the libraries of a dynamic program are copied into NAME.libraries beside the "
		"recipe. Exit status 1\n"
		"when the program will not run at all; the recipe is written all the same.\n\n"
		"oci://HOST/NAME[:TAG][@DIGEST] is a container image in a registry, "
		"oci:PLACE[:TAG] "
		"an image layout or an\n"
		"archive of docker save on this machine. The recipe starts what the image starts, "
		"where it lies, as the\n"
		"user of the image; its folders are volumes, those for data writable ones; its "
		"health check is a test.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
