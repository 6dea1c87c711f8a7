/*
 * Block devices whose bytes lie in memory: volumes that are parts of the image. Readers that can
 * use the bytes where they are find them in `memory`.
 */
#include <uk/block.h>
#include <uk/mem.h>

#define SECTOR 512ull

static void submit(struct uk_block_dev *dev, struct uk_block_req *req)
{
	const uint8_t *from = (const uint8_t *)dev->memory + req->offset;

	/* Whoever writes was turned away already: the device is read-only. */
	for (unsigned i = 0; req->op == UK_BLOCK_READ && i < req->seg_count; i++) {
		memcpy(req->segs[i].data, from, req->segs[i].size);
		from += req->segs[i].size;
	}
	req->done(req);
}

static const struct uk_block_ops operations = { .submit = submit };

struct uk_block_dev *uk_block_memory(const char *name, const void *data, size_t size,
				     const uint8_t guid[16])
{
	struct uk_block_dev *dev = uk_alloc(sizeof(*dev));

	if (dev == NULL)
		return NULL;
	dev->ops = &operations;
	dev->memory = data;
	dev->size = UK_ALIGN_DOWN(size, SECTOR);
	dev->read_only = true;
	dev->has_guid = true;
	dev->scanned = true; /* it is a volume, not a disk */
	memcpy(dev->guid, guid, sizeof(dev->guid));
	(void)uk_strlcpy(dev->name, name, sizeof(dev->name));
	uk_block_register(dev);
	return dev;
}
