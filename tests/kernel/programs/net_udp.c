/*
 * Datagrams over IPv4 and IPv6: sizes, names, connecting, several at once, who is not there.
 */
#include "sockets.h"

static void test_basics(int family)
{
	struct name a_name, b_name, from = { .size = sizeof(from.room) };
	int a = bound(family, SOCK_DGRAM, &a_name), b = bound(family, SOCK_DGRAM, &b_name),
	    waiting = 0;
	char text[32] = "";

	printf("new: events %x\n", events(a, 0));
	fails(recv(b, text, sizeof(text), MSG_DONTWAIT), EAGAIN);
	fails(send(a, "x", 1, 0), EDESTADDRREQ);
	try(sendto(a, "first", 5, 0, &b_name.any, b_name.size));
	try(sendto(a, "second one", 10, 0, &b_name.any, b_name.size));
	try(sendto(a, "", 0, 0, &b_name.any, b_name.size));
	printf("waiting: events %x\n", events_with(b, POLLIN));
	check(ioctl(b, FIONREAD, &waiting) == 0);
	printf("readable %d\n", waiting);
	try(recv(b, text, sizeof(text), MSG_PEEK));
	memset(&from.room, 0, sizeof(from.room));
	try(recvfrom(b, text, sizeof(text), 0, &from.any, &from.size));
	check(same_name(from, a_name));
	try(recv(b, text, 3, MSG_TRUNC));
	printf("cut %.3s\n", text);
	try(recv(b, text, sizeof(text), 0));
	fails(recv(b, text, sizeof(text), MSG_DONTWAIT), EAGAIN);
	set_time(b, SO_RCVTIMEO, 30);
	fails(recv(b, text, sizeof(text), 0), EAGAIN);
	fails(sendto(a, "x", 1, 0, &b_name.any, 3), EINVAL);
	fails(sendto(a, NULL, 10, 0, &b_name.any, b_name.size), EFAULT);
	fails(getpeername(a, &from.any, &from.size), ENOTCONN);
	fails(listen(a, 1), EOPNOTSUPP);
	fails(accept(a, NULL, NULL), EOPNOTSUPP);
	b_name.any.sa_family = AF_UNIX;
	try(sendto(a, "x", 1, 0, &b_name.any, b_name.size));
	close(a);
	close(b);
}

static void test_connected(int family)
{
	struct name a_name, b_name, c_name, none = { .any.sa_family = AF_UNSPEC, .size = 16 };
	int a = bound(family, SOCK_DGRAM, &a_name), b = socket(family, SOCK_DGRAM, 0);
	int c = bound(family, SOCK_DGRAM, &c_name);
	char text[8] = "";

	check(connect(b, &a_name.any, a_name.size) == 0);
	b_name = own_name(b);
	print_name("own", b_name);
	check(same_name(peer_name(b), a_name));
	try(send(b, "to a", 4, 0));
	try(write(b, "again", 5));
	check(recv(a, text, 8, 0) == 4 && recv(a, text, 8, 0) == 5);
	/* Only the peer is heard. */
	check(sendto(c, "from c", 6, 0, &b_name.any, b_name.size) == 6);
	check(sendto(a, "from a", 6, 0, &b_name.any, b_name.size) == 6);
	try(recv(b, text, 8, 0));
	printf("%.6s\n", text);
	fails(recv(b, text, 8, MSG_DONTWAIT), EAGAIN);
	try(sendto(b, "to c", 4, 0, &c_name.any, c_name.size));
	try(recv(c, text, 8, 0));
	try(connect(b, &none.any, none.size));
	fails(send(b, "x", 1, 0), EDESTADDRREQ);
	fails(getpeername(b, &a_name.any, &a_name.size), ENOTCONN);
	try(shutdown(b, SHUT_RD));
	close(a);
	close(b);
	close(c);
}

static void test_nobody(int family)
{
	struct name name;
	int fd = bound(family, SOCK_DGRAM, &name);
	char c = 0;

	close(fd);
	fd = socket(family, SOCK_DGRAM, 0);
	check(connect(fd, &name.any, name.size) == 0);
	try(send(fd, "x", 1, 0));
	printf("nobody: events %x\n", events_with(fd, POLLERR));
	fails(recv(fd, &c, 1, MSG_DONTWAIT), ECONNREFUSED);
	fails(recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
	try(send(fd, "x", 1, 0));
	events_with(fd, POLLERR);
	printf("error %d\n", option(fd, SOL_SOCKET, SO_ERROR));
	printf("then %d\n", option(fd, SOL_SOCKET, SO_ERROR));
	close(fd);
	/* Who is not connected does not hear of it. */
	fd = socket(family, SOCK_DGRAM, 0);
	try(sendto(fd, "x", 1, 0, &name.any, name.size));
	print_name("bound by sending", own_name(fd));
	usleep(20000);
	fails(recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
	close(fd);
}

static void test_large(int family)
{
	enum { SIZE = 60000 };
	const ssize_t most = family == AF_INET ? 65507 : 65000;
	unsigned char *out = malloc(70000), *in = malloc(70000);
	struct name a_name, b_name;
	int a = bound(family, SOCK_DGRAM, &a_name), b = bound(family, SOCK_DGRAM, &b_name);
	ssize_t got;

	for (int i = 0; i < 70000; i++)
		out[i] = (unsigned char)(i * 13 + i / 256);
	for (int round = 0; round < 20; round++) {
		check(sendto(a, out + round, SIZE, 0, &b_name.any, b_name.size) == SIZE);
		got = recv(b, in, 70000, 0);
		check(got == SIZE && memcmp(in, out + round, SIZE) == 0);
	}
	printf("large ones\n");
	try(sendto(a, out, (size_t)most, 0, &b_name.any, b_name.size));
	got = recv(b, in, 70000, 0);
	check(got == most && memcmp(in, out, (size_t)most) == 0);
	fails(sendto(a, out, 66000, 0, &b_name.any, b_name.size), EMSGSIZE);
	free(out);
	free(in);
	close(a);
	close(b);
}

static void test_several(int family)
{
	struct name a_name, b_name, from[3];
	int a = bound(family, SOCK_DGRAM, &a_name), b = bound(family, SOCK_DGRAM, &b_name);
	char text[3][8];
	struct iovec vec[3];
	struct mmsghdr message[3];

	memset(message, 0, sizeof(message));
	for (int i = 0; i < 3; i++) {
		vec[i] = (struct iovec){ "message", (size_t)(i + 5) };
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &vec[i],
						      .msg_iovlen = 1,
						      .msg_name = &b_name.any,
						      .msg_namelen = b_name.size };
	}
	try(sendmmsg(a, message, 3, 0));
	memset(from, 0, sizeof(from));
	for (int i = 0; i < 3; i++) {
		vec[i] = (struct iovec){ text[i], 6 };
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &vec[i],
						      .msg_iovlen = 1,
						      .msg_name = &from[i].any,
						      .msg_namelen = sizeof(from[i].room),
						      .msg_flags = -1 };
	}
	try(recvmmsg(b, message, 2, 0, NULL));
	for (int i = 0; i < 2; i++) {
		from[i].size = message[i].msg_hdr.msg_namelen;
		printf("%u bytes, flags %x, its sender %d\n", message[i].msg_len,
		       (unsigned)message[i].msg_hdr.msg_flags, same_name(from[i], a_name));
	}
	try(recvmsg(b, &message[2].msg_hdr, 0));
	printf("flags %x\n", (unsigned)message[2].msg_hdr.msg_flags);
	try(recvmmsg(b, message, 2, MSG_DONTWAIT, NULL));
	/* In pieces. */
	struct iovec out[3] = { { "ab", 2 }, { "cde", 3 }, { "f", 1 } };
	struct msghdr pieces = {
		.msg_iov = out, .msg_iovlen = 3, .msg_name = &b_name.any, .msg_namelen = b_name.size
	};
	try(sendmsg(a, &pieces, 0));
	try(recv(b, text[0], 8, 0));
	printf("%.6s\n", text[0]);
	close(a);
	close(b);
}

static void test_ports(int family)
{
	struct name name, again;
	int a = bound(family, SOCK_DGRAM, &name), b = socket(family, SOCK_DGRAM, 0);

	fails(bind(b, &name.any, name.size), EADDRINUSE);
	check(set_option(b, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	fails(bind(b, &name.any, name.size), EADDRINUSE);
	check(set_option(a, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	try(bind(b, &name.any, name.size));
	fails(bind(b, &name.any, name.size), EINVAL);
	again = own_name(b);
	check(same_name(again, name));
	close(a);
	close(b);
}

static void test_broadcast(void)
{
	struct name name = loopback(AF_INET, 9);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	name.in.sin_addr.s_addr = 0xffffffff;
	fails(sendto(fd, "x", 1, 0, &name.any, name.size), EACCES);
	close(fd);
}

/* Where a datagram was sent to, for who listens on every address. */
static void test_packet_info(void)
{
	struct name name = loopback(AF_INET, 0), to;
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	char text[8], control[64], where[INET_ADDRSTRLEN];
	struct iovec vec = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &vec,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };

	name.in.sin_addr.s_addr = 0;
	check(bind(b, &name.any, name.size) == 0);
	check(set_option(b, IPPROTO_IP, IP_PKTINFO, 1) == 0);
	printf("packet information %d\n", option(b, IPPROTO_IP, IP_PKTINFO));
	to = loopback(AF_INET, ntohs(own_name(b).in.sin_port));
	to.in.sin_addr.s_addr = htonl(0x7f000003);
	check(sendto(a, "x", 1, 0, &to.any, to.size) == 1);
	try(recvmsg(b, &message, 0));
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	check(head != NULL && head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO);
	struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(head);
	printf("sent to %s, size %zu of %zu\n",
	       inet_ntop(AF_INET, &info->ipi_addr, where, sizeof(where)), (size_t)head->cmsg_len,
	       (size_t)message.msg_controllen);
	close(a);
	close(b);
	a = socket(AF_INET6, SOCK_DGRAM, 0);
	b = socket(AF_INET6, SOCK_DGRAM, 0);
	name = loopback(AF_INET6, 0);
	name.in6.sin6_addr = in6addr_any;
	check(bind(b, &name.any, name.size) == 0);
	check(set_option(b, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0);
	printf("packet information %d\n", option(b, IPPROTO_IPV6, IPV6_RECVPKTINFO));
	to = loopback(AF_INET6, ntohs(own_name(b).in6.sin6_port));
	check(sendto(a, "x", 1, 0, &to.any, to.size) == 1);
	message.msg_controllen = sizeof(control);
	try(recvmsg(b, &message, 0));
	head = CMSG_FIRSTHDR(&message);
	check(head != NULL && head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO);
	struct in6_pktinfo *info6 = (struct in6_pktinfo *)CMSG_DATA(head);
	printf("sent to loopback %d, size %zu of %zu\n",
	       memcmp(&info6->ipi6_addr, &in6addr_loopback, 16) == 0, (size_t)head->cmsg_len,
	       (size_t)message.msg_controllen);
	close(a);
	close(b);
}

/* How far a datagram came, and how urgent it is. */
static void test_header(int family)
{
	const bool six = family == AF_INET6;
	const int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	struct name name;
	int a = socket(family, SOCK_DGRAM, 0), b = bound(family, SOCK_DGRAM, &name);
	char text[8];
	_Alignas(struct cmsghdr) char control[128];
	struct iovec vec = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &vec,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };

	try(set_option(b, level, six ? IPV6_RECVHOPLIMIT : IP_RECVTTL, 1));
	try(set_option(b, level, six ? IPV6_RECVTCLASS : IP_RECVTOS, 1));
	try(set_option(a, level, six ? IPV6_UNICAST_HOPS : IP_TTL, 33));
	try(set_option(a, level, six ? IPV6_TCLASS : IP_TOS, 0x48));
	check(sendto(a, "x", 1, 0, &name.any, name.size) == 1);
	try(recvmsg(b, &message, 0));
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h != NULL; h = CMSG_NXTHDR(&message, h))
		printf("level %d type %d size %zu: %d\n", h->cmsg_level, h->cmsg_type,
		       (size_t)h->cmsg_len, CMSG_DATA(h)[0]);
	close(a);
	close(b);
}

int main(void)
{
	for (int i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6;

		printf("-- IPv%d\n", i == 0 ? 4 : 6);
		test_basics(family);
		test_connected(family);
		test_nobody(family);
		test_large(family);
		test_several(family);
		test_ports(family);
	}
	test_broadcast();
	test_packet_info();
	test_header(AF_INET);
	test_header(AF_INET6);
	return 0;
}
