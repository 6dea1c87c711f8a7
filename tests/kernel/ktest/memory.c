/* Every frame can be had once, none twice; small allocations do not overlap; what goes comes back.
 */
#include "ktest.h"

#define SIZES 15

static uint64_t take_all(struct uk_list *all, unsigned order)
{
	struct uk_page *page;
	uint64_t n = 0;

	while ((page = uk_page_alloc(order, false)) != NULL) {
		uint64_t *words = uk_page_virt(page);

		words[0] = words[(UK_PAGE_SIZE << order) / 8 - 1] = uk_page_paddr(page);
		CHECK(uk_page_of(uk_page_paddr(page)) == page);
		uk_list_push_back(all, &page->list);
		n++;
	}
	return n;
}

static void give_all(struct uk_list *all)
{
	while (!uk_list_empty(all)) {
		struct uk_page *page = uk_list_first(all, struct uk_page, list);
		uint64_t *words = uk_page_virt(page);

		/* Had somebody else got the same frame, it would carry another address now. */
		CHECK(words[0] == uk_page_paddr(page));
		CHECK(words[(UK_PAGE_SIZE << page->order) / 8 - 1] == words[0]);
		uk_list_remove(&page->list);
		uk_page_put(page);
	}
}

static void frames(void)
{
	struct uk_list all = UK_LIST_INIT(all);
	uint64_t before = uk_mem_free(), first;

	first = take_all(&all, 0);
	CHECK(first == before / UK_PAGE_SIZE && uk_mem_free() == 0);
	CHECK(uk_alloc(4096) == NULL);
	give_all(&all);
	CHECK(uk_mem_free() == before);
	/* Given back frame by frame, they grow together again. */
	CHECK(take_all(&all, 6) > first / 64 / 2);
	give_all(&all);
	CHECK(uk_mem_free() == before);
}

static void small(void)
{
	static const size_t sizes[SIZES] = { 1,	  16,  24,   33,   64,	 100,  200,  256,
					     500, 640, 1000, 1500, 2048, 2049, 70000 };
	uint8_t *p[SIZES][8];
	uint64_t before = uk_mem_free();

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned k = 0; k < 8; k++) {
			for (unsigned i = 0; i < SIZES; i++) {
				p[i][k] = uk_alloc(sizes[i]);
				CHECK(p[i][k] != NULL && (uintptr_t)p[i][k] % 16 == 0);
				CHECK(sizes[i] % 64 != 0 || (uintptr_t)p[i][k] % 64 == 0);
				for (size_t b = 0; b < sizes[i]; b++)
					CHECK(p[i][k][b] == 0);
				memset(p[i][k], (int)(i * 8 + k), sizes[i]);
			}
		}
		for (unsigned i = 0; i < SIZES; i++) {
			for (unsigned k = 0; k < 8; k++) {
				for (size_t b = 0; b < sizes[i]; b++)
					CHECK(p[i][k][b] == (uint8_t)(i * 8 + k));
				uk_free(p[i][k]);
			}
		}
	}
	/* One frame a class may stay. */
	CHECK(before - uk_mem_free() <= 14 * UK_PAGE_SIZE);
}

static void grow(void)
{
	uint8_t *p = NULL;

	for (size_t size = 1; size < 100000; size += size / 2 + 1) {
		p = uk_realloc(p, size);
		CHECK(p != NULL && (size < 4 || p[size / 2 - 1] == 'a') && p[size - 1] == 0);
		memset(p, 'a', size);
	}
	p = uk_realloc(p, 10);
	CHECK(p != NULL && p[9] == 'a');
	p = uk_realloc(p, 16);
	CHECK(p != NULL && p[9] == 'a' && p[10] == 0);
	uk_free(p);
	CHECK(uk_alloc((UK_PAGE_SIZE << UK_ORDER_MAX) + 1) == NULL);
}

static size_t shrunk;
static struct uk_page *hoard;

static size_t shrink(size_t wanted)
{
	CHECK(wanted > 0);
	if (hoard == NULL)
		return 0;
	uk_page_put(hoard);
	hoard = NULL;
	shrunk++;
	return 1;
}

static void shrinkers(void)
{
	struct uk_list all = UK_LIST_INIT(all);

	hoard = uk_page_alloc(0, false);
	uk_shrinker_register(shrink);
	take_all(&all, 0);
	CHECK(shrunk == 1);
	give_all(&all);
}

void ktest(void)
{
	CHECK(uk_mem_free() < uk_mem_total() && uk_mem_free() > uk_mem_total() / 2);
	small();
	frames();
	grow();
	shrinkers();
	/* After all that the boot parts' frames are still what they were. */
	CHECK(uk_page_of(uk_virt_to_phys(uk_text_start))->flags & UK_PAGE_RESERVED);
	CHECK(uk_page_of(0x100000000000) == NULL);
}
