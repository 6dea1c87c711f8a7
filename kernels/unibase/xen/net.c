/*
 * Networks: the frontend of Xen's network protocol (public/io/netif.h), one ring each way. As for
 * disks, frames lie in memory that was granted once: what is sent is copied there, and received
 * buffers are the stack's until it gives them back. Checksums of local frames are not made;
 * segments that the other side has joined arrive in several buffers.
 *
 * All but the interrupt runs under the stack's lock.
 */
#include "xen.h"
#include <uk/io.h>
#include <uk/log.h>
#include <uk/net.h>

enum { TX_SUM_BLANK = 1, TX_SUM_GOOD = 2 };
enum { RX_SUM_GOOD = 1, RX_SUM_BLANK = 2, RX_MORE = 4, RX_EXTRA = 8 };
#define EXTRA_MORE 1

#define TX_BUFFER 2048u
#define TX_BUFFERS 128u
#define RING 256u
#define FRAME_BUFFERS_MAX 20 /* 64 KiB, in whatever pieces */

struct tx_request {
	uint32_t grant;
	uint16_t offset, flags, id, size;
};
struct tx_response {
	uint16_t id;
	int16_t status;
};
struct rx_request {
	uint16_t id, pad;
	uint32_t grant;
};
struct rx_response { /* as extra information: type and flags in the first two bytes */
	uint16_t id, offset, flags;
	int16_t status; /* size, or negative */
};
_Static_assert(sizeof(struct tx_request) == 12, "public/io/netif.h");
_Static_assert(sizeof(struct rx_request) == 8, "public/io/netif.h");
_Static_assert(sizeof(struct rx_response) == 8, "public/io/netif.h");

struct rx_buffer {
	struct uk_net_buf buf;
	struct net *net;
	struct rx_buffer *next_free;
	uint8_t *memory; /* a frame */
	uint32_t grant;
};

struct tx_buffer {
	uint8_t *memory;
	uint32_t grant;
	uint16_t offset;
	bool busy;
};

struct net {
	struct uk_netdev dev;
	struct uk_xen_dev *xen;
	struct uk_xen_ring rx, tx;
	uint32_t port;
	struct rx_buffer *posted[RING]; /* by their place in the ring */
	struct rx_buffer *rx_free;	/* not with the backend, nor with the stack */
	struct tx_buffer tx_buffers[TX_BUFFERS];
	uint16_t tx_free[TX_BUFFERS];
	unsigned tx_free_count;
	volatile bool link_changed;
	volatile bool link;
	/* A frame whose buffers came only in part. */
	struct uk_net_buf *frame, **frame_end;
	unsigned frame_count;
	bool frame_bad, frame_sums_good;
	bool extra;	  /* the next entry is extra information */
	bool frame_whole; /* but for that */
};

static void rx_give(struct net *net)
{
	while (net->rx_free != NULL && uk_xen_ring_room(&net->rx) != 0) {
		struct rx_buffer *buffer = net->rx_free;
		uint32_t place = net->rx.filled % RING;
		struct rx_request r = { .id = (uint16_t)place, .grant = buffer->grant };

		net->rx_free = buffer->next_free;
		net->posted[place] = buffer;
		uk_xen_ring_put(&net->rx, &r, sizeof(r));
	}
	if (uk_xen_ring_show(&net->rx))
		uk_xen_event_send(net->port);
}

static void rx_free(struct uk_net_buf *buf)
{
	struct rx_buffer *buffer = uk_container(buf, struct rx_buffer, buf);

	buffer->next_free = buffer->net->rx_free;
	buffer->net->rx_free = buffer;
}

static void frame_begin(struct net *net)
{
	net->frame = NULL;
	net->frame_end = &net->frame;
	net->frame_count = 0;
	net->frame_bad = false;
}

static void frame_end(struct net *net)
{
	struct uk_net_buf *next, *buf = net->frame;

	if (!net->frame_bad && buf != NULL) {
		uk_net_received(&net->dev, buf, net->frame_sums_good);
	} else {
		for (; buf != NULL; buf = next) {
			next = buf->next;
			buf->free(buf);
		}
	}
	frame_begin(net);
}

/* One response, for the buffer at its place; true when a frame is whole. */
static bool rx_take(struct net *net, const struct rx_response *r, struct rx_buffer *buffer)
{
	if (net->extra) { /* how segments were joined: the stack need not know */
		net->extra = (((const uint8_t *)r)[1] & EXTRA_MORE) != 0;
		rx_free(&buffer->buf);
		return false;
	}
	if (net->frame_count++ == 0)
		net->frame_sums_good = (r->flags & (RX_SUM_GOOD | RX_SUM_BLANK)) != 0;
	if (r->status < 0 || r->offset > UK_PAGE_SIZE ||
	    (uint64_t)r->status > UK_PAGE_SIZE - r->offset ||
	    net->frame_count > FRAME_BUFFERS_MAX) {
		net->frame_bad = true;
		rx_free(&buffer->buf);
	} else {
		buffer->buf.data = buffer->memory + r->offset;
		buffer->buf.size = (uint32_t)r->status;
		buffer->buf.next = NULL;
		*net->frame_end = &buffer->buf;
		net->frame_end = &buffer->buf.next;
	}
	net->extra = (r->flags & RX_EXTRA) != 0;
	return (r->flags & RX_MORE) == 0;
}

static unsigned rx_poll(struct net *net, unsigned budget)
{
	struct rx_response r;
	bool whole = net->frame_whole;

	while (budget != 0) {
		uint32_t place = net->rx.seen % RING;
		struct rx_buffer *buffer;

		if (!uk_xen_ring_take(&net->rx, &r, sizeof(r), 1))
			break;
		buffer = net->posted[place];
		net->posted[place] = NULL;
		whole |= rx_take(net, &r, buffer);
		if (whole && !net->extra) {
			frame_end(net);
			whole = false;
			budget--;
		}
	}
	net->frame_whole = whole;
	return budget;
}

static void tx_reclaim(struct net *net, uint32_t later)
{
	struct tx_response r;

	while (uk_xen_ring_take(&net->tx, &r, sizeof(r), later)) {
		if (r.id >= TX_BUFFERS || !net->tx_buffers[r.id].busy) {
			uk_xen_ring_break(&net->tx, "sent what it was not given");
			return;
		}
		net->tx_buffers[r.id].busy = false;
		net->tx_free[net->tx_free_count++] = r.id;
	}
}

static int net_transmit(struct uk_netdev *dev, const struct uk_net_seg *segs, unsigned count,
			const struct uk_net_offload *offload, void *token)
{
	struct net *net = dev->driver;
	struct tx_request r = { .flags = 0 };
	struct tx_buffer *buffer;

	if (net->tx_free_count == 0)
		tx_reclaim(net, 1);
	if (net->tx_free_count == 0)
		return -UK_EAGAIN;
	r.id = net->tx_free[net->tx_free_count - 1];
	buffer = &net->tx_buffers[r.id];
	for (unsigned i = 0; i < count; i++) {
		if (segs[i].size > TX_BUFFER - r.size)
			return -UK_EINVAL;
		memcpy(buffer->memory + r.size, segs[i].data, segs[i].size);
		r.size = (uint16_t)(r.size + segs[i].size);
	}
	net->tx_free_count--;
	buffer->busy = true;
	r.grant = buffer->grant;
	r.offset = buffer->offset;
	if (offload->checksum)
		r.flags = TX_SUM_BLANK | TX_SUM_GOOD;
	uk_xen_ring_put(&net->tx, &r, sizeof(r));
	uk_net_sent(dev, token); /* it was copied */
	return 0;
}

static void net_flush(struct uk_netdev *dev)
{
	struct net *net = dev->driver;

	if (uk_xen_ring_show(&net->tx))
		uk_xen_event_send(net->port);
}

static bool net_poll(struct uk_netdev *dev, unsigned budget)
{
	struct net *net = dev->driver;

	if (net->link_changed) {
		net->link_changed = false;
		dev->link = net->link;
		uk_net_link_changed(dev);
	}
	/* Nobody waits for what was sent, as long as there are buffers. */
	tx_reclaim(net, net->tx_free_count > TX_BUFFERS / 4 ? 0 : 1);
	budget = rx_poll(net, budget);
	rx_give(net);
	return budget == 0;
}

/* Taking the last response has asked for an event already. */
static bool net_watch(struct uk_netdev *dev, bool on)
{
	(void)dev;
	(void)on;
	return false;
}

static void respond(void *arg)
{
	(void)arg;
	uk_net_wake();
}

static bool make_rx(struct net *net)
{
	unsigned count = uk_mem_total() < (32ull << 20) ? 64 : RING;

	for (unsigned i = 0; i < count; i++) {
		struct rx_buffer *buffer = uk_alloc(sizeof(*buffer));
		struct uk_page *page = uk_page_alloc(0, false);
		int grant = page != NULL ? uk_xen_grant(net->xen->backend_id, page) : -UK_ENOMEM;

		if (buffer == NULL || grant < 0) {
			uk_free(buffer);
			return i >= 32;
		}
		buffer->net = net;
		buffer->memory = uk_page_virt(page);
		buffer->grant = (uint32_t)grant;
		buffer->buf.free = rx_free;
		rx_free(&buffer->buf);
	}
	return true;
}

static bool make_tx(struct net *net)
{
	unsigned count = uk_mem_total() < (32ull << 20) ? 32 : TX_BUFFERS;

	while (net->tx_free_count < count) {
		struct uk_page *page = uk_page_alloc(0, false);
		int grant = page != NULL ? uk_xen_grant(net->xen->backend_id, page) : -UK_ENOMEM;

		if (grant < 0)
			return false;
		for (unsigned at = 0; at < UK_PAGE_SIZE; at += TX_BUFFER) {
			struct tx_buffer *b = &net->tx_buffers[net->tx_free_count];

			b->memory = (uint8_t *)uk_page_virt(page) + at;
			b->grant = (uint32_t)grant;
			b->offset = (uint16_t)at;
			net->tx_free[net->tx_free_count] = (uint16_t)net->tx_free_count;
			net->tx_free_count++;
		}
	}
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "00:16:3e:xx:xx:xx"; one of our own where the toolstack gives none. */
static void read_mac(struct net *net)
{
	char text[20];
	int size = uk_xen_read(net->xen->path, "mac", text, sizeof(text));
	bool good = size == 17;

	for (unsigned i = 0; good && i < 6; i++) {
		int high = hex(text[3 * i]), low = hex(text[3 * i + 1]);

		good = high >= 0 && low >= 0;
		net->dev.mac[i] = (uint8_t)(high << 4 | low);
	}
	if (!good) {
		uk_random(net->dev.mac, sizeof(net->dev.mac));
		net->dev.mac[0] = (uint8_t)((net->dev.mac[0] & 0xfc) | 2); /* local, to one */
	}
}

static int tell_backend(struct net *net)
{
	static const char *const on[] = { "request-rx-copy",   "feature-rx-notify",
					  "feature-sg",	       "feature-gso-tcpv4",
					  "feature-gso-tcpv6", "feature-ipv6-csum-offload" };
	int result = uk_xen_write(net->xen->path, "event-channel", "%u", net->port);

	for (unsigned i = 0; i < UK_COUNT(on) && result == 0; i++)
		result = uk_xen_write(net->xen->path, on[i], "1");
	return result;
}

static int net_open(struct uk_xen_dev *xen)
{
	struct net *net = uk_alloc(sizeof(*net));
	int result;

	if (net == NULL)
		return -UK_ENOMEM;
	xen->data = net;
	net->xen = xen;
	frame_begin(net);
	if (!make_rx(net) || !make_tx(net))
		return -UK_ENOMEM;
	result = uk_xen_ring_open(&net->tx, xen, sizeof(struct tx_request), "tx-ring-ref");
	if (result == 0)
		result = uk_xen_ring_open(&net->rx, xen, sizeof(struct rx_request), "rx-ring-ref");
	if (result != 0)
		return result;
	result = uk_xen_event_new(xen->backend_id, respond, net);
	if (result < 0)
		return result;
	net->port = (uint32_t)result;
	rx_give(net);
	return tell_backend(net);
}

static int net_connect(struct uk_xen_dev *xen)
{
	static const struct uk_netdev_ops operations = {
		.transmit = net_transmit, .flush = net_flush, .poll = net_poll, .watch = net_watch
	};
	struct net *net = xen->data;
	uint64_t mtu = uk_xen_read_number(xen->path, "mtu", 1500);

	read_mac(net);
	net->dev.mtu = (uint16_t)(mtu >= 576 && mtu < 1500 ? mtu : 1500);
	net->dev.can_checksum =
		uk_xen_read_number(xen->backend, "feature-no-csum-offload", 0) == 0 &&
		uk_xen_read_number(xen->backend, "feature-ipv6-csum-offload", 0) == 1;
	net->dev.link = net->link = true;
	net->dev.ops = &operations;
	net->dev.driver = net;
	uk_netdev_register(&net->dev);
	return 0;
}

static void net_changed(struct uk_xen_dev *xen, enum uk_xen_state backend)
{
	struct net *net = xen->data;
	bool link = backend == UK_XEN_CONNECTED;

	if (link == net->link)
		return;
	net->link = link;
	net->link_changed = true;
	uk_net_wake();
}

const struct uk_xen_driver uk_xen_net = { .name = "vif",
					  .opened = UK_XEN_CONNECTED,
					  .open = net_open,
					  .connect = net_connect,
					  .changed = net_changed };
