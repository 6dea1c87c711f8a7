/*
 * Memory limits, surroundings, lazy libraries, events and the pool.
 */
#include "unit.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <uni/base/event.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

static void sized_from_outside(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	void *p UNI_AUTO_FREE = uni_try_alloc(100, 100, "thing", &err);
	assert_non_null(p);
	assert_null(uni_try_alloc(101, 100, "thing", &err));
	assert_int_equal(err.code, UNI_E_LIMIT);
	assert_true(uni_str_starts(err.text, "thing: "));
	assert_null(uni_try_alloc(UINT64_MAX, UINT64_MAX, "thing", &err));
	assert_int_equal(err.code, UNI_E_LIMIT);
	void *none UNI_AUTO_FREE = uni_try_alloc(0, 0, "thing", &err);
	assert_non_null(none);
}

static void standard_folders(void **state)
{
	(void)state;
	setenv("HOME", "/h", 1);
	setenv("XDG_CACHE_HOME", "relative", 1);
	setenv("XDG_STATE_HOME", "/s", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("UNI_CACHE");
	char *cache UNI_AUTO_FREE = uni_dir_cache();
	char *kept UNI_AUTO_FREE = uni_dir_state();
	char *config UNI_AUTO_FREE = uni_dir_config();
	assert_string_equal(cache, "/h/.cache/uni");
	assert_string_equal(kept, "/s/uni");
	assert_string_equal(config, "/h/.config/uni");
	setenv("UNI_CACHE", "/x/../c", 1);
	char *other UNI_AUTO_FREE = uni_dir_cache();
	assert_string_equal(other, "/c");
	unsetenv("UNI_CACHE");
	char *self UNI_AUTO_FREE = uni_dir_self();
	assert_int_equal(self[0], '/');
}

static void jobs_override(void **state)
{
	(void)state;
	unsetenv("UNI_JOBS");
	unsigned own = uni_processors();
	assert_true(own >= 1);
	setenv("UNI_JOBS", "7", 1);
	assert_int_equal(uni_processors(), 7);
	setenv("UNI_JOBS", "0", 1);
	assert_int_equal(uni_processors(), own);
	setenv("UNI_JOBS", "many", 1);
	assert_int_equal(uni_processors(), own);
	unsetenv("UNI_JOBS");
}

static void random_differs(void **state)
{
	(void)state;
	uint8_t one[1000] = { 0 };
	uint8_t two[1000] = { 0 };
	uni_random(one, sizeof(one));
	uni_random(two, sizeof(two));
	assert_memory_not_equal(one, two, sizeof(one));
	assert_memory_not_equal(one + 984, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void lazy_library(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const char *const names[] = { "zlibVersion", "adler32" };
	static const char *const wrong[] = { "zlibVersion", "no_such_symbol" };
	struct {
		const char *(*version)(void);
		void (*other)(void);
	} lib = { 0 };
	assert_int_equal(uni_lazy_load("libno-such.so.1", names, 2, &lib, &err),
			 UNI_E_MISSING_TOOL);
	assert_non_null(strstr(err.text, "libno-such.so.1"));
	assert_int_equal(uni_lazy_load("libz.so.1", wrong, 2, &lib, &err), UNI_E_MISSING_TOOL);
	assert_non_null(strstr(err.text, "no_such_symbol"));
	assert_true(lib.version == NULL);
	assert_int_equal(uni_lazy_load("libz.so.1", names, 2, &lib, &err), 0);
	assert_int_equal(lib.version()[0], '1');
	assert_int_equal(uni_lazy_load("libz.so.1", names, 2, &lib, &err), 0);
}

static void keep_text(void *user, const struct uni_event *event)
{
	uni_buf_printf(user, "%d:%s ", (int)event->kind, event->text);
}

static void events_reach_the_listener(void **state)
{
	(void)state;
	struct uni_buf seen UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_events events = { .fn = keep_text, .user = &seen };
	struct uni_events nobody = { .fn = NULL };
	uni_event_note(&events, "n%d", 1);
	uni_event_warning(&events, "w%d", 2);
	uni_event_note(&nobody, "x");
	uni_event_note(NULL, "x");
	char *wanted UNI_AUTO_FREE =
		uni_asprintf("%d:n1 %d:w2 ", (int)UNI_EVENT_NOTE, (int)UNI_EVENT_WARNING);
	assert_string_equal(uni_buf_text(&seen), wanted);
}

#define ITEMS 10000

static int square(void *user, size_t index, struct uni_err *err)
{
	(void)err;
	((uint64_t *)user)[index] += index * index;
	return 0;
}

static int fail_some(void *user, size_t index, struct uni_err *err)
{
	(void)user;
	return index % 100 == 37 ? uni_err_set(err, UNI_E_INVAL, "item %zu", index) : 0;
}

static void pool_does_each_once(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	for (unsigned threads = 0; threads < 9; threads++) {
		uint64_t *seen UNI_AUTO_FREE = uni_alloc_array(ITEMS, sizeof(*seen));
		assert_int_equal(uni_pool_run(ITEMS, threads, square, seen, &err), 0);
		for (size_t i = 0; i < ITEMS; i++)
			assert_true(seen[i] == i * i);
	}
	assert_int_equal(uni_pool_run(0, 4, fail_some, NULL, &err), 0);
}

static void pool_reports_the_lowest_failure(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads < 9; threads++) {
		struct uni_err err = UNI_ERR_INIT;
		assert_int_equal(uni_pool_run(ITEMS, threads, fail_some, NULL, &err), UNI_E_INVAL);
		assert_string_equal(err.text, "item 37");
	}
}

static void pool_can_be_cancelled(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	uni_cancelled = 1;
	assert_int_equal(uni_pool_run(10, 2, fail_some, NULL, &err), UNI_E_CANCELLED);
	uni_cancelled = 0;
}

struct begun {
	pthread_mutex_t settled; /* held until its starter is done */
	cpu_set_t may;		 /* where it may go */
};

static void *note_beginning(void *user)
{
	struct begun *begun = user;
	pthread_mutex_lock(&begun->settled);
	assert_int_equal(sched_getaffinity(0, sizeof(begun->may), &begun->may), 0);
	pthread_mutex_unlock(&begun->settled);
	return NULL;
}

/* It is said where a thread begins, and no more. */
static void threads_are_bound_to_no_processor(void **state)
{
	(void)state;
	cpu_set_t all;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned nth = 1; nth <= (unsigned)CPU_COUNT(&all) + 1; nth++) {
		struct begun begun = { .settled = PTHREAD_MUTEX_INITIALIZER };
		pthread_t thread;
		pthread_mutex_lock(&begun.settled);
		assert_true(uni_thread_start(&thread, nth, note_beginning, &begun));
		pthread_mutex_unlock(&begun.settled);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(CPU_EQUAL(&begun.may, &all));
	}
}

int unit_system(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sized_from_outside),
		cmocka_unit_test(standard_folders),
		cmocka_unit_test(jobs_override),
		cmocka_unit_test(random_differs),
		cmocka_unit_test(lazy_library),
		cmocka_unit_test(events_reach_the_listener),
		cmocka_unit_test(pool_does_each_once),
		cmocka_unit_test(pool_reports_the_lowest_failure),
		cmocka_unit_test(pool_can_be_cancelled),
		cmocka_unit_test(threads_are_bound_to_no_processor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
