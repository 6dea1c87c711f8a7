/*
 * Disks of others that have a partition table in their first sector alone: the four entries, and
 * the chain of those inside an extended one. Two neighbouring sectors of a chain could lead to each
 * other for ever, so it has a bound.
 */
#include <string.h>
#include <uni/base/file.h>

#include "bytes.h"
#include "gpt.h"
#include "internal.h"

enum { PRIMARY = 4, ACTIVE = 0x80 };

struct mbr_entry {
	uint8_t status;
	uint8_t type;
	uint64_t first, count; /* sectors; `first` as it stands there */
};

static struct mbr_entry entry_at(const uint8_t sector[UNI_DISK_SECTOR], size_t n)
{
	const uint8_t *e = sector + MBR_TABLE + n * MBR_ENTRY_SIZE;

	return (struct mbr_entry){ e[0], e[4], get_le32(e + 8), get_le32(e + 12) };
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool has_signature(const uint8_t sector[UNI_DISK_SECTOR])
{
	return sector[MBR_SIGNATURE] == 0x55 && sector[MBR_SIGNATURE + 1] == 0xaa;
}

/* A boot sector of a file system ends in the same two bytes, with code where entries would be. */
static bool is_table(const uint8_t sector[UNI_DISK_SECTOR], uint64_t sectors)
{
	size_t used = 0;

	for (size_t i = 0; i < PRIMARY; i++) {
		struct mbr_entry e = entry_at(sector, i);

		if ((e.status & ~ACTIVE) != 0 || e.type == MBR_TYPE_GPT)
			return false;
		if (e.type == 0)
			continue;
		if (e.first == 0 || e.count == 0 || e.first >= sectors)
			return false;
		used++;
	}
	return has_signature(sector) && used != 0;
}

static void add(struct uni_disk_mbr *mbr, struct uni_disk_source *source, const struct mbr_entry *e,
		uint64_t first)
{
	struct uni_disk_mbr_entry *to;
	uint64_t sectors = source->size / UNI_DISK_SECTOR;
	uint64_t inside = first < sectors ? sectors - first : 0;

	if (mbr->count == UNI_DISK_MBR_MAX)
		return;
	to = &mbr->entries[mbr->count++];
	to->type = e->type;
	to->active = (e->status & ACTIVE) != 0;
	to->offset = first * UNI_DISK_SECTOR;
	to->size = e->count * UNI_DISK_SECTOR;
	to->beyond = e->count > inside;
	to->holds = to->beyond || is_extended(e->type)
			    ? NULL
			    : uni_disk_holds(source, to->offset, to->size);
}

/* Each link has a partition and the next link, which counts from the chain's start. */
static int add_chain(struct uni_disk_mbr *mbr, struct uni_disk_source *source, uint64_t start,
		     struct uni_err *err)
{
	uint8_t sector[UNI_DISK_SECTOR];
	uint64_t sectors = source->size / UNI_DISK_SECTOR;
	uint64_t at = start;

	for (size_t i = 0; i < UNI_DISK_MBR_MAX && at < sectors; i++) {
		struct mbr_entry part, next;
		int rc = uni_disk_source_read(source, sector, sizeof(sector), at * UNI_DISK_SECTOR,
					      err);

		if (rc != 0 || !has_signature(sector))
			return rc;
		part = entry_at(sector, 0);
		next = entry_at(sector, 1);
		if (part.type != 0)
			add(mbr, source, &part, at + part.first);
		if (!is_extended(next.type) || next.first == 0)
			return 0;
		at = start + next.first;
	}
	return 0;
}

int uni_disk_read_mbr(struct uni_disk_mbr *mbr, struct uni_disk_source *source, bool *found,
		      struct uni_err *err)
{
	uint8_t sector[UNI_DISK_SECTOR];
	int rc;

	memset(mbr, 0, sizeof(*mbr));
	*found = false;
	if (source->size < sizeof(sector))
		return 0;
	rc = uni_disk_source_read(source, sector, sizeof(sector), 0, err);
	if (rc != 0 || !is_table(sector, source->size / UNI_DISK_SECTOR))
		return rc;
	*found = true;
	mbr->bios_code = !uni_all_zero(sector, MBR_CODE_SIZE);
	for (size_t i = 0; rc == 0 && i < PRIMARY; i++) {
		struct mbr_entry e = entry_at(sector, i);

		if (e.type != 0)
			add(mbr, source, &e, e.first);
		if (is_extended(e.type))
			rc = add_chain(mbr, source, e.first, err);
	}
	return rc;
}
