/*
 * TCP sockets between their files: states and what lwIP tells (tcp.c), data (tcp_data.c), what
 * keeps strangers from using them all up (guard.c).
 */
#ifndef UK_NET_TCP_SOCK_H
#define UK_NET_TCP_SOCK_H

#include "stack.h"

#include "lwip/tcp.h"

enum sock_state { SOCK_NEW, SOCK_CONNECTING, SOCK_CONNECTED, SOCK_DEAD };

struct tcp_sock {
	struct uk_socket base;
	struct tcp_pcb *pcb; /* NULL once lwIP has let go of it */
	enum sock_state state;
	/* Both ends' names, for when the pcb is gone. */
	ip_addr_t local, remote;
	uint16_t local_port, remote_port;
	struct pbuf *first, *last; /* received, each pbuf by itself */
	uint16_t first_used;	   /* bytes of `first` that were taken */
	uint16_t last_room;	   /* bytes free behind those of `last` */
	uint64_t received;	   /* bytes that wait */
	bool eof;		   /* the peer has closed its half */
	bool read_shut, write_shut;
	bool closed;	    /* no descriptor any more */
	bool was_connected; /* at some time */
	bool large;	    /* large segments may be written: the device cuts them */
	bool wants_room;    /* somebody is to be told when there is room to send again */
	struct uk_list sent;
	uint64_t queued;   /* bytes in `sent` that are not acknowledged */
	uint64_t progress; /* monotonic ns: the peer acknowledged something, or nothing waited */
	struct uk_list accept_queue; /* of a listener */
	unsigned waiting, backlog;   /* in it, and how many may be */
	struct uk_list accept_item;
	struct tcp_sock *listener;
};

static inline struct tcp_sock *tcp_of(struct uk_socket *sock)
{
	return uk_container(sock, struct tcp_sock, base);
}

/* tcp_data.c */
int64_t tcp_sock_send(struct uk_socket *sock, struct uk_message *message);
int64_t tcp_sock_receive(struct uk_socket *sock, struct uk_message *message);
bool tcp_sock_writable(struct tcp_sock *tcp);
/* lwIP's news of data. False: that was the last of a closed socket, which may be freed. */
bool tcp_sock_acked(struct tcp_sock *tcp, uint32_t size);
void tcp_sock_keep(struct tcp_sock *tcp, struct pbuf *p);
void tcp_sock_drop_received(struct tcp_sock *tcp);
void tcp_sock_drop_sent(struct tcp_sock *tcp);

/* large.c */
void large_decide(struct tcp_sock *tcp); /* when connected */
/* Bytes of the largest segment to be written now. */
uint16_t large_size(const struct tcp_sock *tcp);
/* tcp_write(), in segments as large as the device and the window take. */
err_t large_write(struct tcp_sock *tcp, const void *data, uint16_t size, u8_t flags);
/* Before lwIP sends: cuts what would not fit. */
void large_fit(struct tcp_sock *tcp);
/* The same with the window that a segment brings. */
void large_window(struct tcp_pcb *pcb, uint16_t window);
/* The same for all connections, after lwIP's timers. */
void large_tick(void);

/* reuse.c */
/* Whether another listener keeps this port for itself. */
bool reuse_is_listened_on(const struct tcp_sock *tcp, const ip_addr_t *address, uint16_t port);
/* lwIP's listener in the place of the socket's connection; NULL with `error`. */
struct tcp_pcb *reuse_listen(struct tcp_sock *tcp, err_t *error);
/* Of the listeners that share a port, the one whose turn it is to take a connection. */
struct tcp_sock *reuse_turn(struct tcp_sock *first);

/* guard.c */
bool guard_has_room(void); /* for one more connection */
void guard_added(void);
void guard_removed(void);
/* The sequence number that a cookie which came back stands for; false: none did. */
bool guard_isn(uint32_t *isn);
/* Frames are swallowed now: the peer has this answer already. */
bool guard_is_quiet(void);

#endif
