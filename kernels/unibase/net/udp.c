/*
 * UDP sockets upon lwIP's raw interface. Datagrams wait in the buffers that they came in, up to the
 * receive buffer's size; what comes beyond is dropped, as everywhere.
 */
#include <uk/mem.h>
#include <uk/vfs.h>

#include "interfaces.h"
#include "multicast.h"

#include "lwip/udp.h"

#define DATAGRAM_MAX 65507
#define DATAGRAM_MAX6 65487 /* lwIP counts the header of IPv6 in its 16 bits */
#define HEADROOM_MAX 80

struct datagram {
	struct uk_list item;
	struct pbuf *p;
	ip_addr_t from, to;
	uint16_t port;
	uint8_t interface;
	uint8_t hops, class;
};

struct udp_sock {
	struct uk_socket base;
	struct udp_pcb *pcb;
	struct multicast multicast;
	struct uk_list queue;
	uint64_t queued; /* bytes */
	bool connected;
	bool named; /* bound by the program, not by sending or connecting */
	bool read_shut, write_shut;
};

static const struct uk_socket_ops udp_ops;

static struct udp_sock *udp_of(struct uk_socket *sock)
{
	return uk_container(sock, struct udp_sock, base);
}

static void on_received(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
			u16_t port);

/* The nth socket that shares the port with this one, from 0; NULL behind the last. */
static struct udp_sock *nth_beside(const struct udp_sock *udp, unsigned n)
{
	for (struct udp_pcb *pcb = udp_pcbs; pcb != NULL; pcb = pcb->next) {
		struct udp_sock *other = pcb->recv_arg;

		if (pcb->recv == on_received && pcb->local_port == udp->pcb->local_port &&
		    ip_addr_cmp(&pcb->local_ip, &udp->pcb->local_ip) && !other->connected &&
		    reuse_shares(&udp->base, &other->base) && n-- == 0)
			return other;
	}
	return NULL;
}

/* Among sockets that share a port each peer has its own (SO_REUSEPORT). */
static struct udp_sock *share_of(struct udp_sock *udp, const ip_addr_t *from, uint16_t port)
{
	uint64_t words[3] = { port };
	unsigned count = 0;

	if (!udp->base.option[UK_OPT_REUSE_PORT] || udp->connected ||
	    ip_addr_ismulticast(ip_current_dest_addr()) ||
	    ip_addr_isbroadcast(ip_current_dest_addr(), ip_current_input_netif()))
		return udp;
	while (nth_beside(udp, count) != NULL)
		count++;
	if (count < 2)
		return udp;
	memcpy(words + 1, from, UK_MIN(sizeof(*from), sizeof(words) - sizeof(words[0])));
	return nth_beside(udp, (unsigned)(uk_net_hash(words, UK_COUNT(words)) % count));
}

/* Whether a datagram to this address is for the socket: it may want only its own groups. */
static bool takes(const struct udp_sock *udp, const ip_addr_t *to)
{
	const int32_t *option = udp->base.option;

	return !ip_addr_ismulticast(to) ||
	       option[IP_IS_V6(to) ? UK_OPT_V6_MULTICAST_ALL : UK_OPT_MULTICAST_ALL] != 0 ||
	       multicast_is_member(&udp->multicast, to, netif_get_index(ip_current_input_netif()));
}

static void on_received(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
			u16_t port)
{
	struct udp_sock *udp = share_of(arg, from, port);
	struct datagram *datagram = NULL;

	(void)pcb;
	if (!udp->read_shut && takes(udp, ip_current_dest_addr()) &&
	    udp->queued + p->tot_len <= udp->base.receive_buffer)
		datagram = uk_alloc(sizeof(*datagram));
	if (datagram == NULL) {
		pbuf_free(p);
		return;
	}
	datagram->p = p;
	datagram->from = *from;
	datagram->to = *ip_current_dest_addr();
	datagram->port = port;
	datagram->interface = netif_get_index(ip_current_input_netif());
	if (ip_current_is_v6()) {
		datagram->hops = IP6H_HOPLIM(ip6_current_header());
		datagram->class = (uint8_t)IP6H_TC(ip6_current_header());
	} else {
		datagram->hops = IPH_TTL(ip4_current_header());
		datagram->class = IPH_TOS(ip4_current_header());
	}
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
	if (!sock->option[UK_OPT_FREE_BIND] && !uk_net_is_own(&address) &&
	    !ip_addr_ismulticast(&address))
		return -UK_EADDRNOTAVAIL;
	if (IP_IS_V6(&address) && ip6_addr_isany(ip_2_ip6(&address)) &&
	    !sock->option[UK_OPT_V6_ONLY])
		IP_SET_TYPE(&address, IPADDR_TYPE_ANY);
	status = uk_lwip_errno(udp_bind(udp->pcb, &address, port));
	sock->bound = udp->named = status == 0;
	return status;
}

static void disconnect(struct udp_sock *udp)
{
	udp_disconnect(udp->pcb);
	if (!udp->named)
		ip_addr_set_any(udp->base.family == UK_AF_INET6, &udp->pcb->local_ip);
	udp->connected = false;
}

static int op_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct udp_sock *udp = udp_of(sock);
	ip_addr_t address;
	uint16_t port;
	int status;

	if (size >= sizeof(name->family) && name->family == UK_AF_UNSPEC) {
		disconnect(udp);
		return 0;
	}
	status = uk_lwip_address(sock, name, size, &address, &port);
	if (status != 0)
		return status;
	if (ip_addr_isany(&address))
		ip_addr_set_loopback(IP_IS_V6(&address), &address);
	if (!uk_net_reachable(&address))
		return -UK_ENETUNREACH;
	if (udp->connected)
		disconnect(udp);
	status = uk_lwip_errno(udp_connect(udp->pcb, &address, port));
	if (status != 0)
		return status;
	if (ip_addr_isany(&udp->pcb->local_ip))
		uk_net_source(&address, &udp->pcb->local_ip);
	udp->connected = sock->bound = true;
	return 0;
}

void uk_udp_refused(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
		    uint16_t remote_port)
{
	for (struct udp_pcb *pcb = udp_pcbs; pcb != NULL; pcb = pcb->next) {
		struct udp_sock *udp = pcb->recv_arg;

		if (pcb->recv != on_received || (pcb->flags & UDP_FLAGS_CONNECTED) == 0 ||
		    pcb->local_port != local_port || pcb->remote_port != remote_port ||
		    !ip_addr_cmp(&pcb->remote_ip, remote) || !ip_addr_cmp(&pcb->local_ip, local))
			continue;
		udp->base.error = -UK_ECONNREFUSED;
		uk_socket_wake(&udp->base);
	}
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

static int destination(struct uk_socket *sock, const struct uk_message *message, ip_addr_t *address,
		       uint16_t *port)
{
	struct udp_sock *udp = udp_of(sock);
	int status;

	if (message->name == NULL) {
		if (!udp->connected)
			return -UK_EDESTADDRREQ;
		*address = udp->pcb->remote_ip;
		*port = udp->pcb->remote_port;
		return 0;
	}
	status = uk_lwip_address(sock, message->name, message->name_size, address, port);
	if (status == -UK_EAFNOSUPPORT && sock->family == UK_AF_INET6)
		return -UK_EINVAL;
	if (status != 0)
		return status;
	if (ip_addr_isany(address))
		ip_addr_set_loopback(IP_IS_V6(address), address);
	if (IP_IS_V4(address) && !sock->option[UK_OPT_BROADCAST] &&
	    (ip_2_ip4(address)->addr == IPADDR_BROADCAST ||
	     (netif_default != NULL && ip4_addr_isbroadcast(ip_2_ip4(address), netif_default))))
		return -UK_EACCES;
	return ip_addr_ismulticast(address) || uk_net_reachable(address) ? 0 : -UK_ENETUNREACH;
}

/* The interface for a datagram to a group, and how it goes. What loopback sends comes back anyway.
 */
static struct netif *to_group(struct udp_sock *udp, ip_addr_t *group,
			      const struct uk_message *message)
{
	const int32_t *option = udp->base.option;
	uint32_t wanted = message->info.family != 0 ? message->info.interface : 0;
	struct netif *netif = multicast_way(&udp->multicast, group, wanted);
	bool six = IP_IS_V6(group);

	if (netif == NULL)
		return NULL;
	udp_set_multicast_ttl(udp->pcb,
			      (u8_t)option[six ? UK_OPT_V6_MULTICAST_HOPS : UK_OPT_MULTICAST_TTL]);
	if (option[six ? UK_OPT_V6_MULTICAST_LOOP : UK_OPT_MULTICAST_LOOP] != 0 &&
	    !interface_is_loopback(netif))
		udp_set_flags(udp->pcb, UDP_FLAGS_MULTICAST_LOOP);
	else
		udp_clear_flags(udp->pcb, UDP_FLAGS_MULTICAST_LOOP);
	return netif;
}

/* A datagram that will be cut up is summed here: the device sees only its pieces. */
static err_t send_out(struct udp_sock *udp, struct pbuf *p, ip_addr_t *address, uint16_t port,
		      const struct uk_message *message)
{
	struct netif *netif = ip_addr_ismulticast(address) ? to_group(udp, address, message)
							   : ip_route(&udp->pcb->local_ip, address);
	ip_addr_t source;
	bool pieces;
	err_t error;

	if (netif == NULL)
		return ERR_RTE;
	pieces = netif->mtu != 0 && p->tot_len + HEADROOM_MAX > netif->mtu;
	if (pieces)
		NETIF_SET_CHECKSUM_CTRL(netif,
					(u16_t)(netif->chksum_flags | NETIF_CHECKSUM_GEN_UDP));
	if (message->info.family != 0 && uk_net_info_source(&message->info, &source))
		error = udp_sendto_if_src(udp->pcb, p, address, port, netif, &source);
	else
		error = udp_sendto_if(udp->pcb, p, address, port, netif);
	if (pieces)
		uk_net_device_sums(netif);
	return error;
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
	status = destination(sock, message, &address, &port);
	if (status != 0)
		return status;
	if (size > (IP_IS_V6(&address) ? DATAGRAM_MAX6 : DATAGRAM_MAX))
		return -UK_EMSGSIZE;
	/* The largest leave no room for headers before them in lwIP's 16 bits: those get a buffer
	 * of their own. */
	p = pbuf_alloc(size > UINT16_MAX - HEADROOM_MAX ? PBUF_RAW : PBUF_TRANSPORT, (u16_t)size,
		       PBUF_RAM);
	if (p == NULL)
		return -UK_ENOBUFS;
	status = size != 0 ? uk_iter_get(message->data, p->payload, size) : 0;
	if (status >= 0) {
		err_t error = send_out(udp, p, &address, port, message);

		status = error == ERR_OK ? (int64_t)size : uk_lwip_errno(error);
		sock->bound |= error == ERR_OK;
	}
	pbuf_free(p);
	return status;
}

static void tell_info(const struct uk_socket *sock, const struct datagram *datagram,
		      struct uk_packet_info *info)
{
	bool six = sock->family == UK_AF_INET6 && !IP_IS_V4_VAL(datagram->to);

	info->six = six;
	info->says_hops = sock->option[six ? UK_OPT_V6_RECEIVE_HOPS : UK_OPT_RECEIVE_TTL] != 0;
	info->hops = datagram->hops;
	info->says_class = sock->option[six ? UK_OPT_V6_RECEIVE_CLASS : UK_OPT_RECEIVE_TOS] != 0;
	info->class = datagram->class;
	if (!sock->option[six ? UK_OPT_V6_PACKET_INFO : UK_OPT_PACKET_INFO])
		return;
	info->family = six ? UK_AF_INET6 : UK_AF_INET;
	info->interface = datagram->interface;
	if (six)
		memcpy(info->address, ip_2_ip6(&datagram->to)->addr, sizeof(info->address));
	else
		memcpy(info->address, &ip_2_ip4(&datagram->to)->addr, sizeof(uint32_t));
}

static int64_t op_receive(struct uk_socket *sock, struct uk_message *message)
{
	struct udp_sock *udp = udp_of(sock);
	struct datagram *datagram = uk_list_first(&udp->queue, struct datagram, item);
	int64_t done = 0, size;

	if (sock->error != 0) {
		done = sock->error;
		sock->error = 0;
		return done;
	}
	if (datagram == NULL)
		return udp->read_shut ? 0 : -UK_EAGAIN;
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
	tell_info(sock, datagram, &message->info);
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

static int op_option_set(struct uk_socket *sock, enum uk_option option)
{
	struct udp_pcb *pcb = udp_of(sock)->pcb;
	int32_t value = sock->option[option];

	switch ((int)option) {
	case UK_OPT_BROADCAST:
		if (value)
			ip_set_option(pcb, SOF_BROADCAST);
		else
			ip_reset_option(pcb, SOF_BROADCAST);
		break;
	case UK_OPT_REUSE_ADDRESS:
	case UK_OPT_REUSE_PORT:
		reuse_apply(sock, (struct ip_pcb *)pcb);
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
	return 0;
}

static int op_option_given(struct uk_socket *sock, int level, int name, const void *value,
			   size_t size)
{
	return multicast_set(&udp_of(sock)->multicast, level, name, value, size);
}

static int op_option_made(struct uk_socket *sock, int level, int name, void *value, size_t room)
{
	const struct udp_sock *udp = udp_of(sock);
	int size = multicast_get(&udp->multicast, level, name, value);

	(void)room;
	if (size != -UK_ENOPROTOOPT)
		return size;
	return uk_net_option_mtu(level, name, udp->connected ? &udp->pcb->remote_ip : NULL, value);
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

	multicast_leave_all(&udp->multicast);
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
	.option_set = op_option_set,
	.option_given = op_option_given,
	.option_made = op_option_made,
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
