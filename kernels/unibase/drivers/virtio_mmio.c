/*
 * Virtio in a window of memory (Virtual I/O Device 1.2, section 4.2), version 2 and the legacy
 * version 1, on machines without PCI. Where the windows are and which interrupts they raise stands
 * in ACPI (QEMU's microvm, Firecracker) or, without it, on the command line:
 * virtio_mmio.device=SIZE@ADDRESS:INTERRUPT.
 */
#include "drivers.h"
#include "virtio.h"
#include <uk/mem.h>
#include <uk/start.h>

#define MAGIC 0x74726976 /* "virt" */
#define WINDOW_MIN 0x104
#define CONFIG_SIZE_MAX 0x1000
#define RING_ALIGN 4096

enum mmio_register {
	REG_MAGIC = 0x00,
	REG_VERSION = 0x04,
	REG_ID = 0x08,
	REG_FEATURES = 0x10,
	REG_FEATURES_SELECT = 0x14,
	REG_ACCEPT = 0x20,
	REG_ACCEPT_SELECT = 0x24,
	REG_PAGE_SIZE = 0x28, /* version 1 */
	REG_QUEUE_SELECT = 0x30,
	REG_QUEUE_MAX = 0x34,
	REG_QUEUE_SIZE = 0x38,
	REG_QUEUE_ALIGN = 0x3c, /* version 1 */
	REG_QUEUE_PAGE = 0x40,	/* version 1 */
	REG_QUEUE_READY = 0x44,
	REG_NOTIFY = 0x50,
	REG_CAUSE = 0x60,
	REG_CAUSE_DONE = 0x64,
	REG_STATUS = 0x70,
	REG_DESC = 0x80,
	REG_AVAILABLE = 0x90,
	REG_USED = 0xa0,
	REG_GENERATION = 0xfc,
	REG_CONFIG = 0x100,
};
enum { CAUSE_QUEUE = 1, CAUSE_CONFIG = 2 };

struct mmio_virtio {
	struct uk_virtio_dev dev;
	volatile uint32_t *window;
	uint32_t config_size;
};

static volatile uint32_t *reg(struct uk_virtio_dev *dev, unsigned at)
{
	return uk_container(dev, struct mmio_virtio, dev)->window + at / 4;
}

static uint8_t get_status(struct uk_virtio_dev *dev)
{
	return (uint8_t)*reg(dev, REG_STATUS);
}

static void set_status(struct uk_virtio_dev *dev, uint8_t status)
{
	*reg(dev, REG_STATUS) = status;
}

static uint64_t features(struct uk_virtio_dev *dev)
{
	uint64_t low, high;

	*reg(dev, REG_FEATURES_SELECT) = 0;
	low = *reg(dev, REG_FEATURES);
	*reg(dev, REG_FEATURES_SELECT) = 1;
	high = *reg(dev, REG_FEATURES);
	return low | high << 32;
}

static void accept(struct uk_virtio_dev *dev, uint64_t wanted)
{
	*reg(dev, REG_ACCEPT_SELECT) = 0;
	*reg(dev, REG_ACCEPT) = (uint32_t)wanted;
	if (dev->legacy) {
		*reg(dev, REG_PAGE_SIZE) = RING_ALIGN;
		return;
	}
	*reg(dev, REG_ACCEPT_SELECT) = 1;
	*reg(dev, REG_ACCEPT) = (uint32_t)(wanted >> 32);
}

static uint8_t generation(struct uk_virtio_dev *dev)
{
	return dev->legacy ? 0 : (uint8_t)*reg(dev, REG_GENERATION);
}

static uint32_t config32(struct uk_virtio_dev *dev, unsigned offset)
{
	if (offset + 4 > uk_container(dev, struct mmio_virtio, dev)->config_size)
		return 0;
	return *reg(dev, REG_CONFIG + offset);
}

static uint16_t queue_size(struct uk_virtio_dev *dev, uint16_t index)
{
	uint32_t max;

	*reg(dev, REG_QUEUE_SELECT) = index;
	max = *reg(dev, REG_QUEUE_MAX);
	return max > 0x8000 ? 0 : (uint16_t)max;
}

static void put64(struct uk_virtio_dev *dev, unsigned at, uint64_t v)
{
	*reg(dev, at) = (uint32_t)v;
	*reg(dev, at + 4) = (uint32_t)(v >> 32);
}

/* The queue was selected by queue_size. */
static int queue_set(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	*reg(dev, REG_QUEUE_SIZE) = q->size;
	if (dev->legacy) {
		if (q->desc_paddr / RING_ALIGN > UINT32_MAX)
			return -UK_ENOMEM;
		*reg(dev, REG_QUEUE_ALIGN) = RING_ALIGN;
		*reg(dev, REG_QUEUE_PAGE) = (uint32_t)(q->desc_paddr / RING_ALIGN);
		return 0;
	}
	put64(dev, REG_DESC, q->desc_paddr);
	put64(dev, REG_AVAILABLE, q->available_paddr);
	put64(dev, REG_USED, q->used_paddr);
	*reg(dev, REG_QUEUE_READY) = 1;
	return 0;
}

static void notify(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	*reg(dev, REG_NOTIFY) = q->index;
}

static const struct uk_virtio_transport mmio = {
	.status = get_status,
	.set_status = set_status,
	.features = features,
	.accept = accept,
	.generation = generation,
	.config32 = config32,
	.queue_size = queue_size,
	.queue_set = queue_set,
	.notify = notify,
};

static void interrupt(void *arg)
{
	struct uk_virtio_dev *dev = arg;
	uint32_t cause = *reg(dev, REG_CAUSE) & (CAUSE_QUEUE | CAUSE_CONFIG);

	if (cause == 0)
		return;
	*reg(dev, REG_CAUSE_DONE) = cause;
	if ((cause & CAUSE_QUEUE) != 0)
		uk_virtio_queue_interrupt(dev);
	if ((cause & CAUSE_CONFIG) != 0)
		uk_virtio_config_interrupt(dev);
}

static void try_window(const struct uk_aml_device *d)
{
	const struct uk_virtio_driver *driver;
	struct mmio_virtio *v;
	volatile uint32_t *window;
	uint32_t version;
	int vector;

	if (d->length < WINDOW_MIN || d->interrupt == UINT32_MAX || d->base + d->length < d->base)
		return;
	window = uk_io_map(d->base, d->length);
	if (window == NULL || window[REG_MAGIC / 4] != MAGIC)
		return;
	version = window[REG_VERSION / 4];
	driver = uk_virtio_driver(window[REG_ID / 4]);
	if (driver == NULL || (version != 1 && version != 2))
		return;
	v = uk_alloc(sizeof(*v));
	if (v == NULL)
		return;
	v->window = window;
	v->config_size = (uint32_t)UK_MIN(d->length - REG_CONFIG, (uint64_t)CONFIG_SIZE_MAX);
	v->dev.transport = &mmio;
	v->dev.legacy = version == 1;
	v->dev.id = driver->id;
	uk_snprintf(v->dev.place, sizeof(v->dev.place), "mmio %lx", (unsigned long)d->base);
	vector = uk_irq_alloc(interrupt, &v->dev);
	if (vector < 0 || uk_irq_route_gsi(d->interrupt, vector, d->level, d->active_low) != 0)
		return;
	(void)uk_virtio_start(&v->dev, driver);
}

void uk_virtio_mmio_start(void)
{
	struct uk_aml_device d;
	const char *line = uk_boot.cmdline;
	size_t size, at = 0;
	const uint8_t *aml = uk_acpi_aml(0, &size);

	while (aml != NULL && uk_aml_device(aml, size, &at, "LNRO0005", &d))
		try_window(&d);
	while (aml == NULL && uk_virtio_mmio_option(&line, &d))
		try_window(&d);
}
