/*
 * An NVMe controller that says anything of itself, and completes anything.
 */
#include "machine.h"
#include "nvme_model.h"
#include <string.h>
#include <uk/mem.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void land(struct uk_block_req *req)
{
	*(unsigned *)req->user += 1;
}

static void complete(const uint8_t *data, size_t size)
{
	static struct uk_block_req reqs[8];
	static struct uk_block_seg segs[8];
	unsigned landed = 0;
	uint8_t *memory = machine_pages(2);

	model.hold = true;
	for (unsigned i = 0; i < 8; i++) {
		segs[i] = (struct uk_block_seg){ memory + (size_t)512 * i, 512 * (1 + i % 3) };
		reqs[i] = (struct uk_block_req){ .op = i % 2 == 0 ? UK_BLOCK_READ : UK_BLOCK_WRITE,
						 .segs = &segs[i],
						 .seg_count = 1,
						 .done = land,
						 .user = &landed };
		machine_partition[0]->ops->submit(machine_partition[0], &reqs[i]);
	}
	for (unsigned i = 0; i < 60 && size >= 3; i++, data += 3, size -= 3) {
		model_complete((uint16_t)(data[0] | (data[1] & 1) << 8), data[2]);
		model.interrupt(model.interrupt_arg);
	}
	if (landed > 8)
		machine_fail("a transfer ends once");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model_reset();
	model.has_data = false;
	for (unsigned i = 0; i < 3 && size >= 64; i++, data += 64, size -= 64) {
		static const unsigned at[3] = { 0, 64, 0 };

		if ((data[63] & 1) != 0)
			memcpy(model.identify[i] + at[i], data, 64);
		if (i == 0 && (data[63] & 2) != 0)
			memcpy(model.identify[0] + 128, data, 63);
		if (i == 1 && (data[62] & 2) != 0)
			memcpy(model.identify[1] + 512, data, 64);
	}
	if (model_start() == 0 && machine_partitions != 0 && machine_partition[0]->size >= 8192)
		complete(data, size);
	model_end();
	return 0;
}
