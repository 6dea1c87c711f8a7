/*
 * Several processes, and processes that end badly: killed at any moment, disk full, a store that
 * may not be written.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD_SKIP 77

/* Runs `fn` in a child; its return value is the exit status. */
static pid_t start(int (*fn)(void **state), void **state)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(state));
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void child_passes(int (*fn)(void **state), void **state)
{
	int status = finish(start(fn, state));

	if (status == CHILD_SKIP)
		skip();
	assert_int_equal(status, 0);
}

/* What a build does with a step: once, whoever comes first. */
static int make_step(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store UNI_AUTO(uni_store) = NULL;
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_digest key = unit_key("key");
	char *made UNI_AUTO_FREE = uni_path_join(*state, "made");
	struct uni_store_entry blob;
	int lock UNI_AUTO_CLOSE = -1;
	int fd UNI_AUTO_CLOSE = -1;

	if (uni_store_open(&store, *state, NULL, &err) != 0 ||
	    uni_store_key_lock(store, &key, &lock, &err) != 0)
		return 1;
	if (uni_store_result_get(store, &key, &record, &err) == 1)
		return 0;
	fd = open(made, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return 2;
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	if (uni_store_put(store, "made", 4, &blob, &err) != 0)
		return 3;
	uni_store_record_add(&record, "out", &blob);
	return uni_store_result_put(store, &key, &record, &err) == 0 ? 0 : 4;
}

static void step_is_made_once(void **state)
{
	char *made UNI_AUTO_FREE = uni_path_join(*state, "made");
	pid_t pids[6];
	struct stat st;

	for (size_t i = 0; i < UNI_COUNT(pids); i++)
		pids[i] = start(make_step, state);
	for (size_t i = 0; i < UNI_COUNT(pids); i++)
		assert_int_equal(finish(pids[i]), 0);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_size, 1);
}

static int ready_fd = -1;

/* Holds a result, a lock and a file in the making until it is killed. */
static int hold(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store = NULL;
	struct uni_store_writer *writer = NULL;
	struct uni_store_record record = UNI_STORE_RECORD_INIT;
	struct uni_digest key = unit_key("key");
	int lock;

	if (uni_store_open(&store, *state, NULL, &err) != 0 ||
	    uni_store_result_get(store, &key, &record, &err) != 1 ||
	    uni_store_key_lock(store, &key, &lock, &err) != 0 ||
	    uni_store_writer_open(&writer, store, &err) != 0 || write(ready_fd, "r", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static void lease_dies_with_its_process(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_gc_options all = { .limit = 0 };
	struct uni_store_gc_report report;
	struct uni_store *store = unit_open(state);
	struct uni_digest key = unit_key("key");
	int ready[2], lock UNI_AUTO_CLOSE = -1;
	char c;
	pid_t pid;

	unit_result(store, "key", "content");
	uni_store_free(store);
	assert_int_equal(pipe(ready), 0);
	ready_fd = ready[1];
	pid = start(hold, state);
	assert_int_equal(read(ready[0], &c, 1), 1);
	store = unit_open(state);
	assert_int_equal(uni_store_gc(store, &all, &report, &err), 0);
	assert_int_equal(report.blobs, 0);
	assert_int_equal(report.results, 0);
	assert_int_equal(unit_count(state, "tmp"), 1);
	kill(pid, SIGKILL);
	assert_int_equal(finish(pid), 128 + SIGKILL);
	assert_int_equal(uni_store_key_lock(store, &key, &lock, &err), 0);
	assert_int_equal(uni_store_gc(store, &all, &report, &err), 0);
	assert_int_equal(report.blobs, 1);
	assert_int_equal(report.results, 1);
	assert_int_equal(unit_count(state, "tmp"), 0);
	assert_int_equal(unit_count(state, "leases"), 0);
	uni_store_free(store);
	close(ready[0]);
	close(ready[1]);
}

/* Publishes as fast as it can, until it is killed. */
static int publish_for_ever(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store = NULL;
	static char data[100000];

	if (uni_store_open(&store, *state, NULL, &err) != 0)
		return 1;
	for (unsigned i = (unsigned)getpid() * 1000;; i++) {
		struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
		struct uni_store_entry blob;
		struct uni_digest key = uni_digest_of(&i, sizeof(i));

		memcpy(data, &i, sizeof(i));
		if (uni_store_put(store, data, sizeof(data), &blob, &err) != 0)
			return 2;
		uni_store_record_add(&record, "out", &blob);
		if (uni_store_result_put(store, &key, &record, &err) != 0)
			return 3;
	}
}

static void killed_at_any_moment(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store_verify_report report;
	struct uni_store_gc_options roomy = { .limit = UINT64_C(1) << 40 };
	struct uni_store_gc_report taken;
	struct uni_store *store;

	for (long round = 0; round < 30; round++) {
		pid_t pid = start(publish_for_ever, state);

		nanosleep(&(struct timespec){ .tv_nsec = 300000 + round * 137000 }, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(finish(pid), 128 + SIGKILL);
	}
	store = unit_open(state);
	assert_int_equal(uni_store_verify(store, &report, &err), 0);
	assert_int_equal(report.damaged + report.dropped, 0);
	assert_int_equal(unit_warnings, 0);
	assert_int_equal(uni_store_gc(store, &roomy, &taken, &err), 0);
	assert_int_equal(taken.results, 0);
	assert_int_equal(unit_count(state, "tmp"), 0);
	uni_store_free(store);
}

/* In namespaces of its own, on a file system of 256 KiB. */
static int fill_disk(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store = NULL;
	struct uni_store_entry blob, small;
	struct uni_store_verify_report report;
	struct uni_buf back UNI_AUTO_BUF = UNI_BUF_INIT;
	static char data[1 << 20];
	uint64_t limit;
	int fd UNI_AUTO_CLOSE = -1;
	char *filler UNI_AUTO_FREE = uni_path_join(*state, "filler");

	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return CHILD_SKIP;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("unit", *state, "tmpfs", 0, "size=256k") != 0)
		return CHILD_SKIP;
	if (uni_store_open(&store, *state, NULL, &err) != 0 ||
	    uni_store_put(store, "small", 5, &small, &err) != 0)
		return 1;
	if (uni_store_put(store, data, sizeof(data), &blob, &err) != UNI_E_NOSPACE)
		return 2;
	uni_store_free(store);
	/* Not a byte is left: what is there can still be used. */
	fd = open(filler, O_WRONLY | O_CREAT, 0644);
	while (write(fd, data, 512) > 0)
		;
	if (uni_store_open(&store, *state, NULL, &err) != 0 ||
	    uni_store_blob_read(store, &small, 5, &back, &err) != 0 || back.size != 5)
		return 3;
	if (uni_store_put(store, "another", 7, &blob, &err) != UNI_E_NOSPACE)
		return 4;
	if (uni_store_verify(store, &report, &err) != 0 || report.blobs != 1 || report.damaged != 0)
		return 5;
	/* A limit that could not be written is no limit, and the next one who asks can read one. */
	if (uni_store_limit_set(store, 1 << 30, &err) != UNI_E_NOSPACE ||
	    uni_store_limit_get(store, &limit, &err) != 0 || limit != UNI_STORE_LIMIT_DEFAULT)
		return 7;
	uni_store_free(store);
	return unit_count(state, "tmp") == 0 ? 0 : 6;
}

static void disk_full(void **state)
{
	child_passes(fill_disk, state);
}

/* As an ordinary user who may read the store and not write it. */
static int only_read(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_store *store = NULL;
	struct uni_store_gc_options all = { .limit = 0 };
	struct uni_store_gc_report report;
	char *scratch = NULL;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		return CHILD_SKIP;
	store = unit_open(state);
	if (unit_warnings != 1)
		return 1;
	if (unit_known(store, "old") != 1)
		return 2;
	unit_result(store, "new", "new content");
	if (unit_known(store, "new") != 1)
		return 3;
	if (uni_store_gc(store, &all, &report, &err) != UNI_E_DENIED)
		return 4;
	{
		struct uni_digest digest = unit_key("new content");
		struct uni_store_entry blob = { .digest = digest };

		if (uni_store_blob_path(store, &blob, &scratch, &err) != 0)
			return 5;
	}
	uni_store_free(store);
	return uni_file_exists(scratch) ? 6 : 0;
}

static int chmod_all(void **state, unsigned mode)
{
	static const char *const names[] = { "",	 "/v1",	       "/v1/blobs", "/v1/results",
					     "/v1/refs", "/v1/leases", "/v1/tmp" };
	int rc = 0;

	for (size_t i = 0; i < UNI_COUNT(names); i++) {
		char *path UNI_AUTO_FREE = uni_asprintf("%s%s", (const char *)*state, names[i]);

		rc |= chmod(path, mode);
	}
	return rc;
}

static void read_only_store(void **state)
{
	struct uni_store *store = unit_open(state);
	int status;

	unit_result(store, "old", "content");
	uni_store_free(store);
	assert_int_equal(chmod_all(state, 0555), 0);
	status = finish(start(only_read, state));
	assert_int_equal(chmod_all(state, 0755), 0);
	assert_int_equal(status, 0);
	assert_int_equal(unit_count(state, "results"), 1);
}

int unit_process(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(step_is_made_once, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(lease_dies_with_its_process, unit_setup,
						unit_teardown),
		cmocka_unit_test_setup_teardown(killed_at_any_moment, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(disk_full, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(read_only_store, unit_setup, unit_teardown),
	};

	return cmocka_run_group_tests_name("cache: processes", tests, NULL, NULL);
}
