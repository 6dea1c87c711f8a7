/*
 * Route netlink (rtnetlink(7)), as far as it tells: which interfaces, addresses and routes there
 * are. By it the C libraries and Go's find out what getifaddrs() and net.Interfaces() answer.
 * Nothing can be changed by it, and who joins a group is told of no change.
 */
#include <uk/mem.h>
#include <uk/vfs.h>

#include "interfaces.h"

#include "lwip/ip.h"

enum {
	NETLINK_ROUTE = 0,
	MESSAGE_ERROR = 2,
	MESSAGE_DONE = 3,
	NEW_LINK = 16,
	GET_LINK = 18,
	NEW_ADDRESS = 20,
	GET_ADDRESS = 22,
	NEW_ROUTE = 24,
	GET_ROUTE = 26,
	GET_NEIGHBOUR = 30,
	GET_RULE = 34,
	FLAG_REQUEST = 1,
	FLAG_MULTI = 2,
	FLAG_ACK = 4,
	FLAG_DUMP = 0x300,
};
enum {
	LINK_ADDRESS = 1,
	LINK_BROADCAST = 2,
	LINK_NAME = 3,
	LINK_MTU = 4,
	LINK_QUEUE = 13,
	LINK_STATE = 16,
	STATE_DOWN = 2,
	STATE_UP = 6,
	STATE_UNKNOWN = 0,
	ADDRESS_ADDRESS = 1,
	ADDRESS_LOCAL = 2,
	ADDRESS_LABEL = 3,
	ADDRESS_BROADCAST = 4,
	ADDRESS_PERMANENT = 0x80,
	SCOPE_UNIVERSE = 0,
	SCOPE_LINK = 253,
	SCOPE_HOST = 254,
	ROUTE_DESTINATION = 1,
	ROUTE_INTERFACE = 4,
	ROUTE_GATEWAY = 5,
	ROUTE_SOURCE = 7,
	TABLE_MAIN = 254,
	BY_KERNEL = 2,
	BY_BOOT = 3,
	UNICAST = 1,
	PREFIX6 = 64,
};
#define REQUEST_MAX 1024u
#define ANSWER_ROOM 3584u  /* of one datagram: readers bring 4 KiB */
#define MESSAGE_ROOM 256u  /* what one message may take */
#define ANSWERS_MAX 64u	   /* that wait for a reader */
#define QUEUE_LENGTH 1000u /* what interfaces say */

struct header {
	uint32_t size;
	uint16_t type;
	uint16_t flags;
	uint32_t sequence;
	uint32_t port;
};
struct link {
	uint8_t family, pad;
	uint16_t type;
	int32_t number;
	uint32_t flags, change;
};
struct address {
	uint8_t family, prefix, flags, scope;
	uint32_t number;
};
struct route {
	uint8_t family, destination, source, service;
	uint8_t table, protocol, scope, type;
	uint32_t flags;
};
_Static_assert(sizeof(struct header) == 16 && sizeof(struct link) == 16, "Linux ABI");
_Static_assert(sizeof(struct address) == 8 && sizeof(struct route) == 12, "Linux ABI");

struct answer {
	struct uk_list item;
	uint32_t size;
	uint8_t data[ANSWER_ROOM];
};

struct netlink {
	struct uk_socket base;
	struct uk_list answers;
	unsigned waiting;
	uint32_t port, groups;
};

/* A message under way, and to whom it answers. */
struct writer {
	struct netlink *to;
	const struct header *request;
	struct answer *answer;
	uint32_t start; /* of the message in the answer */
	bool failed;	/* there was no room */
};

static struct netlink *netlink_of(struct uk_socket *sock)
{
	return uk_container(sock, struct netlink, base);
}

/* --- writing messages --- */

static uint32_t padded(uint32_t size)
{
	return (size + 3) & ~3u;
}

static void put(struct writer *w, const void *data, uint32_t size)
{
	if (w->failed || padded(size) > ANSWER_ROOM - w->answer->size) {
		w->failed = true;
		return;
	}
	memcpy(w->answer->data + w->answer->size, data, size);
	w->answer->size += padded(size);
}

static void put_attribute(struct writer *w, uint16_t type, const void *data, uint32_t size)
{
	const uint16_t head[2] = { (uint16_t)(sizeof(head) + size), type };

	put(w, head, sizeof(head));
	put(w, data, size);
}

static void put_word(struct writer *w, uint16_t type, uint32_t value)
{
	put_attribute(w, type, &value, sizeof(value));
}

/* Begins a message, in another datagram where this one might not hold it. */
static void begin(struct writer *w, uint16_t type, const void *body, uint32_t size)
{
	const bool dump = (w->request->flags & FLAG_DUMP) != 0 && type != MESSAGE_ERROR;
	struct header header = { 0, type, dump ? FLAG_MULTI : 0, w->request->sequence,
				 w->to->port };

	/* What acknowledges comes by itself: readers ask for it by another recv(). */
	if (w->answer == NULL || type == MESSAGE_ERROR ||
	    ANSWER_ROOM - w->answer->size < MESSAGE_ROOM) {
		w->answer = w->to->waiting < ANSWERS_MAX ? uk_alloc(sizeof(*w->answer)) : NULL;
		if (w->answer == NULL) {
			w->failed = true;
			return;
		}
		w->to->waiting++;
		uk_list_push_back(&w->to->answers, &w->answer->item);
	}
	w->start = w->answer->size;
	put(w, &header, sizeof(header));
	put(w, body, size);
}

static void end(struct writer *w)
{
	uint32_t size;

	if (w->failed)
		return;
	size = w->answer->size - w->start;
	memcpy(w->answer->data + w->start, &size, sizeof(size));
}

/* --- what there is --- */

static void tell_link(struct writer *w, const struct netif *netif)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t none[6];
	const bool loopback = interface_is_loopback(netif);
	const uint32_t flags = interface_flags(netif);
	const struct link link = { .type = loopback ? UK_ARPHRD_LOOPBACK : UK_ARPHRD_ETHER,
				   .number = netif_get_index(netif),
				   .flags = flags };
	uint8_t state = (flags & UK_IFF_RUNNING) != 0 ? STATE_UP : STATE_DOWN;
	char name[UK_IFNAME];

	if (loopback)
		state = STATE_UNKNOWN;
	interface_name(netif, name);
	begin(w, NEW_LINK, &link, sizeof(link));
	put_attribute(w, LINK_NAME, name, (uint32_t)strlen(name) + 1);
	put_word(w, LINK_QUEUE, QUEUE_LENGTH);
	put_attribute(w, LINK_STATE, &state, sizeof(state));
	put_word(w, LINK_MTU, interface_mtu(netif));
	put_attribute(w, LINK_ADDRESS, loopback ? none : netif->hwaddr, sizeof(none));
	put_attribute(w, LINK_BROADCAST, loopback ? none : all, sizeof(all));
	end(w);
}

static uint8_t prefix_of(uint32_t mask)
{
	return mask != 0 ? (uint8_t)(32 - __builtin_ctz(lwip_ntohl(mask))) : 0;
}

static void tell_address4(struct writer *w, const struct netif *netif)
{
	const uint32_t own = ip4_addr_get_u32(netif_ip4_addr(netif));
	const uint32_t mask = ip4_addr_get_u32(netif_ip4_netmask(netif));
	const bool loopback = interface_is_loopback(netif);
	const struct address address = { UK_AF_INET, prefix_of(mask), ADDRESS_PERMANENT,
					 loopback ? SCOPE_HOST : SCOPE_UNIVERSE,
					 netif_get_index(netif) };
	char name[UK_IFNAME];

	if (own == 0)
		return;
	interface_name(netif, name);
	begin(w, NEW_ADDRESS, &address, sizeof(address));
	put_word(w, ADDRESS_ADDRESS, own);
	put_word(w, ADDRESS_LOCAL, own);
	if (!loopback)
		put_word(w, ADDRESS_BROADCAST, own | ~mask);
	put_attribute(w, ADDRESS_LABEL, name, (uint32_t)strlen(name) + 1);
	end(w);
}

static void tell_addresses6(struct writer *w, const struct netif *netif)
{
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		const ip6_addr_t *own = netif_ip6_addr(netif, i);
		struct address address = { UK_AF_INET6, PREFIX6, ADDRESS_PERMANENT, SCOPE_UNIVERSE,
					   netif_get_index(netif) };

		if (!ip6_addr_isvalid(netif_ip6_addr_state(netif, i)))
			continue;
		if (ip6_addr_islinklocal(own))
			address.scope = SCOPE_LINK;
		if (ip6_addr_isloopback(own)) {
			address.scope = SCOPE_HOST;
			address.prefix = 128;
		}
		begin(w, NEW_ADDRESS, &address, sizeof(address));
		put_attribute(w, ADDRESS_ADDRESS, own->addr, sizeof(own->addr));
		end(w);
	}
}

/* The interface's own network, and what lies behind its gateway. */
static void tell_routes4(struct writer *w, const struct netif *netif)
{
	const uint32_t own = ip4_addr_get_u32(netif_ip4_addr(netif));
	const uint32_t mask = ip4_addr_get_u32(netif_ip4_netmask(netif));
	const uint32_t gateway = ip4_addr_get_u32(netif_ip4_gw(netif));
	struct route route = { .family = UK_AF_INET,
			       .destination = prefix_of(mask),
			       .table = TABLE_MAIN,
			       .protocol = BY_KERNEL,
			       .scope = SCOPE_LINK,
			       .type = UNICAST };

	if (own == 0 || interface_is_loopback(netif))
		return;
	begin(w, NEW_ROUTE, &route, sizeof(route));
	put_word(w, ROUTE_DESTINATION, own & mask);
	put_word(w, ROUTE_SOURCE, own);
	put_word(w, ROUTE_INTERFACE, netif_get_index(netif));
	end(w);
	if (gateway == 0 || netif != netif_default)
		return;
	route.destination = 0;
	route.protocol = BY_BOOT;
	route.scope = SCOPE_UNIVERSE;
	begin(w, NEW_ROUTE, &route, sizeof(route));
	put_word(w, ROUTE_GATEWAY, gateway);
	put_word(w, ROUTE_INTERFACE, netif_get_index(netif));
	end(w);
}

/* What is asked for of every interface; `family`: 0 or only this one. */
static int dump(struct writer *w, uint8_t family)
{
	const int32_t done = 0;
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		switch (w->request->type) {
		case GET_LINK:
			tell_link(w, netif);
			break;
		case GET_ADDRESS:
			if (family != UK_AF_INET6)
				tell_address4(w, netif);
			if (family != UK_AF_INET)
				tell_addresses6(w, netif);
			break;
		case GET_ROUTE:
			if (family != UK_AF_INET6)
				tell_routes4(w, netif);
			break;
		case GET_NEIGHBOUR: /* known to nobody but the stack */
		case GET_RULE:
			break;
		default:
			return -UK_EOPNOTSUPP;
		}
	}
	begin(w, MESSAGE_DONE, &done, sizeof(done));
	end(w);
	return 0;
}

/* One interface, by its number or name. */
static int find_link(struct writer *w, const uint8_t *body, uint32_t size)
{
	struct netif *netif = NULL;
	struct link link;
	uint16_t head[2];

	if (size < sizeof(link))
		return -UK_EINVAL;
	memcpy(&link, body, sizeof(link));
	if (link.number > 0 && link.number <= (int32_t)UINT8_MAX)
		netif = netif_get_by_index((u8_t)link.number);
	for (uint32_t at = sizeof(link); netif == NULL && size - at >= sizeof(head);) {
		memcpy(head, body + at, sizeof(head));
		if (head[0] < sizeof(head) || head[0] > size - at)
			return -UK_EINVAL;
		if (head[1] == LINK_NAME && head[0] == sizeof(head))
			return -UK_ERANGE;
		if (head[1] == LINK_NAME && body[at + head[0] - 1] == '\0')
			netif = interface_named((const char *)body + at + sizeof(head));
		at += UK_MIN(padded(head[0]), size - at);
	}
	if (netif == NULL)
		return -UK_ENODEV;
	tell_link(w, netif);
	return 0;
}

static int answer_one(struct writer *w, const uint8_t *body, uint32_t size)
{
	const uint16_t type = w->request->type;

	/* From each group of four the third asks, the others change something. */
	if (type >= NEW_LINK && (type & 3) != 2)
		return -UK_EPERM;
	if ((w->request->flags & FLAG_DUMP) != 0)
		return dump(w, size != 0 ? body[0] : UK_AF_UNSPEC);
	return type == GET_LINK ? find_link(w, body, size) : -UK_EOPNOTSUPP;
}

static void answer(struct netlink *netlink, const struct header *request, const uint8_t *body)
{
	struct writer w = { .to = netlink, .request = request };
	uint32_t size = request->size - (uint32_t)sizeof(*request);
	int32_t status;

	if ((request->flags & FLAG_REQUEST) == 0 || request->type < NEW_LINK)
		return;
	status = answer_one(&w, body, size);
	if (status != 0 ||
	    ((request->flags & FLAG_ACK) != 0 && (request->flags & FLAG_DUMP) == 0)) {
		begin(&w, MESSAGE_ERROR, &status, sizeof(status));
		put(&w, request, sizeof(*request));
		end(&w);
	}
	if (w.failed)
		netlink->base.error = -UK_ENOBUFS;
}

/* --- as a socket --- */

static int op_bind(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	struct netlink *netlink = netlink_of(sock);

	if (size < sizeof(name->nl) || name->family != UK_AF_NETLINK)
		return -UK_EINVAL;
	if (name->nl.port != 0)
		netlink->port = name->nl.port;
	netlink->groups = name->nl.groups;
	sock->bound = true;
	return 0;
}

static int op_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size)
{
	(void)sock;
	if (size < sizeof(name->nl) || name->family != UK_AF_NETLINK)
		return -UK_EINVAL;
	return name->nl.port == 0 ? 0 : -UK_ECONNREFUSED;
}

static void fill_name(struct uk_sockaddr *name, uint32_t port, uint32_t groups)
{
	memset(name, 0, sizeof(*name));
	name->family = UK_AF_NETLINK;
	name->nl.port = port;
	name->nl.groups = groups;
}

static int op_name(struct uk_socket *sock, bool peer, struct uk_sockaddr *name, uint32_t *size)
{
	const struct netlink *netlink = netlink_of(sock);

	fill_name(name, peer ? 0 : netlink->port, peer ? 0 : netlink->groups);
	*size = sizeof(name->nl);
	return 0;
}

static int64_t op_send(struct uk_socket *sock, struct uk_message *message)
{
	struct netlink *netlink = netlink_of(sock);
	uint64_t size = message->data->left;
	_Alignas(struct header) uint8_t data[REQUEST_MAX];
	int64_t got;

	if (message->name != NULL &&
	    (message->name_size < sizeof(message->name->nl) || message->name->nl.port != 0))
		return -UK_ECONNREFUSED;
	if (size > sizeof(data))
		return -UK_EMSGSIZE;
	got = size != 0 ? uk_iter_get(message->data, data, size) : 0;
	if (got < 0)
		return got;
	for (uint32_t at = 0; size - at >= sizeof(struct header);) {
		struct header header;

		memcpy(&header, data + at, sizeof(header));
		if (header.size < sizeof(header) || header.size > size - at)
			break;
		answer(netlink, &header, data + at + sizeof(header));
		at += UK_MIN(padded(header.size), (uint32_t)size - at);
	}
	uk_socket_wake(sock);
	return (int64_t)size;
}

static void drop_first(struct netlink *netlink)
{
	struct answer *first = uk_list_first(&netlink->answers, struct answer, item);

	uk_list_remove(&first->item);
	netlink->waiting--;
	uk_free(first);
}

static int64_t op_receive(struct uk_socket *sock, struct uk_message *message)
{
	struct netlink *netlink = netlink_of(sock);
	struct answer *first = uk_list_first(&netlink->answers, struct answer, item);
	int64_t done = sock->error;
	uint32_t size;

	sock->error = 0;
	if (done != 0)
		return done;
	if (first == NULL)
		return -UK_EAGAIN;
	size = first->size;
	done = uk_iter_put(message->data, first->data, UK_MIN((uint64_t)size, message->data->left));
	if (done < 0)
		return done;
	if (message->name != NULL) {
		fill_name(message->name, 0, 0);
		message->name_size = sizeof(message->name->nl);
	}
	if (done < size)
		message->out_flags |= UK_MSG_TRUNC;
	if ((message->flags & UK_MSG_PEEK) == 0)
		drop_first(netlink);
	return (message->flags & UK_MSG_TRUNC) != 0 ? (int64_t)size : done;
}

static int op_shutdown(struct uk_socket *sock, int how)
{
	(void)sock;
	(void)how;
	return -UK_EOPNOTSUPP;
}

static unsigned op_poll(struct uk_socket *sock)
{
	return UK_POLLOUT | UK_POLLWRNORM | (sock->error != 0 ? UK_POLLERR : 0u) |
	       (!uk_list_empty(&netlink_of(sock)->answers) ? UK_POLLIN | UK_POLLRDNORM : 0u);
}

static int64_t op_readable(struct uk_socket *sock)
{
	struct answer *first = uk_list_first(&netlink_of(sock)->answers, struct answer, item);

	return first != NULL ? first->size : 0;
}

static void op_release(struct uk_socket *sock)
{
	struct netlink *netlink = netlink_of(sock);

	while (!uk_list_empty(&netlink->answers))
		drop_first(netlink);
	uk_free(netlink);
}

static const struct uk_socket_ops netlink_ops = {
	.bind = op_bind,
	.connect = op_connect,
	.name = op_name,
	.send = op_send,
	.receive = op_receive,
	.shutdown = op_shutdown,
	.poll = op_poll,
	.readable = op_readable,
	.release = op_release,
};

int uk_netlink_new(int type, int protocol, struct uk_socket **sock)
{
	static uint32_t last_port = 0;
	struct netlink *netlink;

	if (type != UK_SOCK_RAW && type != UK_SOCK_DGRAM)
		return -UK_ESOCKTNOSUPPORT;
	if (protocol != NETLINK_ROUTE)
		return -UK_EPROTONOSUPPORT;
	netlink = uk_alloc(sizeof(*netlink));
	if (netlink == NULL)
		return -UK_ENOMEM;
	uk_socket_init(&netlink->base, &netlink_ops, UK_AF_NETLINK, type, protocol);
	uk_list_init(&netlink->answers);
	netlink->port = ++last_port; /* the first is the process, as on Linux */
	*sock = &netlink->base;
	return 0;
}
