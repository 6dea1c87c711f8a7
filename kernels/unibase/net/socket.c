/*
 * Sockets as files: what all kinds share, waiting, and the descriptors.
 */
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/signal.h>
#include <uk/socket.h>
#include <uk/vfs.h>

#include "sockfile.h"

void uk_socket_wake(struct uk_socket *sock)
{
	uk_wake_all(&sock->changed);
}

int uk_socket_wait(struct uk_socket *sock, bool (*ready)(struct uk_socket *sock), uint64_t deadline)
{
	struct uk_waiter waiter = { .fn = NULL };
	int status = 0;

	uk_net_poll();
	for (;;) {
		bool woken;

		uk_wait_prepare(&sock->changed, &waiter);
		if (ready(sock))
			break;
		if (uk_signal_pending()) {
			status = -UK_ERESTARTSYS;
			break;
		}
		uk_net_unlock();
		woken = uk_wait_sleep(deadline);
		uk_net_lock();
		if (!woken && !ready(sock)) {
			status = -UK_EAGAIN;
			break;
		}
		uk_wait_finish(&waiter);
	}
	uk_wait_finish(&waiter);
	return status;
}

static uint64_t deadline_of(uint64_t timeout)
{
	return timeout != 0 ? uk_time_mono() + timeout : UK_FOREVER;
}

static bool can_send(struct uk_socket *sock)
{
	return (sock->ops->poll(sock) & (UK_POLLOUT | UK_POLLERR | UK_POLLHUP)) != 0;
}

static bool can_receive(struct uk_socket *sock)
{
	return (sock->ops->poll(sock) & (UK_POLLIN | UK_POLLERR | UK_POLLHUP)) != 0;
}

int64_t uk_socket_send(struct uk_socket *sock, struct uk_message *message, bool nonblock)
{
	uint64_t deadline = deadline_of(sock->send_timeout);
	int64_t done = 0, status;

	uk_net_lock();
	for (;;) {
		status = sock->ops->send(sock, message);
		if (status > 0)
			done += status;
		if (status < 0 && status != -UK_EAGAIN)
			break;
		if (status >= 0 && (message->data->left == 0 || sock->type != UK_SOCK_STREAM))
			break;
		if (nonblock || (message->flags & UK_MSG_DONTWAIT) != 0)
			break;
		status = uk_socket_wait(sock, can_send, deadline);
		if (status != 0)
			break;
	}
	uk_net_unlock();
	if (status == -UK_EPIPE && done == 0 && (message->flags & UK_MSG_NOSIGNAL) == 0 &&
	    sock->type == UK_SOCK_STREAM)
		uk_signal_self(UK_SIGPIPE);
	/* An interrupted wait that moved nothing may be started again only without a time limit. */
	if (status == -UK_ERESTARTSYS && sock->send_timeout != 0)
		status = -UK_EINTR;
	return done != 0 ? done : status;
}

int64_t uk_socket_receive(struct uk_socket *sock, struct uk_message *message, bool nonblock)
{
	uint64_t deadline = deadline_of(sock->receive_timeout);
	int64_t done = 0, status;

	nonblock |= (message->flags & UK_MSG_DONTWAIT) != 0;
	uk_net_lock();
	for (;;) {
		status = sock->ops->receive(sock, message);
		if (status == -UK_EAGAIN && nonblock) {
			/* It may be at the device already. */
			uk_net_poll();
			status = sock->ops->receive(sock, message);
			if (status > 0)
				done += status;
			break;
		}
		if (status > 0)
			done += status;
		if (status == 0 || (status < 0 && status != -UK_EAGAIN))
			break;
		if (status > 0 &&
		    ((message->flags & UK_MSG_WAITALL) == 0 || message->data->left == 0 ||
		     nonblock || (message->flags & UK_MSG_PEEK) != 0 ||
		     sock->type != UK_SOCK_STREAM))
			break;
		status = uk_socket_wait(sock, can_receive, deadline);
		if (status != 0)
			break;
	}
	uk_net_unlock();
	if (status == -UK_ERESTARTSYS && sock->receive_timeout != 0)
		status = -UK_EINTR;
	return done != 0 ? done : status;
}

static bool can_accept(struct uk_socket *sock)
{
	return !sock->listening || (sock->ops->poll(sock) & UK_POLLIN) != 0;
}

int uk_socket_accept(struct uk_socket *sock, bool nonblock, struct uk_socket **out)
{
	uint64_t deadline = deadline_of(sock->receive_timeout);
	int status = 0;

	uk_net_lock();
	if (sock->ops->accept == NULL)
		status = -UK_EOPNOTSUPP;
	else if (!sock->listening)
		status = -UK_EINVAL;
	while (status == 0) {
		*out = sock->ops->accept(sock);
		if (*out != NULL)
			break;
		status = nonblock ? -UK_EAGAIN : uk_socket_wait(sock, can_accept, deadline);
		if (status == 0 && !sock->listening)
			status = -UK_EINVAL; /* shut down meanwhile */
	}
	uk_net_unlock();
	return status;
}

static bool connect_done(struct uk_socket *sock)
{
	return (sock->ops->poll(sock) & (UK_POLLOUT | UK_POLLERR | UK_POLLHUP)) != 0;
}

int uk_socket_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size,
		      bool nonblock)
{
	uint64_t deadline = deadline_of(sock->send_timeout);
	int status;

	uk_net_lock();
	status = sock->ops->connect(sock, name, size);
	while (status == -UK_EAGAIN && !nonblock) {
		status = uk_unix_wait(deadline);
		if (status == 0)
			status = sock->ops->connect(sock, name, size);
	}
	if (status == -UK_EINPROGRESS && !nonblock) {
		status = uk_socket_wait(sock, connect_done, deadline);
		if (status == -UK_EAGAIN)
			status = -UK_EINPROGRESS;
		if (status == 0 && sock->error != 0) {
			status = sock->error;
			sock->error = 0;
		}
	}
	uk_net_unlock();
	return status == -UK_ERESTARTSYS ? -UK_EINTR : status;
}

/* --- as a file --- */

static int64_t file_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct uk_message message = { .data = to };

	(void)offset;
	return uk_socket_receive(file->data, &message, (file->flags & UK_O_NONBLOCK) != 0);
}

static int64_t file_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	struct uk_message message = { .data = from };

	(void)offset;
	return uk_socket_send(file->data, &message, (file->flags & UK_O_NONBLOCK) != 0);
}

static int64_t file_write_pages(struct uk_file *file, struct uk_iter *from, struct uk_page *page,
				bool more)
{
	struct uk_message message = { .data = from, .page = page, .flags = more ? UK_MSG_MORE : 0 };

	return uk_socket_send(file->data, &message, (file->flags & UK_O_NONBLOCK) != 0);
}

static unsigned file_poll(struct uk_file *file, struct uk_poll *poll)
{
	struct uk_socket *sock = file->data;
	unsigned events;

	uk_poll_add(poll, &sock->changed);
	uk_net_lock();
	events = sock->ops->poll(sock);
	if ((events & UK_POLLIN) == 0) {
		uk_net_poll();
		events = sock->ops->poll(sock);
	}
	uk_net_unlock();
	return events;
}

static int64_t file_ioctl(struct uk_file *file, unsigned request, uint64_t arg)
{
	struct uk_socket *sock = file->data;
	int32_t value;

	if (request != UK_FIONREAD)
		return uk_interface_ioctl(request, arg);
	uk_net_lock();
	value = (int32_t)sock->ops->readable(sock);
	uk_net_unlock();
	return uk_copy_to_user(arg, &value, sizeof(value));
}

static void file_release(struct uk_file *file)
{
	struct uk_socket *sock = file->data;

	uk_net_lock();
	sock->ops->release(sock);
	uk_net_unlock();
}

static int file_describe(struct uk_file *file, char *to, size_t room)
{
	return uk_snprintf(to, room, "socket:[%lu]",
			   ((uint64_t)(uintptr_t)file->data >> 4) & 0xffffff);
}

const struct uk_file_ops uk_socket_file_ops = {
	.read = file_read,
	.write = file_write,
	.write_pages = file_write_pages,
	.poll = file_poll,
	.ioctl = file_ioctl,
	.release = file_release,
	.describe = file_describe,
	.stream = true,
};

int uk_socket_install(struct uk_socket *sock, int flags)
{
	struct uk_file *file =
		uk_file_new(&uk_socket_file_ops, sock,
			    UK_O_RDWR | ((flags & UK_SOCK_NONBLOCK) != 0 ? UK_O_NONBLOCK : 0u));

	if (file == NULL) {
		uk_net_lock();
		sock->ops->release(sock);
		uk_net_unlock();
		return -UK_ENOMEM;
	}
	return uk_fd_install(file, (flags & UK_SOCK_CLOEXEC) != 0);
}

struct uk_file *uk_socket_get(int fd, struct uk_socket **sock, int *error)
{
	struct uk_file *file = uk_fd_get(fd);

	if (file == NULL) {
		*error = -UK_EBADF;
		return NULL;
	}
	if (file->ops != &uk_socket_file_ops) {
		*error = (file->flags & UK_O_PATH) != 0 ? -UK_EBADF : -UK_ENOTSOCK;
		uk_file_put(file);
		return NULL;
	}
	*sock = file->data;
	return file;
}
