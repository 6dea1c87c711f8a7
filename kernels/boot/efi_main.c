/*
 * BOOTX64.EFI: find the kernel's partition by its GUID, read the box, compare its SHA-256 with the
 * one sealed into this file, put the kernel in its place, leave the firmware, enter by PVH.
 *
 * Nothing that is not sealed is trusted: the box is hashed as a whole before any field of it is
 * looked at, so that a signature of this file covers the kernel and its place. Where more than one
 * partition has the GUID, the first with the right hash is taken.
 */
#include "boot.h"
#include "efi.h"
#include "efi_seal.h"
#include "places.h"

#define LOW_END 0x9ffffull
#define PACKED_MAX (1ull << 30) /* bytes of a box */
#define CD_ENTRIES 128		/* of a partition table on a CD, behind two sectors of 512 bytes */
#define CD_TABLES 20480u	/* bytes that hold it, whole blocks and pages */
#define MAP_SLACK 16		/* entries that allocations of ours may add to the memory map */

efi_status EFI_CALL efi_main(efi_handle image, struct efi_system *system);

extern const uint8_t efi_trampoline[], efi_trampoline_end[];
typedef void enter_fn(uint32_t entry, uint32_t start_info);

/* What is handed to the kernel, in one page below 640 KiB. */
struct low {
	uint8_t code[256];
	struct uni_hvm_start_info info;
	char cmdline[64];
	struct uni_hvm_memmap_entry map[E820_MAX];
};
_Static_assert(sizeof(struct low) <= EFI_PAGE, "one page");

static struct efi_system *st;
static struct efi_boot_services *bs;

static const struct efi_guid block_io = { { 0x21, 0x5b, 0x4e, 0x96, 0x59, 0x64, 0xd2, 0x11, 0x8e,
					    0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } };
static const struct efi_guid device_path = { { 0x91, 0x6e, 0x57, 0x09, 0x3f, 0x6d, 0xd2, 0x11, 0x8e,
					       0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } };
static const struct efi_guid acpi_2 = { { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11, 0xbc,
					  0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 } };
static const struct efi_guid acpi_1 = { { 0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a,
					  0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } };
static const struct efi_guid smbios_3 = { { 0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a, 0x99,
					    0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94 } };
static const struct efi_guid smbios_2 = { { 0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a,
					    0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } };

static bool same_guid(const void *a, const void *b)
{
	return memcmp(a, b, 16) == 0;
}

static void print(const char *text)
{
	for (; *text != '\0'; text++) {
		const uint16_t unit[2] = { (uint8_t)*text, 0 };

		st->console->output(st->console, unit);
	}
}

/* --- the kernel's partition --- */

/* Whether the last node of the path, before its end, is a GPT partition of that GUID. */
static bool is_partition(const struct efi_device_path *path, const uint8_t guid[16])
{
	struct efi_path_disk disk = { .format = 0 };

	for (;;) {
		size_t length = path->length[0] | (size_t)path->length[1] << 8;

		if (path->type == EFI_PATH_END || length < sizeof(*path))
			return disk.format == 2 && disk.signature_type == 2 &&
			       same_guid(disk.signature, guid);
		disk.format = 0;
		if (path->type == EFI_PATH_MEDIA && path->subtype == EFI_PATH_MEDIA_DISK &&
		    length >= offsetof(struct efi_path_disk, signature_type) + 1)
			memcpy(&disk, path, offsetof(struct efi_path_disk, signature_type) + 1);
		path = (const void *)((const uint8_t *)path + length);
	}
}

/*
 * Firmware sees no partitions of 512-byte sectors on a CD, so its table is read here. What is in it
 * need not be sound: the box that it leads to is compared with the seal. Gives the partition's
 * first block, 0 when there is none.
 */
static uint64_t find_on_cd(struct efi_block_io *io, const uint8_t guid[16])
{
	const struct efi_block_media *m = io->media;
	const struct uni_gpt_header *h;
	uint64_t address = 0, first = 0;

	if (!m->present || m->partition || m->block_size != CD_SECTOR ||
	    m->last_block < CD_TABLES / CD_SECTOR ||
	    bs->allocate_pages(EFI_ANY_PAGES, EFI_LOADER_DATA, CD_TABLES / EFI_PAGE, &address) != 0)
		return 0;
	h = (const void *)(uintptr_t)(address + UNI_GPT_SECTOR);
	if (io->read(io, m->id, 0, CD_TABLES, (void *)(uintptr_t)address) == 0 &&
	    h->entries_lba == 2 && h->entry_size == sizeof(struct uni_gpt_entry))
		for (uint32_t i = 0; first == 0 && i < h->entry_count && i < CD_ENTRIES; i++) {
			struct uni_gpt_entry e;

			memcpy(&e, (const uint8_t *)h + UNI_GPT_SECTOR + i * sizeof(e), sizeof(e));
			if (same_guid(e.guid, guid))
				first = e.first_lba / (CD_SECTOR / UNI_GPT_SECTOR);
		}
	(void)bs->free_pages(address, CD_TABLES / EFI_PAGE);
	return first;
}

static const char *read_box(struct efi_block_io *io, uint64_t first, uint8_t **box)
{
	const struct efi_block_media *m = io->media;
	uint64_t size = efi_seal.size, address = 0;

	if (!m->present || m->block_size == 0 || m->block_size > EFI_PAGE)
		return "the kernel's partition cannot be read";
	size = (size + m->block_size - 1) / m->block_size * m->block_size;
	if (first > m->last_block || size / m->block_size > m->last_block + 1 - first)
		return "the kernel is longer than its partition";
	if (bs->allocate_pages(EFI_ANY_PAGES, EFI_LOADER_DATA, (size + EFI_PAGE - 1) / EFI_PAGE,
			       &address) != 0)
		return "too little memory for the kernel";
	*box = (uint8_t *)(uintptr_t)address;
	if (io->read(io, m->id, first, size, *box) != 0)
		return "the disk cannot be read";
	if (!efi_seal_matches(*box))
		return "the kernel is not the one that this loader was made for";
	return NULL;
}

static const char *find_box(uint8_t **box)
{
	const char *reason = "no disk has the kernel's partition";
	efi_handle *handles;
	uint64_t count = 0;

	if (efi_seal.size < UNI_BOX_HEADER_SIZE || efi_seal.size > PACKED_MAX)
		return "this loader was made for no kernel";
	if (bs->locate_handles(EFI_BY_PROTOCOL, &block_io, NULL, &count, &handles) != 0)
		return reason;
	for (uint64_t i = 0; i < count; i++) {
		struct efi_device_path *path;
		struct efi_block_io *io;
		uint64_t first = 0;

		if (bs->handle_protocol(handles[i], &device_path, (void **)&path) != 0 ||
		    bs->handle_protocol(handles[i], &block_io, (void **)&io) != 0)
			continue;
		if (!is_partition(path, efi_seal.partition)) {
			first = find_on_cd(io, efi_seal.partition);
			if (first == 0)
				continue;
		}
		reason = read_box(io, first, box);
		if (reason == NULL)
			break;
	}
	return reason;
}

/* --- memory --- */

struct firmware_map {
	uint8_t *entries;
	uint64_t room, size, entry_size, key;
};

/* Allocates what the map needs on the first call; later ones only read it again. */
static const char *read_map(struct firmware_map *map)
{
	uint32_t version;

	if (map->entries == NULL) {
		map->size = 0;
		(void)bs->memory_map(&map->size, NULL, &map->key, &map->entry_size, &version);
		map->room = map->size + MAP_SLACK * map->entry_size;
		if (bs->allocate(EFI_LOADER_DATA, map->room, (void **)&map->entries) != 0)
			return "too little memory for the memory map";
	}
	map->size = map->room;
	if (bs->memory_map(&map->size, map->entries, &map->key, &map->entry_size, &version) != 0 ||
	    map->entry_size < sizeof(struct efi_memory))
		return "the firmware does not tell its memory map";
	return NULL;
}

/* As E820 calls them: now, where only what is free is RAM, or once the firmware has left. */
static uint32_t type_of(uint32_t type, bool left)
{
	switch (type) {
	case EFI_CONVENTIONAL:
		return 1;
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_BOOT_CODE:
	case EFI_BOOT_DATA:
		return left ? 1 : 2;
	case EFI_ACPI_RECLAIM:
		return 3;
	case EFI_ACPI_NVS:
		return 4;
	case EFI_UNUSABLE:
		return 5;
	default:
		return 2;
	}
}

/* Adds [start, start + size) to entries that are sorted; those that touch become one. */
static unsigned add_range(struct uni_hvm_memmap_entry *map, unsigned count, uint64_t start,
			  uint64_t size, uint32_t type)
{
	unsigned at = count;

	while (at > 0 && map[at - 1].addr > start)
		at--;
	if (at > 0 && map[at - 1].type == type && map[at - 1].addr + map[at - 1].size == start) {
		map[at - 1].size += size;
		return count;
	}
	if (at < count && map[at].type == type && start + size == map[at].addr) {
		map[at].addr = start;
		map[at].size += size;
		return count;
	}
	if (count == E820_MAX)
		return count;
	for (unsigned i = count; i > at; i--)
		map[i] = map[i - 1];
	map[at].addr = start;
	map[at].size = size;
	map[at].type = type;
	map[at].reserved = 0;
	return count + 1;
}

/* RAM first: when there are more ranges than room, none may be forgotten that is not RAM inside of
 * what is told to be. What is told by no entry is not RAM either. */
static unsigned translate(const struct firmware_map *from, bool left,
			  struct uni_hvm_memmap_entry *map)
{
	unsigned count = 0;

	for (unsigned pass = 0; pass < 2; pass++)
		for (uint64_t at = 0; at + from->entry_size <= from->size; at += from->entry_size) {
			struct efi_memory m;
			uint32_t type;

			memcpy(&m, from->entries + at, sizeof(m));
			type = type_of(m.type, left);
			if ((type == 1) == (pass == 0) && m.pages <= UINT64_MAX / EFI_PAGE)
				count = add_range(map, count, m.physical, m.pages * EFI_PAGE, type);
		}
	return count;
}

static const char *take_place(const struct uni_box_header *h, const struct firmware_map *from,
			      struct uni_hvm_memmap_entry *map, struct box_place *place)
{
	const char *reason = box_place(h, map, translate(from, false, map), place);
	uint64_t start, end;

	if (reason != NULL)
		return reason;
	start = place->image;
	end = start + place->room;
	if (h->bss_size != 0) {
		start = place->bss < start ? place->bss : start;
		end = place->bss + h->bss_size > end ? place->bss + h->bss_size : end;
	}
	start &= ~(EFI_PAGE - 1);
	if (bs->allocate_pages(EFI_ADDRESS, EFI_LOADER_DATA,
			       (end - start + EFI_PAGE - 1) / EFI_PAGE, &start) != 0)
		return "too little memory for the kernel";
	return NULL;
}

static const char *load(struct firmware_map *from, struct low *low, uint32_t *entry)
{
	struct uni_box_header h;
	struct box_place place;
	uint8_t *box = NULL;
	const char *reason = find_box(&box);

	if (reason != NULL)
		return reason;
	memcpy(&h, box, sizeof(h));
	crc_start(CRC32C_POLY);
	reason = box_check(&h, efi_seal.size / 512 + 1);
	if (reason == NULL && h.stored_size > efi_seal.size - UNI_BOX_HEADER_SIZE)
		reason = "the kernel is longer than its partition";
	if (reason == NULL)
		reason = read_map(from);
	if (reason == NULL)
		reason = take_place(&h, from, low->map, &place);
	if (reason != NULL)
		return reason;
	memcpy(boot_at(place.stored), box + UNI_BOX_HEADER_SIZE, (size_t)h.stored_size);
	if (h.codec == UNI_BOX_LZ4)
		reason = lz4_unpack(boot_at(place.image), (size_t)h.size, place.room,
				    (size_t)h.stored_size);
	memset(boot_at(place.bss), 0, (size_t)h.bss_size);
	*entry = place.entry;
	return reason;
}

/* What the firmware has under the first of two names, or under the second; 0: nothing. */
static uint64_t find_table(const struct efi_guid *better, const struct efi_guid *other)
{
	uint64_t found = 0;

	for (uint64_t i = 0; i < st->table_count; i++) {
		if (same_guid(&st->tables[i].guid, better))
			return (uintptr_t)st->tables[i].table;
		if (same_guid(&st->tables[i].guid, other))
			found = (uintptr_t)st->tables[i].table;
	}
	return found;
}

/* The start info has no place for it: the command line has. */
static void tell_smbios(struct low *low)
{
	static const char name[] = "smbios=0x";
	uint64_t at = find_table(&smbios_3, &smbios_2);
	char *to = low->cmdline + sizeof(name) - 1;

	if (at == 0)
		return;
	memcpy(low->cmdline, name, sizeof(name) - 1);
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[at >> shift & 15];
	low->info.cmdline_paddr = (uintptr_t)low->cmdline;
}

static const char *take_low(struct low **low)
{
	uint64_t address = LOW_END;

	if (bs->allocate_pages(EFI_MAX_ADDRESS, EFI_LOADER_CODE, 1, &address) != 0) {
		address = UINT32_MAX;
		if (bs->allocate_pages(EFI_MAX_ADDRESS, EFI_LOADER_CODE, 1, &address) != 0)
			return "too little memory below 4 GiB";
	}
	*low = boot_at((uint32_t)address);
	memset(*low, 0, sizeof(**low));
	memcpy((*low)->code, efi_trampoline, (size_t)(efi_trampoline_end - efi_trampoline));
	return NULL;
}

/* The key of a map is good until something allocates: the firmware's own timers may. */
static const char *leave_firmware(efi_handle image, struct firmware_map *map)
{
	for (unsigned try = 0; try < 8; try++) {
		const char *reason = read_map(map);

		if (reason != NULL)
			return reason;
		if (bs->exit_boot_services(image, map->key) == 0)
			return NULL;
	}
	return "the firmware does not let go";
}

efi_status EFI_CALL efi_main(efi_handle image, struct efi_system *system)
{
	struct firmware_map map = { .entries = NULL };
	struct low *low = NULL;
	const char *reason;
	uint32_t entry = 0;

	st = system;
	bs = system->boot;
	reason = take_low(&low);
	if (reason == NULL)
		reason = load(&map, low, &entry);
	if (reason == NULL) {
		low->info.rsdp_paddr = find_table(&acpi_2, &acpi_1);
		tell_smbios(low);
		reason = leave_firmware(image, &map);
	}
	if (reason != NULL) {
		print("uni boot: ");
		print(reason);
		print("\r\n");
		boot_tell_host(reason);
		return EFI_LOAD_ERROR;
	}
	low->info.magic = UNI_HVM_START_MAGIC;
	low->info.version = 1;
	low->info.memmap_paddr = (uintptr_t)low->map;
	low->info.memmap_entries = translate(&map, true, low->map);
	((enter_fn *)(uintptr_t)low->code)(entry, (uint32_t)(uintptr_t)&low->info);
	__builtin_unreachable();
}
