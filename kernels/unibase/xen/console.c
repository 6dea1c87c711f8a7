/*
 * The console's ring (public/io/console.h), which xenconsoled in dom0 reads. Output waits for it as
 * it would for a serial line; but a reader that stands still is not waited for again until it
 * moves. Input that nobody takes stays in the ring, and what is typed behind it in dom0.
 */
#include "xen.h"
#include <uk/io.h>
#include <uk/lock.h>

#define IN_SIZE 1024u
#define OUT_SIZE 2048u
#define PATIENCE 20000 /* turns in which others may run */

struct console {
	char in[IN_SIZE];
	char out[OUT_SIZE];
	uint32_t in_taken, in_filled;
	uint32_t out_taken, out_filled;
};

static volatile struct console *ring;
static uint32_t port;
static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static bool stuck;

void uk_xen_console_start(void)
{
	ring = uk_xen_param_page(UK_XEN_CONSOLE_PAGE);
	port = (uint32_t)uk_xen_param(UK_XEN_CONSOLE_PORT);
}

/* What fits now; 0: the ring is full. */
static size_t write_piece(const char *data, size_t size)
{
	uint64_t state = uk_spin_lock(&lock);
	uint32_t filled = ring->out_filled;
	uint32_t waiting = filled - ring->out_taken;
	size_t part = UK_MIN(size, (size_t)(waiting > OUT_SIZE ? 0 : OUT_SIZE - waiting));

	for (size_t i = 0; i < part; i++)
		ring->out[(filled + i) % OUT_SIZE] = data[i];
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->out_filled = filled + (uint32_t)part;
	uk_spin_unlock(&lock, state);
	uk_xen_event_send(port);
	return part;
}

bool uk_xen_console_write(const char *data, size_t size)
{
	if (ring == NULL)
		return false;
	for (unsigned tries = 0; size != 0;) {
		size_t part = write_piece(data, size);

		data += part;
		size -= part;
		if (part != 0) {
			stuck = false;
			tries = 0;
		} else if (stuck || ++tries == PATIENCE) {
			stuck = true;
			break;
		} else {
			uk_xen_yield();
		}
	}
	return true;
}

size_t uk_xen_console_read(uint8_t *to, size_t room)
{
	uint32_t taken, waiting;
	size_t part;

	if (ring == NULL)
		return 0;
	taken = ring->in_taken;
	waiting = ring->in_filled - taken;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (waiting == 0 || waiting > IN_SIZE)
		return 0;
	part = UK_MIN(room, (size_t)waiting);
	for (size_t i = 0; i < part; i++)
		to[i] = (uint8_t)ring->in[(taken + i) % IN_SIZE];
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->in_taken = taken + (uint32_t)part;
	uk_xen_event_send(port);
	return part;
}

bool uk_xen_console_listen(void (*fn)(void *arg))
{
	return ring != NULL && uk_xen_event_bind(port, fn, NULL);
}
