/*
 * TCP sockets upon lwIP's raw interface.
 *
 * Sending copies once, from the program's memory into a buffer that lwIP's segments and the device
 * refer to until the peer has acknowledged it. Receiving copies once, out of the driver's buffers.
 * A socket that the program closed lives on until what it sent is acknowledged.
 */
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/vfs.h>

#include "stack.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

#define CHUNK (16u * 1024)
#define SMALL_CHUNK 2048u
#define BACKLOG_MAX 255

enum sock_state { SOCK_NEW, SOCK_CONNECTING, SOCK_CONNECTED, SOCK_DEAD };

/* What was sent and not acknowledged; the data lies behind. */
struct sent_chunk {
	struct uk_list item;
	struct uk_net_later later;
	uint32_t size;
	uint32_t acked;
	uint8_t data[];
};

struct tcp_sock {
	struct uk_socket base;
	struct tcp_pcb *pcb; /* NULL once lwIP has let go of it */
	enum sock_state state;
	struct pbuf *first, *last; /* received, each pbuf by itself */
	uint16_t first_used;	   /* bytes of `first` that were taken */
	uint64_t received;	   /* bytes that wait */
	bool eof;		   /* the peer has closed its half */
	bool read_shut, write_shut;
	bool closed; /* no descriptor any more */
	bool v6only;
	struct uk_list sent;
	struct uk_list accept_queue; /* of a listener */
	struct uk_list accept_item;
	struct tcp_sock *listener;
};

static const struct uk_socket_ops tcp_ops;

static struct tcp_sock *tcp_of(struct uk_socket *sock)
{
	return uk_container(sock, struct tcp_sock, base);
}

/* --- memory of what was sent --- */

static void chunk_free(struct uk_net_later *later)
{
	uk_free(uk_container(later, struct sent_chunk, later));
}

static void chunk_drop(struct sent_chunk *chunk)
{
	uk_list_remove(&chunk->item);
	uk_net_later(&chunk->later, chunk_free);
}

static void drop_received(struct tcp_sock *tcp)
{
	while (tcp->first != NULL) {
		struct pbuf *next = tcp->first->next;

		tcp->first->next = NULL;
		pbuf_free(tcp->first);
		tcp->first = next;
	}
	tcp->last = NULL;
	tcp->received = 0;
	tcp->first_used = 0;
}

static void tcp_destroy(struct tcp_sock *tcp)
{
	drop_received(tcp);
	while (!uk_list_empty(&tcp->sent))
		chunk_drop(uk_list_first(&tcp->sent, struct sent_chunk, item));
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
	}
	tcp->pcb = NULL;
}

/* --- what lwIP tells --- */

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
	struct tcp_sock *tcp = arg;
	uint32_t left = size;

	(void)pcb;
	while (left != 0 && !uk_list_empty(&tcp->sent)) {
		struct sent_chunk *chunk = uk_list_first(&tcp->sent, struct sent_chunk, item);
		uint32_t take = UK_MIN(left, chunk->size - chunk->acked);

		chunk->acked += take;
		left -= take;
		if (chunk->acked == chunk->size)
			chunk_drop(chunk);
	}
	if (tcp->closed && uk_list_empty(&tcp->sent)) {
		detach(tcp);
		tcp_destroy(tcp);
		return ERR_OK;
	}
	uk_socket_wake(&tcp->base);
	return ERR_OK;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	struct tcp_sock *tcp = arg;

	(void)error;
	if (p == NULL) {
		tcp->eof = true;
		uk_socket_wake(&tcp->base);
		return ERR_OK;
	}
	if (tcp->closed || tcp->read_shut) {
		tcp_recved(pcb, p->tot_len);
		pbuf_free(p);
		return ERR_OK;
	}
	tcp->received += p->tot_len;
	if (tcp->last == NULL)
		tcp->first = p;
	else
		tcp->last->next = p;
	while (p->next != NULL)
		p = p->next;
	tcp->last = p;
	uk_socket_wake(&tcp->base);
	return ERR_OK;
}

static void accept_forget(struct tcp_sock *tcp)
{
	if (tcp->listener == NULL)
		return;
	uk_list_remove(&tcp->accept_item);
	tcp->listener = NULL;
}

/* lwIP has freed the connection. */
static void on_error(void *arg, err_t error)
{
	struct tcp_sock *tcp = arg;

	tcp->pcb = NULL;
	if (tcp->closed || tcp->listener != NULL) {
		accept_forget(tcp);
		tcp_destroy(tcp);
		return;
	}
	if (error != ERR_CLSD) {
		tcp->base.error = tcp->state == SOCK_CONNECTING && error == ERR_RST
					  ? -UK_ECONNREFUSED
					  : uk_lwip_errno(error);
	}
	tcp->state = SOCK_DEAD;
	tcp->eof = true;
	uk_socket_wake(&tcp->base);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
	struct tcp_sock *tcp = arg;

	(void)pcb;
	(void)error;
	tcp->state = SOCK_CONNECTED;
	uk_socket_wake(&tcp->base);
	return ERR_OK;
}

static void set_callbacks(struct tcp_sock *tcp)
{
	tcp_arg(tcp->pcb, tcp);
	tcp_recv(tcp->pcb, on_received);
	tcp_sent(tcp->pcb, on_sent);
	tcp_err(tcp->pcb, on_error);
}

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

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
	struct tcp_sock *listener = arg, *tcp;

	if (error != ERR_OK || pcb == NULL || listener == NULL)
		return ERR_VAL;
	tcp = sock_alloc(listener->base.family);
	if (tcp == NULL)
		return ERR_MEM;
	tcp->pcb = pcb;
	tcp->state = SOCK_CONNECTED;
	tcp->listener = listener;
	tcp->base.bound = true;
	set_callbacks(tcp);
	/* It counts against the backlog until the program has taken it. */
	tcp_backlog_delayed(pcb);
	uk_list_push_back(&listener->accept_queue, &tcp->accept_item);
	uk_socket_wake(&listener->base);
	return ERR_OK;
}

/* --- operations --- */

static void apply_options(struct tcp_sock *tcp)
{
	if (tcp->base.reuse_address)
		ip_set_option(tcp->pcb, SOF_REUSEADDR);
	if (tcp->base.keep_alive)
		ip_set_option(tcp->pcb, SOF_KEEPALIVE);
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
	/* An unspecified IPv6 address takes IPv4 as well, unless IPV6_V6ONLY. */
	if (IP_IS_V6(&address) && ip6_addr_isany(ip_2_ip6(&address)) && !tcp->v6only)
		IP_SET_TYPE(&address, IPADDR_TYPE_ANY);
	apply_options(tcp);
	status = uk_lwip_errno(tcp_bind(tcp->pcb, &address, port));
	sock->bound = status == 0;
	return status;
}

static int op_listen(struct uk_socket *sock, int backlog)
{
	struct tcp_sock *tcp = tcp_of(sock);
	u8_t size = (u8_t)(backlog < 1 ? 1 : backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog);
	struct tcp_pcb *pcb;
	err_t error;

	if (tcp->pcb != NULL && sock->listening) {
		tcp_backlog_set(tcp->pcb, size);
		return 0;
	}
	if (tcp->pcb == NULL || tcp->state != SOCK_NEW)
		return -UK_EINVAL;
	if (!sock->bound) {
		struct uk_sockaddr any = { .family = (uint16_t)sock->family };
		int status = op_bind(sock, &any, sizeof(any));

		if (status != 0)
			return status;
	}
	pcb = tcp_listen_with_backlog_and_err(tcp->pcb, size, &error);
	if (pcb == NULL)
		return uk_lwip_errno(error);
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
	tcp_backlog_accepted(tcp->pcb);
	return &tcp->base;
}

static int op_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct tcp_sock *tcp = tcp_of(sock);
	ip_addr_t address;
	uint16_t port;
	int status;

	switch (tcp->state) {
	case SOCK_CONNECTING:
		return -UK_EALREADY;
	case SOCK_CONNECTED:
		return -UK_EISCONN;
	case SOCK_DEAD:
		status = sock->error != 0 ? sock->error : -UK_ECONNABORTED;
		sock->error = 0;
		return status;
	case SOCK_NEW:
		break;
	}
	status = uk_lwip_address(sock, name, size, &address, &port);
	if (status != 0)
		return status;
	if (tcp->pcb == NULL || sock->listening)
		return -UK_EOPNOTSUPP;
	/* An unspecified destination is this machine. */
	if (ip_addr_isany(&address))
		ip_addr_set_loopback(IP_IS_V6(&address), &address);
	if (!uk_net_reachable(&address))
		return -UK_ENETUNREACH;
	apply_options(tcp);
	status = uk_lwip_errno(tcp_connect(tcp->pcb, &address, port, on_connected));
	if (status != 0)
		return status;
	tcp->state = SOCK_CONNECTING;
	sock->bound = true;
	return -UK_EINPROGRESS;
}

static int op_name(struct uk_socket *sock, bool peer, struct uk_sockaddr *name, uint32_t *size)
{
	struct tcp_sock *tcp = tcp_of(sock);

	if (peer && (tcp->pcb == NULL || tcp->state != SOCK_CONNECTED))
		return -UK_ENOTCONN;
	if (tcp->pcb == NULL) {
		uk_lwip_name(sock, IP_ADDR_ANY, 0, name, size);
		return 0;
	}
	if (peer)
		uk_lwip_name(sock, &tcp->pcb->remote_ip, tcp->pcb->remote_port, name, size);
	else
		uk_lwip_name(sock, &tcp->pcb->local_ip, tcp->pcb->local_port, name, size);
	return 0;
}

static int64_t send_state(struct tcp_sock *tcp)
{
	if (tcp->base.error != 0) {
		int error = tcp->base.error;

		tcp->base.error = 0;
		return error;
	}
	if (tcp->write_shut || tcp->state == SOCK_DEAD)
		return -UK_EPIPE;
	if (tcp->state == SOCK_CONNECTING)
		return -UK_EAGAIN;
	return tcp->state == SOCK_CONNECTED && tcp->pcb != NULL ? 0 : -UK_ENOTCONN;
}

/* One buffer's worth of the message; bytes, or negative errno. */
static int64_t send_chunk(struct tcp_sock *tcp, struct uk_message *message, uint32_t size,
			  bool more)
{
	struct sent_chunk *chunk = uk_alloc(sizeof(*chunk) + size);
	int64_t got;
	err_t error;

	if (chunk == NULL)
		return -UK_ENOMEM;
	got = uk_iter_get(message->data, chunk->data, size);
	if (got <= 0) {
		uk_free(chunk);
		return got;
	}
	chunk->size = (uint32_t)got;
	error = tcp_write(tcp->pcb, chunk->data, (u16_t)got, more ? TCP_WRITE_FLAG_MORE : 0);
	if (error != ERR_OK) {
		uk_free(chunk);
		return error == ERR_MEM ? -UK_EAGAIN : uk_lwip_errno(error);
	}
	uk_list_push_back(&tcp->sent, &chunk->item);
	return got;
}

static int64_t op_send(struct uk_socket *sock, struct uk_message *message)
{
	struct tcp_sock *tcp = tcp_of(sock);
	int64_t done = 0, status = send_state(tcp);

	if (status != 0)
		return status;
	while (message->data->left != 0) {
		uint64_t room = tcp_sndbuf(tcp->pcb);
		uint64_t limit = message->data->left > SMALL_CHUNK
					 ? CHUNK - sizeof(struct sent_chunk)
					 : SMALL_CHUNK;
		uint32_t size = (uint32_t)UK_MIN(UK_MIN(message->data->left, room), limit);

		/* Little room is left to gather: waking the program for every segment costs more.
		 */
		if (size == 0 || tcp_sndqueuelen(tcp->pcb) > TCP_SND_QUEUELEN - 64)
			break;
		status = send_chunk(tcp, message, size,
				    message->data->left > size ||
					    (message->flags & UK_MSG_MORE) != 0);
		if (status <= 0)
			break;
		done += status;
	}
	if (done != 0) {
		tcp_output(tcp->pcb);
		return done;
	}
	return status < 0 ? status : -UK_EAGAIN;
}

static void take_received(struct tcp_sock *tcp, uint64_t size)
{
	uint64_t left = size;

	while (left != 0) {
		struct pbuf *p = tcp->first;
		uint64_t here = UK_MIN(left, (uint64_t)p->len - tcp->first_used);

		tcp->first_used = (uint16_t)(tcp->first_used + here);
		left -= here;
		if (tcp->first_used == p->len) {
			tcp->first = p->next;
			if (tcp->first == NULL)
				tcp->last = NULL;
			p->next = NULL;
			pbuf_free(p);
			tcp->first_used = 0;
		}
	}
	tcp->received -= size;
	while (size != 0 && tcp->pcb != NULL) {
		u16_t step = (u16_t)UK_MIN(size, 0xffffu);

		tcp_recved(tcp->pcb, step);
		size -= step;
	}
}

static int64_t op_receive(struct uk_socket *sock, struct uk_message *message)
{
	struct tcp_sock *tcp = tcp_of(sock);
	uint16_t used = tcp->first_used;
	int64_t done = 0, status = 0;

	if (message->flags & UK_MSG_OOB)
		return -UK_EINVAL;
	if (tcp->state == SOCK_NEW)
		return -UK_ENOTCONN;
	for (struct pbuf *p = tcp->first; p != NULL && message->data->left != 0; p = p->next) {
		uint64_t here = UK_MIN((uint64_t)p->len - used, message->data->left);

		status = (message->flags & UK_MSG_TRUNC)
				 ? (int64_t)here
				 : uk_iter_put(message->data, (uint8_t *)p->payload + used, here);
		if (status <= 0)
			break;
		if (message->flags & UK_MSG_TRUNC)
			message->data->left -= here;
		done += status;
		used = 0;
	}
	if (done != 0) {
		if ((message->flags & UK_MSG_PEEK) == 0)
			take_received(tcp, (uint64_t)done);
		return done;
	}
	if (status < 0)
		return status;
	if (message->data->left == 0)
		return 0;
	if (sock->error != 0) {
		status = sock->error;
		sock->error = 0;
		return status;
	}
	return tcp->eof || tcp->read_shut ? 0 : -UK_EAGAIN;
}

static int op_shutdown(struct uk_socket *sock, int how)
{
	struct tcp_sock *tcp = tcp_of(sock);
	int status = 0;

	if (sock->listening || tcp->state != SOCK_CONNECTED)
		return -UK_ENOTCONN;
	if (how != UK_SHUT_WR)
		tcp->read_shut = true;
	if (how != UK_SHUT_RD && !tcp->write_shut && tcp->pcb != NULL) {
		status = uk_lwip_errno(tcp_shutdown(tcp->pcb, 0, 1));
		tcp->write_shut = status == 0;
	}
	uk_socket_wake(sock);
	return status;
}

static int op_set_option(struct uk_socket *sock, int level, int option, int value)
{
	struct tcp_sock *tcp = tcp_of(sock);
	bool pcb = tcp->pcb != NULL && !sock->listening;

	if (level == UK_SOL_SOCKET) {
		if (option == UK_SO_KEEPALIVE && pcb && value)
			ip_set_option(tcp->pcb, SOF_KEEPALIVE);
		else if (option == UK_SO_KEEPALIVE && pcb)
			ip_reset_option(tcp->pcb, SOF_KEEPALIVE);
		return 0;
	}
	if (level == UK_IPPROTO_IPV6 && option == UK_IPV6_V6ONLY && sock->family == UK_AF_INET6) {
		if (sock->bound)
			return -UK_EINVAL;
		tcp->v6only = value != 0;
		return 0;
	}
	if (level == UK_IPPROTO_IP || level == UK_IPPROTO_IPV6) {
		if (pcb && (option == UK_IP_TTL || option == UK_IPV6_UNICAST_HOPS) && value > 0 &&
		    value < 256)
			tcp->pcb->ttl = (u8_t)value;
		else if (pcb && (option == UK_IP_TOS || option == UK_IPV6_TCLASS))
			tcp->pcb->tos = (u8_t)value;
		return 0;
	}
	if (level != UK_IPPROTO_TCP)
		return -UK_ENOPROTOOPT;
	switch (option) {
	case UK_TCP_NODELAY:
		if (pcb && value)
			tcp_nagle_disable(tcp->pcb);
		else if (pcb)
			tcp_nagle_enable(tcp->pcb);
		return 0;
	case UK_TCP_KEEPIDLE:
		if (value < 1 || value > 32767)
			return -UK_EINVAL;
		if (pcb)
			tcp->pcb->keep_idle = (u32_t)value * 1000;
		return 0;
	case UK_TCP_KEEPINTVL:
		if (value < 1 || value > 32767)
			return -UK_EINVAL;
		if (pcb)
			tcp->pcb->keep_intvl = (u32_t)value * 1000;
		return 0;
	case UK_TCP_KEEPCNT:
		if (value < 1 || value > 127)
			return -UK_EINVAL;
		if (pcb)
			tcp->pcb->keep_cnt = (u32_t)value;
		return 0;
	case UK_TCP_CORK:
		/* Uncorking sends what was held back; holding back is Nagle's work here. */
		if (pcb && !value)
			tcp_output(tcp->pcb);
		return 0;
	case UK_TCP_QUICKACK:
	case UK_TCP_DEFER_ACCEPT:
	case UK_TCP_USER_TIMEOUT:
	case UK_TCP_LINGER2:
	case UK_TCP_MAXSEG:
		return 0;
	default:
		return -UK_ENOPROTOOPT;
	}
}

static int op_get_option(struct uk_socket *sock, int level, int option, int *value)
{
	struct tcp_sock *tcp = tcp_of(sock);
	bool pcb = tcp->pcb != NULL && !sock->listening;

	if (level == UK_IPPROTO_TCP && option == UK_TCP_NODELAY)
		*value = pcb && tcp_nagle_disabled(tcp->pcb);
	else if (level == UK_IPPROTO_TCP && option == UK_TCP_MAXSEG)
		*value = pcb ? tcp_mss(tcp->pcb) : TCP_MSS;
	else if (level == UK_IPPROTO_TCP && option == UK_TCP_KEEPIDLE)
		*value = pcb ? (int)(tcp->pcb->keep_idle / 1000) : 7200;
	else if (level == UK_IPPROTO_TCP && option == UK_TCP_KEEPINTVL)
		*value = pcb ? (int)(tcp->pcb->keep_intvl / 1000) : 75;
	else if (level == UK_IPPROTO_TCP && option == UK_TCP_KEEPCNT)
		*value = pcb ? (int)tcp->pcb->keep_cnt : 9;
	else if (level == UK_IPPROTO_IPV6 && option == UK_IPV6_V6ONLY)
		*value = tcp->v6only;
	else if (level == UK_IPPROTO_IP && option == UK_IP_TTL)
		*value = pcb ? tcp->pcb->ttl : TCP_TTL;
	else if (level == UK_IPPROTO_IP && option == UK_IP_TOS)
		*value = pcb ? tcp->pcb->tos : 0;
	else
		return -UK_ENOPROTOOPT;
	return 0;
}

static unsigned op_poll(struct uk_socket *sock)
{
	struct tcp_sock *tcp = tcp_of(sock);
	unsigned events = 0;

	if (sock->listening)
		return uk_list_empty(&tcp->accept_queue) ? 0 : UK_POLLIN | UK_POLLRDNORM;
	if (tcp->state == SOCK_NEW)
		return UK_POLLOUT | UK_POLLHUP;
	if (tcp->received != 0 || tcp->eof || tcp->read_shut)
		events |= UK_POLLIN | UK_POLLRDNORM;
	if (tcp->eof || tcp->read_shut)
		events |= UK_POLLRDHUP;
	if (sock->error != 0)
		events |= UK_POLLERR;
	if (tcp->state == SOCK_DEAD || (tcp->eof && tcp->write_shut))
		events |= UK_POLLHUP;
	if (tcp->state == SOCK_DEAD || tcp->write_shut ||
	    (tcp->state == SOCK_CONNECTED && tcp->pcb != NULL &&
	     tcp_sndbuf(tcp->pcb) >= TCP_SNDLOWAT &&
	     tcp_sndqueuelen(tcp->pcb) < TCP_SND_QUEUELEN / 2))
		events |= UK_POLLOUT | UK_POLLWRNORM;
	return events;
}

static int64_t op_readable(struct uk_socket *sock)
{
	return (int64_t)tcp_of(sock)->received;
}

static void release_listener(struct tcp_sock *tcp)
{
	struct tcp_pcb *pcb = tcp->pcb;

	while (!uk_list_empty(&tcp->accept_queue)) {
		struct tcp_sock *child =
			uk_list_first(&tcp->accept_queue, struct tcp_sock, accept_item);
		struct tcp_pcb *child_pcb = child->pcb;

		accept_forget(child);
		tcp_backlog_accepted(child_pcb);
		detach(child);
		tcp_abort(child_pcb);
		tcp_destroy(child);
	}
	detach(tcp);
	(void)tcp_close(pcb);
	tcp_destroy(tcp);
}

static void op_release(struct uk_socket *sock)
{
	struct tcp_sock *tcp = tcp_of(sock);
	struct tcp_pcb *pcb = tcp->pcb;
	bool abort = (sock->linger && sock->linger_seconds == 0) || tcp->received != 0;

	tcp->closed = true;
	if (pcb == NULL) {
		tcp_destroy(tcp);
		return;
	}
	if (sock->listening) {
		release_listener(tcp);
		return;
	}
	drop_received(tcp);
	if (abort && tcp->state != SOCK_NEW) {
		detach(tcp);
		tcp_abort(pcb);
		tcp_destroy(tcp);
		return;
	}
	if (uk_list_empty(&tcp->sent)) {
		detach(tcp);
		if (tcp_close(pcb) != ERR_OK)
			tcp_abort(pcb);
		tcp_destroy(tcp);
		return;
	}
	/* What was sent must arrive: on_sent or on_error frees it. */
	if (tcp_close(pcb) != ERR_OK) {
		detach(tcp);
		tcp_abort(pcb);
		tcp_destroy(tcp);
	}
}

static const struct uk_socket_ops tcp_ops = {
	.bind = op_bind,
	.connect = op_connect,
	.listen = op_listen,
	.accept = op_accept,
	.name = op_name,
	.send = op_send,
	.receive = op_receive,
	.shutdown = op_shutdown,
	.set_option = op_set_option,
	.get_option = op_get_option,
	.poll = op_poll,
	.readable = op_readable,
	.release = op_release,
};

int uk_tcp_new(int family, struct uk_socket **sock)
{
	struct tcp_sock *tcp = sock_alloc(family);

	if (tcp == NULL)
		return -UK_ENOMEM;
	tcp->pcb = tcp_new_ip_type(family == UK_AF_INET6 ? IPADDR_TYPE_ANY : IPADDR_TYPE_V4);
	if (tcp->pcb == NULL) {
		tcp_destroy(tcp);
		return -UK_ENOBUFS;
	}
	set_callbacks(tcp);
	*sock = &tcp->base;
	return 0;
}
