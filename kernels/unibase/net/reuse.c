/*
 * Ports that several sockets are bound to, as SO_REUSEADDR and SO_REUSEPORT permit: lwIP knows the
 * first option only, and one listener for each port.
 */
#include "stack.h"
#include "tcp_sock.h"

#include "lwip/priv/tcp_priv.h"

bool reuse_shares(const struct uk_socket *a, const struct uk_socket *b)
{
	return a->option[UK_OPT_REUSE_PORT] != 0 && b->option[UK_OPT_REUSE_PORT] != 0;
}

void reuse_apply(const struct uk_socket *sock, struct ip_pcb *pcb)
{
	if (sock->option[UK_OPT_REUSE_ADDRESS] || sock->option[UK_OPT_REUSE_PORT])
		ip_set_option(pcb, SOF_REUSEADDR);
	else
		ip_reset_option(pcb, SOF_REUSEADDR);
}

static bool listens_beside(const struct tcp_pcb_listen *pcb, const struct tcp_sock *tcp,
			   const ip_addr_t *address, uint16_t port)
{
	bool same_version = IP_IS_ANY_TYPE_VAL(pcb->local_ip) ||
			    IP_GET_TYPE(address) == IPADDR_TYPE_ANY ||
			    IP_IS_V6(address) == IP_IS_V6_VAL(pcb->local_ip);

	return pcb->local_port == port && same_version && (const void *)pcb != (void *)tcp->pcb &&
	       (ip_addr_isany(address) || ip_addr_isany(&pcb->local_ip) ||
		ip_addr_cmp(address, &pcb->local_ip));
}

bool reuse_is_listened_on(const struct tcp_sock *tcp, const ip_addr_t *address, uint16_t port)
{
	for (struct tcp_pcb_listen *pcb = tcp_listen_pcbs.listen_pcbs; pcb != NULL;
	     pcb = pcb->next) {
		const struct tcp_sock *other = pcb->callback_arg;

		if (listens_beside(pcb, tcp, address, port) &&
		    (other == NULL || !reuse_shares(&tcp->base, &other->base)))
			return true;
	}
	return false;
}

struct tcp_pcb *reuse_listen(struct tcp_sock *tcp, err_t *error)
{
	struct tcp_pcb *pcb;

	/* lwIP looks for other listeners only where addresses are used again; bind() has seen that
	 * those that there are agree. */
	if (tcp->base.option[UK_OPT_REUSE_PORT])
		ip_reset_option(tcp->pcb, SOF_REUSEADDR);
	/* lwIP's own backlog holds what is half open: guard.c. */
	pcb = tcp_listen_with_backlog_and_err(tcp->pcb, UINT8_MAX, error);
	reuse_apply(&tcp->base, (struct ip_pcb *)(pcb != NULL ? pcb : tcp->pcb));
	return pcb;
}

/* The nth listener beside `first`, from 0; NULL behind the last. */
static struct tcp_sock *nth_beside(const struct tcp_sock *first, unsigned n)
{
	for (struct tcp_pcb_listen *pcb = tcp_listen_pcbs.listen_pcbs; pcb != NULL;
	     pcb = pcb->next) {
		struct tcp_sock *other = pcb->callback_arg;

		if (other != NULL && pcb->local_port == first->pcb->local_port &&
		    ip_addr_cmp(&pcb->local_ip, &first->pcb->local_ip) &&
		    reuse_shares(&first->base, &other->base) && n-- == 0)
			return other;
	}
	return NULL;
}

struct tcp_sock *reuse_turn(struct tcp_sock *first)
{
	static unsigned turn = 0;
	unsigned count = 0;

	if (!first->base.option[UK_OPT_REUSE_PORT])
		return first;
	while (nth_beside(first, count) != NULL)
		count++;
	return count < 2 ? first : nth_beside(first, turn++ % count);
}
