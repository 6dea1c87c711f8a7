/*
 * Unix sockets: streams, datagrams and sequenced packets between the threads of one program, with
 * passed descriptors. A name is an inode of type socket, or an abstract name.
 */
#include <uk/mem.h>
#include <uk/vfs.h>

#include "sockfile.h"

#define QUEUE_MAX 512 /* messages that wait */
#define STREAM_PIECE (64u * 1024)
#define PASSED_MAX 64

/* A message, or a piece of a stream. */
struct piece {
	struct uk_list item;
	uint32_t size, used;
	uint32_t from_size;
	struct uk_sockaddr_un from;
	unsigned file_count;
	struct uk_file **files; /* references */
	uint8_t data[];
};

struct unix_sock {
	struct uk_socket base;
	struct uk_list item;	/* of all that have a name */
	struct uk_inode *inode; /* name in the file system, a reference; NULL: none */
	struct uk_sockaddr_un name;
	uint32_t name_size;
	struct unix_sock
		*peer; /* connected to; a stream's other end, or a datagram's destination */
	struct uk_list senders; /* datagram sockets connected to this one */
	struct uk_list sender_item;
	struct uk_list queue;
	uint64_t queued; /* bytes */
	unsigned pieces;
	struct uk_list accept_queue, accept_item;
	unsigned backlog, waiting;
	struct unix_sock *listener;
	bool was_connected;
	bool peer_gone; /* a datagram socket's destination: the next send says so */
	bool read_shut, write_shut;
};

static struct uk_list named = UK_LIST_INIT(named);
static struct uk_waitq queue_room = UK_WAITQ_INIT(queue_room); /* of listeners */
static struct uk_list dropped = UK_LIST_INIT(dropped);
static const struct uk_socket_ops unix_ops;

static struct unix_sock *unix_of(struct uk_socket *sock)
{
	return uk_container(sock, struct unix_sock, base);
}

static bool is_stream(const struct unix_sock *sock)
{
	return sock->base.type == UK_SOCK_STREAM;
}

static bool is_datagram(const struct unix_sock *sock)
{
	return sock->base.type == UK_SOCK_DGRAM;
}

static struct unix_sock *unix_alloc(int type)
{
	struct unix_sock *sock = uk_alloc(sizeof(*sock));

	if (sock == NULL)
		return NULL;
	uk_socket_init(&sock->base, &unix_ops, UK_AF_UNIX, type, 0);
	uk_list_init(&sock->item);
	uk_list_init(&sock->senders);
	uk_list_init(&sock->sender_item);
	uk_list_init(&sock->queue);
	uk_list_init(&sock->accept_queue);
	uk_list_init(&sock->accept_item);
	sock->name.family = UK_AF_UNIX;
	sock->name_size = sizeof(sock->name.family);
	return sock;
}

static void piece_free(struct piece *piece)
{
	for (unsigned i = 0; i < piece->file_count; i++)
		uk_file_put(piece->files[i]);
	uk_free(piece->files);
	uk_free(piece);
}

/* Files are not closed under the stack's lock: they may be sockets. */
static void piece_drop(struct piece *piece)
{
	if (piece->file_count == 0)
		piece_free(piece);
	else
		uk_list_push_back(&dropped, &piece->item);
}

/* Sockets may hold sockets that hold sockets: whoever finds another at this leaves it to that one,
 * so that the stack stays short. */
void uk_unix_reap(void)
{
	static bool busy;

	if (uk_list_empty(&dropped) || __atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE))
		return;
	for (;;) {
		struct piece *piece;

		uk_net_lock();
		piece = uk_list_first(&dropped, struct piece, item);
		if (piece == NULL)
			__atomic_store_n(&busy, false, __ATOMIC_RELEASE);
		else
			uk_list_remove(&piece->item);
		uk_net_unlock();
		if (piece == NULL)
			return;
		piece_free(piece);
	}
}

static void drop_first(struct unix_sock *sock)
{
	struct piece *piece = uk_list_first(&sock->queue, struct piece, item);

	uk_list_remove(&piece->item);
	sock->queued -= piece->size - piece->used;
	sock->pieces--;
	piece_drop(piece);
	if (sock->peer != NULL)
		uk_socket_wake(&sock->peer->base);
	uk_list_each (item, &sock->senders)
		uk_socket_wake(&uk_list_entry(item, struct unix_sock, sender_item)->base);
}

/* --- names --- */

/* The path of a name in the file system, terminated; false for an abstract name. */
static bool path_of(const struct uk_sockaddr *name, uint32_t size, char path[UK_UNIX_PATH + 1])
{
	size_t room = size - sizeof(name->family);

	if (room == 0 || name->un.path[0] == '\0')
		return false;
	memcpy(path, name->un.path, room);
	path[room] = '\0';
	return true;
}

static int check_name(const struct uk_sockaddr *name, uint32_t size)
{
	if (size <= sizeof(name->family) || size > sizeof(struct uk_sockaddr_un))
		return -UK_EINVAL;
	return name->family == UK_AF_UNIX ? 0 : -UK_EINVAL;
}

/* Abstract names are each type's own. */
static int find_named(const struct uk_sockaddr *name, uint32_t size, int type,
		      struct unix_sock **found)
{
	char path[UK_UNIX_PATH + 1];
	struct uk_inode *inode = NULL;
	int status = check_name(name, size);

	if (status != 0)
		return status;
	if (path_of(name, size, path)) {
		status = uk_path_inode(path, &inode);
		if (status != 0)
			return status;
		status = uk_permit(inode, UK_W_OK);
		if (status == 0 && !UK_S_IS(inode->mode, SOCK))
			status = -UK_ECONNREFUSED;
		uk_inode_put(
			inode); /* compared only: a bound socket holds a reference of its own */
		if (status != 0)
			return status;
	}
	uk_list_each (item, &named) {
		struct unix_sock *sock = uk_list_entry(item, struct unix_sock, item);

		if (inode != NULL ? sock->inode == inode
				  : sock->inode == NULL && sock->base.type == type &&
					    sock->name_size == size &&
					    memcmp(&sock->name, name, size) == 0) {
			*found = sock;
			return 0;
		}
	}
	return -UK_ECONNREFUSED;
}

static int op_bind(struct uk_socket *base, const struct uk_sockaddr *name, uint32_t size)
{
	struct unix_sock *sock = unix_of(base), *other;
	char path[UK_UNIX_PATH + 1];
	int status = check_name(name, size);

	if (status != 0)
		return status;
	if (base->bound) {
		struct uk_inode *inode;

		/* A name that is taken is complained of first. */
		if (!path_of(name, size, path) || uk_path_inode(path, &inode) != 0)
			return -UK_EINVAL;
		uk_inode_put(inode);
		return -UK_EADDRINUSE;
	}
	if (path_of(name, size, path)) {
		status = uk_path_make(path, UK_S_IFSOCK | 0777, &sock->inode);
		if (status != 0)
			return status == -UK_EEXIST ? -UK_EADDRINUSE : status;
	} else if (find_named(name, size, base->type, &other) == 0) {
		return -UK_EADDRINUSE;
	}
	memcpy(&sock->name, name, size);
	sock->name_size = size;
	base->bound = true;
	uk_list_push_back(&named, &sock->item);
	return 0;
}

static int op_name(struct uk_socket *base, bool peer, struct uk_sockaddr *name, uint32_t *size)
{
	struct unix_sock *sock = unix_of(base);

	if (peer && sock->peer == NULL)
		return -UK_ENOTCONN;
	if (peer)
		sock = sock->peer;
	memset(name, 0, sizeof(*name));
	memcpy(name, &sock->name, sock->name_size);
	*size = sock->name_size;
	return 0;
}

/* --- connections --- */

static int op_listen(struct uk_socket *base, int backlog)
{
	struct unix_sock *sock = unix_of(base);

	if (is_datagram(sock))
		return -UK_EOPNOTSUPP;
	if (!base->bound || sock->was_connected)
		return -UK_EINVAL;
	sock->backlog = (unsigned)(backlog < 0 ? 4096 : UK_MIN(backlog, 4096)) + 1;
	base->listening = true;
	return 0;
}

static struct uk_socket *op_accept(struct uk_socket *base)
{
	struct unix_sock *listener = unix_of(base);
	struct unix_sock *sock =
		uk_list_first(&listener->accept_queue, struct unix_sock, accept_item);

	if (sock == NULL)
		return NULL;
	uk_list_remove(&sock->accept_item);
	sock->listener = NULL;
	listener->waiting--;
	uk_wake_all(&queue_room);
	return &sock->base;
}

int uk_unix_wait(uint64_t deadline)
{
	struct uk_waiter waiter = { .fn = NULL };
	int status = 0;

	uk_wait_prepare(&queue_room, &waiter);
	uk_net_unlock();
	if (uk_signal_pending())
		status = -UK_ERESTARTSYS;
	else if (!uk_wait_sleep(deadline))
		status = -UK_EAGAIN;
	uk_wait_finish(&waiter);
	uk_net_lock();
	return status;
}

static void unlink_peer(struct unix_sock *sock)
{
	struct unix_sock *peer = sock->peer;

	if (peer == NULL)
		return;
	sock->peer = NULL;
	uk_list_remove(&sock->sender_item);
	if (!is_datagram(sock) || peer->peer == sock)
		peer->peer = NULL;
	peer->peer_gone = is_datagram(sock);
	uk_socket_wake(&peer->base);
}

static void link_pair(struct unix_sock *a, struct unix_sock *b)
{
	a->peer = b;
	b->peer = a;
	a->was_connected = b->was_connected = true;
}

static int connect_stream(struct unix_sock *sock, struct unix_sock *listener)
{
	struct unix_sock *end;

	if (sock->peer != NULL)
		return -UK_EISCONN;
	if (!listener->base.listening || listener->base.type != sock->base.type)
		return listener->base.listening ? -UK_EPROTOTYPE : -UK_ECONNREFUSED;
	if (listener->waiting >= listener->backlog)
		return -UK_EAGAIN;
	end = unix_alloc(sock->base.type);
	if (end == NULL)
		return -UK_ENOMEM;
	end->name = listener->name;
	end->name_size = listener->name_size;
	end->base.bound = true;
	end->listener = listener;
	link_pair(sock, end);
	listener->waiting++;
	uk_list_push_back(&listener->accept_queue, &end->accept_item);
	uk_socket_wake(&listener->base);
	return 0;
}

static int op_connect(struct uk_socket *base, const struct uk_sockaddr *name, uint32_t size)
{
	struct unix_sock *sock = unix_of(base), *other;
	int status;

	if (is_datagram(sock) && size >= sizeof(name->family) && name->family == UK_AF_UNSPEC) {
		unlink_peer(sock);
		return 0;
	}
	status = find_named(name, size, base->type, &other);
	if (status != 0)
		return status;
	if (!is_datagram(sock))
		return connect_stream(sock, other);
	if (!is_datagram(other))
		return -UK_EPROTOTYPE;
	unlink_peer(sock);
	sock->peer = other;
	uk_list_push_back(&other->senders, &sock->sender_item);
	return 0;
}

/* --- data --- */

static bool has_room(const struct unix_sock *to, uint64_t size)
{
	return to->pieces < QUEUE_MAX &&
	       (to->queued == 0 || to->queued + size <= to->base.receive_buffer);
}

static int64_t put_piece(struct unix_sock *sock, struct unix_sock *to, struct uk_message *message,
			 uint64_t size)
{
	struct piece *piece = uk_alloc(sizeof(*piece) + size);
	int64_t got = 0;

	if (piece == NULL)
		return -UK_ENOBUFS;
	if (size != 0)
		got = uk_iter_get(message->data, piece->data, size);
	if (got >= 0 && message->file_count != 0) {
		piece->files = uk_alloc(message->file_count * sizeof(struct uk_file *));
		if (piece->files == NULL)
			got = -UK_ENOBUFS;
	}
	if (got < 0) {
		uk_free(piece);
		return got;
	}
	for (; piece->file_count < message->file_count; piece->file_count++) {
		piece->files[piece->file_count] = message->files[piece->file_count];
		uk_file_get(piece->files[piece->file_count]);
	}
	message->file_count = 0; /* they go with the first piece */
	piece->size = (uint32_t)got;
	piece->from = sock->name;
	piece->from_size = sock->base.bound ? sock->name_size : 0;
	to->queued += piece->size;
	to->pieces++;
	uk_list_push_back(&to->queue, &piece->item);
	uk_socket_wake(&to->base);
	return got;
}

static int64_t send_stream(struct unix_sock *sock, struct uk_message *message)
{
	unsigned files = message->file_count;
	int64_t done = 0, status = 0;

	if (sock->peer == NULL)
		return sock->was_connected ? -UK_EPIPE : -UK_ENOTCONN;
	if (sock->write_shut || sock->peer->read_shut)
		return -UK_EPIPE;
	while (message->data->left != 0) {
		uint64_t size = UK_MIN(message->data->left, STREAM_PIECE);

		if (!has_room(sock->peer, size))
			break;
		status = put_piece(sock, sock->peer, message, size);
		if (status < 0)
			break;
		done += status;
	}
	message->file_count = done != 0 ? 0 : files;
	return done != 0 ? done : status < 0 ? status : -UK_EAGAIN;
}

static int64_t op_send(struct uk_socket *base, struct uk_message *message)
{
	struct unix_sock *sock = unix_of(base), *to = sock->peer;
	uint64_t size = message->data->left;
	unsigned files = message->file_count;
	int64_t status;

	if (is_stream(sock)) {
		status = message->data->left == 0 ? 0 : send_stream(sock, message);
		message->file_count = files; /* the caller drops its own references */
		return status;
	}
	if (message->name != NULL && message->name_size != 0 && is_datagram(sock)) {
		status = find_named(message->name, message->name_size, base->type, &to);
		if (status != 0)
			return status;
		if (!is_datagram(to))
			return -UK_EPROTOTYPE;
	}
	if (to == NULL && sock->peer_gone) {
		sock->peer_gone = false;
		return -UK_ECONNREFUSED;
	}
	if (to == NULL)
		return is_datagram(sock) && !sock->was_connected ? -UK_ENOTCONN : -UK_EPIPE;
	if (sock->write_shut || to->read_shut)
		return -UK_EPIPE;
	if (size > sock->base.send_buffer)
		return -UK_EMSGSIZE;
	if (!has_room(to, size))
		return -UK_EAGAIN;
	status = put_piece(sock, to, message, size);
	message->file_count = files;
	return status;
}

static void give_files(struct piece *piece, struct uk_message *message)
{
	if (message->files == NULL || piece->file_count == 0)
		return;
	for (unsigned i = 0; i < piece->file_count; i++)
		message->files[i] = piece->files[i];
	message->file_count = UK_MIN(piece->file_count, PASSED_MAX);
	piece->file_count = 0; /* the references went along */
}

static int64_t receive_stream(struct unix_sock *sock, struct uk_message *message)
{
	bool peek = (message->flags & UK_MSG_PEEK) != 0;
	int64_t done = 0, got = 0;

	uk_list_each_safe (item, &sock->queue) {
		struct piece *piece = uk_list_entry(item, struct piece, item);

		if (message->data->left == 0)
			break;
		got = uk_iter_put(
			message->data, piece->data + piece->used,
			UK_MIN((uint64_t)(piece->size - piece->used), message->data->left));
		if (got < 0)
			break;
		done += got;
		if (peek)
			continue;
		give_files(piece, message);
		piece->used += (uint32_t)got;
		sock->queued -= (uint64_t)got;
		if (piece->used == piece->size)
			drop_first(sock);
		/* Passed descriptors mark a boundary. */
		if (message->file_count != 0)
			break;
	}
	if (done != 0 || got < 0)
		return done != 0 ? done : got;
	if (sock->base.error != 0) {
		got = sock->base.error;
		sock->base.error = 0;
		return got;
	}
	if (sock->peer == NULL && !sock->was_connected)
		return -UK_EINVAL;
	if (sock->peer == NULL || sock->read_shut || sock->peer->write_shut)
		return 0;
	return -UK_EAGAIN;
}

static int64_t op_receive(struct uk_socket *base, struct uk_message *message)
{
	struct unix_sock *sock = unix_of(base);
	struct piece *piece;
	int64_t got;

	message->file_count = 0;
	if (base->listening)
		return -UK_EINVAL;
	if (is_stream(sock))
		return receive_stream(sock, message);
	piece = uk_list_first(&sock->queue, struct piece, item);
	if (piece == NULL) {
		if (base->error != 0) {
			got = base->error;
			base->error = 0;
			return got;
		}
		if (!is_datagram(sock) && !sock->was_connected)
			return -UK_ENOTCONN;
		if (sock->read_shut || (!is_datagram(sock) && sock->was_connected &&
					(sock->peer == NULL || sock->peer->write_shut)))
			return 0;
		return -UK_EAGAIN;
	}
	got = uk_iter_put(message->data, piece->data,
			  UK_MIN((uint64_t)piece->size, message->data->left));
	if (got < 0)
		return got;
	if ((uint64_t)got < piece->size)
		message->out_flags |= UK_MSG_TRUNC;
	if (message->flags & UK_MSG_TRUNC)
		got = piece->size;
	if (message->name != NULL) {
		memcpy(message->name, &piece->from, sizeof(piece->from));
		message->name_size = piece->from_size;
	}
	if ((message->flags & UK_MSG_PEEK) == 0) {
		give_files(piece, message);
		drop_first(sock);
	}
	return got;
}

static int op_shutdown(struct uk_socket *base, int how)
{
	struct unix_sock *sock = unix_of(base);

	if (sock->peer == NULL)
		return -UK_ENOTCONN;
	sock->read_shut |= how != UK_SHUT_WR;
	sock->write_shut |= how != UK_SHUT_RD;
	uk_socket_wake(base);
	uk_socket_wake(&sock->peer->base);
	return 0;
}

static unsigned op_poll(struct uk_socket *base)
{
	struct unix_sock *sock = unix_of(base);
	unsigned events = base->error != 0 ? UK_POLLERR : 0u;
	bool over = !is_datagram(sock) && sock->was_connected && sock->peer == NULL;

	if (base->listening)
		return uk_list_empty(&sock->accept_queue) ? 0 : UK_POLLIN | UK_POLLRDNORM;
	if (!uk_list_empty(&sock->queue) || sock->read_shut || over ||
	    (!is_datagram(sock) && sock->peer != NULL && sock->peer->write_shut))
		events |= UK_POLLIN | UK_POLLRDNORM;
	if (over || sock->read_shut ||
	    (!is_datagram(sock) && sock->peer != NULL && sock->peer->write_shut))
		events |= UK_POLLRDHUP;
	if (over || (!is_datagram(sock) && !sock->was_connected))
		events |= UK_POLLHUP;
	if (sock->peer == NULL || has_room(sock->peer, sock->peer->base.receive_buffer / 4))
		events |= UK_POLLOUT | UK_POLLWRNORM;
	return events;
}

static int64_t op_readable(struct uk_socket *base)
{
	struct unix_sock *sock = unix_of(base);
	struct piece *piece = uk_list_first(&sock->queue, struct piece, item);

	if (is_stream(sock))
		return (int64_t)sock->queued;
	return piece != NULL ? piece->size : 0;
}

static void release(struct unix_sock *sock, bool unseen)
{
	struct unix_sock *peer = sock->peer;

	uk_list_remove(&sock->item);
	while (!uk_list_empty(&sock->accept_queue))
		release(unix_of(op_accept(&sock->base)), true);
	if (peer != NULL && !is_datagram(sock) && (unseen || !uk_list_empty(&sock->queue)))
		peer->base.error = -UK_ECONNRESET;
	unlink_peer(sock);
	while (!uk_list_empty(&sock->senders)) {
		struct unix_sock *sender =
			uk_list_first(&sock->senders, struct unix_sock, sender_item);

		sender->peer = NULL;
		sender->peer_gone = true;
		uk_list_remove(&sender->sender_item);
		uk_socket_wake(&sender->base);
	}
	while (!uk_list_empty(&sock->queue))
		drop_first(sock);
	if (sock->inode != NULL)
		uk_inode_put(sock->inode);
	uk_wake_all(&queue_room);
	uk_free(sock);
}

static void op_release(struct uk_socket *base)
{
	release(unix_of(base), false);
}

static const struct uk_socket_ops unix_ops = {
	.bind = op_bind,
	.connect = op_connect,
	.listen = op_listen,
	.accept = op_accept,
	.name = op_name,
	.send = op_send,
	.receive = op_receive,
	.shutdown = op_shutdown,
	.poll = op_poll,
	.readable = op_readable,
	.release = op_release,
};

int uk_unix_new(int type, struct uk_socket **out)
{
	struct unix_sock *sock;

	if (type != UK_SOCK_STREAM && type != UK_SOCK_DGRAM && type != UK_SOCK_SEQPACKET)
		return -UK_ESOCKTNOSUPPORT;
	sock = unix_alloc(type);
	if (sock == NULL)
		return -UK_ENOMEM;
	*out = &sock->base;
	return 0;
}

int uk_unix_pair(int type, struct uk_socket **a, struct uk_socket **b)
{
	int status = uk_unix_new(type, a);

	if (status != 0)
		return status;
	status = uk_unix_new(type, b);
	if (status != 0) {
		uk_net_lock();
		(*a)->ops->release(*a);
		uk_net_unlock();
		return status;
	}
	link_pair(unix_of(*a), unix_of(*b));
	return 0;
}
