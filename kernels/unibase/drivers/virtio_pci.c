/*
 * Virtio over PCI (Virtual I/O Device 1.2, section 4.1): version 1 devices by their capabilities,
 * legacy ones by ports. A transitional device is driven as version 1.
 */
#include "drivers.h"
#include "virtio.h"
#include <uk/mem.h>

#define VENDOR 0x1af4
#define TRANSITIONAL_FIRST 0x1000
#define MODERN_FIRST 0x1040
#define MODERN_LAST 0x107f
#define CAPABILITY_VENDOR 0x09
#define NO_VECTOR 0xffff
#define CONFIG_SIZE_MAX 4096

enum { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_ISR = 3, CFG_DEVICE = 4, CFG_KINDS = 5 };
enum { VECTOR_CONFIG, VECTOR_QUEUES, VECTORS };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

struct common { /* 4.1.4.3 */
	uint32_t feature_select;
	uint32_t feature;
	uint32_t accept_select;
	uint32_t accept;
	uint16_t config_vector;
	uint16_t queues;
	uint8_t status;
	uint8_t generation;
	uint16_t queue_select;
	uint16_t queue_size;
	uint16_t queue_vector;
	uint16_t queue_enable;
	uint16_t queue_notify_off;
	uint32_t desc[2], available[2], used[2];
};
_Static_assert(sizeof(struct common) == 56, "virtio 4.1.4.3");

enum legacy_register { /* 4.1.4.8 */
		       LEGACY_FEATURES = 0,
		       LEGACY_ACCEPT = 4,
		       LEGACY_QUEUE_PAGE = 8,
		       LEGACY_QUEUE_SIZE = 12,
		       LEGACY_QUEUE_SELECT = 14,
		       LEGACY_NOTIFY = 16,
		       LEGACY_STATUS = 18,
		       LEGACY_ISR = 19,
		       LEGACY_CONFIG_VECTOR = 20,
		       LEGACY_QUEUE_VECTOR = 22,
		       LEGACY_CONFIG = 20, /* 24 with MSI-X */
};

struct pci_virtio {
	struct uk_virtio_dev dev;
	struct uk_pci_dev *pci;
	bool msix;
	uint16_t port; /* legacy */
	volatile struct common *common;
	volatile uint8_t *isr;
	volatile uint8_t *config;
	uint32_t config_size;
	volatile uint8_t *notify;
	uint32_t notify_size, notify_step;
};

static struct pci_virtio *of(struct uk_virtio_dev *dev)
{
	return uk_container(dev, struct pci_virtio, dev);
}

static uint8_t modern_status(struct uk_virtio_dev *dev)
{
	return of(dev)->common->status;
}

/* A reset forgets the vectors, so the configuration's is set behind it. */
static void modern_set_status(struct uk_virtio_dev *dev, uint8_t status)
{
	struct pci_virtio *v = of(dev);

	v->common->status = status;
	if (status == UK_VIRTIO_ACKNOWLEDGE && v->msix)
		v->common->config_vector = VECTOR_CONFIG;
}

static uint64_t modern_features(struct uk_virtio_dev *dev)
{
	volatile struct common *c = of(dev)->common;
	uint64_t low, high;

	c->feature_select = 0;
	low = c->feature;
	c->feature_select = 1;
	high = c->feature;
	return low | high << 32;
}

static void modern_accept(struct uk_virtio_dev *dev, uint64_t features)
{
	volatile struct common *c = of(dev)->common;

	c->accept_select = 0;
	c->accept = (uint32_t)features;
	c->accept_select = 1;
	c->accept = (uint32_t)(features >> 32);
}

static uint8_t modern_generation(struct uk_virtio_dev *dev)
{
	return of(dev)->common->generation;
}

static uint32_t modern_config32(struct uk_virtio_dev *dev, unsigned offset)
{
	struct pci_virtio *v = of(dev);

	if (v->config == NULL || offset + 4 > v->config_size)
		return 0;
	return *(volatile uint32_t *)(volatile void *)(v->config + offset);
}

static uint16_t modern_queue_size(struct uk_virtio_dev *dev, uint16_t index)
{
	volatile struct common *c = of(dev)->common;

	if (index >= c->queues)
		return 0;
	c->queue_select = index;
	return c->queue_size;
}

static void put64(volatile uint32_t to[2], uint64_t v)
{
	to[0] = (uint32_t)v;
	to[1] = (uint32_t)(v >> 32);
}

/* The queue was selected by modern_queue_size. */
static int modern_queue_set(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	struct pci_virtio *v = of(dev);
	volatile struct common *c = v->common;
	uint64_t notify = (uint64_t)c->queue_notify_off * v->notify_step;

	if (notify + 2 > v->notify_size)
		return -UK_EPROTO;
	q->notify = v->notify + notify;
	c->queue_size = q->size;
	if (v->msix) {
		c->queue_vector = VECTOR_QUEUES;
		if (c->queue_vector == NO_VECTOR)
			return -UK_ENOSPC;
	}
	put64(c->desc, q->desc_paddr);
	put64(c->available, q->available_paddr);
	put64(c->used, q->used_paddr);
	c->queue_enable = 1;
	return 0;
}

static void modern_notify(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	(void)dev;
	*(volatile uint16_t *)q->notify = q->index;
}

static const struct uk_virtio_transport modern = {
	.status = modern_status,
	.set_status = modern_set_status,
	.features = modern_features,
	.accept = modern_accept,
	.generation = modern_generation,
	.config32 = modern_config32,
	.queue_size = modern_queue_size,
	.queue_set = modern_queue_set,
	.notify = modern_notify,
};

static uint16_t port(struct uk_virtio_dev *dev, unsigned reg)
{
	return (uint16_t)(of(dev)->port + reg);
}

static uint8_t legacy_status(struct uk_virtio_dev *dev)
{
	return uk_in8(port(dev, LEGACY_STATUS));
}

static void legacy_set_status(struct uk_virtio_dev *dev, uint8_t status)
{
	uk_out8(port(dev, LEGACY_STATUS), status);
	if (status == UK_VIRTIO_ACKNOWLEDGE && of(dev)->msix)
		uk_out16(port(dev, LEGACY_CONFIG_VECTOR), VECTOR_CONFIG);
}

static uint64_t legacy_features(struct uk_virtio_dev *dev)
{
	return uk_in32(port(dev, LEGACY_FEATURES));
}

static void legacy_accept(struct uk_virtio_dev *dev, uint64_t features)
{
	uk_out32(port(dev, LEGACY_ACCEPT), (uint32_t)features);
}

static uint8_t legacy_generation(struct uk_virtio_dev *dev)
{
	(void)dev;
	return 0;
}

static uint32_t legacy_config32(struct uk_virtio_dev *dev, unsigned offset)
{
	return uk_in32(port(dev, LEGACY_CONFIG + (of(dev)->msix ? 4u : 0u) + offset));
}

static uint16_t legacy_queue_size(struct uk_virtio_dev *dev, uint16_t index)
{
	uk_out16(port(dev, LEGACY_QUEUE_SELECT), index);
	return uk_in16(port(dev, LEGACY_QUEUE_SIZE));
}

static int legacy_queue_set(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	if (q->desc_paddr >> 12 > UINT32_MAX)
		return -UK_ENOMEM;
	if (of(dev)->msix) {
		uk_out16(port(dev, LEGACY_QUEUE_VECTOR), VECTOR_QUEUES);
		if (uk_in16(port(dev, LEGACY_QUEUE_VECTOR)) == NO_VECTOR)
			return -UK_ENOSPC;
	}
	uk_out32(port(dev, LEGACY_QUEUE_PAGE), (uint32_t)(q->desc_paddr >> 12));
	return 0;
}

static void legacy_notify(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	uk_out16(port(dev, LEGACY_NOTIFY), q->index);
}

static const struct uk_virtio_transport legacy = {
	.status = legacy_status,
	.set_status = legacy_set_status,
	.features = legacy_features,
	.accept = legacy_accept,
	.generation = legacy_generation,
	.config32 = legacy_config32,
	.queue_size = legacy_queue_size,
	.queue_set = legacy_queue_set,
	.notify = legacy_notify,
};

static void queue_interrupt(void *arg)
{
	uk_virtio_queue_interrupt(arg);
}

static void config_interrupt(void *arg)
{
	uk_virtio_config_interrupt(arg);
}

/* The pin's: reading the cause takes the interrupt back. */
static void pin_interrupt(void *arg)
{
	struct uk_virtio_dev *dev = arg;
	uint8_t cause = dev->legacy ? uk_in8(port(dev, LEGACY_ISR)) : *of(dev)->isr;

	if ((cause & ISR_QUEUE) != 0)
		uk_virtio_queue_interrupt(dev);
	if ((cause & ISR_CONFIG) != 0)
		uk_virtio_config_interrupt(dev);
}

static int listen(struct pci_virtio *v)
{
	int result;

	if (v->pci->msix != 0 && uk_pci_msix_start(v->pci) == 0 && v->pci->msix_count >= VECTORS) {
		v->msix = true;
		result = uk_pci_msix_set(v->pci, VECTOR_CONFIG, config_interrupt, &v->dev);
		if (result == 0)
			result = uk_pci_msix_set(v->pci, VECTOR_QUEUES, queue_interrupt, &v->dev);
		return result;
	}
	return uk_pci_intx_set(v->pci, pin_interrupt, &v->dev);
}

/* The first usable window of each kind (4.1.4). */
static bool find_windows(struct pci_virtio *v)
{
	volatile uint8_t *window[CFG_KINDS] = { NULL };
	uint32_t size[CFG_KINDS] = { 0 };
	unsigned at = 0;

	while ((at = uk_pci_capability(v->pci, CAPABILITY_VENDOR, at)) != 0) {
		uint32_t head = uk_pci_read32(v->pci, at);
		uint8_t length = (uint8_t)(head >> 16), kind = (uint8_t)(head >> 24);

		if (kind == 0 || kind >= CFG_KINDS || window[kind] != NULL || length < 16 ||
		    (kind == CFG_NOTIFY && length < 20))
			continue;
		size[kind] = uk_pci_read32(v->pci, at + 12);
		window[kind] = uk_pci_map(v->pci, uk_pci_read8(v->pci, at + 4),
					  uk_pci_read32(v->pci, at + 8), size[kind]);
		if (kind == CFG_NOTIFY)
			v->notify_step = uk_pci_read32(v->pci, at + 16);
	}
	v->common = (volatile struct common *)(volatile void *)window[CFG_COMMON];
	v->isr = window[CFG_ISR];
	v->notify = window[CFG_NOTIFY];
	v->notify_size = size[CFG_NOTIFY];
	v->config = window[CFG_DEVICE];
	v->config_size = UK_MIN(size[CFG_DEVICE], (uint32_t)CONFIG_SIZE_MAX);
	return v->common != NULL && size[CFG_COMMON] >= sizeof(struct common) && v->isr != NULL &&
	       v->notify != NULL;
}

static int set_up(struct pci_virtio *v)
{
	struct uk_pci_bar bar;

	if (find_windows(v)) {
		v->dev.transport = &modern;
		uk_pci_enable(v->pci, UK_PCI_MEMORY | UK_PCI_MASTER);
		return 0;
	}
	bar = uk_pci_bar(v->pci, 0);
	if (v->pci->device >= MODERN_FIRST || !bar.io || bar.base == 0)
		return -UK_ENODEV;
	v->dev.legacy = true;
	v->dev.transport = &legacy;
	v->port = (uint16_t)bar.base;
	uk_pci_enable(v->pci, UK_PCI_IO | UK_PCI_MASTER);
	return 0;
}

/* It was reset: no interrupt comes, and no handler runs while we do. */
static void give_back(struct uk_virtio_dev *dev)
{
	struct pci_virtio *v = of(dev);

	for (unsigned i = 0; i < VECTORS; i++)
		uk_pci_msix_clear(v->pci, i);
	uk_pci_give_back(v->pci);
	uk_free(v);
}

/* A transitional device tells its kind elsewhere. */
static uint32_t kind(const struct uk_pci_dev *pci)
{
	return pci->device >= MODERN_FIRST ? pci->device - (uint32_t)MODERN_FIRST : pci->subsystem;
}

static bool match(const struct uk_pci_dev *pci)
{
	return pci->vendor == VENDOR && pci->device >= TRANSITIONAL_FIRST &&
	       pci->device <= MODERN_LAST;
}

static int start(struct uk_pci_dev *pci)
{
	const struct uk_virtio_driver *driver = uk_virtio_driver(kind(pci));
	struct pci_virtio *v;
	int result;

	if (driver == NULL)
		return -UK_ENODEV;
	v = uk_alloc(sizeof(*v));
	if (v == NULL)
		return -UK_ENOMEM;
	v->pci = pci;
	v->dev.id = driver->id;
	uk_snprintf(v->dev.place, sizeof(v->dev.place), "pci %02x:%02x.%x", pci->bus, pci->slot,
		    pci->function);
	result = set_up(v);
	if (result == 0)
		result = listen(v);
	if (pci->slot_of != NULL && v->msix)
		v->dev.remove = give_back;
	return result != 0 ? result : uk_virtio_start(&v->dev, driver);
}

const struct uk_pci_driver uk_virtio_pci = { .name = "virtio", .match = match, .start = start };
UK_PCI_DRIVER(uk_virtio_pci);
