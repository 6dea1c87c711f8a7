/*
 * lwIP in this kernel: one lock, one thread, and the way between pbufs and devices. Nothing is
 * copied here: what is sent stays referenced until the device has taken it, and what is received is
 * handed on in the driver's buffers.
 *
 * The thread sleeps until a device's interrupt or lwIP's next timer. Who waits for data polls the
 * devices first, so that a busy connection needs no thread switch.
 */
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/thread.h>

#include "hooks.h"
#include "stack.h"
#include "tcp_sock.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/ip4_frag.h"
#include "lwip/nd6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "netconf.h"
#include "netif/ethernet.h"
#include "rest.h"
#include "services.h"

#define POLL_BUDGET 64
#define LOOP_ROUNDS 64
#define COPY_MAX 256u /* bytes of a frame that is copied */
#define SECOND 1000000000ull
#define QUIET_NS (12 * SECOND)	 /* longer than anything that lwIP lets wait between frames */
#define LONGEST_NS (60 * SECOND) /* DHCP counts minutes */
#define RECEIVED_COST 2304u	 /* bytes of memory that a driver's buffer stands for */
#define RECEIVED_SHARE 4u	 /* of memory: what received frames may take, at most */

struct stack_dev {
	struct netif netif;
	struct uk_netdev *dev;
	bool dirty;   /* frames were handed over, the device was not told */
	bool blocked; /* a frame found no room */
};

static bool frames_moved;   /* since the last look */
static uint64_t last_frame; /* monotonic ns: when frames moved last */
static uint64_t ticked;	    /* the same: when lwIP's timers were last looked at */
static bool sleeps_long;
static bool dozes; /* the thread, through rounds of lwIP's over connections at rest */

static err_t link_output(struct netif *netif, struct pbuf *p);

struct received {
	struct pbuf_custom pbuf; /* first: lwIP gives this back */
	struct uk_net_buf *buf;
};

static uint64_t received_memory; /* of drivers' buffers that sockets and lwIP keep */
static struct uk_mutex net_mutex = UK_MUTEX_INIT(net_mutex);
static struct uk_waitq net_wait = UK_WAITQ_INIT(net_wait);
static volatile bool net_woken;
static struct uk_list devices = UK_LIST_INIT(devices);
static bool started;
/*
 * Frames that devices hold, and what waits for them, by the parity of an epoch: what is to be freed
 * waits until no frame of its epoch or before is out. Epochs change when none of the last is.
 */
static unsigned epoch;
static uint64_t frames_out[2];
static struct uk_list later_list[2] = { UK_LIST_INIT(later_list[0]), UK_LIST_INIT(later_list[1]) };

uint32_t sys_now(void)
{
	return (uint32_t)(uk_time_mono() / 1000000);
}

void *uk_lwip_calloc(size_t count, size_t size)
{
	size_t all;

	return __builtin_mul_overflow(count, size, &all) ? NULL : uk_alloc(all);
}

/* --- what is sent --- */

static void run_later(void)
{
	/* Twice: the second change frees what the first epoch's frames did not hold. */
	for (int i = 0; i < 2 && frames_out[!epoch] == 0; i++) {
		while (!uk_list_empty(&later_list[!epoch])) {
			struct uk_net_later *later =
				uk_list_first(&later_list[!epoch], struct uk_net_later, item);

			uk_list_remove(&later->item);
			later->fn(later);
		}
		epoch = !epoch;
	}
}

void uk_net_later(struct uk_net_later *later, void (*fn)(struct uk_net_later *later))
{
	if (frames_out[0] + frames_out[1] == 0) {
		fn(later);
		return;
	}
	later->fn = fn;
	uk_list_push_back(&later_list[epoch], &later->item);
}

/* What a device holds of a frame: the pbuf, with its epoch in the lowest bit. */
static void *token_of(struct pbuf *frame)
{
	frames_out[epoch]++;
	return (void *)((uintptr_t)frame | epoch);
}

void uk_net_sent(struct uk_netdev *dev, void *token)
{
	(void)dev;
	frames_out[(uintptr_t)token & 1]--;
	pbuf_free((struct pbuf *)((uintptr_t)token & ~(uintptr_t)1));
}

/* Sum of a pseudo header, folded but not inverted: what virtio expects in the checksum field. */
static uint16_t pseudo_sum(const uint8_t *addresses, size_t size, uint8_t protocol, uint32_t length)
{
	uint64_t sum = protocol + length;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)(addresses[i] << 8 | addresses[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Where the transport header starts and what it is; 0: the device has no checksum to make; -1: the
 * headers do not lie together in these `size` bytes. */
static int transport_offset(const uint8_t *frame, unsigned size, uint8_t *protocol, uint16_t *sum,
			    unsigned all)
{
	unsigned at = SIZEOF_ETH_HDR, header;

	if (size < at + IP_HLEN)
		return -1;
	if (frame[12] == 0x08 && frame[13] == 0x00) {
		const struct ip_hdr *ip = (const struct ip_hdr *)(const void *)(frame + at);

		header = IPH_HL_BYTES(ip);
		/* Fragments carry a sum over data that this frame does not hold. */
		if ((IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)) != 0)
			return 0;
		*protocol = IPH_PROTO(ip);
		*sum = pseudo_sum(frame + at + 12, 8, *protocol, all - at - header);
	} else if (frame[12] == 0x86 && frame[13] == 0xdd) {
		const struct ip6_hdr *ip6 = (const struct ip6_hdr *)(const void *)(frame + at);

		header = IP6_HLEN;
		if (size < at + header)
			return -1;
		*protocol = IP6H_NEXTH(ip6);
		*sum = pseudo_sum(frame + at + 8, 32, *protocol, all - at - header);
	} else {
		return 0;
	}
	if (*protocol != IP_PROTO_TCP && *protocol != IP_PROTO_UDP)
		return 0;
	header += at;
	return size < header + (*protocol == IP_PROTO_TCP ? 18u : 8u) ? -1 : (int)header;
}

/* False when the headers must be brought together first. */
static bool offload_checksum(struct pbuf *p, struct uk_net_offload *offload)
{
	uint8_t *frame = p->payload;
	uint8_t protocol = 0;
	uint16_t sum = 0;
	int start = transport_offset(frame, p->len, &protocol, &sum, p->tot_len);
	int at = protocol == IP_PROTO_TCP ? 16 : 6;

	if (start <= 0)
		return start == 0;
	frame[start + at] = (uint8_t)(sum >> 8);
	frame[start + at + 1] = (uint8_t)sum;
	offload->checksum = true;
	offload->checksum_start = (uint16_t)start;
	offload->checksum_at = (uint16_t)at;
	return true;
}

/* A frame that the device cuts: by what the network takes. */
static void offload_segments(const struct stack_dev *stack, const uint8_t *frame,
			     struct uk_net_offload *offload)
{
	unsigned header = offload->checksum_start + (frame[offload->checksum_start + 12] >> 4) * 4u;

	offload->ipv6 = frame[12] == 0x86;
	offload->header_size = (uint16_t)header;
	offload->segment_size = (uint16_t)(stack->netif.mtu + SIZEOF_ETH_HDR - header);
}

const struct uk_netdev *uk_net_device(const struct netif *netif)
{
	const struct stack_dev *stack = netif->state;

	return netif->linkoutput == link_output ? stack->dev : NULL;
}

bool uk_net_segments(const struct netif *netif, bool ipv6)
{
	const struct uk_netdev *dev = uk_net_device(netif);

	return dev != NULL && (ipv6 ? dev->can_segment6 : dev->can_segment4);
}

static err_t link_output(struct netif *netif, struct pbuf *p)
{
	struct stack_dev *stack = netif->state;
	struct uk_net_offload offload = { .checksum = false };
	struct uk_net_seg segs[UK_NET_SEGS];
	struct pbuf *frame = p;
	unsigned count = 0;
	void *token;
	int status;

	if (!stack->dev->link)
		return ERR_IF;
	if (guard_is_quiet())
		return ERR_OK;
	if (pbuf_clen(p) > UK_NET_SEGS ||
	    (stack->dev->can_checksum && !offload_checksum(p, &offload))) {
		frame = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
		if (frame == NULL)
			return ERR_MEM;
		if (stack->dev->can_checksum)
			(void)offload_checksum(frame, &offload);
	} else {
		pbuf_ref(frame);
	}
	if (frame->tot_len > stack->netif.mtu + SIZEOF_ETH_HDR)
		offload_segments(stack, frame->payload, &offload);
	for (struct pbuf *q = frame; q != NULL; q = q->next)
		if (q->len != 0)
			segs[count++] = (struct uk_net_seg){ q->payload, q->len };
	token = token_of(frame);
	status = stack->dev->ops->transmit(stack->dev, segs, count, &offload, token);
	if (status != 0) {
		stack->blocked = true;
		uk_net_sent(stack->dev, token);
		return ERR_MEM;
	}
	stack->dirty = true;
	frames_moved = true;
	return ERR_OK;
}

/* --- what is received --- */

static void received_free(struct pbuf *p)
{
	struct received *received = (struct received *)(void *)p;

	received_memory -= RECEIVED_COST;
	received->buf->free(received->buf);
	uk_free(received);
}

uint64_t uk_net_received_room(void)
{
	uint64_t pool = uk_mem_total() / RECEIVED_SHARE;

	return pool > received_memory ? pool - received_memory : 0;
}

static void drop_frame(struct uk_net_buf *frame)
{
	while (frame != NULL) {
		struct uk_net_buf *next = frame->next;

		frame->free(frame);
		frame = next;
	}
}

/* A small frame is not worth a whole buffer for as long as it waits. */
static struct pbuf *copy_frame(struct uk_net_buf *frame)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)frame->size, PBUF_RAM);

	if (p != NULL)
		memcpy(p->payload, frame->data, frame->size);
	drop_frame(frame);
	return p;
}

static struct pbuf *wrap_frame(struct uk_net_buf *frame)
{
	struct pbuf *whole = NULL;

	while (frame != NULL) {
		struct uk_net_buf *next = frame->next;
		struct received *received = uk_alloc(sizeof(*received));
		struct pbuf *p;

		if (received == NULL) {
			drop_frame(frame);
			if (whole != NULL)
				pbuf_free(whole);
			return NULL;
		}
		received->buf = frame;
		received->pbuf.custom_free_function = received_free;
		received_memory += RECEIVED_COST;
		p = pbuf_alloced_custom(PBUF_RAW, (u16_t)frame->size, PBUF_REF, &received->pbuf,
					frame->data, (u16_t)frame->size);
		if (whole == NULL)
			whole = p;
		else
			pbuf_cat(whole, p);
		frame = next;
	}
	return whole;
}

void uk_net_received(struct uk_netdev *dev, struct uk_net_buf *frame, bool sums_good)
{
	struct stack_dev *stack = dev->stack;
	struct pbuf *whole = NULL;
	uint32_t size = 0;

	frames_moved = true;
	for (const struct uk_net_buf *buf = frame; buf != NULL; buf = buf->next)
		size += buf->size;
	/* lwIP counts a frame's bytes in 16 bits. */
	if (stack == NULL || size == 0 || size > UINT16_MAX)
		drop_frame(frame);
	else if (size <= COPY_MAX && frame->next == NULL)
		whole = copy_frame(frame);
	else if (uk_net_received_room() == 0)
		drop_frame(frame);
	else
		whole = wrap_frame(frame);
	if (whole == NULL)
		return;
	NETIF_SET_CHECKSUM_CTRL(
		&stack->netif,
		(u16_t)(sums_good ? stack->netif.chksum_flags &
					    ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)
				  : stack->netif.chksum_flags | NETIF_CHECKSUM_CHECK_TCP |
					    NETIF_CHECKSUM_CHECK_UDP));
	if (stack->netif.input(whole, &stack->netif) != ERR_OK)
		pbuf_free(whole);
}

void uk_net_link_changed(struct uk_netdev *dev)
{
	struct stack_dev *stack = dev->stack;

	if (stack == NULL)
		return;
	uk_log(UK_LOG_NOTICE, "%s: link is %s", dev->name, dev->link ? "up" : "down");
	if (dev->link)
		netif_set_link_up(&stack->netif);
	else
		netif_set_link_down(&stack->netif);
}

/* --- the lock and the thread --- */

static void flush_devices(void)
{
	uk_list_each (item, &devices) {
		struct uk_netdev *dev = uk_list_entry(item, struct uk_netdev, item);
		struct stack_dev *stack = dev->stack;

		if (stack != NULL && stack->dirty) {
			stack->dirty = false;
			dev->ops->flush(dev);
		}
	}
}

/* One tick a second of what was slept through, before anything new begins to be counted. */
static void catch_up(void)
{
	uint64_t now = uk_time_mono(), seconds = (now - ticked) / SECOND;

	ticked += seconds * SECOND;
	rest_count(now);
	for (uint64_t i = UK_MIN(seconds, LONGEST_NS / SECOND); i != 0; i--) {
		etharp_tmr();
		nd6_tmr();
		ip_reass_tmr();
	}
}

void uk_net_lock(void)
{
	uk_mutex_lock(&net_mutex);
	if (sleeps_long)
		catch_up();
}

/* What was sent to this machine itself is taken in at once: nobody else would look. A long talk is
 * left to the thread, so that this one gets to its own work. */
static void deliver_loopback(void)
{
	for (int round = 0; round < LOOP_ROUNDS; round++) {
		struct netif *netif;
		bool some = false;

		NETIF_FOREACH(netif)
		{
			some |= netif->loop_first != NULL;
			netif_poll(netif);
			uk_lwip_loopback_reset(netif);
		}
		if (!some)
			return;
	}
	uk_net_wake();
}

/*
 * Nothing has happened for so long that lwIP's periodic timers, which count down what is under way,
 * find nothing to count. Then the thread sleeps through them, and the machine costs its host
 * nothing; what they would have aged is made up for afterwards. *ns: how long that holds, at most.
 */
static bool is_quiet(uint64_t *ns)
{
	uint64_t now = uk_time_mono();

	if (frames_moved)
		last_frame = now;
	frames_moved = false;
	*ns = LONGEST_NS;
	return now - last_frame > QUIET_NS && (uk_list_empty(&devices) || uk_net_has_address()) &&
	       rest_now(ns);
}

/* Whether lwIP's four looks a second at all connections can be left to the next frame, since none
 * would find anything. Few of them, so that it takes no longer to know than to look. */
static bool may_doze(void)
{
	uint64_t ns = LONGEST_NS;

	return rest_few() && rest_now(&ns) && ns == LONGEST_NS;
}

void uk_net_unlock(void)
{
	uint64_t ns;

	deliver_loopback();
	flush_devices();
	if ((sleeps_long && !is_quiet(&ns)) || (dozes && !may_doze()))
		uk_net_wake();
	uk_mutex_unlock(&net_mutex);
	uk_unix_reap();
}

void uk_net_poll(void)
{
	bool more = true;

	for (int round = 0; more && round < 8; round++) {
		more = false;
		uk_list_each (item, &devices) {
			struct uk_netdev *dev = uk_list_entry(item, struct uk_netdev, item);
			struct stack_dev *stack = dev->stack;

			if (stack == NULL)
				continue;
			more |= dev->ops->poll(dev, POLL_BUDGET);
			run_later();
			if (stack->blocked) {
				stack->blocked = false;
				tcp_txnow();
			}
		}
	}
	deliver_loopback();
	ticked = uk_time_mono();
	rest_counted(ticked);
	sys_check_timeouts();
	large_tick();
	flush_devices();
}

void uk_net_wake(void)
{
	net_woken = true;
	uk_wake_all(&net_wait);
}

static bool watch_devices(void)
{
	bool more = false;

	uk_list_each (item, &devices) {
		struct uk_netdev *dev = uk_list_entry(item, struct uk_netdev, item);

		if (dev->stack != NULL)
			more |= dev->ops->watch(dev, true);
	}
	return more;
}

static void net_thread(void *arg)
{
	(void)arg;
	for (;;) {
		uint64_t wait;

		uk_net_lock();
		net_woken = false;
		sleeps_long = dozes = false;
		uk_net_poll();
		uk_syslog_send();
		if (watch_devices())
			net_woken = true;
		sleeps_long = is_quiet(&wait);
		dozes = !sleeps_long && may_doze();
		if (!sleeps_long)
			wait = (uint64_t)sys_timeouts_sleeptime() * 1000000;
		if (dozes)
			wait = UK_MAX(wait, SECOND);
		uk_net_unlock();
		uk_netconf_settle();
		uk_wait_event(&net_wait, net_woken, uk_time_mono() + UK_MIN(wait, LONGEST_NS),
			      false);
	}
}

void uk_netdev_register(struct uk_netdev *dev)
{
	static unsigned count;

	uk_snprintf(dev->name, sizeof(dev->name), "eth%u", count++);
	uk_list_push_back(&devices, &dev->item);
}

void uk_net_device_sums(struct netif *netif)
{
	const struct uk_netdev *dev = uk_net_device(netif);
	u16_t flags = NETIF_CHECKSUM_ENABLE_ALL;

	if (dev == NULL)
		return;
	if (dev->can_checksum)
		flags &= (u16_t) ~(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP);
	NETIF_SET_CHECKSUM_CTRL(netif, flags);
}

static err_t netif_start(struct netif *netif)
{
	struct stack_dev *stack = netif->state;
	struct uk_netdev *dev = stack->dev;

	netif->name[0] = 'e';
	netif->name[1] = 't';
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = link_output;
	netif->mtu = dev->mtu;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	memcpy(netif->hwaddr, dev->mac, sizeof(dev->mac));
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	uk_net_device_sums(netif);
	return ERR_OK;
}

static int attach(struct uk_netdev *dev)
{
	struct stack_dev *stack = uk_alloc(sizeof(*stack));

	if (stack == NULL)
		return -UK_ENOMEM;
	stack->dev = dev;
	dev->stack = stack;
	if (netif_add_noaddr(&stack->netif, stack, netif_start, ethernet_input) == NULL) {
		dev->stack = NULL;
		uk_free(stack);
		return -UK_ENOMEM;
	}
	if (netif_default == NULL)
		netif_set_default(&stack->netif);
	netif_set_up(&stack->netif);
	if (dev->link)
		netif_set_link_up(&stack->netif);
	return uk_netconf_start(&stack->netif, dev->name);
}

bool uk_net_is_started(void)
{
	return started;
}

bool uk_net_frames_out(void)
{
	return frames_out[0] + frames_out[1] != 0;
}

int uk_net_need(void)
{
	int status = 0;

	uk_net_lock();
	if (!started) {
		lwip_init();
		started = uk_thread_spawn("net", net_thread, NULL) != NULL;
		status = started ? 0 : -UK_ENOMEM;
	}
	uk_net_unlock();
	return status;
}

void uk_net_start(void)
{
	if (uk_list_empty(&devices) || !uk_netconf_wanted())
		return; /* loopback comes up with the first socket that wants it */
	if (uk_net_need() != 0)
		uk_panic("no memory for the network");
	uk_net_lock();
	uk_list_each (item, &devices) {
		struct uk_netdev *dev = uk_list_entry(item, struct uk_netdev, item);

		if (attach(dev) != 0)
			uk_log(UK_LOG_ERROR, "%s: out of memory", dev->name);
	}
	uk_syslog_start();
	uk_sntp_start();
	uk_net_unlock();
	uk_net_wake();
	uk_netconf_wait();
}
