/*
 * The first C function, and what the start info says. Everything that a loader hands over is copied
 * out of its memory through one page-sized window before any of that memory is used for other
 * things, and believed only as far as it is consistent.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/paging.h>
#include <uk/start.h>

#define ENTRIES_MAX 256 /* of the loader's memory map that are looked at */
#define WINDOW (UK_IMAGE_VIRT + 511 * UK_PAGE_SIZE)

extern uint64_t uk_boot_tsc;
extern volatile uint64_t uk_boot_pt[512];
void uk_start(uk_paddr_t start_info, int64_t moved) UK_NORETURN;

struct uk_boot uk_boot UK_SEALED;

/* Copies physical memory before there is a direct map. */
static void copy_physical(void *to, uk_paddr_t from, size_t size)
{
	uint8_t *out = to;

	while (size != 0) {
		size_t inside = from & UK_PAGE_MASK;
		size_t n = UK_MIN(size, UK_PAGE_SIZE - inside);

		uk_boot_pt[511] = (from & UK_PTE_ADDRESS) | UK_PTE_PRESENT | uk_pte_nx;
		__asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
		memcpy(out, (const void *)(WINDOW + inside), n);
		out += n;
		from += n;
		size -= n;
	}
	uk_boot_pt[511] = 0;
	__asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
}

/* Takes [start, end) out of the map, splitting a range if need be. */
static void remove_range(uint64_t start, uint64_t end)
{
	struct uk_boot *b = &uk_boot;

	for (uint32_t i = 0; i < b->memmap_count;) {
		struct uni_hvm_memmap_entry *m = &b->memmap[i];
		uint64_t m_end = m->addr + m->size;

		if (end <= m->addr || start >= m_end) {
			i++;
		} else if (start <= m->addr && end >= m_end) {
			*m = b->memmap[--b->memmap_count];
		} else if (start > m->addr && end < m_end) {
			m->size = start - m->addr;
			if (b->memmap_count < UK_MEMMAP_MAX)
				b->memmap[b->memmap_count++] =
					(struct uni_hvm_memmap_entry){ end, m_end - end, 1, 0 };
			i++;
		} else if (start > m->addr) {
			m->size = start - m->addr;
			i++;
		} else {
			m->addr = end;
			m->size = m_end - end;
			i++;
		}
	}
}

/* RAM is rounded inwards to pages, everything else outwards; where they overlap it is not RAM. */
static void take_entry(const struct uni_hvm_memmap_entry *e, bool ram)
{
	struct uk_boot *b = &uk_boot;
	uint64_t start = e->addr, end;

	if ((e->type == 1) != ram || __builtin_add_overflow(e->addr, e->size, &end))
		return;
	if (!ram) {
		if (end > UK_DIRECT_SIZE)
			end = UK_DIRECT_SIZE;
		if (start < end)
			remove_range(UK_ALIGN_DOWN(start, UK_PAGE_SIZE),
				     UK_ALIGN_UP(end, UK_PAGE_SIZE));
		return;
	}
	start = UK_ALIGN_UP(UK_MIN(start, UK_DIRECT_SIZE), UK_PAGE_SIZE);
	end = UK_ALIGN_DOWN(UK_MIN(end, UK_DIRECT_SIZE), UK_PAGE_SIZE);
	if (start >= end)
		return;
	remove_range(start, end); /* told twice: once is enough */
	if (b->memmap_count < UK_MEMMAP_MAX)
		b->memmap[b->memmap_count++] =
			(struct uni_hvm_memmap_entry){ start, end - start, 1, 0 };
}

static void sort_map(void)
{
	struct uni_hvm_memmap_entry *m = uk_boot.memmap;
	uint32_t kept = 0;

	for (uint32_t i = 1; i < uk_boot.memmap_count; i++) {
		struct uni_hvm_memmap_entry e = m[i];
		uint32_t k = i;

		for (; k > 0 && m[k - 1].addr > e.addr; k--)
			m[k] = m[k - 1];
		m[k] = e;
	}
	for (uint32_t i = 0; i < uk_boot.memmap_count; i++) {
		if (kept != 0 && m[kept - 1].addr + m[kept - 1].size == m[i].addr)
			m[kept - 1].size += m[i].size;
		else
			m[kept++] = m[i];
	}
	uk_boot.memmap_count = kept;
}

static void read_memmap(uk_paddr_t at, uint32_t count)
{
	struct uni_hvm_memmap_entry e;

	count = UK_MIN(count, ENTRIES_MAX);
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < count; i++) {
			copy_physical(&e, at + i * sizeof(e), sizeof(e));
			take_entry(&e, pass == 0);
		}
	}
	remove_range(0, UK_PAGE_SIZE); /* the BIOS's data; and no page is at NULL */
	sort_map();
}

/* A few bytes at a time: what lies behind the string is nobody's business. */
static void read_cmdline(uk_paddr_t at)
{
	char *to = uk_boot.cmdline;
	const size_t step = 64;

	for (size_t i = 0; at != 0 && i + step < sizeof(uk_boot.cmdline); i += step) {
		copy_physical(to + i, at + i, step);
		if (strnlen(to + i, step) < step)
			return;
	}
}

void uk_boot_read(uk_paddr_t start_info)
{
	struct uni_hvm_start_info info;
	struct uk_boot *b = &uk_boot;

	copy_physical(&info, start_info, sizeof(info));
	if (info.magic != UNI_HVM_START_MAGIC)
		uk_panic("not started by PVH: magic %#x", info.magic);
	b->rsdp = info.rsdp_paddr;
	read_cmdline(info.cmdline_paddr);
	b->module_count = UK_MIN(info.nr_modules, UK_MODULES_MAX);
	for (uint32_t i = 0; i < b->module_count; i++)
		copy_physical(&b->module[i], info.modlist_paddr + i * sizeof(b->module[i]),
			      sizeof(b->module[i]));
	if (info.version >= 1)
		read_memmap(info.memmap_paddr, info.memmap_entries);
	if (b->memmap_count == 0)
		uk_panic("the loader told of no memory");
}

/* The ACPI specification's search, section 5.2.5.1: on 16 bytes in the first KiB of the extended
 * BIOS data area and between 0xe0000 and 0xfffff. */
static uk_paddr_t search_rsdp(uk_paddr_t start, size_t size)
{
	const uint8_t *p = uk_phys_map(start, size);

	for (size_t i = 0; p != NULL && i + 20 <= size; i += 16) {
		uint8_t sum = 0;

		if (memcmp(p + i, "RSD PTR ", 8) != 0)
			continue;
		for (unsigned k = 0; k < 20; k++)
			sum = (uint8_t)(sum + p[i + k]);
		if (sum == 0)
			return start + i;
	}
	return 0;
}

uk_paddr_t uk_acpi_rsdp(void)
{
	static uk_paddr_t found;
	const uint16_t *segment;

	if (uk_boot.rsdp != 0 || found != 0)
		return uk_boot.rsdp != 0 ? uk_boot.rsdp : found;
	segment = uk_phys_map(0x40e, 2);
	if (segment != NULL && *segment >= 0x400)
		found = search_rsdp((uk_paddr_t)*segment << 4, 1024);
	if (found == 0)
		found = search_rsdp(0xe0000, 0x20000);
	return found;
}

void uk_start(uk_paddr_t start_info, int64_t moved)
{
	uk_boot.moved = moved;
	uk_boot.tsc = uk_boot_tsc;
	uk_main(start_info);
}
