/*
 * Memory of the kernel: page frames, the direct map, small allocations. mm/.
 *
 * Addresses: the program has the low half. All of RAM is mapped, never executable, at
 * UK_DIRECT_BASE (frames of the kernel's text and read-only data, and of the image's parts,
 * read-only there too). The kernel image runs at UK_IMAGE_BASE + its linked physical address.
 * Devices are mapped by uk_io_map.
 */
#ifndef UK_MEM_H
#define UK_MEM_H

#include <uk/layout.h>
#include <uk/list.h>
#include <uk/types.h>

#define UK_USER_END 0x00007ffffffff000ull

static inline void *uk_phys_to_virt(uk_paddr_t paddr)
{
	return (void *)(UK_DIRECT_BASE + paddr);
}
uk_paddr_t uk_virt_to_phys(const void *virt); /* direct map or kernel image */

/* One for each frame of RAM. Frames are counted references; the last put frees. */
struct uk_page {
	volatile uint32_t refs;
	uint16_t flags; /* UK_PAGE_* */
	uint16_t order;
	struct uk_list list; /* for the owner's use: free list, page cache */
	void *owner;	     /* for the owner's use: page cache's inode */
	uint64_t index;	     /* for the owner's use: page number in the file */
};
enum {
	UK_PAGE_RESERVED = 1, /* kernel image, boot parts, firmware: never freed */
	UK_PAGE_DIRTY = 2,
	UK_PAGE_VALID = 4,     /* page cache: content read and checked */
	UK_PAGE_CACHE = 8,     /* belongs to the page cache */
	UK_PAGE_ACCESSED = 16, /* page cache: used since the last look at it */
	UK_PAGE_CHARGED = 32,  /* page cache: room was set aside for it (ops->reserve) */
	/* mm/'s own: */
	UK_PAGE_FREE = 0x1000,	/* head of a free block */
	UK_PAGE_SLAB = 0x2000,	/* holds small allocations */
	UK_PAGE_LARGE = 0x4000, /* head of a larger allocation, `index` frames */
};
#define UK_ORDER_MAX 9 /* 2 MiB */

/* 2^order frames (one object, counted in its first frame), refs 1, NULL when memory is out or order
 * is above UK_ORDER_MAX. May call the shrinkers unless in an interrupt or with interrupts off, so
 * no lock that a shrinker takes may be held. Not zeroed unless asked. */
struct uk_page *uk_page_alloc(unsigned order, bool zero);
/* A frame for what the program asks for: its memory, content of files. The last ones are left to
 * the kernel, which needs some to write out what is dirty, and so to get others back. */
struct uk_page *uk_page_alloc_user(bool zero);
/* 2 MiB of zeros in a block for the program, from what is free, and only while much is; else NULL.
 */
struct uk_page *uk_page_alloc_large(void);
/* As uk_page_alloc, below a physical address, and not at 0; what the shrinkers have is left to
 * them. */
struct uk_page *uk_page_alloc_low(unsigned order, uk_paddr_t end);
/* Makes single frames (refs 1 each) of a block that nobody else refers to. */
void uk_page_split(struct uk_page *page);
#if __STDC_HOSTED__ /* tests count along */
void uk_page_get(struct uk_page *page);
#else
UK_INLINE void uk_page_get(struct uk_page *page)
{
	__atomic_add_fetch(&page->refs, 1, __ATOMIC_RELAXED);
}
#endif
void uk_page_put(struct uk_page *page);
uk_paddr_t uk_page_paddr(const struct uk_page *page);
struct uk_page *uk_page_of(uk_paddr_t paddr); /* NULL when not RAM */
static inline void *uk_page_virt(const struct uk_page *page)
{
	return uk_phys_to_virt(uk_page_paddr(page));
}
/* Called (in order) when frames run out, to give some back: the page cache registers here. Returns
 * frames freed. */
void uk_shrinker_register(size_t (*fn)(size_t wanted));
uint64_t uk_mem_total(void); /* bytes */
uint64_t uk_mem_free(void);

/* Slab classes up to 2 KiB, whole frames above, 2 MiB at most. uk_alloc gives zeroed memory, NULL
 * when out; aligned to 16, to 64 when size is a multiple of 64, to a page above 2 KiB. uk_realloc
 * zeroes what it adds; uk_free takes NULL. Any context. */
void *uk_alloc(size_t size);
/* Not zeroed: for what is filled before it is read. */
void *uk_alloc_room(size_t size);
void *uk_realloc(void *old, size_t size);
void uk_free(void *p);

/* Maps device registers, uncached, never executable; again gives the same address. NULL when out of
 * memory. */
volatile void *uk_io_map(uk_paddr_t paddr, size_t size);
/* Memory that may be firmware's rather than RAM (ACPI tables), to be read only. NULL when out of
 * memory or outside of the direct map. */
const void *uk_phys_map(uk_paddr_t paddr, size_t size);
/* A page outside of RAM that is memory all the same, which the hypervisor shares with us. NULL when
 * out of memory, when it is RAM, or outside of the direct map. */
volatile void *uk_shared_map(uk_paddr_t paddr);

#endif
