/*
 * Stage 2's way: find the kernel's partition, read the box, put the kernel in its place, describe
 * the machine, enter. Entered from stage2.S in 32-bit mode with flat segments.
 */
#include "boot.h"
#include "places.h"
#include <uni/abi/exit.h>

_Static_assert(STAGE1_SIZE == UNI_STAGE1_SIZE, "places.h");
_Static_assert(STAGE1_COUNT_OFFSET == UNI_STAGE1_COUNT_OFFSET, "places.h");
_Static_assert(STAGE1_LBA_OFFSET == UNI_STAGE1_LBA_OFFSET, "places.h");
_Static_assert(STAGE2_SIZE_MAX == UNI_STAGE2_SIZE_MAX, "places.h");
_Static_assert(STAGE2_LOAD == UNI_STAGE2_LOAD, "places.h");
_Static_assert(STAGE2_MAGIC == UNI_STAGE2_MAGIC, "places.h");
_Static_assert(DEBUG_EXIT_PORT == UNI_EXIT_DEBUG_PORT, "places.h");
_Static_assert(DEBUG_EXIT_PANIC == UNI_DEBUG_EXIT_PANIC, "places.h");
_Static_assert(sizeof(struct packet) == 16, "EDD");
_Static_assert(sizeof(struct uni_hvm_memmap_entry) == 24, "stage2.S steps by 24");

void boot_main(void);

static struct uni_hvm_start_info start_info;

/* Does address line 20 reach memory? Two addresses 1 MiB apart must hold different words. */
static bool a20_on(void)
{
	volatile uint32_t *low = boot_at(0x600);
	volatile uint32_t *high = boot_at(0x100600);

	*low = 0x12345678;
	*high = 0x87654321;
	return *low == 0x12345678;
}

/* BIOSes of this century leave it on; port 0x92 serves the others. */
static const char *a20_enable(void)
{
	if (a20_on())
		return NULL;
	out8(0x92, (uint8_t)((in8(0x92) | 2) & ~1));
	for (unsigned i = 0; i < 100000; i++)
		if (a20_on())
			return NULL;
	return "address line 20 stays off";
}

/* ACPI 6.5, 5.2.5.1: on 16 bytes in the EBDA's first KiB, or in the BIOS's area. */
static uint32_t rsdp_in(uint32_t start, uint32_t end)
{
	for (uint32_t at = start; at < end; at += 16) {
		const uint8_t *p = boot_at(at);
		uint8_t sum = 0;

		if (memcmp(p, "RSD PTR ", 8) != 0)
			continue;
		for (unsigned i = 0; i < 20; i++)
			sum = (uint8_t)(sum + p[i]);
		if (sum == 0)
			return at;
	}
	return 0;
}

static uint32_t rsdp_find(void)
{
	uint32_t ebda = (uint32_t) * (const uint16_t *)boot_at(0x40e) << 4;
	uint32_t found = rsdp_in(0xe0000, 0x100000);

	if (found == 0 && ebda >= 0x80000 && ebda < 0xa0000 - 1024)
		found = rsdp_in(ebda, ebda + 1024);
	return found;
}

/*
 * The box, from the partition at `first` of `sectors` sectors, into its place. The header comes
 * with the first stored bytes: a read by itself would cost as much as these.
 */
static const char *read_box(uint64_t first, uint64_t sectors, struct uni_box_header *h,
			    struct box_place *place)
{
	const unsigned room = RUNS * RUN_SECTORS;
	uint64_t left = sectors;
	uint32_t crc = 0, bytes = 0;
	uint8_t *to = NULL;

	do {
		unsigned count = left < room ? (unsigned)left : room;
		const char *reason = disk_read_all(first, count);

		if (reason != NULL)
			return reason;
		if (to == NULL) {
			memcpy(h, disk_slot(0), sizeof(*h));
			crc_start(CRC32C_POLY);
			reason = box_check(h, sectors);
			if (reason == NULL)
				reason = box_place(h, boot_map, boot_map_count, place);
			if (reason != NULL)
				return reason;
			to = boot_at(place->stored);
			bytes = (uint32_t)h->stored_size;
			left = (UNI_BOX_HEADER_SIZE + h->stored_size + 511) / 512;
			count = left < count ? (unsigned)left : count;
		}
		uint32_t skip = bytes == h->stored_size ? UNI_BOX_HEADER_SIZE : 0;
		uint32_t part = count * 512 - skip;

		part = bytes < part ? bytes : part;
		crc = crc_copy(crc, to, (uint8_t *)disk_slot(0) + skip, part);
		to += part;
		bytes -= part;
		first += count;
		left -= count;
	} while (left != 0);
	return crc == h->stored_crc32c ? NULL : "the kernel is damaged: its checksum differs";
}

/* Sectors of 512 bytes of the disk, 0 when that cannot be told. BIOSes do not know how large a CD
 * is: its primary volume descriptor says so (ECMA-119, 8.4). */
static uint64_t disk_sectors(void)
{
	const uint8_t *head = disk_slot(0);
	uint32_t blocks;

	if (!boot_disk_known)
		return 0;
	if (boot_disk.sector_size == 512)
		return boot_disk.sectors;
	if (boot_disk.sector_size != CD_SECTOR || disk_read(0, CD_HEAD, 1) != NULL ||
	    memcmp(head, "\1CD001", 6) != 0)
		return 0;
	memcpy(&blocks, head + 80, sizeof(blocks));
	return (uint64_t)blocks * (CD_SECTOR / 512);
}

static void load(struct box_place *place)
{
	static struct uni_box_header header;
	uint64_t sectors = 0, first = 0, count = 0;
	uint8_t type[16];
	const char *reason = NULL;

	uni_gpt_guid(UNI_GPT_KERNEL, type);
	if (boot_low_kib < (BOUNCE_BASE + BOUNCE_SLOTS * BOUNCE_SLOT) / 1024)
		reason = "too little memory below 640 KiB";
	if (reason == NULL)
		reason = a20_enable();
	if (reason == NULL)
		sectors = disk_sectors();
	if (reason == NULL && sectors < 3)
		reason = "the BIOS does not tell the disk's size";
	if (reason == NULL)
		reason = gpt_find(sectors, type, &first, &count);
	if (reason == NULL)
		reason = read_box(first, count, &header, place);
	if (reason == NULL && header.codec == UNI_BOX_LZ4)
		reason = lz4_unpack(boot_at(place->image), (size_t)header.size, place->room,
				    (size_t)header.stored_size);
	if (reason != NULL)
		boot_fail(reason);
	memset(boot_at(place->bss), 0, (size_t)header.bss_size);
}

void boot_main(void)
{
	struct box_place place;

	load(&place);
	start_info.magic = UNI_HVM_START_MAGIC;
	start_info.version = 1;
	start_info.rsdp_paddr = rsdp_find();
	start_info.memmap_paddr = (uint32_t)(uintptr_t)boot_map;
	start_info.memmap_entries = boot_map_count;
	boot_enter(place.entry, &start_info);
}
