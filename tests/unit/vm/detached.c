/*
 * Machines that stay: their life, their names, and what becomes of their records.
 */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/json.h>
#include <uni/base/system.h>
#include <uni/vm/detached.h>

static void use_state(void **state)
{
	setenv("XDG_STATE_HOME", *state, 1);
}

static int collect(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct uni_buf *out = user;

	(void)err;
	uni_buf_add(out, data, size);
	return 0;
}

static struct uni_detached *start(void **state, const char *name, enum guest_mode mode)
{
	struct uni_detached *machine = NULL;
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;

	use_state(state);
	guest_make(state, mode, &spec);
	if (uni_detached_start(&machine, name, "/images/guest.elf", &spec, &err) != 0)
		fail_msg("%s", err.text);
	return machine;
}

static void end(struct uni_detached *machine)
{
	struct uni_err err = UNI_ERR_INIT;
	bool forced;

	assert_int_equal(uni_detached_stop(machine, 0, &forced, &err), 0);
}

static void one_that_ended_is_remembered(void **state)
{
	UNI_AUTO(uni_detached)
	struct uni_detached *machine = start(state, "quick", GUEST_ENDS), *again = NULL;
	UNI_AUTO_BUF struct uni_buf console = UNI_BUF_INIT, text = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	bool forced = true;

	/* It follows the console to the end, which comes by itself. */
	assert_int_equal(uni_detached_console(machine, true, collect, &console, &err), 0);
	assert_string_equal(console.data, "up\n");
	assert_int_equal(uni_detached_open(&again, "quick", &err), 0);
	assert_false(again->running);
	assert_string_equal(again->image, "/images/guest.elf");
	assert_int_equal(uni_vm_status(&again->result, &text), 5);
	assert_int_equal(uni_detached_stop(again, 1000, &forced, &err), 0);
	assert_false(forced);
}

static void the_button_ends_it(void **state)
{
	UNI_AUTO(uni_detached)
	struct uni_detached *machine = start(state, "polite", GUEST_BUTTON);
	UNI_AUTO_BUF struct uni_buf console = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	bool forced = true;

	assert_true(machine->running);
	/* It listens when it has spoken. */
	do {
		uni_buf_clear(&console);
		assert_int_equal(uni_detached_console(machine, false, collect, &console, &err), 0);
	} while (console.size < 3);
	assert_int_equal(uni_detached_stop(machine, 60000, &forced, &err), 0);
	assert_false(forced);
	assert_int_equal(machine->result.record.kind, UNI_EXIT_POWER);
}

static void a_deaf_one_is_cut_off(void **state)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = start(state, "deaf", GUEST_IS_DEAF);
	struct uni_err err = UNI_ERR_INIT;
	bool forced = false;

	assert_int_equal(uni_detached_stop(machine, 50, &forced, &err), 0);
	assert_true(forced);
	assert_false(machine->running);
	assert_false(machine->result.has_record);
	/* Its console is there still. */
	assert_int_equal(access(machine->dir, F_OK), 0);
}

static void names_are_unique_while_they_run(void **state)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = start(state, "one", GUEST_IS_DEAF);
	UNI_AUTO(uni_detached) struct uni_detached *second = NULL, *third = NULL;
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;

	guest_make(state, GUEST_ENDS, &spec);
	assert_int_equal(uni_detached_start(&second, "one", "x", &spec, &err), UNI_E_EXIST);
	assert_non_null(strstr(err.hint, "uni stop one"));
	third = start(state, "two", GUEST_IS_DEAF);
	assert_int_equal(uni_detached_list(&list, &err), 0);
	assert_int_equal(list->count, 2);
	assert_string_equal(list->items[0]->name, "one");
	assert_string_equal(list->items[1]->name, "two");
	end(machine);
	end(third);
	uni_detached_free(machine);
	machine = start(state, "one", GUEST_IS_DEAF);
	assert_true(machine->running);
	end(machine);
}

static void *start_same(void *arg)
{
	struct uni_detached *machine = NULL;
	struct uni_err err = UNI_ERR_INIT;

	(void)uni_detached_start(&machine, "race", "x", arg, &err);
	return machine;
}

static void two_at_once_are_safe(void **state)
{
	struct uni_vm_spec spec;
	pthread_t threads[4];
	void *machines[4];
	unsigned started = 0;

	use_state(state);
	guest_make(state, GUEST_IS_DEAF, &spec);
	for (size_t i = 0; i < UNI_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, start_same, &spec), 0);
	for (size_t i = 0; i < UNI_COUNT(threads); i++) {
		pthread_join(threads[i], &machines[i]);
		started += machines[i] != NULL;
	}
	for (size_t i = 0; i < UNI_COUNT(threads); i++)
		if (machines[i] != NULL) {
			end(machines[i]);
			uni_detached_free(machines[i]);
		}
	assert_int_equal(started, 1);
}

/* machine.json with one word in it replaced. */
static void edit_record(const struct uni_detached *machine, const char *from, const char *to)
{
	UNI_AUTO_FREE char *path = uni_asprintf("%s/machine.json", machine->dir);
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT, out = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	char *at;

	assert_int_equal(uni_file_read(path, 65536, &text, &err), 0);
	at = strstr(text.data, from);
	assert_non_null(at);
	uni_buf_add(&out, text.data, (size_t)(at - text.data));
	uni_buf_puts(&out, to);
	uni_buf_puts(&out, at + strlen(from));
	assert_int_equal(uni_file_write(path, out.data, out.size, 0600, &err), 0);
}

/* The number of an ended machine's process may by now be another's, which must not be touched. */
static void another_process_of_the_same_number_is_not_ours(void **state)
{
	UNI_AUTO(uni_detached)
	struct uni_detached *machine = start(state, "gone", GUEST_IS_DEAF), *found = NULL;
	UNI_AUTO_FREE char *pid = uni_asprintf("\"pid\": %ld", (long)machine->pid);
	UNI_AUTO_FREE char *ours = uni_asprintf("\"pid\": %ld", (long)getpid());
	struct uni_err err = UNI_ERR_INIT;
	bool forced;

	end(machine);
	edit_record(machine, pid, ours);
	assert_int_equal(uni_detached_open(&found, "gone", &err), 0);
	assert_false(found->running);
	assert_int_equal(uni_detached_stop(found, 0, &forced, &err), 0);
	assert_false(forced);
}

static void damaged_records_are_refused(void **state)
{
	static const char *const damage[][2] = {
		{ "\"version\": 1", "\"version\": 2" },
		{ "\"forwards\": []", "\"forwards\": {}" },
		{ "\"forwards\": []", "\"forwards\": [{\"udp\": true}]" },
		{ "\"pid\": ", "\"pid\": -" },
		{ "{", "" },
	};

	for (size_t i = 0; i < UNI_COUNT(damage); i++) {
		UNI_AUTO(uni_detached)
		struct uni_detached *machine = start(state, "bad", GUEST_ENDS), *found = NULL;
		UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
		struct uni_err err = UNI_ERR_INIT;

		end(machine);
		edit_record(machine, damage[i][0], damage[i][1]);
		assert_int_equal(uni_detached_open(&found, "bad", &err), UNI_E_PARSE);
		uni_err_clear(&err);
		assert_int_equal(uni_detached_list(&list, &err), 0);
		assert_int_equal(list->count, 0);
	}
}

static void the_past_is_bounded(void **state)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	struct uni_err err = UNI_ERR_INIT;

	for (int i = 0; i < 18; i++) {
		UNI_AUTO_FREE char *name = uni_asprintf("past-%02d", i);
		UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
		UNI_AUTO_FREE char *started = NULL, *earlier = NULL;

		machine = start(state, name, GUEST_ENDS);
		started = uni_asprintf("\"started\": %lld", (long long)machine->started);
		earlier = uni_asprintf("\"started\": %d", i);
		end(machine);
		edit_record(machine, started, earlier);
	}
	assert_int_equal(uni_detached_list(&list, &err), 0);
	assert_int_equal(list->count, 16);
	assert_string_equal(list->items[0]->name, "past-02");
}

static void names_are_checked(void **state)
{
	static const char *const bad[] = { "",	   ".",	  "..", ".lock",   "a/b",
					   "../a", "a b", "-a", "\xc3\xa4" };
	struct uni_vm_spec spec;

	use_state(state);
	guest_make(state, GUEST_ENDS, &spec);
	for (size_t i = 0; i < UNI_COUNT(bad); i++) {
		struct uni_detached *machine = NULL;
		struct uni_err err = UNI_ERR_INIT;

		assert_int_equal(uni_detached_start(&machine, bad[i], "x", &spec, &err),
				 UNI_E_USAGE);
		uni_err_clear(&err);
		assert_int_equal(uni_detached_open(&machine, bad[i], &err), UNI_E_NOENT);
	}
}

int unit_detached(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(one_that_ended_is_remembered),
		DIR_TEST(the_button_ends_it),
		DIR_TEST(a_deaf_one_is_cut_off),
		DIR_TEST(names_are_unique_while_they_run),
		DIR_TEST(two_at_once_are_safe),
		DIR_TEST(another_process_of_the_same_number_is_not_ours),
		DIR_TEST(damaged_records_are_refused),
		DIR_TEST(the_past_is_bounded),
		DIR_TEST(names_are_checked),
	};

	return cmocka_run_group_tests_name("detached", tests, NULL, NULL);
}
