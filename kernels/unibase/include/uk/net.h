/*
 * Between network drivers and the stack. A driver registers its device; the stack (net/) polls it
 * from one thread or from whoever waits for data, with interrupts of the device off meanwhile. The
 * stack's own lock is held around every operation here, so a driver needs none of its own but
 * against its interrupt.
 */
#ifndef UK_NET_H
#define UK_NET_H

#include <uk/list.h>
#include <uk/types.h>

struct uk_netdev;

#define UK_NET_SEGS 24 /* pieces of one frame, at most */

struct uk_net_seg {
	const void *data; /* direct-map memory, physically contiguous */
	uint32_t size;
};

/* What the device does for a frame. */
struct uk_net_offload {
	bool checksum; /* put the sum of [checksum_start, end) at checksum_start + checksum_at */
	uint16_t checksum_start;
	uint16_t checksum_at;
	uint16_t segment_size; /* not 0: cut the TCP payload into pieces of at most this */
	uint16_t header_size;  /* with segment_size: of all headers */
	bool ipv6;	       /* with segment_size */
};

/* A received piece of a frame: `size` bytes at `data`, given back by uk_net_buf_free. */
struct uk_net_buf {
	void *data;
	uint32_t size;
	void (*free)(struct uk_net_buf *buf); /* the driver's; under the stack's lock */
	struct uk_net_buf *next;	      /* of the same frame */
};

struct uk_netdev_ops {
	/* Hands a frame to the device; `token` comes back by uk_net_sent once its memory is free
	 * again. -UK_EAGAIN: no room now. */
	int (*transmit)(struct uk_netdev *dev, const struct uk_net_seg *segs, unsigned count,
			const struct uk_net_offload *offload, void *token);
	void (*flush)(struct uk_netdev *dev); /* tells the device of what was handed over */
	/* Takes back what was sent and hands on what was received, at most `budget` frames; whether
	 * more is there. */
	bool (*poll)(struct uk_netdev *dev, unsigned budget);
	/* Interrupts on or off. On: whether something came meanwhile, so that poll must be called
	 * again. */
	bool (*watch)(struct uk_netdev *dev, bool on);
};

struct uk_netdev {
	struct uk_list item;
	const struct uk_netdev_ops *ops;
	void *driver;
	char name[16]; /* "eth0": set by uk_netdev_register */
	uint8_t mac[6];
	uint16_t mtu;
	bool link;
	bool can_checksum; /* fills in TCP and UDP checksums of what is sent */
	bool can_segment4; /* cuts large TCP segments, IPv4 and IPv6 */
	bool can_segment6;
	void *stack; /* the stack's */
};

void uk_netdev_register(struct uk_netdev *dev);
/* From ops->poll. A frame, its pieces chained; `sums_good`: the device vouches for its checksums.
 */
void uk_net_received(struct uk_netdev *dev, struct uk_net_buf *frame, bool sums_good);
void uk_net_sent(struct uk_netdev *dev, void *token);
/* From the device's interrupt: something is there to be polled for. */
void uk_net_wake(void);
void uk_net_link_changed(struct uk_netdev *dev); /* from poll, after dev->link was set */

/* Starts the stack when a device is there and the configuration wants a network; waits for an
 * address for some seconds. Loopback works without. Called once, before the program starts. */
void uk_net_start(void);
/* The program has ended, and the machine is about to: closes its connections and waits, for a time
 * that is bounded, until peers have taken what it wrote. net/end.c */
void uk_net_end(void);

#endif
