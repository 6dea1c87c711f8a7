/*
 * A xenstore that answers anything: whatever it says, every request ends, and nothing is read or
 * written outside of the ring and the one message.
 */
#include "store.c" /* its state is set back for each input */
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct interface page;
static const uint8_t *input;
static size_t left;
static unsigned fired;

/* Some of the input into the ring; at its end the ring becomes nonsense, by which all waiting ends.
 */
static void pump(void)
{
	uint32_t room = RING - (page.in_filled - page.in_taken);
	uint32_t part = (uint32_t)UK_MIN(UK_MIN(left, (size_t)room), (size_t)100);

	page.out_taken = page.out_filled;
	for (uint32_t i = 0; i < part; i++)
		page.in[(page.in_filled + i) % RING] = input[i];
	page.in_filled += part;
	input += part;
	left -= part;
	if (part == 0)
		page.in_filled = page.in_taken + RING + 1;
	receive(NULL);
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
	pump();
	return true;
}

bool uk_signal_pending(void)
{
	return false;
}

void uk_wake_all(struct uk_waitq *q)
{
	(void)q;
}

uint64_t uk_spin_lock(struct uk_spinlock *l)
{
	if (l->held++ != 0)
		abort();
	return 0;
}

void uk_spin_unlock(struct uk_spinlock *l, uint64_t state)
{
	(void)state;
	l->held--;
}

void uk_mutex_lock(struct uk_mutex *m)
{
	(void)m;
}

void uk_mutex_unlock(struct uk_mutex *m)
{
	(void)m;
}

void *uk_alloc(size_t size)
{
	return calloc(1, size);
}

volatile void *uk_xen_param_page(enum uk_xen_param index)
{
	(void)index;
	return &page;
}

uint64_t uk_xen_param(enum uk_xen_param index)
{
	(void)index;
	return 1;
}

bool uk_xen_event_bind(uint32_t p, void (*fn)(void *arg), void *arg)
{
	(void)p;
	(void)fn;
	(void)arg;
	return true;
}

void uk_xen_event_send(uint32_t p)
{
	(void)p;
}

int64_t uk_xen_hypercall(enum uk_xen_call call, uint64_t a, uint64_t b, uint64_t c)
{
	(void)call;
	(void)a;
	(void)b;
	(void)c;
	pump();
	return 0;
}

static void fire(struct uk_xen_watch *watch)
{
	(void)watch;
	fired++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uk_xen_watch watch = { .fn = fire };
	char value[64], *names;

	memset(&page, 0, sizeof(page));
	have = asked = 0;
	answered = pushing = broken = false;
	watches = NULL;
	watch_count = 0;
	input = data;
	left = size;
	if (!uk_xen_store_start())
		abort();
	names = malloc(UK_XEN_VALUE_MAX + 1);
	if (names == NULL)
		abort();
	(void)uk_xen_watch("control", "shutdown", &watch);
	(void)uk_xen_read("device", "state", value, sizeof(value));
	(void)uk_xen_list("device", names, UK_XEN_VALUE_MAX + 1);
	(void)uk_xen_read_number("device", "number", 1);
	(void)uk_xen_write("device", "state", "%d", 4);
	uk_xen_write_last("data/uni/exit", "status 0");
	free(names);
	free(body);
	return 0;
}
