/*
 * Bringing an NVMe controller up (NVM Express Base Specification 1.4, section 7.6.1): the admin
 * queues, polled; one pair of queues for I/O with an interrupt; each namespace a block device.
 * Whatever the controller says is bounded before it is used, and every wait ends.
 */
#include "nvme.h"
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>

#define CLASS 0x010802 /* mass storage, non-volatile memory, NVM Express */

enum nvme_register { /* 3.1 */
		     CAP = 0x00,
		     VERSION = 0x08,
		     CONTROL = 0x14,
		     STATUS = 0x1c,
		     ADMIN_SIZES = 0x24,
		     ADMIN_COMMANDS = 0x28,
		     ADMIN_COMPLETIONS = 0x30,
		     DOORBELLS = 0x1000,
};
#define CONTROL_ENABLE 1u
#define CONTROL_ENTRIES (4u << 20 | 6u << 16) /* completions of 16 bytes, commands of 64 */
#define STATUS_READY 1u
#define STATUS_FATAL 2u

enum {
	ADMIN_CREATE_COMMANDS = 1,
	ADMIN_CREATE_COMPLETIONS = 5,
	ADMIN_IDENTIFY = 6,
	ADMIN_SET_FEATURE = 9
};
enum { IDENTIFY_NAMESPACE = 0, IDENTIFY_CONTROLLER = 1, IDENTIFY_LIST = 2 };
#define FEATURE_QUEUES 7
#define QUEUE_CONTIGUOUS 1u
#define QUEUE_INTERRUPTS 2u
#define VERSION_1_1 0x10100u

enum {
	ADMIN_RING = 16,
	IO_QUEUE = 1,
	ADMIN_MS = 5000,
	NAMESPACES_MAX = 16,
	SPINS = 500,
	WAIT_US = 20,
	READY_UNIT_MS = 500
};

/* Places in what Identify gives: 5.15.2.1 (namespace), 5.15.2.2 (controller). */
enum {
	NS_SIZE = 0,
	NS_FORMATS = 25,
	NS_FORMAT = 26,
	NS_ATTRIBUTES = 99,
	NS_FORMAT_TABLE = 128,
	CTRL_TRANSFER = 77,
	CTRL_NAMESPACES = 516,
	CTRL_CACHE = 525,
};

static unsigned controllers;

static uint32_t get32(const struct nvme *n, unsigned at)
{
	return uk_mmio_read32(n->registers + at);
}

static void put32(struct nvme *n, unsigned at, uint32_t v)
{
	uk_mmio_write32(n->registers + at, v);
}

static void put64(struct nvme *n, unsigned at, uint64_t v)
{
	put32(n, at, (uint32_t)v);
	put32(n, at + 4, (uint32_t)(v >> 32));
}

/* --- rings --- */

void nvme_ring_add(struct nvme_ring *r, const struct nvme_command *command)
{
	memcpy(&r->commands[r->tail], command, sizeof(*command));
	r->tail = (uint16_t)(r->tail + 1 == r->size ? 0 : r->tail + 1);
}

void nvme_ring_kick(struct nvme_ring *r)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	uk_mmio_write32(r->command_bell, r->tail);
}

bool nvme_ring_take(struct nvme_ring *r, struct nvme_completion *out)
{
	volatile struct nvme_completion *c = &r->completions[r->head];
	uint16_t status = c->status;

	if ((status & 1) != r->phase)
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	out->result = c->result;
	out->id = c->id;
	out->status = status >> 1;
	r->head++;
	if (r->head == r->size) {
		r->head = 0;
		r->phase ^= 1;
	}
	uk_mmio_write32(r->completion_bell, r->head);
	return true;
}

static bool ring_open(struct nvme *n, struct nvme_ring *r, unsigned queue, uint16_t size)
{
	struct uk_page *page = uk_page_alloc(1, true);

	if (page == NULL)
		return false;
	r->commands = uk_page_virt(page);
	r->completions = (volatile void *)((uint8_t *)uk_page_virt(page) + NVME_PAGE);
	r->command_bell = n->registers + DOORBELLS + (size_t)2 * queue * n->stride;
	r->completion_bell = n->registers + DOORBELLS + ((size_t)2 * queue + 1) * n->stride;
	r->size = size;
	r->phase = 1;
	return true;
}

static uk_paddr_t commands_at(const struct nvme_ring *r)
{
	return uk_virt_to_phys(r->commands);
}

static uk_paddr_t completions_at(const struct nvme_ring *r)
{
	return commands_at(r) + NVME_PAGE;
}

/* --- admin commands --- */

/* Most answers come at once: the first looks cost no wait. */
static bool wait_more(unsigned *looks, unsigned ms)
{
	if (++*looks <= SPINS)
		return true;
	uk_delay_us(WAIT_US);
	return *looks - SPINS < ms * (1000 / WAIT_US);
}

static int admin(struct nvme *n, struct nvme_command *command, uint32_t *result)
{
	struct nvme_completion c;
	unsigned looks = 0;

	command->id = ++n->admin_id;
	nvme_ring_add(&n->admin, command);
	nvme_ring_kick(&n->admin);
	while (!nvme_ring_take(&n->admin, &c))
		if (!wait_more(&looks, ADMIN_MS))
			return -UK_ETIMEDOUT;
	if (c.id != command->id)
		return -UK_EPROTO;
	if ((c.status & 0x7ff) != 0) /* type and code, without "more" and "do not retry" */
		return -UK_EIO;
	if (result != NULL)
		*result = c.result;
	return 0;
}

static int identify(struct nvme *n, uint32_t what, uint32_t namespace, const void *page)
{
	struct nvme_command c = { .opcode = ADMIN_IDENTIFY,
				  .namespace = namespace,
				  .prp = { uk_virt_to_phys(page) },
				  .dword = { what } };

	return admin(n, &c, NULL);
}

/* --- the controller --- */

void nvme_stop(struct nvme *n)
{
	put32(n, CONTROL, 0);
	uk_pci_disable(n->pci, UK_PCI_MASTER); /* whether it has heard that, or not */
}

static int wait_ready(struct nvme *n, uint32_t ready)
{
	unsigned looks = 0;

	for (;;) {
		uint32_t status = get32(n, STATUS);

		if (status == UINT32_MAX)
			return -UK_ENODEV;
		if (ready != 0 && (status & STATUS_FATAL) != 0)
			return -UK_EIO;
		if ((status & STATUS_READY) == ready)
			return 0;
		if (!wait_more(&looks, n->ready_ms))
			return -UK_ETIMEDOUT;
	}
}

static int read_limits(struct nvme *n)
{
	uint32_t low = get32(n, CAP), high = get32(n, CAP + 4);

	n->version = get32(n, VERSION);
	n->most = (uint16_t)UK_MIN((low & 0xffff) + 1, (uint32_t)NVME_RING_MAX);
	n->ready_ms = ((low >> 24) + 1) * READY_UNIT_MS;
	n->stride = 4u << (high & 15);
	/* Pages of 4 KiB and the NVM command set; two entries are the least that can be used. */
	if ((high >> 16 & 15) != 0 || (high >> 5 & 1) == 0)
		return -UK_EOPNOTSUPP;
	return n->most < 2 ? -UK_EPROTO : 0;
}

/* The firmware may have left it running, with queues of its own. */
static int enable(struct nvme *n)
{
	int result;

	put32(n, CONTROL, get32(n, CONTROL) & ~CONTROL_ENABLE);
	result = wait_ready(n, 0);
	if (result != 0)
		return result;
	if (!ring_open(n, &n->admin, 0, UK_MIN(n->most, (uint16_t)ADMIN_RING)))
		return -UK_ENOMEM;
	put32(n, ADMIN_SIZES, (n->admin.size - 1u) << 16 | (n->admin.size - 1u));
	put64(n, ADMIN_COMMANDS, commands_at(&n->admin));
	put64(n, ADMIN_COMPLETIONS, completions_at(&n->admin));
	put32(n, CONTROL, CONTROL_ENTRIES | CONTROL_ENABLE);
	return wait_ready(n, STATUS_READY);
}

/* The vector of I/O completions; admin ones have 0, which stays masked where there are two. */
static int listen(struct nvme *n, uint32_t *vector)
{
	if (uk_pci_msix_start(n->pci) == 0) {
		*vector = n->pci->msix_count > 1 ? 1 : 0;
		return uk_pci_msix_set(n->pci, *vector, nvme_interrupt, n);
	}
	*vector = 0;
	return uk_pci_intx_set(n->pci, nvme_interrupt, n);
}

static int open_io(struct nvme *n)
{
	struct nvme_command queues = { .opcode = ADMIN_SET_FEATURE,
				       .dword = { FEATURE_QUEUES, 0 /* one each, from 0 */ } };
	struct nvme_command c = { .opcode = ADMIN_CREATE_COMPLETIONS };
	uint32_t vector;
	int result = admin(n, &queues, NULL);

	if (result == 0 && !ring_open(n, &n->io, IO_QUEUE, n->most))
		result = -UK_ENOMEM;
	if (result == 0)
		result = nvme_io_start(n);
	if (result == 0)
		result = listen(n, &vector);
	if (result != 0)
		return result;
	c.dword[0] = (n->io.size - 1u) << 16 | IO_QUEUE;
	c.dword[1] = vector << 16 | QUEUE_INTERRUPTS | QUEUE_CONTIGUOUS;
	c.prp[0] = completions_at(&n->io);
	result = admin(n, &c, NULL);
	if (result != 0)
		return result;
	c = (struct nvme_command){ .opcode = ADMIN_CREATE_COMMANDS,
				   .prp = { commands_at(&n->io) },
				   .dword = { (n->io.size - 1u) << 16 | IO_QUEUE,
					      IO_QUEUE << 16 | QUEUE_CONTIGUOUS } };
	return admin(n, &c, NULL);
}

/* --- namespaces --- */

/* Sectors of 512 bytes without metadata: everything above counts in these. */
static bool is_plain(const uint8_t *ns)
{
	unsigned format = ns[NS_FORMAT] & 15;
	const uint8_t *f = ns + NS_FORMAT_TABLE + (size_t)4 * format;

	return format <= ns[NS_FORMATS] && f[0] == 0 && f[1] == 0 && f[2] == 9;
}

static int add_namespace(struct nvme *n, uint32_t id, const uint8_t *ns)
{
	struct nvme_namespace *s;
	uint64_t sectors;
	int result = identify(n, IDENTIFY_NAMESPACE, id, ns);

	if (result != 0)
		return result;
	memcpy(&sectors, ns + NS_SIZE, sizeof(sectors));
	if (sectors == 0)
		return 0;
	if (!is_plain(ns) || sectors > INT64_MAX / 512) {
		uk_log(UK_LOG_WARN, "nvme%u: namespace %u is not of 512-byte sectors", n->number,
		       id);
		return 0;
	}
	s = uk_alloc(sizeof(*s));
	if (s == NULL)
		return -UK_ENOMEM;
	s->nvme = n;
	s->id = id;
	s->block.ops = &nvme_operations;
	s->block.driver = s;
	s->block.size = sectors * 512;
	s->block.read_only = (ns[NS_ATTRIBUTES] & 1) != 0;
	uk_snprintf(s->block.name, sizeof(s->block.name), "nvme%un%u", n->number, id);
	uk_block_register(&s->block);
	return 0;
}

/* The list of what is attached, or the numbers from 1 where there is no such command. */
static int add_namespaces(struct nvme *n, uint8_t *page, uint32_t count)
{
	uint32_t ids[NAMESPACES_MAX] = { 0 };
	int result = 0;

	if (n->version >= VERSION_1_1) {
		result = identify(n, IDENTIFY_LIST, 0, page);
		memcpy(ids, page, sizeof(ids));
	} else {
		for (uint32_t i = 0; i < UK_MIN(count, (uint32_t)NAMESPACES_MAX); i++)
			ids[i] = i + 1;
	}
	for (unsigned i = 0; i < NAMESPACES_MAX && ids[i] != 0 && result == 0; i++)
		result = add_namespace(n, ids[i], page);
	return result;
}

static int look_around(struct nvme *n)
{
	struct uk_page *page = uk_page_alloc(0, true);
	uint32_t count;
	uint8_t *data;
	int result;

	if (page == NULL)
		return -UK_ENOMEM;
	data = uk_page_virt(page);
	result = identify(n, IDENTIFY_CONTROLLER, 0, data);
	if (result == 0) {
		/* A power of two pages; 0: no limit, as for what no transfer here reaches. */
		n->transfer_max = data[CTRL_TRANSFER] == 0 || data[CTRL_TRANSFER] > 8
					  ? NVME_PAGE << 8
					  : NVME_PAGE << data[CTRL_TRANSFER];
		n->can_flush = (data[CTRL_CACHE] & 1) != 0;
		memcpy(&count, data + CTRL_NAMESPACES, sizeof(count));
		result = add_namespaces(n, data, count);
	}
	uk_page_put(page);
	return result;
}

static bool match(const struct uk_pci_dev *pci)
{
	return pci->class == CLASS;
}

static int start(struct uk_pci_dev *pci)
{
	struct nvme *n = uk_alloc(sizeof(*n));
	int result;

	if (n == NULL)
		return -UK_ENOMEM;
	n->pci = pci;
	n->number = controllers++;
	uk_pci_enable(pci, UK_PCI_MEMORY | UK_PCI_MASTER);
	n->registers = uk_pci_map(pci, 0, 0, DOORBELLS + NVME_PAGE);
	if (n->registers == NULL)
		return -UK_ENODEV;
	result = read_limits(n);
	if (result == 0 && (size_t)4 * n->stride > NVME_PAGE)
		n->registers = uk_pci_map(pci, 0, 0, DOORBELLS + (size_t)4 * n->stride);
	if (n->registers == NULL)
		return -UK_ENODEV;
	if (result == 0)
		result = enable(n);
	if (result == 0)
		result = open_io(n);
	if (result == 0)
		result = look_around(n);
	if (result != 0)
		nvme_stop(n);
	return result;
}

const struct uk_pci_driver uk_nvme = { .name = "nvme", .match = match, .start = start };
UK_PCI_DRIVER(uk_nvme);
