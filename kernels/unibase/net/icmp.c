/*
 * What other hosts tell of datagrams that they could not deliver (RFC 792, RFC 4443), which lwIP
 * does not hand on: a connected UDP socket is told that nobody listens there.
 */
#include "hooks.h"
#include "stack.h"

#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/udp.h"

enum { ICMP_HEADER = 8 };

/* The start of the datagram that was not delivered: `p` begins with its UDP header. */
static void refused(const uint8_t *p, const ip_addr_t *from, const ip_addr_t *to)
{
	struct udp_hdr udp;

	memcpy(&udp, p, sizeof(udp));
	uk_udp_refused(from, lwip_ntohs(udp.src), to, lwip_ntohs(udp.dest));
}

static bool sum_is_good(struct pbuf *p, unsigned header, const struct netif *netif)
{
	bool good;

	if ((netif->chksum_flags & NETIF_CHECKSUM_CHECK_ICMP) == 0)
		return true; /* loopback */
	pbuf_remove_header(p, header);
	good = inet_chksum_pbuf(p) == 0;
	pbuf_add_header(p, header);
	return good;
}

void uk_lwip_loopback_reset(struct netif *netif)
{
	if (ip4_addr_isloopback(netif_ip4_addr(netif)))
		ip_addr_set_loopback_val(false, netif->ip_addr);
}

int uk_lwip_ip4_input(struct pbuf *p, struct netif *netif)
{
	const uint8_t *packet = p->payload;
	const struct ip_hdr *outer = p->payload, *inner;
	unsigned header, inner_header;
	ip_addr_t from, to;

	/* All of 127.0.0.0/8 is this machine; lwIP takes an interface's own address alone. */
	if (p->len >= IP_HLEN && ip4_addr_isloopback(netif_ip4_addr(netif)) &&
	    ip4_addr_isloopback(&outer->dest))
		ip_addr_set_ip4_u32_val(netif->ip_addr, outer->dest.addr);
	if (p->len < IP_HLEN || IPH_PROTO(outer) != IP_PROTO_ICMP)
		return 0;
	header = IPH_HL_BYTES(outer);
	if (p->len < header + ICMP_HEADER + IP_HLEN + UDP_HLEN || header < IP_HLEN ||
	    packet[header] != ICMP_DUR || packet[header + 1] != ICMP_DUR_PORT)
		return 0;
	inner = (const struct ip_hdr *)(const void *)(packet + header + ICMP_HEADER);
	inner_header = IPH_HL_BYTES(inner);
	if (IPH_PROTO(inner) != IP_PROTO_UDP || inner_header < IP_HLEN ||
	    p->len < header + ICMP_HEADER + inner_header + UDP_HLEN ||
	    !sum_is_good(p, header, netif))
		return 0;
	ip_addr_set_ip4_u32_val(from, inner->src.addr);
	ip_addr_set_ip4_u32_val(to, inner->dest.addr);
	refused(packet + header + ICMP_HEADER + inner_header, &from, &to);
	return 0;
}

int uk_lwip_ip6_input(struct pbuf *p, struct netif *netif)
{
	const uint8_t *packet = p->payload;
	const struct ip6_hdr *outer = p->payload, *inner;
	ip_addr_t from, to;

	if (p->len < IP6_HLEN || IP6H_NEXTH(outer) != IP6_NEXTH_ICMP6)
		return 0;
	if (p->len < IP6_HLEN + ICMP_HEADER + IP6_HLEN + UDP_HLEN ||
	    packet[IP6_HLEN] != ICMP6_TYPE_DUR || packet[IP6_HLEN + 1] != ICMP6_DUR_PORT)
		return 0;
	inner = (const struct ip6_hdr *)(const void *)(packet + IP6_HLEN + ICMP_HEADER);
	if (IP6H_NEXTH(inner) != IP6_NEXTH_UDP)
		return 0;
	ip_addr_copy_from_ip6_packed(from, inner->src);
	ip_addr_copy_from_ip6_packed(to, inner->dest);
	ip6_addr_assign_zone(ip_2_ip6(&from), IP6_UNKNOWN, netif);
	ip6_addr_assign_zone(ip_2_ip6(&to), IP6_UNKNOWN, netif);
	refused(packet + IP6_HLEN + ICMP_HEADER + IP6_HLEN, &from, &to);
	return 0;
}
