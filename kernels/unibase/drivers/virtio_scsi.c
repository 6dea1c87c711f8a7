/*
 * Virtio SCSI hosts (Virtual I/O Device 1.2, section 5.6) with disks (SPC-4, SBC-3) of 512-byte
 * sectors: at start every target is asked for its units, polled; each that is a disk becomes a
 * block device. What is plugged in later is not seen.
 */
#include "drivers.h"
#include "turns.h"
#include "virtio.h"
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>

enum {
	REQUESTS = 2, /* the queue; control and events come before */
	QUEUE_SIZE = 128,
	SLOTS = 32,
	SLOTS_ORDER = 3,
	SECTOR = 512,
	SENSE = 96,
	CDB = 32,
	PIECES_MAX = UK_BLOCK_SEGS + 2,
	TARGETS_MAX = 256,
	UNITS_MAX = 16, /* of a target */
	ANSWER = 36,	/* bytes of the longest answer but the list of units */
	TRIES = 5,	/* a unit may first tell what happened to it */
	WAIT_US = 10,
	WAIT_MS = 5000,
};

struct scsi_config { /* 5.6.4 */
	uint32_t queues, seg_max, max_sectors, per_unit, event_size, sense_size, cdb_size;
	uint16_t max_channel, max_target;
	uint32_t max_unit;
};
_Static_assert(sizeof(struct scsi_config) == 36, "virtio 5.6.4");

struct scsi_request { /* 5.6.6.1 */
	uint8_t unit[8];
	uint64_t id;
	uint8_t attribute, priority, reference;
	uint8_t cdb[CDB];
} UK_PACKED;
struct scsi_response {
	uint32_t sense_size;
	uint32_t residual;
	uint16_t qualifier;
	uint8_t status;
	uint8_t response;
	uint8_t sense[SENSE];
};
_Static_assert(sizeof(struct scsi_request) == 51, "virtio 5.6.6.1");
_Static_assert(sizeof(struct scsi_response) == 108, "virtio 5.6.6.1");

enum { RESPONSE_OK = 0, RESPONSE_UNSET = 0xff };
enum { STATUS_GOOD = 0, STATUS_CHECK = 2, STATUS_BUSY = 8 };
enum { KEY_UNIT_ATTENTION = 6, KEY_DATA_PROTECT = 7 };

enum {
	INQUIRY = 0x12,
	MODE_SENSE = 0x1a,
	SYNCHRONIZE = 0x35,
	READ_16 = 0x88,
	WRITE_16 = 0x8a,
	SERVICE_IN = 0x9e,
	SERVICE_READ_CAPACITY = 0x10,
	REPORT_UNITS = 0xa0,
};

struct slot {
	struct uk_virtq_desc table[PIECES_MAX];
	struct scsi_response response; /* by the device */
	struct scsi_request request;
	unsigned tries;
	struct uk_turn before; /* the turn, as it was before it was started */
};

_Static_assert(SLOTS * sizeof(struct slot) <= UK_PAGE_SIZE << SLOTS_ORDER, "slots");

struct scsi {
	struct uk_virtio_dev *dev;
	struct uk_virtq *queue;
	struct uk_turns turns;
	struct slot *slots;
	volatile bool scanning; /* answers are polled for */
	uint32_t seg_max;
	uint32_t sectors_max;
	unsigned targets;
};

struct unit {
	struct uk_block_dev block;
	struct scsi *scsi;
	uint8_t address[8];
};

static uint64_t get_be(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static void put_be(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes-- != 0) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static uint8_t sense_key(const struct scsi_response *r)
{
	return (r->sense[0] & 0x7f) >= 0x72 ? r->sense[1] & 15 : r->sense[2] & 15;
}

/* Whether it is worth asking again: it told what happened meanwhile, or had no time. */
static bool passing(const struct scsi_response *r)
{
	return r->response == RESPONSE_OK &&
	       (r->status == STATUS_BUSY ||
		(r->status == STATUS_CHECK && sense_key(r) == KEY_UNIT_ATTENTION));
}

static int error_of(const struct scsi_response *r)
{
	if (r->response == RESPONSE_OK && r->status == STATUS_GOOD)
		return 0;
	return r->response == RESPONSE_OK && r->status == STATUS_CHECK &&
			       sense_key(r) == KEY_DATA_PROTECT
		       ? -UK_EROFS
		       : -UK_EIO;
}

static void fill(struct slot *s, const uint8_t address[8])
{
	memset(&s->request, 0, sizeof(s->request));
	memset(&s->response, 0, sizeof(s->response));
	s->response.response = RESPONSE_UNSET;
	memcpy(s->request.unit, address, sizeof(s->request.unit));
	s->request.id = (uintptr_t)s;
}

static struct uk_virtq_piece request_piece(const struct slot *s)
{
	return (struct uk_virtq_piece){ uk_virt_to_phys(&s->request), sizeof(s->request) };
}

static struct uk_virtq_piece response_piece(const struct slot *s)
{
	return (struct uk_virtq_piece){ uk_virt_to_phys(&s->response), sizeof(s->response) };
}

/* --- transfers --- */

static unsigned take_pieces(const struct scsi *d, struct uk_turn *turn, struct uk_virtq_piece *out,
			    uint32_t *bytes)
{
	uint32_t most = d->sectors_max * SECTOR;
	unsigned count = 0;

	*bytes = 0;
	while (count < d->seg_max && *bytes < most &&
	       uk_turn_next(turn, &out[count].paddr, &out[count].size)) {
		out[count].size = UK_MIN(out[count].size, most - *bytes);
		uk_turn_take(turn, out[count].size);
		*bytes += out[count].size;
		count++;
	}
	return count;
}

static int start_turn(struct uk_turns *t, struct uk_turn *turn)
{
	struct scsi *d = uk_container(t, struct scsi, turns);
	struct slot *s = &d->slots[uk_turn_index(t, turn)];
	const struct unit *unit = turn->dev->driver;
	bool write = turn->req->op == UK_BLOCK_WRITE;
	struct uk_virtq_piece pieces[PIECES_MAX];
	unsigned count = 0;
	uint32_t bytes;

	if (turn->done == 0)
		s->tries = 0;
	s->before = *turn;
	fill(s, unit->address);
	pieces[0] = request_piece(s);
	if (turn->req->op == UK_BLOCK_FLUSH) {
		s->request.cdb[0] = SYNCHRONIZE;
	} else {
		s->request.cdb[0] = write ? WRITE_16 : READ_16;
		put_be(s->request.cdb + 2, (turn->req->offset + turn->done) / SECTOR, 8);
		count = take_pieces(d, turn, pieces + (write ? 1 : 2), &bytes);
		put_be(s->request.cdb + 10, bytes / SECTOR, 4);
	}
	pieces[write ? count + 1 : 1] = response_piece(s);
	return uk_virtq_add(d->queue, pieces, write ? count + 1 : 1, write ? 1 : count + 1,
			    s->table, turn);
}

static void kick(struct uk_turns *t)
{
	uk_virtq_kick(uk_container(t, struct scsi, turns)->queue);
}

/* A unit is silent, or the host breaks the rules: it is reset with all of its units, for there is
 * no other way to be sure that it touches no memory any more. */
static void give_up(struct uk_turns *t)
{
	struct scsi *d = uk_container(t, struct scsi, turns);

	d->dev->transport->set_status(d->dev, 0);
}

static void submit(struct uk_block_dev *block, struct uk_block_req *req)
{
	struct unit *unit = block->driver;

	uk_turns_submit(&unit->scsi->turns, block, req);
}

static const struct uk_block_ops operations = { .submit = submit };

static void turn_done(struct scsi *d, struct uk_turns_work *work, struct uk_turn *turn)
{
	struct slot *s = &d->slots[uk_turn_index(&d->turns, turn)];

	if (passing(&s->response) && s->tries++ < TRIES) {
		*turn = s->before;
		uk_turns_again(&d->turns, work, turn);
	} else {
		uk_turns_done(&d->turns, work, turn, error_of(&s->response));
	}
}

static void queue_done(struct uk_virtq *q)
{
	struct scsi *d = q->dev->driver;
	struct uk_turns_work work;
	struct uk_turn *turn;

	if (d->scanning)
		return;
	uk_turns_begin(&d->turns, &work);
	/* What a host gives back when it is reset has been told of already. */
	while (!d->turns.dead && (turn = uk_virtq_take(q)) != NULL)
		turn_done(d, &work, turn);
	if (q->broken && !d->turns.dead) {
		give_up(&d->turns);
		uk_turns_fail(&d->turns, &work);
	}
	uk_turns_finish(&d->turns, &work);
}

/* --- looking for disks --- */

/* One command whose answer is waited for; 0 or negative errno. */
static int ask(struct scsi *d, const uint8_t address[8], const uint8_t *cdb, void *answer,
	       uint32_t size)
{
	struct slot *s = d->slots;
	struct uk_virtq_piece pieces[3];
	int result;

	for (unsigned try = 0; try < TRIES; try++) {
		unsigned waited = 0;

		fill(s, address);
		memcpy(s->request.cdb, cdb, 16);
		memset(answer, 0, size);
		pieces[0] = request_piece(s);
		pieces[1] = response_piece(s);
		pieces[2] = (struct uk_virtq_piece){ uk_virt_to_phys(answer), size };
		result = uk_virtq_add(d->queue, pieces, 1, 2, s->table, s);
		if (result != 0)
			return result;
		uk_virtq_kick(d->queue);
		while (uk_virtq_take(d->queue) == NULL) {
			if (d->queue->broken || waited++ > WAIT_MS * 1000 / WAIT_US)
				return -UK_ETIMEDOUT;
			uk_delay_us(WAIT_US);
		}
		if (!passing(&s->response))
			return error_of(&s->response);
	}
	return -UK_EIO;
}

static bool is_disk(struct scsi *d, const uint8_t address[8], uint8_t *answer)
{
	const uint8_t cdb[16] = { INQUIRY, [4] = ANSWER };

	return ask(d, address, cdb, answer, ANSWER) == 0 && answer[0] == 0;
}

static bool is_protected(struct scsi *d, const uint8_t address[8], uint8_t *answer)
{
	const uint8_t cdb[16] = { MODE_SENSE, 8, 0x3f, [4] = ANSWER };

	return ask(d, address, cdb, answer, ANSWER) == 0 && (answer[2] & 0x80) != 0;
}

static uint64_t read_capacity(struct scsi *d, const uint8_t address[8], uint8_t *answer)
{
	const uint8_t cdb[16] = { SERVICE_IN, SERVICE_READ_CAPACITY, [13] = 32 };
	uint64_t last;

	if (ask(d, address, cdb, answer, 32) != 0)
		return 0;
	last = get_be(answer, 8);
	if (get_be(answer + 8, 4) != SECTOR || last >= INT64_MAX / SECTOR) {
		uk_log(UK_LOG_WARN, "scsi %u:%u: is not of 512-byte sectors", address[1],
		       address[3]);
		return 0;
	}
	return (last + 1) * SECTOR;
}

static int add_unit(struct scsi *d, const uint8_t address[8], uint8_t *answer)
{
	struct unit *unit;
	uint64_t size;

	if (!is_disk(d, address, answer))
		return 0;
	size = read_capacity(d, address, answer);
	if (size == 0)
		return 0;
	unit = uk_alloc(sizeof(*unit));
	if (unit == NULL)
		return -UK_ENOMEM;
	unit->scsi = d;
	memcpy(unit->address, address, sizeof(unit->address));
	unit->block.ops = &operations;
	unit->block.driver = unit;
	unit->block.size = size;
	unit->block.read_only = is_protected(d, address, answer);
	uk_disk_name(unit->block.name, sizeof(unit->block.name));
	uk_block_register(&unit->block);
	return 0;
}

/* A target lists its units; one that is not there does not answer. */
static int add_target(struct scsi *d, unsigned target, uint8_t *answer)
{
	enum { HEAD = 8, SIZE = HEAD + 8 * UNITS_MAX };
	uint8_t address[8] = { 1, (uint8_t)target, 0x40 };
	uint8_t units[SIZE];
	uint8_t cdb[16] = { REPORT_UNITS };
	uint64_t size;
	int result = 0;

	put_be(cdb + 6, SIZE, 4);
	if (ask(d, address, cdb, answer, SIZE) != 0)
		return 0;
	memcpy(units, answer, SIZE);
	size = UK_MIN(get_be(units, 4), (uint64_t)SIZE - HEAD);
	for (unsigned at = HEAD; result == 0 && at + 8 <= HEAD + size; at += 8) {
		address[2] = (uint8_t)(0x40 | (units[at] & 0x3f));
		address[3] = units[at + 1];
		result = add_unit(d, address, answer);
	}
	return result;
}

static int scan(struct scsi *d)
{
	struct uk_page *page = uk_page_alloc(0, true);
	int result = 0;

	if (page == NULL)
		return -UK_ENOMEM;
	for (unsigned target = 0; target < d->targets && result == 0; target++)
		result = add_target(d, target, uk_page_virt(page));
	/* A command that was given up may still write into the page. */
	if (result == 0)
		uk_page_put(page);
	return result;
}

static int open_host(struct scsi *d)
{
	struct scsi_config config;
	struct uk_page *page;
	int result = uk_virtio_negotiate(d->dev, 0);

	if (result != 0)
		return result;
	d->queue = uk_virtq_open(d->dev, REQUESTS, QUEUE_SIZE, queue_done);
	page = uk_page_alloc(SLOTS_ORDER, true);
	if (d->queue == NULL || page == NULL)
		return -UK_ENOMEM;
	d->slots = uk_page_virt(page);
	uk_virtio_config(d->dev, 0, &config, sizeof(config));
	if (d->queue->size < 4 || config.sense_size > SENSE || config.cdb_size != CDB ||
	    config.queues == 0 || config.max_sectors == 0)
		return -UK_EPROTO;
	d->seg_max = UK_MIN(d->queue->size - 2u, (uint32_t)UK_BLOCK_SEGS);
	d->seg_max = UK_MIN(d->seg_max, UK_MAX(config.seg_max, 1u));
	d->sectors_max = UK_MIN(config.max_sectors, 0x2000u);
	d->targets = UK_MIN(config.max_target + 1u, (unsigned)TARGETS_MAX);
	d->turns.start = start_turn;
	d->turns.kick = kick;
	d->turns.stop = give_up;
	return uk_turns_open(&d->turns, SLOTS);
}

static int start(struct uk_virtio_dev *dev)
{
	struct scsi *d = uk_alloc(sizeof(*d));
	int result;

	if (d == NULL)
		return -UK_ENOMEM;
	d->dev = dev;
	dev->driver = d;
	d->scanning = true;
	result = open_host(d);
	if (result != 0)
		return result;
	uk_virtio_ready(dev);
	result = scan(d);
	d->scanning = false;
	(void)uk_virtq_take(d->queue); /* nothing is there; the next will interrupt */
	return result;
}

const struct uk_virtio_driver uk_virtio_scsi = { .name = "virtio-scsi",
						 .id = UK_VIRTIO_SCSI,
						 .start = start };
UK_VIRTIO_DRIVER(uk_virtio_scsi);
