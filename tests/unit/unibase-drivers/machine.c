/*
 * The kernel's services that the drivers under test call.
 */
#include "machine.h"
#include "drivers.h"
#include "virtio.h"
#include <stdio.h>
#include <stdlib.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/thread.h>

struct uk_block_dev *machine_partition[PARTITIONS_MAX];
unsigned machine_partitions;
unsigned machine_log_lines;
static uint64_t machine_now;
static struct uk_timer *machine_timer;

struct uk_boot uk_boot;

/* Firmware's tables come from the tests. */
const void *uk_phys_map(uk_paddr_t paddr, size_t size)
{
	(void)paddr;
	(void)size;
	return NULL;
}

static struct uk_block_dev disk;
static const uint8_t *disk_data;

/* The ring's tests drive a device themselves. */
static const struct uk_virtio_driver nobody = { .name = "nobody" };
UK_VIRTIO_DRIVER(nobody);

struct uk_block_dev *machine_disk(const uint8_t *data, size_t size)
{
	machine_clear();
	disk = (struct uk_block_dev){ .name = "vda", .size = size };
	disk_data = data;
	return &disk;
}

void uk_block_register(struct uk_block_dev *dev)
{
	if (machine_partitions == PARTITIONS_MAX)
		abort();
	machine_partition[machine_partitions++] = dev;
}

int uk_block_read(struct uk_block_dev *dev, uint64_t offset, void *data, size_t size)
{
	if (offset > dev->size || size > dev->size - offset || (offset | size) % 512 != 0)
		return -UK_EINVAL;
	memcpy(data, disk_data + offset, size);
	return 0;
}

void uk_log(enum uk_log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	machine_log_lines++;
}

/* Everything that is allocated, so that a driver, which never ends, can be ended. */
static void **allocations;
static size_t allocation_count;

static void *keep(void *memory)
{
	allocations = realloc(allocations, (allocation_count + 1) * sizeof(*allocations));
	if (memory == NULL || allocations == NULL)
		abort();
	return allocations[allocation_count++] = memory;
}

static void release(void *memory)
{
	for (size_t i = 0; i < allocation_count; i++)
		if (allocations[i] == memory) {
			allocations[i] = allocations[--allocation_count];
			free(memory);
			return;
		}
	abort();
}

void *uk_alloc(size_t size)
{
	void *memory = aligned_alloc(64, UK_ALIGN_UP(size, 64));

	return memset(keep(memory), 0, size);
}

void uk_free(void *p)
{
	if (p != NULL)
		release(p);
}

/* Physical addresses such that the direct map of each is where the memory really is. */
uk_paddr_t uk_virt_to_phys(const void *virt)
{
	return (uintptr_t)virt - UK_DIRECT_BASE;
}

#define PAGES_MAX 64
static struct uk_page pages[PAGES_MAX]; /* owner: the memory, NULL: free */

static struct uk_page *page_with(const void *memory)
{
	for (unsigned i = 0; i < PAGES_MAX; i++)
		if (pages[i].owner == memory)
			return &pages[i];
	abort();
}

struct uk_page *uk_page_alloc(unsigned order, bool zero)
{
	size_t size = (size_t)UK_PAGE_SIZE << order;
	struct uk_page *page = page_with(NULL);

	page->owner = keep(aligned_alloc(UK_PAGE_SIZE, size));
	memset(page->owner, zero ? 0 : 0xaa, size);
	return page;
}

uk_paddr_t uk_page_paddr(const struct uk_page *page)
{
	return uk_virt_to_phys(page->owner);
}

struct uk_page *uk_page_of(uk_paddr_t paddr)
{
	return page_with(uk_phys_to_virt(paddr));
}

void uk_page_put(struct uk_page *page)
{
	release(page->owner);
	page->owner = NULL;
}

uint8_t *machine_pages(unsigned count)
{
	size_t size = (size_t)UK_PAGE_SIZE * count;

	return memset(keep(aligned_alloc(UK_PAGE_SIZE, size)), 0, size);
}

void machine_clear(void)
{
	machine_partitions = 0;
	machine_timer = NULL;
	while (allocation_count != 0)
		free(allocations[--allocation_count]);
	free(allocations);
	allocations = NULL;
	memset(pages, 0, sizeof(pages));
}

/* --- a device behind registers --- */

static const struct machine_device *played;

void machine_play(const struct machine_device *device)
{
	played = device;
}

void machine_fail(const char *what)
{
	fprintf(stderr, "the driver broke a rule: %s\n", what);
	abort();
}

static size_t offset_of(const volatile void *at)
{
	size_t offset = (size_t)((const volatile uint8_t *)at - played->window);

	if (offset >= played->size || offset % 4 != 0)
		machine_fail("an access outside the registers");
	return offset;
}

uint32_t uk_mmio_read32(const volatile void *at)
{
	return played->read(offset_of(at));
}

void uk_mmio_write32(volatile void *at, uint32_t v)
{
	played->write(offset_of(at), v);
}

volatile void *uk_pci_map(const struct uk_pci_dev *dev, unsigned index, uint64_t offset,
			  uint64_t size)
{
	uint64_t first = index == 2 ? played->second : 0;
	uint64_t end = index == 0 && played->second != 0 ? played->second : played->size;

	(void)dev;
	if ((index == 2 && played->second == 0) || (index != 0 && index != 2) ||
	    offset > end - first || size > end - first - offset)
		return NULL;
	return played->window + first + offset;
}

void uk_pci_enable(const struct uk_pci_dev *dev, unsigned bits)
{
	(void)dev;
	(void)bits;
}

void uk_pci_disable(const struct uk_pci_dev *dev, unsigned bits)
{
	uk_pci_enable(dev, bits);
}

uint64_t uk_time_mono(void)
{
	return machine_now;
}

void uk_timer_arm(struct uk_timer *timer, uint64_t deadline)
{
	if (machine_timer != NULL && machine_timer != timer)
		machine_fail("more timers than there are");
	machine_timer = timer;
	timer->armed = true;
	timer->deadline = deadline;
}

bool uk_timer_cancel(struct uk_timer *timer)
{
	bool armed = timer->armed;

	timer->armed = false;
	return armed;
}

bool machine_pass(uint64_t ns)
{
	struct uk_timer *timer = machine_timer;

	machine_now += ns;
	if (timer == NULL || timer->deadline > machine_now)
		return false;
	machine_timer = NULL;
	timer->armed = false;
	timer->fn(timer);
	return true;
}

int uk_pci_msix_start(struct uk_pci_dev *dev)
{
	return dev->msix == 0 ? -UK_ENODEV : 0;
}

int uk_pci_msix_set(struct uk_pci_dev *dev, unsigned index, void (*fn)(void *arg), void *arg)
{
	return index < dev->msix_count ? played->msix(index, fn, arg) : -UK_ENODEV;
}

int uk_pci_intx_set(struct uk_pci_dev *dev, void (*fn)(void *arg), void *arg)
{
	(void)dev;
	return played->msix(0, fn, arg);
}

void uk_delay_us(unsigned us)
{
	(void)us;
}

uint64_t uk_spin_lock(struct uk_spinlock *lock)
{
	if (lock->held++ != 0)
		machine_fail("a lock taken twice");
	return 0;
}

void uk_spin_unlock(struct uk_spinlock *lock, uint64_t state)
{
	(void)state;
	lock->held--;
}
