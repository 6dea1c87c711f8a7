/*
 * The machine's clock by SNTP (RFC 4330): the servers of the boot configuration in turn. The first
 * answer sets the clock, later ones move it a little at a time unless it is far off. A request
 * carries a random number in place of the time, which an answer must bring back.
 */
#include <uk/io.h>
#include <uk/log.h>
#include <uk/start.h>
#include <uk/thread.h>

#include "services.h"
#include "stack.h"

#include "lwip/timeouts.h"
#include "lwip/udp.h"

#define PORT 123
#define NS 1000000000ll
#define SERVERS_MAX 4
#define WAIT_FIRST_MS 1000
#define WAIT_MOST_MS 64000
#define WAIT_GOOD_MS (1024 * 1000)
#define STEP_NS (128 * 1000000ll) /* further off than this the clock is set */
#define GENTLY 4		  /* the part of a small difference that is made up at once */
#define EPOCH_1970 2208988800ll	  /* seconds from NTP's epoch */

enum { VERSION_4_CLIENT = 4 << 3 | 3, MODE_SERVER = 4, LEAP_UNKNOWN = 3, STRATUM_MAX = 15 };

struct ntp_packet { /* RFC 4330, section 4 */
	uint8_t mode;
	uint8_t stratum;
	uint8_t poll;
	uint8_t precision;
	uint8_t root[12];
	uint8_t reference[8];
	uint8_t originate[8];
	uint8_t receive[8];
	uint8_t transmit[8];
};
_Static_assert(sizeof(struct ntp_packet) == 48, "NTP");

static ip_addr_t servers[SERVERS_MAX];
static unsigned server_count, current;
static struct udp_pcb *pcb;
static uint8_t cookie[8];
static bool waiting, is_set, said;
static uint64_t sent_at; /* monotonic ns */
static uint32_t wait_ms = WAIT_FIRST_MS;

static uint32_t big32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Seconds below 2^31 are those after 2036 (section 3). */
static int64_t ntp_time(const uint8_t *at)
{
	int64_t seconds = big32(at), fraction = big32(at + 4);

	if (seconds < 0x80000000ll)
		seconds += 0x100000000ll;
	return (seconds - EPOCH_1970) * NS + (fraction * NS >> 32);
}

static void ask(void *arg)
{
	struct ntp_packet packet = { .mode = VERSION_4_CLIENT };
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, sizeof(packet), PBUF_RAM);

	(void)arg;
	if (waiting && !is_set && !said && wait_ms > 2 * WAIT_FIRST_MS) {
		uk_log(UK_LOG_WARN, "no answer from a time server yet, asking goes on");
		said = true;
	}
	if (waiting) {
		current = (current + 1) % server_count;
		wait_ms = UK_MIN(wait_ms * 2, (uint32_t)WAIT_MOST_MS);
	}
	uk_random(cookie, sizeof(cookie));
	memcpy(packet.transmit, cookie, sizeof(cookie));
	waiting = true;
	sent_at = uk_time_mono();
	if (p != NULL) {
		memcpy(p->payload, &packet, sizeof(packet));
		(void)udp_sendto(pcb, p, &servers[current], PORT);
		pbuf_free(p);
	}
	sys_timeout(wait_ms, ask, NULL);
}

static void follow(const struct ntp_packet *packet)
{
	int64_t trip = (int64_t)(uk_time_mono() - sent_at);
	int64_t inside = ntp_time(packet->transmit) - ntp_time(packet->receive);
	int64_t now = uk_time_real(), there, off;

	/* Half of what the packets were on their way for. */
	if (inside > 0 && inside < trip)
		trip -= inside;
	there = ntp_time(packet->transmit) + trip / 2;
	off = there - now;
	if (!is_set || off > STEP_NS || off < -STEP_NS) {
		uk_log(UK_LOG_NOTICE, "the clock is set by %ld ms", (long)(off / 1000000));
		uk_time_set_real(there);
	} else {
		uk_time_set_real(now + off / GENTLY);
	}
	is_set = true;
}

static void received(void *arg, struct udp_pcb *from, struct pbuf *p, const ip_addr_t *address,
		     u16_t port)
{
	struct ntp_packet packet;
	bool good = waiting && port == PORT && ip_addr_cmp(address, &servers[current]) &&
		    pbuf_copy_partial(p, &packet, sizeof(packet), 0) == sizeof(packet);

	(void)arg;
	(void)from;
	pbuf_free(p);
	if (!good || (packet.mode & 7) != MODE_SERVER || packet.mode >> 6 == LEAP_UNKNOWN ||
	    packet.stratum == 0 || packet.stratum > STRATUM_MAX ||
	    memcmp(packet.originate, cookie, sizeof(cookie)) != 0 || big32(packet.transmit) == 0)
		return;
	waiting = false;
	follow(&packet);
	wait_ms = WAIT_FIRST_MS;
	sys_untimeout(ask, NULL);
	sys_timeout(WAIT_GOOD_MS, ask, NULL);
}

void uk_sntp_start(void)
{
	const struct uni_config_entry *entry = NULL;
	char text[IPADDR_STRLEN_MAX];

	while (server_count < SERVERS_MAX &&
	       (entry = uk_config_next(UNI_CONFIG_TIME_SERVER, entry)) != NULL) {
		if (uk_config_string(entry, text, sizeof(text)) > 0 &&
		    ipaddr_aton(text, &servers[server_count]))
			server_count++;
		else
			uk_log(UK_LOG_ERROR,
			       "a time server of the boot configuration is no address");
	}
	if (server_count == 0)
		return;
	pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
	if (pcb == NULL || udp_bind(pcb, IP_ANY_TYPE, 0) != ERR_OK) {
		uk_log(UK_LOG_ERROR, "no memory for the clock's client");
		return;
	}
	udp_recv(pcb, received, NULL);
	ask(NULL);
}
