/*
 * The doorbell by xenstore (uni/abi/bell.h), for guests whose toolstack gives them no disk for it:
 * a watch is the bell.
 */
#include "xen.h"
#include <uni/abi/bell.h>

static void (*on_ring)(void);

static void written(struct uk_xen_watch *watch)
{
	(void)watch;
	on_ring();
}

int uk_xen_bell_listen(void (*fn)(void))
{
	static struct uk_xen_watch watch = { .fn = written };

	if (!uk_xen_start())
		return -UK_ENODEV;
	on_ring = fn;
	return uk_xen_watch(UNI_BELL_XENSTORE, NULL, &watch);
}

bool uk_xen_bell_order(void *order, size_t size)
{
	return uk_xen_config_read(UNI_BELL_XENSTORE "/order", order, size) == (int64_t)size;
}

void uk_xen_bell_reply(uint64_t number, uint32_t error, const char *text)
{
	(void)uk_xen_write("data/uni", "reply", "%llu %u %s", (unsigned long long)number, error,
			   text);
}

void uk_xen_bell_answer(unsigned index, uint64_t generation, uint64_t pinned, uint64_t refused,
			uint32_t reason)
{
	char node[12];

	uk_snprintf(node, sizeof(node), "%u", index);
	(void)uk_xen_write("data/uni/live", node, "%llu %llu %llu %u",
			   (unsigned long long)generation, (unsigned long long)pinned,
			   (unsigned long long)refused, reason);
}
