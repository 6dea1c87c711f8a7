/*
 * What programs find out about interfaces, by route netlink and by ioctl, and ports that several
 * sockets share (SO_REUSEPORT). Of interfaces only loopback is the same everywhere.
 */
#include "sockets.h"
#include <ifaddrs.h>
#include <net/if.h>

/* Of <linux/netlink.h> and <linux/rtnetlink.h>, which musl's compiler does not see. */
struct nl_address {
	uint16_t family, pad;
	uint32_t port, groups;
};
struct nl_header {
	uint32_t size;
	uint16_t type, flags;
	uint32_t sequence, port;
};
enum { REQUEST = 1, ACK = 4, GET_LINK = 18, LINK_NAME = 3, ROUTE = 0 };
#ifndef IPV6_MTU
#define IPV6_MTU 24
#endif

/* Those that programs look at; beside them Linux has some that tell of drivers. */
enum { SHOWN = IFF_UP | IFF_BROADCAST | IFF_LOOPBACK | IFF_RUNNING | IFF_MULTICAST };

static void test_addresses(void)
{
	struct ifaddrs *all;
	char text[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];
	const int families[] = { AF_PACKET, AF_INET, AF_INET6 };

	check(getifaddrs(&all) == 0);
	for (unsigned i = 0; i < 3; i++)
		for (struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
			struct name *own = (struct name *)a->ifa_addr;
			struct name *net = (struct name *)a->ifa_netmask;

			if (strcmp(a->ifa_name, "lo") != 0 || own == NULL ||
			    own->any.sa_family != families[i])
				continue;
			printf("lo: flags %x, family %d\n", a->ifa_flags & SHOWN, families[i]);
			if (families[i] == AF_PACKET)
				continue;
			inet_ntop(families[i],
				  i == 1 ? (void *)&own->in.sin_addr : (void *)&own->in6.sin6_addr,
				  text, sizeof(text));
			inet_ntop(families[i],
				  i == 1 ? (void *)&net->in.sin_addr : (void *)&net->in6.sin6_addr,
				  mask, sizeof(mask));
			printf("address %s mask %s\n", text, mask);
		}
	freeifaddrs(all);
}

static void test_names(void)
{
	struct if_nameindex *all = if_nameindex();
	char name[IF_NAMESIZE];

	check(all != NULL);
	for (struct if_nameindex *i = all; i->if_index != 0; i++)
		if (strcmp(i->if_name, "lo") == 0)
			printf("lo is %u\n", i->if_index);
	if_freenameindex(all);
	check(if_nametoindex("lo") == 1);
	check(strcmp(if_indextoname(1, name), "lo") == 0);
	check(if_nametoindex("none0") == 0 && errno == ENODEV);
	fails(if_indextoname(200, name) == NULL ? -1 : 0, ENXIO);
}

static void test_ioctl(void)
{
	struct ifreq request = { .ifr_name = "lo" }, list[16];
	struct ifconf known = { .ifc_len = sizeof(list), .ifc_req = list };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char text[INET_ADDRSTRLEN];
	const unsigned long asked[] = { SIOCGIFADDR, SIOCGIFNETMASK };

	for (unsigned i = 0; i < 2; i++) {
		struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;

		check(ioctl(fd, asked[i], &request) == 0);
		printf("%d %s\n", in->sin_family,
		       inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
	}
	check(ioctl(fd, SIOCGIFFLAGS, &request) == 0);
	printf("flags %x\n", request.ifr_flags & SHOWN);
	check(ioctl(fd, SIOCGIFMTU, &request) == 0);
	printf("MTU %d\n", request.ifr_mtu);
	check(ioctl(fd, SIOCGIFHWADDR, &request) == 0);
	printf("hardware %d\n", request.ifr_hwaddr.sa_family);
	check(ioctl(fd, SIOCGIFINDEX, &request) == 0);
	printf("index %d\n", request.ifr_ifindex);
	check(ioctl(fd, SIOCGIFCONF, &known) == 0);
	check(known.ifc_len >= (int)sizeof(list[0]) && known.ifc_len % (int)sizeof(list[0]) == 0);
	printf("first of the list: %s\n", list[0].ifr_name);
	known.ifc_len = 10;
	check(ioctl(fd, SIOCGIFCONF, &known) == 0);
	printf("without room %d\n", known.ifc_len);
	strcpy(request.ifr_name, "none0");
	fails(ioctl(fd, SIOCGIFFLAGS, &request), ENODEV);
	fails(ioctl(fd, SIOCGIFFLAGS, (void *)8), EFAULT);
	close(fd);
}

/* What is asked for is cut, longer than it is, or nothing that there is. */
static void test_netlink(void)
{
	struct {
		struct nl_header head;
		uint8_t family, pad;
		uint16_t type;
		int32_t interface;
		uint32_t flags, change;
		uint16_t name[2]; /* an attribute: its size and type, and no name */
	} ask = { .head = { sizeof(ask) - sizeof(ask.name), GET_LINK, REQUEST | ACK, 7, 0 },
		  .interface = 1,
		  .name = { sizeof(ask.name), LINK_NAME } };
	struct {
		struct nl_header head;
		int32_t error;
		char rest[8192];
	} answer;
	struct nl_address own = { .family = AF_NETLINK };
	socklen_t size = sizeof(own);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, ROUTE);

	check(fd >= 0);
	check(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
	check(getsockname(fd, (struct sockaddr *)&own, &size) == 0);
	printf("netlink: family %d, port %s, size %u\n", own.family, own.port != 0 ? "set" : "0",
	       size);
	fails(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT), EAGAIN);
	try(send(fd, &ask, sizeof(ask), 0));
	check(recv(fd, &answer, sizeof(answer), 0) > 0);
	printf("type %d, sequence %u, for %s\n", answer.head.type, answer.head.sequence,
	       answer.head.port == own.port ? "us" : "others");
	check(recv(fd, &answer, sizeof(answer), 0) > 0);
	printf("type %d, error %d\n", answer.head.type, answer.error);
	ask.interface = 12345;
	try(send(fd, &ask, sizeof(ask), 0));
	check(recv(fd, &answer, sizeof(answer), 0) > 0);
	printf("none: type %d, error %d\n", answer.head.type, answer.error);
	ask.interface = 0;
	ask.head.size = sizeof(ask);
	try(send(fd, &ask, sizeof(ask), 0));
	check(recv(fd, &answer, sizeof(answer), 0) > 0);
	printf("no name: type %d, error %d\n", answer.head.type, answer.error);
	ask.head.size = 5000;
	try(send(fd, &ask, sizeof(ask), 0));
	fails(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT), EAGAIN);
	close(fd);
	fails(socket(AF_NETLINK, SOCK_STREAM, ROUTE), ESOCKTNOSUPPORT);
}

static int sharing(int family, int type, const struct name *name)
{
	int fd = socket(family, type, 0);

	check(fd >= 0 && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
	if (bind(fd, &name->any, name->size) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

enum { SHARERS = 3, PEERS = 60 };

/* Whether one of them has something; what is under way may take a moment. */
static bool some_come(const int fd[SHARERS])
{
	struct pollfd p[SHARERS];

	for (int i = 0; i < SHARERS; i++)
		p[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	return poll(p, SHARERS, 20000) > 0;
}

/* Every listener has some of the connections, and each connection has one listener. */
static void test_shared_streams(int family)
{
	struct name name = loopback(family, 0);
	int listener[SHARERS], peer[PEERS], got[SHARERS] = { 0 }, none, total = 0;

	listener[0] = sharing(family, SOCK_STREAM, &name);
	name = own_name(listener[0]);
	for (int i = 1; i < SHARERS; i++)
		check((listener[i] = sharing(family, SOCK_STREAM, &name)) >= 0);
	for (int i = 0; i < SHARERS; i++)
		check(listen(listener[i], PEERS) == 0);
	none = socket(family, SOCK_STREAM, 0);
	fails(bind(none, &name.any, name.size), EADDRINUSE);
	close(none);
	for (int i = 0; i < PEERS; i++) {
		peer[i] = socket(family, SOCK_STREAM, 0);
		check(connect(peer[i], &name.any, name.size) == 0);
	}
	for (int i = 0; i < SHARERS; i++)
		no_wait(listener[i]);
	while (total < PEERS && some_come(listener))
		for (int i = 0; i < SHARERS; i++)
			for (int fd; (fd = accept(listener[i], NULL, NULL)) >= 0; total++) {
				close(fd);
				got[i]++;
			}
	for (int i = 0; i < SHARERS; i++)
		printf("listener %d: %s\n", i, got[i] > 0 ? "some" : "none");
	printf("all %d\n", total);
	for (int i = 0; i < PEERS; i++)
		close(peer[i]);
	/* The port is the others' when one goes. */
	close(listener[0]);
	peer[0] = socket(family, SOCK_STREAM, 0);
	try(connect(peer[0], &name.any, name.size));
	struct pollfd others[] = { { listener[1], POLLIN, 0 }, { listener[2], POLLIN, 0 } };
	check(poll(others, 2, 20000) == 1);
	close(peer[0]);
	close(listener[1]);
	close(listener[2]);
	peer[0] = socket(family, SOCK_STREAM, 0);
	fails(connect(peer[0], &name.any, name.size), ECONNREFUSED);
	close(peer[0]);
}

struct sender {
	struct name from;
	int home;
};

/* How many came to this socket, the home of those who sent them. */
static int take_datagrams(int fd, int home, struct sender seen[PEERS])
{
	struct name from = { .size = sizeof(from.room) };
	int count = 0;
	char c;

	memset(&from.room, 0, sizeof(from.room));
	for (; recvfrom(fd, &c, 1, MSG_DONTWAIT, &from.any, &from.size) == 1; count++)
		for (int j = 0; j < PEERS; j++)
			if (same_name(seen[j].from, from)) {
				check(seen[j].home < 0 || seen[j].home == home);
				seen[j].home = home;
			}
	return count;
}

/* A peer's datagrams all come to one socket. */
static void test_shared_datagrams(int family)
{
	struct name name = loopback(family, 0);
	int sharer[SHARERS], peer[PEERS], homes = 0, total = 0;
	struct sender seen[PEERS];

	sharer[0] = sharing(family, SOCK_DGRAM, &name);
	name = own_name(sharer[0]);
	for (int i = 1; i < SHARERS; i++)
		check((sharer[i] = sharing(family, SOCK_DGRAM, &name)) >= 0);
	for (int i = 0; i < PEERS; i++) {
		peer[i] = socket(family, SOCK_DGRAM, 0);
		check(connect(peer[i], &name.any, name.size) == 0);
		check(send(peer[i], "a", 1, 0) == 1 && send(peer[i], "b", 1, 0) == 1);
		seen[i].from = own_name(peer[i]);
		seen[i].home = -1;
	}
	while (total < 2 * PEERS && some_come(sharer))
		for (int i = 0; i < SHARERS; i++)
			total += take_datagrams(sharer[i], i, seen);
	for (int i = 0; i < PEERS; i++) {
		homes |= 1 << seen[i].home;
		close(peer[i]);
	}
	printf("datagrams %d, to %x\n", total, homes);
	for (int i = 0; i < SHARERS; i++)
		close(sharer[i]);
}

static void test_options(void)
{
	struct name name = loopback(AF_INET6, 9);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), end[2];

	try(set_option(fd, IPPROTO_IPV6, IPV6_MTU, 1280));
	try(set_option(fd, IPPROTO_IPV6, IPV6_MTU, 1279));
	try(set_option(fd, IPPROTO_IPV6, IPV6_MTU, 0));
	printf("IPv6 MTU %d\n", option(fd, IPPROTO_IPV6, IPV6_MTU));
	check(connect(fd, &name.any, name.size) == 0);
	printf("connected %d\n", option(fd, IPPROTO_IPV6, IPV6_MTU));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	try(set_option(fd, IPPROTO_TCP, TCP_MAXSEG, 87));
	try(set_option(fd, IPPROTO_TCP, TCP_MAXSEG, 1220));
	printf("segments %d\n", option(fd, IPPROTO_TCP, TCP_MAXSEG));
	close(fd);
	connection(AF_INET, end);
	printf("IP MTU %d\n", option(end[0], IPPROTO_IP, IP_MTU));
	close(end[0]);
	close(end[1]);
}

static void test_free_bind(void)
{
	struct sockaddr_in foreign = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "192.0.2.200", &foreign.sin_addr);
	fails(bind(fd, (struct sockaddr *)&foreign, sizeof(foreign)), EADDRNOTAVAIL);
	try(set_option(fd, IPPROTO_IP, IP_FREEBIND, 1));
	try(bind(fd, (struct sockaddr *)&foreign, sizeof(foreign)));
	try(listen(fd, 1));
	close(fd);
}

int main(void)
{
	test_addresses();
	test_names();
	test_ioctl();
	test_netlink();
	test_shared_streams(AF_INET);
	test_shared_streams(AF_INET6);
	test_shared_datagrams(AF_INET);
	test_shared_datagrams(AF_INET6);
	test_options();
	test_free_bind();
	return 0;
}
