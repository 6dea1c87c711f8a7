/*
 * The NVMe driver against a controller that is played here: an honest one, one that breaks the
 * rules, and ones that are not for us.
 */
#include "machine.h"
#include "nvme_model.h"
#include "tests.h"
#include <string.h>
#include <uk/mem.h>

static unsigned landed;
static int landed_status;

static void land(struct uk_block_req *req)
{
	landed++;
	landed_status = req->status;
}

static struct uk_block_dev *start_sound(void)
{
	model_reset();
	assert_int_equal(model_start(), 0);
	assert_int_equal(machine_partitions, 1);
	return machine_partition[0];
}

/* One transfer, with as many interrupts as it takes. */
static int transfer(struct uk_block_dev *dev, struct uk_block_req *req)
{
	landed = 0;
	req->done = land;
	req->status = 0;
	dev->ops->submit(dev, req);
	for (unsigned i = 0; i < 100 && landed == 0; i++)
		model.interrupt(model.interrupt_arg);
	assert_int_equal(landed, 1);
	return landed_status;
}

static void test_start(void **state)
{
	struct uk_block_dev *dev = start_sound();

	(void)state;
	assert_string_equal(strncmp(dev->name, "nvme", 4) == 0 ? "nvme" : dev->name, "nvme");
	assert_int_equal(dev->size, MODEL_SECTORS * 512);
	assert_false(dev->read_only);
	model_end();
}

/* Pieces of all lengths and offsets, which PRPs cannot hold together. */
static void test_pieces(void **state)
{
	struct uk_block_dev *dev = start_sound();
	uint8_t *memory = machine_pages(32);
	static const struct {
		uint32_t at, size;
	} cases[][4] = {
		{ { 0, 512 } },
		{ { 512, 4096 } },
		{ { 1024, 65536 } },
		{ { 0, 131072 } },
		{ { 3584, 512 }, { 4096, 4096 }, { 8192, 512 } },
		{ { 0, 512 }, { 512, 512 }, { 4096, 512 } },
		{ { 2048, 2048 }, { 8192, 8192 }, { 32768, 1024 }, { 40960, 512 } },
	};

	(void)state;
	for (size_t i = 0; i < UK_COUNT(cases); i++) {
		struct uk_block_seg segs[4];
		struct uk_block_req req = { .op = UK_BLOCK_READ, .offset = 7 * 512, .segs = segs };
		uint64_t byte = req.offset;

		for (unsigned k = 0; k < 4 && cases[i][k].size != 0; k++)
			segs[req.seg_count++] =
				(struct uk_block_seg){ memory + cases[i][k].at, cases[i][k].size };
		memset(memory, 0, 32 * 4096);
		assert_int_equal(transfer(dev, &req), 0);
		for (unsigned k = 0; k < req.seg_count; byte += segs[k].size, k++)
			assert_memory_equal(segs[k].data, model.disk + byte, segs[k].size);
		req.op = UK_BLOCK_WRITE;
		req.offset = 100 * 512;
		assert_int_equal(transfer(dev, &req), 0);
		byte = req.offset;
		for (unsigned k = 0; k < req.seg_count; byte += segs[k].size, k++)
			assert_memory_equal(model.disk + byte, segs[k].data, segs[k].size);
	}
	assert_int_equal(model.largest, 32768);
	model_end();
}

static void test_flush(void **state)
{
	struct uk_block_req req = { .op = UK_BLOCK_FLUSH };
	struct uk_block_dev *dev = start_sound();

	(void)state;
	assert_int_equal(transfer(dev, &req), 0);
	assert_int_equal(model.flushes, 1);
	model_end();
	model_reset();
	model.identify[1][525] = 0;
	assert_int_equal(model_start(), 0);
	assert_int_equal(transfer(machine_partition[0], &req), 0);
	assert_int_equal(model.flushes, 0);
	model_end();
}

static void test_errors(void **state)
{
	uint8_t *memory;
	struct uk_block_seg seg = { .size = 512 };
	struct uk_block_req req = { .op = UK_BLOCK_READ, .segs = &seg, .seg_count = 1 };
	struct uk_block_dev *dev = start_sound();

	(void)state;
	seg.data = memory = machine_pages(1);
	model.status = 0x281; /* unrecovered read error */
	assert_int_equal(transfer(dev, &req), -UK_EIO);
	model.status = 0x20;
	assert_int_equal(transfer(dev, &req), -UK_EROFS);
	model.status = 0;
	seg.data = memory + 2;
	assert_int_equal(transfer(dev, &req), -UK_EINVAL);
	seg.data = memory;
	assert_int_equal(transfer(dev, &req), 0);
	model_end();
}

/* More transfers than slots; then answers to what nobody asked. */
static void test_many_and_wrong(void **state)
{
	static struct uk_block_req reqs[200];
	static struct uk_block_seg segs[200];
	struct uk_block_dev *dev = start_sound();
	uint8_t *memory = machine_pages(1);

	(void)state;
	landed = 0;
	model.hold = true;
	for (unsigned i = 0; i < 200; i++) {
		segs[i] = (struct uk_block_seg){ memory, 512 };
		reqs[i] = (struct uk_block_req){
			.op = UK_BLOCK_READ, .segs = &segs[i], .seg_count = 1, .done = land
		};
		dev->ops->submit(dev, &reqs[i]);
	}
	assert_int_equal(model.commands, 63);
	assert_int_equal(landed, 0);
	for (uint16_t i = 0; i < 10; i++)
		model_complete(i, 0);
	model.interrupt(model.interrupt_arg);
	assert_int_equal(landed, 10);
	assert_int_equal(model.commands, 73);
	assert_int_equal(model.stops, 0);
	model_complete(63, 0); /* there are 63, from 0 */
	model.interrupt(model.interrupt_arg);
	assert_int_equal(landed, 200);
	assert_int_equal(landed_status, -UK_EIO);
	assert_int_equal(model.stops, 1);
	landed = 0;
	dev->ops->submit(dev, &reqs[0]);
	assert_int_equal(landed, 1);
	assert_int_equal(landed_status, -UK_EIO);
	model.interrupt(model.interrupt_arg);
	model_end();
}

/* Slow is not lost; lost is said twice, ends everything, and stops the controller. */
static void test_silence(void **state)
{
	const uint64_t period = 30000000000ull;
	struct uk_block_dev *dev = start_sound();
	struct uk_block_seg segs[2] = { { machine_pages(1), 512 }, { machine_pages(1), 512 } };
	struct uk_block_req reqs[2];
	unsigned lines;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		reqs[i] = (struct uk_block_req){
			.op = UK_BLOCK_READ, .segs = &segs[i], .seg_count = 1, .done = land
		};
	landed = 0;
	model.hold = true;
	dev->ops->submit(dev, &reqs[0]);
	lines = machine_log_lines;
	for (unsigned i = 0; i < 7; i++)
		assert_true(machine_pass(period));
	assert_int_equal(landed, 0);
	assert_int_equal(machine_log_lines, lines + 1);
	model_complete(0, 0);
	model.interrupt(model.interrupt_arg);
	assert_int_equal(landed, 1);
	assert_int_equal(landed_status, 0);
	assert_true(machine_pass(period)); /* sees that nothing is under way */
	assert_false(machine_pass(period));
	dev->ops->submit(dev, &reqs[0]);
	assert_true(machine_pass(period));
	dev->ops->submit(dev, &reqs[1]);
	for (unsigned i = 0; i < 6; i++)
		assert_true(machine_pass(period));
	assert_int_equal(landed, 1);
	assert_true(model.enabled);
	assert_true(machine_pass(period));
	assert_int_equal(landed, 3);
	assert_int_equal(landed_status, -UK_EIO);
	assert_int_equal(machine_log_lines, lines + 2);
	assert_false(model.enabled);
	assert_false(machine_pass(period));
	model_end();
}

static void refused(int result)
{
	assert_int_equal(model_start(), result);
	assert_int_equal(machine_partitions, 0);
	assert_false(model.enabled);
	model_end();
	model_reset();
}

static void test_refused(void **state)
{
	(void)state;
	model_reset();
	model.never_ready = true;
	refused(-UK_ETIMEDOUT);
	model.fatal = true;
	refused(-UK_EIO);
	model.cap_low &= ~0xffffu; /* queues of one entry */
	refused(-UK_EPROTO);
	model.cap_high |= 1u << 16; /* pages of 8 KiB at least */
	refused(-UK_EOPNOTSUPP);
	model.cap_high = 0; /* no NVM commands */
	refused(-UK_EOPNOTSUPP);
	for (int i = 0; i < 6; i++) {
		model.wrong_id = i;
		refused(-UK_EPROTO);
	}
}

/* Small queues, wide doorbells, an old controller without a list of namespaces. */
static void test_other_kinds(void **state)
{
	struct uk_block_seg seg = { .size = 4096 };
	struct uk_block_req req = { .op = UK_BLOCK_READ, .segs = &seg, .seg_count = 1 };

	(void)state;
	model_reset();
	model.cap_low = (model.cap_low & ~0xffffu) | 1;
	model.cap_high |= 2;
	model.version = 0x10000;
	model.identify[1][77] = 0;
	assert_int_equal(model_start(), 0);
	assert_int_equal(machine_partitions, 1);
	for (unsigned i = 0; i < 20; i++) {
		seg.data = machine_pages(1);
		assert_int_equal(transfer(machine_partition[0], &req), 0);
	}
	model_end();
}

/* Namespaces that are absurd are left out, whatever else is said about them. */
static void test_identify(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		model_reset();
		for (unsigned i = 0; i < 3; i++)
			for (unsigned k = 0; k < 4096; k++) {
				x = x * 1103515245 + 12345;
				if (x >> 28 < 4)
					model.identify[i][k] = (uint8_t)(x >> 20);
			}
		model.has_data = false;
		(void)model_start();
		for (unsigned i = 0; i < machine_partitions; i++) {
			assert_true(machine_partition[i]->size <= INT64_MAX);
			assert_int_equal(machine_partition[i]->size % 512, 0);
			assert_true(machine_partition[i]->size != 0);
		}
		model_end();
	}
}

int nvme_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),	       cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_flush),	       cmocka_unit_test(test_errors),
		cmocka_unit_test(test_many_and_wrong), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_other_kinds),    cmocka_unit_test(test_identify),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests_name("nvme", tests, NULL, NULL);
}
