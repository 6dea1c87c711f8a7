/*
 * Random bytes: ChaCha20 (RFC 8439) with fast key erasure: each request takes a fresh block's first
 * 32 bytes as the next key and gives out the rest, so that what was given out says nothing about
 * earlier or later bytes.
 *
 * Seeds come from the processor, from devices and the host (uk_random_add), and only where all of
 * these are missing from the jitter of the processor's counter, which is said once in the log.
 * Nothing is given out before 256 bits were counted in.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/thread.h>

#define SEED_BITS 256
#define KEY_WORDS 8
#define BLOCK_WORDS 16
#define HARDWARE_TRIES 10

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static uint32_t key[KEY_WORDS];
static uint64_t counter;
static unsigned seeded; /* bits, at most SEED_BITS */
static bool asked_hardware;

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

/* RFC 8439, section 2.3. */
void uk_chacha20_block(const uint32_t k[8], const uint32_t tail[4], uint32_t out[16])
{
	const uint32_t start[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
					      k[0],	  k[1],	      k[2],	  k[3],
					      k[4],	  k[5],	      k[6],	  k[7],
					      tail[0],	  tail[1],    tail[2],	  tail[3] };
	uint32_t s[BLOCK_WORDS];

	memcpy(s, start, sizeof(s));
	/* Columns, then diagonals. */
	for (unsigned i = 0; i < 10 * 8; i++) {
		unsigned column = i % 4, turn = i / 4 % 2;

		quarter(&s[column], &s[4 + (column + turn) % 4], &s[8 + (column + 2 * turn) % 4],
			&s[12 + (column + 3 * turn) % 4]);
	}
	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		out[i] = s[i] + start[i];
}

static void next_block(uint32_t out[BLOCK_WORDS])
{
	uint32_t tail[4] = { (uint32_t)counter, (uint32_t)(counter >> 32), 0, 0 };

	counter++;
	uk_chacha20_block(key, tail, out);
}

/* Mixes bytes into the key: each 32 are added to it, and it is drawn anew. */
static void mix(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint32_t block[BLOCK_WORDS];

	while (size != 0) {
		size_t n = UK_MIN(size, sizeof(key));

		for (size_t i = 0; i < n; i++)
			((uint8_t *)key)[i] ^= p[i];
		p += n;
		size -= n;
		next_block(block);
		memcpy(key, block, sizeof(key));
	}
}

void uk_random_add(const void *data, size_t size, unsigned bits)
{
	uint64_t tsc = uk_rdtsc();
	uint64_t state = uk_spin_lock(&lock);

	mix(data, size);
	mix(&tsc, sizeof(tsc));
	seeded = UK_MIN(SEED_BITS, seeded + UK_MIN(bits, SEED_BITS));
	uk_spin_unlock(&lock, state);
}

/* 0: it has none. All ones without an error are a known fault of some processors. */
UK_INLINE uint64_t hardware_word(void)
{
	unsigned tries = HARDWARE_TRIES;
	uint64_t v = 0;
	bool ok = false;

	do {
		if (uk_cpu_has.rdseed)
			__asm__ volatile("rdseed %0" : "=r"(v), "=@ccc"(ok));
		else if (uk_cpu_has.rdrand)
			__asm__ volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
	} while (!ok && --tries != 0);
	return ok && v != UINT64_MAX ? v : 0;
}

static void ask_hardware(void)
{
	uint64_t words[2 * SEED_BITS / 64] = { 0 };
	unsigned count = 0;

	while (count < UK_COUNT(words) && (words[count] = hardware_word()) != 0)
		count++;
	if (count != 0)
		uk_random_add(words, sizeof(words), count * 32);
}

UK_ASIDE uint64_t drawn_word(void)
{
	uint64_t v;

	uk_random(&v, sizeof(v));
	return v;
}

uint64_t uk_random_word(void)
{
	uint64_t v = hardware_word();

	return v != 0 ? v : drawn_word();
}

/* Timing of port accesses, whose last bits nobody controls; counted as half a bit each. */
static void ask_jitter(void)
{
	static bool told;
	uint64_t words[16] = { 0 };

	if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		uk_log(UK_LOG_WARN, "no source of randomness: seeding by timing");
	for (unsigned i = 0; i < 2 * SEED_BITS; i++) {
		uint64_t before = uk_rdtsc();
		uint64_t *word = &words[i % UK_COUNT(words)];

		uk_in8(0x80);
		*word = (*word << 7 | *word >> 57) ^ (uk_rdtsc() - before);
	}
	uk_random_add(words, sizeof(words), SEED_BITS);
}

void uk_random(void *data, size_t size)
{
	uint8_t *to = data;

	if (!__atomic_exchange_n(&asked_hardware, true, __ATOMIC_RELAXED))
		ask_hardware();
	if (seeded < SEED_BITS)
		ask_jitter();
	while (size != 0) {
		uint32_t block[BLOCK_WORDS];
		size_t n = UK_MIN(size, sizeof(block) - sizeof(key));
		uint64_t state = uk_spin_lock(&lock);

		next_block(block);
		memcpy(key, block, sizeof(key));
		uk_spin_unlock(&lock, state);
		memcpy(to, block + KEY_WORDS, n);
		to += n;
		size -= n;
	}
}
