/*
 * A disk in memory that can be written to, and that keeps a log of every write and flush: a test
 * rebuilds from it what a machine that loses power may leave.
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"

static struct shim_write *log_items;
static size_t log_count, log_room;
static bool logging;
static size_t fail_in;

static void log_add(uint64_t offset, const void *data, size_t size)
{
	if (!logging)
		return;
	if (log_count == log_room) {
		log_room = log_room != 0 ? log_room * 2 : 256;
		log_items = realloc(log_items, log_room * sizeof(*log_items));
		if (log_items == NULL)
			abort();
	}
	log_items[log_count] = (struct shim_write){ .offset = offset, .size = size };
	if (size != 0) {
		log_items[log_count].data = malloc(size);
		if (log_items[log_count].data == NULL)
			abort();
		memcpy(log_items[log_count].data, data, size);
	}
	log_count++;
}

void shim_disk_log(bool on)
{
	for (size_t i = 0; on && i < log_count; i++)
		free(log_items[i].data);
	log_count = on ? 0 : log_count;
	logging = on;
}

const struct shim_write *shim_disk_writes(size_t *count)
{
	*count = log_count;
	return log_items;
}

void shim_disk_fail(size_t nth)
{
	fail_in = nth;
}

static int transfer(struct uk_block_dev *dev, enum uk_block_op op, uint64_t offset, uint8_t *data,
		    size_t size)
{
	if (op != UK_BLOCK_READ && dev->read_only)
		return -UK_EROFS;
	if (fail_in != 0 && --fail_in == 0) {
		fail_in = 1; /* from now on */
		return -UK_EIO;
	}
	if (op == UK_BLOCK_FLUSH) {
		log_add(0, NULL, 0);
		return 0;
	}
	if (offset % 512 != 0 || size % 512 != 0 || size == 0 || offset > dev->size ||
	    size > dev->size - offset)
		return -UK_EINVAL;
	if (op == UK_BLOCK_READ) {
		memcpy(data, (uint8_t *)dev->driver + offset, size);
		return 0;
	}
	memcpy((uint8_t *)dev->driver + offset, data, size);
	log_add(offset, data, size);
	return 0;
}

void uk_block_submit(struct uk_block_dev *dev, struct uk_block_req *req)
{
	uint64_t offset = req->offset;

	req->status = 0;
	if (req->op == UK_BLOCK_FLUSH)
		req->status = transfer(dev, req->op, 0, NULL, 0);
	for (unsigned i = 0; i < req->seg_count && req->status == 0; i++) {
		req->status = transfer(dev, req->op, offset, req->segs[i].data, req->segs[i].size);
		offset += req->segs[i].size;
	}
	req->done(req);
}

int uk_block_write(struct uk_block_dev *dev, uint64_t offset, const void *data, size_t size)
{
	union {
		const void *in;
		uint8_t *out;
	} same = { data };

	return transfer(dev, UK_BLOCK_WRITE, offset, same.out, size);
}

int uk_block_flush(struct uk_block_dev *dev)
{
	return dev->read_only ? 0 : transfer(dev, UK_BLOCK_FLUSH, 0, NULL, 0);
}
