/*
 * Groups of hosts: which of them a UDP socket listens to, and by which interface what it sends to
 * them leaves. Under the stack's lock.
 */
#ifndef UK_NET_MULTICAST_H
#define UK_NET_MULTICAST_H

#include "stack.h"

/* Of one socket. */
struct multicast {
	uint8_t interface, interface6; /* by which datagrams to groups leave; 0: by the first */
	uint32_t address;	       /* by which IP_MULTICAST_IF named that interface */
};

/* Options that are no plain numbers: -UK_ENOPROTOOPT where it is none of them. */
int multicast_set(struct multicast *own, int level, int name, const void *value, size_t size);
/* Bytes of `value`, or -UK_ENOPROTOOPT. */
int multicast_get(const struct multicast *own, int level, int name, void *value);
/* Whether it has joined the group there. */
bool multicast_is_member(const struct multicast *own, const ip_addr_t *group, uint8_t interface);
/* The interface for a datagram to the group, which gets its zone; `wanted` is the message's own, 0:
 * none. NULL: there is none. */
struct netif *multicast_way(const struct multicast *own, ip_addr_t *group, uint32_t wanted);
void multicast_leave_all(const struct multicast *own);

#endif
