/*
 * The socket calls but those that move data: made, named, connected, asked and told.
 */
#include <uk/mem.h>
#include <uk/syscall.h>
#include <uk/vfs.h>

#include "sockfile.h"

enum { GIVEN_MAX = 136 }; /* of an option's value: struct group_req */

int uk_name_from_user(uint64_t from, uint64_t size, struct uk_sockaddr *name)
{
	memset(name, 0, sizeof(*name));
	if (size > sizeof(*name))
		return -UK_EINVAL;
	return uk_copy_from_user(name, from, size);
}

int uk_name_to_user(const struct uk_sockaddr *name, uint32_t size, uint64_t to, uint64_t to_size)
{
	int32_t room;

	if (to == 0)
		return 0;
	if (uk_copy_from_user(&room, to_size, sizeof(room)) != 0)
		return -UK_EFAULT;
	if (room < 0)
		return -UK_EINVAL;
	if (uk_copy_to_user(to, name, UK_MIN((uint32_t)room, size)) != 0 ||
	    uk_copy_to_user(to_size, &size, sizeof(size)) != 0)
		return -UK_EFAULT;
	return 0;
}

static int socket_new(int family, int type, int protocol, struct uk_socket **sock)
{
	int kind = type & UK_SOCK_TYPE, status;

	if ((type & ~(UK_SOCK_TYPE | UK_SOCK_NONBLOCK | UK_SOCK_CLOEXEC)) != 0 ||
	    kind >= UK_SOCK_TYPES)
		return -UK_EINVAL;
	if (family == UK_AF_UNIX)
		return protocol != 0 && protocol != UK_AF_UNIX ? -UK_EPROTONOSUPPORT
							       : uk_unix_new(kind, sock);
	if (family == UK_AF_NETLINK) {
		status = uk_net_need();
		return status != 0 ? status : uk_netlink_new(kind, protocol, sock);
	}
	if (family != UK_AF_INET && family != UK_AF_INET6)
		return -UK_EAFNOSUPPORT;
	if (kind != UK_SOCK_STREAM && kind != UK_SOCK_DGRAM)
		return -UK_ESOCKTNOSUPPORT;
	if (protocol != 0 && protocol != (kind == UK_SOCK_STREAM ? UK_IPPROTO_TCP : UK_IPPROTO_UDP))
		return -UK_EPROTONOSUPPORT;
	status = uk_net_need();
	if (status != 0)
		return status;
	uk_net_lock();
	status = kind == UK_SOCK_STREAM ? uk_tcp_new(family, sock) : uk_udp_new(family, sock);
	uk_net_unlock();
	return status;
}

int64_t uk_sys_socket(const struct uk_sysargs *s)
{
	struct uk_socket *sock = NULL;
	int type = (int)s->a[1];
	int status = socket_new((int)s->a[0], type, (int)s->a[2], &sock);

	return status != 0 ? status : uk_socket_install(sock, type);
}

int64_t uk_sys_socketpair(const struct uk_sysargs *s)
{
	struct uk_socket *a = NULL, *b = NULL;
	int type = (int)s->a[1];
	int32_t fds[2];
	int status;

	if ((int)s->a[0] != UK_AF_UNIX)
		return -UK_EOPNOTSUPP;
	status = uk_unix_pair(type & UK_SOCK_TYPE, &a, &b);
	if (status != 0)
		return status;
	fds[0] = uk_socket_install(a, type);
	fds[1] = uk_socket_install(b, type);
	status = fds[0] < 0   ? fds[0]
		 : fds[1] < 0 ? fds[1]
			      : uk_copy_to_user(s->a[3], fds, sizeof(fds));
	if (status != 0)
		for (int i = 0; i < 2; i++)
			if (fds[i] >= 0)
				(void)uk_sys_close(
					&(struct uk_sysargs){ .a = { (uint64_t)fds[i] } });
	return status;
}

int64_t uk_sys_bind(const struct uk_sysargs *s)
{
	struct uk_sockaddr name;
	struct uk_socket *sock;
	struct uk_file *file;
	int status = uk_name_from_user(s->a[1], s->a[2], &name);

	if (status != 0)
		return status;
	file = uk_socket_get((int)s->a[0], &sock, &status);
	if (file == NULL)
		return status;
	uk_net_lock();
	status = sock->ops->bind(sock, &name, (uint32_t)s->a[2]);
	uk_net_unlock();
	uk_file_put(file);
	return status;
}

int64_t uk_sys_listen(const struct uk_sysargs *s)
{
	struct uk_socket *sock;
	int status;
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	uk_net_lock();
	status = sock->ops->listen != NULL ? sock->ops->listen(sock, (int)s->a[1]) : -UK_EOPNOTSUPP;
	uk_net_unlock();
	uk_file_put(file);
	return status;
}

int64_t uk_sys_connect(const struct uk_sysargs *s)
{
	struct uk_sockaddr name;
	struct uk_socket *sock;
	struct uk_file *file;
	int status = uk_name_from_user(s->a[1], s->a[2], &name);

	if (status != 0)
		return status;
	file = uk_socket_get((int)s->a[0], &sock, &status);
	if (file == NULL)
		return status;
	status = uk_socket_connect(sock, &name, (uint32_t)s->a[2],
				   (file->flags & UK_O_NONBLOCK) != 0);
	uk_file_put(file);
	return status;
}

static int64_t accept_flags(const struct uk_sysargs *s, int flags)
{
	struct uk_socket *sock, *child = NULL;
	struct uk_sockaddr name;
	uint32_t size = 0;
	int status, fd;
	struct uk_file *file;

	if ((flags & ~(UK_SOCK_NONBLOCK | UK_SOCK_CLOEXEC)) != 0)
		return -UK_EINVAL;
	file = uk_socket_get((int)s->a[0], &sock, &status);
	if (file == NULL)
		return status;
	status = uk_socket_accept(sock, (file->flags & UK_O_NONBLOCK) != 0, &child);
	uk_file_put(file);
	if (status != 0)
		return status;
	uk_net_lock();
	/* A connection that died in the queue is handed out all the same: its first read says so.
	 */
	if (child->ops->name(child, true, &name, &size) != 0) {
		memset(&name, 0, sizeof(name));
		name.family = (uint16_t)child->family;
		size = sizeof(name.family);
	}
	uk_net_unlock();
	fd = uk_socket_install(child, flags);
	if (fd < 0)
		return fd;
	status = uk_name_to_user(&name, size, s->a[1], s->a[2]);
	if (status != 0) {
		(void)uk_sys_close(&(struct uk_sysargs){ .a = { (uint64_t)fd } });
		return status;
	}
	return fd;
}

int64_t uk_sys_accept(const struct uk_sysargs *s)
{
	return accept_flags(s, 0);
}

int64_t uk_sys_accept4(const struct uk_sysargs *s)
{
	return accept_flags(s, (int)s->a[3]);
}

static int64_t get_name(const struct uk_sysargs *s, bool peer)
{
	struct uk_sockaddr name;
	struct uk_socket *sock;
	uint32_t size = 0;
	int status;
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	uk_net_lock();
	status = sock->ops->name(sock, peer, &name, &size);
	uk_net_unlock();
	uk_file_put(file);
	if (status != 0)
		return status;
	return s->a[1] == 0 ? -UK_EFAULT : uk_name_to_user(&name, size, s->a[1], s->a[2]);
}

int64_t uk_sys_getsockname(const struct uk_sysargs *s)
{
	return get_name(s, false);
}

int64_t uk_sys_getpeername(const struct uk_sysargs *s)
{
	return get_name(s, true);
}

int64_t uk_sys_shutdown(const struct uk_sysargs *s)
{
	struct uk_socket *sock;
	int status, how = (int)s->a[1];
	struct uk_file *file;

	if (how < UK_SHUT_RD || how > UK_SHUT_RDWR)
		return -UK_EINVAL;
	file = uk_socket_get((int)s->a[0], &sock, &status);
	if (file == NULL)
		return status;
	uk_net_lock();
	status = sock->ops->shutdown(sock, how);
	uk_net_unlock();
	uk_file_put(file);
	return status;
}

/* --- options --- */

static int set_timeout(uint64_t from, uint64_t size, uint64_t *timeout)
{
	struct uk_linux_timeval value;

	if (size < sizeof(value))
		return -UK_EINVAL;
	if (uk_copy_from_user(&value, from, sizeof(value)) != 0)
		return -UK_EFAULT;
	if (value.usec < 0 || value.usec >= 1000000)
		return -UK_EDOM;
	if (value.sec < 0 || (uint64_t)value.sec > UINT64_MAX / 2000000000)
		value.sec = value.usec = 0;
	*timeout = (uint64_t)value.sec * 1000000000 + (uint64_t)value.usec * 1000;
	return 0;
}

static int set_linger(struct uk_socket *sock, uint64_t from, uint64_t size)
{
	int32_t value[2];

	if (size < sizeof(value))
		return -UK_EINVAL;
	if (uk_copy_from_user(value, from, sizeof(value)) != 0)
		return -UK_EFAULT;
	sock->linger = value[0] != 0;
	sock->linger_seconds = value[1] < 0 ? 0 : (uint32_t)value[1];
	return 0;
}

/* Linux doubles what is asked for, and says so when asked. */
static int set_buffer(uint32_t *buffer, int value, size_t size)
{
	const uint32_t least = 4096, most = 8u << 20;
	uint32_t wanted = value < 0 ? most : (uint32_t)UK_MIN((uint64_t)value * 2, most);

	if (size < sizeof(int32_t))
		return -UK_EINVAL;
	*buffer = UK_MAX(wanted, least);
	return 0;
}

static int set_simple(struct uk_socket *sock, int level, int option, const void *given, size_t size)
{
	int32_t value;

	if (size == 0)
		return -UK_EINVAL;
	memcpy(&value, given, sizeof(value));
	if (level == UK_SOL_SOCKET) {
		/* There is no limit that only some may pass. */
		if (option == UK_SO_SNDBUF || option == UK_SO_SNDBUFFORCE)
			return set_buffer(&sock->send_buffer, value, size);
		if (option == UK_SO_RCVBUF || option == UK_SO_RCVBUFFORCE)
			return set_buffer(&sock->receive_buffer, value, size);
	}
	if (sock->ops->option_given != NULL) {
		int status = sock->ops->option_given(sock, level, option, given, size);

		if (status != -UK_ENOPROTOOPT)
			return status;
	}
	return uk_option_set(sock, level, option, value, size);
}

int64_t uk_sys_setsockopt(const struct uk_sysargs *s)
{
	struct uk_socket *sock;
	int level = (int)s->a[1], option = (int)s->a[2], status;
	uint64_t size = (uint32_t)s->a[4];
	uint8_t given[GIVEN_MAX] __attribute__((aligned(8))) = { 0 };
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	if (level == UK_SOL_SOCKET && option == UK_SO_LINGER) {
		status = set_linger(sock, s->a[3], size);
	} else if (level == UK_SOL_SOCKET &&
		   (option == UK_SO_RCVTIMEO || option == UK_SO_SNDTIMEO)) {
		status = set_timeout(s->a[3], size,
				     option == UK_SO_RCVTIMEO ? &sock->receive_timeout
							      : &sock->send_timeout);
	} else if (uk_copy_from_user(given, s->a[3], UK_MIN(size, sizeof(given))) != 0) {
		status = -UK_EFAULT;
	} else {
		uk_net_lock();
		status = set_simple(sock, level, option, given, UK_MIN(size, sizeof(given)));
		uk_net_unlock();
	}
	uk_file_put(file);
	return status;
}

static int get_simple(struct uk_socket *sock, int level, int option, int *value)
{
	if (level != UK_SOL_SOCKET)
		return uk_option_get(sock, level, option, value);
	switch (option) {
	case UK_SO_TYPE:
		*value = sock->type;
		return 0;
	case UK_SO_DOMAIN:
		*value = sock->family;
		return 0;
	case UK_SO_PROTOCOL:
		*value = sock->protocol;
		return 0;
	case UK_SO_ERROR:
		*value = -sock->error;
		sock->error = 0;
		return 0;
	case UK_SO_ACCEPTCONN:
		*value = sock->listening;
		return 0;
	case UK_SO_SNDBUF:
		*value = (int)sock->send_buffer;
		return 0;
	case UK_SO_RCVBUF:
		*value = (int)sock->receive_buffer;
		return 0;
	case UK_SO_SNDLOWAT:
		*value = 1;
		return 0;
	default:
		return uk_option_get(sock, level, option, value);
	}
}

/* Options whose value is larger than an int. The size, or negative errno. */
static int get_large_option(struct uk_socket *sock, int level, int option, void *value, size_t room)
{
	if (level != UK_SOL_SOCKET)
		return sock->ops->option_made != NULL
			       ? sock->ops->option_made(sock, level, option, value, room)
			       : -UK_ENOPROTOOPT;
	if (option == UK_SO_LINGER) {
		int32_t linger[2] = { sock->linger, (int32_t)sock->linger_seconds };

		memcpy(value, linger, sizeof(linger));
		return (int)sizeof(linger);
	}
	if (option == UK_SO_RCVTIMEO || option == UK_SO_SNDTIMEO) {
		uint64_t ns = option == UK_SO_RCVTIMEO ? sock->receive_timeout : sock->send_timeout;
		struct uk_linux_timeval time = { (int64_t)(ns / 1000000000),
						 (int64_t)(ns % 1000000000 / 1000) };

		memcpy(value, &time, sizeof(time));
		return (int)sizeof(time);
	}
	if (option == UK_SO_PEERCRED && sock->family == UK_AF_UNIX) {
		struct uk_linux_ucred self = { .pid = 1 };

		memcpy(value, &self, sizeof(self));
		return (int)sizeof(self);
	}
	return -UK_ENOPROTOOPT;
}

int64_t uk_sys_getsockopt(const struct uk_sysargs *s)
{
	struct uk_socket *sock;
	int level = (int)s->a[1], option = (int)s->a[2], status, value = 0;
	uint8_t large[256] = { 0 };
	int32_t room;
	int size;
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	uk_net_lock();
	size = get_large_option(sock, level, option, large, sizeof(large));
	status =
		size == -UK_ENOPROTOOPT ? get_simple(sock, level, option, &value) : UK_MIN(size, 0);
	uk_net_unlock();
	uk_file_put(file);
	if (status != 0)
		return status;
	if (size <= 0) {
		memcpy(large, &value, sizeof(value));
		size = (int)sizeof(value);
	}
	if (uk_copy_from_user(&room, s->a[4], sizeof(room)) != 0)
		return -UK_EFAULT;
	if (room < 0)
		return -UK_EINVAL;
	room = UK_MIN(room, size);
	if (uk_copy_to_user(s->a[3], large, (size_t)room) != 0 ||
	    uk_copy_to_user(s->a[4], &room, sizeof(room)) != 0)
		return -UK_EFAULT;
	return 0;
}
