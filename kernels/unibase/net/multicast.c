/*
 * Multicast as Linux has it (ip(7), ipv6(7)): sockets join groups on interfaces, lwIP tells the
 * network of it (IGMP version 2, MLD version 1). lwIP counts members in eight bits, so it is asked
 * for the first of a group and the last alone. A socket hears all groups that anyone here has
 * joined, unless IP_MULTICAST_ALL is off. There are no filters by source.
 */
#include "multicast.h"

#include <uk/mem.h>

#include "lwip/igmp.h"
#include "lwip/ip.h"
#include "lwip/mld6.h"

enum { MEMBERSHIPS_MAX = 256 }; /* of a socket */
enum { GROUP_AT = 8 };		/* of struct group_req: its sockaddr */

struct membership {
	struct uk_list item;
	const struct multicast *owner;
	ip_addr_t group; /* with its zone */
	uint8_t interface;
};

/* What a program asked for. */
struct asked {
	ip_addr_t group;
	struct netif *netif; /* NULL: there is no such interface */
	bool any;	     /* it named none */
};

static struct uk_list memberships = UK_LIST_INIT(memberships);

static struct netif *by_index(uint32_t index)
{
	return index != 0 && index <= UINT8_MAX ? netif_get_by_index((u8_t)index) : NULL;
}

static struct netif *by_address(uint32_t address)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		if (ip4_addr_get_u32(netif_ip4_addr(netif)) == address)
			return netif;
	}
	return NULL;
}

/* The first of the socket, else of anyone (NULL), in the group on this interface, else on any (0).
 */
static struct membership *find(const struct multicast *owner, const ip_addr_t *group,
			       uint8_t interface)
{
	uk_list_each (item, &memberships) {
		struct membership *m = uk_list_entry(item, struct membership, item);

		if ((owner == NULL || m->owner == owner) &&
		    (interface == 0 || m->interface == interface) &&
		    ip_addr_cmp_zoneless(&m->group, group))
			return m;
	}
	return NULL;
}

static unsigned count_of(const struct multicast *owner)
{
	unsigned count = 0;

	uk_list_each (item, &memberships)
		count += uk_list_entry(item, struct membership, item)->owner == owner;
	return count;
}

static err_t tell_network(struct netif *netif, const ip_addr_t *group, bool join)
{
	if (IP_IS_V6(group))
		return join ? mld6_joingroup_netif(netif, ip_2_ip6(group))
			    : mld6_leavegroup_netif(netif, ip_2_ip6(group));
	/* All hosts are in this one, 224.0.0.1: lwIP is, and tells nobody. */
	if (ip4_addr_get_u32(ip_2_ip4(group)) == PP_HTONL(LWIP_MAKEU32(224, 0, 0, 1)))
		return ERR_OK;
	return join ? igmp_joingroup_netif(netif, ip_2_ip4(group))
		    : igmp_leavegroup_netif(netif, ip_2_ip4(group));
}

static int join(const struct multicast *own, const struct asked *asked)
{
	struct membership *m;
	err_t error = ERR_OK;
	uint8_t interface;

	if (asked->netif == NULL)
		return -UK_ENODEV;
	interface = netif_get_index(asked->netif);
	if (find(own, &asked->group, interface) != NULL)
		return -UK_EADDRINUSE;
	if (count_of(own) == MEMBERSHIPS_MAX)
		return -UK_ENOBUFS;
	m = uk_alloc(sizeof(*m));
	if (m == NULL)
		return -UK_ENOMEM;
	m->owner = own;
	m->group = asked->group;
	m->interface = interface;
	if (find(NULL, &m->group, interface) == NULL)
		error = tell_network(asked->netif, &m->group, true);
	if (error != ERR_OK) {
		uk_free(m);
		return uk_lwip_errno(error);
	}
	uk_list_push_back(&memberships, &m->item);
	return 0;
}

static void leave(struct membership *m)
{
	struct netif *netif = by_index(m->interface);

	uk_list_remove(&m->item);
	if (netif != NULL && find(NULL, &m->group, m->interface) == NULL)
		(void)tell_network(netif, &m->group, false);
	uk_free(m);
}

/* As on Linux, to name no interface means the usual one with IPv4, any with IPv6. */
static int drop(const struct multicast *own, const struct asked *asked)
{
	uint8_t interface = asked->netif != NULL ? netif_get_index(asked->netif) : 0;
	struct membership *m;

	if (asked->any && IP_IS_V6(&asked->group))
		interface = 0;
	else if (asked->netif == NULL)
		return asked->any ? -UK_ENODEV : -UK_EADDRNOTAVAIL;
	m = find(own, &asked->group, interface);
	if (m == NULL)
		return -UK_EADDRNOTAVAIL;
	leave(m);
	return 0;
}

void multicast_leave_all(const struct multicast *own)
{
	uk_list_each_safe (item, &memberships) {
		struct membership *m = uk_list_entry(item, struct membership, item);

		if (m->owner == own)
			leave(m);
	}
}

bool multicast_is_member(const struct multicast *own, const ip_addr_t *group, uint8_t interface)
{
	return find(own, group, interface) != NULL;
}

/* --- what programs say --- */

static uint32_t word_at(const void *value, size_t at)
{
	uint32_t word;

	memcpy(&word, (const uint8_t *)value + at, sizeof(word));
	return word;
}

static void take_interface(struct asked *asked, uint32_t index)
{
	asked->any = index == 0;
	asked->netif = asked->any ? netif_default : by_index(index);
}

static void take_group6(struct asked *asked, const void *address)
{
	ip_addr_set_zero_ip6(&asked->group);
	memcpy(ip_2_ip6(&asked->group)->addr, address, sizeof(ip_2_ip6(&asked->group)->addr));
}

/* struct ip_mreq or ip_mreqn */
static int take_mreq(struct asked *asked, const void *value, size_t size)
{
	uint32_t address;

	if (size < 2 * sizeof(uint32_t))
		return -UK_EINVAL;
	ip_addr_set_ip4_u32(&asked->group, word_at(value, 0));
	take_interface(asked, size >= 3 * sizeof(uint32_t) ? word_at(value, 8) : 0);
	address = word_at(value, 4);
	if (asked->any && address != 0) {
		asked->any = false;
		asked->netif = by_address(address);
	}
	return 0;
}

/* struct ipv6_mreq */
static int take_mreq6(struct asked *asked, const void *value, size_t size)
{
	if (size < sizeof(struct uk_linux_in6_pktinfo))
		return -UK_EINVAL;
	take_group6(asked, value);
	take_interface(asked, word_at(value, 16));
	return 0;
}

/* struct group_req */
static int take_group_req(struct asked *asked, bool six, const void *value, size_t size)
{
	const struct uk_sockaddr *name;

	if (size < GROUP_AT + sizeof(*name))
		return -UK_EINVAL;
	name = (const struct uk_sockaddr *)(const void *)((const uint8_t *)value + GROUP_AT);
	if (name->family != (six ? UK_AF_INET6 : UK_AF_INET))
		return six ? -UK_EADDRNOTAVAIL : -UK_EINVAL;
	if (six)
		take_group6(asked, name->in6.address);
	else
		ip_addr_set_ip4_u32(&asked->group, name->in.address);
	take_interface(asked, word_at(value, 0));
	return 0;
}

static int member(const struct multicast *own, struct asked *asked, bool joins)
{
	if (!ip_addr_ismulticast(&asked->group))
		return -UK_EINVAL;
	return joins ? join(own, asked) : drop(own, asked);
}

/* IP_MULTICAST_IF: struct in_addr, ip_mreq or ip_mreqn. */
static int choose(struct multicast *own, const void *value, size_t size)
{
	uint32_t address, index = 0;
	struct netif *netif = NULL;

	if (size < sizeof(uint32_t))
		return -UK_EINVAL;
	address = word_at(value, size >= 2 * sizeof(uint32_t) ? 4 : 0);
	if (size >= 3 * sizeof(uint32_t))
		index = word_at(value, 8);
	if (index != 0)
		netif = by_index(index);
	else if (address != 0)
		netif = by_address(address);
	if (netif == NULL && (index != 0 || address != 0))
		return -UK_EADDRNOTAVAIL;
	own->interface = netif != NULL ? netif_get_index(netif) : 0;
	own->address = address;
	return 0;
}

static int choose6(struct multicast *own, const void *value, size_t size)
{
	uint32_t index;

	if (size < sizeof(index))
		return -UK_EINVAL;
	index = word_at(value, 0);
	if (index != 0 && by_index(index) == NULL)
		return -UK_ENODEV;
	own->interface6 = (uint8_t)index;
	return 0;
}

int multicast_set(struct multicast *own, int level, int name, const void *value, size_t size)
{
	const bool six = level == UK_IPPROTO_IPV6;
	struct asked asked;
	int status;

	if (!six && level != UK_IPPROTO_IP)
		return -UK_ENOPROTOOPT;
	if (name == UK_MCAST_JOIN_GROUP || name == UK_MCAST_LEAVE_GROUP) {
		status = take_group_req(&asked, six, value, size);
		return status != 0 ? status : member(own, &asked, name == UK_MCAST_JOIN_GROUP);
	}
	if (six) {
		if (name == UK_IPV6_MULTICAST_IF)
			return choose6(own, value, size);
		if (name != UK_IPV6_ADD_MEMBERSHIP && name != UK_IPV6_DROP_MEMBERSHIP)
			return -UK_ENOPROTOOPT;
		status = take_mreq6(&asked, value, size);
		return status != 0 ? status : member(own, &asked, name == UK_IPV6_ADD_MEMBERSHIP);
	}
	if (name == UK_IP_MULTICAST_IF)
		return choose(own, value, size);
	if (name != UK_IP_ADD_MEMBERSHIP && name != UK_IP_DROP_MEMBERSHIP)
		return -UK_ENOPROTOOPT;
	status = take_mreq(&asked, value, size);
	return status != 0 ? status : member(own, &asked, name == UK_IP_ADD_MEMBERSHIP);
}

int multicast_get(const struct multicast *own, int level, int name, void *value)
{
	uint32_t word;

	if (level == UK_IPPROTO_IP && name == UK_IP_MULTICAST_IF)
		word = own->address;
	else if (level == UK_IPPROTO_IPV6 && name == UK_IPV6_MULTICAST_IF)
		word = own->interface6;
	else
		return -UK_ENOPROTOOPT;
	memcpy(value, &word, sizeof(word));
	return (int)sizeof(word);
}

void uk_lwip_igmp_ticks(void)
{
	for (int i = 0; i < UK_IGMP_TICKS; i++)
		igmp_tmr();
}

struct netif *multicast_way(const struct multicast *own, ip_addr_t *group, uint32_t wanted)
{
	uint32_t index = wanted;
	struct netif *netif;

	if (IP_IS_V6(group) && ip6_addr_has_zone(ip_2_ip6(group)))
		index = ip6_addr_zone(ip_2_ip6(group));
	if (index == 0)
		index = IP_IS_V6(group) ? own->interface6 : own->interface;
	netif = index != 0 ? by_index(index) : netif_default;
	if (netif != NULL && IP_IS_V6(group) && ip6_addr_lacks_zone(ip_2_ip6(group), IP6_MULTICAST))
		ip6_addr_assign_zone(ip_2_ip6(group), IP6_MULTICAST, netif);
	return netif;
}
