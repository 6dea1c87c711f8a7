/*
 * The adapter behind its registers. Numbers here are those of the definitions, apart from the
 * driver's own.
 */
#include "ena_model.h"
#include "drivers.h"
#include "machine.h"
#include <string.h>
#include <uk/mem.h>

enum { WINDOW = 0x4000, PUSH_AT = 0x4000, PUSH_SIZE = 0x10000, QUEUES = 2, RING = 1024 };
enum { TX, RX };

struct ring {
	uint8_t *base;
	uint32_t depth, entry;
	uint32_t at; /* running */
};

struct queue {
	struct ring done;
	uint32_t known; /* of `done`, as the driver said */
	bool there, queue_there, push;
	uint8_t *base;
	uint32_t depth, taken; /* running: descriptors that were looked at */
	bool in_flight[65536];
};

struct ena_model ena;

static struct ring commands, answers, events;
static uint32_t commands_taken, event_head, control, mask, answer_count;
static struct queue queues[QUEUES];
static uint8_t window[PUSH_AT + PUSH_SIZE];
static uint8_t push_memory[PUSH_SIZE];
static void (*handlers[2])(void *arg);
static void *handler_args[2];
static unsigned frame_burst;
static uint16_t held[RING], held_count;
static struct uk_pci_dev device = {
	.vendor = 0x1d0f, .device = 0xec20, .bus = 3, .slot = 5, .msix = 0x40, .msix_count = 3
};
extern const struct uk_pci_driver uk_ena;

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint16_t get16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint8_t *memory(uint32_t low, uint32_t high)
{
	return uk_phys_to_virt((uint64_t)high << 32 | low);
}

static bool phase(uint32_t at, uint32_t depth)
{
	return (at / depth & 1) == 0;
}

void ena_model_reset(void)
{
	memset(&ena, 0, sizeof(ena));
	memset(queues, 0, sizeof(queues));
	memset(&commands, 0, sizeof(commands));
	memset(&answers, 0, sizeof(answers));
	memset(&events, 0, sizeof(events));
	memset(push_memory, 0, sizeof(push_memory));
	commands_taken = event_head = control = mask = answer_count = 0;
	held_count = 0;
	frame_burst = 0;
	ena.caps = 48u << 8 | 10u << 1;
	ena.features = 1u << 1 | 1u << 2 | 1u << 14 | 1u << 26 | 1u << 28;
	ena.attributes[2] = ena.features;
	ena.attributes[4] = 48;
	memcpy(&ena.attributes[6], "\x02\x11\x22\x33\x44\x55", 6);
	ena.attributes[8] = 9216;
	ena.queues[0] = 8;
	ena.queues[1] = 1024;
	ena.queues[2] = 16;
	ena.queues[3] = 1024;
	ena.queues[6] = 96;
	ena.queues[7] = 17 | 4u << 16;
	ena.wrong_answer = ena.failed_answer = -1;
	ena.bell_offset = 0x1000;
	ena.push_offset = 0x400;
}

void ena_model_push(bool meta, unsigned burst)
{
	ena_model_reset();
	ena.features |= 1u << 4 | 1u << 7;
	ena.attributes[2] = ena.features;
	memset(ena.queues, 0, sizeof(ena.queues));
	for (unsigned i = 1; i <= 4; i++)
		ena.queues[i] = 4;
	for (unsigned i = 5; i <= 8; i++)
		ena.queues[i] = 512;
	ena.queues[9] = 128;
	ena.queues[10] = 17 | 4u << 16;
	ena.push[0] = 4;
	ena.push[1] = 128;
	ena.push[2] = 3;
	ena.push[3] = 1 | 4;
	ena.push[4] = 2 | 4;
	ena.push[5] = 3;
	ena.push[7] = (meta ? 1u : 0) | (burst != 0 ? 2u : 0) | burst << 16;
}

/* --- commands --- */

static void zero_words(const uint8_t *c, unsigned from, unsigned to, const char *what)
{
	for (unsigned i = from; i < to; i++)
		check(get32(c + (size_t)i * 4) == 0, what);
}

static void get_feature(const uint8_t *c, uint32_t *answer)
{
	unsigned feature = c[17], version = c[18];

	zero_words(c, 1, 4, "no control buffer");
	check(c[16] == 0 && c[19] == 0, "the current value");
	zero_words(c, 5, 16, "nothing behind GET FEATURE");
	check(feature == 1 || (ena.features >> feature & 1) != 0, "a feature that is there");
	switch (feature) {
	case 1:
		memcpy(answer, ena.attributes, sizeof(ena.attributes));
		break;
	case 2:
		check(version == 0, "version 0");
		memcpy(answer, ena.queues, sizeof(ena.queues));
		break;
	case 7:
		check(version == 1, "version 1");
		memcpy(answer, ena.queues, sizeof(ena.queues));
		break;
	case 4:
		memcpy(answer, ena.push, sizeof(ena.push));
		break;
	case 26:
		answer[0] = 0x1f;
		break;
	default:
		machine_fail("a feature that is not asked for");
	}
}

static void set_push(const uint8_t *w)
{
	static const unsigned chosen[] = { 1, 1, 2, 2 };

	for (unsigned i = 0; i < 4; i++) {
		uint32_t v = get32(w + (2 + (size_t)i) * 4);

		check((v & 0xffff) == 0 && v >> 16 == chosen[i], "one of what is supported");
		check((ena.push[2 + i] & (v >> 16)) != 0, "what is supported");
	}
	check(get32(w + 28) == 3, "both modes that the driver knows");
	ena.pushed = true;
}

static void set_host(const uint8_t *w)
{
	const uint8_t *host = memory(get32(w), get16(w + 4));

	check(((uintptr_t)host & 4095) == 0, "the host's page");
	check(host[0] >= 1 && host[0] <= 7, "a system that has a number");
	check(memchr(host + 4, 0, 128) != NULL && memchr(host + 136, 0, 32) != NULL, "its names");
	check(get16(host + 184) == 0x200, "version of the specification");
	check(get16(host + 186) == (3u << 8 | 5u << 3), "bus, device, function");
	check(get16(host + 188) == 1, "processors");
	ena.host_told = true;
}

static void set_feature(const uint8_t *c)
{
	const uint8_t *w = c + 20;

	zero_words(c, 1, 4, "no control buffer");
	check(c[16] == 0 && c[19] == 0, "the current value");
	switch (c[17]) {
	case 4:
		set_push(w);
		break;
	case 14:
		ena.mtu = get32(w);
		zero_words(c, 6, 16, "nothing behind the MTU");
		break;
	case 26:
		ena.groups = get32(w + 4);
		check((ena.groups & ~0x1fu) == 0, "groups that are there");
		break;
	case 28:
		set_host(w);
		break;
	default:
		machine_fail("a feature that is not set");
	}
}

static bool power_of_two(uint32_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

static void create_done(const uint8_t *c, uint32_t *answer)
{
	unsigned which = queues[TX].there ? RX : TX;
	struct queue *q = &queues[which];

	check(!q->there, "two completion queues");
	check(c[4] == 1 << 5, "in interrupt mode");
	check(c[5] == (which == TX ? 2 : 4), "words of a completion");
	q->done.depth = get16(c + 6);
	q->done.entry = c[5] * 4u;
	check(power_of_two(q->done.depth) && q->done.depth <= RING, "depth");
	check(get32(c + 8) == 1, "the vector of frames");
	q->done.base = memory(get32(c + 12), get16(c + 16));
	check(((uintptr_t)q->done.base & 4095) == 0 && get16(c + 18) == 0, "on a page");
	zero_words(c, 5, 16, "nothing behind CREATE CQ");
	q->there = true;
	answer[0] = (which + 10) | (ena.short_ring ? q->done.depth / 2 : q->done.depth) << 16;
	answer[1] = 0;
	answer[2] = which == TX ? 0 : ena.bell_offset + 0x100; /* one tells its head, one not */
	answer[3] = ena.bell_offset + 0x200 + which * 4;
}

static void create_queue(const uint8_t *c, uint32_t *answer)
{
	unsigned which = c[4] >> 5 == 1 ? TX : RX;
	struct queue *q = &queues[which];

	check(c[4] == (which == TX ? 1 : 2) << 5, "direction");
	check(c[5] == 0 && c[7] == 1, "in one piece of memory");
	check(c[6] == 1 || (c[6] == 3 && which == TX && ena.pushed), "placement, completions");
	check(q->there && get16(c + 8) == which + 10, "its completion queue comes first");
	q->depth = get16(c + 10);
	q->push = c[6] == 3;
	check(power_of_two(q->depth) && q->depth <= q->done.depth, "depth");
	if (q->push) {
		check(q->depth <= ena.push[1], "depth of what is pushed");
		zero_words(c, 3, 16, "no memory of the host's");
	} else {
		q->base = memory(get32(c + 12), get16(c + 16));
		check(((uintptr_t)q->base & 4095) == 0 && get16(c + 18) == 0, "on a page");
		zero_words(c, 5, 16, "nothing behind CREATE SQ");
	}
	q->queue_there = true;
	answer[0] = which + 20;
	answer[1] = ena.bell_offset + which * 8;
	answer[2] = q->push ? ena.push_offset : 0;
	ena.running = queues[TX].queue_there && queues[RX].queue_there;
}

static void run_command(const uint8_t *c)
{
	uint8_t *a = answers.base + (size_t)(answers.at % answers.depth) * 64;
	uint32_t words[14] = { 0 };
	uint16_t id = get16(c);

	check(id < 4096, "a command's id");
	check((c[3] & 1) == phase(commands_taken, commands.depth), "a command's phase");
	check((c[3] & 0xfe) == 0, "no control data");
	switch (c[2]) {
	case 1:
		create_queue(c, words);
		break;
	case 3:
		create_done(c, words);
		break;
	case 8:
		get_feature(c, words);
		break;
	case 9:
		set_feature(c);
		break;
	default:
		machine_fail("a command that the driver does not need");
	}
	memset(a, 0, 64);
	if ((int)answer_count == ena.wrong_answer)
		id ^= 1;
	memcpy(a, &id, 2);
	a[2] = (int)answer_count++ == ena.failed_answer ? 5 : 0;
	memcpy(a + 8, words, sizeof(words));
	a[3] = phase(answers.at, answers.depth);
	answers.at++;
}

/* --- frames that are sent --- */

static void complete(struct queue *q, const void *entry, size_t phase_byte, uint8_t phase_bit)
{
	uint8_t *d = q->done.base + (size_t)(q->done.at % q->done.depth) * q->done.entry;

	memcpy(d, entry, q->done.entry);
	if (phase(q->done.at, q->done.depth))
		d[phase_byte] |= phase_bit;
	q->done.at++;
}

void ena_model_tx_done(uint16_t id)
{
	uint8_t d[8] = { 0 };

	queues[TX].in_flight[id] = false;
	memcpy(d, &id, 2);
	complete(&queues[TX], d, 3, 1);
}

void ena_model_release(void)
{
	for (unsigned i = 0; i < held_count; i++)
		ena_model_tx_done(held[i]);
	held_count = 0;
}

/* Descriptors of one frame as they come by. */
static struct {
	bool open, data;
	uint16_t id;
	unsigned descs;
} now;

static void frame_end(void)
{
	ena.sent++;
	ena.frame_descs = now.descs;
	now.open = false;
	check(now.descs <= ((ena.features >> 7 & 1) != 0 ? ena.queues[10] : ena.queues[7] & 0xffff),
	      "no more descriptors than a frame may have");
	if (ena.hold)
		held[held_count++] = now.id;
	else
		ena_model_tx_done(now.id);
}

/* One descriptor; `wanted` is its phase. `header`: what was pushed with the frame. */
static void tx_desc(const uint8_t *d, bool wanted, const uint8_t *header)
{
	uint32_t w0 = get32(d), w1 = get32(d + 4), w2 = get32(d + 8), w3 = get32(d + 12);
	uint32_t length = w0 & 0xffff;
	uint16_t id = (uint16_t)((w0 >> 16 & 0x3f) << 10 | w1 >> 22);

	check((w0 >> 24 & 1) == wanted, "a descriptor's phase");
	check((w0 >> 26 & 1) == !now.open, "first where a frame begins");
	check((w0 & 0xe2400000) == 0, "reserved bits of word 0");
	now.descs++;
	if ((w0 >> 23 & 1) != 0) {
		check(!now.open && header != NULL, "a meta descriptor comes first");
		check((w0 & 0xffff) == 1 << 14 && (w0 >> 16 & 0xf) == 0 && (w0 >> 20 & 3) == 3,
		      "an extended one that is stored");
		check(w1 == 0 && w2 == 0 && w3 == 0 && (w0 >> 27 & 1) == 0, "of no offload");
		now.open = true;
		now.data = false;
		now.descs = 1;
		ena.frame_size = 0;
		return;
	}
	check((w1 & 0x3fffff) == 0, "no offload");
	if (!now.open || !now.data) {
		if (!now.open) {
			check(!queues[TX].push || (ena.push[7] & 1) == 0, "meta where it must be");
			now.descs = 1;
			ena.frame_size = 0;
		}
		check((w0 >> 28 & 1) == 1, "a completion is asked for");
		check(!queues[TX].in_flight[id] && id < queues[TX].depth, "an id that is free");
		check(header != NULL ? (w3 >> 24) <= 96 : (w3 >> 24) == 0, "length of the header");
		queues[TX].in_flight[id] = true;
		if (header != NULL) {
			memcpy(ena.frame, header, w3 >> 24);
			ena.frame_size = w3 >> 24;
		}
		now.id = id;
		now.data = now.open = true;
	} else {
		check((w0 >> 28 & 1) == 0 && w3 >> 24 == 0, "only with the first");
		check(id == now.id, "one id a frame");
	}
	check((w3 & 0xff0000) == 0, "reserved bits of word 3");
	check(length != 0 || ((w0 >> 27 & 1) != 0 && ena.frame_size != 0), "a buffer has bytes");
	check(ena.frame_size + length <= sizeof(ena.frame), "a frame's length");
	if (length != 0)
		memcpy(ena.frame + ena.frame_size, memory(w2, w3 & 0xffff), length);
	ena.frame_size += length;
	if ((w0 >> 27 & 1) != 0)
		frame_end();
}

static void tx_entry(const uint8_t *entry, bool wanted)
{
	static const uint8_t nothing[16];
	static uint8_t header[96];
	bool first = !now.open;
	unsigned room = first ? 2 : 8;

	if (first)
		memcpy(header, entry + 32, sizeof(header));
	for (unsigned i = 0; i < room; i++) {
		if (i != 0 && !now.open) {
			check(memcmp(entry + (size_t)i * 16, nothing, 16) == 0,
			      "nothing behind a frame's last descriptor");
			continue;
		}
		tx_desc(entry + (size_t)i * 16, wanted, first ? header : NULL);
	}
}

static void tx_bell(uint32_t position)
{
	struct queue *q = &queues[TX];
	uint16_t count = (uint16_t)(position - q->taken);

	ena.bells++;
	check(count != 0 && count < q->depth, "a doorbell for what is there");
	if (q->push && (ena.push[7] & 2) != 0)
		check(count <= (ena.push[7] >> 16) / 128, "no longer burst");
	ena.longest_burst = count > ena.longest_burst ? count : ena.longest_burst;
	for (; count != 0; count--, q->taken++) {
		uint32_t at = q->taken % q->depth;

		if (q->push)
			tx_entry(push_memory + ena.push_offset + (size_t)at * 128,
				 phase(q->taken, q->depth));
		else
			tx_desc(q->base + (size_t)at * 16, phase(q->taken, q->depth), NULL);
	}
	check(!now.open, "whole frames");
}

/* --- frames that arrive --- */

struct buffer {
	uint16_t id;
	uint8_t *at;
	uint32_t size;
};
static struct buffer buffers[RING];
static unsigned buffer_first, buffer_count;

static void rx_bell(uint32_t position)
{
	struct queue *q = &queues[RX];
	uint16_t count = (uint16_t)(position - q->taken);

	check(count != 0 && count < q->depth, "a doorbell for what is there");
	for (; count != 0; count--, q->taken++) {
		const uint8_t *d = q->base + (size_t)(q->taken % q->depth) * 16;
		struct buffer *b = &buffers[(buffer_first + buffer_count++) % RING];

		check((d[3] & 1) == phase(q->taken, q->depth), "a buffer's phase");
		check((d[3] & 0xfe) == 0x3c, "first, last, completion, and the bit that is one");
		check(d[2] == 0 && get16(d + 6) == 0 && get16(d + 14) == 0, "reserved fields");
		b->id = get16(d + 4);
		b->size = get16(d) == 0 ? 65536 : get16(d);
		b->at = memory(get32(d + 8), get16(d + 12));
		check(!q->in_flight[b->id], "a buffer that is not given twice");
		check(buffer_count < q->depth, "no more buffers than the queue holds");
		q->in_flight[b->id] = true;
	}
}

/* Takes a buffer out of those that the adapter has, if it has it. */
static void take_buffer(uint16_t id)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < buffer_count; i++) {
		struct buffer b = buffers[(buffer_first + i) % RING];

		if (b.id != id)
			buffers[(buffer_first + kept++) % RING] = b;
	}
	buffer_count = kept;
	queues[RX].in_flight[id] = false;
}

void ena_model_rx_done(uint16_t id, uint16_t length, uint8_t offset, uint32_t status)
{
	uint8_t d[16] = { 0 };

	take_buffer(id);

	memcpy(d, &status, 4);
	memcpy(d + 4, &length, 2);
	memcpy(d + 6, &id, 2);
	d[14] = offset;
	complete(&queues[RX], d, 3, 1);
}

uint16_t ena_model_rx_id(void)
{
	struct buffer b = buffers[buffer_first % RING];

	check(buffer_count != 0, "a buffer for the test");
	take_buffer(b.id);
	return b.id;
}

bool ena_model_deliver(const uint8_t *frame, size_t size, size_t piece, uint32_t status)
{
	size_t pieces = (size + piece - 1) / piece;

	if (buffer_count < pieces)
		return false;
	for (size_t at = 0; at < size; at += piece) {
		struct buffer *b = &buffers[buffer_first % RING];
		size_t part = size - at < piece ? size - at : piece;
		bool last = at + part == size;

		check(part <= b->size, "the test's pieces fit");
		memcpy(b->at, frame + at, part);
		ena_model_rx_done(ena_model_rx_id(), (uint16_t)part, 0,
				  (at == 0 ? 1u << 26 : 0) | (last ? 1u << 27 | status : 0) |
					  1u << 30);
	}
	if (!ena.masked && handlers[1] != NULL) {
		ena.masked = true;
		ena.interrupts[1]++;
		handlers[1](handler_args[1]);
	}
	return true;
}

void ena_model_event(uint16_t group, uint32_t word)
{
	uint8_t *e = events.base + (size_t)(events.at % events.depth) * 64;

	check(events.at != event_head, "the event queue has room");
	memset(e, 0, 64);
	memcpy(e, &group, 2);
	memcpy(e + 16, &word, 4);
	e[4] = phase(events.at, events.depth);
	events.at++;
	if ((mask & 1) == 0 && handlers[0] != NULL) {
		ena.interrupts[0]++;
		handlers[0](handler_args[0]);
	}
}

/* --- registers --- */

static void write_control(uint32_t v)
{
	check((v & 0x0ffffffe) == 0, "the bits of the control register");
	if ((v & 1) != 0 && (control & 1) == 0) {
		ena.resets++;
		ena.reason = v >> 28;
		ena.running = false;
		memset(queues, 0, sizeof(queues));
		memset(&now, 0, sizeof(now));
		commands.base = answers.base = events.base = NULL;
		commands_taken = answers.at = events.at = 0;
		buffer_first = buffer_count = 0;
		held_count = 0;
	}
	control = v;
}

static void set_base(struct ring *r, size_t offset, size_t base, uint32_t v)
{
	static uint64_t bases[3];
	uint64_t *b = &bases[base / 0x14];

	check((control & 1) == 0 && ena.resets != 0, "after a reset");
	*b = offset == base ? (*b & ~(uint64_t)UINT32_MAX) | v
			    : (*b & UINT32_MAX) | (uint64_t)v << 32;
	r->base = uk_phys_to_virt(*b);
}

static void set_caps(struct ring *r, uint32_t v)
{
	r->depth = v & 0xffff;
	check(v >> 16 == 64 && power_of_two(r->depth) && r->depth <= 64, "entries of 64 bytes");
	check(((uintptr_t)r->base & 4095) == 0, "the base comes before, and is a page");
}

static void command_bell(uint32_t v)
{
	uint16_t count = (uint16_t)(v - commands_taken);

	check(commands.base != NULL && answers.base != NULL && events.depth != 0,
	      "all three queues of the management are there");
	check(count != 0 && count <= commands.depth, "a doorbell for what is there");
	for (; count != 0; count--, commands_taken++)
		run_command(commands.base + (size_t)(commands_taken % commands.depth) * 64);
}

static void write_bell(size_t offset, uint32_t v)
{
	size_t at = offset - ena.bell_offset;

	check(offset >= ena.bell_offset && ena.running, "a register that is written");
	if (at == 0) {
		tx_bell(v);
	} else if (at == 8) {
		rx_bell(v);
	} else if (at == 0x100) {
		check((uint16_t)(queues[RX].done.at - v) <= queues[RX].done.depth, "a head");
	} else if (at == 0x200 || at == 0x204) {
		check((v & 0xbfffffff) == 0, "unmasked without delay");
		ena.masked = false;
	} else {
		machine_fail("a doorbell that is there");
	}
}

static void model_write(size_t offset, uint32_t v)
{
	if (offset >= PUSH_AT) {
		check(queues[TX].push, "memory for descriptors");
		memcpy(push_memory + (offset - PUSH_AT), &v, sizeof(v));
		return;
	}
	switch (offset) {
	case 0x10:
	case 0x14:
		set_base(&commands, offset, 0x10, v);
		break;
	case 0x18:
		set_caps(&commands, v);
		break;
	case 0x20:
	case 0x24:
		set_base(&answers, offset, 0x20, v);
		break;
	case 0x28:
		set_caps(&answers, v);
		break;
	case 0x2c:
		command_bell(v);
		break;
	case 0x34:
		set_caps(&events, v);
		break;
	case 0x38:
	case 0x3c:
		set_base(&events, offset, 0x38, v);
		break;
	case 0x40:
		check((uint16_t)(v - event_head) <= events.depth && v >= events.at, "a head");
		event_head = v;
		break;
	case 0x4c:
		check(v <= 1, "the mask");
		mask = v;
		break;
	case 0x54:
		write_control(v);
		break;
	default:
		write_bell(offset, v);
	}
}

static uint32_t model_read(size_t offset)
{
	bool resetting = ((control & 1) != 0 && !ena.never_resets) ||
			 (ena.resets != 0 && ena.stays_resetting);

	switch (offset) {
	case 0x00:
		return 0x200;
	case 0x08:
		return ena.caps;
	case 0x58:
		return (ena.never_ready ? 0 : 1u) | (resetting ? 8u : 0);
	default:
		machine_fail("a register that is not read");
		return 0;
	}
}

static int model_msix(unsigned index, void (*fn)(void *arg), void *arg)
{
	check(index < 2, "a vector for events and one for frames");
	handlers[index] = fn;
	handler_args[index] = arg;
	return 0;
}

int ena_model_start(void)
{
	static const struct machine_device played = {
		.window = window,
		.size = sizeof(window),
		.second = PUSH_AT,
		.read = model_read,
		.write = model_write,
		.msix = model_msix,
	};

	handlers[0] = handlers[1] = NULL;
	machine_play(&played);
	return uk_ena.start(&device);
}

void ena_model_end(void)
{
	machine_clear();
}

/* --- the stack --- */

void uk_netdev_register(struct uk_netdev *dev)
{
	ena.dev = dev;
}

void uk_net_received(struct uk_netdev *dev, struct uk_net_buf *frame, bool good)
{
	check(dev == ena.dev, "its own device");
	ena.received++;
	ena.got_size = 0;
	ena.got_sums = good;
	while (frame != NULL) {
		struct uk_net_buf *next = frame->next;

		memcpy(ena.got + ena.got_size, frame->data, frame->size);
		ena.got_size += frame->size;
		if (ena.keep) {
			frame->next = ena.kept;
			ena.kept = frame;
		} else {
			frame->free(frame);
		}
		frame = next;
	}
}

void uk_net_sent(struct uk_netdev *dev, void *token)
{
	check(dev == ena.dev, "its own device");
	++*(unsigned *)token;
	ena.ended++;
}

void uk_net_wake(void)
{
	ena.wakes++;
}

void uk_net_link_changed(struct uk_netdev *dev)
{
	check(dev == ena.dev, "its own device");
	ena.link_changes++;
}

uint64_t uk_mem_total(void)
{
	return 64 << 20;
}
