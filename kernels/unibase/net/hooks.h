/*
 * What lwIP asks the kernel for beyond its ports.
 */
#ifndef UK_NET_HOOKS_H
#define UK_NET_HOOKS_H

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct netif;
struct pbuf;
struct tcp_hdr;
struct tcp_pcb;

/* First sequence number of a connection: a keyed hash of its ends and a clock (RFC 6528), or what a
 * cookie that came back says. isn.c, guard.c. */
u32_t uk_lwip_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		  u16_t remote_port);
/* Every packet before lwIP looks at it: 0, go on. icmp.c. */
int uk_lwip_ip4_input(struct pbuf *p, struct netif *netif);
int uk_lwip_ip6_input(struct pbuf *p, struct netif *netif);
/* The loopback interface took the address that a packet was for: it gets its own back. */
void uk_lwip_loopback_reset(struct netif *netif);
/* A segment for `pcb`, which may listen or wait for its end; ERR_OK: go on, else it is dropped.
 * guard.c. */
err_t uk_lwip_tcp_input(struct tcp_pcb *pcb, struct tcp_hdr *header, u16_t options_size,
			u16_t options_size1, u8_t *options2, struct pbuf *p);

#endif
