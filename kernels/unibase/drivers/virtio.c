/*
 * Split virtqueues (Virtual I/O Device 1.2, section 2.7) and the way to a running device (3.1).
 */
#include "virtio.h"
#include "drivers.h"
#include <uk/log.h>
#include <uk/mem.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

#define USED_NO_NOTIFY 1     /* used ring's flag */
#define LEGACY_ALIGN 4096ull /* of the used ring */
#define LEGACY_SIZE_MAX 1024 /* a legacy device's ring cannot be made smaller */
#define RESET_TRIES 1000000
#define GENERATION_TRIES 100

/* Between what is written for the device and what is read of it; the processor may reorder these
 * two. */
static void fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

const struct uk_virtio_driver *uk_virtio_driver(uint32_t id)
{
	for (const struct uk_virtio_driver *const *at = uk_virtio_drivers_start;
	     at != uk_virtio_drivers_end; at++)
		if ((*at)->id == id)
			return *at;
	return NULL;
}

int uk_virtio_start(struct uk_virtio_dev *dev, const struct uk_virtio_driver *driver)
{
	int result = driver->start(dev);

	if (result == 0)
		return 0;
	dev->transport->set_status(dev, UK_VIRTIO_FAILED);
	uk_log(UK_LOG_WARN, "%s: %s does not start: error %d", dev->place, driver->name, -result);
	return result;
}

void uk_virtio_queue_interrupt(struct uk_virtio_dev *dev)
{
	for (unsigned i = 0; i < UK_VIRTIO_QUEUES; i++)
		if (dev->queue[i] != NULL)
			dev->queue[i]->done(dev->queue[i]);
}

void uk_virtio_config_interrupt(struct uk_virtio_dev *dev)
{
	if (dev->config_changed != NULL)
		dev->config_changed(dev);
}

int uk_virtio_negotiate(struct uk_virtio_dev *dev, uint64_t wanted)
{
	const struct uk_virtio_transport *t = dev->transport;
	const uint8_t driver = UK_VIRTIO_ACKNOWLEDGE | UK_VIRTIO_DRIVER;
	unsigned tries = 0;

	t->set_status(dev, 0);
	while (t->status(dev) != 0)
		if (++tries == RESET_TRIES)
			return -UK_EIO;
	t->set_status(dev, UK_VIRTIO_ACKNOWLEDGE);
	t->set_status(dev, driver);
	wanted |= UK_VIRTIO_INDIRECT | UK_VIRTIO_EVENT_INDEX;
	if (!dev->legacy)
		wanted |= UK_VIRTIO_VERSION_1 | UK_VIRTIO_PLATFORM;
	dev->features = t->features(dev) & wanted;
	if (!dev->legacy && (dev->features & UK_VIRTIO_VERSION_1) == 0)
		return -UK_EPROTO;
	t->accept(dev, dev->features);
	if (dev->legacy)
		return 0;
	t->set_status(dev, driver | UK_VIRTIO_FEATURES_OK);
	return (t->status(dev) & UK_VIRTIO_FEATURES_OK) != 0 ? 0 : -UK_EPROTO;
}

void uk_virtio_ready(struct uk_virtio_dev *dev)
{
	uint8_t status = UK_VIRTIO_ACKNOWLEDGE | UK_VIRTIO_DRIVER | UK_VIRTIO_DRIVER_OK;

	if (!dev->legacy)
		status |= UK_VIRTIO_FEATURES_OK;
	dev->transport->set_status(dev, status);
}

void uk_virtio_config(struct uk_virtio_dev *dev, unsigned offset, void *to, unsigned size)
{
	for (unsigned try = 0; try < GENERATION_TRIES; try++) {
		uint8_t before = dev->transport->generation(dev);

		for (unsigned at = 0; at < size; at += 4) {
			uint32_t v = dev->transport->config32(dev, offset + at);

			memcpy((uint8_t *)to + at, &v, sizeof(v));
		}
		if (dev->transport->generation(dev) == before)
			return;
	}
}

/* Rings in one piece of memory, as legacy devices want them: descriptors, available, and on the
 * next page used. */
static bool allocate(struct uk_virtq *q)
{
	size_t available_at = q->size * sizeof(struct uk_virtq_desc);
	size_t used_at = UK_ALIGN_UP(available_at + 2u * (3u + q->size), LEGACY_ALIGN);
	size_t size = used_at + 2 * 3 + 8u * q->size;
	struct uk_page *page;
	unsigned order = 0;
	uint8_t *base;

	while (((size_t)UK_PAGE_SIZE << order) < size)
		order++;
	q->link = uk_alloc(q->size * sizeof(*q->link));
	page = uk_page_alloc(order, true);
	if (page == NULL || q->link == NULL) {
		if (page != NULL)
			uk_page_put(page);
		return false;
	}
	base = uk_page_virt(page);
	q->desc = (volatile struct uk_virtq_desc *)(void *)base;
	q->available = (volatile uint16_t *)(void *)(base + available_at);
	q->used = (volatile uint16_t *)(void *)(base + used_at);
	q->desc_paddr = uk_page_paddr(page);
	q->available_paddr = q->desc_paddr + available_at;
	q->used_paddr = q->desc_paddr + used_at;
	return true;
}

static void free_queue(struct uk_virtq *q)
{
	if (q->desc != NULL)
		uk_page_put(uk_page_of(q->desc_paddr));
	uk_free(q->link);
	uk_free(q);
}

struct uk_virtq *uk_virtq_open(struct uk_virtio_dev *dev, uint16_t index, uint16_t size_wanted,
			       void (*done)(struct uk_virtq *q))
{
	uint16_t size = dev->transport->queue_size(dev, index);
	struct uk_virtq *q;

	if (size == 0 || (size & (size - 1)) != 0 || index >= UK_VIRTIO_QUEUES ||
	    (dev->legacy && size > LEGACY_SIZE_MAX))
		return NULL;
	q = uk_alloc(sizeof(*q));
	if (q == NULL)
		return NULL;
	q->dev = dev;
	q->index = index;
	q->size = dev->legacy || size < size_wanted ? size : size_wanted;
	q->done = done;
	q->free_count = q->size;
	if (!allocate(q)) {
		free_queue(q);
		return NULL;
	}
	for (uint16_t i = 0; i < q->size; i++)
		q->link[i].next = (uint16_t)(i + 1);
	if (dev->transport->queue_set(dev, q) != 0) {
		free_queue(q);
		return NULL;
	}
	dev->queue[index] = q;
	return q;
}

void uk_virtio_remove(struct uk_virtio_dev *dev)
{
	struct uk_virtq *queues[UK_VIRTIO_QUEUES];

	/* From here on it touches no memory; behind `remove` no interrupt does. */
	dev->transport->set_status(dev, 0);
	memcpy(queues, dev->queue, sizeof(queues));
	dev->remove(dev);
	for (unsigned i = 0; i < UK_VIRTIO_QUEUES; i++)
		if (queues[i] != NULL)
			free_queue(queues[i]);
}

static void fill(volatile struct uk_virtq_desc *d, const struct uk_virtq_piece *p, bool write,
		 bool last, uint16_t next)
{
	d->address = p->paddr;
	d->length = p->size;
	d->flags = (uint16_t)((write ? DESC_WRITE : 0) | (last ? 0 : DESC_NEXT));
	d->next = last ? 0 : next;
}

static void add_chain(struct uk_virtq *q, const struct uk_virtq_piece *pieces, unsigned out,
		      unsigned count)
{
	uint16_t at = q->free_head;

	for (unsigned i = 0; i < count; i++) {
		uint16_t next = q->link[at].next;

		fill(&q->desc[at], &pieces[i], i >= out, i + 1 == count, next);
		at = next;
	}
	q->link[q->free_head].count = (uint16_t)count;
	q->free_head = at;
	q->free_count = (uint16_t)(q->free_count - count);
}

int uk_virtq_add(struct uk_virtq *q, const struct uk_virtq_piece *pieces, unsigned out, unsigned in,
		 struct uk_virtq_desc *table, void *token)
{
	unsigned count = out + in;
	uint16_t head = q->free_head;

	if (q->broken)
		return -UK_EIO;
	if (table != NULL && count > 1 && (q->dev->features & UK_VIRTIO_INDIRECT) != 0) {
		struct uk_virtq_piece all = { .paddr = uk_virt_to_phys(table),
					      .size = count * (uint32_t)sizeof(*table) };

		if (q->free_count == 0)
			return -UK_ENOSPC;
		for (unsigned i = 0; i < count; i++)
			fill(&table[i], &pieces[i], i >= out, i + 1 == count, (uint16_t)(i + 1));
		add_chain(q, &all, 1, 1);
		q->desc[head].flags = DESC_INDIRECT;
	} else {
		if (q->free_count < count)
			return -UK_ENOSPC;
		add_chain(q, pieces, out, count);
	}
	q->link[head].token = token;
	q->available[2 + (q->filled & (q->size - 1))] = head;
	q->filled++;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	q->available[1] = q->filled;
	return 0;
}

void uk_virtq_kick(struct uk_virtq *q)
{
	uint16_t old = q->kicked, new = q->filled;

	if (old == new || q->broken)
		return;
	q->kicked = new;
	fence();
	if ((q->dev->features & UK_VIRTIO_EVENT_INDEX) != 0) {
		uint16_t event = q->used[2 + 4 * q->size];

		/* 2.7.10: has the index passed the one that the device waits for? */
		if ((uint16_t)(new - event - 1) >= (uint16_t)(new - old))
			return;
	} else if ((q->used[0] & USED_NO_NOTIFY) != 0) {
		return;
	}
	q->dev->transport->notify(q->dev, q);
}

static void *broken(struct uk_virtq *q, const char *why)
{
	q->broken = true;
	uk_log(UK_LOG_ERROR, "%s: queue %u: the device %s", q->dev->place, q->index, why);
	return NULL;
}

static uint16_t used_index(const struct uk_virtq *q)
{
	uint16_t v = q->used[1];

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return v;
}

static void free_chain(struct uk_virtq *q, uint16_t head)
{
	uint16_t last = head, count = q->link[head].count;

	for (uint16_t i = 1; i < count; i++)
		last = q->link[last].next;
	q->link[last].next = q->free_head;
	q->free_head = head;
	q->free_count = (uint16_t)(q->free_count + count);
}

void *uk_virtq_take(struct uk_virtq *q)
{
	return uk_virtq_take_after(q, 0);
}

void *uk_virtq_take_after(struct uk_virtq *q, unsigned more)
{
	const volatile uint32_t *entry;
	uint16_t ready = used_index(q);
	uint32_t id;
	void *token;

	if (q->broken)
		return NULL;
	if (ready == q->seen) {
		if ((q->dev->features & UK_VIRTIO_EVENT_INDEX) == 0)
			return NULL;
		q->available[2 + q->size] = (uint16_t)(q->seen + more);
		fence();
		ready = used_index(q);
		if (ready == q->seen)
			return NULL;
	}
	if ((uint16_t)(ready - q->seen) > q->size)
		return broken(q, "used more than it was given");
	entry = (const volatile uint32_t *)(const volatile void *)&q->used[2] +
		2 * (q->seen & (q->size - 1));
	id = entry[0];
	if (id >= q->size || q->link[id].token == NULL)
		return broken(q, "used what it was not given");
	token = q->link[id].token;
	q->taken = entry[1];
	q->link[id].token = NULL;
	q->seen++;
	free_chain(q, (uint16_t)id);
	return token;
}
