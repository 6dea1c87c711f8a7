/*
 * An Elastic Network Adapter on the host, written from Amazon's published definitions of its
 * registers, its management interface and its data path. It checks every register access, every
 * field of every command and every descriptor, and misbehaves where a test asks for that.
 */
#ifndef ENA_MODEL_H
#define ENA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uk/net.h>

#define ENA_FRAME_MAX 16384

struct ena_model {
	/* What the test sets before it starts the driver. */
	uint32_t caps, features;
	uint32_t attributes[11], queues[11], push[11]; /* words of what GET FEATURE gives */
	bool never_ready, never_resets, stays_resetting;
	int wrong_answer; /* number of the answer that has another's id; -1: none */
	int failed_answer;
	uint32_t bell_offset; /* of the first doorbell */
	uint32_t push_offset;
	bool short_ring; /* completion queues get half of what was asked for */
	bool hold;	 /* frames are sent, and not said to be */

	/* What the test may look at. */
	bool running; /* reset, and queues are there */
	unsigned resets, reason, sent, interrupts[2];
	uint32_t mtu, groups;
	bool host_told, masked, pushed;
	uint8_t frame[ENA_FRAME_MAX]; /* the last one sent */
	size_t frame_size;
	unsigned frame_descs, bells, longest_burst;

	/* What the stack was told. */
	struct uk_netdev *dev;
	unsigned received, ended, link_changes, wakes;
	uint8_t got[ENA_FRAME_MAX]; /* the last one received */
	size_t got_size;
	bool got_sums;
	bool keep; /* received buffers stay with the stack */
	struct uk_net_buf *kept;
};
extern struct ena_model ena;

/* A sound adapter, without memory for descriptors. */
void ena_model_reset(void);
/* The same with it; frames want a meta descriptor each when `meta`. */
void ena_model_push(bool meta, unsigned burst);
int ena_model_start(void);
/* A frame arrives, in buffers of at most `piece` bytes; false: there is no buffer for it. `status`
 * goes into the last completion. */
bool ena_model_deliver(const uint8_t *frame, size_t size, size_t piece, uint32_t status);
/* Completions that answer nothing, or lie. */
void ena_model_tx_done(uint16_t id);
void ena_model_rx_done(uint16_t id, uint16_t length, uint8_t offset, uint32_t status);
/* Gives the id of a buffer that the adapter has. */
uint16_t ena_model_rx_id(void);
void ena_model_event(uint16_t group, uint32_t word);
/* Says that the frames held were sent. */
void ena_model_release(void);
void ena_model_end(void);

#endif
