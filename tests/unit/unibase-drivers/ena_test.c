/*
 * The driver of Elastic Network Adapters against the model: sound ones of both generations, ones
 * that break the rules, and ones that cannot be used.
 */
#include "ena_model.h"
#include "machine.h"
#include "tests.h"
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 1000, SEGS = 24 };

static uint32_t seed;

static unsigned random_to(unsigned most)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % (most + 1);
}

static struct uk_netdev *start_sound(void)
{
	assert_int_equal(ena_model_start(), 0);
	assert_non_null(ena.dev);
	assert_true(ena.running);
	assert_true(ena.host_told);
	return ena.dev;
}

static void test_start(void **state)
{
	struct uk_netdev *dev;

	(void)state;
	ena_model_reset();
	dev = start_sound();
	assert_memory_equal(dev->mac, "\x02\x11\x22\x33\x44\x55", 6);
	assert_int_equal(dev->mtu, 1500);
	assert_int_equal(ena.mtu, 1500);
	assert_true(dev->link);
	assert_int_equal(ena.groups, 3);
	assert_int_equal(ena.resets, 1);
	ena_model_end();
}

/* A frame of random pieces; false when there was no room for it. */
static bool send_one(struct uk_netdev *dev, unsigned *token)
{
	static uint8_t bytes[SEGS][512];
	struct uk_net_seg segs[SEGS];
	const struct uk_net_offload none = { .checksum = false };
	uint8_t whole[SEGS * 512];
	unsigned count = 1 + random_to(random_to(3) == 0 ? SEGS - 1 : 3), sent = ena.sent;
	size_t size = 0;
	int result;

	for (unsigned i = 0; i < count; i++) {
		segs[i] = (struct uk_net_seg){ bytes[i], 1 + random_to(i == 0 ? 120 : 400) };
		for (unsigned k = 0; k < segs[i].size; k++)
			bytes[i][k] = (uint8_t)random_to(255);
		memcpy(whole + size, bytes[i], segs[i].size);
		size += segs[i].size;
	}
	*token = 0;
	result = dev->ops->transmit(dev, segs, count, &none, token);
	if (result != 0) {
		assert_int_equal(result, -UK_EAGAIN);
		return false;
	}
	dev->ops->flush(dev);
	assert_int_equal(ena.sent, sent + 1);
	assert_int_equal(ena.frame_size, size);
	assert_memory_equal(ena.frame, whole, size);
	return true;
}

static void send_many(void)
{
	static unsigned tokens[FRAMES];
	struct uk_netdev *dev = start_sound();

	for (unsigned i = 0; i < FRAMES; i++) {
		ena.hold = random_to(1) == 0;
		if (!send_one(dev, &tokens[i])) {
			ena_model_release();
			(void)dev->ops->poll(dev, 16);
			assert_true(send_one(dev, &tokens[i]));
		}
		if (random_to(20) == 0)
			ena_model_release();
		if (random_to(7) == 0)
			(void)dev->ops->poll(dev, 16);
	}
	ena_model_release();
	(void)dev->ops->poll(dev, 16);
	assert_int_equal(ena.ended, FRAMES);
	for (unsigned i = 0; i < FRAMES; i++)
		assert_int_equal(tokens[i], 1);
	assert_int_equal(ena.resets, 1);
	ena_model_end();
}

static void test_send(void **state)
{
	(void)state;
	ena_model_reset();
	send_many();
	/* The least that is accepted: rings of 16, two descriptors a frame. */
	ena_model_reset();
	ena.queues[1] = 16;
	ena.queues[3] = 31;
	ena.queues[7] = 2;
	send_many();
}

static void test_push(void **state)
{
	(void)state;
	ena_model_push(false, 0);
	send_many();
	ena_model_push(true, 0);
	send_many();
	/* Two frames between doorbells at most, of which each may take four entries. */
	ena_model_push(true, 8 * 128);
	send_many();
	assert_true(ena.longest_burst <= 8);
	/* What it offers is nothing for us: as if it had no memory. */
	ena_model_push(true, 0);
	ena.push[3] = 4;
	send_many();
	assert_false(ena.pushed);
}

/* Without a doorbell in between. */
static void test_burst(void **state)
{
	static uint8_t bytes[60];
	const struct uk_net_seg seg = { bytes, sizeof(bytes) };
	const struct uk_net_offload none = { .checksum = false };
	struct uk_netdev *dev;
	unsigned token = 0;

	(void)state;
	ena_model_push(true, 4 * 128);
	dev = start_sound();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(dev->ops->transmit(dev, &seg, 1, &none, &token), 0);
	assert_int_equal(ena.bells, 2);
	dev->ops->flush(dev);
	assert_int_equal(ena.bells, 3);
	assert_int_equal(ena.sent, 10);
	assert_int_equal(ena.longest_burst, 4);
	dev->ops->flush(dev);
	assert_int_equal(ena.bells, 3);
	ena_model_end();
}

static void test_receive(void **state)
{
	static uint8_t frame[9000];
	static const struct {
		uint32_t status;
		bool good;
	} sums[] = {
		{ 8 | 12 << 8 | 1 << 16, true },
		{ 11 | 13 << 8 | 1 << 16, true },
		{ 8 | 12 << 8, false },
		{ 8 | 12 << 8 | 1 << 16 | 1 << 14, false },
		{ 8 | 12 << 8 | 1 << 16 | 1 << 13, false },
		{ 8 | 13 << 8 | 1 << 16 | 1 << 15, false },
		{ 8 | 1 << 16, false },
		{ 0, false },
	};
	struct uk_netdev *dev;

	(void)state;
	ena_model_reset();
	dev = start_sound();
	for (unsigned i = 0; i < FRAMES; i++) {
		size_t size = 14 + random_to(random_to(9) == 0 ? 8000 : 1500);
		unsigned sum = random_to(UK_COUNT(sums) - 1);

		for (size_t k = 0; k < size; k++)
			frame[k] = (uint8_t)random_to(255);
		assert_true(ena_model_deliver(frame, size, 1 + 2047 - random_to(300),
					      sums[sum].status));
		assert_false(dev->ops->poll(dev, 16));
		assert_int_equal(ena.received, i + 1);
		assert_int_equal(ena.got_size, size);
		assert_memory_equal(ena.got, frame, size);
		assert_int_equal(ena.got_sums, sums[sum].good);
	}
	ena_model_end();
}

/* The stack keeps what it got: the adapter runs out of buffers, and gets them back. */
static void test_buffers(void **state)
{
	static uint8_t frame[64];
	struct uk_netdev *dev;
	unsigned count = 0;

	(void)state;
	ena_model_reset();
	ena.queues[1] = 64;
	dev = start_sound();
	ena.keep = true;
	while (ena_model_deliver(frame, sizeof(frame), 2048, 0)) {
		count++;
		assert_true(dev->ops->poll(dev, 1)); /* its budget is used up: there may be more */
		assert_int_equal(ena.received, count);
	}
	assert_int_equal(count, 63);
	while (ena.kept != NULL) {
		struct uk_net_buf *next = ena.kept->next;

		ena.kept->free(ena.kept);
		ena.kept = next;
	}
	ena.keep = false;
	(void)dev->ops->poll(dev, 16);
	assert_true(ena_model_deliver(frame, sizeof(frame), 2048, 0));
	ena_model_end();
}

static void test_watch(void **state)
{
	static uint8_t frame[64];
	struct uk_netdev *dev;

	(void)state;
	ena_model_reset();
	dev = start_sound();
	assert_false(dev->ops->watch(dev, true));
	assert_true(ena_model_deliver(frame, sizeof(frame), 2048, 0));
	assert_int_equal(ena.wakes, 1);
	assert_true(ena_model_deliver(frame, sizeof(frame), 2048, 0));
	assert_int_equal(ena.wakes, 1); /* masked by itself */
	assert_true(dev->ops->watch(dev, true));
	(void)dev->ops->poll(dev, 16);
	assert_int_equal(ena.received, 2);
	assert_false(dev->ops->watch(dev, true));
	ena_model_end();
}

static void test_events(void **state)
{
	struct uk_netdev *dev;
	unsigned token;

	(void)state;
	ena_model_reset();
	dev = start_sound();
	for (unsigned i = 0; i < 100; i++) {
		ena_model_event(0, i & 1);
		(void)dev->ops->poll(dev, 16);
		assert_int_equal(dev->link, i & 1);
		assert_int_equal(ena.link_changes, i + 1);
	}
	for (unsigned i = 0; i < 3; i++)
		ena_model_event(4, 0); /* keep-alive: nothing to be done */
	(void)dev->ops->poll(dev, 16);
	assert_int_equal(ena.link_changes, 100);
	ena.hold = true;
	assert_true(send_one(dev, &token));
	ena_model_event(1, 0);
	(void)dev->ops->poll(dev, 16);
	assert_false(dev->link);
	assert_int_equal(ena.link_changes, 101);
	assert_int_equal(token, 1);
	assert_int_equal(ena.resets, 2);
	assert_false(dev->ops->poll(dev, 16));
	assert_false(dev->ops->watch(dev, true));
	assert_int_equal(ena.link_changes, 101);
	ena_model_end();
}

/* It is stopped, once, with the reason; what was on its way comes back. */
static void stopped(unsigned reason)
{
	(void)ena.dev->ops->poll(ena.dev, 16);
	(void)ena.dev->ops->poll(ena.dev, 16);
	assert_int_equal(ena.resets, 2);
	assert_int_equal(ena.reason, reason);
	assert_false(ena.dev->link);
	assert_int_equal(ena.link_changes, 1);
	ena_model_end();
	ena_model_reset();
}

static void test_wrong(void **state)
{
	unsigned token;
	uint16_t id;

	(void)state;
	ena_model_reset();
	start_sound();
	ena_model_tx_done(3); /* nothing was sent */
	stopped(5);
	start_sound();
	ena_model_tx_done(60000);
	stopped(5);
	start_sound();
	ena.hold = true;
	assert_true(send_one(ena.dev, &token));
	ena_model_tx_done(0);
	ena_model_tx_done(0); /* twice */
	stopped(5);
	assert_int_equal(token, 1);
	start_sound();
	ena_model_rx_done(60000, 100, 0, 3u << 26);
	stopped(4);
	start_sound();
	id = ena_model_rx_id();
	ena_model_rx_done(id, 100, 0, 3u << 26);
	ena_model_rx_done(id, 100, 0, 3u << 26);
	stopped(4);
}

/* Lengths that reach out of the buffer, frames without end: dropped, and life goes on. */
static void test_odd_frames(void **state)
{
	static const struct {
		uint16_t length;
		uint8_t offset;
		uint32_t status;
	} odd[] = {
		{ 2049, 0, 3u << 26 },	 { 65535, 0, 3u << 26 }, { 0, 0, 3u << 26 },
		{ 2048, 1, 3u << 26 },	 { 100, 0, 1u << 26 },	 { 100, 0, 0 },
		{ 1800, 255, 3u << 26 },
	};
	static uint8_t frame[64];
	struct uk_netdev *dev;

	(void)state;
	ena_model_reset();
	dev = start_sound();
	for (unsigned i = 0; i < 500; i++) {
		unsigned k = i % UK_COUNT(odd);

		ena_model_rx_done(ena_model_rx_id(), odd[k].length, odd[k].offset, odd[k].status);
		(void)dev->ops->poll(dev, 16);
	}
	assert_int_equal(ena.received, 0);
	assert_int_equal(ena.resets, 1);
	assert_true(ena_model_deliver(frame, sizeof(frame), 2048, 0));
	(void)dev->ops->poll(dev, 16);
	assert_int_equal(ena.received, 1);
	assert_int_equal(ena.got_size, 64);
	ena_model_end();
}

static void refused(int result)
{
	assert_int_equal(ena_model_start(), result);
	assert_null(ena.dev);
	assert_false(ena.running);
	ena_model_end();
	ena_model_reset();
}

static void test_refused(void **state)
{
	(void)state;
	ena_model_reset();
	ena.never_ready = true;
	refused(-UK_ETIMEDOUT);
	ena.never_resets = true;
	refused(-UK_ETIMEDOUT);
	ena.stays_resetting = true;
	refused(-UK_ETIMEDOUT);
	ena.caps = 32u << 8 | 10u << 1; /* addresses of 32 bits */
	refused(-UK_EOPNOTSUPP);
	ena.caps = UINT32_MAX; /* gone */
	refused(-UK_ENODEV);
	for (int i = 0; i < 10; i++) {
		ena.wrong_answer = i;
		refused(-UK_EPROTO);
		ena.failed_answer = i;
		refused(-UK_EIO);
	}
	ena.attributes[6] |= 1; /* a group's address */
	refused(-UK_EPROTO);
	ena.attributes[8] = 100;
	refused(-UK_EPROTO);
	ena.queues[0] = 0;
	refused(-UK_EPROTO);
	ena.queues[1] = 15;
	refused(-UK_EPROTO);
	ena.queues[7] = 1;
	refused(-UK_EPROTO);
	ena.short_ring = true;
	refused(-UK_EPROTO);
	ena.bell_offset = 0x1002;
	refused(-UK_EPROTO);
	ena.bell_offset = 0x20000000;
	refused(-UK_EPROTO);
	ena_model_push(true, 0);
	ena.push_offset = 0xff000000;
	refused(-UK_EPROTO);
	ena_model_push(true, 0);
	ena.push_offset = 0xff00; /* reaches behind the adapter's memory */
	refused(-UK_EPROTO);
}

/* What it says of itself is random: it is refused, or it works. */
static void test_random_features(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		ena_model_push(random_to(1) == 0, 1024 * random_to(8));
		for (unsigned i = 0; i < 11; i++) {
			if (random_to(3) == 0)
				ena.queues[i] = random_to(UINT16_MAX) << random_to(16);
			if (random_to(5) == 0)
				ena.push[i] = random_to(UINT16_MAX) << random_to(16);
		}
		if (ena_model_start() == 0) {
			unsigned token;

			assert_true(send_one(ena.dev, &token));
			(void)ena.dev->ops->poll(ena.dev, 16);
			assert_int_equal(token, 1);
		}
		ena_model_end();
	}
}

int ena_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),	cmocka_unit_test(test_send),
		cmocka_unit_test(test_push),	cmocka_unit_test(test_burst),
		cmocka_unit_test(test_receive), cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_watch),	cmocka_unit_test(test_events),
		cmocka_unit_test(test_wrong),	cmocka_unit_test(test_odd_frames),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_random_features),
	};

	return cmocka_run_group_tests_name("ena", tests, NULL, NULL);
}
