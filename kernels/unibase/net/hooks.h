/*
 * What lwIP asks the kernel for beyond its ports.
 */
#ifndef UK_NET_HOOKS_H
#define UK_NET_HOOKS_H

#include "lwip/ip_addr.h"

/* First sequence number of a connection: a keyed hash of its ends and a clock (RFC 6528). */
u32_t uk_lwip_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		  u16_t remote_port);

#endif
