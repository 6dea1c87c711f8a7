/*
 * Block devices. drivers/block.c keeps the list; a driver (virtio-blk, NVMe) registers
 * what it found, memory.c makes one of an embedded part, gpt.c registers a child for each
 * partition.
 */
#ifndef UK_BLOCK_H
#define UK_BLOCK_H

#include <uk/list.h>
#include <uk/types.h>

struct uk_block_dev;

enum uk_block_op { UK_BLOCK_READ, UK_BLOCK_WRITE, UK_BLOCK_FLUSH };

/* One transfer; lives until `done` was called (in interrupt context, or before uk_block_submit
 * returns). The buffer is direct-map or kernel-image memory and is physically contiguous in each
 * segment. */
struct uk_block_seg {
	void *data;
	uint32_t size; /* a multiple of 512 */
};
struct uk_block_req {
	enum uk_block_op op;
	uint64_t offset; /* bytes, a multiple of 512; uk_block_submit may change it */
	struct uk_block_seg *segs;
	unsigned seg_count; /* at most UK_BLOCK_SEGS */
	int status;	    /* 0 or negative errno, when done */
	void (*done)(struct uk_block_req *req);
	void *user;
	struct uk_list item; /* the driver's, as the next */
	void *driver;
};
#define UK_BLOCK_SEGS 32

struct uk_block_ops {
	/* Queues it (never blocks for long); every accepted request is completed once. Only
	 * uk_block_submit calls this: the request lies inside the device and is allowed there. */
	void (*submit)(struct uk_block_dev *dev, struct uk_block_req *req);
};

struct uk_block_dev {
	struct uk_list item;
	const struct uk_block_ops *ops;
	void *driver;
	char name[16]; /* "vda", "vda1" */
	uint64_t size; /* bytes, a multiple of 512 */
	bool read_only;
	bool has_guid;
	uint8_t guid[16]; /* a partition's, as on disk */
	uint8_t type[16];
	struct uk_block_dev *parent;
	uint64_t start;	    /* in the parent, bytes */
	const void *memory; /* not NULL: the content lies in memory, read-only */
	bool scanned;	    /* for partitions */
	/* The device changed its configuration (a resize, a doorbell); interrupt context. NULL:
	 * nobody cares. `size` is the new one. */
	void (*changed)(struct uk_block_dev *dev);
	void *changed_arg;
	/* The driver's: gives the device back, and frees it. NULL: it was there at start, and
	 * stays. */
	void (*remove)(struct uk_block_dev *dev);
};

/* Drivers: a device from now on. It is looked at for a GPT (both copies, CRCs checked) when
 * somebody first asks for devices. */
void uk_block_register(struct uk_block_dev *dev);
/* NULL starts, and looks for partitions first: may sleep. */
struct uk_block_dev *uk_block_next(struct uk_block_dev *dev);
/* The same of whole devices only, which are not looked at. */
struct uk_block_dev *uk_block_disk_next(struct uk_block_dev *dev);
/* One that may go, which nobody uses any more, with its partitions. */
void uk_block_remove(struct uk_block_dev *dev);
/* Registers the disks that were plugged in since; may sleep. drivers/hotplug.c */
void uk_disks_look(void);
/* A partition or device with this GUID (as on disk); may sleep. */
struct uk_block_dev *uk_block_find(const uint8_t guid[16]);

/* Starts a transfer; what is outside the device, or writes where only reading is allowed, is
 * completed at once with an error. */
void uk_block_submit(struct uk_block_dev *dev, struct uk_block_req *req);

/* Whole transfers that sleep, from and to any kernel memory; offset and size multiples of 512. 0 or
 * negative errno. */
int uk_block_read(struct uk_block_dev *dev, uint64_t offset, void *data, size_t size);
int uk_block_write(struct uk_block_dev *dev, uint64_t offset, const void *data, size_t size);
int uk_block_flush(struct uk_block_dev *dev);

/* A read-only device whose bytes lie in memory; NULL: no memory. It is registered. */
struct uk_block_dev *uk_block_memory(const char *name, const void *data, size_t size,
				     const uint8_t guid[16]);

#endif
