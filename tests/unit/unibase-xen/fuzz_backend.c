/*
 * A backend that writes anything into its rings. Every transfer must end once at most, all of them
 * when the device was given up, and nothing may be touched that was not granted.
 */
#include "host.h"
#include <stdlib.h>

#define TRANSFERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct uk_block_req req[TRANSFERS];
static unsigned ended[TRANSFERS];

static void done(struct uk_block_req *r)
{
	if (++ended[r - req] != 1)
		abort();
}

/* Responses from the input; how far the backend says it has come is its own affair. */
static size_t write_ring(struct shared_ring *ring, const uint8_t *data, size_t size)
{
	size_t part = size > 1 ? data[0] % 64 : 0;

	if (size < 2 + part)
		return size;
	memcpy(ring->entries + (size_t)(ring->responses % 32) * 112, data + 2, part);
	ring->responses += data[1] < 0xf0 ? data[1] % 4 : data[1] * 0x01010101u;
	return 2 + part;
}

static void play_disk(const uint8_t *data, size_t size)
{
	static uint8_t bytes[64 << 10];
	static struct uk_block_seg segs[TRANSFERS];

	host_tell("sectors", 1024);
	host_tell("feature-flush-cache", 1);
	host_open(&uk_xen_blk);
	for (unsigned i = 0; i < TRANSFERS; i++) {
		ended[i] = 0;
		segs[i] = (struct uk_block_seg){ bytes, i % 3 == 2 ? 1536 : sizeof(bytes) };
		req[i] = (struct uk_block_req){ .op = (enum uk_block_op)(i % 3),
						.segs = &segs[i],
						.seg_count = i % 3 == 2 ? 0 : 1,
						.done = done };
		host.disk->ops->submit(host.disk, &req[i]);
	}
	while (size != 0) {
		size_t used = write_ring(host.ring[0], data, size);

		host_event();
		data += used;
		size -= used;
	}
	uk_xen_blk.changed(&host.dev, UK_XEN_CLOSED);
	for (unsigned i = 0; i < TRANSFERS; i++)
		if (ended[i] != 1)
			abort();
}

static void play_network(const uint8_t *data, size_t size)
{
	static uint8_t bytes[1000];
	struct uk_net_seg seg = { bytes, sizeof(bytes) };
	struct uk_net_offload offload = { .checksum = true };

	host_open(&uk_xen_net);
	while (size != 0) {
		size_t used = write_ring(host.ring[data[0] >> 7], data, size);

		(void)host.net->ops->transmit(host.net, &seg, 1, &offload, NULL);
		host.net->ops->flush(host.net);
		host_event();
		(void)host.net->ops->poll(host.net, 8);
		data += used;
		size -= used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		play_disk(data + 1, size - 1);
	else
		play_network(data + 1, size - 1);
	host_clear();
	return 0;
}
