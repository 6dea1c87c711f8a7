/*
 * Groups: joining and leaving them, who hears what is sent to one, and what the options say.
 */
#include "sockets.h"

#include <net/if.h>

static int lo;

static struct name group(int family, const char *address, int port)
{
	struct name n = loopback(family, ntohs((uint16_t)port));

	if (family == AF_INET) {
		check(inet_pton(family, address, &n.in.sin_addr) == 1);
	} else {
		check(inet_pton(family, address, &n.in6.sin6_addr) == 1);
		n.in6.sin6_scope_id = (unsigned)lo;
	}
	return n;
}

static int member4(int fd, int what, const char *address, int index)
{
	struct ip_mreqn m = { .imr_ifindex = index };

	check(inet_pton(AF_INET, address, &m.imr_multiaddr) == 1);
	return setsockopt(fd, IPPROTO_IP, what, &m, sizeof(m));
}

static int member6(int fd, int what, const char *address, int index)
{
	struct ipv6_mreq m = { .ipv6mr_interface = (unsigned)index };

	check(inet_pton(AF_INET6, address, &m.ipv6mr_multiaddr) == 1);
	return setsockopt(fd, IPPROTO_IPV6, what, &m, sizeof(m));
}

/* A socket at a port of every address, shared with others. */
static int at_port(int family, int *port)
{
	struct name any = loopback(family, ntohs((uint16_t)*port)), own;
	int fd = socket(family, SOCK_DGRAM, 0);

	check(fd >= 0 && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	if (family == AF_INET)
		any.in.sin_addr.s_addr = INADDR_ANY;
	else
		any.in6.sin6_addr = in6addr_any;
	check(bind(fd, &any.any, any.size) == 0);
	own = own_name(fd);
	*port = family == AF_INET ? own.in.sin_port : own.in6.sin6_port;
	return fd;
}

static void hears(const char *who, int fd)
{
	char text[32] = "";
	ssize_t size = -1;

	if (events_with(fd, POLLIN) & POLLIN)
		size = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	printf("%s: %zd %s\n", who, size, text);
}

static void hears_nothing(int fd)
{
	char c;

	usleep(20000);
	fails(recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
}

static void test_options4(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct in_addr address = { htonl(INADDR_LOOPBACK) };
	struct ip_mreqn by_index = { .imr_ifindex = 200 };
	unsigned char byte = 9;

	printf("ttl %d loop %d all %d\n", option(fd, IPPROTO_IP, IP_MULTICAST_TTL),
	       option(fd, IPPROTO_IP, IP_MULTICAST_LOOP), option(fd, IPPROTO_IP, IP_MULTICAST_ALL));
	try(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &byte, 1));
	printf("ttl %d\n", option(fd, IPPROTO_IP, IP_MULTICAST_TTL));
	try(set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, -1));
	printf("ttl %d\n", option(fd, IPPROTO_IP, IP_MULTICAST_TTL));
	try(set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, 0));
	fails(set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, 256), EINVAL);
	try(set_option(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0));
	fails(set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 2), EINVAL);
	printf("if %x\n", option(fd, IPPROTO_IP, IP_MULTICAST_IF));
	try(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof(address)));
	printf("if %x\n", ntohl((uint32_t)option(fd, IPPROTO_IP, IP_MULTICAST_IF)));
	address.s_addr = htonl(0x01020304);
	fails(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof(address)),
	      EADDRNOTAVAIL);
	fails(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by_index, sizeof(by_index)),
	      EADDRNOTAVAIL);
	fails(member4(fd, IP_ADD_MEMBERSHIP, "10.0.0.1", lo), EINVAL);
	fails(member4(fd, IP_ADD_MEMBERSHIP, "239.1.2.3", 200), ENODEV);
	fails(member4(fd, IP_DROP_MEMBERSHIP, "239.1.2.3", lo), EADDRNOTAVAIL);
	fails(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &address, sizeof(address)), EINVAL);
	try(member4(fd, IP_ADD_MEMBERSHIP, "239.1.2.3", lo));
	fails(member4(fd, IP_ADD_MEMBERSHIP, "239.1.2.3", lo), EADDRINUSE);
	try(member4(fd, IP_ADD_MEMBERSHIP, "224.0.0.1", lo));
	fails(member4(fd, IP_DROP_MEMBERSHIP, "239.1.2.3", 200), EADDRNOTAVAIL);
	try(member4(fd, IP_DROP_MEMBERSHIP, "239.1.2.3", lo));
	fails(member4(fd, IP_DROP_MEMBERSHIP, "239.1.2.3", lo), EADDRNOTAVAIL);
	close(fd);
}

static void test_options6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	printf("hops %d loop %d all %d if %d\n", option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
	       option(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), option(fd, IPPROTO_IPV6, 29),
	       option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF));
	try(set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 3));
	try(set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -1));
	printf("hops %d\n", option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
	fails(set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 2), EINVAL);
	fails(set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, 200), ENODEV);
	check(set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, lo) == 0);
	check(option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF) == lo);
	fails(member6(fd, IPV6_JOIN_GROUP, "fd00::1", lo), EINVAL);
	fails(member6(fd, IPV6_JOIN_GROUP, "ff02::1:3", 200), ENODEV);
	try(member6(fd, IPV6_JOIN_GROUP, "ff02::1:3", lo));
	fails(member6(fd, IPV6_JOIN_GROUP, "ff02::1:3", lo), EADDRINUSE);
	try(member6(fd, IPV6_LEAVE_GROUP, "ff02::1:3", lo));
	fails(member6(fd, IPV6_LEAVE_GROUP, "ff02::1:3", lo), EADDRNOTAVAIL);
	close(fd);
}

static void test_heard4(void)
{
	int port = 0, a = at_port(AF_INET, &port), b = at_port(AF_INET, &port);
	int from = socket(AF_INET, SOCK_DGRAM, 0), own = socket(AF_INET, SOCK_DGRAM, 0);
	struct name to = group(AF_INET, "239.7.7.7", port),
		    other = group(AF_INET, "239.7.7.8", port);
	struct ip_mreqn way = { .imr_ifindex = lo };

	/* One may be bound to the group itself. */
	check(set_option(own, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	try(bind(own, &to.any, to.size));
	check(setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &way, sizeof(way)) == 0);
	check(sendto(from, "nobody", 6, 0, &to.any, to.size) == 6);
	hears_nothing(a);
	check(member4(a, IP_ADD_MEMBERSHIP, "239.7.7.7", lo) == 0);
	try(sendto(from, "all", 3, 0, &to.any, to.size));
	hears("member", a);
	hears("other at the port", b);
	hears("bound to the group", own);
	check(sendto(from, "another", 7, 0, &other.any, other.size) == 7);
	hears_nothing(a);
	check(set_option(b, IPPROTO_IP, IP_MULTICAST_ALL, 0) == 0);
	check(sendto(from, "again", 5, 0, &to.any, to.size) == 5);
	hears("member", a);
	hears_nothing(b);
	close(a); /* which leaves it */
	check(sendto(from, "gone", 4, 0, &to.any, to.size) == 4);
	hears("bound to the group", own);
	hears_nothing(own);
	close(b);
	close(own);
	close(from);
}

/* The form that serves both versions. Over loopback Linux has no way to a group of IPv6. */
static void test_requests(void)
{
	int four = socket(AF_INET, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
	struct name to = group(AF_INET6, "ff02::1:3", 0), to4 = group(AF_INET, "239.7.7.7", 0);
	struct group_req g = { .gr_interface = (unsigned)lo };

	memcpy(&g.gr_group, &to.in6, sizeof(to.in6));
	try(setsockopt(six, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g)));
	fails(setsockopt(six, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, 20), EINVAL);
	try(setsockopt(six, IPPROTO_IPV6, MCAST_LEAVE_GROUP, &g, sizeof(g)));
	memcpy(&g.gr_group, &to4.in, sizeof(to4.in));
	fails(setsockopt(six, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g)), EADDRNOTAVAIL);
	try(setsockopt(four, IPPROTO_IP, MCAST_JOIN_GROUP, &g, sizeof(g)));
	fails(setsockopt(four, IPPROTO_IP, MCAST_JOIN_GROUP, &g, sizeof(g)), EADDRINUSE);
	try(setsockopt(four, IPPROTO_IP, MCAST_LEAVE_GROUP, &g, sizeof(g)));
	close(four);
	close(six);
}

int main(void)
{
	lo = (int)if_nametoindex("lo");
	check(lo > 0);
	test_options4();
	test_options6();
	test_heard4();
	test_requests();
	return 0;
}
