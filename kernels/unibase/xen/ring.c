/*
 * Requests and responses between a device and its backend: public/io/ring.h.
 */
#include "xen.h"
#include <uk/log.h>

struct uk_xen_shared_ring {
	uint32_t requests, request_event;
	uint32_t responses, response_event;
	uint8_t pad[48];
	uint8_t entries[];
};
_Static_assert(offsetof(struct uk_xen_shared_ring, entries) == 64, "public/io/ring.h");

int uk_xen_ring_open(struct uk_xen_ring *ring, struct uk_xen_dev *dev, uint32_t stride,
		     const char *node)
{
	struct uk_page *page = uk_page_alloc(0, true);
	int reference;

	if (page == NULL)
		return -UK_ENOMEM;
	reference = uk_xen_grant(dev->backend_id, page);
	if (reference < 0) {
		uk_page_put(page);
		return reference;
	}
	ring->dev = dev;
	ring->page = page;
	ring->grant = (uint32_t)reference;
	ring->stride = stride;
	for (ring->size = 1; ring->size * 2 * stride <= UK_PAGE_SIZE - sizeof(*ring->shared);)
		ring->size *= 2;
	ring->shared = uk_page_virt(page);
	ring->shared->request_event = 1;
	ring->shared->response_event = 1;
	return uk_xen_write(dev->path, node, "%d", reference);
}

bool uk_xen_ring_close(struct uk_xen_ring *ring)
{
	if (ring->page != NULL && !uk_xen_grant_end(ring->grant))
		return false;
	if (ring->page != NULL)
		uk_page_put(ring->page);
	ring->page = NULL;
	ring->shared = NULL;
	return true;
}

void uk_xen_ring_put(struct uk_xen_ring *ring, const void *request, size_t size)
{
	volatile uint8_t *at =
		ring->shared->entries + (ring->filled & (ring->size - 1)) * ring->stride;

	memcpy((void *)(uintptr_t)at, request, size);
	ring->filled++;
}

bool uk_xen_ring_show(struct uk_xen_ring *ring)
{
	uint32_t old = ring->told;

	if (ring->filled == old || ring->broken)
		return false;
	ring->told = ring->filled;
	__atomic_store_n(&ring->shared->requests, ring->told, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->told - ring->shared->request_event < ring->told - old;
}

void uk_xen_ring_break(struct uk_xen_ring *ring, const char *why)
{
	if (!ring->broken)
		uk_log(UK_LOG_ERROR, "%s: the backend %s", ring->dev->path, why);
	ring->broken = true;
}

bool uk_xen_ring_take(struct uk_xen_ring *ring, void *response, size_t size, uint32_t later)
{
	const volatile uint8_t *at =
		ring->shared->entries + (ring->seen & (ring->size - 1)) * ring->stride;
	uint32_t ready = __atomic_load_n(&ring->shared->responses, __ATOMIC_ACQUIRE);

	if (ready == ring->seen && later != 0) {
		ring->shared->response_event = ring->seen + later;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ready = __atomic_load_n(&ring->shared->responses, __ATOMIC_ACQUIRE);
	}
	if (ready == ring->seen || ring->broken)
		return false;
	if (ready - ring->seen > ring->told - ring->seen) {
		uk_xen_ring_break(ring, "answered what it was not asked");
		return false;
	}
	memcpy(response, (const void *)(uintptr_t)at, size);
	ring->seen++;
	return true;
}
