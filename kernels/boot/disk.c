/*
 * Reading the boot disk through INT 13h, into the bounce buffer below 1 MiB. Everybody else counts
 * sectors of 512 bytes; those of a CD have 2048, and what is asked for may start inside one.
 */
#include "boot.h"
#include "places.h"

#define TRIES 3 /* real disks may want more than one */

void *disk_slot(unsigned slot)
{
	return (void *)(uintptr_t)(BOUNCE_BASE + slot * BOUNCE_SLOT);
}

static char hex_digit(unsigned v)
{
	return (char)(v < 10 ? '0' + v : 'a' + v - 10);
}

static const char *read_error(unsigned code)
{
	static char text[] = "the disk cannot be read: BIOS error 0x00";
	char *digits = text + sizeof(text) - 3;

	digits[0] = hex_digit(code >> 4 & 15);
	digits[1] = hex_digit(code & 15);
	return text;
}

static const char *run(struct packet *packets, unsigned count)
{
	unsigned result = 0;

	for (unsigned try = 0; try < TRIES; try++) {
		unsigned left;

		result = bios_read(packets, count);
		if (result == 0)
			return NULL;
		left = result >> 8;
		packets += count - left;
		count = left;
	}
	return read_error(result & 0xff);
}

/* How many of our sectors make one of the disk's, as a power of two. */
static unsigned shift(void)
{
	return boot_disk.sector_size == CD_SECTOR ? 2 : 0;
}

static void fill(struct packet *p, uint32_t to, uint64_t lba, unsigned count)
{
	unsigned inside = (unsigned)lba & ((1u << shift()) - 1);

	count = (inside + count + (1u << shift()) - 1) >> shift();
	p->size = sizeof(*p);
	p->zero = 0;
	p->count = (uint16_t)count;
	p->offset = 0;
	p->segment = (uint16_t)(to >> 4);
	p->lba = lba >> shift();
}

const char *disk_read(unsigned slot, uint64_t lba, unsigned count)
{
	static struct packet packet;
	size_t skip = ((size_t)lba & ((1u << shift()) - 1)) * 512;
	uint8_t *data = disk_slot(slot);
	const char *reason;

	fill(&packet, BOUNCE_BASE + slot * BOUNCE_SLOT, lba, count);
	reason = run(&packet, 1);
	for (size_t i = 0; reason == NULL && skip != 0 && i < (size_t)count * 512; i++)
		data[i] = data[i + skip];
	return reason;
}

const char *disk_read_all(uint64_t lba, unsigned count)
{
	static struct packet packets[RUNS];
	unsigned n = 0;

	while (count != 0) {
		unsigned part = count < RUN_SECTORS ? count : RUN_SECTORS;

		fill(&packets[n], BOUNCE_BASE + n * RUN_SIZE, lba, part);
		n++;
		lba += part;
		count -= part;
	}
	return run(packets, n);
}
