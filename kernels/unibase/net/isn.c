/*
 * Numbers that a stranger must not guess: first sequence numbers (RFC 6528, with SipHash-2-4 as the
 * keyed hash) and lwIP's random numbers (ports, transaction ids).
 */
#include <uk/io.h>
#include <uk/thread.h>

#include "hooks.h"
#include "lwipopts.h"
#include "tcp_sock.h"

#define ROTATE(x, b) ((x) << (b) | (x) >> (64 - (b)))

struct sip {
	uint64_t v[4];
};

static void sip_round(struct sip *s)
{
	s->v[0] += s->v[1];
	s->v[1] = ROTATE(s->v[1], 13) ^ s->v[0];
	s->v[0] = ROTATE(s->v[0], 32);
	s->v[2] += s->v[3];
	s->v[3] = ROTATE(s->v[3], 16) ^ s->v[2];
	s->v[0] += s->v[3];
	s->v[3] = ROTATE(s->v[3], 21) ^ s->v[0];
	s->v[2] += s->v[1];
	s->v[1] = ROTATE(s->v[1], 17) ^ s->v[2];
	s->v[2] = ROTATE(s->v[2], 32);
}

uint64_t uk_net_hash(const uint64_t *words, size_t count)
{
	static uint64_t key[2];
	static bool keyed;
	struct sip s;

	if (!keyed) {
		uk_random(key, sizeof(key));
		keyed = true;
	}
	s = (struct sip){ { key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
			    key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull } };

	for (size_t i = 0; i <= count; i++) {
		uint64_t word = i < count ? words[i] : (uint64_t)(count * 8) << 56;

		s.v[3] ^= word;
		sip_round(&s);
		sip_round(&s);
		s.v[0] ^= word;
	}
	s.v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

u32_t uk_lwip_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		  u16_t remote_port)
{
	uint64_t words[5] = { 0 };
	uint32_t cookie;

	if (guard_isn(&cookie))
		return cookie;
	words[0] = (uint64_t)local_port << 16 | remote_port;
	memcpy(&words[1], local_ip, UK_MIN(sizeof(*local_ip), (size_t)16));
	memcpy(&words[3], remote_ip, UK_MIN(sizeof(*remote_ip), (size_t)16));
	/* The clock of RFC 6528: one step each 4 microseconds. */
	return (u32_t)(uk_net_hash(words, UK_COUNT(words)) + uk_time_mono() / 4000);
}

uint32_t uk_lwip_random(void)
{
	static uint32_t numbers[32];
	static unsigned left;

	if (left == 0) {
		uk_random(numbers, sizeof(numbers));
		left = UK_COUNT(numbers);
	}
	return numbers[--left];
}
