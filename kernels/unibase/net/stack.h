/*
 * Shared between the files of net/ that speak to lwIP.
 */
#ifndef UK_NET_STACK_H
#define UK_NET_STACK_H

#include <uk/net.h>
#include <uk/socket.h>

#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"

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

/* Runs fn(data) once no frame that was handed to a device before can still refer to it. */
struct uk_net_later {
	struct uk_list item;
	uint64_t after;
	void (*fn)(struct uk_net_later *later);
};
void uk_net_later(struct uk_net_later *later, void (*fn)(struct uk_net_later *later));

#endif
