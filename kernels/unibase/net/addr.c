/*
 * Addresses and errors between Linux's form and lwIP's.
 */
#include "interfaces.h"

#include "lwip/err.h"
#include "lwip/ip.h"
#include "lwip/netif.h"

int uk_lwip_errno(err_t error)
{
	static const int16_t numbers[] = {
		[-ERR_OK] = 0,
		[-ERR_MEM] = UK_ENOMEM,
		[-ERR_BUF] = UK_ENOBUFS,
		[-ERR_TIMEOUT] = UK_ETIMEDOUT,
		[-ERR_RTE] = UK_ENETUNREACH,
		[-ERR_INPROGRESS] = UK_EINPROGRESS,
		[-ERR_VAL] = UK_EINVAL,
		[-ERR_WOULDBLOCK] = UK_EAGAIN,
		[-ERR_USE] = UK_EADDRINUSE,
		[-ERR_ALREADY] = UK_EALREADY,
		[-ERR_ISCONN] = UK_EISCONN,
		[-ERR_CONN] = UK_ENOTCONN,
		[-ERR_IF] = UK_ENETUNREACH,
		[-ERR_ABRT] = UK_ETIMEDOUT,
		[-ERR_RST] = UK_ECONNRESET,
		[-ERR_CLSD] = UK_ENOTCONN,
		[-ERR_ARG] = UK_EINVAL,
	};

	return error <= 0 && -error < (int)UK_COUNT(numbers) ? -numbers[-error] : -UK_EIO;
}

static bool is_mapped(const uint8_t *address)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

int uk_lwip_address(const struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size,
		    ip_addr_t *address, uint16_t *port)
{
	if (size < sizeof(name->family))
		return -UK_EINVAL;
	if (name->family != sock->family)
		return -UK_EAFNOSUPPORT;
	if (sock->family == UK_AF_INET) {
		if (size < sizeof(name->in))
			return -UK_EINVAL;
		ip_addr_set_ip4_u32(address, name->in.address);
		*port = lwip_ntohs(name->in.port);
		return 0;
	}
	if (size < sizeof(name->in6))
		return -UK_EINVAL;
	*port = lwip_ntohs(name->in6.port);
	if (is_mapped(name->in6.address)) {
		uint32_t four;

		memcpy(&four, name->in6.address + 12, sizeof(four));
		ip_addr_set_ip4_u32(address, four);
		return 0;
	}
	ip_addr_set_zero_ip6(address);
	memcpy(ip_2_ip6(address)->addr, name->in6.address, sizeof(name->in6.address));
	if (ip6_addr_has_scope(ip_2_ip6(address), IP6_UNKNOWN) && name->in6.scope != 0)
		ip6_addr_set_zone(ip_2_ip6(address), (u8_t)name->in6.scope);
	return 0;
}

void uk_lwip_name(const struct uk_socket *sock, const ip_addr_t *address, uint16_t port,
		  struct uk_sockaddr *name, uint32_t *size)
{
	memset(name, 0, sizeof(*name));
	name->family = (uint16_t)sock->family;
	if (sock->family == UK_AF_INET) {
		name->in.port = lwip_htons(port);
		name->in.address = IP_IS_V4(address) ? ip4_addr_get_u32(ip_2_ip4(address)) : 0;
		*size = sizeof(name->in);
		return;
	}
	name->in6.port = lwip_htons(port);
	*size = sizeof(name->in6);
	if (IP_IS_V4_VAL(*address) && !ip4_addr_isany_val(*ip_2_ip4(address))) {
		uint32_t four = ip4_addr_get_u32(ip_2_ip4(address));

		name->in6.address[10] = name->in6.address[11] = 0xff;
		memcpy(name->in6.address + 12, &four, sizeof(four));
	} else if (IP_IS_V6_VAL(*address)) {
		memcpy(name->in6.address, ip_2_ip6(address)->addr, sizeof(name->in6.address));
		name->in6.scope = ip6_addr_zone(ip_2_ip6(address));
	}
}

bool uk_net_reachable(const ip_addr_t *address)
{
	return ip_addr_isloopback(address) || netif_default != NULL;
}

bool uk_net_is_own(const ip_addr_t *address)
{
	struct netif *netif;

	if (ip_addr_isany(address) || ip_addr_isloopback(address))
		return true;
	NETIF_FOREACH(netif)
	{
		if (IP_IS_V4(address)) {
			if (ip4_addr_cmp(ip_2_ip4(address), netif_ip4_addr(netif)))
				return true;
		} else if (netif_get_ip6_addr_match(netif, ip_2_ip6(address)) >= 0) {
			return true;
		}
	}
	return false;
}

void uk_net_source(const ip_addr_t *to, ip_addr_t *source)
{
	struct netif *netif = ip_route(source, to);
	const ip_addr_t *own = netif != NULL ? ip_netif_get_local_ip(netif, to) : NULL;

	if (own != NULL)
		*source = *own;
}

bool uk_net_info_source(const struct uk_packet_info *info, ip_addr_t *source)
{
	if (info->family == UK_AF_INET) {
		uint32_t four;

		memcpy(&four, info->address, sizeof(four));
		ip_addr_set_ip4_u32(source, four);
	} else {
		ip_addr_set_zero_ip6(source);
		memcpy(ip_2_ip6(source)->addr, info->address, sizeof(info->address));
	}
	return !ip_addr_isany(source) && uk_net_is_own(source);
}

int uk_net_option_mtu(int level, int name, const ip_addr_t *peer, void *value)
{
	const bool asked = level == UK_IPPROTO_IP ? name == UK_IP_MTU
						  : level == UK_IPPROTO_IPV6 && name == UK_IPV6_MTU;
	const struct netif *netif;
	int32_t mtu;

	if (!asked)
		return -UK_ENOPROTOOPT;
	netif = peer != NULL ? ip_route(IP_ADDR_ANY, peer) : NULL;
	if (netif == NULL)
		return -UK_ENOTCONN;
	mtu = (int32_t)interface_mtu(netif);
	if (level == UK_IPPROTO_IP)
		mtu = UK_MIN(mtu, (int32_t)UINT16_MAX); /* of one packet */
	memcpy(value, &mtu, sizeof(mtu));
	return (int)sizeof(mtu);
}
