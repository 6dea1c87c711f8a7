/*
 * TCP sockets upon lwIP's raw interface: from opening to the end. A socket that the program closed
 * lives on until what it sent is acknowledged, or the peer has not moved for a while.
 */
#include <uk/mem.h>
#include <uk/vfs.h>

#include "tcp_sock.h"

#include "lwip/priv/tcp_priv.h"

#define BACKLOG_MAX 4096
#define POLL_INTERVAL 2			    /* of lwIP's slow timer: each second */
#define ORPHAN_LIFE_NS (60ull * 1000000000) /* closed here, and the peer does not move */

static const struct uk_socket_ops tcp_ops;

static void tcp_destroy(struct tcp_sock *tcp)
{
	tcp_sock_drop_received(tcp);
	tcp_sock_drop_sent(tcp);
	uk_free(tcp);
}

/* lwIP must not call back any more. */
static void detach(struct tcp_sock *tcp)
{
	if (tcp->pcb == NULL)
		return;
	tcp_arg(tcp->pcb, NULL);
	if (tcp->pcb->state == LISTEN) {
		tcp_accept(tcp->pcb, NULL);
	} else {
		tcp_recv(tcp->pcb, NULL);
		tcp_sent(tcp->pcb, NULL);
		tcp_err(tcp->pcb, NULL);
		tcp_poll(tcp->pcb, NULL, 0);
		guard_removed();
	}
	tcp->pcb = NULL;
}

static void remember_names(struct tcp_sock *tcp)
{
	tcp->local = tcp->pcb->local_ip;
	tcp->remote = tcp->pcb->remote_ip;
	tcp->local_port = tcp->pcb->local_port;
	tcp->remote_port = tcp->pcb->remote_port;
}

/* --- what lwIP tells --- */

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
	struct tcp_sock *tcp = arg;

	(void)pcb;
	if (!tcp_sock_acked(tcp, size)) {
		detach(tcp);
		tcp_destroy(tcp);
		return ERR_OK;
	}
	large_fit(tcp);
	return ERR_OK;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	struct tcp_sock *tcp = arg;

	(void)error;
	if (p == NULL) {
		tcp->eof = true;
	} else if (tcp->closed || tcp->read_shut) {
		tcp_recved(pcb, p->tot_len);
		pbuf_free(p);
		return ERR_OK;
	} else {
		tcp_sock_keep(tcp, p);
	}
	uk_socket_wake(&tcp->base);
	return ERR_OK;
}

static void accept_forget(struct tcp_sock *tcp)
{
	if (tcp->listener == NULL)
		return;
	uk_list_remove(&tcp->accept_item);
	tcp->listener->waiting--;
	tcp->listener = NULL;
}

/* Linux's error for a connection that lwIP has given up. */
static int error_of(const struct tcp_sock *tcp, err_t error)
{
	if (error == ERR_CLSD)
		return 0;
	if (error == ERR_RST && tcp->state == SOCK_CONNECTING)
		return -UK_ECONNREFUSED;
	/* The peer had said that it sends no more. */
	if (error == ERR_RST && tcp->eof)
		return -UK_EPIPE;
	return uk_lwip_errno(error);
}

/* lwIP has freed the connection. */
static void on_error(void *arg, err_t error)
{
	struct tcp_sock *tcp = arg;

	tcp->pcb = NULL;
	guard_removed();
	if (tcp->closed) {
		tcp_destroy(tcp);
		return;
	}
	/* One that waits to be accepted is handed out all the same: its first read says so. */
	tcp->base.error = error_of(tcp, error);
	tcp->state = SOCK_DEAD;
	tcp->eof = true;
	tcp_sock_drop_sent(tcp);
	uk_socket_wake(&tcp->base);
}

/* TCP_MAXSEG, of what is sent; lwIP tells the peer its own. */
static void limit_segments(struct tcp_sock *tcp)
{
	int32_t most = tcp->base.option[UK_OPT_MAX_SEGMENT];

	if (most != 0 && most < tcp->pcb->mss)
		tcp->pcb->mss = (u16_t)most;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
	struct tcp_sock *tcp = arg;

	(void)error;
	tcp->state = SOCK_CONNECTED;
	tcp->was_connected = true;
	limit_segments(tcp);
	pcb->cwnd = (tcpwnd_size_t)10 * pcb->mss; /* RFC 6928 */
	large_decide(tcp);
	remember_names(tcp);
	uk_socket_wake(&tcp->base);
	return ERR_OK;
}

static bool waited_too_long(const struct tcp_sock *tcp)
{
	uint64_t limit = (uint64_t)tcp->base.option[UK_OPT_USER_TIMEOUT] * 1000000;

	if (tcp->queued == 0)
		return false;
	if (tcp->closed && (limit == 0 || limit > ORPHAN_LIFE_NS))
		limit = ORPHAN_LIFE_NS;
	return limit != 0 && uk_time_mono() - tcp->progress > limit;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
	if (!waited_too_long(arg))
		return ERR_OK;
	tcp_abort(pcb); /* on_error follows */
	return ERR_ABRT;
}

static void set_callbacks(struct tcp_sock *tcp)
{
	tcp_arg(tcp->pcb, tcp);
	tcp_recv(tcp->pcb, on_received);
	tcp_sent(tcp->pcb, on_sent);
	tcp_err(tcp->pcb, on_error);
	tcp_poll(tcp->pcb, on_poll, POLL_INTERVAL);
	guard_added();
}

/* --- options --- */

static void apply_option(struct tcp_sock *tcp, enum uk_option option)
{
	struct tcp_pcb *pcb = tcp->pcb;
	int32_t value = tcp->base.option[option];

	switch ((int)option) {
	case UK_OPT_REUSE_ADDRESS:
	case UK_OPT_REUSE_PORT:
		reuse_apply(&tcp->base, (struct ip_pcb *)pcb);
		break;
	case UK_OPT_KEEP_ALIVE:
		if (value)
			ip_set_option(pcb, SOF_KEEPALIVE);
		else
			ip_reset_option(pcb, SOF_KEEPALIVE);
		break;
	case UK_OPT_KEEP_IDLE:
		pcb->keep_idle = (u32_t)value * 1000;
		break;
	case UK_OPT_KEEP_INTERVAL:
		pcb->keep_intvl = (u32_t)value * 1000;
		break;
	case UK_OPT_KEEP_COUNT:
		pcb->keep_cnt = (u32_t)value;
		break;
	case UK_OPT_NO_DELAY:
		if (value)
			tcp_nagle_disable(pcb);
		else
			tcp_nagle_enable(pcb);
		break;
	case UK_OPT_CORK:
		if (!value && tcp->state == SOCK_CONNECTED)
			tcp_output(pcb);
		break;
	case UK_OPT_TTL:
	case UK_OPT_V6_HOPS:
		pcb->ttl = (u8_t)value;
		break;
	case UK_OPT_TOS:
	case UK_OPT_V6_CLASS:
		pcb->tos = (u8_t)value;
		break;
	default:
		break;
	}
}

static int op_option_set(struct uk_socket *sock, enum uk_option option)
{
	struct tcp_sock *tcp = tcp_of(sock);

	if (tcp->pcb != NULL && !sock->listening)
		apply_option(tcp, option);
	return 0;
}

/* What a listener was told holds for what it accepts. */
static void inherit(struct tcp_sock *tcp, const struct tcp_sock *listener)
{
	memcpy(tcp->base.option, listener->base.option, sizeof(tcp->base.option));
	tcp->base.receive_timeout = listener->base.receive_timeout;
	tcp->base.send_timeout = listener->base.send_timeout;
	tcp->base.send_buffer = listener->base.send_buffer;
	tcp->base.receive_buffer = listener->base.receive_buffer;
	tcp->base.linger = listener->base.linger;
	tcp->base.linger_seconds = listener->base.linger_seconds;
	for (unsigned i = UK_OPT_KEEP_ALIVE; i < UK_OPT_COUNT; i++)
		apply_option(tcp, (enum uk_option)i);
}

/* The first fields of Linux's struct tcp_info. */
static int tell_info(const struct tcp_sock *tcp, uint8_t *value)
{
	/* lwIP's states in its order: CLOSED, LISTEN, SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1,
	 * FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT. */
	static const uint8_t states[] = { 7, 10, 2, 3, 1, 4, 5, 8, 11, 9, 6 };
	const struct tcp_pcb *pcb = tcp->pcb;
	uint32_t words[24] = { 0 }; /* from tcpi_rto on */

	value[0] = pcb != NULL ? states[pcb->state] : states[CLOSED];
	if (pcb != NULL && pcb->state != LISTEN) {
		value[2] = pcb->nrtx;
		words[0] = (uint32_t)UK_MAX(pcb->rto, 1) * TCP_SLOW_INTERVAL * 1000;
		words[2] = pcb->mss;
		words[3] = TCP_MSS;
		words[15] = (uint32_t)(pcb->sa >> 3) * TCP_SLOW_INTERVAL * 1000;
		words[16] = (uint32_t)pcb->sv * TCP_SLOW_INTERVAL * 1000;
		words[18] = pcb->cwnd / UK_MAX(pcb->mss, 1);
	}
	memcpy(value + 8, words, sizeof(words));
	return 8 + (int)sizeof(words);
}

static int op_option_made(struct uk_socket *sock, int level, int name, void *value, size_t room)
{
	struct tcp_sock *tcp = tcp_of(sock);
	int32_t mss = sock->option[UK_OPT_MAX_SEGMENT];

	if (level != UK_IPPROTO_TCP)
		return uk_net_option_mtu(level, name,
					 tcp->state == SOCK_CONNECTED && tcp->pcb != NULL
						 ? &tcp->pcb->remote_ip
						 : NULL,
					 value);
	switch (name) {
	case UK_TCP_MAXSEG:
		if (mss == 0 || tcp->state == SOCK_CONNECTED)
			mss = tcp->pcb != NULL && !sock->listening ? tcp->pcb->mss : 536;
		memcpy(value, &mss, sizeof(mss));
		return (int)sizeof(mss);
	case UK_TCP_CONGESTION:
		return (int)uk_strlcpy(value, "reno", room) + 1;
	case UK_TCP_INFO:
		return tell_info(tcp, value);
	default:
		return -UK_ENOPROTOOPT;
	}
}

/* --- opening --- */

static struct tcp_sock *sock_alloc(int family)
{
	struct tcp_sock *tcp = uk_alloc(sizeof(*tcp));

	if (tcp == NULL)
		return NULL;
	uk_socket_init(&tcp->base, &tcp_ops, family, UK_SOCK_STREAM, UK_IPPROTO_TCP);
	uk_list_init(&tcp->sent);
	uk_list_init(&tcp->accept_queue);
	uk_list_init(&tcp->accept_item);
	return tcp;
}

/* A connection of its own for a socket that has none. */
static int open_pcb(struct tcp_sock *tcp)
{
	if (!guard_has_room())
		return -UK_ENOBUFS;
	tcp->pcb =
		tcp_new_ip_type(tcp->base.family == UK_AF_INET6 ? IPADDR_TYPE_ANY : IPADDR_TYPE_V4);
	if (tcp->pcb == NULL)
		return -UK_ENOBUFS;
	set_callbacks(tcp);
	for (unsigned i = 0; i < UK_OPT_COUNT; i++)
		apply_option(tcp, (enum uk_option)i);
	return 0;
}

int uk_tcp_new(int family, struct uk_socket **sock)
{
	struct tcp_sock *tcp = sock_alloc(family);
	int status;

	if (tcp == NULL)
		return -UK_ENOMEM;
	status = open_pcb(tcp);
	if (status != 0) {
		tcp_destroy(tcp);
		return status;
	}
	*sock = &tcp->base;
	return 0;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
	struct tcp_sock *listener = arg, *tcp;

	if (error != ERR_OK || pcb == NULL || listener == NULL)
		return ERR_VAL;
	listener = reuse_turn(listener);
	tcp = sock_alloc(listener->base.family);
	if (tcp == NULL)
		return ERR_MEM;
	tcp->pcb = pcb;
	tcp->state = SOCK_CONNECTED;
	tcp->was_connected = true;
	tcp->listener = listener;
	tcp->base.bound = true;
	set_callbacks(tcp);
	inherit(tcp, listener);
	limit_segments(tcp);
	large_decide(tcp);
	remember_names(tcp);
	listener->waiting++;
	uk_list_push_back(&listener->accept_queue, &tcp->accept_item);
	uk_socket_wake(&listener->base);
	return ERR_OK;
}

static int op_bind(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct tcp_sock *tcp = tcp_of(sock);
	ip_addr_t address;
	uint16_t port;
	int status = uk_lwip_address(sock, name, size, &address, &port);

	if (status != 0)
		return status;
	if (tcp->pcb == NULL || tcp->state != SOCK_NEW || sock->bound)
		return -UK_EINVAL;
	if (!sock->option[UK_OPT_FREE_BIND] && !uk_net_is_own(&address))
		return -UK_EADDRNOTAVAIL;
	/* An unspecified IPv6 address takes IPv4 as well, unless IPV6_V6ONLY. */
	if (IP_IS_V6(&address) && ip6_addr_isany(ip_2_ip6(&address)) &&
	    !sock->option[UK_OPT_V6_ONLY])
		IP_SET_TYPE(&address, IPADDR_TYPE_ANY);
	if (port != 0 && reuse_is_listened_on(tcp, &address, port))
		return -UK_EADDRINUSE;
	status = uk_lwip_errno(tcp_bind(tcp->pcb, &address, port));
	sock->bound = status == 0;
	if (sock->bound)
		remember_names(tcp);
	return status;
}

static int op_listen(struct uk_socket *sock, int backlog)
{
	struct tcp_sock *tcp = tcp_of(sock);
	struct tcp_pcb *pcb;
	err_t error;

	tcp->backlog = (unsigned)(backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog) + 1;
	if (sock->listening)
		return 0;
	if (tcp->state != SOCK_NEW)
		return -UK_EINVAL;
	if (tcp->pcb == NULL) {
		int status = open_pcb(tcp);

		if (status != 0)
			return status;
	}
	if (!sock->bound) {
		struct uk_sockaddr any = { .family = (uint16_t)sock->family };
		int status = op_bind(sock, &any, sizeof(any));

		if (status != 0)
			return status;
	}
	pcb = reuse_listen(tcp, &error);
	if (pcb == NULL)
		return uk_lwip_errno(error);
	guard_removed();
	tcp->pcb = pcb;
	sock->listening = true;
	tcp_arg(pcb, tcp);
	tcp_accept(pcb, on_accept);
	return 0;
}

static struct uk_socket *op_accept(struct uk_socket *sock)
{
	struct tcp_sock *tcp =
		uk_list_first(&tcp_of(sock)->accept_queue, struct tcp_sock, accept_item);

	if (tcp == NULL)
		return NULL;
	accept_forget(tcp);
	if (tcp->pcb != NULL) /* RFC 6928 */
		tcp->pcb->cwnd = (tcpwnd_size_t)UK_MAX(tcp->pcb->cwnd, 10u * tcp->pcb->mss);
	return &tcp->base;
}

static int check_state(struct tcp_sock *tcp)
{
	int status;

	switch (tcp->state) {
	case SOCK_CONNECTING:
		return -UK_EALREADY;
	case SOCK_CONNECTED:
		return -UK_EISCONN;
	case SOCK_DEAD:
		if (tcp->was_connected)
			return -UK_EISCONN;
		if (tcp->base.error != 0) {
			status = tcp->base.error;
			tcp->base.error = 0;
			return status;
		}
		/* One that was refused may try again. */
		tcp->state = SOCK_NEW;
		tcp->eof = false;
		break;
	case SOCK_NEW:
		break;
	}
	return tcp->pcb == NULL ? open_pcb(tcp) : 0;
}

static int op_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct tcp_sock *tcp = tcp_of(sock);
	ip_addr_t address;
	uint16_t port;
	int status = uk_lwip_address(sock, name, size, &address, &port);

	if (status != 0)
		return status;
	if (sock->listening)
		return -UK_EISCONN;
	status = check_state(tcp);
	if (status != 0)
		return status;
	/* An unspecified destination is this machine. */
	if (ip_addr_isany(&address))
		ip_addr_set_loopback(IP_IS_V6(&address), &address);
	if (!uk_net_reachable(&address))
		return -UK_ENETUNREACH;
	status = uk_lwip_errno(tcp_connect(tcp->pcb, &address, port, on_connected));
	if (status != 0)
		return status;
	tcp->state = SOCK_CONNECTING;
	sock->bound = true;
	remember_names(tcp);
	return -UK_EINPROGRESS;
}

static int op_name(struct uk_socket *sock, bool peer, struct uk_sockaddr *name, uint32_t *size)
{
	struct tcp_sock *tcp = tcp_of(sock);

	if (peer && tcp->state != SOCK_CONNECTED)
		return -UK_ENOTCONN;
	if (peer)
		uk_lwip_name(sock, &tcp->remote, tcp->remote_port, name, size);
	else
		uk_lwip_name(sock, &tcp->local, tcp->local_port, name, size);
	return 0;
}

/* --- closing --- */

static void drop_waiting(struct tcp_sock *listener)
{
	while (!uk_list_empty(&listener->accept_queue)) {
		struct tcp_sock *child =
			uk_list_first(&listener->accept_queue, struct tcp_sock, accept_item);
		struct tcp_pcb *pcb = child->pcb;

		accept_forget(child);
		detach(child);
		if (pcb != NULL)
			tcp_abort(pcb);
		tcp_destroy(child);
	}
}

/* Not listening any more; the socket is as new, but keeps its name. */
static void stop_listening(struct tcp_sock *tcp)
{
	struct tcp_pcb *pcb = tcp->pcb;

	drop_waiting(tcp);
	detach(tcp);
	(void)tcp_close(pcb);
	tcp->base.listening = false;
	tcp->base.bound = false;
}

static int op_shutdown(struct uk_socket *sock, int how)
{
	struct tcp_sock *tcp = tcp_of(sock);
	int status = 0;

	if (sock->listening) {
		if (how != UK_SHUT_WR)
			stop_listening(tcp);
		uk_socket_wake(sock);
		return 0;
	}
	if (how != UK_SHUT_WR)
		tcp->read_shut = true;
	if (tcp->state == SOCK_NEW || tcp->state == SOCK_DEAD)
		return -UK_ENOTCONN;
	if (how != UK_SHUT_RD && !tcp->write_shut && tcp->pcb != NULL) {
		if (tcp->state == SOCK_CONNECTED)
			status = uk_lwip_errno(tcp_shutdown(tcp->pcb, 0, 1));
		tcp->write_shut = status == 0;
	}
	uk_socket_wake(sock);
	return status;
}

static unsigned op_poll(struct uk_socket *sock)
{
	struct tcp_sock *tcp = tcp_of(sock);
	bool over = tcp->eof || tcp->read_shut;
	unsigned events = sock->error != 0 ? UK_POLLERR : 0u;

	if (sock->listening)
		return uk_list_empty(&tcp->accept_queue) ? 0 : UK_POLLIN | UK_POLLRDNORM;
	if (tcp->state == SOCK_NEW)
		return events | UK_POLLOUT | UK_POLLWRNORM | UK_POLLHUP;
	if (tcp->received != 0 || over)
		events |= UK_POLLIN | UK_POLLRDNORM;
	if (over)
		events |= UK_POLLRDHUP;
	if (tcp->state == SOCK_DEAD || (over && tcp->write_shut))
		events |= UK_POLLHUP;
	if (tcp->state == SOCK_DEAD || tcp->write_shut || tcp_sock_writable(tcp))
		events |= UK_POLLOUT | UK_POLLWRNORM;
	else
		tcp->wants_room = true;
	return events;
}

static int64_t op_readable(struct uk_socket *sock)
{
	return (int64_t)tcp_of(sock)->received;
}

static void op_release(struct uk_socket *sock)
{
	struct tcp_sock *tcp = tcp_of(sock);
	struct tcp_pcb *pcb = tcp->pcb;
	bool unread = tcp->received != 0 || (sock->linger && sock->linger_seconds == 0);

	if (sock->listening)
		stop_listening(tcp);
	if (tcp->pcb == NULL) {
		tcp_destroy(tcp);
		return;
	}
	tcp->closed = true;
	tcp_sock_drop_received(tcp);
	if (unread && tcp->state == SOCK_CONNECTED) {
		detach(tcp);
		tcp_abort(pcb);
		tcp_destroy(tcp);
		return;
	}
	/* What was sent must arrive: on_sent or on_error frees it. Else lwIP alone sees to the
	 * rest.
	 */
	if (tcp->queued == 0) {
		detach(tcp);
		tcp_destroy(tcp);
		tcp = NULL;
	}
	if (tcp_close(pcb) == ERR_OK)
		return;
	if (tcp != NULL) {
		detach(tcp);
		tcp_destroy(tcp);
	}
	tcp_abort(pcb);
}

static const struct uk_socket_ops tcp_ops = {
	.bind = op_bind,
	.connect = op_connect,
	.listen = op_listen,
	.accept = op_accept,
	.name = op_name,
	.send = tcp_sock_send,
	.receive = tcp_sock_receive,
	.shutdown = op_shutdown,
	.option_set = op_option_set,
	.option_made = op_option_made,
	.poll = op_poll,
	.readable = op_readable,
	.release = op_release,
};
