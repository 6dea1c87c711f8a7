/*
 * Good recipes become the fields they mean.
 */
#include "unit.h"

#include <string.h>
#include <uni/base/file.h>

static struct uni_recipe *parse(const char *text, const struct uni_recipe_options *options)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe;

	(void)uni_recipe_parse(&recipe, "site.toml", text, strlen(text), options, &diags, &err);
	unit_findings(&diags, &findings);
	assert_string_equal(uni_buf_text(&findings), "");
	assert_non_null(recipe);
	return recipe;
}

static const char full[] = "[image]\n"
			   "name = \"site\"\n"
			   "version = \"1.2.3-rc.1\"\n"
			   "requires-uni = \">=0.1\"\n"
			   "epoch = 2024-01-01T00:00:00Z\n"
			   "[base]\n"
			   "version = \"^1\"\n"
			   "[app]\n"
			   "sources = [\"main.c\"]\n"
			   "include = [\"headers\"]\n"
			   "cflags = [\"-DX=1\", \"-Iwww\", \"-O2\"]\n"
			   "objects = [\"a.o\", \"pkg:sqlite@^3.40/shell.o\"]\n"
			   "libraries = [\"lib.a\", \"pkg:zlib\"]\n"
			   "args = [\"-v\", \"two words\\n\"]\n"
			   "env = { ZED = \"1\", ALPHA = \"\" }\n"
			   "cwd = \"/www\"\n"
			   "jit = true\n"
			   "user = 999\n"
			   "[ca]\n"
			   "bundle = \"pkg:ca-certificates\"\n"
			   "[config]\n"
			   "hostname = \"web-1\"\n"
			   "hosts = [\"10.0.0.2  db   db.internal\"]\n"
			   "resolvers = [\"10.0.0.1\", \"fd00::1\"]\n"
			   "network = [\"10.0.0.9/24,10.0.0.1\", \"fd00::9/64\"]\n"
			   "on-exit = \"restart\"\n"
			   "on-fault = \"reboot\"\n"
			   "log-level = \"debug\"\n"
			   "grace = \"1500ms\"\n"
			   "runtime = [\"network\", \"args\", \"limits\"]\n"
			   "[config.limits]\n"
			   "open-files = 100\n"
			   "stack = \"1M\"\n"
			   "memory = 16777216\n"
			   "[machine]\n"
			   "memory = \"64M\"\n"
			   "processors = 2\n"
			   "[[file]]\n"
			   "path = \"/etc/motd\"\n"
			   "text = \"hi\\n\"\n"
			   "[[file]]\n"
			   "path = \"/bin/tool\"\n"
			   "source = \"server\"\n"
			   "mode = 0o755\n"
			   "[[volume]]\n"
			   "name = \"content\"\n"
			   "mount = \"/www\"\n"
			   "source = \"inside\"\n"
			   "compression = \"gzip\"\n"
			   "level = 9\n"
			   "block-size = \"1M\"\n"
			   "mode = 0o444\n"
			   "size = \"8M\"\n"
			   "epoch = 7\n"
			   "verity = false\n"
			   "[[volume]]\n"
			   "name = \"scratch\"\n"
			   "mount = \"/tmp\"\n"
			   "format = \"tmpfs\"\n"
			   "size = \"4M\"\n"
			   "[output]\n"
			   "formats = [\"elf\", \"raw\"]\n"
			   "[output.raw]\n"
			   "size = \"16M\"\n"
			   "[variant.small]\n"
			   "app.args = []\n"
			   "app.env.ZED = \"2\"\n"
			   "app.env.NEW = \"3\"\n"
			   "[variant.small.machine]\n"
			   "memory = \"32M\"\n"
			   "[[variant.small.volume]]\n"
			   "name = \"content\"\n"
			   "level = 1\n"
			   "[[variant.small.volume]]\n"
			   "name = \"more\"\n"
			   "mount = \"/more\"\n"
			   "source = \"www\"\n"
			   "[[variant.small.file]]\n"
			   "path = \"/etc/motd\"\n"
			   "text = \"small\\n\"\n";

static void app_is_read(void **state)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(full, NULL);
	const struct uni_recipe_app *app = &recipe->app;

	(void)state;
	assert_string_equal(app->sources.items[0].path, "main.c");
	assert_int_equal(app->sources.items[0].pos.line, 9);
	assert_int_equal(app->includes.count, 2);
	assert_string_equal(app->includes.items[1].text, "www");
	assert_int_equal(app->cflags.count, 2);
	assert_string_equal(app->cflags.items[1].text, "-O2");
	assert_int_equal(app->objects.items[1].kind, UNI_INPUT_PACKAGE);
	assert_string_equal(app->objects.items[1].package, "sqlite");
	assert_string_equal(app->objects.items[1].range, "^3.40");
	assert_string_equal(app->objects.items[1].member, "shell.o");
	assert_null(app->libraries.items[1].range);
	assert_null(app->libraries.items[1].member);
	assert_int_equal(app->program.kind, UNI_INPUT_NONE);
	assert_string_equal(app->args.items[1].text, "two words\n");
	assert_int_equal(app->env_count, 2);
	assert_string_equal(app->env[0].name, "ALPHA");
	assert_string_equal(app->env[1].value, "1");
	assert_string_equal(app->cwd, "/www");
	assert_true(app->jit);
	assert_int_equal(app->user, 999);
	assert_int_equal(app->group, 999);
	assert_string_equal(recipe->ca.package, "ca-certificates");
}

static void config_is_read(void **state)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(full, NULL);
	const struct uni_recipe_config *config = &recipe->config;

	(void)state;
	assert_string_equal(recipe->image.version, "1.2.3-rc.1");
	assert_true(recipe->image.has_epoch);
	assert_int_equal(recipe->image.epoch, 1704067200);
	assert_string_equal(recipe->base.name, "unibase");
	assert_string_equal(recipe->base.range, "^1");
	assert_string_equal(config->hostname, "web-1");
	assert_string_equal(config->hosts.items[0].text, "10.0.0.2 db db.internal");
	assert_string_equal(config->resolvers.items[1].text, "fd00::1");
	assert_int_equal(config->networks.count, 2);
	assert_int_equal(config->limit_open_files, 100);
	assert_int_equal(config->limit_stack, 1 << 20);
	assert_int_equal(config->limit_memory, 16 << 20);
	assert_int_equal(config->on_exit, UNI_ACTION_RESTART);
	assert_int_equal(config->on_fault, UNI_ACTION_REBOOT);
	assert_int_equal(config->log_level, 3);
	assert_int_equal(config->grace_ms, 1500);
	assert_int_equal(config->runtime_count, 3);
	assert_int_equal(config->runtime[0], UNI_CONFIG_ARG);
	assert_int_equal(config->runtime[1], UNI_CONFIG_NETWORK);
	assert_int_equal(config->runtime[2], UNI_CONFIG_LIMIT);
	assert_int_equal(recipe->machine.memory, 64 << 20);
	assert_int_equal(recipe->machine.processors, 2);
}

static void mounts_are_read(void **state)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(full, NULL);
	const struct uni_recipe_volume *v = recipe->volumes;

	(void)state;
	assert_int_equal(recipe->file_count, 2);
	assert_string_equal(recipe->files[0].path, "/bin/tool");
	assert_int_equal(recipe->files[0].mode, 0755);
	assert_string_equal(recipe->files[0].source.path, "server");
	assert_string_equal(recipe->files[1].text, "hi\n");
	assert_int_equal(recipe->files[1].mode, 0644);
	assert_int_equal(recipe->volume_count, 2);
	assert_int_equal(v->format, UNI_FS_SQUASHFS);
	assert_true(v->source.folder);
	assert_int_equal(v->compression, UNI_COMPRESSION_GZIP);
	assert_int_equal(v->level, 9);
	assert_int_equal(v->block_size, 1 << 20);
	assert_int_equal(v->modes, UNI_MODES_FIXED);
	assert_int_equal(v->mode, 0444);
	assert_int_equal(v->size, 8 << 20);
	assert_int_equal(v->epoch, 7);
	assert_false(v->verity);
	assert_int_equal(v[1].format, UNI_FS_TMPFS);
	assert_int_equal(v[1].size, 4 << 20);
	assert_int_equal(recipe->output_count, 2);
	assert_string_equal(recipe->outputs[0].format, "elf");
	assert_int_equal(recipe->outputs[1].size, 16 << 20);
}

static void variant_is_merged(void **state)
{
	struct uni_recipe_options options = { .variant = "small" };
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(full, &options);

	(void)state;
	assert_string_equal(recipe->variant, "small");
	assert_int_equal(recipe->app.args.count, 0);
	assert_int_equal(recipe->app.env_count, 3);
	assert_string_equal(recipe->app.env[1].name, "NEW");
	assert_string_equal(recipe->app.env[2].value, "2");
	assert_int_equal(recipe->machine.memory, 32 << 20);
	assert_int_equal(recipe->machine.processors, 2);
	assert_int_equal(recipe->volume_count, 3);
	assert_int_equal(recipe->volumes[0].level, 1);
	assert_int_equal(recipe->volumes[0].compression, UNI_COMPRESSION_GZIP);
	assert_string_equal(recipe->volumes[2].name, "more");
	assert_int_equal(recipe->file_count, 2);
	assert_string_equal(recipe->files[1].text, "small\n");
}

static void defaults_are_filled_in(void **state)
{
	static const char text[] = "image.name = \"a\"\nimage.epoch = 5\napp.program = \"server\"\n"
				   "[[volume]]\nname = \"v\"\nmount = \"/v\"\nsource = \"www\"\n"
				   "[config.hosts]\nweb = \"10.0.0.3\"\ndb = \"10.0.0.2\"\n";
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(text, NULL);

	(void)state;
	assert_string_equal(recipe->image.version, "0.0.0");
	assert_string_equal(recipe->base.name, "unibase");
	assert_null(recipe->base.range);
	assert_string_equal(recipe->config.hostname, "a");
	assert_int_equal(recipe->config.hosts.count, 2);
	assert_string_equal(recipe->config.hosts.items[0].text, "10.0.0.2 db");
	assert_int_equal(recipe->config.networks.count, 0);
	assert_int_equal(recipe->config.log_level, 1);
	assert_int_equal(recipe->config.grace_ms, 10000);
	assert_int_equal(recipe->config.on_exit, UNI_ACTION_OFF);
	assert_int_equal(recipe->machine.memory, 128 << 20);
	assert_int_equal(recipe->machine.processors, 1);
	assert_int_equal(recipe->volumes[0].compression, UNI_COMPRESSION_ZSTD);
	assert_int_equal(recipe->volumes[0].level, 0);
	assert_int_equal(recipe->volumes[0].block_size, 131072);
	assert_int_equal(recipe->volumes[0].modes, UNI_MODES_NORMAL);
	assert_int_equal(recipe->volumes[0].epoch, 5);
	assert_true(recipe->volumes[0].verity);
	assert_string_equal(recipe->app.cwd, "/");
	assert_int_equal(recipe->ca.kind, UNI_INPUT_NONE);
	assert_int_equal(recipe->output_count, 2);
	assert_string_equal(recipe->outputs[0].format, "raw");
}

static void outside_when_allowed(void **state)
{
	static const char text[] = "image.name = \"a\"\napp.program = \"/bin/sh\"\n"
				   "[[volume]]\nname = \"v\"\nmount = \"/v\"\nsource = \"out\"\n";
	struct uni_recipe_options options = { .allow_outside = true };
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(text, &options);

	(void)state;
	assert_string_equal(recipe->app.program.path, "/bin/sh");
	assert_true(recipe->volumes[0].source.folder);
}

static void error_has_place(void **state)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(full, NULL);
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	assert_int_equal(uni_recipe_error(recipe, recipe->volumes[0].source.pos, UNI_E_LIMIT, &err,
					  "volume \"%s\": too large", recipe->volumes[0].name),
			 UNI_E_LIMIT);
	assert_string_equal(err.text, "site.toml:48:10: volume \"content\": too large");
}

static void first_error_is_told(void **state)
{
	static const char text[] = "[image]\nnaem = \"a\"\n";
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe;

	(void)state;
	assert_int_equal(
		uni_recipe_parse(&recipe, "dir/r.toml", text, strlen(text), NULL, &diags, &err),
		UNI_E_INVAL);
	assert_null(recipe);
	assert_string_equal(err.text, "dir/r.toml:1:1: [app] is missing (and 2 more)");
}

static void what_is_sound_can_be_had_alone(void **state)
{
	static const char text[] =
		"[image]\nnaem = \"a\"\n[app]\nobjects = [\"a.o\", \"none.o\"]\n"
		"[[volume]]\nname = \"a\"\nmount = \"/a\"\nsource = \"www\"\n"
		"[[volume]]\nname = \"b\"\nmount = \"/b\"\nsource = \"none\"\n"
		"[[volume]]\nname = \"c\"\nsource = \"www\"\n"
		"[[volume]]\nname = \"d\"\nmount = \"/d\"\nsource = \"www\"\nsize = true\n"
		"[[file]]\npath = \"/x\"\n"
		"[[file]]\npath = \"/y\"\ntext = \"y\"\n";
	static const char *const left_out[] = { "/x", "/b", "/", "/d" };
	const struct uni_recipe_options options = { .partial = true };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;

	(void)state;
	assert_int_equal(
		uni_recipe_parse(&recipe, "r.toml", text, strlen(text), &options, &diags, &err),
		UNI_E_INVAL);
	assert_non_null(recipe);
	assert_string_equal(recipe->image.name, "image");
	assert_int_equal(recipe->app.objects.count, 1);
	assert_string_equal(recipe->app.objects.items[0].text, "a.o");
	assert_int_equal(recipe->file_count, 1);
	assert_string_equal(recipe->files[0].path, "/y");
	assert_int_equal(recipe->volume_count, 1);
	assert_string_equal(recipe->volumes[0].name, "a");
	assert_int_equal(recipe->left_out.count, UNI_COUNT(left_out));
	for (size_t i = 0; i < UNI_COUNT(left_out); i++)
		assert_string_equal(recipe->left_out.items[i].text, left_out[i]);
}

static void warnings_do_not_refuse(void **state)
{
	static const char text[] = "image.name = \"a\"\napp.program = \"server\"\n"
				   "[output]\nformats = [\"elf\"]\nraw.size = \"1M\"\n";
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf findings UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;

	(void)state;
	assert_int_equal(
		uni_recipe_parse(&recipe, "r.toml", text, strlen(text), NULL, &diags, &err), 0);
	unit_findings(&diags, &findings);
	assert_string_equal(uni_buf_text(&findings),
			    "r.toml:5:1: warning: [output.raw]: \"raw\" is "
			    "not among the formats to write\n");
	assert_int_equal(diags.errors, 0);
}

static void files_are_loaded(void **state)
{
	static const char text[] = "image.name = \"a\"\napp.program = \"index.html\"\n"
				   "[variant.b]\n[variant.a]\n";
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = NULL;

	(void)state;
	assert_int_equal(uni_recipe_load(&recipe, "www/site.toml", NULL, &diags, &err),
			 UNI_E_NOENT);
	assert_int_equal(diags.count, 0);
	assert_non_null(strstr(err.text, "www/site.toml"));
	assert_int_equal(uni_file_write("www/site.toml", text, strlen(text), 0644, &err), 0);
	assert_int_equal(uni_recipe_load(&recipe, "www/site.toml", NULL, &diags, &err), 0);
	assert_string_equal(recipe->dir, "www");
	assert_string_equal(recipe->app.program.path, "www/index.html");
}

static int enter(void **state)
{
	(void)state;
	unit_enter_tree();
	return 0;
}

static int leave(void **state)
{
	(void)state;
	unit_leave_tree();
	return 0;
}

static const char tests[] = "[image]\n"
			    "name = \"site\"\n"
			    "[app]\n"
			    "program = \"app\"\n"
			    "[config]\n"
			    "network = \"dhcp\"\n"
			    "runtime = [\"args\"]\n"
			    "[machine]\n"
			    "memory = \"64M\"\n"
			    "[[test]]\n"
			    "name = \"plain\"\n"
			    "exit-status = 0\n"
			    "[[test]]\n"
			    "name = \"full\"\n"
			    "args = []\n"
			    "timeout = \"90s\"\n"
			    "memory-at-most = \"9M\"\n"
			    "boot-at-most = 1.5\n"
			    "stop = true\n"
			    "expect-console = [\"up\", { regex = \"^[a-z]{2}$\" }]\n"
			    "[[test.dns]]\n"
			    "name = \"a.example\"\n"
			    "code = \"nxdomain\"\n"
			    "[[test.http]]\n"
			    "path = \"/x?y\"\n"
			    "headers = { B = \"2\", A = \"1\" }\n"
			    "expect-headers = { etag = { equals = \"e\" } }\n"
			    "expect = { regex = \"old\" }\n"
			    "[[test.tcp]]\n"
			    "port = 7\n"
			    "expect = \"hi\"\n"
			    "[test.load]\n"
			    "requests-per-second = 100\n"
			    "[[variant.v.test]]\n"
			    "name = \"full\"\n"
			    "stop = false\n"
			    "exit-status = 3\n"
			    "[[variant.v.test.http]]\n"
			    "expect = { contains = \"new\" }\n";

static void check_full_test(const struct uni_recipe_test *test)
{
	assert_string_equal(test->name, "full");
	assert_true(test->has_args);
	assert_int_equal(test->args.count, 0);
	assert_int_equal(test->timeout_ms, 90000);
	assert_int_equal(test->memory, 64 << 20);
	assert_int_equal(test->memory_at_most, 9 << 20);
	assert_true(test->boot_at_most > 1.4 && test->boot_at_most < 1.6);
	assert_int_equal(test->console_count, 2);
	assert_int_equal(test->console[0].kind, UNI_MATCH_CONTAINS);
	assert_int_equal(test->console[1].kind, UNI_MATCH_REGEX);
	assert_string_equal(test->console[1].text, "^[a-z]{2}$");
	assert_int_equal(test->step_count, 3);
	assert_string_equal(test->load.target, "/");
	assert_int_equal(test->load.rate, 100);
	assert_int_equal(test->load.seconds, 5);
}

static void tests_are_read(void **state)
{
	struct uni_recipe_options options = { .no_files = true };
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(tests, &options);
	const struct uni_recipe_step *steps = recipe->tests[1].steps;

	(void)state;
	assert_int_equal(recipe->test_count, 2);
	assert_string_equal(recipe->tests[0].name, "plain");
	assert_false(recipe->tests[0].has_args);
	assert_int_equal(recipe->tests[0].timeout_ms, 60000);
	assert_null(recipe->tests[0].load.target);
	check_full_test(&recipe->tests[1]);
	assert_true(recipe->tests[1].stop);
	/* In the recipe's order, whatever their kind. */
	assert_int_equal(steps[0].kind, UNI_STEP_DNS);
	assert_int_equal(steps[0].port, 53);
	assert_int_equal(steps[0].code, 3);
	assert_int_equal(steps[1].kind, UNI_STEP_HTTP);
	assert_string_equal(steps[1].target, "/x?y");
	assert_string_equal(steps[1].headers[0].name, "A");
	assert_int_equal(steps[1].expect_headers[0].match.kind, UNI_MATCH_EQUALS);
	assert_int_equal(steps[1].status, 200);
	assert_string_equal(steps[1].expect.text, "old");
	assert_int_equal(steps[2].kind, UNI_STEP_TCP);
	assert_int_equal(steps[2].port, 7);
}

/* A test by its name; its steps, which have none, as a whole. */
static void tests_are_merged(void **state)
{
	struct uni_recipe_options options = { .no_files = true, .variant = "v" };
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(tests, &options);
	const struct uni_recipe_test *test = &recipe->tests[1];

	(void)state;
	assert_int_equal(recipe->test_count, 2);
	check_full_test(test);
	assert_false(test->stop);
	assert_int_equal(test->exit_status, 3);
	for (size_t i = 0; i < test->step_count; i++)
		if (test->steps[i].kind == UNI_STEP_HTTP) {
			assert_string_equal(test->steps[i].target, "/");
			assert_int_equal(test->steps[i].expect.kind, UNI_MATCH_CONTAINS);
			assert_string_equal(test->steps[i].expect.text, "new");
		}
}

int unit_model(void)
{
	const struct CMUnitTest units[] = {
		cmocka_unit_test(app_is_read),
		cmocka_unit_test(config_is_read),
		cmocka_unit_test(mounts_are_read),
		cmocka_unit_test(variant_is_merged),
		cmocka_unit_test(tests_are_read),
		cmocka_unit_test(tests_are_merged),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(outside_when_allowed),
		cmocka_unit_test(warnings_do_not_refuse),
		cmocka_unit_test(files_are_loaded),
		cmocka_unit_test(error_has_place),
		cmocka_unit_test(first_error_is_told),
		cmocka_unit_test(what_is_sound_can_be_had_alone),
	};

	return cmocka_run_group_tests_name("model", units, enter, leave);
}
