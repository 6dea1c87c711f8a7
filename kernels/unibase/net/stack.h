/*
 * Shared between the files of net/ that speak to lwIP.
 */
#ifndef UK_NET_STACK_H
#define UK_NET_STACK_H

#include <uk/net.h>
#include <uk/socket.h>

#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"

struct ip_pcb;

/* Linux's negative errno for lwIP's. */
int uk_lwip_errno(err_t error);
/* Between addresses of the two. -UK_EINVAL or -UK_EAFNOSUPPORT; `any` for an unspecified IPv6
 * address that may serve IPv4 too. */
int uk_lwip_address(const struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size,
		    ip_addr_t *address, uint16_t *port);
void uk_lwip_name(const struct uk_socket *sock, const ip_addr_t *address, uint16_t port,
		  struct uk_sockaddr *name, uint32_t *size);
/* Whether the network that this address needs is there at all. */
bool uk_net_reachable(const ip_addr_t *address);
/* Whether this machine has got an address, or was given one. */
bool uk_net_has_address(void);
/* Whether a socket may be bound to it: unspecified, or an address of this machine. */
bool uk_net_is_own(const ip_addr_t *address);
/* The own address that packets to this one carry; any if there is none. */
void uk_net_source(const ip_addr_t *to, ip_addr_t *source);
/* The address to send from that a message asks for; false: none in particular. */
bool uk_net_info_source(const struct uk_packet_info *info, ip_addr_t *source);
/* What IP_MTU and IPV6_MTU answer: bytes of `value`, -UK_ENOTCONN without a peer, -UK_ENOPROTOOPT
 * for other options. */
int uk_net_option_mtu(int level, int name, const ip_addr_t *peer, void *value);
/* Sums that the device makes, as it was when the interface came up. */
void uk_net_device_sums(struct netif *netif);

/* The interface's device; NULL for loopback. */
const struct uk_netdev *uk_net_device(const struct netif *netif);
/* Whether the interface's device cuts large TCP segments of this version of IP. */
bool uk_net_segments(const struct netif *netif, bool ipv6);
/* Bytes of memory that received frames may still take before they are dropped. */
uint64_t uk_net_received_room(void);

/* reuse.c: whether both let others at their port, and what lwIP is to know of it. */
bool reuse_shares(const struct uk_socket *a, const struct uk_socket *b);
void reuse_apply(const struct uk_socket *sock, struct ip_pcb *pcb);

/* isn.c: a keyed hash. */
uint64_t uk_net_hash(const uint64_t *words, size_t count);

/* udp.c: the other side says that nobody is there. */
void uk_udp_refused(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
		    uint16_t remote_port);
/* Whether there is a stack at all; loopback alone is one. */
bool uk_net_is_started(void);
/* Whether devices still hold frames that they were given. */
bool uk_net_frames_out(void);

/* Runs fn(later) once no frame that was handed to a device before can still refer to it. */
struct uk_net_later {
	struct uk_list item;
	void (*fn)(struct uk_net_later *later);
};
void uk_net_later(struct uk_net_later *later, void (*fn)(struct uk_net_later *later));

#endif
