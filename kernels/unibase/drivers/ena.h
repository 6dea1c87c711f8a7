/*
 * Amazon's Elastic Network Adapter, as Amazon publishes its interface (the definitions of
 * registers, of the management interface and of the data path in amzn-drivers, and the
 * documentation of its driver in Linux): wire structures, and what the parts of the driver share.
 * ena.c brings an adapter up, ena_net.c moves frames.
 *
 * Never run on the hardware: it is tested against a model that was written from the same source.
 */
#ifndef UK_ENA_H
#define UK_ENA_H

#include "drivers.h"
#include <uk/net.h>

/* --- the management interface --- */

struct ena_command { /* an entry of the admin queue */
	uint16_t id; /* 12 bits */
	uint8_t opcode;
	uint8_t flags; /* bit 0: the phase */
	uint32_t word[15];
};

struct ena_answer { /* of the admin completion queue */
	uint16_t id;
	uint8_t status;
	uint8_t flags;
	uint16_t extended_status;
	uint16_t head;
	uint32_t word[14];
};

struct ena_event { /* of the asynchronous event queue */
	uint16_t group;
	uint16_t syndrome;
	uint8_t flags;
	uint8_t reserved[3];
	uint32_t timestamp[2];
	uint32_t word[12];
};

_Static_assert(sizeof(struct ena_command) == 64, "ENA admin queue");
_Static_assert(sizeof(struct ena_answer) == 64, "ENA admin completion queue");
_Static_assert(sizeof(struct ena_event) == 64, "ENA event queue");

/* --- the data path --- */

struct ena_tx_desc {
	uint32_t control; /* length, high part of the id, flags */
	uint32_t meta;	  /* offloads, low part of the id */
	uint32_t low;	  /* of the buffer's address */
	uint32_t high;	  /* and length of a pushed header */
};
enum {
	ENA_TX_META = 1 << 23,
	ENA_TX_PHASE_BIT = 24,
	ENA_TX_FIRST = 1 << 26,
	ENA_TX_LAST = 1 << 27,
	ENA_TX_COMPLETE = 1 << 28,
	ENA_TX_META_VALID = 1 << 14, /* of a meta descriptor, as the next two */
	ENA_TX_META_EXTENDED = 1 << 20,
	ENA_TX_META_STORE = 1 << 21,
};

struct ena_tx_done {
	uint16_t id;
	uint8_t status;
	uint8_t flags; /* bit 0: the phase */
	uint16_t queue;
	uint16_t head;
};

struct ena_rx_desc {
	uint16_t length;
	uint8_t reserved;
	uint8_t control;
	uint16_t id;
	uint16_t reserved2;
	uint32_t low;
	uint16_t high;
	uint16_t reserved3;
};
enum { ENA_RX_FIRST = 1 << 2, ENA_RX_LAST = 1 << 3, ENA_RX_COMPLETE = 1 << 4, ENA_RX_ONE = 1 << 5 };

struct ena_rx_done {
	uint32_t status;
	uint16_t length;
	uint16_t id;
	uint32_t hash;
	uint16_t queue;
	uint8_t offset;
	uint8_t reserved;
};
enum {
	ENA_DONE_L3 = 0x1f,
	ENA_DONE_L4_SHIFT = 8,
	ENA_DONE_L3_BAD = 1 << 13,
	ENA_DONE_L4_BAD = 1 << 14,
	ENA_DONE_FRAGMENT = 1 << 15,
	ENA_DONE_L4_CHECKED = 1 << 16,
	ENA_DONE_PHASE_BIT = 24,
	ENA_DONE_FIRST = 1 << 26,
	ENA_DONE_LAST = 1 << 27,
	ENA_L3_IPV4 = 8,
	ENA_L3_IPV6 = 11,
	ENA_L4_TCP = 12,
	ENA_L4_UDP = 13,
};

_Static_assert(sizeof(struct ena_tx_desc) == 16, "ENA data path");
_Static_assert(sizeof(struct ena_tx_done) == 8, "ENA data path");
_Static_assert(sizeof(struct ena_rx_desc) == 16, "ENA data path");
_Static_assert(sizeof(struct ena_rx_done) == 16, "ENA data path");

/* Why the driver resets the adapter. */
enum ena_reason {
	ENA_RESET_NORMAL = 0,
	ENA_RESET_RX_ID = 4,
	ENA_RESET_TX_ID = 5,
	ENA_RESET_START = 7,
	ENA_RESET_STATE = 8,
};

/* --- the driver --- */

#define ENA_RING_MAX 256 /* descriptors: a page of 16 bytes each */
#define ENA_ADMIN_RING 16
#define ENA_EVENT_RING 16

/* Positions run on beyond the ring's size, which is a power of two; so the device has them told. */
struct ena_ring {
	void *entries; /* in host memory; NULL: in the device */
	volatile uint8_t *device;
	volatile void *bell;
	uint16_t size;
	uint16_t at;
	uint16_t told; /* position that the device knows */
	uint16_t id;   /* the device's */
};

struct ena_pair {
	struct ena_ring queue;
	struct ena_ring done;
	volatile void *unmask;
	uint16_t free; /* entries of `queue` */
};

/* Descriptors in the device's own memory. */
struct ena_push {
	bool on;
	bool meta;	 /* each frame wants a meta descriptor */
	uint16_t entry;	 /* bytes */
	uint16_t header; /* bytes of a frame in its first entry, behind two descriptors */
	uint16_t burst;	 /* entries between two doorbells; 0: no limit */
	uint16_t since;	 /* the last one */
	uint16_t depth;
};

struct ena_rx_buffer;
struct ena_tx_slot;

struct ena {
	struct uk_netdev dev;
	struct uk_pci_dev *pci;
	volatile uint8_t *registers;
	unsigned reset_ms;
	uint32_t features;	     /* a bit for each that it has */
	uint16_t tx_depth, rx_depth; /* most that it takes */
	uint16_t tx_descs;	     /* of a frame */
	uint8_t *host;		     /* the page that tells it of us */
	struct ena_ring commands, answers, events;
	uint16_t command_id;

	struct ena_pair tx, rx;
	struct ena_push push;
	struct ena_rx_buffer *rx_buffers, *rx_free;
	unsigned rx_count;
	struct uk_net_buf *frame, **frame_end;
	unsigned frame_pieces;
	struct ena_tx_slot *tx_slots, *tx_free;
	volatile bool event; /* the management interrupt came */
	bool dead;	     /* was stopped; the stack is told when it polls next */
	bool buried;
};

static inline bool ena_phase(const struct ena_ring *r)
{
	return (r->at / r->size & 1) == 0; /* 1 in the first round */
}

static inline unsigned ena_index(const struct ena_ring *r)
{
	return r->at & (r->size - 1u);
}

/* Tells the device how far a ring was filled, or emptied. */
static inline void ena_tell(struct ena_ring *r)
{
	if (r->bell == NULL || r->told == r->at)
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	uk_mmio_write32(r->bell, r->at);
	r->told = r->at;
}

/* ena.c */
/* Resets the adapter, telling why: it touches no memory afterwards. */
int ena_reset(struct ena *ena, enum ena_reason why);
/* It broke the rules: reset, and down for good. */
void ena_fail(struct ena *ena, enum ena_reason why, const char *what);
/* Looks at what happened beside the data path. */
void ena_events(struct ena *ena);

/* ena_net.c */
extern const struct uk_netdev_ops ena_operations;
/* Makes buffers and slots for the pairs, which are open, and gives the first to the adapter. */
int ena_net_start(struct ena *ena);
void ena_interrupt(void *ena);

#endif
