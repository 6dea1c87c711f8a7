/*
 * Small allocations: classes of equal objects, a frame at a time; larger ones are runs of frames.
 *
 * A frame of objects needs no header: its struct uk_page holds the class (owner), and in `index`
 * the offset of the first free object, how many are in use, and how many were ever handed out, so
 * that a new frame is not touched before its objects are.
 */
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>

#define NO_OBJECT 0xffff

struct slab {
	uint16_t first_free; /* offset, NO_OBJECT: none */
	uint16_t used;
	uint16_t carved; /* objects handed out at least once */
	uint16_t unused;
};
_Static_assert(sizeof(struct slab) == sizeof(uint64_t), "lives in uk_page.index");

struct class
{
	uint16_t size;
	struct uk_spinlock lock;
	struct uk_list partial; /* frames with room */
};

#define CLASS(size, n)                                                                             \
	{                                                                                          \
		size, UK_SPINLOCK_INIT, UK_LIST_INIT(classes[n].partial)                           \
	}
static struct class classes[] = {
	CLASS(16, 0),	CLASS(32, 1),	 CLASS(48, 2),	  CLASS(64, 3),	   CLASS(96, 4),
	CLASS(128, 5),	CLASS(192, 6),	 CLASS(256, 7),	  CLASS(384, 8),   CLASS(512, 9),
	CLASS(768, 10), CLASS(1024, 11), CLASS(1344, 12), CLASS(2048, 13),
};

static struct slab *slab_of(struct uk_page *page)
{
	return (struct slab *)&page->index;
}

static unsigned capacity(const struct class *c)
{
	return (unsigned)UK_PAGE_SIZE / c->size;
}

/* A multiple of 64 is promised to lie on one, and so does each class that such a size gets. */
static struct class *class_for(size_t size)
{
	struct class *c = classes;

	while (c->size < size)
		c++;
	return c;
}

static void *take_object(struct class *c, struct uk_page *page)
{
	struct slab *s = slab_of(page);
	uint8_t *base = uk_page_virt(page);
	uint8_t *object;

	if (s->first_free != NO_OBJECT) {
		object = base + s->first_free;
		s->first_free = *(const uint16_t *)(const void *)object;
	} else {
		object = base + (size_t)s->carved++ * c->size;
	}
	if (++s->used == capacity(c))
		uk_list_remove(&page->list);
	return object;
}

static void *small_alloc(size_t size)
{
	struct class *c = class_for(size);
	uint64_t state = uk_spin_lock(&c->lock);
	void *object;

	if (uk_list_empty(&c->partial)) {
		struct uk_page *page = uk_page_alloc(0, false);

		/* With a lock held none is made free for it. */
		if (uk_unlikely(page == NULL)) {
			uk_spin_unlock(&c->lock, state);
			page = uk_page_alloc(0, false);
			if (page == NULL)
				return NULL;
			state = uk_spin_lock(&c->lock);
		}
		page->flags = UK_PAGE_SLAB;
		page->owner = c;
		*slab_of(page) = (struct slab){ .first_free = NO_OBJECT };
		uk_list_push_front(&c->partial, &page->list);
	}
	object = take_object(c, uk_list_entry(c->partial.next, struct uk_page, list));
	uk_spin_unlock(&c->lock, state);
	memset(object, 0, c->size);
	return object;
}

static void *large_alloc(size_t size, bool zero)
{
	size_t frames = (size + UK_PAGE_MASK) >> UK_PAGE_SHIFT;
	unsigned order = 0;
	struct uk_page *page;

	if (size > UK_PAGE_SIZE << UK_ORDER_MAX)
		return NULL;
	while ((size_t)1 << order < frames)
		order++;
	page = uk_page_alloc(order, false);
	if (page == NULL)
		return NULL;
	/* What the power of two gave too much goes back. */
	uk_page_split(page);
	for (size_t i = frames; i < (size_t)1 << order; i++)
		uk_page_put(&page[i]);
	page->flags = UK_PAGE_LARGE;
	page->index = frames;
	if (zero)
		memset(uk_page_virt(page), 0, frames << UK_PAGE_SHIFT);
	return uk_page_virt(page);
}

static void *any_alloc(size_t size, bool zero)
{
	return size <= 2048 ? small_alloc(UK_MAX(size, 1)) : large_alloc(size, zero);
}

void *uk_alloc(size_t size)
{
	return any_alloc(size, true);
}

void *uk_alloc_room(size_t size)
{
	return any_alloc(size, false);
}

static void small_free(struct uk_page *page, void *object)
{
	struct class *c = page->owner;
	struct slab *s = slab_of(page);
	size_t offset = (uintptr_t)object & UK_PAGE_MASK;
	uint64_t state;
	bool drop = false;

	uk_assert(offset % c->size == 0 && s->used != 0);
	state = uk_spin_lock(&c->lock);
	*(uint16_t *)object = s->first_free;
	s->first_free = (uint16_t)offset;
	if (s->used-- == capacity(c))
		uk_list_push_back(&c->partial, &page->list);
	/* An empty frame goes back, unless it is the only one with room. */
	if (s->used == 0 && !(c->partial.next == &page->list && c->partial.prev == &page->list)) {
		uk_list_remove(&page->list);
		drop = true;
	}
	uk_spin_unlock(&c->lock, state);
	if (drop) {
		page->flags = 0;
		uk_page_put(page);
	}
}

static struct uk_page *page_of(const void *p)
{
	struct uk_page *page = uk_page_of(uk_virt_to_phys(p));

	if (page == NULL || !(page->flags & (UK_PAGE_SLAB | UK_PAGE_LARGE)))
		uk_panic("%p was not allocated", p);
	return page;
}

void uk_free(void *p)
{
	struct uk_page *page;

	if (p == NULL)
		return;
	page = page_of(p);
	if (page->flags & UK_PAGE_SLAB) {
		small_free(page, p);
		return;
	}
	uk_assert(((uintptr_t)p & UK_PAGE_MASK) == 0);
	size_t frames = page->index;

	page->flags = 0;
	for (size_t i = 0; i < frames; i++)
		uk_page_put(&page[i]);
}

void *uk_realloc(void *old, size_t size)
{
	size_t have;
	struct uk_page *page;
	void *p;

	if (old == NULL)
		return uk_alloc(size);
	page = page_of(old);
	have = page->flags & UK_PAGE_SLAB ? ((const struct class *)page->owner)->size
					  : page->index << UK_PAGE_SHIFT;
	if (size <= have && size > have / 4) {
		/* The tail may have been used before: it must be zero when it grows again. */
		memset((uint8_t *)old + size, 0, have - size);
		return old;
	}
	p = uk_alloc(size);
	if (p == NULL)
		return NULL;
	memcpy(p, old, UK_MIN(size, have));
	uk_free(old);
	return p;
}
