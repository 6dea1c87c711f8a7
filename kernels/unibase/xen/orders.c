/*
 * What the toolstack tells a guest by xenstore, and what it is told at the end: `xl shutdown` and
 * `xl reboot` (docs/misc/xenstore-paths: control/shutdown), a boot configuration, how it went.
 */
#include "xen.h"
#include <uk/cpu.h>
#include <uk/log.h>
#include <uni/abi/exit.h>

static volatile bool ordered;
static bool reboot;
static bool waiting; /* an order that nobody listened to yet */
static void (*stop)(void);

static void order_came(struct uk_xen_watch *watch)
{
	(void)watch;
	ordered = true;
	uk_xen_bus_wake();
}

static void obey(void)
{
	uint64_t state = uk_irq_save();

	if (stop != NULL)
		stop();
	else
		waiting = true;
	uk_irq_restore(state);
}

void uk_xen_orders_look(void)
{
	char word[16];

	if (!ordered)
		return;
	ordered = false;
	if (uk_xen_read("control", "shutdown", word, sizeof(word)) <= 0)
		return;
	/* Taking the word away is the answer that the toolstack waits for. */
	(void)uk_xen_write("control", "shutdown", "%s", "");
	reboot = strcmp(word, "reboot") == 0;
	if (reboot || strcmp(word, "poweroff") == 0 || strcmp(word, "halt") == 0)
		obey();
	else
		uk_log(UK_LOG_WARN, "the toolstack asks for what is not offered: %s", word);
}

int uk_xen_shutdown_listen(void (*fn)(void))
{
	if (!uk_xen_start())
		return -UK_ENODEV;
	stop = fn;
	if (waiting)
		obey();
	return 0;
}

void uk_xen_end(const struct uni_exit_record *r, bool again)
{
	static const char *const kinds[] = { "status", "signal", "fault", "panic", "power" };
	bool crashed = r->kind == UNI_EXIT_PANIC || r->kind == UNI_EXIT_FAULT;
	char text[160];

	uk_snprintf(text, sizeof(text), "%s %d%s%s",
		    r->kind < UK_COUNT(kinds) ? kinds[r->kind] : "panic", r->status,
		    r->text[0] != '\0' ? ": " : "", r->text);
	uk_xen_write_last("data/uni/exit", text);
	uk_xen_shutdown(again	  ? UK_XEN_REBOOT
			: crashed ? UK_XEN_CRASH
			: reboot  ? UK_XEN_REBOOT
				  : UK_XEN_POWEROFF);
}

void uk_xen_orders_start(void)
{
	static struct uk_xen_watch watch = { .fn = order_came };

	(void)uk_xen_watch("control", "shutdown", &watch);
	(void)uk_xen_write("control", "feature-poweroff", "1");
	(void)uk_xen_write("control", "feature-reboot", "1");
}

int64_t uk_xen_config_read(const char *name, void *data, size_t room)
{
	char node[12], *text;
	int64_t at = 0, part = 0;

	if (!uk_xen_start())
		return -UK_ENOENT;
	text = uk_alloc(UK_XEN_VALUE_MAX + 1);
	if (text == NULL)
		return -UK_ENOMEM;
	/* A value holds 4096 characters at most, so there are pieces NAME/0, NAME/1, ... */
	for (unsigned piece = 0; part >= 0; piece++) {
		int size;

		at += part;
		uk_snprintf(node, sizeof(node), "%u", piece);
		size = uk_xen_read(name, node, text, UK_XEN_VALUE_MAX + 1);
		part = size > 0 ? uk_unhex(text, (size_t)size, (uint8_t *)data + at,
					   room - (size_t)at)
				: UK_MIN(size, -UK_ENOENT);
	}
	uk_free(text);
	if (part == -UK_ENODEV) /* a domain without xenstore */
		part = -UK_ENOENT;
	return part == -UK_ENOENT && at != 0 ? at : part;
}
