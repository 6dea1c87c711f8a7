/*
 * The ioctls by which programs ask for interfaces (netdevice(7)). Nothing is changed by them:
 * addresses are the recipe's or DHCP's.
 */
#include "interfaces.h"

#include <uk/user.h>

#include "lwip/ip.h"

enum {
	GET_NAME = 0x8910,
	GET_LIST = 0x8912,
	GET_FLAGS = 0x8913,
	GET_ADDRESS = 0x8915,
	GET_BROADCAST = 0x8919,
	GET_MASK = 0x891b,
	GET_METRIC = 0x891d,
	GET_MTU = 0x8921,
	GET_HARDWARE = 0x8927,
	GET_NUMBER = 0x8933,
	GET_QUEUE = 0x8942,
	FIRST = GET_NAME,
	LAST = 0x89ff,
};
enum { QUEUE_LENGTH = 1000 };

/* struct ifreq */
struct request {
	char name[UK_IFNAME];
	union {
		struct uk_sockaddr_in address;
		uint16_t words[8];
		int32_t number;
		uint8_t room[24];
	};
};
_Static_assert(sizeof(struct request) == 40, "Linux ABI");

/* struct ifconf */
struct list {
	int32_t size;
	uint32_t pad;
	uint64_t requests;
};

bool interface_is_loopback(const struct netif *netif)
{
	return uk_net_device(netif) == NULL;
}

void interface_name(const struct netif *netif, char name[UK_IFNAME])
{
	const struct uk_netdev *dev = uk_net_device(netif);

	memset(name, 0, UK_IFNAME);
	(void)uk_strlcpy(name, dev != NULL ? dev->name : "lo", UK_IFNAME);
}

uint32_t interface_flags(const struct netif *netif)
{
	uint32_t flags = netif_is_up(netif) ? UK_IFF_UP : 0u;

	if (netif_is_link_up(netif) || interface_is_loopback(netif))
		flags |= UK_IFF_RUNNING | UK_IFF_LOWER_UP;
	return flags | (interface_is_loopback(netif) ? UK_IFF_LOOPBACK
						     : UK_IFF_BROADCAST | UK_IFF_MULTICAST);
}

uint32_t interface_mtu(const struct netif *netif)
{
	return interface_is_loopback(netif) ? UK_LOOPBACK_MTU : netif->mtu;
}

struct netif *interface_named(const char *name)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		char own[UK_IFNAME];

		interface_name(netif, own);
		if (strncmp(own, name, UK_IFNAME) == 0)
			return netif;
	}
	return NULL;
}

static void tell_address(struct request *request, uint32_t address)
{
	memset(request->room, 0, sizeof(request->room));
	request->address.family = UK_AF_INET;
	request->address.address = address;
}

static void tell_hardware(const struct netif *netif, struct request *request)
{
	bool loopback = interface_is_loopback(netif);

	memset(request->room, 0, sizeof(request->room));
	request->words[0] = loopback ? UK_ARPHRD_LOOPBACK : UK_ARPHRD_ETHER;
	if (!loopback)
		memcpy(request->words + 1, netif->hwaddr, sizeof(netif->hwaddr));
}

/* Of an interface that has an IPv4 address. */
static int tell_ip4(const struct netif *netif, unsigned what, struct request *request)
{
	uint32_t own = ip4_addr_get_u32(netif_ip4_addr(netif));
	uint32_t mask = ip4_addr_get_u32(netif_ip4_netmask(netif));

	if (own == 0)
		return -UK_EADDRNOTAVAIL;
	if (what == GET_MASK)
		tell_address(request, mask);
	else if (what == GET_ADDRESS)
		tell_address(request, own);
	else
		tell_address(request, interface_is_loopback(netif) ? 0 : own | ~mask);
	return 0;
}

static int tell(const struct netif *netif, unsigned what, struct request *request)
{
	switch (what) {
	case GET_FLAGS:
		request->words[0] = (uint16_t)interface_flags(netif);
		return 0;
	case GET_ADDRESS:
	case GET_BROADCAST:
	case GET_MASK:
		return tell_ip4(netif, what, request);
	case GET_METRIC:
		request->number = 0;
		return 0;
	case GET_MTU:
		request->number = (int32_t)interface_mtu(netif);
		return 0;
	case GET_HARDWARE:
		tell_hardware(netif, request);
		return 0;
	case GET_NUMBER:
		request->number = netif_get_index(netif);
		return 0;
	case GET_QUEUE:
		request->number = QUEUE_LENGTH;
		return 0;
	default:
		return -UK_EPERM; /* what would change something */
	}
}

static int ask_one(unsigned what, uint64_t arg)
{
	struct request request;
	struct netif *netif;
	int status;

	if (uk_copy_from_user(&request, arg, sizeof(request)) != 0)
		return -UK_EFAULT;
	request.name[UK_IFNAME - 1] = '\0';
	uk_net_lock();
	if (what == GET_NAME) {
		netif = request.number > 0 && request.number <= (int32_t)UINT8_MAX
				? netif_get_by_index((u8_t)request.number)
				: NULL;
		if (netif != NULL)
			interface_name(netif, request.name);
		status = netif != NULL ? 0 : -UK_ENODEV;
	} else {
		netif = interface_named(request.name);
		status = netif != NULL ? tell(netif, what, &request) : -UK_ENODEV;
	}
	uk_net_unlock();
	return status != 0 ? status : uk_copy_to_user(arg, &request, sizeof(request));
}

/* Those with an IPv4 address; without room for them, how much they take. */
static int ask_list(uint64_t arg)
{
	struct netif *netif;
	struct list list;
	int32_t size = 0;
	int status = 0;

	if (uk_copy_from_user(&list, arg, sizeof(list)) != 0)
		return -UK_EFAULT;
	uk_net_lock();
	NETIF_FOREACH(netif)
	{
		struct request request = { .number = 0 };

		interface_name(netif, request.name);
		if (tell_ip4(netif, GET_ADDRESS, &request) != 0)
			continue;
		if (list.requests != 0) {
			if (list.size - size < (int32_t)sizeof(request))
				break;
			if (uk_copy_to_user(list.requests + (uint64_t)size, &request,
					    sizeof(request)) != 0)
				status = -UK_EFAULT;
		}
		size += (int32_t)sizeof(request);
	}
	uk_net_unlock();
	list.size = size;
	return status != 0 ? status : uk_copy_to_user(arg, &list, sizeof(list));
}

int uk_interface_ioctl(unsigned request, uint64_t arg)
{
	int status;

	if (request < FIRST || request > LAST)
		return -UK_ENOTTY;
	status = uk_net_need();
	if (status != 0)
		return status;
	return request == GET_LIST ? ask_list(arg) : ask_one(request, arg);
}
