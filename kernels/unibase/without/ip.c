/*
 * A kernel without the Internet's protocols: sockets are those between threads of the program. They
 * share the lock that the stack has in a kernel with it.
 */
#include <uk/log.h>
#include <uk/net.h>
#include <uk/sched.h>
#include <uk/socket.h>
#include <uk/start.h>

static struct uk_mutex sockets = UK_MUTEX_INIT(sockets);

void uk_net_start(void)
{
}

void uk_net_end(void)
{
}

void uk_net_lock(void)
{
	uk_mutex_lock(&sockets);
}

void uk_net_unlock(void)
{
	uk_mutex_unlock(&sockets);
	uk_unix_reap();
}

void uk_net_poll(void)
{
}

/* As Linux answers that was built without them. */
int uk_net_need(void)
{
	static bool told;

	if (!told)
		uk_log(UK_LOG_WARN,
		       "this kernel has no IP, for the recipe asks for no network (%s)", uk_words);
	told = true;
	return -UK_EAFNOSUPPORT;
}

int uk_tcp_new(int family, struct uk_socket **sock)
{
	(void)family;
	*sock = NULL;
	return -UK_EAFNOSUPPORT;
}

int uk_udp_new(int family, struct uk_socket **sock)
{
	(void)family;
	*sock = NULL;
	return -UK_EAFNOSUPPORT;
}

int uk_netlink_new(int type, int protocol, struct uk_socket **sock)
{
	(void)type;
	(void)protocol;
	*sock = NULL;
	return -UK_EAFNOSUPPORT;
}

int uk_interface_ioctl(unsigned request, uint64_t arg)
{
	(void)request;
	(void)arg;
	return -UK_ENOTTY;
}
