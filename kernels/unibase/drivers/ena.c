/*
 * Bringing an Elastic Network Adapter up: a reset, the admin queues, polled; what it can do; one
 * pair of queues each way with an interrupt of their own, and one for events. Where it has memory
 * for transmit descriptors they are put there, since newer generations ask for it.
 *
 * Whatever the adapter says is bounded before it is used, and every wait ends.
 */
#include "ena.h"
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>

#define VENDOR_AMAZON 0x1d0f

enum ena_register {
	VERSION = 0x00,
	CAPS = 0x08,
	COMMAND_BASE = 0x10,
	COMMAND_CAPS = 0x18,
	ANSWER_BASE = 0x20,
	ANSWER_CAPS = 0x28,
	COMMAND_BELL = 0x2c,
	EVENT_CAPS = 0x34,
	EVENT_BASE = 0x38,
	EVENT_HEAD = 0x40,
	INTERRUPT_MASK = 0x4c,
	CONTROL = 0x54,
	STATUS = 0x58,
	REGISTERS_SIZE = 0x100,
};
enum { CONTROL_RESET = 1, CONTROL_REASON_SHIFT = 28 };
enum { STATUS_READY = 1, STATUS_RESETTING = 8 };

enum { CREATE_QUEUE = 1, CREATE_DONE = 3, GET_FEATURE = 8, SET_FEATURE = 9 };
enum {
	FEATURE_ATTRIBUTES = 1,
	FEATURE_QUEUES = 2,
	FEATURE_PUSH = 4,
	FEATURE_QUEUES_EXT = 7,
	FEATURE_MTU = 14,
	FEATURE_EVENTS = 26,
	FEATURE_HOST = 28,
};
/* Of a command that gets or sets a feature: which, and where its words begin. */
enum { FEATURE_WORD = 3, SET_WORDS = 4 };

enum { EVENT_LINK = 0, EVENT_FATAL = 1 };
enum { DIRECTION_TX = 1, DIRECTION_RX = 2 };
#define PLACE_HOST 1u
#define PLACE_DEVICE 3u
enum {
	PUSH_INLINE = 1,
	PUSH_ENTRY_128 = 1,
	PUSH_TWO_DESCS = 2,
	PUSH_MANY_DESCS = 2,
	PUSH_NO_META_CACHE = 1,
	PUSH_BURST = 2
};
enum { VECTOR_EVENTS = 0, VECTOR_FRAMES = 1 };

enum {
	ADMIN_MS = 3000,
	RESET_UNIT_MS = 100,
	SPINS = 500,
	WAIT_US = 20,
	DEPTH_LEAST = 16,
	PUSH_ENTRY = 128,
	PUSH_HEADER = 96,
	PUSH_BURST_LEAST = 4, /* entries */
	ADDRESS_BITS = 39,    /* of the memory that the kernel uses */
	BELL_END = 1 << 20,   /* the register window is no larger */
	PUSH_END = 1 << 26,
	MTU_LEAST = 576,
	MTU = 1500,
};

/* Places in the page that tells the adapter of us. */
enum {
	HOST_SYSTEM = 0,
	HOST_NAME = 4,
	HOST_VERSION = 136,
	HOST_SPECIFICATION = 184,
	HOST_FUNCTION = 186,
	HOST_PROCESSORS = 188,
};

static uint32_t get32(const struct ena *e, unsigned at)
{
	return uk_mmio_read32(e->registers + at);
}

static void put32(struct ena *e, unsigned at, uint32_t v)
{
	uk_mmio_write32(e->registers + at, v);
}

static void put64(struct ena *e, unsigned at, uint64_t v)
{
	put32(e, at, (uint32_t)v);
	put32(e, at + 4, (uint32_t)(v >> 32));
}

/* Most answers come at once: the first looks cost no wait. */
static bool wait_more(unsigned *looks, unsigned ms)
{
	if (++*looks <= SPINS)
		return true;
	uk_delay_us(WAIT_US);
	return *looks - SPINS < ms * (1000 / WAIT_US);
}

static int wait_status(struct ena *e, uint32_t bit, uint32_t wanted)
{
	unsigned looks = 0;

	for (;;) {
		uint32_t status = get32(e, STATUS);

		if (status == UINT32_MAX)
			return -UK_ENODEV;
		if ((status & bit) == wanted)
			return 0;
		if (!wait_more(&looks, e->reset_ms))
			return -UK_ETIMEDOUT;
	}
}

int ena_reset(struct ena *e, enum ena_reason why)
{
	int result;

	put32(e, CONTROL, CONTROL_RESET | (uint32_t)why << CONTROL_REASON_SHIFT);
	result = wait_status(e, STATUS_RESETTING, STATUS_RESETTING);
	put32(e, CONTROL, 0);
	return result != 0 ? result : wait_status(e, STATUS_RESETTING, 0);
}

void ena_fail(struct ena *e, enum ena_reason why, const char *what)
{
	if (e->dead)
		return;
	e->dead = true;
	uk_log(UK_LOG_ERROR, "%s: %s: the adapter is stopped", e->dev.name, what);
	(void)ena_reset(e, why);
	e->dev.link = false;
	uk_net_wake();
}

/* --- commands --- */

static bool ring_open(struct ena_ring *r, uint16_t size, size_t entry)
{
	struct uk_page *page = uk_page_alloc(0, true);

	if (page == NULL || size * entry > UK_PAGE_SIZE)
		return false;
	r->entries = uk_page_virt(page);
	r->size = size;
	return true;
}

static bool take_answer(struct ena *e, struct ena_answer *out)
{
	struct ena_ring *r = &e->answers;
	volatile struct ena_answer *a = (struct ena_answer *)r->entries + ena_index(r);

	if ((a->flags & 1) != ena_phase(r))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(out, (const void *)(uintptr_t)a, sizeof(*out));
	r->at++;
	return true;
}

/* The words of the answer take the command's place. */
static int admin(struct ena *e, struct ena_command *c)
{
	struct ena_ring *r = &e->commands;
	struct ena_answer answer;
	unsigned looks = 0;

	e->command_id = (e->command_id + 1) & 0xfff;
	c->id = e->command_id;
	c->flags = ena_phase(r);
	memcpy((struct ena_command *)r->entries + ena_index(r), c, sizeof(*c));
	r->at++;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	put32(e, COMMAND_BELL, r->at);
	while (!take_answer(e, &answer))
		if (!wait_more(&looks, ADMIN_MS))
			return -UK_ETIMEDOUT;
	if ((answer.id & 0xfff) != c->id)
		return -UK_EPROTO;
	if (answer.status != 0)
		return -UK_EIO;
	memcpy(c->word, answer.word, sizeof(answer.word));
	return 0;
}

static bool has(const struct ena *e, unsigned feature)
{
	return (e->features >> feature & 1) != 0;
}

static int get_feature(struct ena *e, unsigned feature, unsigned version, struct ena_command *c)
{
	*c = (struct ena_command){ .opcode = GET_FEATURE };
	c->word[FEATURE_WORD] = feature << 8 | version << 16;
	return admin(e, c);
}

static int set_feature(struct ena *e, unsigned feature, struct ena_command *c)
{
	c->opcode = SET_FEATURE;
	c->word[FEATURE_WORD] = feature << 8;
	return admin(e, c);
}

static void put_address(uint32_t *words, const void *memory)
{
	uk_paddr_t at = uk_virt_to_phys(memory);

	words[0] = (uint32_t)at;
	words[1] = (uint32_t)(at >> 32) & 0xffff;
}

/* --- from the reset to the first answer --- */

static int read_caps(struct ena *e)
{
	uint32_t version = get32(e, VERSION), caps = get32(e, CAPS);

	if (version == UINT32_MAX || caps == UINT32_MAX)
		return -UK_ENODEV;
	e->reset_ms = (caps >> 1 & 0x1f) * RESET_UNIT_MS;
	return (caps >> 8 & 0xff) < ADDRESS_BITS || e->reset_ms == 0 ? -UK_EOPNOTSUPP : 0;
}

static int open_admin(struct ena *e)
{
	if (!ring_open(&e->commands, ENA_ADMIN_RING, sizeof(struct ena_command)) ||
	    !ring_open(&e->answers, ENA_ADMIN_RING, sizeof(struct ena_answer)) ||
	    !ring_open(&e->events, ENA_EVENT_RING, sizeof(struct ena_event)))
		return -UK_ENOMEM;
	put32(e, INTERRUPT_MASK, 1); /* answers are polled for */
	put64(e, COMMAND_BASE, uk_virt_to_phys(e->commands.entries));
	put64(e, ANSWER_BASE, uk_virt_to_phys(e->answers.entries));
	put32(e, COMMAND_CAPS, ENA_ADMIN_RING | (uint32_t)sizeof(struct ena_command) << 16);
	put32(e, ANSWER_CAPS, ENA_ADMIN_RING | (uint32_t)sizeof(struct ena_answer) << 16);
	put64(e, EVENT_BASE, uk_virt_to_phys(e->events.entries));
	put32(e, EVENT_CAPS, ENA_EVENT_RING | (uint32_t)sizeof(struct ena_event) << 16);
	return 0;
}

/* Newer generations deliver no frame to who did not introduce himself. */
static int introduce(struct ena *e)
{
	static const char name[] = "unibase";
	struct uk_page *page = uk_page_alloc(0, true);
	struct ena_command c = { 0 };
	uint8_t *host;

	if (page == NULL)
		return -UK_ENOMEM;
	host = e->host = uk_page_virt(page);
	host[HOST_SYSTEM] = 1; /* of those that have a number: the one whose calls we speak */
	memcpy(host + HOST_NAME, name, sizeof(name));
	memcpy(host + HOST_VERSION, name, sizeof(name));
	host[HOST_SPECIFICATION + 1] = 2; /* 2.0 */
	host[HOST_FUNCTION] = (uint8_t)(e->pci->slot << 3 | e->pci->function);
	host[HOST_FUNCTION + 1] = e->pci->bus;
	host[HOST_PROCESSORS] = 1;
	put_address(&c.word[SET_WORDS], host);
	return set_feature(e, FEATURE_HOST, &c);
}

/* --- what it can do --- */

static int read_attributes(struct ena *e)
{
	struct ena_command c;
	int result = get_feature(e, FEATURE_ATTRIBUTES, 0, &c);

	if (result != 0)
		return result;
	e->features = c.word[2];
	memcpy(e->dev.mac, &c.word[6], sizeof(e->dev.mac));
	e->dev.mtu = (uint16_t)UK_MIN(c.word[8], (uint32_t)MTU);
	/* A group's address or none is nobody's. */
	return (e->dev.mac[0] & 1) != 0 || e->dev.mtu < MTU_LEAST ? -UK_EPROTO : 0;
}

/* The greatest power of two that both allow. */
static uint16_t depth_of(uint32_t a, uint32_t b)
{
	uint32_t most = UK_MIN(UK_MIN(a, b), (uint32_t)ENA_RING_MAX);
	uint16_t depth = ENA_RING_MAX;

	while (depth > most)
		depth /= 2;
	return depth;
}

static int read_queues(struct ena *e)
{
	bool wide = has(e, FEATURE_QUEUES_EXT);
	struct ena_command c;
	const uint32_t *w = c.word;
	int result = get_feature(e, wide ? FEATURE_QUEUES_EXT : FEATURE_QUEUES, wide ? 1 : 0, &c);
	uint32_t queues;

	if (result != 0)
		return result;
	if (wide) {
		queues = UK_MIN(UK_MIN(w[1], w[2]), UK_MIN(w[3], w[4]));
		e->tx_depth = depth_of(w[5], w[6]);
		e->rx_depth = depth_of(w[7], w[8]);
		e->tx_descs = (uint16_t)w[10];
	} else {
		queues = UK_MIN(w[0], w[2]);
		e->tx_depth = e->rx_depth = depth_of(w[1], w[3]);
		e->tx_descs = (uint16_t)w[7];
	}
	return queues == 0 || e->tx_depth < DEPTH_LEAST || e->rx_depth < DEPTH_LEAST ||
			       e->tx_descs < 2
		       ? -UK_EPROTO
		       : 0;
}

/*
 * Entries of 128 bytes: two descriptors, then the frame's first 96 bytes; further descriptors fill
 * the next entries. An adapter that offers others only keeps its descriptors in our memory.
 */
static int read_push(struct ena *e)
{
	struct ena_command c;
	uint16_t accelerated, burst;
	int result;

	if (!has(e, FEATURE_PUSH))
		return 0;
	result = get_feature(e, FEATURE_PUSH, 1, &c);
	if (result != 0)
		return result;
	if (c.word[0] == 0 || (c.word[2] & PUSH_INLINE) == 0 || (c.word[3] & PUSH_ENTRY_128) == 0 ||
	    (c.word[4] & PUSH_TWO_DESCS) == 0 || (c.word[5] & PUSH_MANY_DESCS) == 0)
		return 0;
	e->push.depth = depth_of(c.word[1], e->tx_depth);
	accelerated = (uint16_t)c.word[7];
	burst = (uint16_t)(c.word[7] >> 16);
	/* The longest frame must be one burst. */
	if (e->push.depth < DEPTH_LEAST ||
	    ((accelerated & PUSH_BURST) != 0 && burst < PUSH_BURST_LEAST * PUSH_ENTRY))
		return 0;
	e->push.on = true;
	e->push.entry = PUSH_ENTRY;
	e->push.header = PUSH_HEADER;
	e->push.meta = (accelerated & PUSH_NO_META_CACHE) != 0;
	e->push.burst = (uint16_t)((accelerated & PUSH_BURST) != 0 ? burst / e->push.entry : 0);
	c = (struct ena_command){ 0 };
	c.word[SET_WORDS + 2] = PUSH_INLINE << 16;
	c.word[SET_WORDS + 3] = PUSH_ENTRY_128 << 16;
	c.word[SET_WORDS + 4] = PUSH_TWO_DESCS << 16;
	c.word[SET_WORDS + 5] = PUSH_MANY_DESCS << 16;
	c.word[SET_WORDS + 7] = PUSH_NO_META_CACHE | PUSH_BURST; /* what we can follow */
	return set_feature(e, FEATURE_PUSH, &c);
}

static int set_mtu(struct ena *e)
{
	struct ena_command c = { 0 };

	c.word[SET_WORDS] = e->dev.mtu;
	return has(e, FEATURE_MTU) ? set_feature(e, FEATURE_MTU, &c) : 0;
}

/* --- queues --- */

static volatile void *bell_at(struct ena *e, uint32_t offset)
{
	if (offset == 0 || offset % 4 != 0 || offset >= BELL_END)
		return NULL;
	return uk_pci_map(e->pci, 0, offset, 4);
}

static int open_done(struct ena *e, struct ena_pair *p, uint16_t depth, size_t entry)
{
	struct ena_command c = { .opcode = CREATE_DONE };
	int result;

	if (!ring_open(&p->done, depth, entry))
		return -UK_ENOMEM;
	c.word[0] = 1 << 5 | (uint32_t)(entry / 4) << 8 | (uint32_t)depth << 16;
	c.word[1] = VECTOR_FRAMES;
	put_address(&c.word[2], p->done.entries);
	result = admin(e, &c);
	if (result != 0)
		return result;
	p->done.id = (uint16_t)c.word[0];
	if (c.word[0] >> 16 != depth)
		return -UK_EPROTO;
	p->done.bell = c.word[2] != 0 ? bell_at(e, c.word[2]) : NULL;
	p->unmask = bell_at(e, c.word[3]);
	return p->unmask == NULL ? -UK_EPROTO : 0;
}

static int open_queue(struct ena *e, struct ena_pair *p, unsigned direction, uint16_t depth,
		      bool push)
{
	struct ena_command c = { .opcode = CREATE_QUEUE };
	int result;

	p->queue.size = depth;
	p->free = (uint16_t)(depth - 1); /* one stays empty: full and empty would look the same */
	if (!push && !ring_open(&p->queue, depth, sizeof(struct ena_tx_desc)))
		return -UK_ENOMEM;
	c.word[0] = direction << 5 | (push ? PLACE_DEVICE : PLACE_HOST) << 16 | 1u << 24;
	c.word[1] = p->done.id | (uint32_t)depth << 16;
	if (!push)
		put_address(&c.word[2], p->queue.entries);
	result = admin(e, &c);
	if (result != 0)
		return result;
	p->queue.id = (uint16_t)c.word[0];
	p->queue.bell = bell_at(e, c.word[1]);
	if (push) {
		if (c.word[2] % 64 != 0 || c.word[2] >= PUSH_END)
			return -UK_EPROTO;
		p->queue.device = uk_pci_map(e->pci, 2, c.word[2], (uint64_t)depth * e->push.entry);
		if (p->queue.device == NULL)
			return -UK_EPROTO;
	}
	return p->queue.bell == NULL ? -UK_EPROTO : 0;
}

static int open_pairs(struct ena *e)
{
	uint16_t depth = e->push.on ? e->push.depth : e->tx_depth;
	int result = open_done(e, &e->tx, depth, sizeof(struct ena_tx_done));

	if (result == 0)
		result = open_queue(e, &e->tx, DIRECTION_TX, depth, e->push.on);
	if (result == 0)
		result = open_done(e, &e->rx, e->rx_depth, sizeof(struct ena_rx_done));
	if (result == 0)
		result = open_queue(e, &e->rx, DIRECTION_RX, e->rx_depth, false);
	return result;
}

/* --- events --- */

static void on_event(void *arg)
{
	struct ena *e = arg;

	e->event = true;
	uk_net_wake();
}

void ena_events(struct ena *e)
{
	struct ena_ring *r = &e->events;
	bool was = e->dev.link, some = false;

	e->event = false;
	for (unsigned i = 0; i < ENA_EVENT_RING && !e->dead; i++) {
		volatile struct ena_event *v = (struct ena_event *)r->entries + ena_index(r);

		if ((v->flags & 1) != ena_phase(r))
			break;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		some = true;
		r->at++;
		if (v->group == EVENT_LINK)
			e->dev.link = (v->word[0] & 1) != 0;
		else if (v->group == EVENT_FATAL)
			ena_fail(e, ENA_RESET_STATE, "reports a fatal error");
	}
	if (e->dead)
		return;
	if (some) /* the head runs one ring ahead */
		put32(e, EVENT_HEAD, (uint16_t)(r->at + ENA_EVENT_RING));
	if (e->dev.link != was)
		uk_net_link_changed(&e->dev);
}

static int open_events(struct ena *e)
{
	struct ena_command c;
	uint32_t groups;
	int result = uk_pci_msix_set(e->pci, VECTOR_EVENTS, on_event, e);

	if (result == 0)
		result = get_feature(e, FEATURE_EVENTS, 0, &c);
	if (result != 0)
		return result;
	groups = c.word[0] & (1u << EVENT_LINK | 1u << EVENT_FATAL);
	c = (struct ena_command){ 0 };
	c.word[SET_WORDS + 1] = groups;
	result = set_feature(e, FEATURE_EVENTS, &c);
	if (result == 0)
		put32(e, EVENT_HEAD, ENA_EVENT_RING);
	return result;
}

/* --- the start --- */

static int bring_up(struct ena *e)
{
	int result = read_caps(e);

	if (result == 0)
		result = wait_status(e, STATUS_READY, STATUS_READY);
	if (result == 0)
		result = ena_reset(e, ENA_RESET_NORMAL);
	if (result == 0)
		result = open_admin(e);
	if (result == 0)
		result = introduce(e);
	if (result == 0)
		result = read_attributes(e);
	if (result == 0)
		result = read_queues(e);
	if (result == 0)
		result = read_push(e);
	if (result == 0)
		result = set_mtu(e);
	if (result == 0)
		result = uk_pci_msix_start(e->pci);
	if (result == 0 && has(e, FEATURE_EVENTS))
		result = open_events(e);
	if (result == 0)
		result = uk_pci_msix_set(e->pci, VECTOR_FRAMES, ena_interrupt, e);
	return result != 0 ? result : open_pairs(e);
}

static bool match(const struct uk_pci_dev *pci)
{
	/* The function of a host and of a guest, each with and without memory for descriptors. */
	return pci->vendor == VENDOR_AMAZON && (pci->device == 0x0ec2 || pci->device == 0x1ec2 ||
						pci->device == 0xec20 || pci->device == 0xec21);
}

static int start(struct uk_pci_dev *pci)
{
	struct ena *e = uk_alloc(sizeof(*e));
	int result;

	if (e == NULL)
		return -UK_ENOMEM;
	e->pci = pci;
	uk_pci_enable(pci, UK_PCI_MEMORY | UK_PCI_MASTER);
	e->registers = uk_pci_map(pci, 0, 0, REGISTERS_SIZE);
	if (e->registers == NULL)
		return -UK_ENODEV;
	result = bring_up(e);
	if (result == 0)
		result = ena_net_start(e);
	if (result != 0) {
		(void)ena_reset(e, ENA_RESET_START);
		return result;
	}
	put32(e, INTERRUPT_MASK, 0);
	e->dev.ops = &ena_operations;
	e->dev.driver = e;
	e->dev.link = true; /* until an event says otherwise */
	uk_netdev_register(&e->dev);
	return 0;
}

const struct uk_pci_driver uk_ena = { .name = "ena", .match = match, .start = start };
UK_PCI_DRIVER(uk_ena);
