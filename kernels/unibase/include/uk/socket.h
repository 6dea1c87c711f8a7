/*
 * Sockets: one struct of functions for each kind, under the calls that programs make. net/socket.c.
 * All operations run under the stack's lock; those that wait give it up meanwhile (uk_socket_wait).
 */
#ifndef UK_SOCKET_H
#define UK_SOCKET_H

#include <uk/linux_net.h>
#include <uk/thread.h>
#include <uk/types.h>
#include <uk/user.h>

struct uk_file;
struct uk_socket;

/* Where a datagram was sent to, or is to be sent from (IP_PKTINFO, IPV6_PKTINFO), and what its
 * header says besides. */
struct uk_packet_info {
	int family; /* 0: not said */
	uint32_t interface;
	uint8_t address[16]; /* the first four bytes for IPv4 */
	bool six;	     /* came by IPv6 */
	bool says_hops, says_class;
	uint8_t hops, class;
};

struct uk_message {
	struct uk_iter *data;
	struct uk_page *page;	  /* not NULL: data is kernel memory that begins in this page of the
				     cache, and may be referred to instead of copied */
	struct uk_sockaddr *name; /* destination or source; NULL: none wanted */
	uint32_t name_size;	  /* in: bytes given, out: bytes of the source */
	struct uk_file **files;	  /* unix: passed descriptors */
	unsigned file_count;
	struct uk_packet_info info;
	int flags;     /* MSG_* asked for */
	int out_flags; /* MSG_* for msg_flags */
};

/* Options that are kept as they were set: net/options.c. */
enum uk_option {
	UK_OPT_REUSE_ADDRESS,
	UK_OPT_REUSE_PORT,
	UK_OPT_BROADCAST,
	UK_OPT_KEEP_ALIVE,
	UK_OPT_OOB_INLINE,
	UK_OPT_PRIORITY,
	UK_OPT_RECEIVE_LOW,
	UK_OPT_DONT_ROUTE,
	UK_OPT_DEBUG,
	UK_OPT_PASS_CREDENTIALS,
	UK_OPT_TTL,
	UK_OPT_TOS,
	UK_OPT_MTU_DISCOVER,
	UK_OPT_RECEIVE_ERRORS,
	UK_OPT_PACKET_INFO,
	UK_OPT_RECEIVE_TTL,
	UK_OPT_RECEIVE_TOS,
	UK_OPT_BIND_NO_PORT,
	UK_OPT_FREE_BIND,
	UK_OPT_MULTICAST_TTL,
	UK_OPT_MULTICAST_LOOP,
	UK_OPT_MULTICAST_ALL,
	UK_OPT_V6_ONLY,
	UK_OPT_V6_HOPS,
	UK_OPT_V6_CLASS,
	UK_OPT_V6_MTU_DISCOVER,
	UK_OPT_V6_MTU,
	UK_OPT_V6_RECEIVE_ERRORS,
	UK_OPT_V6_PACKET_INFO,
	UK_OPT_V6_RECEIVE_HOPS,
	UK_OPT_V6_RECEIVE_CLASS,
	UK_OPT_V6_MULTICAST_HOPS,
	UK_OPT_V6_MULTICAST_LOOP,
	UK_OPT_V6_MULTICAST_ALL,
	UK_OPT_NO_DELAY,
	UK_OPT_CORK,
	UK_OPT_MAX_SEGMENT,
	UK_OPT_KEEP_IDLE,
	UK_OPT_KEEP_INTERVAL,
	UK_OPT_KEEP_COUNT,
	UK_OPT_USER_TIMEOUT,
	UK_OPT_DEFER_ACCEPT,
	UK_OPT_QUICK_ACK,
	UK_OPT_SYN_COUNT,
	UK_OPT_LINGER2,
	UK_OPT_FAST_OPEN,
	UK_OPT_COUNT,
};

struct uk_socket_ops {
	int (*bind)(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size);
	int (*connect)(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size);
	int (*listen)(struct uk_socket *sock, int backlog);
	/* The next connection, or NULL when there is none yet. */
	struct uk_socket *(*accept)(struct uk_socket *sock);
	int (*name)(struct uk_socket *sock, bool peer, struct uk_sockaddr *name, uint32_t *size);
	/* Bytes moved, -UK_EAGAIN when it would have to wait. */
	int64_t (*send)(struct uk_socket *sock, struct uk_message *message);
	int64_t (*receive)(struct uk_socket *sock, struct uk_message *message);
	int (*shutdown)(struct uk_socket *sock, int how);
	/* The option was set: what follows from it now. NULL: nothing ever does. */
	int (*option_set)(struct uk_socket *sock, enum uk_option option);
	/* Options that are not simply kept; -UK_ENOPROTOOPT where it is none of these. May be NULL.
	 */
	int (*option_given)(struct uk_socket *sock, int level, int name, const void *value,
			    size_t size);
	/* The same, asked for: bytes written to `value`. */
	int (*option_made)(struct uk_socket *sock, int level, int name, void *value, size_t room);
	unsigned (*poll)(struct uk_socket *sock);    /* POLLIN ... that hold now */
	int64_t (*readable)(struct uk_socket *sock); /* bytes, for FIONREAD */
	void (*release)(
		struct uk_socket *sock); /* the last descriptor is gone: frees it, now or later */
};

struct uk_socket {
	const struct uk_socket_ops *ops;
	int family;
	int type;
	int protocol;
	struct uk_waitq changed; /* anything about readiness */
	int error;		 /* SO_ERROR: negative errno, taken once */
	bool bound;
	bool listening;
	int32_t option[UK_OPT_COUNT];
	uint64_t receive_timeout; /* ns, 0: none */
	uint64_t send_timeout;
	uint32_t send_buffer, receive_buffer; /* bytes */
	bool linger;
	uint32_t linger_seconds;
};

/* Fills in the common part, options as they are before anybody sets them. */
void uk_socket_init(struct uk_socket *sock, const struct uk_socket_ops *ops, int family, int type,
		    int protocol);

int uk_tcp_new(int family, struct uk_socket **sock);
int uk_udp_new(int family, struct uk_socket **sock);
int uk_unix_new(int type, struct uk_socket **sock);
int uk_netlink_new(int type, int protocol, struct uk_socket **sock);
/* net/interfaces.c: what programs ask of interfaces by any socket; -UK_ENOTTY: it is not that. */
int uk_interface_ioctl(unsigned request, uint64_t arg);
/* Drops what could not be dropped under the stack's lock; without it. */
void uk_unix_reap(void);
int uk_unix_pair(int type, struct uk_socket **a, struct uk_socket **b);

/* Starts the stack if that was not done yet; -UK_ENOMEM. Without the lock. */
int uk_net_need(void);
/* The stack's lock. */
void uk_net_lock(void);
void uk_net_unlock(void);
/* Under the lock: looks at devices and timers now. */
void uk_net_poll(void);
/* Under the lock, which is given up meanwhile: waits until the socket changes. 0, -UK_EAGAIN at the
 * deadline, -UK_ERESTARTSYS. `ready` is asked under the lock. */
int uk_socket_wait(struct uk_socket *sock, bool (*ready)(struct uk_socket *sock),
		   uint64_t deadline);
void uk_socket_wake(struct uk_socket *sock);

/* net/options.c; under the lock. 0 or negative errno. */
int uk_option_set(struct uk_socket *sock, int level, int name, int value, size_t size);
int uk_option_get(struct uk_socket *sock, int level, int name, int *value);

#endif
