#include "disk.h"
#include "boot.h"
#include "places.h"

static const uint8_t *disk;
static size_t disk_sectors;

void test_disk_set(const uint8_t *data, size_t size)
{
	disk = data;
	disk_sectors = size / 512;
}

void *disk_slot(unsigned slot)
{
	static uint8_t room[BOUNCE_SLOTS][SLOT_SECTORS * 512];

	return room[slot];
}

const char *disk_read(unsigned slot, uint64_t lba, unsigned count)
{
	if (slot >= BOUNCE_SLOTS || count > SLOT_SECTORS || lba > disk_sectors ||
	    count > disk_sectors - lba)
		return "outside";
	memcpy(disk_slot(slot), disk + lba * 512, (size_t)count * 512);
	return NULL;
}
