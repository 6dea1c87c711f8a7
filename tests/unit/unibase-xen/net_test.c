/*
 * Networks: a backend that hands over frames in one piece and in several, and others that lie.
 */
#include "host.h"
#include "tests.h"

enum { SUM_GOOD = 1, SUM_BLANK = 2, MORE = 4, EXTRA = 8 };

struct response {
	uint16_t id, offset, flags;
	int16_t status;
};

static struct shared_ring *tx_ring(void)
{
	return host.ring[0];
}

static struct shared_ring *rx_ring(void)
{
	return host.ring[1];
}

static int set_up(void **state)
{
	(void)state;
	host_tell("feature-ipv6-csum-offload", 1);
	host_open(&uk_xen_net);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	host_clear();
	return 0;
}

/* Fills the next posted buffer and says so. */
static void receive(uint16_t flags, uint16_t offset, int16_t size, uint8_t byte)
{
	struct shared_ring *ring = rx_ring();
	uint8_t *entry = ring->entries + (size_t)(ring->responses % 256) * 8;
	struct response r = { .flags = flags, .offset = offset, .status = size };
	uint32_t grant;

	memcpy(&r.id, entry, 2);
	memcpy(&grant, entry + 4, 4);
	if (size > 0 && offset + size <= 4096)
		memset(host_granted(grant) + offset, byte, (size_t)size);
	memcpy(entry, &r, sizeof(r));
	ring->responses++;
}

static void poll(void)
{
	while (host.net->ops->poll(host.net, 16))
		;
}

static void takes_frames(void **state)
{
	static const uint8_t mac[] = { 0, 0x16, 0x3e, 1, 0xab, 2 };

	(void)state;
	assert_memory_equal(host.net->mac, mac, 6);
	assert_true(host.net->can_checksum && host.net->link);
	assert_int_equal(rx_ring()->requests, 64);
	receive(SUM_GOOD, 2, 100, 1);
	poll();
	assert_int_equal(host.frames, 1);
	assert_int_equal(host.frame_size, 100);
	assert_true(host.frame_good);
	receive(SUM_BLANK | MORE | EXTRA, 0, 4096, 2);
	receive(0, 0, 0, 0); /* extra information: its type in the id's place, no flags */
	rx_ring()->entries[(size_t)((rx_ring()->responses - 1) % 256) * 8 + 1] = 0;
	poll();
	assert_int_equal(host.frames, 1); /* its second half is still missing */
	receive(0, 0, 500, 3);
	receive(0, 0, 60, 4);
	poll();
	assert_int_equal(host.frames, 3);
	assert_int_equal(host.frame_size, 60);
	assert_false(host.frame_good);
	assert_int_equal(rx_ring()->requests, 64 + 5);
}

static void joins_pieces(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 15; i++)
		receive(MORE, 0, 4096, (uint8_t)i);
	receive(0, 96, 4000, 99);
	poll();
	assert_int_equal(host.frame_pieces, 16);
	assert_int_equal(host.frame_size, 15 * 4096 + 4000);
	assert_int_equal(host.frame[4096], 1);
	assert_int_equal(host.frame[host.frame_size - 1], 99);
}

static void drops_what_lies(void **state)
{
	(void)state;
	receive(0, 4000, 97, 0);   /* behind the frame's end */
	receive(0, 5000, 1, 0);	   /* begins there */
	receive(0, 0, -1, 0);	   /* an error */
	receive(MORE, 4095, 2, 0); /* in a frame's first piece */
	receive(0, 0, 10, 0);
	for (unsigned i = 0; i < 30; i++) /* of too many pieces */
		receive(MORE, 0, 1, 0);
	receive(0, 0, 1, 0);
	poll();
	assert_int_equal(host.frames, 0);
	receive(0, 0, 10, 7);
	poll();
	assert_int_equal(host.frames, 1);
	assert_int_equal(rx_ring()->requests, 64 + 37);
}

static void stops_at_frames_it_did_not_ask_for(void **state)
{
	(void)state;
	rx_ring()->responses = rx_ring()->requests + 1;
	poll();
	assert_int_equal(host.frames, 0);
	assert_int_equal(host.log_lines, 1);
	poll();
	assert_int_equal(host.log_lines, 1);
}

static int send(unsigned size, bool checksum)
{
	static uint8_t bytes[4096];
	struct uk_net_seg segs[2] = { { bytes, size / 2 }, { bytes + size / 2, size - size / 2 } };
	struct uk_net_offload offload = { .checksum = checksum };

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i + size);
	return host.net->ops->transmit(host.net, segs, 2, &offload, NULL);
}

static void sends_frames(void **state)
{
	uint16_t fields[6];
	uint32_t grant;

	(void)state;
	assert_int_equal(send(1514, true), 0);
	assert_int_equal(host.tokens, 1);
	assert_int_equal(tx_ring()->requests, 0);
	host.net->ops->flush(host.net);
	assert_int_equal(tx_ring()->requests, 1);
	assert_int_equal(host.sent, 2); /* one told of the buffers */
	memcpy(fields, tx_ring()->entries, sizeof(fields));
	memcpy(&grant, fields, sizeof(grant));
	assert_int_equal(fields[3], 3);
	assert_int_equal(fields[5], 1514);
	assert_int_equal(host_granted(grant)[fields[2] + 1513], (uint8_t)(1513 + 1514));
	assert_int_equal(send(2049, false), -UK_EINVAL);
	assert_int_equal(host.tokens, 1);
}

static void waits_for_room(void **state)
{
	unsigned count = 0;
	uint16_t id;

	(void)state;
	while (send(60, false) == 0)
		assert_true(++count <= 256);
	host.net->ops->flush(host.net);
	assert_true(count >= 16);
	memcpy(&id, tx_ring()->entries + 8, 2);
	memcpy(tx_ring()->entries, &id, 2);
	memset(tx_ring()->entries + 2, 0, 2);
	tx_ring()->responses = 1;
	assert_int_equal(send(60, false), 0);
	assert_int_equal(send(60, false), -UK_EAGAIN);
	tx_ring()->responses = 2; /* the same one again, by what stands there: a request's grant */
	memset(tx_ring()->entries + 12, 0xff, 2);
	assert_int_equal(send(60, false), -UK_EAGAIN);
	assert_int_equal(host.log_lines, 1);
}

int net_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(joins_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(drops_what_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stops_at_frames_it_did_not_ask_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sends_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(waits_for_room, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
