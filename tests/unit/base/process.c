/*
 * Processes: what a child sees, how it ends, and that it ends with us.
 */
#include "unit.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <unistd.h>

#define LIMIT 65536

static int run(struct uni_buf *out, struct uni_buf *errors, struct uni_err *err, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	return uni_process_run(argv, "/", out, errors, LIMIT, err);
}

static void run_collects(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf errors UNI_AUTO_BUF = UNI_BUF_INIT;
	assert_int_equal(run(&out, &errors, &err, "pwd; echo no >&2; read x || echo eof"), 0);
	assert_string_equal(uni_buf_text(&out), "/\neof\n");
	assert_string_equal(uni_buf_text(&errors), "no\n");
	uni_buf_clear(&out);
	/* More than a pipe holds, on both, and more than the limit. */
	assert_int_equal(
		run(&out, &errors, &err, "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero"),
		0);
	assert_int_equal(out.size, LIMIT);
	assert_int_equal(errors.size, LIMIT);
	assert_int_equal(run(NULL, NULL, &err, "echo dropped"), 0);
}

static void run_reports_failure(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	assert_int_equal(run(NULL, NULL, &err, "seq 1 20 >&2; exit 3"), UNI_E_PROCESS);
	assert_string_equal(err.text, "sh ended with status 3:\n13\n14\n15\n16\n17\n18\n19\n20");
	assert_int_equal(run(NULL, NULL, &err, "exit 4"), UNI_E_PROCESS);
	assert_string_equal(err.text, "sh ended with status 4");
	assert_int_equal(run(NULL, NULL, &err, "kill -TERM $$"), UNI_E_PROCESS);
	assert_string_equal(err.text, "sh was ended by signal 15 (TERM)");
	assert_int_equal(run(NULL, NULL, &err, "exit 255"), UNI_E_PROCESS);
	assert_string_equal(err.text, "sh ended with status 255");
	static const char *const none[] = { "no-such-program-here", NULL };
	assert_int_equal(uni_process_run(none, NULL, NULL, NULL, 0, &err), UNI_E_MISSING_TOOL);
	static const char *const absent[] = { "/no/such/program", NULL };
	assert_int_equal(uni_process_run(absent, NULL, NULL, NULL, 0, &err), UNI_E_MISSING_TOOL);
	static const char *const folder[] = { "/etc", NULL };
	assert_int_equal(uni_process_run(folder, NULL, NULL, NULL, 0, &err), UNI_E_DENIED);
	static const char *const fine[] = { "true", NULL };
	assert_int_equal(uni_process_run(fine, "/no/such/folder", NULL, NULL, 0, &err),
			 UNI_E_NOENT);
}

/* As one has it who was started by a program that lets its children go. */
static void ignored_ends_are_learned(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run(NULL, NULL, &err, "exit 3"), UNI_E_PROCESS);
	signal(SIGCHLD, SIG_DFL);
	assert_string_equal(err.text, "sh ended with status 3");
}

static void grandchild_does_not_hold_us(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	assert_int_equal(run(&out, NULL, &err, "sleep 1000 & echo $!"), 0);
	uint64_t pid = 0;
	out.data[out.size - 1] = '\0';
	assert_true(uni_str_u64(out.data, &pid) && pid > 1);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

static void child_sees_a_fixed_environment(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	setenv("UNIT_SECRET", "1", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("SOURCE_DATE_EPOCH", "1", 1);
	setenv("HOME", "/h", 1);
	unsetenv("TMPDIR");
	static const char *const env[] = { "env", NULL };
	assert_int_equal(uni_process_run(env, NULL, &out, NULL, LIMIT, &err), 0);
	char *wanted UNI_AUTO_FREE =
		uni_asprintf("PATH=%s\nHOME=/h\nLC_ALL=C\nTZ=UTC\n", getenv("PATH"));
	assert_string_equal(uni_buf_text(&out), wanted);
}

/* Runs a spec, its standard output in a file of the test's folder. */
static int run_spec(void **state, struct uni_process_spec *spec, struct uni_buf *out, int *status)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_process *process UNI_AUTO(uni_process) = NULL;
	const char *path = unit_path(state, "out");
	spec->stdout_fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	int rc = uni_process_start(&process, spec, &err);
	close(spec->stdout_fd);
	if (rc == 0)
		rc = uni_process_wait(process, -1, status, &err);
	return rc != 0 ? rc : uni_file_read(path, LIMIT, out, &err);
}

static void environment_can_be_added_to(void **state)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	static const char *const argv[] = { "sh", "-c", "echo $UNIT_SECRET $LC_ALL $TZ", NULL };
	static const char *const env[] = { "TZ=CET", NULL };
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	int status = -1;
	setenv("UNIT_SECRET", "1", 1);
	spec.argv = argv;
	spec.env = env;
	spec.inherit_env = true;
	assert_int_equal(run_spec(state, &spec, &out, &status), 0);
	assert_string_equal(uni_buf_text(&out), "1 C CET\n");
}

static void child_has_three_descriptors_and_no_signals_off(void **state)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	static const char *const argv[] = {
		"sh", "-c", "ls /proc/self/fd; grep -E 'SigBlk|SigIgn' /proc/self/status", NULL
	};
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	int status = -1;
	sigset_t some;
	sigset_t before;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_BLOCK, &some, &before);
	signal(SIGPIPE, SIG_IGN);
	int careless = open("/dev/null", O_RDONLY); /* as a library might, without O_CLOEXEC */
	spec.argv = argv;
	assert_int_equal(run_spec(state, &spec, &out, &status), 0);
	close(careless);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	/* 3 is ls's own view of the folder. */
	assert_string_equal(uni_buf_text(&out), "0\n1\n2\n3\nSigBlk:\t0000000000000000\n"
						"SigIgn:\t0000000000000000\n");
}

static void streams_may_cross(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	static const char *const argv[] = { "sh", "-c", "echo out; echo err >&2", NULL };
	const char *path = unit_path(state, "crossed");
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	struct uni_process *process UNI_AUTO(uni_process) = NULL;
	int status = -1;
	int kept[2] = { dup(0), dup(2) };
	int file = open(path, O_CREAT | O_RDWR | O_APPEND, 0600);
	dup2(file, 0);
	dup2(file, 2);
	spec.argv = argv;
	spec.stdout_fd = 2; /* each is where another one goes */
	spec.stderr_fd = 0;
	int rc = uni_process_start(&process, &spec, &err);
	dup2(kept[0], 0);
	dup2(kept[1], 2);
	close(kept[0]);
	close(kept[1]);
	close(file);
	assert_int_equal(rc, 0);
	assert_int_equal(uni_process_wait(process, -1, &status, &err), 0);
	assert_int_equal(uni_file_read(path, LIMIT, &out, &err), 0);
	assert_string_equal(uni_buf_text(&out), "out\nerr\n");
}

static void wait_times_out(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	struct uni_process *process UNI_AUTO(uni_process) = NULL;
	int status = -1;
	spec.argv = argv;
	assert_int_equal(uni_process_start(&process, &spec, &err), 0);
	assert_int_equal(uni_process_wait(process, 0, &status, &err), UNI_E_TIMEOUT);
	assert_int_equal(uni_process_wait(process, 20, &status, &err), UNI_E_TIMEOUT);
	uni_cancelled = 1;
	assert_int_equal(uni_process_wait(process, -1, &status, &err), UNI_E_CANCELLED);
	uni_cancelled = 0;
	uni_process_kill(process, SIGTERM);
	assert_int_equal(uni_process_wait(process, -1, &status, &err), 0);
	assert_int_equal(status, 128 + SIGTERM);
	assert_int_equal(uni_process_wait(process, -1, &status, &err), 0);
	assert_int_equal(status, 128 + SIGTERM);
}

static void free_ends_the_child(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	struct uni_process *process = NULL;
	spec.argv = argv;
	assert_int_equal(uni_process_start(&process, &spec, &err), 0);
	pid_t pid = uni_process_pid(process);
	assert_int_equal(kill(pid, 0), 0);
	uni_process_free(process);
	assert_int_equal(kill(pid, 0), -1);
}

static void *start_in_thread(void *arg)
{
	struct uni_err err = UNI_ERR_INIT;
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	spec.argv = argv;
	return uni_process_start(arg, &spec, &err) == 0 ? arg : NULL;
}

/* PR_SET_PDEATHSIG follows the thread; the child must outlive the one that asked for it. */
static void child_outlives_its_thread(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_process *process UNI_AUTO(uni_process) = NULL;
	pthread_t thread;
	void *result = NULL;
	int status;
	assert_int_equal(pthread_create(&thread, NULL, start_in_thread, &process), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_int_equal(uni_process_wait(process, 50, &status, &err), UNI_E_TIMEOUT);
}

/* Seen from the far end of a pipe that only the grandchild still holds. */
static void child_ends_with_us(void **state)
{
	(void)state;
	int fds[2];
	char byte;
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		/* A fork has no spawner thread of ours: execute afresh. */
		close(fds[0]);
		char number[16];
		snprintf(number, sizeof(number), "%d", fds[1]);
		execl("/proc/self/exe", "unit-base", "hold", number, (char *)NULL);
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1); /* the grandchild runs */
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(read(fds[0], &byte, 1), 0); /* and is gone */
	close(fds[0]);
}

int unit_hold(int fd)
{
	struct uni_err err = UNI_ERR_INIT;
	static const char *const argv[] = { "sh", "-c", "printf x; exec sleep 1000", NULL };
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	struct uni_process *process UNI_AUTO(uni_process) = NULL;
	int status;
	spec.argv = argv;
	spec.stdout_fd = fd;
	if (uni_process_start(&process, &spec, &err) != 0)
		return 1;
	close(fd);
	return uni_process_wait(process, -1, &status, &err);
}

static void ask_feeds_input_and_environment(void **state)
{
	static const char *const argv[] = { "sh", "-c", "cat; printf '%s' \"$UNI_ASK\"", NULL };
	static const char *const failing[] = { "sh", "-c", "exit 3", NULL };
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	assert_int_equal(setenv("UNI_ASK", "ours", 1), 0);
	assert_int_equal(uni_process_ask(argv, "host\n", 5, &out, 64, &err), 0);
	assert_string_equal(uni_buf_text(&out), "host\nours");
	assert_int_equal(unsetenv("UNI_ASK"), 0);
	assert_int_equal(uni_process_ask(failing, "", 0, NULL, 64, &err), UNI_E_PROCESS);
}

static void find_in_path(void **state)
{
	(void)state;
	char *sh UNI_AUTO_FREE = uni_process_find("sh");
	assert_non_null(sh);
	assert_int_equal(access(sh, X_OK), 0);
	assert_null(uni_process_find("no-such-program-here"));
	assert_null(uni_process_find("bin")); /* a folder that may be entered is no program */
}

int unit_process(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_collects),
		cmocka_unit_test(run_reports_failure),
		cmocka_unit_test(ignored_ends_are_learned),
		cmocka_unit_test(grandchild_does_not_hold_us),
		cmocka_unit_test(child_sees_a_fixed_environment),
		DIR_TEST(environment_can_be_added_to),
		DIR_TEST(child_has_three_descriptors_and_no_signals_off),
		DIR_TEST(streams_may_cross),
		cmocka_unit_test(wait_times_out),
		cmocka_unit_test(free_ends_the_child),
		cmocka_unit_test(child_outlives_its_thread),
		cmocka_unit_test(child_ends_with_us),
		cmocka_unit_test(ask_feeds_input_and_environment),
		cmocka_unit_test(find_in_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
