/*
 * Pages from one arena, with the kernel's bookkeeping and the sanitizers' poison on free ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "shim.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
#endif

enum { ARENA_PAGES = 65536, SHRINKERS = 8 };

static char *arena;
static struct uk_page *pages;
static size_t used, kept, limit = ARENA_PAGES, hint;
static size_t (*shrinkers[SHRINKERS])(size_t);
static size_t shrinker_count, allocations, fail_at, failing, live;

static void arena_start(void)
{
	if (arena != NULL)
		return;
	arena = mmap(NULL, ARENA_PAGES * UK_PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pages = calloc(ARENA_PAGES, sizeof(*pages));
	if (arena == MAP_FAILED || pages == NULL)
		abort();
	ASAN_POISON_MEMORY_REGION(arena, ARENA_PAGES * UK_PAGE_SIZE);
}

static bool fails(void)
{
	allocations++;
	if (fail_at == 0 || --fail_at != 0)
		return false;
	if (--failing != 0)
		fail_at = 1;
	return true;
}

void shim_fail_allocation(size_t nth)
{
	shim_fail_allocations(nth, 1);
}

void shim_fail_allocations(size_t nth, size_t count)
{
	fail_at = nth;
	failing = count;
}

size_t shim_allocations(void)
{
	return allocations;
}

size_t shim_allocated(void)
{
	return live;
}

void shim_page_limit(size_t count)
{
	limit = count < ARENA_PAGES ? count : ARENA_PAGES;
}

void shim_pages_keep(void)
{
	kept = used;
}

size_t shim_pages_used(void)
{
	return used - kept;
}

static struct uk_page *take(size_t count, size_t align)
{
	arena_start();
	for (size_t round = 0, at = hint; round < 2; round++, at = 0) {
		for (at = UK_ALIGN_UP(at, align); at + count <= ARENA_PAGES; at += align) {
			size_t i = 0;

			while (i < count && pages[at + i].refs == 0)
				i++;
			if (i < count)
				continue;
			for (i = 0; i < count; i++)
				pages[at + i] = (struct uk_page){ .refs = 1 };
			used += count;
			hint = at + count;
			ASAN_UNPOISON_MEMORY_REGION(arena + at * UK_PAGE_SIZE,
						    count * UK_PAGE_SIZE);
			return &pages[at];
		}
	}
	return NULL;
}

struct uk_page *uk_page_alloc(unsigned order, bool zero)
{
	size_t count = (size_t)1 << order;
	struct uk_page *page;

	if (fails())
		return NULL;
	for (size_t i = 0; used + count > limit && i < shrinker_count; i++)
		shrinkers[i](used + count - limit);
	if (used + count > limit)
		return NULL;
	page = take(count, count);
	if (page == NULL)
		return NULL;
	page->order = (uint16_t)order;
	memset(uk_page_virt(page), zero ? 0 : 0xa5, count * UK_PAGE_SIZE);
	return page;
}

struct uk_page *uk_page_alloc_user(bool zero)
{
	return uk_page_alloc(0, zero);
}

void uk_page_get(struct uk_page *page)
{
	if (page->refs++ == 0)
		abort();
}

void uk_page_put(struct uk_page *page)
{
	size_t at = (size_t)(page - pages), count = (size_t)1 << page->order;

	if (page->refs == 0)
		abort();
	if (--page->refs != 0)
		return;
	if ((page->flags & (UK_PAGE_CACHE | UK_PAGE_RESERVED)) != 0)
		abort();
	for (size_t i = 0; i < count; i++)
		pages[at + i].refs = 0;
	used -= count;
	hint = at < hint ? at : hint;
	ASAN_POISON_MEMORY_REGION(arena + at * UK_PAGE_SIZE, count * UK_PAGE_SIZE);
}

/* The direct map starts at the arena's address minus itself: its sums wrap to host addresses. */
uk_paddr_t uk_page_paddr(const struct uk_page *page)
{
	return (uintptr_t)arena + (size_t)(page - pages) * UK_PAGE_SIZE - UK_DIRECT_BASE;
}

uk_paddr_t uk_virt_to_phys(const void *virt)
{
	return (uintptr_t)virt - UK_DIRECT_BASE;
}

struct uk_page *uk_page_of(uk_paddr_t paddr)
{
	uintptr_t at = (uintptr_t)(UK_DIRECT_BASE + paddr);

	if (arena == NULL || at < (uintptr_t)arena ||
	    at >= (uintptr_t)arena + ARENA_PAGES * UK_PAGE_SIZE)
		return NULL;
	return &pages[(at - (uintptr_t)arena) / UK_PAGE_SIZE];
}

void *shim_image(const void *data, size_t size)
{
	size_t count = (size + UK_PAGE_SIZE - 1) / UK_PAGE_SIZE;
	struct uk_page *first = take(count, 1);

	if (first == NULL)
		abort();
	for (size_t i = 0; i < count; i++)
		first[i].flags = UK_PAGE_RESERVED;
	memset(uk_page_virt(first), 0, count * UK_PAGE_SIZE);
	memcpy(uk_page_virt(first), data, size);
	return uk_page_virt(first);
}

/* Nobody may hold a frame of it any more. */
void shim_image_drop(void *image, size_t size)
{
	struct uk_page *page = uk_page_of(uk_virt_to_phys(image));

	for (size_t i = 0; i < (size + UK_PAGE_SIZE - 1) / UK_PAGE_SIZE; i++) {
		if (page[i].refs != 1)
			abort();
		page[i].flags = 0;
		uk_page_put(&page[i]);
	}
}

void uk_page_split(struct uk_page *page)
{
	size_t count = (size_t)1 << page->order;

	for (size_t i = 0; i < count; i++)
		page[i].order = 0;
}

void uk_shrinker_register(size_t (*fn)(size_t wanted))
{
	if (shrinker_count < SHRINKERS)
		shrinkers[shrinker_count++] = fn;
}

uint64_t uk_mem_total(void)
{
	return limit * UK_PAGE_SIZE;
}

uint64_t uk_mem_free(void)
{
	return limit > used ? (limit - used) * UK_PAGE_SIZE : 0;
}

void *uk_alloc(size_t size)
{
	void *p = fails() ? NULL : calloc(1, size);

	live += p != NULL;
	return p;
}

void *uk_alloc_room(size_t size)
{
	void *p = uk_alloc(size);

	/* Whoever counts on zeros is found out. */
	return p != NULL ? memset(p, 0xa5, size) : NULL;
}

void *uk_realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : realloc(old, size);

	live += p != NULL && old == NULL;
	return p;
}

void uk_free(void *p)
{
	live -= p != NULL;
	free(p);
}
