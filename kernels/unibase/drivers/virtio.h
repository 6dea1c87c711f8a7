/*
 * Virtio devices (OASIS Virtual I/O Device 1.2): split rings, over PCI and MMIO, as version 1 and
 * as legacy devices. virtio.c holds the rings and the way to a running device; a transport tells
 * how registers are reached; a driver asks for features, opens queues and says that it is ready.
 *
 * What a device writes is bounded before it is used: ring positions, descriptor numbers, the
 * configuration. A device that breaks the rules is stopped, not believed.
 */
#ifndef UK_VIRTIO_H
#define UK_VIRTIO_H

#include <uk/types.h>

enum uk_virtio_status {
	UK_VIRTIO_ACKNOWLEDGE = 1, /* the first after a reset */
	UK_VIRTIO_DRIVER = 2,
	UK_VIRTIO_DRIVER_OK = 4,
	UK_VIRTIO_FEATURES_OK = 8,
	UK_VIRTIO_FAILED = 128,
};

enum uk_virtio_id {
	UK_VIRTIO_NETWORK = 1,
	UK_VIRTIO_BLOCK = 2,
	UK_VIRTIO_RANDOM = 4,
	UK_VIRTIO_SCSI = 8
};

#define UK_VIRTIO_INDIRECT (1ull << 28)
#define UK_VIRTIO_EVENT_INDEX (1ull << 29)
#define UK_VIRTIO_VERSION_1 (1ull << 32)
#define UK_VIRTIO_PLATFORM (1ull << 33)

#define UK_VIRTIO_QUEUES 4

struct uk_virtio_dev;

struct uk_virtq_desc { /* 2.7.5 */
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

/* What we know of each descriptor ourselves: a device could write to the shared ones. */
struct uk_virtq_link {
	void *token;	/* of the chain that starts here */
	uint16_t count; /* of its descriptors */
	uint16_t next;	/* in the chain, or the free list */
};

struct uk_virtq {
	struct uk_virtio_dev *dev;
	uint16_t index;
	uint16_t size; /* a power of two */
	uint16_t free_head, free_count;
	uint16_t filled; /* next position of the available ring */
	uint16_t kicked; /* position at the last notification */
	uint16_t seen;	 /* next position of the used ring */
	uint32_t taken;	 /* bytes that the device says it wrote into the chain taken last */
	bool broken;
	volatile struct uk_virtq_desc *desc;
	volatile uint16_t *available; /* flags, index, ring[size], used_event */
	volatile uint16_t *used;      /* flags, index, { u32 id, u32 length }[size], avail_event */
	uint64_t desc_paddr, available_paddr, used_paddr;
	struct uk_virtq_link *link;
	void (*done)(struct uk_virtq *q); /* in interrupt context: something was used */
	volatile void *notify;		  /* the transport's */
};

struct uk_virtio_transport {
	uint8_t (*status)(struct uk_virtio_dev *dev);
	void (*set_status)(struct uk_virtio_dev *dev, uint8_t status);
	uint64_t (*features)(struct uk_virtio_dev *dev);
	void (*accept)(struct uk_virtio_dev *dev, uint64_t features);
	uint8_t (*generation)(struct uk_virtio_dev *dev); /* of the configuration */
	uint32_t (*config32)(struct uk_virtio_dev *dev, unsigned offset);
	uint16_t (*queue_size)(struct uk_virtio_dev *dev, uint16_t index); /* 0: there is none */
	int (*queue_set)(struct uk_virtio_dev *dev, struct uk_virtq *q);
	void (*notify)(struct uk_virtio_dev *dev, struct uk_virtq *q);
};

/* For drivers of devices that may go: the device is reset, has no interrupts and no queues any
 * more, and is freed. */
void uk_virtio_remove(struct uk_virtio_dev *dev);

struct uk_virtio_dev {
	const struct uk_virtio_transport *transport;
	uint32_t id;
	bool legacy;
	uint64_t features; /* accepted */
	struct uk_virtq *queue[UK_VIRTIO_QUEUES];
	void (*config_changed)(struct uk_virtio_dev *dev); /* in interrupt context; may be NULL */
	/* NULL: it was there at start, and stays. */
	void (*remove)(struct uk_virtio_dev *dev);
	void *driver;	/* the driver's */
	char place[24]; /* for messages: "pci 00:04.0" */
};

struct uk_virtio_driver {
	const char *name;
	uint32_t id;
	/* Opens the device; 0 or negative errno, and then it will be reset. */
	int (*start)(struct uk_virtio_dev *dev);
};

/* For transports: the driver of this kind of device, NULL when there is none. */
const struct uk_virtio_driver *uk_virtio_driver(uint32_t id);
/* Starts a device, whose registers and interrupts are reached by now; 0 or negative errno. It lives
 * for ever in any case: an interrupt may hold its address. */
int uk_virtio_start(struct uk_virtio_dev *dev, const struct uk_virtio_driver *driver);
/* Interrupts of the device's queues and of its configuration. */
void uk_virtio_queue_interrupt(struct uk_virtio_dev *dev);
void uk_virtio_config_interrupt(struct uk_virtio_dev *dev);

/* For drivers, in this order. Negotiates: what of `wanted` (and of the ring's own features) is
 * offered. */
int uk_virtio_negotiate(struct uk_virtio_dev *dev, uint64_t wanted);
struct uk_virtq *uk_virtq_open(struct uk_virtio_dev *dev, uint16_t index, uint16_t size_wanted,
			       void (*done)(struct uk_virtq *q)); /* NULL: not there, no memory */
void uk_virtio_ready(struct uk_virtio_dev *dev);

/* Bytes of the configuration, of one moment. `size` is a multiple of 4, as is `offset`. */
void uk_virtio_config(struct uk_virtio_dev *dev, unsigned offset, void *to, unsigned size);

/* A piece of a chain; pieces that the device reads come before those that it writes. */
struct uk_virtq_piece {
	uint64_t paddr;
	uint32_t size;
};
/*
 * Adds a chain of `out` pieces to read and `in` to write; `token` (not NULL) comes back when it was
 * used. `table`, if not NULL, is direct-map memory for as many descriptors, used if the device can;
 * it stays the device's until then. -UK_ENOSPC: the ring is full. The caller holds its own lock.
 */
int uk_virtq_add(struct uk_virtq *q, const struct uk_virtq_piece *pieces, unsigned out, unsigned in,
		 struct uk_virtq_desc *table, void *token);
/* Tells the device of what was added, unless it said that it will look by itself. */
void uk_virtq_kick(struct uk_virtq *q);
/* The token of a used chain, NULL when there is none; after NULL an interrupt will come for the
 * next. */
void *uk_virtq_take(struct uk_virtq *q);
/* The same, but the interrupt comes only when `more` chains were used beyond the next. */
void *uk_virtq_take_after(struct uk_virtq *q, unsigned more);

#endif
