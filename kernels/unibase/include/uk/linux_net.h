/*
 * The network part of the Linux x86-64 system-call ABI
 * (include/uapi/linux/{in,in6,socket,tcp,un}.h, asm-generic/socket.h).
 */
#ifndef UK_LINUX_NET_H
#define UK_LINUX_NET_H

#include <uk/types.h>

enum {
	UK_AF_UNSPEC = 0,
	UK_AF_UNIX = 1,
	UK_AF_INET = 2,
	UK_AF_INET6 = 10,
	UK_AF_NETLINK = 16,
	UK_SOCK_STREAM = 1,
	UK_SOCK_DGRAM = 2,
	UK_SOCK_RAW = 3,
	UK_SOCK_SEQPACKET = 5,
	UK_SOCK_TYPES = 11, /* of Linux */
	UK_SOCK_TYPE = 0xf,
	UK_SOCK_NONBLOCK = 04000,
	UK_SOCK_CLOEXEC = 02000000,
	UK_IPPROTO_IP = 0,
	UK_IPPROTO_TCP = 6,
	UK_IPPROTO_UDP = 17,
	UK_IPPROTO_IPV6 = 41,
	UK_SOL_SOCKET = 1,
};

enum {
	UK_SO_DEBUG = 1,
	UK_SO_REUSEADDR = 2,
	UK_SO_TYPE = 3,
	UK_SO_ERROR = 4,
	UK_SO_DONTROUTE = 5,
	UK_SO_BROADCAST = 6,
	UK_SO_SNDBUF = 7,
	UK_SO_RCVBUF = 8,
	UK_SO_KEEPALIVE = 9,
	UK_SO_OOBINLINE = 10,
	UK_SO_PRIORITY = 12,
	UK_SO_LINGER = 13,
	UK_SO_REUSEPORT = 15,
	UK_SO_PASSCRED = 16,
	UK_SO_PEERCRED = 17,
	UK_SO_RCVLOWAT = 18,
	UK_SO_SNDLOWAT = 19,
	UK_SO_RCVTIMEO = 20,
	UK_SO_SNDTIMEO = 21,
	UK_SO_ACCEPTCONN = 30,
	UK_SO_SNDBUFFORCE = 32,
	UK_SO_RCVBUFFORCE = 33,
	UK_SO_PROTOCOL = 38,
	UK_SO_DOMAIN = 39,
	UK_SO_INCOMING_CPU = 49,
	UK_TCP_NODELAY = 1,
	UK_TCP_MAXSEG = 2,
	UK_TCP_CORK = 3,
	UK_TCP_KEEPIDLE = 4,
	UK_TCP_KEEPINTVL = 5,
	UK_TCP_KEEPCNT = 6,
	UK_TCP_SYNCNT = 7,
	UK_TCP_LINGER2 = 8,
	UK_TCP_DEFER_ACCEPT = 9,
	UK_TCP_INFO = 11,
	UK_TCP_QUICKACK = 12,
	UK_TCP_CONGESTION = 13,
	UK_TCP_USER_TIMEOUT = 18,
	UK_TCP_FASTOPEN = 23,
	UK_TCP_FASTOPEN_CONNECT = 30,
	UK_IP_TOS = 1,
	UK_IP_TTL = 2,
	UK_IP_PKTINFO = 8,
	UK_IP_MTU_DISCOVER = 10,
	UK_IP_RECVERR = 11,
	UK_IP_RECVTTL = 12,
	UK_IP_RECVTOS = 13,
	UK_IP_MTU = 14,
	UK_IP_FREEBIND = 15,
	UK_IP_BIND_ADDRESS_NO_PORT = 24,
	UK_IP_MULTICAST_IF = 32,
	UK_IP_MULTICAST_TTL = 33,
	UK_IP_MULTICAST_LOOP = 34,
	UK_IP_ADD_MEMBERSHIP = 35,
	UK_IP_DROP_MEMBERSHIP = 36,
	UK_MCAST_JOIN_GROUP = 42, /* of both versions */
	UK_MCAST_LEAVE_GROUP = 45,
	UK_IP_MULTICAST_ALL = 49,
	UK_IPV6_UNICAST_HOPS = 16,
	UK_IPV6_MULTICAST_IF = 17,
	UK_IPV6_MULTICAST_HOPS = 18,
	UK_IPV6_MULTICAST_LOOP = 19,
	UK_IPV6_ADD_MEMBERSHIP = 20,
	UK_IPV6_DROP_MEMBERSHIP = 21,
	UK_IPV6_MTU_DISCOVER = 23,
	UK_IPV6_MTU = 24,
	UK_IPV6_RECVERR = 25,
	UK_IPV6_V6ONLY = 26,
	UK_IPV6_MULTICAST_ALL = 29,
	UK_IPV6_RECVPKTINFO = 49,
	UK_IPV6_PKTINFO = 50,
	UK_IPV6_RECVHOPLIMIT = 51,
	UK_IPV6_HOPLIMIT = 52,
	UK_IPV6_RECVTCLASS = 66,
	UK_IPV6_TCLASS = 67,
};

enum {
	UK_MSG_OOB = 1,
	UK_MSG_PEEK = 2,
	UK_MSG_CTRUNC = 8,
	UK_MSG_TRUNC = 0x20,
	UK_MSG_DONTWAIT = 0x40,
	UK_MSG_EOR = 0x80,
	UK_MSG_WAITALL = 0x100,
	UK_MSG_NOSIGNAL = 0x4000,
	UK_MSG_MORE = 0x8000,
	UK_MSG_WAITFORONE = 0x10000,
	UK_MSG_FASTOPEN = 0x20000000,
	UK_MSG_CMSG_CLOEXEC = 0x40000000,
	UK_SHUT_RD = 0,
	UK_SHUT_WR = 1,
	UK_SHUT_RDWR = 2,
	UK_SCM_RIGHTS = 1,
	UK_SCM_CREDENTIALS = 2,
};

struct uk_sockaddr_in {
	uint16_t family;
	uint16_t port; /* big endian, as the addresses */
	uint32_t address;
	uint8_t zero[8];
};
struct uk_sockaddr_in6 {
	uint16_t family;
	uint16_t port;
	uint32_t flow;
	uint8_t address[16];
	uint32_t scope;
};
#define UK_UNIX_PATH 108
struct uk_sockaddr_un {
	uint16_t family;
	char path[UK_UNIX_PATH];
};
struct uk_sockaddr_nl {
	uint16_t family, pad;
	uint32_t port, groups;
};
struct uk_sockaddr {
	union {
		uint16_t family;
		struct uk_sockaddr_in in;
		struct uk_sockaddr_in6 in6;
		struct uk_sockaddr_un un;
		struct uk_sockaddr_nl nl;
		uint8_t bytes[128];
	};
};

struct uk_linux_msghdr {
	uint64_t name;
	uint32_t name_size;
	uint32_t pad1;
	uint64_t iov;
	uint64_t iov_count;
	uint64_t control;
	uint64_t control_size;
	int32_t flags;
	uint32_t pad2;
};
struct uk_linux_mmsghdr {
	struct uk_linux_msghdr header;
	uint32_t size;
	uint32_t pad;
};
struct uk_linux_cmsghdr {
	uint64_t size;
	int32_t level;
	int32_t type;
};
struct uk_linux_in_pktinfo {
	uint32_t interface;
	uint32_t source; /* when sending */
	uint32_t destination;
};
struct uk_linux_in6_pktinfo {
	uint8_t address[16];
	uint32_t interface;
};
struct uk_linux_ucred {
	int32_t pid, uid, gid;
};

_Static_assert(sizeof(struct uk_sockaddr_in) == 16, "Linux ABI");
_Static_assert(sizeof(struct uk_sockaddr_in6) == 28, "Linux ABI");
_Static_assert(sizeof(struct uk_sockaddr_un) == 110, "Linux ABI");
_Static_assert(sizeof(struct uk_sockaddr_nl) == 12, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_msghdr) == 56, "Linux ABI");
_Static_assert(sizeof(struct uk_linux_mmsghdr) == 64, "Linux ABI");

#endif
