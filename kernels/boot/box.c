/*
 * The kernel's box: whether its header can be believed, and where in this machine's memory the
 * kernel goes. Stored bytes and unpacked image share one room: LZ4 unpacks towards its own end
 * without overtaking it, if the packed bytes end a little behind the image; so a kernel needs no
 * more memory to start than to run.
 */
#include "boot.h"
#include "unpack.h"

#define MOVE_STEP 0x200000u /* a kernel may be moved by multiples of this */
#define LOW_END 0x100000u

static uint64_t margin(const struct uni_box_header *h)
{
	return h->codec == UNI_BOX_LZ4 ? unpack_margin(h->stored_size) : 0;
}

const char *box_check(const struct uni_box_header *h, uint64_t partition_sectors)
{
	struct uni_box_header copy = *h;
	const uint64_t top = 1ull << 32;

	if (memcmp(h->magic, UNI_BOX_MAGIC, sizeof(h->magic)) != 0)
		return "the kernel's partition holds no kernel";
	copy.header_crc32c = 0;
	if (crc_copy(0, NULL, &copy, sizeof(copy)) != h->header_crc32c)
		return "the kernel's header is damaged";
	if (h->version != UNI_BOX_VERSION)
		return "the kernel's header has a version that this loader does not know";
	if (h->codec != UNI_BOX_STORED && h->codec != UNI_BOX_LZ4)
		return "the kernel is packed in a way that this loader does not know";
	if (h->stored_size == 0 || partition_sectors == 0 ||
	    (h->stored_size - 1) / 512 >= partition_sectors - 1)
		return "the kernel is longer than its partition";
	if (h->size == 0 || h->size >= top || h->load_paddr >= top || h->bss_paddr >= top ||
	    h->bss_size >= top || (h->codec == UNI_BOX_STORED && h->size != h->stored_size) ||
	    h->entry_paddr - h->load_paddr >= h->size ||
	    (h->bss_paddr < h->load_paddr + h->size && h->load_paddr < h->bss_paddr + h->bss_size))
		return "the kernel's header contradicts itself";
	return NULL;
}

/* RAM in one entry, and nothing else claimed there by another. */
static bool is_ram(const struct uni_hvm_memmap_entry *map, unsigned count, uint64_t start,
		   uint64_t end)
{
	bool inside = false;

	for (unsigned i = 0; i < count; i++) {
		uint64_t first = map[i].addr, last = first + map[i].size;

		if (last < first)
			return false;
		if (map[i].type == 1 && first <= start && end <= last)
			inside = true;
		else if (map[i].type != 1 && first < end && start < last)
			return false;
	}
	return inside;
}

/* Lowest address from `from` that lies as `start` does between two steps. */
static uint64_t align_as(uint64_t from, uint64_t start)
{
	return from + ((start - from) & (MOVE_STEP - 1));
}

const char *box_place(const struct uni_box_header *h, const struct uni_hvm_memmap_entry *map,
		      unsigned count, struct box_place *place)
{
	uint64_t room = h->size + margin(h), start = h->load_paddr, end = start + room, to, move;
	bool found;

	if (h->bss_size != 0) {
		start = h->bss_paddr < start ? h->bss_paddr : start;
		end = h->bss_paddr + h->bss_size > end ? h->bss_paddr + h->bss_size : end;
	}
	if (h->stored_size > room)
		return "the kernel's header contradicts itself";
	to = start;
	found = start >= LOW_END && end < 1ull << 32 && is_ram(map, count, start, end);
	for (unsigned i = 0; i < count && !found; i++) {
		if (map[i].type != 1)
			continue;
		to = align_as(map[i].addr < LOW_END ? LOW_END : map[i].addr, start);
		found = to + (end - start) < 1ull << 32 &&
			is_ram(map, count, to, to + (end - start));
	}
	if (!found)
		return "too little memory for the kernel";
	move = to - start;
	place->image = (uint32_t)(h->load_paddr + move);
	place->room = (uint32_t)room;
	place->stored = (uint32_t)(h->load_paddr + move + room - h->stored_size);
	place->bss = (uint32_t)(h->bss_paddr + move);
	place->entry = (uint32_t)(h->entry_paddr + move);
	return NULL;
}
