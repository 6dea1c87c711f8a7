/*
 * Virtio entropy devices (Virtual I/O Device 1.2, section 5.4): one buffer is asked for at start. A
 * processor with a source of its own does not wait for it.
 */
#include "drivers.h"
#include "virtio.h"
#include <uk/cpu.h>
#include <uk/mem.h>
#include <uk/thread.h>

#define SEED_SIZE 64
#define PATIENCE 100000000ull /* ns; a host without entropy does not hold up the start */

struct source {
	struct uk_virtq *queue;
	struct uk_waitq arrived;
	volatile bool full;
	uint8_t *seed;
};

static void queue_done(struct uk_virtq *q)
{
	struct source *s = q->dev->driver;

	if (uk_virtq_take(q) == NULL)
		return;
	uk_random_add(s->seed, SEED_SIZE, SEED_SIZE * 8);
	s->full = true;
	uk_wake_all(&s->arrived);
	(void)uk_virtq_take(q); /* the ring is empty: sets where the next interrupt comes */
}

static int start(struct uk_virtio_dev *dev)
{
	struct source *s = uk_alloc(sizeof(*s));
	struct uk_virtq_piece piece;
	int result;

	if (s == NULL)
		return -UK_ENOMEM;
	dev->driver = s;
	uk_waitq_init(&s->arrived);
	result = uk_virtio_negotiate(dev, 0);
	if (result != 0)
		return result;
	s->seed = uk_alloc(SEED_SIZE);
	s->queue = uk_virtq_open(dev, 0, 2, queue_done);
	if (s->seed == NULL || s->queue == NULL)
		return -UK_ENOMEM;
	uk_virtio_ready(dev);
	piece = (struct uk_virtq_piece){ uk_virt_to_phys(s->seed), SEED_SIZE };
	result = uk_virtq_add(s->queue, &piece, 0, 1, NULL, s);
	if (result != 0)
		return result;
	uk_virtq_kick(s->queue);
	if (!uk_cpu_has.rdrand && !uk_cpu_has.rdseed)
		(void)uk_wait_event(&s->arrived, s->full, uk_time_mono() + PATIENCE, false);
	return 0;
}

const struct uk_virtio_driver uk_virtio_random = { .name = "virtio-rng",
						   .id = UK_VIRTIO_RANDOM,
						   .start = start };
UK_VIRTIO_DRIVER(uk_virtio_random);
