/*
 * A host and a backend for Xen's drivers under test: memory from malloc, xenstore as a few values,
 * rings as the other side sees them.
 */
#ifndef HOST_H
#define HOST_H

#include "xen.h"
#include <uk/block.h>
#include <uk/net.h>

struct shared_ring { /* public/io/ring.h */
	uint32_t requests, request_event, responses, response_event;
	uint8_t pad[48];
	uint8_t entries[];
};

/* Opens and connects a device of this kind; what it registered is in `disk` or `net`. */
void host_open(const struct uk_xen_driver *driver);
/* Frees everything. */
void host_clear(void);

/* What the backend's folder says of a number, before the device is opened. */
void host_tell(const char *node, uint64_t value);

struct host {
	struct uk_xen_dev dev;
	struct uk_block_dev *disk;
	struct uk_netdev *net;
	struct shared_ring *ring[2]; /* in the order of their references */
	void (*event)(void *arg);    /* the device's, for what the backend says */
	void *event_arg;
	unsigned sent, log_lines; /* events to the backend; lines of the log */
	unsigned tokens;	  /* given back by uk_net_sent */
	unsigned frames;	  /* received */
	uint32_t frame_size, frame_pieces;
	bool frame_good;
	uint8_t frame[65536];
	bool hold;		/* received pieces are kept, not freed */
	bool maps;		/* the backend has all that was granted mapped */
	unsigned grants, pages; /* that there are */
};
extern struct host host;

/* The memory behind a grant; aborts when there is no such grant. */
uint8_t *host_granted(uint32_t reference);
void host_event(void);

#endif
