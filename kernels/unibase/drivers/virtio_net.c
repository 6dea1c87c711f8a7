/*
 * Virtio network device (OASIS Virtual I/O Device 1.2, section 5.1): one queue each way. The device
 * makes and checks checksums where it offers to, and may hand over received segments that it has
 * joined, in several buffers.
 *
 * All but the interrupt runs under the stack's lock.
 */
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/net.h>

#include "drivers.h"
#include "virtio.h"

enum net_feature {
	NET_CSUM = 1 << 0,
	NET_GUEST_CSUM = 1 << 1,
	NET_MTU = 1 << 3,
	NET_MAC = 1 << 5,
	NET_GUEST_TSO4 = 1 << 7,
	NET_GUEST_TSO6 = 1 << 8,
	NET_HOST_TSO4 = 1 << 11,
	NET_HOST_TSO6 = 1 << 12,
	NET_MRG_RXBUF = 1 << 15,
	NET_STATUS = 1 << 16,
};

enum { HEADER_NEEDS_CSUM = 1, HEADER_DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4 };

struct net_header { /* 5.1.6 */
	uint8_t flags;
	uint8_t gso_type;
	uint16_t header_size;
	uint16_t gso_size;
	uint16_t checksum_start;
	uint16_t checksum_offset;
	uint16_t buffers; /* with NET_MRG_RXBUF or version 1 */
};
_Static_assert(sizeof(struct net_header) == 12, "virtio");

struct net_config {
	uint8_t mac[6];
	uint16_t status;
	uint16_t queue_pairs;
	uint16_t mtu;
};
_Static_assert(sizeof(struct net_config) == 12, "virtio");

#define RX_BUFFER 2048u
#define RING 256
#define FRAME_BUFFERS_MAX 40

struct rx_buffer {
	struct uk_net_buf buf;
	struct net *net;
	struct rx_buffer *next_free;
	uint8_t *memory; /* RX_BUFFER bytes */
};

struct tx_slot {
	struct tx_slot *next;
	void *token;
	struct net_header header;
	struct uk_virtq_desc table[UK_NET_SEGS + 1] __attribute__((aligned(16)));
};

struct net {
	struct uk_netdev dev;
	struct uk_virtio_dev *virtio;
	struct uk_virtq *rx, *tx;
	unsigned header_size;
	struct rx_buffer *rx_free; /* not with the device, nor with the stack */
	unsigned rx_free_count;
	unsigned rx_posted, rx_wanted; /* with the device, and how many should be */
	struct tx_slot *tx_free;
	volatile bool config_changed;
	/* A frame whose buffers came only in part. */
	struct uk_net_buf *frame, **frame_end;
	unsigned frame_left;
	bool frame_sums_good;
};

static struct rx_buffer *rx_new(struct net *net);

/* The ring is filled up whatever the stack keeps, or a connection that nobody reads from would stop
 * all others; what may be kept is bounded there. */
static void rx_give(struct net *net)
{
	bool given = false;

	while (net->rx->free_count != 0 && net->rx_posted < net->rx_wanted) {
		struct rx_buffer *buffer = net->rx_free;
		struct uk_virtq_piece piece = { .size = RX_BUFFER };

		if (buffer == NULL && (buffer = rx_new(net)) == NULL)
			break;
		piece.paddr = uk_virt_to_phys(buffer->memory);
		if (uk_virtq_add(net->rx, &piece, 0, 1, NULL, buffer) != 0)
			break;
		net->rx_free = buffer->next_free;
		net->rx_free_count--;
		net->rx_posted++;
		given = true;
	}
	if (given)
		uk_virtq_kick(net->rx);
}

static void rx_free(struct uk_net_buf *buf)
{
	struct rx_buffer *buffer = uk_container(buf, struct rx_buffer, buf);
	struct net *net = buffer->net;

	if (net->rx_free_count >= net->rx_wanted) {
		uk_free(buffer->memory);
		uk_free(buffer);
		return;
	}
	buffer->next_free = net->rx_free;
	net->rx_free = buffer;
	net->rx_free_count++;
}

/* One more in the list of free ones; NULL without memory. */
static struct rx_buffer *rx_new(struct net *net)
{
	struct rx_buffer *buffer = uk_alloc(sizeof(*buffer));

	if (buffer == NULL)
		return NULL;
	buffer->memory = uk_alloc(RX_BUFFER);
	if (buffer->memory == NULL) {
		uk_free(buffer);
		return NULL;
	}
	buffer->net = net;
	buffer->buf.free = rx_free;
	rx_free(&buffer->buf);
	return buffer;
}

/* One used buffer; a frame is handed on with its last. */
static void rx_take(struct net *net, struct rx_buffer *buffer, uint32_t used)
{
	struct net_header header;
	uint32_t at = 0;

	if (net->frame_left == 0) {
		at = net->header_size;
		if (used < at || used > RX_BUFFER) {
			rx_free(&buffer->buf);
			return;
		}
		memset(&header, 0, sizeof(header));
		memcpy(&header, buffer->memory, net->header_size);
		net->frame_left = net->header_size == sizeof(header) && header.buffers > 1
					  ? header.buffers
					  : 1;
		if (net->frame_left > FRAME_BUFFERS_MAX)
			net->frame_left = 1;
		net->frame_sums_good =
			(header.flags & (HEADER_NEEDS_CSUM | HEADER_DATA_VALID)) != 0;
		net->frame = NULL;
		net->frame_end = &net->frame;
	}
	buffer->buf.data = buffer->memory + at;
	buffer->buf.size = UK_MIN(used, RX_BUFFER) - at;
	buffer->buf.next = NULL;
	*net->frame_end = &buffer->buf;
	net->frame_end = &buffer->buf.next;
	if (--net->frame_left == 0)
		uk_net_received(&net->dev, net->frame, net->frame_sums_good);
}

/* What was sent is taken back when something else is done; an interrupt comes only when the ring
 * would run full. */
static void tx_reclaim(struct net *net)
{
	struct tx_slot *slot;

	while ((slot = uk_virtq_take_after(net->tx, net->tx->size / 2u)) != NULL) {
		void *token = slot->token;

		slot->next = net->tx_free;
		net->tx_free = slot;
		uk_net_sent(&net->dev, token);
	}
}

static struct tx_slot *tx_slot(struct net *net)
{
	struct tx_slot *slot = net->tx_free;

	if (slot == NULL)
		return uk_alloc(sizeof(*slot));
	net->tx_free = slot->next;
	return slot;
}

static void fill_header(struct net_header *header, const struct uk_net_offload *offload)
{
	memset(header, 0, sizeof(*header));
	if (offload->checksum) {
		header->flags = HEADER_NEEDS_CSUM;
		header->checksum_start = offload->checksum_start;
		header->checksum_offset = offload->checksum_at;
	}
	if (offload->segment_size != 0) {
		header->gso_type = offload->ipv6 ? GSO_TCPV6 : GSO_TCPV4;
		header->gso_size = offload->segment_size;
		header->header_size = offload->header_size;
	}
}

static int net_transmit(struct uk_netdev *dev, const struct uk_net_seg *segs, unsigned count,
			const struct uk_net_offload *offload, void *token)
{
	struct net *net = dev->driver;
	struct uk_virtq_piece pieces[UK_NET_SEGS + 1];
	struct tx_slot *slot = tx_slot(net);

	if (slot == NULL)
		return -UK_EAGAIN;
	fill_header(&slot->header, offload);
	slot->token = token;
	pieces[0] = (struct uk_virtq_piece){ uk_virt_to_phys(&slot->header), net->header_size };
	for (unsigned i = 0; i < count; i++)
		pieces[i + 1] =
			(struct uk_virtq_piece){ uk_virt_to_phys(segs[i].data), segs[i].size };
	if (uk_virtq_add(net->tx, pieces, count + 1, 0, slot->table, slot) != 0) {
		uk_virtq_kick(net->tx);
		tx_reclaim(net);
		if (uk_virtq_add(net->tx, pieces, count + 1, 0, slot->table, slot) != 0) {
			slot->next = net->tx_free;
			net->tx_free = slot;
			return -UK_EAGAIN;
		}
	}
	return 0;
}

static void net_flush(struct uk_netdev *dev)
{
	struct net *net = dev->driver;

	uk_virtq_kick(net->tx);
}

static void read_link(struct net *net)
{
	struct net_config config;

	if ((net->virtio->features & NET_STATUS) == 0) {
		net->dev.link = true;
		return;
	}
	uk_virtio_config(net->virtio, 0, &config, sizeof(config));
	net->dev.link = (config.status & 1) != 0;
}

static bool net_poll(struct uk_netdev *dev, unsigned budget)
{
	struct net *net = dev->driver;
	struct rx_buffer *buffer;

	if (net->config_changed) {
		bool was = dev->link;

		net->config_changed = false;
		read_link(net);
		if (dev->link != was)
			uk_net_link_changed(dev);
	}
	tx_reclaim(net);
	while (budget != 0 && (buffer = uk_virtq_take(net->rx)) != NULL) {
		net->rx_posted--;
		rx_take(net, buffer, net->rx->taken);
		budget--;
	}
	rx_give(net);
	return budget == 0;
}

/* Taking the last used chain has asked for an interrupt already. */
static bool net_watch(struct uk_netdev *dev, bool on)
{
	(void)dev;
	(void)on;
	return false;
}

static void on_used(struct uk_virtq *q)
{
	(void)q;
	uk_net_wake();
}

static void on_config(struct uk_virtio_dev *virtio)
{
	struct net *net = virtio->driver;

	net->config_changed = true;
	uk_net_wake();
}

static const struct uk_netdev_ops net_ops = {
	.transmit = net_transmit,
	.flush = net_flush,
	.poll = net_poll,
	.watch = net_watch,
};

static int net_start(struct uk_virtio_dev *virtio)
{
	struct net *net = uk_alloc(sizeof(*net));
	struct net_config config;
	uint64_t wanted = NET_CSUM | NET_GUEST_CSUM | NET_MTU | NET_MAC | NET_MRG_RXBUF |
			  NET_STATUS | NET_GUEST_TSO4 | NET_GUEST_TSO6 | NET_HOST_TSO4 |
			  NET_HOST_TSO6;
	int status;

	if (net == NULL)
		return -UK_ENOMEM;
	virtio->driver = net;
	net->virtio = virtio;
	status = uk_virtio_negotiate(virtio, wanted);
	if (status != 0)
		goto free_net;
	net->header_size =
		(virtio->features & (UK_VIRTIO_VERSION_1 | NET_MRG_RXBUF)) != 0 ? 12 : 10;
	status = -UK_ENOMEM;
	net->rx = uk_virtq_open(virtio, 0, RING, on_used);
	net->tx = uk_virtq_open(virtio, 1, RING, on_used);
	if (net->rx == NULL || net->tx == NULL)
		goto free_net;
	/* Enough for a window's worth, where there is memory for it. */
	net->rx_wanted =
		UK_MIN((unsigned)net->rx->size, uk_mem_total() < (32ull << 20) ? 64u : 256u);
	uk_virtio_config(virtio, 0, &config, sizeof(config));
	memcpy(net->dev.mac, config.mac, sizeof(config.mac));
	if ((virtio->features & NET_MAC) == 0) {
		uk_random(net->dev.mac, sizeof(net->dev.mac));
		net->dev.mac[0] = (uint8_t)((net->dev.mac[0] & 0xfc) | 2); /* local, to one */
	}
	net->dev.mtu = (virtio->features & NET_MTU) != 0 && config.mtu >= 576
			       ? UK_MIN(config.mtu, 1500)
			       : 1500;
	net->dev.can_checksum = (virtio->features & NET_CSUM) != 0;
	net->dev.can_segment4 = net->dev.can_checksum && (virtio->features & NET_HOST_TSO4) != 0;
	net->dev.can_segment6 = net->dev.can_checksum && (virtio->features & NET_HOST_TSO6) != 0;
	net->dev.ops = &net_ops;
	net->dev.driver = net;
	virtio->config_changed = on_config;
	read_link(net);
	uk_virtio_ready(virtio);
	rx_give(net);
	uk_netdev_register(&net->dev);
	return 0;
free_net:
	uk_free(net);
	return status;
}

const struct uk_virtio_driver uk_virtio_net = {
	.name = "virtio-net",
	.id = UK_VIRTIO_NETWORK,
	.start = net_start,
};
UK_VIRTIO_DRIVER(uk_virtio_net);
