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
#define CHUNK_SIZE (CHUNK_FRAMES * UK_PAGE_SIZE)
#define RESERVED_MAX 24
#define RESERVED_END UINT64_MAX
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
	uint64_t pages_size; /* bytes */
	uint8_t *made;	     /* by chunk */
	uint64_t chunks;
	uint64_t next; /* chunks below are made */
};

/* By their starts, behind an empty one; one at RESERVED_END is the last when all are known. */
static struct range reserved[RESERVED_MAX + 1] UK_SEALED;
static unsigned reserved_last UK_SEALED;
static struct region regions[UK_MEMMAP_MAX]; /* the largest first, for most lookups end there */
static unsigned region_count;
static size_t (*shrinkers[SHRINKERS_MAX])(size_t wanted);
static unsigned shrinker_count;

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct uk_list free_lists[UK_ORDER_MAX + 1];
static uint64_t frames_total, frames_free; /* free: also in chunks that are not made */
static uint64_t frames_kept;		   /* for the kernel */

void uk_reserve(uk_paddr_t start, uk_paddr_t end)
{
	unsigned at = ++reserved_last;

	if (at == RESERVED_MAX)
		uk_panic("too many reserved ranges");
	start = UK_ALIGN_DOWN(start, UK_PAGE_SIZE);
	for (; reserved[at - 1].start > start; at--)
		reserved[at] = reserved[at - 1];
	reserved[at] = (struct range){ start, UK_ALIGN_UP(end, UK_PAGE_SIZE) };
}

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
	v = v < low ? low : v;
	return v > high ? high : v;
}

static struct region *region_of(uint64_t frame)
{
	struct region *r = regions;

	do {
		if (frame - r->first < r->count)
			return r;
	} while (++r < regions + region_count);
	return NULL;
}

UK_INLINE struct region *region_of_page(const struct uk_page *page)
{
	struct region *r = regions;

	do {
		if ((uintptr_t)page - (uintptr_t)r->pages < r->pages_size)
			return r;
	} while (++r < regions + region_count);
	uk_panic("%p is no record of a frame", (const void *)page);
}

UK_INLINE void push_free(struct uk_page *page, unsigned order)
{
	page->flags = UK_PAGE_FREE;
	page->order = (uint16_t)order;
	uk_list_push_front(&free_lists[order], &page->list);
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
	push_free(&r->pages[frame - r->first], order);
}

/* Gives [frame, end), whose neighbours are not free, in the largest blocks that fit. */
static void give_run(struct uk_page *page, uint64_t frame, uint64_t end)
{
	while (frame < end) {
		unsigned aligned = (unsigned)__builtin_ctzll(frame | CHUNK_FRAMES);
		unsigned fits = 63 - (unsigned)__builtin_clzll(end - frame);
		unsigned order = UK_MIN(aligned, fits);

		push_free(page, order);
		page += 1ull << order;
		frame += 1ull << order;
	}
}

/* Makes the records of a chunk. Called with the lock held. */
static void make_chunk(struct region *r, uint64_t chunk)
{
	uint64_t base = (r->first / CHUNK_FRAMES + chunk) * CHUNK_FRAMES;
	uint64_t frame = UK_MAX(base, r->first);
	uint64_t end = UK_MIN(base + CHUNK_FRAMES, r->first + r->count);
	struct uk_page *page = &r->pages[frame - r->first];

	r->made[chunk] = 1;
	memset(page, 0, (end - frame) * sizeof(*page));
	/* What is below a reserved range is free, up to the one behind all. */
	const struct range *hit = reserved;

	do {
		uint64_t from = clamp(hit->start >> UK_PAGE_SHIFT, frame, end);
		uint64_t to = clamp(hit->end >> UK_PAGE_SHIFT, from, end);

		give_run(page, frame, from);
		for (page += from - frame; from < to; from++, page++) {
			page->flags = UK_PAGE_RESERVED;
			page->refs = 1;
		}
		frame = to;
		hit++;
	} while (frame < end);
}

static bool make_more(void)
{
	struct region *r = regions;

	do {
		while (r->next < r->chunks) {
			uint64_t chunk = r->next++;

			if (r->made[chunk])
				continue;
			make_chunk(r, chunk);
			return true;
		}
	} while (++r < regions + region_count);
	return false;
}

/* Takes a free block of order `have` out of its list; what is not wanted of it stays free. */
static struct uk_page *split_block(struct uk_page *page, unsigned have, unsigned order)
{
	uk_list_remove(&page->list);
	while (have > order) {
		have--;
		push_free(page + (1ull << have), have);
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
	do {
		unsigned have = order;

		do {
			struct uk_list *list = &free_lists[have];

			if (!uk_list_empty(list))
				return split_block(uk_list_entry(list->next, struct uk_page, list),
						   have, order);
		} while (++have <= UK_ORDER_MAX);
	} while (make_more());
	return NULL;
}

static struct uk_page *take_locked(unsigned order)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_page *page = take_block(order);

	uk_spin_unlock(&lock, state);
	return page;
}

/* What the shrinkers gave back; nothing where they must not be called. */
static size_t shrink(size_t wanted)
{
	bool entered;
	size_t freed = 0;

	if (uk_cpu()->irq_depth != 0 || (uk_rflags() & 0x200) == 0)
		return 0;
	entered = uk_kernel_enter();
	for (unsigned i = 0; i < shrinker_count; i++)
		if (freed < wanted)
			freed += shrinkers[i](wanted + 16);
	if (entered)
		uk_kernel_leave();
	return freed;
}

struct uk_page *uk_page_alloc(unsigned order, bool zero)
{
	struct uk_page *page;

	if (order > UK_ORDER_MAX)
		return NULL;
	page = take_locked(order);
	for (unsigned round = 0; uk_unlikely(page == NULL); round++) {
		if (round == SHRINK_ROUNDS || shrink((size_t)1 << order) == 0)
			return NULL;
		page = take_locked(order);
	}
	if (zero)
		memset(uk_page_virt(page), 0, UK_PAGE_SIZE << order);
	return page;
}

struct uk_page *uk_page_alloc_user(bool zero)
{
	for (unsigned round = 0; uk_unlikely(frames_free <= frames_kept); round++)
		if (round == SHRINK_ROUNDS || shrink(1) == 0)
			return NULL;
	return uk_page_alloc(0, zero);
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
	if (shrinker_count == SHRINKERS_MAX)
		uk_panic("too many shrinkers");
	shrinkers[shrinker_count++] = fn;
}

uint64_t uk_mem_total(void)
{
	return frames_total << UK_PAGE_SHIFT;
}

uint64_t uk_mem_free(void)
{
	return frames_free << UK_PAGE_SHIFT;
}

/* The records of a range of RAM lie as low in it as there is room, where memory was touched
 * already: hosts give theirs in large pieces. A range without room for them is left out. */
static void add_region(uk_paddr_t start, uk_paddr_t end)
{
	struct region *r = &regions[region_count];
	uint64_t count = (end - start) >> UK_PAGE_SHIFT;
	uint64_t chunks = (end - 1) / CHUNK_SIZE - start / CHUNK_SIZE + 1;
	uint64_t pages_size = count * sizeof(struct uk_page);
	uint64_t size = UK_ALIGN_UP(pages_size + chunks, UK_PAGE_SIZE), taken = 0;
	uk_paddr_t at = start;

	const struct range *hit = reserved;

	do {
		uint64_t from = clamp(hit->start, start, end), to = clamp(hit->end, start, end);

		taken += to - from;
		to = UK_MAX(at, to);
		at = from < at + size ? to : at;
	} while (hit++ != &reserved[reserved_last]);
	if (end - at < size)
		return;
	uk_reserve(at, at + size);
	r->first = start >> UK_PAGE_SHIFT;
	r->count = count;
	r->pages = uk_phys_to_virt(at);
	r->pages_size = pages_size;
	r->made = (uint8_t *)(r->pages + count);
	r->chunks = chunks;
	memset(r->made, 0, chunks);
	frames_total += count;
	frames_free += count - ((taken + size) >> UK_PAGE_SHIFT);
	region_count++;
	if (count > regions[0].count) {
		struct region first = regions[0];

		regions[0] = *r;
		*r = first;
	}
}

void uk_memory_start(void)
{
	const struct uni_hvm_memmap_entry *ram;

	for (unsigned i = 0; i <= UK_ORDER_MAX; i++)
		uk_list_init(&free_lists[i]);
	for (uint32_t i = 0; i < uk_boot.module_count; i++) {
		const struct uni_hvm_modlist_entry *m = &uk_boot.module[i];

		if (m->paddr < UK_DIRECT_SIZE && m->size < UK_DIRECT_SIZE)
			uk_reserve(m->paddr, m->paddr + m->size);
	}
	/* From the end, where the largest mostly is. */
	ram = &uk_boot.memmap[uk_boot.memmap_count];
	do {
		ram--;
		add_region(ram->addr, ram->addr + ram->size);
	} while (ram != uk_boot.memmap);
	reserved[reserved_last + 1] = (struct range){ RESERVED_END, RESERVED_END };
	frames_kept = clamp(frames_total / KEPT_PART, KEPT_LEAST, KEPT_MOST);
}
