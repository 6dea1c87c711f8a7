/*
 * Connections at rest. lwIP looks at every connection four times a second for as long as there is
 * one. Where nothing is under way in either direction there is nothing to find but what takes many
 * seconds: a peer's silence that keep-alive is to break, an end that never came. Until the first
 * of these the machine may sleep; what lwIP has not counted meanwhile is added afterwards.
 */
#include "rest.h"

#include "lwip/priv/tcp_priv.h"

#define TICK_NS (TCP_SLOW_INTERVAL * 1000000ull)
enum { FEW = 32 };

static uint64_t counted; /* monotonic ns up to which lwIP's ticks are right */

/* Whether nothing is under way that lwIP's timers drive. */
static bool is_still(const struct tcp_pcb *pcb)
{
	return (pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT ||
		pcb->state == FIN_WAIT_2) &&
	       pcb->unsent == NULL && pcb->unacked == NULL && pcb->ooseq == NULL &&
	       pcb->refused_data == NULL && pcb->persist_backoff == 0 &&
	       (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR)) == 0;
}

/* Milliseconds after the last segment at which its timers will have something to do; 0: never. */
static uint64_t limit_of(const struct tcp_pcb *pcb)
{
	if (pcb->state == TIME_WAIT)
		return 2 * TCP_MSL;
	if (pcb->state == FIN_WAIT_2)
		return (pcb->flags & TF_RXCLOSED) != 0 ? TCP_FIN_WAIT_TIMEOUT : 0;
	if (!ip_get_option(pcb, SOF_KEEPALIVE))
		return 0;
	return pcb->keep_idle + (uint64_t)pcb->keep_cnt_sent * pcb->keep_intvl;
}

static bool list_rests(const struct tcp_pcb *pcb, bool waiting, int64_t *ticks)
{
	for (; pcb != NULL; pcb = pcb->next) {
		uint64_t limit = limit_of(pcb) / TCP_SLOW_INTERVAL;
		int64_t left = (int64_t)limit - (int64_t)(u32_t)(tcp_ticks - pcb->tmr);

		if (!waiting && !is_still(pcb))
			return false;
		if (limit != 0)
			*ticks = UK_MIN(*ticks, left);
		if (*ticks <= 0)
			return false;
	}
	return true;
}

bool rest_few(void)
{
	const struct tcp_pcb *pcb = tcp_active_pcbs;

	for (unsigned i = 0; i < FEW && pcb != NULL; i++)
		pcb = pcb->next;
	return pcb == NULL;
}

bool rest_now(uint64_t *ns)
{
	int64_t ticks = (int64_t)(*ns / TICK_NS);

	if (!list_rests(tcp_active_pcbs, false, &ticks) || !list_rests(tcp_tw_pcbs, true, &ticks))
		return false;
	*ns = UK_MIN(*ns, (uint64_t)ticks * TICK_NS);
	return true;
}

void rest_count(uint64_t now)
{
	uint64_t ticks = (now - counted) / TICK_NS;

	counted += ticks * TICK_NS;
	tcp_ticks += (u32_t)ticks;
}

void rest_counted(uint64_t now)
{
	counted = now;
}
