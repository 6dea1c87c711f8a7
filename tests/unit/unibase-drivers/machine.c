/*
 * The kernel's services that the drivers under test call.
 */
#include "machine.h"
#include "drivers.h"
#include "virtio.h"
#include <stdlib.h>
#include <uk/log.h>
#include <uk/mem.h>

struct uk_block_dev *machine_partition[PARTITIONS_MAX];
unsigned machine_partitions;
unsigned machine_log_lines;

static struct uk_block_dev disk;
static const uint8_t *disk_data;

/* The ring's tests drive a device themselves. */
const struct uk_virtio_driver *const uk_virtio_drivers[] = { NULL };

struct uk_block_dev *machine_disk(const uint8_t *data, size_t size)
{
	while (machine_partitions != 0)
		free(machine_partition[--machine_partitions]);
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

void *uk_alloc(size_t size)
{
	return calloc(1, size);
}

void uk_free(void *p)
{
	free(p);
}

/* Physical addresses such that the direct map of each is where the memory really is. */
uk_paddr_t uk_virt_to_phys(const void *virt)
{
	return (uintptr_t)virt - UK_DIRECT_BASE;
}

#define PAGES_MAX 16
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

	page->owner = aligned_alloc(UK_PAGE_SIZE, size);
	if (page->owner == NULL)
		abort();
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
	free(page->owner);
	page->owner = NULL;
}
