/*
 * Virtqueues against a device that is played here, an honest one first and then others.
 */
#include "machine.h"
#include "tests.h"
#include "virtio.h"
#include <stdlib.h>
#include <uk/mem.h>

enum { SIZE = 8 };

static unsigned notified, completed;
static uint64_t offered;
static uint8_t status;

static uint8_t get_status(struct uk_virtio_dev *dev)
{
	(void)dev;
	return status;
}

static void set_status(struct uk_virtio_dev *dev, uint8_t v)
{
	(void)dev;
	status = v;
}

static uint64_t get_features(struct uk_virtio_dev *dev)
{
	(void)dev;
	return offered;
}

static void accept(struct uk_virtio_dev *dev, uint64_t features)
{
	(void)dev;
	(void)features;
}

static uint16_t queue_size(struct uk_virtio_dev *dev, uint16_t index)
{
	(void)dev;
	return index == 0 ? SIZE : 0;
}

static int queue_set(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	(void)dev;
	(void)q;
	return 0;
}

static void notify(struct uk_virtio_dev *dev, struct uk_virtq *q)
{
	(void)dev;
	(void)q;
	notified++;
}

static const struct uk_virtio_transport played = {
	.status = get_status,
	.set_status = set_status,
	.features = get_features,
	.accept = accept,
	.queue_size = queue_size,
	.queue_set = queue_set,
	.notify = notify,
};

static void done(struct uk_virtq *q)
{
	(void)q;
	completed++;
}

static struct uk_virtio_dev device;

static struct uk_virtq *open_queue(uint64_t features)
{
	struct uk_virtq *q;

	device = (struct uk_virtio_dev){ .transport = &played, .place = "test" };
	offered = features | UK_VIRTIO_VERSION_1;
	notified = 0;
	assert_int_equal(uk_virtio_negotiate(&device, 0), 0);
	q = uk_virtq_open(&device, 0, 128, done);
	assert_non_null(q);
	assert_int_equal(q->size, SIZE);
	assert_null(uk_virtq_open(&device, 1, 128, done));
	return q;
}

static void close_queue(struct uk_virtq *q)
{
	uk_page_put(uk_page_of(q->desc_paddr));
	uk_free(q->link);
	uk_free(q);
}

/* The device's side: says that the chain at `head` was used. */
static void use(struct uk_virtq *q, uint32_t head)
{
	volatile uint32_t *ring = (volatile uint32_t *)(volatile void *)&q->used[2];
	uint16_t at = q->used[1];

	ring[2 * (at & (SIZE - 1))] = head;
	q->used[1] = (uint16_t)(at + 1);
}

static uint16_t last_head(const struct uk_virtq *q)
{
	return q->available[2 + ((q->filled - 1) & (SIZE - 1))];
}

static const struct uk_virtq_piece pieces[SIZE] = { { 0x1000, 16 }, { 0x2000, 512 }, { 0x3000, 1 },
						    { 0x4000, 4 },  { 0x5000, 5 },   { 0x6000, 6 },
						    { 0x7000, 7 },  { 0x8000, 8 } };

static void test_chain(void **state)
{
	struct uk_virtq *q = open_queue(0);
	volatile struct uk_virtq_desc *d;
	int token;

	(void)state;
	assert_int_equal(uk_virtq_add(q, pieces, 1, 2, NULL, &token), 0);
	assert_int_equal(q->free_count, SIZE - 3);
	d = &q->desc[last_head(q)];
	assert_int_equal(d->address, 0x1000);
	assert_int_equal(d->flags, 1);
	d = &q->desc[d->next];
	assert_int_equal(d->flags, 1 | 2);
	d = &q->desc[d->next];
	assert_int_equal(d->length, 1);
	assert_int_equal(d->flags, 2);
	assert_null(uk_virtq_take(q));
	use(q, last_head(q));
	assert_ptr_equal(uk_virtq_take(q), &token);
	assert_null(uk_virtq_take(q));
	assert_int_equal(q->free_count, SIZE);
	close_queue(q);
}

/* Long enough for every 16-bit position to come round, chains of all lengths, out of order. */
static void test_wraps(void **state)
{
	struct uk_virtq *q = open_queue(UK_VIRTIO_EVENT_INDEX);
	int tokens[SIZE];

	(void)state;
	for (unsigned round = 0; round < 40000; round++) {
		unsigned one = round % 5 + 1, two = SIZE - one;
		uint16_t first, second;

		assert_int_equal(uk_virtq_add(q, pieces, one, 0, NULL, &tokens[0]), 0);
		first = last_head(q);
		assert_int_equal(uk_virtq_add(q, pieces, 0, two, NULL, &tokens[1]), 0);
		second = last_head(q);
		assert_int_equal(uk_virtq_add(q, pieces, 1, 0, NULL, &tokens[2]), -UK_ENOSPC);
		use(q, round % 2 ? first : second);
		use(q, round % 2 ? second : first);
		assert_ptr_equal(uk_virtq_take(q), &tokens[round % 2 ? 0 : 1]);
		assert_ptr_equal(uk_virtq_take(q), &tokens[round % 2 ? 1 : 0]);
		assert_null(uk_virtq_take(q));
		assert_int_equal(q->free_count, SIZE);
		assert_int_equal(q->available[2 + SIZE], q->seen); /* where the interrupt comes */
	}
	close_queue(q);
}

static void test_indirect(void **state)
{
	struct uk_virtq *q = open_queue(UK_VIRTIO_INDIRECT);
	struct uk_virtq_desc table[SIZE];
	int tokens[SIZE];

	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(uk_virtq_add(q, pieces, 3, 5, table, &tokens[i]), 0);
	assert_int_equal(uk_virtq_add(q, pieces, 3, 5, table, &tokens[0]), -UK_ENOSPC);
	assert_int_equal(q->desc[last_head(q)].flags, 4);
	assert_int_equal(q->desc[last_head(q)].length, sizeof(table));
	assert_int_equal(table[2].flags, 1);
	assert_int_equal(table[3].flags, 1 | 2);
	assert_int_equal(table[7].flags, 2);
	close_queue(q);
}

static void test_kick(void **state)
{
	struct uk_virtq *q = open_queue(UK_VIRTIO_EVENT_INDEX);
	int token;

	(void)state;
	uk_virtq_kick(q);
	assert_int_equal(notified, 0); /* nothing was added */
	q->used[2 + 4 * SIZE] = 1;     /* the device wants to know of the second */
	assert_int_equal(uk_virtq_add(q, pieces, 1, 0, NULL, &token), 0);
	uk_virtq_kick(q);
	assert_int_equal(notified, 0);
	assert_int_equal(uk_virtq_add(q, pieces, 1, 0, NULL, &token), 0);
	uk_virtq_kick(q);
	assert_int_equal(notified, 1);
	close_queue(q);

	q = open_queue(0);
	q->used[0] = 1; /* no notifications */
	assert_int_equal(uk_virtq_add(q, pieces, 1, 0, NULL, &token), 0);
	uk_virtq_kick(q);
	assert_int_equal(notified, 0);
	q->used[0] = 0;
	assert_int_equal(uk_virtq_add(q, pieces, 1, 0, NULL, &token), 0);
	uk_virtq_kick(q);
	assert_int_equal(notified, 1);
	close_queue(q);
}

/* Each breaks the queue: nothing comes of it, then or later. */
static void test_hostile(void **state)
{
	int token;

	(void)state;
	for (unsigned kind = 0; kind < 5; kind++) {
		struct uk_virtq *q = open_queue(0);

		assert_int_equal(uk_virtq_add(q, pieces, 1, 2, NULL, &token), 0);
		if (kind == 0) {
			use(q, SIZE); /* no such descriptor */
		} else if (kind == 1) {
			use(q, UINT32_MAX);
		} else if (kind == 2) {
			use(q, q->desc[last_head(q)].next); /* not a chain's head */
		} else if (kind == 3) {
			q->used[1] = SIZE + 1; /* more than there are */
		} else {
			use(q, last_head(q));
			assert_ptr_equal(uk_virtq_take(q), &token);
			use(q, 0); /* once more */
		}
		assert_null(uk_virtq_take(q));
		assert_true(q->broken);
		assert_int_equal(uk_virtq_add(q, pieces, 1, 0, NULL, &token), -UK_EIO);
		close_queue(q);
	}
}

/* What the device writes into descriptors changes nothing. */
static void test_descriptors_overwritten(void **state)
{
	struct uk_virtq *q = open_queue(0);
	int token;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		assert_int_equal(uk_virtq_add(q, pieces, 1, 2, NULL, &token), 0);
		for (unsigned i = 0; i < SIZE; i++) {
			q->desc[i].next = (uint16_t)(i * 7919);
			q->desc[i].flags = 0xffff;
		}
		use(q, last_head(q));
		assert_ptr_equal(uk_virtq_take(q), &token);
		assert_int_equal(q->free_count, SIZE);
	}
	close_queue(q);
}

static void test_old_device(void **state)
{
	(void)state;
	device = (struct uk_virtio_dev){ .transport = &played, .place = "test" };
	offered = 0;
	assert_int_equal(uk_virtio_negotiate(&device, 0), -UK_EPROTO);
}

int ring_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),	   cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_indirect),   cmocka_unit_test(test_kick),
		cmocka_unit_test(test_hostile),	   cmocka_unit_test(test_descriptors_overwritten),
		cmocka_unit_test(test_old_device),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
