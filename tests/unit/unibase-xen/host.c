/*
 * The kernel's services that Xen's drivers call, and the backend's view of them.
 */
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <uk/io.h>
#include <uk/lock.h>
#include <uk/log.h>

#define PAGES_MAX 512
#define ALLOCATIONS_MAX 1024
#define NODES_MAX 8

struct host host;

static struct uk_page pages[PAGES_MAX];
static void *page_memory[PAGES_MAX];
static unsigned page_count;
static void *allocations[ALLOCATIONS_MAX];
static unsigned allocation_count;
static unsigned granted[PAGES_MAX];
static unsigned grant_count;
static struct {
	const char *name;
	uint64_t value;
} nodes[NODES_MAX];
static unsigned node_count;

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

void *uk_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL || allocation_count == ALLOCATIONS_MAX)
		fail("out of memory");
	return allocations[allocation_count++] = memory;
}

/* Until host_clear: whoever uses it afterwards is not found, but nobody here frees twice. */
void uk_free(void *p)
{
	(void)p;
}

struct uk_page *uk_page_alloc(unsigned order, bool zero)
{
	void *memory = aligned_alloc(UK_PAGE_SIZE, UK_PAGE_SIZE);

	if (memory == NULL || order != 0 || page_count == PAGES_MAX)
		fail("out of pages");
	memset(memory, zero ? 0 : 0xaa, UK_PAGE_SIZE);
	page_memory[page_count] = memory;
	host.pages++;
	return &pages[page_count++];
}

/* Such that the direct map is where the memory really is. */
uk_paddr_t uk_page_paddr(const struct uk_page *page)
{
	return (uintptr_t)page_memory[page - pages] - UK_DIRECT_BASE;
}

uint64_t uk_mem_total(void)
{
	return 16u << 20;
}

uint64_t uk_spin_lock(struct uk_spinlock *lock)
{
	if (lock->held++ != 0)
		fail("a lock taken twice");
	return 0;
}

void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state)
{
	(void)state;
	lock->held--;
}

void uk_log(enum uk_log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	host.log_lines++;
}

void uk_random(void *data, size_t size)
{
	memset(data, 4, size);
}

int uk_xen_grant(uint16_t domain, const struct uk_page *page)
{
	(void)domain;
	granted[grant_count] = (unsigned)(page - pages);
	host.grants++;
	return (int)grant_count++;
}

bool uk_xen_grant_end(uint32_t reference)
{
	if (reference >= grant_count || granted[reference] == PAGES_MAX)
		fail("the end of a grant that was not given");
	if (host.maps)
		return false;
	granted[reference] = PAGES_MAX;
	host.grants--;
	return true;
}

void uk_page_put(struct uk_page *page)
{
	for (unsigned i = 0; i < grant_count; i++)
		if (granted[i] == (unsigned)(page - pages))
			fail("a page given back that the backend may map");
	host.pages--;
}

uint8_t *host_granted(uint32_t reference)
{
	if (reference >= grant_count || granted[reference] == PAGES_MAX)
		fail("a grant that was not given");
	return page_memory[granted[reference]];
}

int uk_xen_event_new(uint16_t domain, void (*fn)(void *arg), void *arg)
{
	(void)domain;
	host.event = fn;
	host.event_arg = arg;
	return 5;
}

void uk_xen_event_send(uint32_t port)
{
	if (port != 5)
		fail("an event by no port of ours");
	host.sent++;
}

void uk_xen_event_close(uint32_t port)
{
	if (port != 5 || host.event == NULL)
		fail("the end of no channel of ours");
	host.event = NULL;
}

void uk_xen_bus_wake(void)
{
}

void host_event(void)
{
	host.event(host.event_arg);
}

int uk_xen_write(const char *directory, const char *node, const char *format, ...)
{
	__builtin_va_list args;

	(void)directory;
	if (strstr(node, "ring-ref") != NULL) {
		__builtin_va_start(args, format);
		host.ring[host.ring[0] != NULL] = (struct shared_ring *)(void *)host_granted(
			(uint32_t) __builtin_va_arg(args, int));
		__builtin_va_end(args);
	}
	return 0;
}

uint64_t uk_xen_read_number(const char *directory, const char *node, uint64_t absent)
{
	(void)directory;
	for (unsigned i = 0; i < node_count; i++)
		if (strcmp(nodes[i].name, node) == 0)
			return nodes[i].value;
	return absent;
}

int uk_xen_read(const char *directory, const char *node, char *to, size_t room)
{
	const char *value = strcmp(node, "mac") == 0 ? "00:16:3E:01:ab:02" : "w";

	(void)directory;
	return (int)uk_strlcpy(to, value, room);
}

size_t uk_strlcpy(char *to, const char *from, size_t room)
{
	return (size_t)snprintf(to, room, "%s", from);
}

void host_tell(const char *node, uint64_t value)
{
	nodes[node_count].name = node;
	nodes[node_count++].value = value;
}

void uk_block_register(struct uk_block_dev *dev)
{
	host.disk = dev;
}

void uk_netdev_register(struct uk_netdev *dev)
{
	host.net = dev;
}

void uk_net_wake(void)
{
}

void uk_net_link_changed(struct uk_netdev *dev)
{
	(void)dev;
}

void uk_net_sent(struct uk_netdev *dev, void *token)
{
	(void)dev;
	(void)token;
	host.tokens++;
}

void uk_net_received(struct uk_netdev *dev, struct uk_net_buf *frame, bool sums_good)
{
	(void)dev;
	host.frames++;
	host.frame_good = sums_good;
	host.frame_size = host.frame_pieces = 0;
	while (frame != NULL) {
		struct uk_net_buf *next = frame->next;

		if (frame->size > sizeof(host.frame) - host.frame_size)
			fail("a frame of more than 64 KiB");
		memcpy(host.frame + host.frame_size, frame->data, frame->size);
		host.frame_size += frame->size;
		host.frame_pieces++;
		if (!host.hold)
			frame->free(frame);
		frame = next;
	}
}

void host_open(const struct uk_xen_driver *driver)
{
	host.dev = (struct uk_xen_dev){ .driver = driver,
					.path = "device/vbd/51712",
					.number = 51712 };
	if (driver->open(&host.dev) != 0 || driver->connect(&host.dev) != 0)
		fail("the device does not start");
}

void host_clear(void)
{
	while (allocation_count != 0)
		free(allocations[--allocation_count]);
	while (page_count != 0)
		free(page_memory[--page_count]);
	grant_count = node_count = 0;
	memset(&host, 0, sizeof(host));
}
