/*
 * The memory map: entries of firmware that may overlap, wrap, and come in any order.
 */
#include <uk/layout.h>
#include <uk/memmap.h>

#define RAM 1

struct map {
	struct uni_hvm_memmap_entry *m;
	uint32_t count, room;
};

static void add(struct map *map, uint64_t start, uint64_t end)
{
	if (map->count < map->room)
		map->m[map->count++] = (struct uni_hvm_memmap_entry){ start, end - start, RAM, 0 };
}

/* Takes [start, end) out, splitting a range if need be. */
static void take_out(struct map *map, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < map->count;) {
		struct uni_hvm_memmap_entry *m = &map->m[i];
		uint64_t m_start = m->addr, m_end = m->addr + m->size;

		if (end <= m_start || start >= m_end) {
			i++;
			continue;
		}
		/* What is left goes to the end of the list, where it is looked at once more. */
		*m = map->m[--map->count];
		if (start > m_start)
			add(map, m_start, start);
		if (end < m_end)
			add(map, end, m_end);
	}
}

static void take_ram(struct map *map, const struct uni_hvm_memmap_entry *e)
{
	uint64_t start, end;

	if (e->type != RAM || __builtin_add_overflow(e->addr, e->size, &end))
		return;
	start = UK_ALIGN_UP(UK_MIN(e->addr, UK_DIRECT_SIZE), UK_PAGE_SIZE);
	end = UK_ALIGN_DOWN(UK_MIN(end, UK_DIRECT_SIZE), UK_PAGE_SIZE);
	if (start >= end)
		return;
	take_out(map, start, end); /* told twice: once is enough */
	add(map, start, end);
}

static void take_other(struct map *map, const struct uni_hvm_memmap_entry *e)
{
	uint64_t end;

	if (e->type == RAM || e->size == 0 || e->addr >= UK_DIRECT_SIZE)
		return;
	if (__builtin_add_overflow(e->addr, e->size, &end) || end > UK_DIRECT_SIZE)
		end = UK_DIRECT_SIZE;
	take_out(map, UK_ALIGN_DOWN(e->addr, UK_PAGE_SIZE), UK_ALIGN_UP(end, UK_PAGE_SIZE));
}

static void sort(struct map *map)
{
	for (uint32_t i = 1; i < map->count; i++) {
		struct uni_hvm_memmap_entry e = map->m[i];
		uint32_t k = i;

		for (; k > 0 && map->m[k - 1].addr > e.addr; k--)
			map->m[k] = map->m[k - 1];
		map->m[k] = e;
	}
}

static void join_adjacent(struct map *map)
{
	struct uni_hvm_memmap_entry *m = map->m;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < map->count; i++) {
		if (kept != 0 && m[kept - 1].addr + m[kept - 1].size == m[i].addr)
			m[kept - 1].size += m[i].size;
		else
			m[kept++] = m[i];
	}
	map->count = kept;
}

/* Nearly every firmware's map is in order, and tells nothing twice: only the ends of RAM that are
 * no page go, and what touches is joined. False: it is not so, or does not fit. */
static bool take_in_order(struct map *map, const struct uni_hvm_memmap_entry *told, uint32_t count)
{
	uint64_t told_end = 0, ram_end = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct uni_hvm_memmap_entry *e = &told[i];
		uint64_t start = UK_MIN(UK_MAX(e->addr, UK_PAGE_SIZE), UK_DIRECT_SIZE);
		uint64_t end = e->addr + e->size;

		if ((e->size != 0 && e->addr < told_end) || end < e->addr)
			return false;
		told_end = UK_MAX(told_end, end);
		start = UK_ALIGN_UP(start, UK_PAGE_SIZE);
		end = UK_ALIGN_DOWN(UK_MIN(end, UK_DIRECT_SIZE), UK_PAGE_SIZE);
		if (e->type != RAM || start >= end)
			continue;
		if (start == ram_end)
			start = map->m[--map->count].addr;
		else if (map->count == map->room)
			return false;
		map->m[map->count++] = (struct uni_hvm_memmap_entry){ start, end - start, RAM, 0 };
		ram_end = end;
	}
	return true;
}

uint32_t uk_memmap_make(struct uni_hvm_memmap_entry *out, uint32_t room,
			const struct uni_hvm_memmap_entry *told, uint32_t count)
{
	struct map map = { out, 0, room };

	if (take_in_order(&map, told, count))
		return map.count;
	map.count = 0;
	for (uint32_t i = 0; i < count; i++)
		take_ram(&map, &told[i]);
	for (uint32_t i = 0; i < count; i++)
		take_other(&map, &told[i]);
	take_out(&map, 0, UK_PAGE_SIZE); /* the BIOS's data; and no page is at NULL */
	sort(&map);
	join_adjacent(&map);
	return map.count;
}
