/*
 * A placed layout as a disk: its tables in memory, its contents where they are.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/system.h>

#include "gpt.h"
#include "internal.h"

static struct uni_disk_source *content_open(const struct uni_disk_content *content,
					    const char *name, struct uni_err *err)
{
	struct disk_composed *range;
	struct stat st;

	if (content->data != NULL)
		return uni_disk_source_from_memory(content->data, (size_t)content->size);
	if (content->source != NULL) {
		range = disk_composed_new("content", content->size);
		disk_composed_add(range, 0, content->size, content->source, content->offset, false);
		return disk_composed_source(range);
	}
	if (fstat(content->fd, &st) != 0) {
		uni_err_errno(err, "content");
		return NULL;
	}
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < content->offset + content->size) {
		uni_err_set(err, UNI_E_CHANGED, "its content became shorter");
		return NULL;
	}
	return uni_disk_source_from_fd(content->fd, content->offset, content->size, name);
}

struct uni_disk_source *layout_content(const struct uni_disk_partition *partition,
				       struct uni_err *err)
{
	const char *name = partition->name != NULL ? partition->name : "";
	struct uni_disk_source *content = content_open(&partition->content, name, err);

	if (content == NULL)
		uni_err_context(err, "partition \"%s\"", name);
	return content;
}

/* MBR, primary header and entries are one run at the start of the disk, the backup at its end. */
static void add_head(struct disk_composed *disk, const struct gpt_table *table,
		     const uint8_t mbr[UNI_DISK_SECTOR])
{
	uint8_t head[GPT_FIRST_USABLE * UNI_DISK_SECTOR] = { 0 };

	memcpy(head, mbr, UNI_DISK_SECTOR);
	memcpy(head + UNI_DISK_SECTOR, &table->primary, sizeof(table->primary));
	memcpy(head + (size_t)2 * UNI_DISK_SECTOR, table->entries, sizeof(table->entries));
	disk_composed_add_bytes(disk, 0, head, sizeof(head));
}

static void add_tail(struct disk_composed *disk, const struct gpt_table *table)
{
	uint8_t tail[GPT_TAIL_SECTORS * UNI_DISK_SECTOR] = { 0 };

	memcpy(tail, table->entries, sizeof(table->entries));
	memcpy(tail + sizeof(table->entries), &table->backup, sizeof(table->backup));
	disk_composed_add_bytes(disk, table->backup.entries_lba * UNI_DISK_SECTOR, tail,
				sizeof(tail));
}

static int add_contents(struct disk_composed *disk, const struct uni_disk_layout *layout,
			const struct uni_disk_result *placed, struct uni_err *err)
{
	for (size_t i = 0; i < layout->count; i++) {
		struct uni_disk_source *content = layout_content(&layout->partitions[i], err);

		if (content == NULL)
			return err->code;
		disk_composed_add(disk, placed->placed[i].offset, content->size, content, 0, true);
	}
	return 0;
}

int uni_disk_source_from_layout(struct uni_disk_source **source,
				const struct uni_disk_layout *layout,
				const struct uni_disk_result *placed, struct uni_err *err)
{
	UNI_AUTO_FREE struct gpt_table *table = uni_alloc(sizeof(*table));
	UNI_AUTO(uni_disk_source) struct uni_disk_source *made = NULL;
	struct disk_composed *disk;
	uint8_t mbr[UNI_DISK_SECTOR];
	int rc = gpt_build_mbr(layout, placed, mbr, err);

	if (rc == 0)
		rc = gpt_build(layout, placed, table, err);
	if (rc != 0)
		return rc;
	disk = disk_composed_new("layout", placed->size);
	made = disk_composed_source(disk);
	add_head(disk, table, mbr);
	rc = add_contents(disk, layout, placed, err);
	if (rc != 0)
		return rc;
	add_tail(disk, table);
	*source = made;
	made = NULL;
	return 0;
}

int uni_disk_open_contents(struct uni_disk_source **source, const struct uni_disk_layout *layout,
			   const struct uni_disk_result *placed, struct uni_err *err)
{
	struct disk_composed *disk = disk_composed_new("contents", placed->size);
	UNI_AUTO(uni_disk_source) struct uni_disk_source *made = disk_composed_source(disk);
	int rc = add_contents(disk, layout, placed, err);

	*source = NULL;
	if (rc != 0)
		return rc;
	*source = made;
	made = NULL;
	return 0;
}

/* One whose digest is known is not read. */
static int content_digest(const struct uni_disk_partition *partition, struct uni_digest *digest,
			  uint8_t *chunk, size_t room, struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *content = NULL;
	struct uni_hash hash;

	if (partition->content.known != NULL) {
		*digest = *partition->content.known;
		return 0;
	}
	content = layout_content(partition, err);
	if (content == NULL)
		return err->code;
	uni_hash_start(&hash);
	for (uint64_t at = 0; at < content->size; at += room) {
		uint64_t left = content->size - at;
		size_t size = left < room ? (size_t)left : room;
		int rc = uni_check_cancel(err);

		if (rc == 0)
			rc = uni_disk_source_read(content, chunk, size, at, err);
		if (rc != 0)
			return uni_err_context(err, "partition \"%s\"",
					       partition->name != NULL ? partition->name : "");
		uni_hash_add(&hash, chunk, size);
	}
	*digest = uni_hash_end(&hash);
	return 0;
}

int layout_digests(const struct uni_disk_layout *layout, struct uni_disk_result *result,
		   struct uni_err *err)
{
	enum { ROOM = 256 << 10 };
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(ROOM);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < layout->count; i++)
		rc = content_digest(&layout->partitions[i], &result->placed[i].digest, chunk, ROOM,
				    err);
	return rc;
}
