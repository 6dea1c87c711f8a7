/*
 * SATA disks behind AHCI (Serial ATA AHCI 1.3.1; ATA commands of ACS-3): one command at a time a
 * port, DMA with 48-bit addresses, an interrupt by the pin. Disks of 512-byte sectors that are
 * there at start.
 */
#include "drivers.h"
#include "turns.h"
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>

#define CLASS 0x010601 /* mass storage, SATA, AHCI */

enum hba_register { /* 3.1 */
		    CAP = 0x00,
		    CONTROL = 0x04,
		    INTERRUPTS = 0x08,
		    PORTS = 0x0c,
		    PORT_0 = 0x100,
		    PORT_SIZE = 0x80,
};
#define CAP_64 (1u << 31)
#define CONTROL_AHCI (1u << 31)
#define CONTROL_INTERRUPTS 2u

enum port_register { /* 3.3 */
		     LIST = 0x00,
		     RECEIVED = 0x08,
		     EVENTS = 0x10,
		     EVENTS_ON = 0x14,
		     COMMAND = 0x18,
		     TASK = 0x20,
		     SIGNATURE = 0x24,
		     LINK = 0x28,
		     ERRORS = 0x30,
		     ISSUE = 0x38,
};
enum {
	COMMAND_START = 1,
	COMMAND_RECEIVE = 1 << 4,
	COMMAND_RECEIVES = 1 << 14,
	COMMAND_RUNS = 1 << 15
};
enum { TASK_ERROR = 1, TASK_REQUEST = 8, TASK_BUSY = 0x80 };
#define EVENT_ERRORS 0x78000000u /* of task, bus, data, interface */
#define EVENTS_WANTED (EVENT_ERRORS | 0xfu)
#define SIGNATURE_DISK 0x101u
#define LINK_UP 3u

enum { IDENTIFY = 0xec, READ = 0x25, WRITE = 0x35, FLUSH = 0xea };
enum {
	PORTS_MAX = 32,
	SECTOR = 512,
	MOST = 4 << 20, /* bytes of a command, and of an entry of its table */
	WAIT_US = 10,
	WAIT_MS = 1000,
};

struct command { /* header in the list, 4.2.2 */
	uint32_t flags;
	uint32_t moved;
	uint32_t table, table_high;
	uint32_t reserved[4];
};
enum { FLAG_WRITE = 1 << 6, FLAG_WORDS = 5 /* of the FIS */, FLAG_PIECES_SHIFT = 16 };

struct piece { /* 4.2.3.3 */
	uint32_t low, high;
	uint32_t reserved;
	uint32_t last; /* bytes, less one */
};

struct table { /* 4.2.3 */
	uint8_t fis[64];
	uint8_t packet[16];
	uint8_t reserved[48];
	struct piece pieces[UK_BLOCK_SEGS];
};

/* What a port and its device read and write, in one page. */
struct shared {
	struct command list[32];
	uint8_t received[256];
	struct table table;
	uint16_t identity[256];
};
_Static_assert(sizeof(struct command) == 32, "AHCI 4.2.2");
_Static_assert(offsetof(struct shared, received) == 1024, "AHCI 4.2: on 256 bytes");
_Static_assert(offsetof(struct shared, table) % 128 == 0, "AHCI 4.2.3: on 128 bytes");
_Static_assert(sizeof(struct shared) <= UK_PAGE_SIZE, "one page");

struct port {
	struct uk_block_dev block;
	struct uk_pci_dev *pci;
	volatile uint8_t *registers;
	struct shared *shared;
	struct uk_turns turns;
	bool can_flush;
};

struct ahci {
	struct uk_pci_dev *pci;
	volatile uint8_t *registers;
	struct port *ports[PORTS_MAX];
	unsigned count;
};

static uint32_t get32(const struct port *p, unsigned at)
{
	return uk_mmio_read32(p->registers + at);
}

static void put32(struct port *p, unsigned at, uint32_t v)
{
	uk_mmio_write32(p->registers + at, v);
}

static bool wait_clear(const struct port *p, unsigned at, uint32_t bits)
{
	for (unsigned waited = 0; waited < WAIT_MS * 1000 / WAIT_US; waited++) {
		if ((get32(p, at) & bits) == 0)
			return true;
		uk_delay_us(WAIT_US);
	}
	return false;
}

static bool stop(struct port *p)
{
	put32(p, COMMAND, get32(p, COMMAND) & ~(uint32_t)COMMAND_START);
	if (!wait_clear(p, COMMAND, COMMAND_RUNS))
		return false;
	put32(p, COMMAND, get32(p, COMMAND) & ~(uint32_t)COMMAND_RECEIVE);
	return wait_clear(p, COMMAND, COMMAND_RECEIVES);
}

static bool go(struct port *p)
{
	put32(p, ERRORS, UINT32_MAX);
	put32(p, EVENTS, UINT32_MAX);
	put32(p, COMMAND, get32(p, COMMAND) | COMMAND_RECEIVE);
	if (!wait_clear(p, TASK, TASK_BUSY | TASK_REQUEST))
		return false;
	put32(p, COMMAND, get32(p, COMMAND) | COMMAND_START);
	return true;
}

/* --- commands --- */

/* The device's part of a command: a register FIS (SATA 3.3, 10.5.5). */
static void fill_fis(struct port *p, uint8_t command, uint64_t sector, uint32_t sectors)
{
	uint8_t *fis = p->shared->table.fis;

	memset(fis, 0, sizeof(p->shared->table.fis));
	fis[0] = 0x27;
	fis[1] = 0x80;
	fis[2] = command;
	for (unsigned i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(sector >> (8 * i));
		fis[8 + i] = (uint8_t)(sector >> (8 * i + 24));
	}
	fis[7] = 0x40; /* by number, not by cylinder */
	fis[12] = (uint8_t)sectors;
	fis[13] = (uint8_t)(sectors >> 8);
}

static void set_piece(struct port *p, unsigned index, uint64_t paddr, uint32_t size)
{
	p->shared->table.pieces[index] =
		(struct piece){ (uint32_t)paddr, (uint32_t)(paddr >> 32), 0, size - 1 };
}

static void fill_command(struct port *p, unsigned pieces, bool write)
{
	uk_paddr_t table = uk_virt_to_phys(&p->shared->table);

	p->shared->list[0] = (struct command){
		.flags = FLAG_WORDS | (write ? (uint32_t)FLAG_WRITE : 0) |
			 pieces << FLAG_PIECES_SHIFT,
		.table = (uint32_t)table,
		.table_high = (uint32_t)(table >> 32),
	};
}

static int start_turn(struct uk_turns *t, struct uk_turn *turn)
{
	struct port *p = uk_container(t, struct port, turns);
	uint64_t sector = (turn->req->offset + turn->done) / SECTOR, paddr;
	bool write = turn->req->op == UK_BLOCK_WRITE;
	uint32_t bytes = 0, size;
	unsigned count = 0;

	if (turn->req->op == UK_BLOCK_FLUSH) {
		fill_fis(p, FLUSH, 0, 0);
		fill_command(p, 0, false);
		return 0;
	}
	while (count < UK_BLOCK_SEGS && bytes < MOST && uk_turn_next(turn, &paddr, &size)) {
		size = UK_MIN(size, MOST - bytes);
		if (paddr % 2 != 0)
			return -UK_EINVAL;
		set_piece(p, count++, paddr, size);
		uk_turn_take(turn, size);
		bytes += size;
	}
	fill_fis(p, write ? WRITE : READ, sector, bytes / SECTOR);
	fill_command(p, count, write);
	return 0;
}

static void kick(struct uk_turns *t)
{
	struct port *p = uk_container(t, struct port, turns);

	__atomic_thread_fence(__ATOMIC_RELEASE);
	put32(p, ISSUE, 1);
}

/* The port is silent. One that does not stop when it is told to is taken off the bus, and with it
 * those beside it. */
static void give_up(struct uk_turns *t)
{
	struct port *p = uk_container(t, struct port, turns);

	put32(p, EVENTS_ON, 0);
	if (!stop(p))
		uk_pci_disable(p->pci, UK_PCI_MASTER);
}

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct port *p = block->driver;

	if (req->op == UK_BLOCK_FLUSH && !p->can_flush)
		req->done(req);
	else
		uk_turns_submit(&p->turns, block, req);
}

static const struct uk_block_ops operations = { .submit = submit };

static void port_interrupt(struct port *p)
{
	struct uk_turns_work work;
	struct uk_turn *turn;
	uint32_t events;

	uk_turns_begin(&p->turns, &work);
	events = get32(p, EVENTS);
	put32(p, EVENTS, events);
	turn = uk_turns_slot(&p->turns, 0);
	if ((events & EVENT_ERRORS) != 0) {
		/* The port stands until its lists are taken away and given again. */
		if (!stop(p) || !go(p))
			uk_turns_fail(&p->turns, &work);
		else if (turn != NULL)
			uk_turns_done(&p->turns, &work, turn, -UK_EIO);
	} else if (turn != NULL && (get32(p, ISSUE) & 1) == 0) {
		uk_turns_done(&p->turns, &work, turn,
			      (get32(p, TASK) & TASK_ERROR) != 0 ? -UK_EIO : 0);
	}
	uk_turns_finish(&p->turns, &work);
}

static void interrupt(void *arg)
{
	struct ahci *a = arg;
	uint32_t which = uk_mmio_read32(a->registers + INTERRUPTS);

	for (unsigned i = 0; i < PORTS_MAX; i++)
		if ((which >> i & 1) != 0 && a->ports[i] != NULL)
			port_interrupt(a->ports[i]);
	uk_mmio_write32(a->registers + INTERRUPTS, which);
}

/* --- the start --- */

static bool identify(struct port *p)
{
	fill_fis(p, IDENTIFY, 0, 0);
	set_piece(p, 0, uk_virt_to_phys(p->shared->identity), sizeof(p->shared->identity));
	fill_command(p, 1, false);
	kick(&p->turns);
	return wait_clear(p, ISSUE, 1) && (get32(p, TASK) & TASK_ERROR) == 0;
}

/* What IDENTIFY says (ACS-3, 7.12.7); 0: nothing that can be used. */
static uint64_t read_size(struct port *p)
{
	const uint16_t *id = p->shared->identity;
	uint64_t sectors = (uint64_t)id[103] << 48 | (uint64_t)id[102] << 32 |
			   (uint64_t)id[101] << 16 | id[100];
	bool large = (id[106] & 0xd000) == 0x5000; /* valid, and larger than 256 words */

	if ((id[83] & 0xc400) != 0x4400 || sectors == 0 || sectors > INT64_MAX / SECTOR || large) {
		uk_log(UK_LOG_WARN, "%s: is not of 512-byte sectors with 48-bit numbers",
		       p->block.name);
		return 0;
	}
	p->can_flush = (id[83] & 0x2000) != 0;
	return sectors * SECTOR;
}

static bool open_port(struct port *p)
{
	struct uk_page *page = uk_page_alloc(0, true);
	uk_paddr_t at;

	if (page == NULL || !stop(p))
		return false;
	p->shared = uk_page_virt(page);
	at = uk_virt_to_phys(p->shared);
	put32(p, LIST, (uint32_t)at);
	put32(p, LIST + 4, (uint32_t)(at >> 32));
	at = uk_virt_to_phys(p->shared->received);
	put32(p, RECEIVED, (uint32_t)at);
	put32(p, RECEIVED + 4, (uint32_t)(at >> 32));
	put32(p, EVENTS_ON, 0);
	p->turns.start = start_turn;
	p->turns.kick = kick;
	p->turns.stop = give_up;
	return go(p) && identify(p) && uk_turns_open(&p->turns, 1) == 0;
}

static void add_port(struct ahci *a, unsigned number)
{
	volatile uint8_t *registers = a->registers + PORT_0 + (size_t)number * PORT_SIZE;
	struct port *p;

	if ((uk_mmio_read32(registers + LINK) & 15) != LINK_UP ||
	    uk_mmio_read32(registers + SIGNATURE) != SIGNATURE_DISK)
		return;
	p = uk_alloc(sizeof(*p));
	if (p == NULL)
		return;
	p->pci = a->pci;
	p->registers = registers;
	uk_disk_name(p->block.name, sizeof(p->block.name));
	if (!open_port(p)) {
		uk_log(UK_LOG_WARN, "%s: does not answer", p->block.name);
		return;
	}
	p->block.size = read_size(p);
	if (p->block.size == 0)
		return;
	p->block.ops = &operations;
	p->block.driver = p;
	a->ports[number] = p;
	a->count++;
	put32(p, EVENTS, UINT32_MAX);
	put32(p, EVENTS_ON, EVENTS_WANTED);
}

static int start(struct uk_pci_dev *pci)
{
	struct ahci *a = uk_alloc(sizeof(*a));
	uint32_t ports;
	int result;

	if (a == NULL)
		return -UK_ENOMEM;
	a->pci = pci;
	uk_pci_enable(pci, UK_PCI_MEMORY | UK_PCI_MASTER);
	a->registers = uk_pci_map(pci, 5, 0, PORT_0 + (size_t)PORTS_MAX * PORT_SIZE);
	if (a->registers == NULL)
		return -UK_ENODEV;
	if ((uk_mmio_read32(a->registers + CAP) & CAP_64) == 0)
		return -UK_EOPNOTSUPP;
	uk_mmio_write32(a->registers + CONTROL, CONTROL_AHCI);
	ports = uk_mmio_read32(a->registers + PORTS);
	for (unsigned i = 0; i < PORTS_MAX; i++)
		if ((ports >> i & 1) != 0)
			add_port(a, i);
	if (a->count == 0) {
		uk_free(a);
		return -UK_ENODEV; /* many machines have one with nothing behind it */
	}
	uk_mmio_write32(a->registers + INTERRUPTS, UINT32_MAX);
	result = uk_pci_intx_set(pci, interrupt, a);
	if (result != 0)
		return result;
	uk_mmio_write32(a->registers + CONTROL, CONTROL_AHCI | CONTROL_INTERRUPTS);
	for (unsigned i = 0; i < PORTS_MAX; i++)
		if (a->ports[i] != NULL)
			uk_block_register(&a->ports[i]->block);
	return 0;
}

static bool match(const struct uk_pci_dev *pci)
{
	return pci->class == CLASS;
}

const struct uk_pci_driver uk_ahci = { .name = "ahci", .match = match, .start = start };
UK_PCI_DRIVER(uk_ahci);
