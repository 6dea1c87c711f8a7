/*
 * Frames through an Elastic Network Adapter. All but the interrupt runs under the stack's lock.
 *
 * A transmitted frame is one or more descriptors in our memory; or, where they are pushed into the
 * adapter's, entries of which the first holds two descriptors and the frame's first bytes, and each
 * further one eight descriptors. Frames with more pieces than the adapter takes are put together
 * first.
 */
#include "ena.h"
#include <uk/log.h>
#include <uk/mem.h>

#define RX_BUFFER 2048u
#define UNMASK 0x40000000u
#define FRAME_PIECES_MAX 8 /* 16 KiB: more than any frame */

enum { DESC = sizeof(struct ena_tx_desc), FIRST_DESCS = 2 };

struct ena_rx_buffer {
	struct uk_net_buf buf;
	struct ena *ena;
	struct ena_rx_buffer *next_free;
	uint8_t *memory; /* RX_BUFFER bytes */
	bool given;	 /* the adapter's */
};

struct ena_tx_slot {
	struct ena_tx_slot *next;
	void *token;
	void *joined; /* the frame in one piece, or NULL */
	uint16_t entries;
	bool used;
};

/* --- receiving --- */

static void rx_give(struct ena *e)
{
	struct ena_ring *r = &e->rx.queue;

	while (e->rx_free != NULL && e->rx.free != 0) {
		struct ena_rx_buffer *b = e->rx_free;
		struct ena_rx_desc *d = (struct ena_rx_desc *)r->entries + ena_index(r);
		uk_paddr_t at = uk_virt_to_phys(b->memory);

		e->rx_free = b->next_free;
		b->given = true;
		*d = (struct ena_rx_desc){
			.length = RX_BUFFER,
			.id = (uint16_t)(b - e->rx_buffers),
			.low = (uint32_t)at,
			.high = (uint16_t)(at >> 32),
			.control = (uint8_t)(ENA_RX_FIRST | ENA_RX_LAST | ENA_RX_COMPLETE |
					     ENA_RX_ONE | (ena_phase(r) ? 1 : 0)),
		};
		r->at++;
		e->rx.free--;
	}
	ena_tell(r);
}

static void rx_free(struct uk_net_buf *buf)
{
	struct ena_rx_buffer *b = uk_container(buf, struct ena_rx_buffer, buf);

	b->next_free = b->ena->rx_free;
	b->ena->rx_free = b;
}

static bool rx_take(struct ena *e, struct ena_rx_done *out)
{
	struct ena_ring *r = &e->rx.done;
	volatile struct ena_rx_done *d = (struct ena_rx_done *)r->entries + ena_index(r);

	if ((d->status >> ENA_DONE_PHASE_BIT & 1) != ena_phase(r))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(out, (const void *)(uintptr_t)d, sizeof(*out));
	r->at++;
	return true;
}

static bool sums_good(uint32_t status)
{
	unsigned l3 = status & ENA_DONE_L3, l4 = status >> ENA_DONE_L4_SHIFT & 0x1f;

	if ((status & ENA_DONE_L4_CHECKED) == 0 || (status & ENA_DONE_L4_BAD) != 0 ||
	    (status & ENA_DONE_FRAGMENT) != 0 || (l4 != ENA_L4_TCP && l4 != ENA_L4_UDP))
		return false;
	return l3 == ENA_L3_IPV6 || (l3 == ENA_L3_IPV4 && (status & ENA_DONE_L3_BAD) == 0);
}

static void frame_drop(struct ena *e)
{
	while (e->frame != NULL) {
		struct uk_net_buf *next = e->frame->next;

		rx_free(e->frame);
		e->frame = next;
	}
	e->frame_pieces = 0;
}

/* One used buffer; a frame is handed on with its last. False: the adapter broke the rules. */
static bool rx_piece(struct ena *e, const struct ena_rx_done *d, unsigned *frames)
{
	struct ena_rx_buffer *b;

	if (d->id >= e->rx_count || !e->rx_buffers[d->id].given)
		return false;
	b = &e->rx_buffers[d->id];
	b->given = false;
	e->rx.free++;
	if ((d->status & ENA_DONE_FIRST) != 0)
		frame_drop(e);
	if (e->frame_pieces == 0)
		e->frame_end = &e->frame;
	b->buf.data = b->memory + d->offset;
	b->buf.size = d->length;
	b->buf.next = NULL;
	*e->frame_end = &b->buf;
	e->frame_end = &b->buf.next;
	e->frame_pieces++;
	if (d->length == 0 || d->length + (unsigned)d->offset > RX_BUFFER ||
	    e->frame_pieces > FRAME_PIECES_MAX) {
		frame_drop(e);
	} else if ((d->status & ENA_DONE_LAST) != 0) {
		struct uk_net_buf *frame = e->frame;

		e->frame = NULL;
		e->frame_pieces = 0;
		(*frames)++;
		uk_net_received(&e->dev, frame, sums_good(d->status));
	}
	return true;
}

/* --- transmitting --- */

static void tx_ended(struct ena *e, struct ena_tx_slot *s)
{
	s->used = false;
	s->next = e->tx_free;
	e->tx_free = s;
	e->tx.free = (uint16_t)(e->tx.free + s->entries);
	uk_free(s->joined);
	uk_net_sent(&e->dev, s->token);
}

static void tx_reclaim(struct ena *e)
{
	struct ena_ring *r = &e->tx.done;

	/* No more than were handed over, however fast the adapter is. */
	for (unsigned i = 0; i < r->size && !e->dead; i++) {
		volatile struct ena_tx_done *d = (struct ena_tx_done *)r->entries + ena_index(r);
		uint16_t id;

		if ((d->flags & 1) != ena_phase(r))
			break;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		id = d->id;
		r->at++;
		if (id >= e->tx.queue.size || !e->tx_slots[id].used) {
			ena_fail(e, ENA_RESET_TX_ID, "sent what nobody gave it");
			return;
		}
		tx_ended(e, &e->tx_slots[id]);
	}
	ena_tell(r);
}

/* A frame's pieces from `skip` on as descriptors, of which the first may hold nothing. */
struct tx_frame {
	const struct uk_net_seg *segs;
	unsigned count;
	uint32_t skip;
	uint16_t id;
	uint8_t header; /* bytes that are pushed */
	bool meta;
};

/* The wire form of descriptor `index`; its phase is `phase`. */
static struct ena_tx_desc tx_desc(const struct tx_frame *f, unsigned index, unsigned last,
				  bool phase)
{
	struct ena_tx_desc d = { .control = (uint32_t)phase << ENA_TX_PHASE_BIT };
	unsigned seg = index - f->meta;
	uk_paddr_t at;

	if (index == 0)
		d.control |= ENA_TX_FIRST;
	if (f->meta && index == 0) {
		d.control |=
			ENA_TX_META | ENA_TX_META_VALID | ENA_TX_META_EXTENDED | ENA_TX_META_STORE;
		return d;
	}
	if (index == last)
		d.control |= ENA_TX_LAST;
	if (seg == 0)
		d.control |= ENA_TX_COMPLETE;
	d.control |= (uint32_t)(f->id >> 10) << 16;
	d.meta = (uint32_t)f->id << 22;
	d.high = seg == 0 ? (uint32_t)f->header << 24 : 0;
	if (seg < f->count) {
		uint32_t skip = seg == 0 ? f->skip : 0;

		at = uk_virt_to_phys((const uint8_t *)f->segs[seg].data + skip);
		d.control |= f->segs[seg].size - skip;
		d.low = (uint32_t)at;
		d.high |= (uint32_t)(at >> 32) & 0xffff;
	}
	return d;
}

static unsigned tx_descs(const struct tx_frame *f)
{
	return f->meta + (f->count != 0 ? f->count : 1);
}

static void tx_to_memory(struct ena *e, const struct tx_frame *f)
{
	struct ena_ring *r = &e->tx.queue;
	unsigned descs = tx_descs(f);

	for (unsigned i = 0; i < descs; i++) {
		struct ena_tx_desc d = tx_desc(f, i, descs - 1, ena_phase(r));

		memcpy((struct ena_tx_desc *)r->entries + ena_index(r), &d, sizeof(d));
		r->at++;
	}
}

static void push_bytes(volatile uint8_t *to, const uint8_t *from, unsigned size)
{
	for (unsigned i = 0; i < size; i += 4) {
		uint32_t word;

		memcpy(&word, from + i, sizeof(word));
		uk_mmio_write32(to + i, word);
	}
}

static void tx_bell(struct ena *e)
{
	ena_tell(&e->tx.queue);
	e->push.since = 0;
}

static void push_entry(struct ena *e, const uint8_t *entry)
{
	struct ena_ring *r = &e->tx.queue;

	push_bytes(r->device + (size_t)ena_index(r) * e->push.entry, entry, e->push.entry);
	r->at++;
	e->push.since++;
}

static void tx_to_device(struct ena *e, const struct tx_frame *f, const uint8_t *header)
{
	unsigned descs = tx_descs(f), i = 0;
	uint16_t entries =
		(uint16_t)(1 + (descs > FIRST_DESCS ? (descs - FIRST_DESCS + 7) / 8 : 0));

	if (e->push.burst != 0 && e->push.since != 0 && e->push.since + entries > e->push.burst)
		tx_bell(e);
	for (uint16_t n = 0; n < entries; n++) {
		uint8_t entry[128] = { 0 };
		unsigned room = n == 0 ? FIRST_DESCS : sizeof(entry) / DESC;

		for (unsigned k = 0; k < room && i < descs; k++, i++) {
			struct ena_tx_desc d = tx_desc(f, i, descs - 1, ena_phase(&e->tx.queue));

			memcpy(entry + (size_t)k * DESC, &d, sizeof(d));
		}
		if (n == 0)
			memcpy(entry + (size_t)FIRST_DESCS * DESC, header, f->header);
		push_entry(e, entry);
	}
}

static uint32_t frame_size(const struct uk_net_seg *segs, unsigned count)
{
	uint32_t size = 0;

	for (unsigned i = 0; i < count; i++)
		size += segs[i].size;
	return size;
}

/* Takes the frame's first bytes out of its pieces. */
static void take_header(struct ena *e, struct tx_frame *f, uint8_t *header)
{
	uint32_t left = e->push.header;

	while (f->count != 0 && left != 0) {
		uint32_t part = UK_MIN(f->segs->size, left);

		memcpy(header + f->header, f->segs->data, part);
		f->header = (uint8_t)(f->header + part);
		left -= part;
		if (part < f->segs->size) {
			f->skip = part;
			return;
		}
		f->segs++;
		f->count--;
	}
}

static uint16_t entries_of(const struct ena *e, unsigned descs)
{
	if (!e->push.on)
		return (uint16_t)descs;
	return (uint16_t)(1 + (descs > FIRST_DESCS ? (descs - FIRST_DESCS + 7) / 8 : 0));
}

static bool join(struct ena_tx_slot *s, struct uk_net_seg *one, const struct uk_net_seg *segs,
		 unsigned count)
{
	uint32_t size = frame_size(segs, count);
	uint8_t *to = s->joined = uk_alloc(size);

	if (to == NULL)
		return false;
	for (unsigned i = 0; i < count; i++) {
		memcpy(to, segs[i].data, segs[i].size);
		to += segs[i].size;
	}
	*one = (struct uk_net_seg){ s->joined, size };
	return true;
}

static int transmit(struct uk_netdev *dev, const struct uk_net_seg *segs, unsigned count,
		    const struct uk_net_offload *offload, void *token)
{
	struct ena *e = dev->driver;
	struct ena_tx_slot *s = e->tx_free;
	struct uk_net_seg one;
	struct tx_frame f = { .segs = segs, .count = count, .meta = e->push.on && e->push.meta };
	uint8_t header[96];
	bool joins;
	uint16_t need;

	(void)offload; /* nothing was offered */
	if (e->dead)
		return -UK_EAGAIN;
	joins = tx_descs(&f) > UK_MIN(e->tx_descs, e->tx.queue.size / 2);
	need = entries_of(e, joins ? f.meta + 1u : tx_descs(&f));
	if (s == NULL || e->tx.free < need) {
		tx_reclaim(e);
		s = e->tx_free;
		if (e->dead || s == NULL || e->tx.free < need)
			return -UK_EAGAIN;
	}
	s->joined = NULL;
	if (joins) {
		if (!join(s, &one, segs, count))
			return -UK_EAGAIN;
		f.segs = &one;
		f.count = 1;
	}
	e->tx_free = s->next;
	s->used = true;
	s->token = token;
	f.id = (uint16_t)(s - e->tx_slots);
	if (e->push.on)
		take_header(e, &f, header);
	s->entries = entries_of(e, tx_descs(&f));
	e->tx.free = (uint16_t)(e->tx.free - s->entries);
	if (e->push.on)
		tx_to_device(e, &f, header);
	else
		tx_to_memory(e, &f);
	return 0;
}

static void flush(struct uk_netdev *dev)
{
	struct ena *e = dev->driver;

	if (!e->dead)
		tx_bell(e);
}

/* --- both --- */

/* After a reset: what was on its way comes back, and the stack hears that the link is down. */
static void bury(struct ena *e)
{
	if (e->buried)
		return;
	e->buried = true;
	for (unsigned i = 0; i < e->tx.queue.size; i++)
		if (e->tx_slots[i].used)
			tx_ended(e, &e->tx_slots[i]);
	uk_net_link_changed(&e->dev);
}

static bool poll(struct uk_netdev *dev, unsigned budget)
{
	struct ena *e = dev->driver;
	struct ena_rx_done done;
	unsigned frames = 0;

	if (e->event)
		ena_events(e);
	if (!e->dead)
		tx_reclaim(e);
	while (!e->dead && frames < budget && rx_take(e, &done))
		if (!rx_piece(e, &done, &frames))
			ena_fail(e, ENA_RESET_RX_ID, "filled what nobody gave it");
	if (e->dead) {
		bury(e);
		return false;
	}
	ena_tell(&e->rx.done);
	rx_give(e);
	return frames == budget;
}

static bool something_done(const struct ena *e)
{
	const struct ena_ring *r = &e->rx.done, *t = &e->tx.done;
	const volatile struct ena_rx_done *rx = (struct ena_rx_done *)r->entries + ena_index(r);
	const volatile struct ena_tx_done *tx = (struct ena_tx_done *)t->entries + ena_index(t);

	return (rx->status >> ENA_DONE_PHASE_BIT & 1) == ena_phase(r) ||
	       (tx->flags & 1) == ena_phase(t) || e->event;
}

/* An interrupt masks itself when it is sent. */
static bool watch(struct uk_netdev *dev, bool on)
{
	struct ena *e = dev->driver;

	if (!on || e->dead)
		return false;
	uk_mmio_write32(e->rx.unmask, UNMASK);
	return something_done(e);
}

void ena_interrupt(void *arg)
{
	(void)arg;
	uk_net_wake();
}

const struct uk_netdev_ops ena_operations = {
	.transmit = transmit,
	.flush = flush,
	.poll = poll,
	.watch = watch,
};

int ena_net_start(struct ena *e)
{
	/* Enough for a window's worth, where there is memory for it. */
	unsigned count = UK_MIN(e->rx_depth - 1u, uk_mem_total() < (32ull << 20) ? 64u : 256u);

	e->rx_buffers = uk_alloc(count * sizeof(*e->rx_buffers));
	e->tx_slots = uk_alloc(e->tx.queue.size * sizeof(*e->tx_slots));
	if (e->rx_buffers == NULL || e->tx_slots == NULL)
		return -UK_ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		struct ena_rx_buffer *b = &e->rx_buffers[i];

		b->memory = uk_alloc(RX_BUFFER);
		if (b->memory == NULL)
			break;
		b->ena = e;
		b->buf.free = rx_free;
		rx_free(&b->buf);
		e->rx_count++;
	}
	for (unsigned i = e->tx.queue.size; i-- != 0;) {
		e->tx_slots[i].next = e->tx_free;
		e->tx_free = &e->tx_slots[i];
	}
	rx_give(e);
	return e->rx_count < 8 ? -UK_ENOMEM : 0;
}
