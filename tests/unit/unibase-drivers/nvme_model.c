/*
 * The controller behind the registers: admin and I/O queue pair, identify, features, transfers.
 */
#include "nvme_model.h"
#include "drivers.h"
#include "machine.h"
#include <stdlib.h>
#include <string.h>
#include <uk/mem.h>

enum {
	CAP = 0,
	VS = 8,
	CC = 0x14,
	CSTS = 0x1c,
	AQA = 0x24,
	ASQ = 0x28,
	ACQ = 0x30,
	BELLS = 0x1000
};
enum { PAGE = 4096, REGISTERS = 0x2000 };

struct nvme_model model;

struct pair {
	uint8_t *commands;
	uint8_t *completions;
	uint32_t size, completion_size;
	uint32_t head;	/* of commands */
	uint32_t tail;	/* of completions */
	uint32_t known; /* head of completions, as the driver said */
	uint8_t phase;
};

static struct pair pairs[2];
static uint32_t control, sizes;
static uint64_t bases[2];
static uint8_t window[REGISTERS];
static struct uk_pci_dev device = { .class = 0x010802, .msix = 0x40, .msix_count = 2 };
extern const struct uk_pci_driver uk_nvme;

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- != 0;)
		v = v << 8 | at[i];
	return v;
}

void model_reset(void)
{
	memset(&model, 0, offsetof(struct nvme_model, disk));
	memset(pairs, 0, sizeof(pairs));
	control = sizes = 0;
	model.cap_low = 63 | 1u << 16 | 4u << 24;
	model.cap_high = 1u << 5;
	model.version = 0x10400;
	model.wrong_id = -1;
	model.has_data = true;
	memcpy(model.identify[0], &(uint64_t){ MODEL_SECTORS }, 8);
	model.identify[0][128 + 2] = 9;
	model.identify[1][77] = 3; /* 32 KiB */
	model.identify[1][525] = 1;
	model.identify[1][516] = 1;
	model.identify[2][0] = 1;
	/* What a test has written stays: the next looks at what is there. */
	for (unsigned i = 0; model.disk[1] == 0 && i < sizeof(model.disk); i++)
		model.disk[i] = (uint8_t)(i * 31 + i / 512);
}

static uint8_t *at(uint64_t paddr)
{
	return uk_phys_to_virt(paddr);
}

static void post(unsigned queue, uint16_t id, uint32_t result, uint32_t status)
{
	struct pair *p = &pairs[queue];
	uint8_t *c = p->completions + (size_t)p->tail * 16;

	if (model.wrong_id >= 0 && model.completions >= (unsigned)model.wrong_id)
		id = (uint16_t)(id + 1000);
	model.completions++;
	check((p->tail + 1) % p->completion_size != p->known, "completion queue overflows");
	memcpy(c, &result, 4);
	c[8] = (uint8_t)p->head;
	c[10] = (uint8_t)queue;
	memcpy(c + 12, &id, 2);
	c[14] = (uint8_t)(status << 1 | p->phase);
	c[15] = (uint8_t)(status >> 7);
	p->tail++;
	if (p->tail == p->completion_size) {
		p->tail = 0;
		p->phase ^= 1;
	}
}

static void open_pair(unsigned queue, uint64_t commands, uint64_t completions, uint32_t size)
{
	if (commands != 0) {
		check(commands % PAGE == 0, "submission queue on a page");
		pairs[queue].commands = at(commands);
		pairs[queue].size = size;
	}
	if (completions != 0) {
		check(completions % PAGE == 0, "completion queue on a page");
		pairs[queue].completions = at(completions);
		pairs[queue].completion_size = size;
		pairs[queue].phase = 1;
	}
}

static uint32_t identify(uint32_t cns, uint32_t nsid, uint64_t prp)
{
	check(cns <= 2, "identify what is known");
	check(prp % PAGE == 0, "identify into a page");
	check((nsid == 0) == (cns != 0), "a namespace where one belongs");
	memcpy(at(prp), model.identify[cns], PAGE);
	return 0;
}

static uint32_t admin(const uint8_t *c)
{
	uint32_t dw10 = (uint32_t)get(c + 40, 4), dw11 = (uint32_t)get(c + 44, 4);
	uint64_t prp = get(c + 24, 8);

	switch (c[0]) {
	case 6:
		return identify(dw10 & 0xff, (uint32_t)get(c + 4, 4), prp);
	case 9:
		check((dw10 & 0xff) == 7, "only the number of queues is set");
		return 0;
	case 5:
		check((dw10 & 0xffff) == 1 && (dw11 & 3) == 3,
		      "completion queue 1, with interrupts");
		open_pair(1, 0, prp, (dw10 >> 16) + 1);
		return 0;
	case 1:
		check(dw10 << 16 == 1u << 16 && dw11 == (1u << 16 | 1), "submission queue 1");
		check(pairs[1].completions != NULL, "its completion queue comes first");
		open_pair(1, prp, 0, (dw10 >> 16) + 1);
		return 0;
	default:
		machine_fail("an admin command that the driver does not need");
		return 1;
	}
}

static void move(uint64_t paddr, uint64_t *byte, size_t size, bool write)
{
	check(*byte + size <= sizeof(model.disk), "inside the namespace");
	if (!model.has_data)
		return;
	if (write)
		memcpy(model.disk + *byte, at(paddr), size);
	else
		memcpy(at(paddr), model.disk + *byte, size);
	*byte += size;
}

/* 4.3: the first entry may have an offset, all others start pages; the list stays in its page. */
static void transfer(const uint8_t *c, bool write)
{
	uint64_t prp1 = get(c + 24, 8), prp2 = get(c + 32, 8), byte = get(c + 40, 8) * 512;
	size_t size = ((size_t)(get(c + 48, 4) & 0xffff) + 1) * 512, part = PAGE - prp1 % PAGE;
	const uint8_t *list;

	model.largest = size > model.largest ? (unsigned)size : model.largest;
	check(model.identify[1][77] == 0 || model.identify[1][77] > 16 ||
		      size <= (size_t)PAGE << model.identify[1][77],
	      "no more than MDTS");
	check(prp1 % 4 == 0, "PRP 1 on four bytes");
	part = part < size ? part : size;
	move(prp1, &byte, part, write);
	size -= part;
	if (size == 0)
		return;
	if (size <= PAGE) {
		check(prp2 % PAGE == 0 && prp2 != 0, "PRP 2 starts a page");
		move(prp2, &byte, size, write);
		return;
	}
	check(prp2 % 8 == 0, "the list on eight bytes");
	list = at(prp2);
	for (unsigned i = 0; size != 0; i++) {
		check(prp2 % PAGE + (size_t)i * 8 < PAGE, "the list stays in its page");
		check(get(list + (size_t)i * 8, 8) % PAGE == 0, "an entry starts a page");
		part = size < PAGE ? size : PAGE;
		move(get(list + (size_t)i * 8, 8), &byte, part, write);
		size -= part;
	}
}

static bool is_namespace(uint32_t id)
{
	for (unsigned i = 0; i < 16 && model.version >= 0x10100; i++)
		if (get(model.identify[2] + (size_t)i * 4, 4) == id)
			return true;
	return model.version < 0x10100 && id == 1;
}

static void io(const uint8_t *c)
{
	model.commands++;
	check(is_namespace((uint32_t)get(c + 4, 4)), "a namespace that is there");
	if (c[0] == 0)
		model.flushes++;
	else if (model.status == 0)
		transfer(c, c[0] == 1);
}

static void ring(unsigned queue, uint32_t tail)
{
	struct pair *p = &pairs[queue];

	check(model.enabled && p->commands != NULL, "a doorbell of a queue that is there");
	check(tail < p->size, "a tail inside the queue");
	while (p->head != tail) {
		uint8_t c[64];

		memcpy(c, p->commands + (size_t)p->head * 64, sizeof(c));
		p->head = (p->head + 1) % p->size;
		check(c[1] == 0, "no fused commands, PRPs");
		if (queue == 0) {
			post(0, (uint16_t)get(c + 2, 2), 0, admin(c));
			continue;
		}
		io(c);
		if (!model.hold)
			post(1, (uint16_t)get(c + 2, 2), 0, model.status);
	}
}

void model_complete(uint16_t id, uint16_t status)
{
	post(1, id, 0, status);
}

static void write_control(uint32_t v)
{
	if ((v & 1) != 0 && !model.enabled) {
		check((v >> 16 & 15) == 6 && (v >> 20 & 15) == 4, "entry sizes");
		check((v >> 7 & 15) == 0 && (v >> 4 & 7) == 0, "4 KiB pages, NVM commands");
		memset(pairs, 0, sizeof(pairs));
		open_pair(0, bases[0], bases[1], (sizes & 0xfff) + 1);
		pairs[0].size = (sizes & 0xfff) + 1;
		pairs[0].completion_size = (sizes >> 16 & 0xfff) + 1;
	}
	if ((v & 1) == 0 && model.enabled)
		model.stops++;
	model.enabled = (v & 1) != 0;
	control = v;
}

static uint32_t model_read(size_t offset)
{
	switch (offset) {
	case CAP:
		return model.cap_low;
	case CAP + 4:
		return model.cap_high;
	case VS:
		return model.version;
	case CC:
		return control;
	case CSTS:
		return (model.enabled && !model.never_ready ? 1u : 0u) | (model.fatal ? 2u : 0u);
	default:
		machine_fail("a register that is not read");
		return 0;
	}
}

static void model_write(size_t offset, uint32_t v)
{
	if (offset == CC) {
		write_control(v);
	} else if (offset == AQA) {
		sizes = v;
	} else if (offset >= ASQ && offset < ACQ + 8) {
		uint64_t *base = &bases[(offset - ASQ) / 8];

		check(!model.enabled, "queues are set while it is off");
		*base = (offset & 4) != 0 ? (*base & UINT32_MAX) | (uint64_t)v << 32
					  : (*base & ~(uint64_t)UINT32_MAX) | v;
	} else {
		unsigned stride = 4u << (model.cap_high & 15);
		unsigned bell = (unsigned)(offset - BELLS) / stride;

		check(offset >= BELLS && bell < 4 && (offset - BELLS) % stride == 0, "a doorbell");
		if (bell % 2 == 0) {
			ring(bell / 2, v);
		} else {
			check(v < pairs[bell / 2].completion_size, "a head inside the queue");
			pairs[bell / 2].known = v;
		}
	}
}

static int model_msix(unsigned index, void (*fn)(void *arg), void *arg)
{
	check(index < 2, "a vector of the table");
	model.interrupt = fn;
	model.interrupt_arg = arg;
	return 0;
}

int model_start(void)
{
	static const struct machine_device played = {
		.window = window,
		.size = sizeof(window),
		.read = model_read,
		.write = model_write,
		.msix = model_msix,
	};

	machine_play(&played);
	return uk_nvme.start(&device);
}

void model_end(void)
{
	machine_clear();
}
