/*
 * Transfers of the ext4 driver: many requests under way at once, one wait for all of them.
 */
#include "ext4.h"

enum { IO_MAX = 256 << 10 };

/* Sleepers share queues that outlive them: who wakes may still be in the queue when they are gone.
 */
static struct uk_waitq queues[4] = {
	UK_WAITQ_INIT(queues[0]),
	UK_WAITQ_INIT(queues[1]),
	UK_WAITQ_INIT(queues[2]),
	UK_WAITQ_INIT(queues[3]),
};

static void io_done(struct uk_block_req *req)
{
	struct e4_batch *batch = req->user;
	struct uk_waitq *queue = batch->queue;

	if (req->status != 0)
		__atomic_store_n(&batch->error, req->status, __ATOMIC_RELAXED);
	/* The batch may be gone behind this. */
	__atomic_sub_fetch(&batch->pending, 1, __ATOMIC_RELEASE);
	uk_wake_all(queue);
}

static void submit(struct e4_batch *batch, struct e4_io *io)
{
	__atomic_add_fetch(&batch->pending, 1, __ATOMIC_RELAXED);
	uk_block_submit(batch->fs->dev, &io->req);
}

int e4_ios_start(struct e4 *fs)
{
	fs->ios = uk_alloc(E4_IOS * sizeof(*fs->ios));
	return fs->ios != NULL ? 0 : -UK_ENOMEM;
}

void e4_batch_begin(struct e4_batch *batch, struct e4 *fs, enum uk_block_op op)
{
	*batch = (struct e4_batch){ .fs = fs, .op = op };
	batch->queue = &queues[(uintptr_t)uk_thread_self() / 256 % UK_COUNT(queues)];
	batch->ios = uk_alloc(E4_IOS * sizeof(*batch->ios));
	if (batch->ios == NULL) {
		uk_mutex_lock(&fs->ios_lock);
		batch->ios = fs->ios;
	}
}

static struct e4_io *last_io(struct e4_batch *batch)
{
	return batch->used != 0 ? &batch->ios[batch->used - 1] : NULL;
}

/* The request that is being gathered goes out; room for another. */
static struct e4_io *next_io(struct e4_batch *batch)
{
	if (batch->used != 0)
		submit(batch, last_io(batch));
	if (batch->used == E4_IOS) {
		uk_wait_event(batch->queue, batch->pending == 0, UK_FOREVER, false);
		batch->used = 0;
	}
	return &batch->ios[batch->used++];
}

static uint64_t io_end(const struct e4_io *io, uint32_t *size)
{
	*size = 0;
	for (unsigned i = 0; i < io->req.seg_count; i++)
		*size += io->segs[i].size;
	return io->req.offset + *size;
}

void e4_batch_add(struct e4_batch *batch, uint64_t offset, void *data, uint32_t size)
{
	struct e4_io *io = last_io(batch);
	struct uk_block_seg *seg;
	uint32_t total = 0;

	if (io != NULL && io_end(io, &total) == offset && total + size <= IO_MAX) {
		seg = &io->segs[io->req.seg_count - 1];
		if ((uint8_t *)seg->data + seg->size == data) {
			seg->size += size;
			return;
		}
		if (io->req.seg_count < UK_BLOCK_SEGS) {
			io->segs[io->req.seg_count++] = (struct uk_block_seg){ data, size };
			return;
		}
	}
	io = next_io(batch);
	io->segs[0] = (struct uk_block_seg){ data, size };
	io->req = (struct uk_block_req){ .op = batch->op,
					 .offset = offset,
					 .segs = io->segs,
					 .seg_count = 1,
					 .done = io_done,
					 .user = batch };
}

int e4_batch_end(struct e4_batch *batch)
{
	if (batch->used != 0)
		submit(batch, last_io(batch));
	uk_wait_event(batch->queue, batch->pending == 0, UK_FOREVER, false);
	if (batch->ios == batch->fs->ios)
		uk_mutex_unlock(&batch->fs->ios_lock);
	else
		uk_free(batch->ios);
	if (batch->op == UK_BLOCK_WRITE)
		batch->fs->unflushed = true;
	return batch->error;
}

int e4_read(struct e4 *fs, uint64_t offset, void *data, size_t size)
{
	return uk_block_read(fs->dev, offset, data, size);
}

int e4_write(struct e4 *fs, uint64_t offset, const void *data, size_t size)
{
	fs->unflushed = true;
	return uk_block_write(fs->dev, offset, data, size);
}

int e4_flush(struct e4 *fs)
{
	int error;

	if (!fs->unflushed)
		return 0;
	fs->unflushed = false;
	error = uk_block_flush(fs->dev);
	if (error != 0)
		fs->unflushed = true;
	return error;
}
