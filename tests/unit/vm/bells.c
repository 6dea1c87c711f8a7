/*
 * Doorbells rung at once, at control sockets behind which threads say what an emulator would, or
 * would not; and changes of the doorbells' files.
 */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uni/base/path.h>
#include <uni/vm/detached.h>

#include "detached_internal.h"
#include "qmp.h"
#include "vm_internal.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define DONE "{\"return\": {}, \"id\": 1}\r\n{\"return\": {}, \"id\": 2}\r\n"
#define REFUSED                                                                                    \
	"{\"return\": {}, \"id\": 1}\r\n"                                                          \
	"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such node\"}, \"id\": 2}\r\n"

enum { MACHINES = 70, LOOKS = 2000, LOOK_MS = 5 };

struct emulator {
	int listener;
	const char *text;
	size_t size;
	char heard[512];
	pthread_t thread;
};

static void *speak(void *arg)
{
	struct emulator *e = arg;
	UNI_AUTO_CLOSE int fd = accept(e->listener, NULL, NULL);
	ssize_t got = 0;

	if (e->text == NULL) {
		/* Silent, until the other side has had enough. */
		while (read(fd, e->heard, 1) > 0)
			;
		return NULL;
	}
	(void)send(fd, e->text, strlen(e->text), MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	do {
		e->size += (size_t)got;
		got = read(fd, e->heard + e->size, sizeof(e->heard) - 1 - e->size);
	} while (got > 0);
	return NULL;
}

/* A machine's folder, with the socket that `e` listens at (NULL: nobody does) and a doorbell. */
static void make_machine(struct emulator *e, const char *name)
{
	UNI_AUTO_FREE char *dir = vm_detached_dir(name);
	UNI_AUTO_FREE char *bell = uni_path_join(dir, VM_BELL);
	UNI_AUTO_FREE char *control = uni_path_join(dir, VM_CONTROL);
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_dir_make(dir, 0700, &err), 0);
	assert_int_equal(vm_bell_make(bell, &err), 0);
	if (e == NULL)
		return;
	assert_int_equal(uni_qmp_listen(control, &e->listener, &err), 0);
	assert_int_equal(pthread_create(&e->thread, NULL, speak, e), 0);
}

static void end(struct emulator *e)
{
	pthread_join(e->thread, NULL);
	close(e->listener);
}

static void wait_until_rung(struct uni_bells *bells)
{
	struct uni_err err = UNI_ERR_INIT;

	for (unsigned i = 0; i < LOOKS && uni_bells_ringing(bells); i++)
		assert_int_equal(uni_bells_wait(bells, LOOK_MS, &err), 0);
	assert_false(uni_bells_ringing(bells));
}

/* More than are rung at a time, each heard once. */
static void all_are_rung(void **state)
{
	static struct emulator emulators[MACHINES];
	UNI_AUTO(uni_bells) struct uni_bells *bells = uni_bells_new();

	setenv("XDG_STATE_HOME", *state, 1);
	for (size_t i = 0; i < MACHINES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m-%zu", i);
		emulators[i] = (struct emulator){ .text = GREETING DONE };
		make_machine(&emulators[i], name);
		uni_bells_add(bells, name);
	}
	for (size_t i = 0; i < MACHINES; i++)
		uni_bells_ring(bells, i);
	wait_until_rung(bells);
	for (size_t i = 0; i < MACHINES; i++) {
		end(&emulators[i]);
		assert_null(uni_bells_trouble(bells, i));
		assert_string_equal(emulators[i].heard,
				    "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
				    "{\"execute\":\"block_resize\",\"id\":2,\"arguments\":"
				    "{\"node-name\":\"bell\",\"size\":17408}}\n");
	}
}

/* Each has its own trouble, and holds no other up. */
static void trouble_stays_where_it_is(void **state)
{
	struct emulator sound = { .text = GREETING DONE }, refuses = { .text = GREETING REFUSED };
	struct emulator hangs_up = { .text = GREETING }, silent = { .text = NULL };
	struct emulator *all[] = { &silent, &refuses, NULL, &hangs_up, &sound };
	static const char *const names[] = { "silent", "refuses", "nobody", "hangs-up", "sound" };
	struct uni_bells *bells = uni_bells_new();
	struct uni_err err = UNI_ERR_INIT;

	setenv("XDG_STATE_HOME", *state, 1);
	for (size_t i = 0; i < UNI_COUNT(all); i++) {
		make_machine(all[i], names[i]);
		uni_bells_add(bells, names[i]);
		uni_bells_ring(bells, i);
	}
	for (unsigned i = 0; i < LOOKS && (uni_bells_trouble(bells, 1) == NULL ||
					   uni_bells_trouble(bells, 3) == NULL);
	     i++)
		assert_int_equal(uni_bells_wait(bells, LOOK_MS, &err), 0);
	assert_true(uni_bells_ringing(bells)); /* at the silent one */
	assert_null(uni_bells_trouble(bells, 0));
	assert_non_null(strstr(uni_bells_trouble(bells, 1), "no such node"));
	assert_non_null(uni_bells_trouble(bells, 2));
	assert_non_null(strstr(uni_bells_trouble(bells, 3), "closed"));
	assert_null(uni_bells_trouble(bells, 4));
	uni_bells_free(bells);
	for (size_t i = 0; i < UNI_COUNT(all); i++)
		if (all[i] != NULL)
			end(all[i]);
}

static void changes_are_noticed(void **state)
{
	UNI_AUTO(uni_bells) struct uni_bells *bells = uni_bells_new();
	UNI_AUTO_FREE char *dir = NULL;
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err err = UNI_ERR_INIT;
	bool changed = false;

	setenv("XDG_STATE_HOME", *state, 1);
	make_machine(NULL, "one");
	make_machine(NULL, "two");
	uni_bells_add(bells, "one");
	uni_bells_add(bells, "two");
	/* What was said before is worth a look as well. */
	assert_true(uni_bells_changed(bells, 0));
	assert_true(uni_bells_changed(bells, 1));
	assert_false(uni_bells_changed(bells, 1));
	dir = vm_detached_dir("two");
	path = uni_path_join(dir, VM_BELL);
	assert_int_equal(truncate(path, 100), 0);
	for (unsigned i = 0; i < LOOKS && !changed; i++) {
		assert_int_equal(uni_bells_wait(bells, LOOK_MS, &err), 0);
		changed = uni_bells_changed(bells, 1);
	}
	assert_true(changed);
	assert_false(uni_bells_changed(bells, 0));
}

int unit_bells(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(all_are_rung),
		DIR_TEST(trouble_stays_where_it_is),
		DIR_TEST(changes_are_noticed),
	};

	return cmocka_run_group_tests_name("bells", tests, NULL, NULL);
}
