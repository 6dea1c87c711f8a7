/*
 * What keeps strangers from using up connections. Half-open ones are few for each listener: above
 * that a SYN is answered with a cookie, a sequence number that says all that must be remembered, so
 * that floods take no memory and clients get through (RFC 4987, section 3.6). Connections in all
 * are bounded by memory, as are those that only wait for their time to end; and a new connection
 * may follow such a one at once (RFC 6191).
 */
#include <uk/mem.h>
#include <uk/thread.h>

#include "hooks.h"
#include "tcp_sock.h"

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

#define HALF_OPEN_MAX 128      /* of a listener; below lwIP's 255 */
#define CONNECTION_COST 32768u /* bytes of memory that one may stand for */
#define CONNECTIONS_LEAST 64u
#define TIME_WAIT_MAX 512u
#define TRIM_EVERY 64
#define RECEIVED_PART 8u		    /* of the memory left for frames: a connection's */
#define RECEIVED_LEAST 8192u		    /* bytes that every connection may have waiting */
#define COOKIE_STEP_NS (64ull * 1000000000) /* a cookie holds for one to two of these */
#define COOKIE_STEPS 32
#define MSS_OPTION_SIZE 4

/* Of a cookie: 5 bits of time, 3 of segment size, 24 of hash. */
static const uint16_t segment_sizes[8] = { 536, 1220, 1360, 1400, 1440, 1452, 1460, 8960 };

static uint64_t connections;
static uint64_t cookie_sent; /* monotonic ns, 0: never */
static bool cookie_back;
static uint32_t cookie_isn;

bool guard_has_room(void)
{
	return connections < UK_MAX(uk_mem_total() / CONNECTION_COST, (uint64_t)CONNECTIONS_LEAST);
}

void guard_added(void)
{
	connections++;
}

void guard_removed(void)
{
	connections--;
}

bool guard_isn(uint32_t *isn)
{
	*isn = cookie_isn;
	return cookie_back;
}

bool guard_is_quiet(void)
{
	return cookie_back;
}

/* The oldest of those that wait for their time to end are the last of lwIP's list. */
static void trim_time_wait(void)
{
	static unsigned count;
	struct tcp_pcb *pcb = tcp_tw_pcbs;

	if (++count % TRIM_EVERY != 0)
		return;
	for (unsigned i = 0; i < TIME_WAIT_MAX && pcb != NULL; i++)
		pcb = pcb->next;
	while (pcb != NULL) {
		struct tcp_pcb *next = pcb->next;

		tcp_abort(pcb);
		pcb = next;
	}
}

/* --- cookies --- */

static uint32_t cookie_hash(const struct tcp_hdr *header, uint32_t peer_isn, uint32_t top)
{
	uint64_t words[6] = { 0 };

	words[0] = (uint64_t)header->src << 48 | (uint64_t)header->dest << 32 | peer_isn;
	words[1] = top | 1ull << 32; /* never the input of a sequence number (isn.c) */
	memcpy(&words[2], ip_current_src_addr(), UK_MIN(sizeof(ip_addr_t), (size_t)16));
	memcpy(&words[4], ip_current_dest_addr(), UK_MIN(sizeof(ip_addr_t), (size_t)16));
	return (uint32_t)uk_net_hash(words, UK_COUNT(words)) & 0xffffff;
}

static uint32_t cookie_step(void)
{
	return (uint32_t)(uk_time_mono() / COOKIE_STEP_NS % COOKIE_STEPS);
}

static uint16_t offered_mss(const uint8_t *options, u16_t size)
{
	for (u16_t at = 0; at < size && options[at] != LWIP_TCP_OPT_EOL;) {
		if (options[at] == LWIP_TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= size || options[at + 1] < 2)
			break;
		if (options[at] == LWIP_TCP_OPT_MSS && options[at + 1] == MSS_OPTION_SIZE &&
		    at + MSS_OPTION_SIZE <= size)
			return (uint16_t)(options[at + 2] << 8 | options[at + 3]);
		at = (u16_t)(at + options[at + 1]);
	}
	return segment_sizes[0];
}

/* A segment between the ends of the one that came in, with an MSS option; its sum made. */
static struct pbuf *segment(uint16_t from, uint16_t to, uint32_t sequence, uint32_t ack, u8_t flags,
			    uint16_t mss)
{
	struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN + MSS_OPTION_SIZE, PBUF_RAM);
	struct tcp_hdr *header;
	uint8_t *option;

	if (p == NULL)
		return NULL;
	header = p->payload;
	memset(header, 0, TCP_HLEN);
	header->src = lwip_htons(from);
	header->dest = lwip_htons(to);
	header->seqno = lwip_htonl(sequence);
	header->ackno = lwip_htonl(ack);
	TCPH_HDRLEN_FLAGS_SET(header, (TCP_HLEN + MSS_OPTION_SIZE) / 4, flags);
	header->wnd = lwip_htons((u16_t)UK_MIN(TCP_WND, UINT16_MAX));
	option = (uint8_t *)(header + 1);
	option[0] = LWIP_TCP_OPT_MSS;
	option[1] = MSS_OPTION_SIZE;
	option[2] = (uint8_t)(mss >> 8);
	option[3] = (uint8_t)mss;
	return p;
}

static void send_cookie(const struct tcp_hdr *header, u16_t options_size)
{
	struct netif *netif = ip_current_input_netif();
	uint16_t mss = offered_mss((const uint8_t *)(header + 1), options_size), own;
	uint32_t top, index = UK_COUNT(segment_sizes) - 1;
	struct pbuf *p;

	while (index != 0 && segment_sizes[index] > mss)
		index--;
	top = cookie_step() << 3 | index;
	own = tcp_eff_send_mss_netif(TCP_MSS, netif, ip_current_src_addr());
	p = segment(header->dest, header->src, top << 24 | cookie_hash(header, header->seqno, top),
		    header->seqno + 1, TCP_SYN | TCP_ACK, own);
	if (p == NULL)
		return;
	if ((netif->chksum_flags & NETIF_CHECKSUM_GEN_TCP) != 0)
		((struct tcp_hdr *)p->payload)->chksum = ip_chksum_pseudo(
			p, IP_PROTO_TCP, p->tot_len, ip_current_dest_addr(), ip_current_src_addr());
	ip_output_if(p, ip_current_dest_addr(), ip_current_src_addr(), TCP_TTL, 0, IP_PROTO_TCP,
		     netif);
	pbuf_free(p);
	cookie_sent = uk_time_mono();
}

/* Gives lwIP the segment `p` again, whose header it has taken off and turned about. */
static void input_again(struct tcp_hdr *header, u16_t options_size, struct pbuf *p)
{
	if (pbuf_add_header(p, (size_t)TCP_HLEN + options_size) != 0)
		return;
	header->src = lwip_htons(header->src);
	header->dest = lwip_htons(header->dest);
	header->seqno = lwip_htonl(header->seqno);
	header->ackno = lwip_htonl(header->ackno);
	header->wnd = lwip_htons(header->wnd);
	pbuf_ref(p); /* one is the caller's */
	tcp_input(p, ip_current_input_netif());
}

/* An acknowledgement that nobody waits for: of a cookie, perhaps. Then lwIP gets the SYN that it
 * was spared, answers it in vain, and gets the acknowledgement. */
static bool take_cookie(struct tcp_hdr *header, u16_t options_size, struct pbuf *p)
{
	uint32_t cookie = header->ackno - 1, top = cookie >> 24;
	uint32_t age = (cookie_step() + COOKIE_STEPS - (top >> 3)) % COOKIE_STEPS;
	struct pbuf *syn;

	if (cookie_sent == 0 || uk_time_mono() - cookie_sent > 2 * COOKIE_STEP_NS || age > 1 ||
	    cookie_hash(header, header->seqno - 1, top) != (cookie & 0xffffff))
		return false;
	syn = segment(header->src, header->dest, header->seqno - 1, 0, TCP_SYN,
		      segment_sizes[top & 7]);
	if (syn == NULL)
		return false;
	((struct tcp_hdr *)syn->payload)->chksum = ip_chksum_pseudo(
		syn, IP_PROTO_TCP, syn->tot_len, ip_current_src_addr(), ip_current_dest_addr());
	cookie_back = true;
	cookie_isn = cookie;
	tcp_input(syn, ip_current_input_netif());
	cookie_back = false;
	input_again(header, options_size, p);
	return true;
}

/* --- what comes in --- */

static err_t for_listener(struct tcp_pcb_listen *pcb, struct tcp_hdr *header, u16_t options_size,
			  struct pbuf *p)
{
	const struct tcp_sock *listener = pcb->callback_arg;
	unsigned flags = TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST);

	if (cookie_back || listener == NULL)
		return ERR_OK;
	if (flags != TCP_SYN && flags != TCP_ACK)
		return ERR_OK;
	/* As if it had been lost: the peer sends it again, and there may be room then. */
	if (listener->waiting >= listener->backlog || !guard_has_room())
		return ERR_MEM;
	if (flags == TCP_ACK)
		return take_cookie(header, options_size, p) ? ERR_MEM : ERR_OK;
	trim_time_wait();
	if (pcb->accepts_pending < HALF_OPEN_MAX)
		return ERR_OK;
	send_cookie(header, options_size);
	return ERR_MEM;
}

/*
 * Whether a connection may keep what came. Memory for received frames is everybody's: the less is
 * left the smaller is each one's part, and what is out of order goes first. What is dropped here
 * was not acknowledged, so that the peer sends it again.
 */
static bool may_keep(const struct tcp_pcb *pcb, const struct tcp_hdr *header, const struct pbuf *p)
{
	const struct tcp_sock *tcp = pcb->callback_arg;
	uint64_t room = uk_net_received_room();

	if (p->tot_len == 0 || tcp == NULL)
		return true;
	if (header->seqno != pcb->rcv_nxt)
		return room >= uk_mem_total() / RECEIVED_PART;
	return tcp->received < UK_MAX(room / RECEIVED_PART, (uint64_t)RECEIVED_LEAST);
}

err_t uk_lwip_tcp_input(struct tcp_pcb *pcb, struct tcp_hdr *header, u16_t options_size,
			u16_t options_size1, u8_t *options2, struct pbuf *p)
{
	(void)options2;
	if (pcb->state != LISTEN && pcb->state != TIME_WAIT) {
		large_window(pcb, header->wnd);
		return may_keep(pcb, header, p) ? ERR_OK : ERR_MEM;
	}
	/* Options that lie in two buffers are nobody's habit. */
	if (options_size != options_size1)
		return ERR_MEM;
	if (pcb->state == LISTEN)
		return for_listener((struct tcp_pcb_listen *)(void *)pcb, header, options_size, p);
	if ((TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN ||
	    !TCP_SEQ_GT(header->seqno, pcb->rcv_nxt))
		return ERR_OK;
	tcp_abort(pcb);
	input_again(header, options_size, p);
	return ERR_ABRT;
}
