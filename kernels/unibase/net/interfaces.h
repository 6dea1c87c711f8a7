/*
 * What programs may know of the machine's interfaces: names, numbers and flags as Linux has them,
 * for ioctl (interfaces.c) and route netlink (netlink.c).
 */
#ifndef UK_NET_INTERFACES_H
#define UK_NET_INTERFACES_H

#include "stack.h"

#define UK_IFNAME 16

enum {
	UK_IFF_UP = 0x1,
	UK_IFF_BROADCAST = 0x2,
	UK_IFF_LOOPBACK = 0x8,
	UK_IFF_RUNNING = 0x40,
	UK_IFF_MULTICAST = 0x1000,
	UK_IFF_LOWER_UP = 0x10000,
	UK_ARPHRD_ETHER = 1,
	UK_ARPHRD_LOOPBACK = 772,
	UK_LOOPBACK_MTU = 65536,
};

bool interface_is_loopback(const struct netif *netif);
void interface_name(const struct netif *netif, char name[UK_IFNAME]);
uint32_t interface_flags(const struct netif *netif);
uint32_t interface_mtu(const struct netif *netif);
/* NULL: there is none. */
struct netif *interface_named(const char *name);

#endif
