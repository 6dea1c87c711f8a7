/*
 * Socket options that are kept as they were set: one table of what each kind of socket knows, in
 * which bounds, and where it starts. What follows from an option is its kind's business
 * (ops->option_set).
 */
#include <uk/socket.h>

enum { UNIX = 1, TCP4 = 2, TCP6 = 4, UDP4 = 8, UDP6 = 16, NETLINK = 32 };
enum {
	TCP = TCP4 | TCP6,
	UDP = UDP4 | UDP6,
	INET = TCP | UDP,
	INET6 = TCP6 | UDP6,
	ALL = INET | UNIX | NETLINK
};
enum { IPV6_LEAST_MTU = 1280, TCP_LEAST_SEGMENT = 88 };
enum { FLAG = 1, FIRST = 2 }; /* anything but 0 is 1; -1 is the value that it starts with */

struct rule {
	uint8_t level;
	uint8_t name;
	uint8_t kinds;
	uint8_t form;
	int32_t least, most, first;
};

static const struct rule rules[UK_OPT_COUNT] = {
	[UK_OPT_REUSE_ADDRESS] = { UK_SOL_SOCKET, UK_SO_REUSEADDR, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_REUSE_PORT] = { UK_SOL_SOCKET, UK_SO_REUSEPORT, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_BROADCAST] = { UK_SOL_SOCKET, UK_SO_BROADCAST, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_KEEP_ALIVE] = { UK_SOL_SOCKET, UK_SO_KEEPALIVE, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_OOB_INLINE] = { UK_SOL_SOCKET, UK_SO_OOBINLINE, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_PRIORITY] = { UK_SOL_SOCKET, UK_SO_PRIORITY, ALL, 0, 0, INT32_MAX, 0 },
	[UK_OPT_RECEIVE_LOW] = { UK_SOL_SOCKET, UK_SO_RCVLOWAT, ALL, 0, 0, INT32_MAX, 1 },
	[UK_OPT_DONT_ROUTE] = { UK_SOL_SOCKET, UK_SO_DONTROUTE, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_DEBUG] = { UK_SOL_SOCKET, UK_SO_DEBUG, ALL, FLAG, 0, 0, 0 },
	[UK_OPT_PASS_CREDENTIALS] = { UK_SOL_SOCKET, UK_SO_PASSCRED, UNIX | NETLINK, FLAG, 0, 0,
				      0 },
	[UK_OPT_TTL] = { UK_IPPROTO_IP, UK_IP_TTL, INET, FIRST, 1, 255, 64 },
	[UK_OPT_TOS] = { UK_IPPROTO_IP, UK_IP_TOS, INET, 0, 0, 255, 0 },
	[UK_OPT_MTU_DISCOVER] = { UK_IPPROTO_IP, UK_IP_MTU_DISCOVER, INET, 0, 0, 5, 1 },
	[UK_OPT_RECEIVE_ERRORS] = { UK_IPPROTO_IP, UK_IP_RECVERR, INET, FLAG, 0, 0, 0 },
	[UK_OPT_PACKET_INFO] = { UK_IPPROTO_IP, UK_IP_PKTINFO, INET, FLAG, 0, 0, 0 },
	[UK_OPT_RECEIVE_TTL] = { UK_IPPROTO_IP, UK_IP_RECVTTL, INET, FLAG, 0, 0, 0 },
	[UK_OPT_RECEIVE_TOS] = { UK_IPPROTO_IP, UK_IP_RECVTOS, INET, FLAG, 0, 0, 0 },
	[UK_OPT_BIND_NO_PORT] = { UK_IPPROTO_IP, UK_IP_BIND_ADDRESS_NO_PORT, INET, FLAG, 0, 0, 0 },
	[UK_OPT_FREE_BIND] = { UK_IPPROTO_IP, UK_IP_FREEBIND, INET, FLAG, 0, 0, 0 },
	[UK_OPT_MULTICAST_TTL] = { UK_IPPROTO_IP, UK_IP_MULTICAST_TTL, UDP, FIRST, 0, 255, 1 },
	[UK_OPT_MULTICAST_LOOP] = { UK_IPPROTO_IP, UK_IP_MULTICAST_LOOP, INET, FLAG, 0, 0, 1 },
	[UK_OPT_MULTICAST_ALL] = { UK_IPPROTO_IP, UK_IP_MULTICAST_ALL, INET, 0, 0, 1, 1 },
	[UK_OPT_V6_ONLY] = { UK_IPPROTO_IPV6, UK_IPV6_V6ONLY, INET6, FLAG, 0, 0, 0 },
	[UK_OPT_V6_HOPS] = { UK_IPPROTO_IPV6, UK_IPV6_UNICAST_HOPS, INET6, FIRST, 1, 255, 64 },
	[UK_OPT_V6_CLASS] = { UK_IPPROTO_IPV6, UK_IPV6_TCLASS, INET6, FIRST, 0, 255, 0 },
	[UK_OPT_V6_MTU_DISCOVER] = { UK_IPPROTO_IPV6, UK_IPV6_MTU_DISCOVER, INET6, 0, 0, 5, 1 },
	[UK_OPT_V6_MTU] = { UK_IPPROTO_IPV6, UK_IPV6_MTU, INET6, 0, 0, UINT16_MAX, 0 },
	[UK_OPT_V6_RECEIVE_ERRORS] = { UK_IPPROTO_IPV6, UK_IPV6_RECVERR, INET6, FLAG, 0, 0, 0 },
	[UK_OPT_V6_PACKET_INFO] = { UK_IPPROTO_IPV6, UK_IPV6_RECVPKTINFO, INET6, FLAG, 0, 0, 0 },
	[UK_OPT_V6_RECEIVE_HOPS] = { UK_IPPROTO_IPV6, UK_IPV6_RECVHOPLIMIT, INET6, FLAG, 0, 0, 0 },
	[UK_OPT_V6_RECEIVE_CLASS] = { UK_IPPROTO_IPV6, UK_IPV6_RECVTCLASS, INET6, FLAG, 0, 0, 0 },
	[UK_OPT_V6_MULTICAST_HOPS] = { UK_IPPROTO_IPV6, UK_IPV6_MULTICAST_HOPS, UDP6, FIRST, 0, 255,
				       1 },
	[UK_OPT_V6_MULTICAST_LOOP] = { UK_IPPROTO_IPV6, UK_IPV6_MULTICAST_LOOP, INET6, 0, 0, 1, 1 },
	[UK_OPT_V6_MULTICAST_ALL] = { UK_IPPROTO_IPV6, UK_IPV6_MULTICAST_ALL, INET6, 0, 0, 1, 1 },
	[UK_OPT_NO_DELAY] = { UK_IPPROTO_TCP, UK_TCP_NODELAY, TCP, FLAG, 0, 0, 0 },
	[UK_OPT_CORK] = { UK_IPPROTO_TCP, UK_TCP_CORK, TCP, FLAG, 0, 0, 0 },
	[UK_OPT_MAX_SEGMENT] = { UK_IPPROTO_TCP, UK_TCP_MAXSEG, TCP, 0, 0, 32767, 0 },
	[UK_OPT_KEEP_IDLE] = { UK_IPPROTO_TCP, UK_TCP_KEEPIDLE, TCP, 0, 1, 32767, 7200 },
	[UK_OPT_KEEP_INTERVAL] = { UK_IPPROTO_TCP, UK_TCP_KEEPINTVL, TCP, 0, 1, 32767, 75 },
	[UK_OPT_KEEP_COUNT] = { UK_IPPROTO_TCP, UK_TCP_KEEPCNT, TCP, 0, 1, 127, 9 },
	[UK_OPT_USER_TIMEOUT] = { UK_IPPROTO_TCP, UK_TCP_USER_TIMEOUT, TCP, 0, 0, INT32_MAX, 0 },
	[UK_OPT_DEFER_ACCEPT] = { UK_IPPROTO_TCP, UK_TCP_DEFER_ACCEPT, TCP, 0, 0, INT32_MAX, 0 },
	[UK_OPT_QUICK_ACK] = { UK_IPPROTO_TCP, UK_TCP_QUICKACK, TCP, FLAG, 0, 0, 1 },
	[UK_OPT_SYN_COUNT] = { UK_IPPROTO_TCP, UK_TCP_SYNCNT, TCP, 0, 1, 127, 6 },
	[UK_OPT_LINGER2] = { UK_IPPROTO_TCP, UK_TCP_LINGER2, TCP, 0, -1, 120, 60 },
	[UK_OPT_FAST_OPEN] = { UK_IPPROTO_TCP, UK_TCP_FASTOPEN, TCP, 0, 0, INT32_MAX, 0 },
};

static unsigned kind_of(const struct uk_socket *sock)
{
	bool six = sock->family == UK_AF_INET6;

	if (sock->family == UK_AF_UNIX)
		return UNIX;
	if (sock->family == UK_AF_NETLINK)
		return NETLINK;
	if (sock->type == UK_SOCK_STREAM)
		return six ? TCP6 : TCP4;
	return six ? UDP6 : UDP4;
}

static bool finds(const struct rule *rule, const struct uk_socket *sock, int level, int name)
{
	return rule->level == level && rule->name == name && (rule->kinds & kind_of(sock)) != 0;
}

static int check(const struct rule *rule, const struct uk_socket *sock, int value, size_t size)
{
	/* Short values are a habit of IP's options alone. */
	if (size < sizeof(int32_t) && rule->level != UK_IPPROTO_IP)
		return -UK_EINVAL;
	if (rule->form == FIRST && value == -1)
		return 0;
	if (rule->form != FLAG && (value < rule->least || value > rule->most))
		return -UK_EINVAL;
	if (rule == &rules[UK_OPT_V6_ONLY] && sock->bound)
		return -UK_EINVAL;
	/* 0 takes the limit back. */
	if (rule == &rules[UK_OPT_MAX_SEGMENT] && value != 0 && value < TCP_LEAST_SEGMENT)
		return -UK_EINVAL;
	if (rule == &rules[UK_OPT_V6_MTU] && value != 0 && value < IPV6_LEAST_MTU)
		return -UK_EINVAL;
	return 0;
}

int uk_option_set(struct uk_socket *sock, int level, int name, int value, size_t size)
{
	for (unsigned i = 0; i < UK_OPT_COUNT; i++) {
		const struct rule *rule = &rules[i];
		int status;

		if (!finds(rule, sock, level, name))
			continue;
		status = check(rule, sock, value, size);
		if (status != 0)
			return status;
		sock->option[i] = rule->form == FLAG		       ? value != 0
				  : rule->form == FIRST && value == -1 ? rule->first
								       : value;
		return sock->ops->option_set != NULL
			       ? sock->ops->option_set(sock, (enum uk_option)i)
			       : 0;
	}
	/* As Linux with net.ipv4.tcp_fastopen = 0: servers may say that they would. */
	if (sock->type == UK_SOCK_STREAM && level == UK_IPPROTO_TCP &&
	    name == UK_TCP_FASTOPEN_CONNECT)
		return -UK_EOPNOTSUPP;
	return sock->family == UK_AF_UNIX && level != UK_SOL_SOCKET ? -UK_EOPNOTSUPP
								    : -UK_ENOPROTOOPT;
}

int uk_option_get(struct uk_socket *sock, int level, int name, int *value)
{
	for (unsigned i = 0; i < UK_OPT_COUNT; i++)
		if (finds(&rules[i], sock, level, name)) {
			*value = sock->option[i];
			return 0;
		}
	/* As Linux: what is no level at all is told from what is no option by IPv4 only. */
	return sock->family == UK_AF_INET6 || level == UK_SOL_SOCKET || level == UK_IPPROTO_TCP ||
			       level == UK_IPPROTO_IP
		       ? -UK_ENOPROTOOPT
		       : -UK_EOPNOTSUPP;
}

void uk_socket_init(struct uk_socket *sock, const struct uk_socket_ops *ops, int family, int type,
		    int protocol)
{
	const uint32_t buffer = 208u * 1024; /* what Linux says */

	sock->ops = ops;
	sock->family = family;
	sock->type = type;
	sock->protocol = protocol;
	sock->send_buffer = sock->receive_buffer = buffer;
	uk_waitq_init(&sock->changed);
	for (unsigned i = 0; i < UK_OPT_COUNT; i++)
		sock->option[i] = rules[i].first;
}
