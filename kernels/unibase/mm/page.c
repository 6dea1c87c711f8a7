/*
 * Page frames: a buddy allocator whose records come to life 2 MiB at a time.
 *
 * Start-up touches no memory for what is not used: each range of RAM has an array of struct uk_page
 * at its lower end, and a byte for each 2 MiB (a chunk) that says whether the chunk's records are
 * made. A chunk is made, and its free frames given to the free lists, when the lists run dry or
 * when somebody asks for a record in it. Blocks never cross chunks, so buddies are always both
 * made.
 */
#include <uk/cpu.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/smp.h>
#include <uk/start.h>

#define CHUNK_FRAMES (1ull << UK_ORDER_MAX)
#define RESERVED_MAX 24
#define SHRINKERS_MAX 8
#define SHRINK_ROUNDS 4
#define KEPT_PART 128 /* of all frames, within bounds */
#define KEPT_LEAST 16
#define KEPT_MOST 512
#define PLENTY_PART 4 /* of all frames: large pages leave it free */

struct range {
	uint64_t start, end; /* reserved: bytes; region: frames */
};

struct region {
	uint64_t first, count; /* frames */
	struct uk_page *pages;
	uint8_t *made; /* by chunk */
	uint64_t chunks;
	uint64_t next; /* chunks below are made */
};

static struct range reserved[RESERVED_MAX] UK_SEALED;
static unsigned reserved_count UK_SEALED;
static struct region regions[UK_MEMMAP_MAX]; /* the largest first */
static unsigned region_count;
static size_t (*shrinkers[SHRINKERS_MAX])(size_t wanted);

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct uk_list free_lists[UK_ORDER_MAX + 1];
static uint64_t frames_total, frames_free; /* free: also in chunks that are not made */
static uint64_t frames_kept;		   /* for the kernel */

void uk_reserve(uk_paddr_t start, uk_paddr_t end)
{
	if (reserved_count == RESERVED_MAX)
		uk_panic("too many reserved ranges");
	reserved[reserved_count++] = (struct range){ UK_ALIGN_DOWN(start, UK_PAGE_SIZE),
						     UK_ALIGN_UP(end, UK_PAGE_SIZE) };
}

static const struct range *reserved_in(uk_paddr_t start, uk_paddr_t end)
{
	for (unsigned i = 0; i < reserved_count; i++)
		if (reserved[i].start < end && reserved[i].end > start)
			return &reserved[i];
	return NULL;
}

static struct region *region_of(uint64_t frame)
{
	for (unsigned i = 0; i < region_count; i++)
		if (frame - regions[i].first < regions[i].count)
			return &regions[i];
	return NULL;
}

static struct region *region_of_page(const struct uk_page *page)
{
	for (unsigned i = 0; i < region_count; i++)
		if ((uintptr_t)page - (uintptr_t)regions[i].pages <
		    regions[i].count * sizeof(*page))
			return &regions[i];
	uk_panic("%p is no record of a frame", (const void *)page);
}

static void give_block(struct region *r, uint64_t frame, unsigned order)
{
	while (order < UK_ORDER_MAX) {
		uint64_t buddy = frame ^ (1ull << order);
		struct uk_page *b = &r->pages[buddy - r->first];

		if (buddy - r->first >= r->count || !(b->flags & UK_PAGE_FREE) || b->order != order)
			break;
		uk_list_remove(&b->list);
		b->flags = 0;
		frame = UK_MIN(frame, buddy);
		order++;
	}
	struct uk_page *page = &r->pages[frame - r->first];

	page->flags = UK_PAGE_FREE;
	page->order = (uint16_t)order;
	uk_list_push_front(&free_lists[order], &page->list);
}

/* Gives [frame, end), which nobody has, to the free lists, in the largest blocks that fit. */
static void give_run(struct region *r, uint64_t frame, uint64_t end)
{
	while (frame < end) {
		unsigned order = frame == 0 ? UK_ORDER_MAX : (unsigned)__builtin_ctzll(frame);

		order = UK_MIN(order, UK_ORDER_MAX);
		while ((1ull << order) > end - frame)
			order--;
		give_block(r, frame, order);
		frame += 1ull << order;
	}
}

/* Makes the records of a chunk. Called with the lock held. */
static void make_chunk(struct region *r, uint64_t chunk)
{
	uint64_t base = (r->first / CHUNK_FRAMES + chunk) * CHUNK_FRAMES;
	uint64_t frame = UK_MAX(base, r->first);
	uint64_t end = UK_MIN(base + CHUNK_FRAMES, r->first + r->count);

	r->made[chunk] = 1;
	memset(&r->pages[frame - r->first], 0, (end - frame) * sizeof(struct uk_page));
	while (frame < end) {
		const struct range *hit = reserved_in(frame << UK_PAGE_SHIFT, end << UK_PAGE_SHIFT);
		uint64_t free_end = end;

		/* The lowest reserved range from here on bounds the run. */
		for (unsigned i = 0; hit != NULL && i < reserved_count; i++) {
			uint64_t from = reserved[i].start >> UK_PAGE_SHIFT;

			if (reserved[i].end >> UK_PAGE_SHIFT > frame && from < free_end)
				free_end = UK_MAX(from, frame);
		}
		give_run(r, frame, free_end);
		for (frame = free_end; frame < end; frame++) {
			if (reserved_in(frame << UK_PAGE_SHIFT, (frame + 1) << UK_PAGE_SHIFT) ==
			    NULL)
				break;
			r->pages[frame - r->first].flags = UK_PAGE_RESERVED;
			r->pages[frame - r->first].refs = 1;
		}
	}
}

static bool make_more(void)
{
	for (unsigned i = 0; i < region_count; i++) {
		struct region *r = &regions[i];

		while (r->next < r->chunks) {
			uint64_t chunk = r->next++;

			if (r->made[chunk])
				continue;
			make_chunk(r, chunk);
			return true;
		}
	}
	return false;
}

/* Takes a free block of order `have` out of its list; what is not wanted of it stays free. */
static struct uk_page *split_block(struct uk_page *page, unsigned have, unsigned order)
{
	uk_list_remove(&page->list);
	while (have > order) {
		struct uk_page *upper = page + (1ull << --have);

		upper->flags = UK_PAGE_FREE;
		upper->order = (uint16_t)have;
		uk_list_push_front(&free_lists[have], &upper->list);
	}
	page->flags = 0;
	page->order = (uint16_t)order;
	page->refs = 1;
	page->owner = NULL;
	page->index = 0;
	frames_free -= 1ull << order;
	return page;
}

static struct uk_page *take_block(unsigned order)
{
	for (;;) {
		for (unsigned have = order; have <= UK_ORDER_MAX; have++) {
			struct uk_page *page =
				uk_list_first(&free_lists[have], struct uk_page, list);

			if (page != NULL)
				return split_block(page, have, order);
		}
		if (!make_more())
			return NULL;
	}
}

static bool may_shrink(void)
{
	return uk_cpu()->irq_depth == 0 && (uk_rflags() & 0x200) != 0;
}

static size_t shrink(size_t wanted)
{
	bool entered = uk_kernel_enter();
	size_t freed = 0;

	for (unsigned i = 0; i < SHRINKERS_MAX && shrinkers[i] != NULL; i++)
		if (freed < wanted)
			freed += shrinkers[i](wanted + 16);
	if (entered)
		uk_kernel_leave();
	return freed;
}

/* As uk_page_alloc, where `kept` frames stay free. */
static struct uk_page *alloc(unsigned order, bool zero, uint64_t kept)
{
	struct uk_page *page = NULL;

	for (unsigned round = 0; round <= SHRINK_ROUNDS; round++) {
		uint64_t state = uk_spin_lock(&lock);
		size_t freed;

		page = frames_free > kept ? take_block(order) : NULL;
		uk_spin_unlock(&lock, state);
		if (page != NULL || !may_shrink())
			break;
		freed = shrink((size_t)1 << order);
		if (freed == 0)
			break;
	}
	if (page != NULL && zero)
		memset(uk_page_virt(page), 0, UK_PAGE_SIZE << order);
	return page;
}

struct uk_page *uk_page_alloc(unsigned order, bool zero)
{
	return order <= UK_ORDER_MAX ? alloc(order, zero, 0) : NULL;
}

struct uk_page *uk_page_alloc_user(bool zero)
{
	return alloc(0, zero, frames_kept);
}

struct uk_page *uk_page_alloc_large(void)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_page *page =
		frames_free > frames_total / PLENTY_PART ? take_block(UK_ORDER_MAX) : NULL;

	uk_spin_unlock(&lock, state);
	if (page != NULL)
		memset(uk_page_virt(page), 0, UK_PAGE_SIZE << UK_ORDER_MAX);
	return page;
}

static struct uk_page *take_low(unsigned order, uint64_t below)
{
	for (unsigned have = order; have <= UK_ORDER_MAX; have++) {
		uk_list_each (item, &free_lists[have]) {
			struct uk_page *page = uk_list_entry(item, struct uk_page, list);
			uint64_t frame = uk_page_paddr(page) >> UK_PAGE_SHIFT;

			if (frame != 0 && frame + (1ull << have) <= below)
				return split_block(page, have, order);
		}
	}
	return NULL;
}

struct uk_page *uk_page_alloc_low(unsigned order, uk_paddr_t end)
{
	uint64_t state = uk_spin_lock(&lock), below = end >> UK_PAGE_SHIFT;
	struct uk_page *page;

	for (unsigned i = 0; i < region_count; i++)
		if (regions[i].first < below && !regions[i].made[0])
			make_chunk(&regions[i], 0);
	page = take_low(order, below);
	uk_spin_unlock(&lock, state);
	return page;
}

void uk_page_split(struct uk_page *page)
{
	unsigned frames = 1u << page->order;

	page->order = 0;
	for (unsigned i = 1; i < frames; i++)
		page[i] = (struct uk_page){ .refs = 1, .flags = page->flags };
}

void uk_page_get(struct uk_page *page)
{
	__atomic_add_fetch(&page->refs, 1, __ATOMIC_RELAXED);
}

void uk_page_put(struct uk_page *page)
{
	struct region *r;
	uint64_t state;

	if (__atomic_sub_fetch(&page->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	uk_assert(!(page->flags & (UK_PAGE_RESERVED | UK_PAGE_FREE)));
	r = region_of_page(page);
	state = uk_spin_lock(&lock);
	frames_free += 1ull << page->order;
	give_block(r, r->first + (uint64_t)(page - r->pages), page->order);
	uk_spin_unlock(&lock, state);
}

uk_paddr_t uk_page_paddr(const struct uk_page *page)
{
	const struct region *r = region_of_page(page);

	return (r->first + (uint64_t)(page - r->pages)) << UK_PAGE_SHIFT;
}

struct uk_page *uk_page_of(uk_paddr_t paddr)
{
	uint64_t frame = paddr >> UK_PAGE_SHIFT;
	struct region *r = region_of(frame);
	uint64_t chunk;

	if (r == NULL)
		return NULL;
	chunk = frame / CHUNK_FRAMES - r->first / CHUNK_FRAMES;
	if (uk_unlikely(!__atomic_load_n(&r->made[chunk], __ATOMIC_ACQUIRE))) {
		uint64_t state = uk_spin_lock(&lock);

		if (!r->made[chunk])
			make_chunk(r, chunk);
		uk_spin_unlock(&lock, state);
	}
	return &r->pages[frame - r->first];
}

void uk_shrinker_register(size_t (*fn)(size_t wanted))
{
	for (unsigned i = 0; i < SHRINKERS_MAX; i++) {
		if (shrinkers[i] == NULL) {
			shrinkers[i] = fn;
			return;
		}
	}
	uk_panic("too many shrinkers");
}

uint64_t uk_mem_total(void)
{
	return frames_total << UK_PAGE_SHIFT;
}

uint64_t uk_mem_free(void)
{
	return frames_free << UK_PAGE_SHIFT;
}

/* The records of a range of RAM, as low in it as there is room, where memory was touched already:
 * hosts give theirs in large pieces. Where, or 0: it has no room for them. */
static uk_paddr_t place_records(uk_paddr_t start, uk_paddr_t end, uint64_t size)
{
	while (start < end && end - start >= size) {
		const struct range *hit = reserved_in(start, start + size);

		if (hit == NULL)
			return start;
		start = hit->end;
	}
	return 0;
}

static void add_region(uk_paddr_t start, uk_paddr_t end)
{
	struct region r = { .first = start >> UK_PAGE_SHIFT,
			    .count = (end - start) >> UK_PAGE_SHIFT };
	uint64_t size;
	uk_paddr_t at;
	unsigned place = region_count;

	r.chunks = (r.first + r.count - 1) / CHUNK_FRAMES - r.first / CHUNK_FRAMES + 1;
	size = UK_ALIGN_UP(r.count * sizeof(struct uk_page) + r.chunks, UK_PAGE_SIZE);
	at = place_records(start, end, size);
	if (at == 0)
		return;
	uk_reserve(at, at + size);
	r.pages = uk_phys_to_virt(at);
	r.made = (uint8_t *)(r.pages + r.count);
	memset(r.made, 0, r.chunks);
	frames_total += r.count;
	frames_free += r.count;
	for (; place > 0 && regions[place - 1].count < r.count; place--)
		regions[place] = regions[place - 1];
	regions[place] = r;
	region_count++;
}

void uk_memory_start(void)
{
	for (unsigned i = 0; i <= UK_ORDER_MAX; i++)
		uk_list_init(&free_lists[i]);
	for (uint32_t i = 0; i < uk_boot.module_count; i++) {
		const struct uni_hvm_modlist_entry *m = &uk_boot.module[i];

		if (m->paddr < UK_DIRECT_SIZE && m->size < UK_DIRECT_SIZE)
			uk_reserve(m->paddr, m->paddr + m->size);
	}
	for (uint32_t i = 0; i < uk_boot.memmap_count; i++)
		add_region(uk_boot.memmap[i].addr, uk_boot.memmap[i].addr + uk_boot.memmap[i].size);
	for (unsigned i = 0; i < reserved_count; i++)
		if (region_of(reserved[i].start >> UK_PAGE_SHIFT) != NULL)
			frames_free -= (reserved[i].end - reserved[i].start) >> UK_PAGE_SHIFT;
	frames_kept =
		UK_MAX(UK_MIN(frames_total / KEPT_PART, (uint64_t)KEPT_MOST), (uint64_t)KEPT_LEAST);
}
