/*
 * UDP sockets upon lwIP's raw interface. Datagrams wait in the buffers that they came in, up to the
 * receive buffer's size; what comes beyond is dropped, as everywhere.
 */
#include <uk/mem.h>
#include <uk/vfs.h>

#include "stack.h"

#include "lwip/udp.h"

#define DATAGRAM_MAX 65507

struct datagram {
	struct uk_list item;
	struct pbuf *p;
	ip_addr_t from;
	uint16_t port;
};

struct udp_sock {
	struct uk_socket base;
	struct udp_pcb *pcb;
	struct uk_list queue;
	uint64_t queued; /* bytes */
	bool connected;
	bool v6only;
	bool read_shut, write_shut;
};

static const struct uk_socket_ops udp_ops;

static struct udp_sock *udp_of(struct uk_socket *sock)
{
	return uk_container(sock, struct udp_sock, base);
}

static void on_received(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
			u16_t port)
{
	struct udp_sock *udp = arg;
	struct datagram *datagram = NULL;

	(void)pcb;
	if (!udp->read_shut && udp->queued + p->tot_len <= udp->base.receive_buffer)
		datagram = uk_alloc(sizeof(*datagram));
	if (datagram == NULL) {
		pbuf_free(p);
		return;
	}
	datagram->p = p;
	datagram->from = *from;
	datagram->port = port;
	udp->queued += p->tot_len;
	uk_list_push_back(&udp->queue, &datagram->item);
	uk_socket_wake(&udp->base);
}

static void drop_first(struct udp_sock *udp)
{
	struct datagram *datagram = uk_list_first(&udp->queue, struct datagram, item);

	uk_list_remove(&datagram->item);
	udp->queued -= datagram->p->tot_len;
	pbuf_free(datagram->p);
	uk_free(datagram);
}

static int op_bind(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct udp_sock *udp = udp_of(sock);
	ip_addr_t address;
	uint16_t port;
	int status = uk_lwip_address(sock, name, size, &address, &port);

	if (status != 0)
		return status;
	if (sock->bound)
		return -UK_EINVAL;
	if (IP_IS_V6(&address) && ip6_addr_isany(ip_2_ip6(&address)) && !udp->v6only)
		IP_SET_TYPE(&address, IPADDR_TYPE_ANY);
	if (sock->reuse_address)
		ip_set_option(udp->pcb, SOF_REUSEADDR);
	status = uk_lwip_errno(udp_bind(udp->pcb, &address, port));
	sock->bound = status == 0;
	return status;
}

static int op_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct udp_sock *udp = udp_of(sock);
	ip_addr_t address;
	uint16_t port;
	int status;

	if (size >= sizeof(name->family) && name->family == UK_AF_UNSPEC) {
		udp_disconnect(udp->pcb);
		udp->connected = false;
		return 0;
	}
	status = uk_lwip_address(sock, name, size, &address, &port);
	if (status != 0)
		return status;
	if (ip_addr_isany(&address))
		ip_addr_set_loopback(IP_IS_V6(&address), &address);
	if (!uk_net_reachable(&address))
		return -UK_ENETUNREACH;
	status = uk_lwip_errno(udp_connect(udp->pcb, &address, port));
	udp->connected = status == 0;
	sock->bound |= udp->connected;
	return status;
}

static int op_name(struct uk_socket *sock, bool peer, struct uk_sockaddr *name, uint32_t *size)
{
	struct udp_sock *udp = udp_of(sock);

	if (peer && !udp->connected)
		return -UK_ENOTCONN;
	if (peer)
		uk_lwip_name(sock, &udp->pcb->remote_ip, udp->pcb->remote_port, name, size);
	else
		uk_lwip_name(sock, &udp->pcb->local_ip, udp->pcb->local_port, name, size);
	return 0;
}

static int64_t op_send(struct uk_socket *sock, struct uk_message *message)
{
	struct udp_sock *udp = udp_of(sock);
	uint64_t size = message->data->left;
	ip_addr_t address;
	uint16_t port = 0;
	struct pbuf *p;
	int64_t status;

	if (sock->error != 0) {
		status = sock->error;
		sock->error = 0;
		return status;
	}
	if (udp->write_shut)
		return -UK_EPIPE;
	if (size > DATAGRAM_MAX)
		return -UK_EMSGSIZE;
	if (message->name != NULL) {
		status = uk_lwip_address(sock, message->name, message->name_size, &address, &port);
		if (status != 0)
			return status;
		if (ip_addr_isany(&address))
			ip_addr_set_loopback(IP_IS_V6(&address), &address);
		if (!uk_net_reachable(&address))
			return -UK_ENETUNREACH;
		if (IP_IS_V4(&address) && ip4_addr_isbroadcast(ip_2_ip4(&address), netif_default) &&
		    netif_default != NULL && !sock->broadcast)
			return -UK_EACCES;
	} else if (!udp->connected) {
		return -UK_EDESTADDRREQ;
	}
	p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)size, PBUF_RAM);
	if (p == NULL)
		return -UK_ENOBUFS;
	status = size != 0 ? uk_iter_get(message->data, p->payload, size) : 0;
	if (status >= 0) {
		err_t error = message->name != NULL ? udp_sendto(udp->pcb, p, &address, port)
						    : udp_send(udp->pcb, p);

		status = error == ERR_OK ? (int64_t)size : uk_lwip_errno(error);
		sock->bound |= error == ERR_OK;
	}
	pbuf_free(p);
	return status;
}

static int64_t op_receive(struct uk_socket *sock, struct uk_message *message)
{
	struct udp_sock *udp = udp_of(sock);
	struct datagram *datagram = uk_list_first(&udp->queue, struct datagram, item);
	int64_t done = 0, size;

	if (datagram == NULL) {
		if (sock->error != 0) {
			done = sock->error;
			sock->error = 0;
			return done;
		}
		return udp->read_shut ? 0 : -UK_EAGAIN;
	}
	size = datagram->p->tot_len;
	for (struct pbuf *p = datagram->p; p != NULL && message->data->left != 0; p = p->next) {
		int64_t got = uk_iter_put(message->data, p->payload,
					  UK_MIN((uint64_t)p->len, message->data->left));

		if (got < 0)
			return got;
		done += got;
	}
	if (message->name != NULL)
		uk_lwip_name(sock, &datagram->from, datagram->port, message->name,
			     &message->name_size);
	if (done < size)
		message->out_flags |= UK_MSG_TRUNC;
	if ((message->flags & UK_MSG_PEEK) == 0)
		drop_first(udp);
	return (message->flags & UK_MSG_TRUNC) ? size : done;
}

static int op_shutdown(struct uk_socket *sock, int how)
{
	struct udp_sock *udp = udp_of(sock);

	if (!udp->connected)
		return -UK_ENOTCONN;
	udp->read_shut |= how != UK_SHUT_WR;
	udp->write_shut |= how != UK_SHUT_RD;
	uk_socket_wake(sock);
	return 0;
}

static int op_set_option(struct uk_socket *sock, int level, int option, int value)
{
	struct udp_sock *udp = udp_of(sock);

	if (level == UK_SOL_SOCKET) {
		if (option == UK_SO_BROADCAST && value)
			ip_set_option(udp->pcb, SOF_BROADCAST);
		else if (option == UK_SO_BROADCAST)
			ip_reset_option(udp->pcb, SOF_BROADCAST);
		return 0;
	}
	if (level == UK_IPPROTO_IPV6 && option == UK_IPV6_V6ONLY) {
		if (sock->bound || sock->family != UK_AF_INET6)
			return -UK_EINVAL;
		udp->v6only = value != 0;
		return 0;
	}
	if (level != UK_IPPROTO_IP && level != UK_IPPROTO_IPV6)
		return -UK_ENOPROTOOPT;
	if ((option == UK_IP_TTL || option == UK_IPV6_UNICAST_HOPS) && value > 0 && value < 256)
		udp->pcb->ttl = (u8_t)value;
	else if (option == UK_IP_TOS || option == UK_IPV6_TCLASS)
		udp->pcb->tos = (u8_t)value;
	else if (option == UK_IP_PKTINFO || option == UK_IPV6_RECVPKTINFO)
		return -UK_ENOPROTOOPT;
	return 0;
}

static int op_get_option(struct uk_socket *sock, int level, int option, int *value)
{
	struct udp_sock *udp = udp_of(sock);

	if (level == UK_IPPROTO_IPV6 && option == UK_IPV6_V6ONLY)
		*value = udp->v6only;
	else if (level == UK_IPPROTO_IP && option == UK_IP_TTL)
		*value = udp->pcb->ttl;
	else if (level == UK_IPPROTO_IP && option == UK_IP_TOS)
		*value = udp->pcb->tos;
	else
		return -UK_ENOPROTOOPT;
	return 0;
}

static unsigned op_poll(struct uk_socket *sock)
{
	struct udp_sock *udp = udp_of(sock);

	return UK_POLLOUT | UK_POLLWRNORM | (sock->error != 0 ? UK_POLLERR : 0u) |
	       (!uk_list_empty(&udp->queue) || udp->read_shut ? UK_POLLIN | UK_POLLRDNORM : 0u);
}

static int64_t op_readable(struct uk_socket *sock)
{
	struct datagram *datagram = uk_list_first(&udp_of(sock)->queue, struct datagram, item);

	return datagram != NULL ? datagram->p->tot_len : 0;
}

static void op_release(struct uk_socket *sock)
{
	struct udp_sock *udp = udp_of(sock);

	udp_remove(udp->pcb);
	while (!uk_list_empty(&udp->queue))
		drop_first(udp);
	uk_free(udp);
}

static const struct uk_socket_ops udp_ops = {
	.bind = op_bind,
	.connect = op_connect,
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

int uk_udp_new(int family, struct uk_socket **sock)
{
	struct udp_sock *udp = uk_alloc(sizeof(*udp));

	if (udp == NULL)
		return -UK_ENOMEM;
	uk_socket_init(&udp->base, &udp_ops, family, UK_SOCK_DGRAM, UK_IPPROTO_UDP);
	uk_list_init(&udp->queue);
	udp->pcb = udp_new_ip_type(family == UK_AF_INET6 ? IPADDR_TYPE_ANY : IPADDR_TYPE_V4);
	if (udp->pcb == NULL) {
		uk_free(udp);
		return -UK_ENOBUFS;
	}
	udp_recv(udp->pcb, on_received, udp);
	*sock = &udp->base;
	return 0;
}
