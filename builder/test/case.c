/*
 * One test from the machine's start to its end.
 */
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/kernel/config.h>

#include "run.h"

#define MS UINT64_C(1000000)
#define STARTS_MAX 3
#define STOP_SLACK_MS 5000 /* for the machine to go off behind the program's grace */

int test_fail(const struct test_run *run, const char *what, const char *expected, const char *came,
	      struct uni_err *err)
{
	struct uni_test_result *result = run->of->result;

	result->what = uni_strdup(what);
	result->expected = uni_strdup(expected);
	result->came = uni_strdup(came != NULL ? came : "");
	return uni_err_set(err, UNI_E_DIFFERS, "%s", what);
}

int test_fail_late(const struct test_run *run, const char *what, const char *expected,
		   const char *came, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	uni_buf_printf(&text, "nothing like it within %.1f s",
		       (double)run->of->test->timeout_ms / 1000);
	if (came != NULL && came[0] != '\0')
		uni_buf_printf(&text, "; instead:\n%s", came);
	return test_fail(run, what, expected, text.data, err);
}

/* "the machine ended with status 1: ..." */
static void describe_end(const struct uni_vm_result *end, struct uni_buf *out)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	int status = uni_vm_status(end, &why);

	uni_buf_printf(out, "the machine ended with status %d%s%s", status,
		       why.size != 0 ? ": " : "", uni_buf_text(&why));
}

int test_fail_ended(struct test_run *run, const char *what, const char *expected,
		    struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct uni_vm_result end;

	if (uni_machine_wait(run->machine, STOP_SLACK_MS, &end, err) != 0)
		return err->code;
	describe_end(&end, &text);
	return test_fail(run, what, expected, text.data, err);
}

/* -- start -- */

struct test_port *test_run_port(struct test_run *run, uint16_t guest, bool udp)
{
	for (size_t i = 0; i < run->port_count; i++)
		if (run->ports[i].forward.guest == guest && run->ports[i].forward.udp == udp)
			return &run->ports[i];
	return NULL;
}

static int add_port(struct test_run *run, uint16_t guest, bool udp, struct uni_err *err)
{
	struct test_port *port = &run->ports[run->port_count];

	if (test_run_port(run, guest, udp) != NULL)
		return 0;
	port->forward.guest = guest;
	port->forward.udp = udp;
	port->hold = -1;
	if (uni_vm_forward_reserve(&port->forward, &port->hold, err) != 0)
		return err->code;
	run->port_count++;
	return 0;
}

static int reserve_ports(struct test_run *run, struct uni_err *err)
{
	const struct uni_recipe_test *test = run->of->test;

	run->ports = uni_alloc_array(test->step_count + 1, sizeof(*run->ports));
	run->forwards = uni_alloc_array(test->step_count + 1, sizeof(*run->forwards));
	for (size_t i = 0; i < test->step_count; i++) {
		const struct uni_recipe_step *step = &test->steps[i];
		bool udp = step->kind == UNI_STEP_UDP || step->kind == UNI_STEP_DNS;

		if (add_port(run, step->port, udp, err) != 0)
			return err->code;
	}
	if (test->load.target != NULL && add_port(run, test->load.port, false, err) != 0)
		return err->code;
	for (size_t i = 0; i < run->port_count; i++) {
		run->forwards[i] = run->ports[i].forward;
		if (run->ports[i].forward.udp)
			uni_close_fd(&run->ports[i].hold);
	}
	return 0;
}

static void release_ports(struct test_run *run)
{
	for (size_t i = 0; i < run->port_count; i++)
		uni_close_fd(&run->ports[i].hold);
	run->port_count = 0;
	free(run->ports);
	free(run->forwards);
	run->ports = NULL;
	run->forwards = NULL;
}

static void add_env(struct uni_strv *list, const struct uni_recipe_env *env, size_t count,
		    const struct uni_recipe_env *over, size_t over_count)
{
	for (size_t i = 0; i < count; i++) {
		bool replaced = false;

		for (size_t k = 0; k < over_count; k++)
			replaced |= uni_str_eq(env[i].name, over[k].name);
		if (!replaced)
			uni_strv_addf(list, "%s=%s", env[i].name, env[i].value);
	}
}

/* What the test gives at start; `*path` stays NULL when that is nothing. */
static int write_config(const struct test_run *run, char **path, struct uni_err *err)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *config = uni_boot_config_new();
	UNI_AUTO_BUF struct uni_buf record = UNI_BUF_INIT;
	const struct uni_recipe *recipe = run->of->image->recipe;
	const struct uni_recipe_test *test = run->of->test;

	if (!test->has_args && test->env_count == 0)
		return 0;
	if (test->has_args)
		uni_strv_add(&config->args, uni_recipe_argv0(recipe));
	for (size_t i = 0; i < test->args.count; i++)
		uni_strv_add(&config->args, test->args.items[i].text);
	if (test->env_count != 0)
		add_env(&config->env, recipe->app.env, recipe->app.env_count, test->env,
			test->env_count);
	add_env(&config->env, test->env, test->env_count, NULL, 0);
	if (uni_boot_config_encode_runtime(config, &record, err) != 0)
		return err->code;
	*path = uni_path_join(run->dir, "config");
	return uni_file_write(*path, record.data, record.size, 0600, err);
}

static int make_memory(struct test_run *run, struct uni_err *err)
{
	if (run->of->test->memory_at_most == 0 || test_case_has_uefi(run->of))
		return 0;
	if (uni_dir_tmp("/dev/shm", &run->memory_dir, err) != 0)
		return uni_err_context(err, "what a machine touches is measured on a tmpfs");
	run->memory_file = uni_path_join(run->memory_dir, "memory");
	return 0;
}

static int make_folders(struct test_run *run, struct uni_err *err)
{
	if (uni_dir_tmp(NULL, &run->dir, err) != 0)
		return uni_err_context(err, "folder for the machine");
	return make_memory(run, err);
}

bool test_case_has_uefi(const struct test_case *of)
{
	return uni_str_eq(of->result->firmware, "uefi");
}

struct uni_vm_spec test_case_machine(const struct test_case *of)
{
	const struct uni_test_disk *disk =
		of->disk != NULL || of->image->disk_count == 0 ? of->disk : &of->image->disks[0];
	bool uefi = test_case_has_uefi(of);

	return (struct uni_vm_spec){
		.emulator = of->options->emulator,
		.accel = of->options->accel,
		.machine = of->result->machine,
		.memory = uefi && of->test->memory < UNI_VM_UEFI_LEAST ? UNI_VM_UEFI_LEAST
								       : of->test->memory,
		.processors = of->test->processors,
		.firmware = of->result->firmware,
		.disk = disk != NULL ? disk->path : NULL,
		.disk_driver = disk != NULL ? uni_vm_disk_driver(disk->format) : NULL,
		.kernel = of->disk == NULL ? of->image->kernel : NULL,
	};
}

static int try_start(struct test_run *run, struct uni_err *err)
{
	const struct test_case *of = run->of;
	UNI_AUTO_FREE char *config = NULL, *console = uni_path_join(run->dir, "console.log");
	struct uni_vm_spec spec = test_case_machine(of);
	const struct uni_recipe_texts *networks = &of->image->recipe->config.networks;

	if (write_config(run, &config, err) != 0 || reserve_ports(run, err) != 0)
		return err->code;
	spec.memory_file = run->memory_file;
	spec.config = config;
	spec.writable = (const char *const *)run->disks.items;
	spec.forwards = run->forwards;
	spec.forward_count = run->port_count;
	if (run->port_count != 0 ||
	    (networks->count != 0 && !uni_str_eq(networks->items[0].text, "none")))
		spec.network = UNI_VM_NETWORK_USER;
	run->start_ns = uni_clock_mono_ns();
	run->limit_ns = run->start_ns + of->test->timeout_ms * MS;
	if (uni_machine_start(&run->machine, &spec, run->dir, err) != 0)
		return err->code;
	for (size_t i = 0; i < run->port_count; i++)
		uni_close_fd(&run->ports[i].hold);
	return test_console_open(&run->console, console, err);
}

/* What a machine's control socket leaves. */
static void remove_control(const struct test_run *run)
{
	UNI_AUTO_FREE char *control = uni_path_join(run->dir, "control");
	struct uni_err ignored = UNI_ERR_INIT;

	(void)uni_dir_remove(control, &ignored);
	(void)unlink(control);
}

/* In folders that are there. */
static int start(struct test_run *run, struct uni_err *err)
{
	run->console = (struct test_console){ .file = -1, .changes = -1 };
	/* A port may have been taken between finding and using it. */
	for (int i = 0; i < STARTS_MAX; i++) {
		uni_err_clear(err);
		if (try_start(run, err) == 0)
			return 0;
		if (run->port_count == 0 || run->machine != NULL ||
		    (err->code != UNI_E_BUSY && err->code != UNI_E_PROCESS))
			return err->code;
		release_ports(run);
		remove_control(run);
	}
	return err->code;
}

int test_run_start(struct test_run *run, const struct test_case *of, struct uni_err *err)
{
	memset(run, 0, sizeof(*run));
	run->of = of;
	run->console.file = run->console.changes = -1;
	if (make_folders(run, err) != 0 || test_volumes_copy(run, err) != 0)
		return err->code;
	return start(run, err);
}

static void end_folder(char **dir, bool keep)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (*dir != NULL && !keep)
		(void)uni_dir_remove(*dir, &ignored);
	if (*dir != NULL)
		uni_tmp_forget(*dir);
	free(*dir);
	*dir = NULL;
}

static void end_machine(struct test_run *run)
{
	test_console_close(&run->console);
	uni_machine_free(run->machine);
	run->machine = NULL;
	release_ports(run);
	end_folder(&run->memory_dir, false);
	free(run->memory_file);
	run->memory_file = NULL;
}

void test_run_end(struct test_run *run, bool keep)
{
	end_machine(run);
	end_folder(&run->dir, keep);
	uni_strv_free(&run->disks);
}

int test_run_next(struct test_run *run, const struct test_case *of, struct uni_err *err)
{
	end_machine(run);
	remove_control(run);
	run->of = of;
	return make_memory(run, err) != 0 ? err->code : start(run, err);
}

/* -- what is expected -- */

static int take_step(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err)
{
	switch (step->kind) {
	case UNI_STEP_HTTP:
		return test_http(run, step, err);
	case UNI_STEP_TCP:
		return test_tcp(run, step, err);
	case UNI_STEP_UDP:
		return test_udp(run, step, err);
	case UNI_STEP_DNS:
		return test_dns(run, step, err);
	}
	return uni_err_set(err, UNI_E_INVAL, "unknown step");
}

/* Waits for the end that should come by itself. */
static int expect_status(struct test_run *run, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf expected = UNI_BUF_INIT, came = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	int waited = test_wait(run, -1, 0, run->limit_ns, err);
	struct uni_vm_result end;

	if (waited < 0)
		return waited;
	uni_buf_printf(&expected, "the program ends with status %d", run->of->test->exit_status);
	if (waited == TEST_LATE)
		return test_fail(run, "exit status", expected.data, "it still runs", err);
	if (uni_machine_wait(run->machine, STOP_SLACK_MS, &end, err) != 0)
		return err->code;
	if (uni_vm_status(&end, &why) == run->of->test->exit_status)
		return 0;
	describe_end(&end, &came);
	return test_fail(run, "exit status", expected.data, came.data, err);
}

static int expect_stop(struct test_run *run, struct uni_err *err)
{
	static const char expected[] = "the power button ends the program within its grace, with "
				       "status 0";
	uint64_t grace_ms = run->of->image->recipe->config.grace_ms;
	UNI_AUTO_BUF struct uni_buf came = UNI_BUF_INIT;
	struct uni_vm_result end;
	int waited;

	if (test_ended(run))
		return test_fail_ended(run, "stop", expected, err);
	if (uni_machine_press(run->machine, err) != 0)
		return uni_err_context(err, "power button");
	waited = test_wait(run, -1, 0, uni_clock_mono_ns() + (grace_ms + STOP_SLACK_MS) * MS, err);
	if (waited < 0)
		return waited;
	if (waited == TEST_LATE)
		return test_fail(run, "stop", expected, "it still runs", err);
	if (uni_machine_wait(run->machine, STOP_SLACK_MS, &end, err) != 0)
		return err->code;
	if (end.has_record && end.record.kind == UNI_EXIT_POWER && end.record.status == 0 &&
	    strstr(end.record.text, "grace") == NULL)
		return 0;
	describe_end(&end, &came);
	if (end.has_record && end.record.kind == UNI_EXIT_POWER && end.record.status != 0)
		uni_buf_printf(&came, " (its program with %d)", end.record.status);
	if (end.has_record && end.record.text[0] != '\0')
		uni_buf_printf(&came, " (%s)", end.record.text);
	return test_fail(run, "stop", expected, came.data, err);
}

/* A machine that was not asked to end may do so, but not in trouble. */
static int expect_no_trouble(struct test_run *run, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	struct uni_vm_result end;

	if (!test_ended(run))
		return 0;
	if (uni_machine_wait(run->machine, STOP_SLACK_MS, &end, err) != 0)
		return err->code;
	if (uni_vm_status(&end, &why) == 0)
		return 0;
	return test_fail_ended(run, "end", "it runs still, or its program has ended with status 0",
			       err);
}

static int expect_memory(struct test_run *run, struct uni_err *err)
{
	uint64_t most = run->memory_file != NULL ? run->of->test->memory_at_most : 0;
	UNI_AUTO_FREE char *expected = NULL, *came = NULL;
	struct stat st;

	if (most == 0)
		return 0;
	if (stat(run->memory_file, &st) != 0)
		return uni_err_errno(err, "%s", run->memory_file);
	run->of->result->memory = (uint64_t)st.st_blocks * 512;
	if (run->of->result->memory <= most)
		return 0;
	expected = uni_asprintf("the machine touches at most %llu KiB of its memory",
				(unsigned long long)(most / 1024));
	came = uni_asprintf("it touched %llu KiB",
			    (unsigned long long)(run->of->result->memory / 1024));
	return test_fail(run, "memory", expected, came, err);
}

/* What is ready need not be asked again and again. */
static int expect_ready(struct test_run *run, struct uni_err *err)
{
	for (size_t i = 0; i < run->port_count; i++)
		run->ports[i].answered = !run->ports[i].forward.udp;
	return test_console_expect(run, &run->of->test->ready, 1, err);
}

static int expect_all(struct test_run *run, struct uni_err *err)
{
	const struct uni_recipe_test *test = run->of->test;
	int status = 0;

	if (test->ready.kind != UNI_MATCH_NONE)
		status = expect_ready(run, err);
	for (size_t i = 0; status == 0 && i < test->step_count; i++)
		status = take_step(run, &test->steps[i], err);
	if (status == 0)
		status = test_console_expect(run, test->console, test->console_count, err);
	if (status == 0 && test->load.target != NULL)
		status = test_load(run, &test->load, err);
	if (status != 0)
		return status;
	status = test->has_exit_status ? expect_status(run, err)
		 : test->stop	       ? expect_stop(run, err)
				       : expect_no_trouble(run, err);
	if (status == 0)
		status = expect_memory(run, err);
	return status == 0 && test->file_count != 0 ? test_volumes(run, err) : status;
}

static const struct uni_recipe_test *find_test(const struct uni_recipe *recipe, const char *name)
{
	for (size_t i = 0; i < recipe->test_count; i++)
		if (uni_str_eq(recipe->tests[i].name, name))
			return &recipe->tests[i];
	return NULL;
}

/* The tests before it, from the first; the recipe's reader has seen that there is a first. Their
 * failure is this one's. */
static int run_before(struct test_run *run, const struct test_case *of, struct uni_err *err)
{
	const struct uni_recipe_test *test = find_test(of->image->recipe, of->test->after);
	struct test_case before = *of;
	char *what = NULL;
	int status;

	if (test == NULL)
		return uni_err_set(err, UNI_E_NOENT, "there is no test \"%s\"", of->test->after);
	before.test = test;
	if (test->after != NULL)
		status = run_before(run, &before, err);
	else
		status = test_run_start(run, &before, err);
	if (status == 0 && test->after != NULL)
		status = test_run_next(run, &before, err);
	if (status == 0)
		status = expect_all(run, err);
	if (status == UNI_E_DIFFERS) {
		what = uni_asprintf("before it, %s: %s", test->name, of->result->what);
		free(of->result->what);
		of->result->what = what;
	}
	return status;
}

static int run_all(struct test_run *run, const struct test_case *of, struct uni_err *err)
{
	int status =
		of->test->after != NULL ? run_before(run, of, err) : test_run_start(run, of, err);

	if (status == 0 && of->test->after != NULL)
		status = test_run_next(run, of, err);
	run->of = of;
	return status == 0 ? expect_all(run, err) : status;
}

static void take_console(struct test_run *run)
{
	struct uni_test_result *result = run->of->result;
	UNI_AUTO_FREE char *path = uni_path_join(run->dir, "console.log");

	result->console = test_console_tail(path);
	if (run->of->options->keep)
		result->folder = uni_strdup(run->dir);
}

void test_case_run(struct test_case *of, pthread_rwlock_t *quiet)
{
	struct uni_test_result *result = of->result;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t start = uni_clock_mono_ns();
	struct test_run run;
	int status = 0;

	/* Time is measured while nothing else of ours runs; UEFI's own is many times the image's.
	 */
	if (of->test->boot_at_most != 0 && !test_case_has_uefi(of)) {
		pthread_rwlock_wrlock(quiet);
		status = test_boot(of, &err);
		pthread_rwlock_unlock(quiet);
	}
	pthread_rwlock_rdlock(quiet);
	if (status == 0) {
		status = run_all(&run, of, &err);
		if (run.dir != NULL)
			take_console(&run);
		test_run_end(&run, of->options->keep);
	}
	pthread_rwlock_unlock(quiet);
	result->ns = uni_clock_mono_ns() - start;
	result->outcome = status == 0		    ? UNI_TEST_PASSED
			  : status == UNI_E_DIFFERS ? UNI_TEST_FAILED
						    : UNI_TEST_UNKNOWN;
	if (result->console == NULL)
		result->console = uni_strdup("");
	if (result->outcome == UNI_TEST_UNKNOWN) {
		result->what = uni_strdup("it could not be told");
		result->came = uni_strdup(err.text);
	}
}
