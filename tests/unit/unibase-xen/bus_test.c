/*
 * The bus of Xen's devices, with a toolstack and a backend that are played here. It includes the
 * file under test, whose threads are played here too: a turn of the one that attends happens where
 * a real one could.
 */
#include "bus.c"
#include "tests.h"
#include <stdio.h>
#include <stdlib.h>

static uint64_t backend, ours; /* states */
static struct uk_xen_watch *watch;
static enum uk_xen_state told;
static bool closes_early;

/* As attend() does when it was woken; whether it had been. */
static bool turn(void)
{
	bool was = due;

	due = false;
	uk_list_each (item, &devices)
		look(uk_list_entry(item, struct uk_xen_dev, item));
	(void)release_ended();
	return was;
}

static void backend_is(enum uk_xen_state state)
{
	backend = state;
	if (watch != NULL)
		watch->fn(watch);
}

static int driver_open(struct uk_xen_dev *dev)
{
	dev->in_use = true;
	backend_is(UK_XEN_CONNECTED);
	return 0;
}

static int driver_connect(struct uk_xen_dev *dev)
{
	(void)dev;
	if (closes_early) {
		backend_is(UK_XEN_CLOSING);
		(void)turn();
	}
	return 0;
}

static void driver_changed(struct uk_xen_dev *dev, enum uk_xen_state state)
{
	told = state;
	if (state == UK_XEN_CLOSING)
		dev->in_use = false;
}

static bool driver_release(struct uk_xen_dev *dev)
{
	(void)dev;
	return true;
}

const struct uk_xen_driver uk_xen_blk = { "vbd",	  UK_XEN_INITIALISED, driver_open,
					  driver_connect, driver_changed,     driver_release };
const struct uk_xen_driver uk_xen_net = { .name = "vif" };

static void comes_and_goes(void **state)
{
	(void)state;
	backend = UK_XEN_INIT_WAIT;
	uk_xen_disks_look();
	(void)turn();
	assert_int_equal(told, UK_XEN_INITIALISING);
	assert_int_equal(ours, UK_XEN_CONNECTED);
	backend_is(UK_XEN_CLOSING);
	assert_true(turn());
	assert_int_equal(told, UK_XEN_CLOSING);
	assert_int_equal(ours, UK_XEN_CLOSED);
	backend_is(UK_XEN_CLOSED);
	assert_true(turn());
	assert_true(uk_list_empty(&devices));
	assert_null(watch);
}

/* The toolstack wants it back before it is in use: nothing else happens that would wake us. */
static void goes_while_it_comes(void **state)
{
	(void)state;
	closes_early = true;
	backend = UK_XEN_INIT_WAIT;
	uk_xen_disks_look();
	assert_true(turn());
	assert_int_equal(told, UK_XEN_CLOSING);
	assert_int_equal(ours, UK_XEN_CLOSED);
	backend_is(UK_XEN_CLOSED);
	assert_true(turn());
	assert_true(uk_list_empty(&devices));
}

static int begin(void **state)
{
	(void)state;
	store_ready = true;
	closes_early = false;
	told = UK_XEN_INITIALISING;
	due = false;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(comes_and_goes, begin),
		cmocka_unit_test_setup(goes_while_it_comes, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* --- what the bus asks of the kernel --- */

int uk_xen_list(const char *directory, char *to, size_t room)
{
	return strcmp(directory, "device/vbd") == 0 ? 1 + snprintf(to, room, "51712") : 0;
}

int uk_xen_read(const char *directory, const char *node, char *to, size_t room)
{
	(void)directory;
	assert_string_equal(node, "backend");
	return snprintf(to, room, "/local/domain/0/backend/vbd/1/51712");
}

uint64_t uk_xen_read_number(const char *directory, const char *node, uint64_t absent)
{
	(void)directory;
	(void)absent;
	return strcmp(node, "backend-id") == 0 ? 0 : backend;
}

int uk_xen_write(const char *directory, const char *node, const char *format, ...)
{
	__builtin_va_list args;

	(void)directory;
	assert_string_equal(node, "state");
	__builtin_va_start(args, format);
	ours = (uint64_t) __builtin_va_arg(args, int);
	__builtin_va_end(args);
	return 0;
}

int uk_xen_watch(const char *directory, const char *node, struct uk_xen_watch *w)
{
	(void)directory;
	(void)node;
	watch = w;
	return 0;
}

void uk_xen_unwatch(const char *directory, const char *node, struct uk_xen_watch *w)
{
	(void)directory;
	(void)node;
	assert_ptr_equal(watch, w);
	watch = NULL;
}

void *uk_alloc(size_t size)
{
	return calloc(1, size);
}

void uk_free(void *p)
{
	free(p);
}

void uk_log(enum uk_log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

uint64_t uk_time_mono(void)
{
	return 0;
}

void uk_wait_prepare(struct uk_waitq *q, struct uk_waiter *w)
{
	(void)q;
	(void)w;
}

void uk_wait_finish(struct uk_waiter *w)
{
	(void)w;
}

bool uk_wait_sleep(uint64_t deadline)
{
	(void)deadline;
	fail_msg("a sleep from which nobody would wake it");
	return false;
}

bool uk_signal_pending(void)
{
	return false;
}

void uk_wake_all(struct uk_waitq *q)
{
	(void)q;
}

struct uk_thread *uk_thread_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	(void)name;
	(void)fn;
	(void)arg;
	return NULL;
}

bool uk_xen_start(void)
{
	return false;
}

bool uk_xen_store_start(void)
{
	return false;
}

void uk_xen_unplug(void)
{
}

void uk_xen_orders_look(void)
{
}

void uk_xen_orders_start(void)
{
}
