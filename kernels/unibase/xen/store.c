/*
 * The client of xenstore (public/io/xs_wire.h, docs/misc/xenstore.txt): one request at a time. What
 * arrives is put together in the interrupt; a watch that fired is told there at once, an answer
 * wakes who asked.
 */
#include "xen.h"
#include <uk/lock.h>
#include <uk/log.h>

#define RING 1024u
#define PATIENCE 200000 /* turns in which others may run, for the last word */

enum {
	TYPE_LIST = 1,
	TYPE_READ = 2,
	TYPE_WATCH = 4,
	TYPE_UNWATCH = 5,
	TYPE_WRITE = 11,
	TYPE_FIRED = 15,
	TYPE_ERROR
};

struct interface {
	uint8_t out[RING], in[RING];
	uint32_t out_taken, out_filled;
	uint32_t in_taken, in_filled;
};

struct header {
	uint32_t type, request, transaction, size;
};

static volatile struct interface *ring;
static uint32_t port;
static struct uk_spinlock lock = UK_SPINLOCK_INIT; /* what arrives, watches */
static struct uk_mutex mutex = UK_MUTEX_INIT(mutex);
static struct uk_waitq moved = UK_WAITQ_INIT(moved);
static struct uk_xen_watch *watches;
static unsigned watch_count;

/* The message that is arriving; when it is our answer, it stays until that was read. */
static struct header head;
static uint32_t have; /* bytes of header and body */
static char *body;    /* UK_XEN_VALUE_MAX and a NUL */
static volatile bool answered;
static uint32_t asked; /* number of the last request */
static bool pushing;   /* a request is in the ring in part */
static bool broken;

/* Bytes of the ring, `size` at most; 0: none now. */
static uint32_t pull(void *to, uint32_t size)
{
	uint32_t taken = ring->in_taken, ready = ring->in_filled - taken;
	uint8_t *out = to;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (ready > RING)
		broken = true;
	if (broken)
		return 0;
	size = UK_MIN(size, ready);
	for (uint32_t i = 0; i < size; i++)
		out[i] = ring->in[(taken + i) % RING];
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->in_taken = taken + size;
	return size;
}

/* Of a watch that fired: its path, a NUL, and the token that we gave, which is a number. */
static void tell_watch(void)
{
	size_t path = strnlen(body, head.size);
	unsigned number = 0;

	for (size_t i = path + 1; i < head.size && body[i] >= '0' && body[i] <= '9'; i++)
		number = number * 10 + (unsigned)(body[i] - '0');
	for (struct uk_xen_watch *w = watches; w != NULL; w = w->next)
		if (w->number == number)
			w->fn(w);
}

static void finish(void)
{
	have = 0;
	body[head.size] = '\0';
	if (head.type == TYPE_FIRED)
		tell_watch();
	else if (head.request == asked)
		answered = true;
}

static void receive(void *arg)
{
	uint64_t state = uk_spin_lock(&lock);
	bool any = false;

	(void)arg;
	while (!answered) {
		uint32_t got =
			have < sizeof(head)
				? pull((uint8_t *)&head + have, (uint32_t)sizeof(head) - have)
				: pull(body + have - sizeof(head),
				       head.size + (uint32_t)sizeof(head) - have);

		have += got;
		any |= got != 0;
		if (have >= sizeof(head) && head.size > UK_XEN_VALUE_MAX)
			broken = true;
		if (have >= sizeof(head) && have == sizeof(head) + head.size && !broken)
			finish();
		else if (got == 0)
			break;
	}
	uk_spin_unlock(&lock, state);
	if (any)
		uk_xen_event_send(port);
	uk_wake_all(&moved);
}

/* As much as fits; how much that was. */
static uint32_t push(const char *data, uint32_t size)
{
	uint32_t filled = ring->out_filled, waiting = filled - ring->out_taken;

	if (waiting > RING)
		broken = true;
	if (broken)
		return size;
	size = UK_MIN(size, RING - waiting);
	for (uint32_t i = 0; i < size; i++)
		ring->out[(filled + i) % RING] = (uint8_t)data[i];
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->out_filled = filled + size;
	return size;
}

static void push_all(const char *data, uint32_t size)
{
	while (size != 0) {
		uint32_t part = push(data, size);

		data += part;
		size -= part;
		uk_xen_event_send(port);
		if (size != 0)
			(void)uk_wait_event(&moved, ring->out_filled - ring->out_taken < RING,
					    UK_FOREVER, false);
	}
}

/* What an error's word means to us. */
static int error_of(const char *word)
{
	return strcmp(word, "ENOENT") == 0   ? -UK_ENOENT
	       : strcmp(word, "EACCES") == 0 ? -UK_EACCES
					     : -UK_EIO;
}

/* Sends path and value, both with their size; the answer is in `body` while the mutex is held. */
static int ask(uint32_t type, const char *path, size_t path_size, const char *value,
	       size_t value_size)
{
	struct header h = { .type = type, .size = (uint32_t)(path_size + value_size) };

	if (ring == NULL || broken)
		return -UK_ENODEV;
	h.request = ++asked;
	pushing = true;
	push_all((const char *)&h, sizeof(h));
	push_all(path, (uint32_t)path_size);
	push_all(value, (uint32_t)value_size);
	pushing = false;
	(void)uk_wait_event(&moved, answered || broken, UK_FOREVER, false);
	if (broken)
		return -UK_EIO;
	if (head.type == TYPE_ERROR)
		return error_of(body);
	return (int)head.size;
}

/* Makes room for the next message. */
static void answer_read(void)
{
	answered = false;
	if (ring != NULL)
		receive(NULL);
	uk_mutex_unlock(&mutex);
}

static size_t join(char *to, size_t room, const char *directory, const char *node)
{
	return 1 + (size_t)(node == NULL ? uk_snprintf(to, room, "%s", directory)
					 : uk_snprintf(to, room, "%s/%s", directory, node));
}

#define PATH_MAX 192
#define VALUE_MAX 160 /* of what we write; more is cut */

/* Asks for a path and copies the answer out. */
static int fetch(uint32_t type, const char *directory, const char *node, char *to, size_t room)
{
	char path[PATH_MAX];
	int result;

	uk_mutex_lock(&mutex);
	result = ask(type, path, join(path, sizeof(path), directory, node), NULL, 0);
	if (result >= 0 && (size_t)result >= room)
		result = -UK_EOVERFLOW;
	if (result >= 0)
		memcpy(to, body, (size_t)result + 1);
	answer_read();
	return result;
}

int uk_xen_read(const char *directory, const char *node, char *to, size_t room)
{
	return fetch(TYPE_READ, directory, node, to, room);
}

int uk_xen_list(const char *directory, char *to, size_t room)
{
	return fetch(TYPE_LIST, directory, NULL, to, room);
}

uint64_t uk_xen_read_number(const char *directory, const char *node, uint64_t absent)
{
	char text[24];
	uint64_t v = 0;
	int size = uk_xen_read(directory, node, text, sizeof(text));

	if (size <= 0)
		return absent;
	for (int i = 0; i < size; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return absent;
		v = v * 10 + digit;
	}
	return v;
}

int uk_xen_write(const char *directory, const char *node, const char *format, ...)
{
	char path[PATH_MAX], value[VALUE_MAX];
	__builtin_va_list args;
	int size, result;

	__builtin_va_start(args, format);
	size = uk_vsnprintf(value, sizeof(value), format, args);
	__builtin_va_end(args);
	uk_mutex_lock(&mutex);
	result = ask(TYPE_WRITE, path, join(path, sizeof(path), directory, node), value,
		     UK_MIN((size_t)size, sizeof(value) - 1));
	answer_read();
	return UK_MIN(result, 0);
}

/* A watch is known to the other side by its path and its number. */
static int ask_watch(uint32_t type, const char *directory, const char *node,
		     const struct uk_xen_watch *watch)
{
	char path[PATH_MAX], token[16];
	size_t size = 1 + (size_t)uk_snprintf(token, sizeof(token), "%u", watch->number);

	return ask(type, path, join(path, sizeof(path), directory, node), token, size);
}

int uk_xen_watch(const char *directory, const char *node, struct uk_xen_watch *watch)
{
	uint64_t state;
	int result;

	uk_mutex_lock(&mutex);
	watch->number = watch_count++;
	state = uk_spin_lock(&lock);
	watch->next = watches;
	watches = watch;
	uk_spin_unlock(&lock, state);
	result = ask_watch(TYPE_WATCH, directory, node, watch);
	answer_read();
	return UK_MIN(result, 0);
}

void uk_xen_unwatch(const char *directory, const char *node, struct uk_xen_watch *watch)
{
	uint64_t state;

	uk_mutex_lock(&mutex);
	state = uk_spin_lock(&lock);
	for (struct uk_xen_watch **at = &watches; *at != NULL; at = &(*at)->next)
		if (*at == watch) {
			*at = watch->next;
			break;
		}
	uk_spin_unlock(&lock, state);
	(void)ask_watch(TYPE_UNWATCH, directory, node, watch);
	answer_read();
}

void uk_xen_write_last(const char *node, const char *text)
{
	struct header h = { .type = TYPE_WRITE };

	if (ring == NULL || broken || pushing || lock.held != 0)
		return;
	answered = false; /* whoever waited for that waits no more */
	h.size = (uint32_t)(strlen(node) + 1 + strlen(text));
	h.request = ++asked;
	if (sizeof(h) + h.size > RING - (ring->out_filled - ring->out_taken))
		return;
	(void)push((const char *)&h, sizeof(h));
	(void)push(node, (uint32_t)strlen(node) + 1);
	(void)push(text, (uint32_t)strlen(text));
	uk_xen_event_send(port);
	for (unsigned i = 0; i < PATIENCE && !answered && !broken; i++) {
		receive(NULL);
		uk_xen_yield();
	}
}

bool uk_xen_store_start(void)
{
	volatile struct interface *page = uk_xen_param_page(UK_XEN_STORE_PAGE);

	port = (uint32_t)uk_xen_param(UK_XEN_STORE_PORT);
	body = uk_alloc(UK_XEN_VALUE_MAX + 1);
	if (page == NULL || body == NULL)
		return false;
	ring = page;
	return uk_xen_event_bind(port, receive, NULL);
}
