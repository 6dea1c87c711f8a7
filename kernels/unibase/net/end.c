/*
 * The end of the machine, for its peers: what the program has written is sent and acknowledged
 * before the power goes, as another system's kernel would see to it after its process has ended;
 * and the log's last lines leave. Whoever does not take it any more is not waited for.
 */
#include <uk/mem.h>
#include <uk/sched.h>
#include <uk/start.h>

#include "services.h"
#include "stack.h"

#include "lwip/priv/tcp_priv.h"

#define MS 1000000ull
#define STEP_NS (1 * MS)
#define STANDSTILL_NS (3000 * MS) /* a few repetitions of what was lost */
#define FRAMES_NS (200 * MS)	  /* what the device takes for frames that nobody acknowledges */
#define LONGEST_MS 10000	  /* when the configuration names no time of grace */

/* To this machine itself: its reader has ended, too. */
static bool is_inside(const struct tcp_pcb *pcb)
{
	return ip_addr_isloopback(&pcb->remote_ip) || ip_addr_cmp(&pcb->remote_ip, &pcb->local_ip);
}

static void close_all(void)
{
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		(void)tcp_shutdown(pcb, 0, 1);
}

/* Bytes, and ends, that peers have not acknowledged. */
static uint64_t outstanding(void)
{
	uint64_t sum = 0;

	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		if (pcb->state >= ESTABLISHED && !is_inside(pcb))
			sum += pcb->snd_lbb - pcb->lastack;
	return sum;
}

/* Held: the stack's lock, which is let go of meanwhile. */
static void step(void)
{
	static struct uk_waitq never = UK_WAITQ_INIT(never);

	uk_net_unlock();
	uk_wait_event(&never, false, uk_time_mono() + STEP_NS, false);
	uk_net_lock();
	uk_net_poll();
}

void uk_net_end(void)
{
	uint64_t now = uk_time_mono(), moved = now;
	uint64_t longest = now + uk_config_u32(UNI_CONFIG_GRACE, LONGEST_MS) * MS;
	uint64_t left, before = UINT64_MAX;

	if (!uk_net_is_started())
		return;
	uk_net_lock();
	close_all();
	uk_net_poll();
	while ((left = outstanding()) != 0 && now < longest && now - moved < STANDSTILL_NS) {
		step();
		now = uk_time_mono();
		if (left != before)
			moved = now;
		before = left;
	}
	uk_syslog_send();
	for (longest = now + FRAMES_NS; uk_net_frames_out() && now < longest; now = uk_time_mono())
		step();
	uk_net_unlock();
}
