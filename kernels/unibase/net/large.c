/*
 * Segments larger than the network takes, for devices that cut them: lwIP is told of a larger
 * segment size while data is written, and of the true one for everything else. What does not fit
 * the window any more when its turn comes is cut here.
 */
#include "tcp_sock.h"

#include "lwip/ip.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"

#define LARGE_MAX 64000u /* with headers below 64 KiB */

/* In their places in lwIP, which would make fragments of all that is larger than the network takes
 * (see CMakeLists.txt). */
err_t uk_lwip_ip4_frag(struct pbuf *p, struct netif *netif, const ip4_addr_t *dest);
err_t uk_lwip_ip6_frag(struct pbuf *p, struct netif *netif, const ip6_addr_t *dest);
/* And for one that splits no segment larger than the peer's size. */
err_t uk_lwip_tcp_split(struct tcp_pcb *pcb, u16_t size);

err_t uk_lwip_ip4_frag(struct pbuf *p, struct netif *netif, const ip4_addr_t *dest)
{
	const struct ip_hdr *ip = p->payload;

	if (IPH_PROTO(ip) == IP_PROTO_TCP && uk_net_segments(netif, false))
		return netif->output(netif, p, dest);
	return ip4_frag(p, netif, dest);
}

err_t uk_lwip_ip6_frag(struct pbuf *p, struct netif *netif, const ip6_addr_t *dest)
{
	const struct ip6_hdr *ip = p->payload;

	if (IP6H_NEXTH(ip) == IP6_NEXTH_TCP && uk_net_segments(netif, true))
		return netif->output_ip6(netif, p, dest);
	return ip6_frag(p, netif, dest);
}

void large_decide(struct tcp_sock *tcp)
{
	const struct tcp_pcb *pcb = tcp->pcb;
	bool six = IP_IS_V6_VAL(pcb->remote_ip);
	const struct netif *netif = ip_route(&pcb->local_ip, &pcb->remote_ip);

	/* The device cuts by the network's size; a peer that wants less gets it from lwIP. */
	tcp->large = netif != NULL && uk_net_segments(netif, six) &&
		     pcb->mss == netif->mtu - (six ? IP6_HLEN : IP_HLEN) - TCP_HLEN;
}

uint16_t large_size(const struct tcp_sock *tcp)
{
	const struct tcp_pcb *pcb = tcp->pcb;
	uint32_t most = UK_MIN(UK_MIN(pcb->cwnd, pcb->snd_wnd_max) / 2, LARGE_MAX);

	return tcp->large && most > pcb->mss ? (uint16_t)(most - most % pcb->mss) : pcb->mss;
}

err_t large_write(struct tcp_sock *tcp, const void *data, uint16_t size, u8_t flags)
{
	struct tcp_pcb *pcb = tcp->pcb;
	u16_t mss = pcb->mss;
	err_t error;

	pcb->mss = large_size(tcp);
	error = tcp_write(pcb, data, size, flags);
	pcb->mss = mss;
	return error;
}

err_t uk_lwip_tcp_split(struct tcp_pcb *pcb, u16_t size)
{
	u16_t mss = pcb->mss;
	err_t error;

	bool is_cut = pcb->unsent != NULL && pcb->unsent->len > size;

	pcb->mss = UINT16_MAX;
	error = tcp_split_unsent_seg(pcb, size);
	pcb->mss = mss;
	/* The end of the stream went to the remainder; lwIP 2.1.3 leaves it here as well. */
	if (error == ERR_OK && is_cut)
		TCPH_UNSET_FLAG(pcb->unsent->tcphdr, TCP_FIN | TCP_PSH);
	return error;
}

/* The next segment, if nothing is on its way and it is larger than the window, would have to wait
 * for lwIP's persist timer, or for ever. */
static void fit(struct tcp_pcb *pcb, uint32_t window)
{
	window = UK_MIN(window, pcb->cwnd);
	if (pcb->unsent == NULL || pcb->unsent->len <= pcb->mss || pcb->unsent->len <= window ||
	    TCP_SEQ_GT(lwip_ntohl(pcb->unsent->tcphdr->seqno), pcb->lastack))
		return;
	(void)uk_lwip_tcp_split(pcb, (u16_t)UK_MAX(window - window % pcb->mss, (uint32_t)pcb->mss));
}

void large_fit(struct tcp_sock *tcp)
{
	if (tcp->large)
		fit(tcp->pcb, tcp->pcb->snd_wnd);
}

void large_window(struct tcp_pcb *pcb, uint16_t window)
{
	const struct tcp_sock *tcp = pcb->callback_arg;

	if (tcp != NULL && tcp->large)
		fit(pcb, (uint32_t)window << pcb->snd_scale);
}

void large_tick(void)
{
	static u32_t seen;

	if (seen == tcp_ticks)
		return;
	seen = tcp_ticks;
	for (struct tcp_pcb *pcb = tcp_active_pcbs, *next; pcb != NULL; pcb = next) {
		const struct tcp_sock *tcp = pcb->callback_arg;

		next = pcb->next;
		if (tcp == NULL || !tcp->large || pcb->unsent == NULL)
			continue;
		fit(pcb, pcb->snd_wnd);
		tcp_output(pcb);
	}
}
