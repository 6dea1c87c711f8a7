/*
 * Reading FAT volumes. Every cluster number is checked against the volume before it is used, and
 * no chain is followed for longer than the volume has clusters, so that a ring in it ends.
 */
#include "fat.h"

#include <string.h>
#include <time.h>
#include <uni/base/mem.h>

#include "reader.h"

enum { WINDOW = 4096, CLUSTER_MAX = 64 << 10, DELETED = 0xe5, DELETED_KANJI = 0x05 };

struct fat {
	struct uni_fs_reader reader;
	unsigned bits;
	uint32_t cluster_size;
	uint32_t clusters;
	uint64_t table_at;
	uint64_t table_size;
	uint64_t root_at; /* of FAT12 and FAT16 */
	uint32_t root_slots;
	uint32_t root_cluster; /* of FAT32 */
	uint64_t data_at;
	uint64_t window_at; /* of what `window` holds of the table */
	size_t window_size; /* 0: nothing */
	uint8_t window[WINDOW];
};

static struct fat *fat_of(struct uni_fs_reader *reader)
{
	return (struct fat *)reader;
}

static bool fat_probe(const uint8_t *head, size_t size)
{
	return size >= READER_HEAD && (head[0] == 0xeb || head[0] == 0xe9) &&
	       (memcmp(head + BPB_TAIL + TAIL_TYPE, "FAT12   ", 8) == 0 ||
		memcmp(head + BPB_TAIL + TAIL_TYPE, "FAT16   ", 8) == 0 ||
		memcmp(head + BPB_TAIL32 + TAIL_TYPE, "FAT32   ", 8) == 0);
}

/* Sectors of the volume; of one FAT; both 16-bit fields are 0 where the wider one counts. */
static uint32_t either(const uint8_t *boot, size_t narrow, size_t wide)
{
	uint32_t value = fat_get(boot + narrow, 2);

	return value != 0 ? value : fat_get(boot + wide, 4);
}

static int fat_open(struct uni_fs_reader *reader, struct uni_err *err)
{
	struct fat *f = fat_of(reader);
	uint8_t boot[READER_HEAD];
	uint64_t sector, sectors, reserved, fats, table, data;
	int rc = reader_pread(reader, 0, boot, sizeof(boot), err);

	if (rc != 0)
		return rc;
	sector = fat_get(boot + BPB_BYTES_PER_SECTOR, 2);
	sectors = either(boot, BPB_SECTORS16, BPB_SECTORS32);
	reserved = fat_get(boot + BPB_RESERVED, 2);
	fats = boot[BPB_FATS];
	table = either(boot, BPB_FAT_SECTORS16, BPB_FAT_SECTORS32);
	f->root_slots = fat_get(boot + BPB_ROOT_SLOTS, 2);
	f->cluster_size = boot[BPB_SECTORS_PER_CLUSTER] * (uint32_t)sector;
	if (sector < FAT_SECTOR || sector > WINDOW || (sector & (sector - 1)) != 0 ||
	    f->cluster_size == 0 || f->cluster_size > CLUSTER_MAX ||
	    (f->cluster_size & (f->cluster_size - 1)) != 0 || reserved == 0 || fats == 0)
		return reader_corrupt(reader, "its boot sector", err);
	if (sectors > reader->size / sector)
		return reader_corrupt(reader, "it is shorter than its boot sector says", err);
	data = reserved + fats * table + ((uint64_t)f->root_slots * FAT_SLOT + sector - 1) / sector;
	if (table == 0 || data >= sectors)
		return reader_corrupt(reader, "its boot sector leaves no room for data", err);
	f->clusters = (uint32_t)((sectors - data) * sector / f->cluster_size);
	f->bits = f->clusters < FAT12_CLUSTERS_END   ? 12
		  : f->clusters < FAT16_CLUSTERS_END ? 16
						     : 32;
	f->table_at = reserved * sector;
	f->table_size = table * sector;
	f->root_at = (reserved + fats * table) * sector;
	f->root_cluster = fat_get(boot + BPB_ROOT_CLUSTER, 4);
	f->data_at = data * sector;
	if (f->clusters >= FAT32_CLUSTERS_END ||
	    (f->bits == 32) != (fat_get(boot + BPB_FAT_SECTORS16, 2) == 0) ||
	    ((uint64_t)f->clusters + 2) * f->bits > f->table_size * 8)
		return reader_corrupt(reader, "its table does not fit its size", err);
	return 0;
}

static void fat_close(struct uni_fs_reader *reader)
{
	(void)reader;
}

static void fat_about(const struct uni_fs_reader *reader, struct uni_fs_about *about)
{
	const struct fat *f = (const struct fat *)reader;

	about->format = f->bits == 12 ? "FAT12" : f->bits == 16 ? "FAT16" : "FAT32";
	about->block_size = f->cluster_size;
	about->used = f->data_at + (uint64_t)f->clusters * f->cluster_size;
}

/* --- chains --- */

static bool is_cluster(const struct fat *f, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < f->clusters;
}

static int next_cluster(struct fat *f, uint32_t cluster, uint32_t *next, struct uni_err *err)
{
	uint64_t at = (uint64_t)cluster * f->bits / 8, bytes = f->bits == 32 ? 4 : 2;
	uint32_t value;

	if (f->window_size == 0 || at < f->window_at ||
	    at + bytes > f->window_at + f->window_size) {
		uint64_t left = f->table_size - at;
		size_t size = left < WINDOW ? (size_t)left : WINDOW;
		int rc = reader_pread(&f->reader, f->table_at + at, f->window, size, err);

		f->window_size = rc == 0 ? size : 0;
		if (rc != 0)
			return rc;
		f->window_at = at;
	}
	value = fat_get(f->window + (at - f->window_at), bytes);
	if (f->bits == 12)
		value = cluster % 2 != 0 ? value >> 4 : value & 0xfff;
	*next = f->bits == 32 ? value & 0x0fffffff : value;
	return 0;
}

/* A walk over what a chain holds, or over the fixed root. */
struct chain {
	uint64_t at;   /* of the piece */
	uint32_t size; /* bytes of it; 0 at the end */
	uint32_t cluster;
	uint32_t steps;
};

static int chain_enter(struct fat *f, struct chain *chain, uint32_t cluster, struct uni_err *err)
{
	if (!is_cluster(f, cluster) || chain->steps++ == f->clusters)
		return reader_corrupt(&f->reader, "a chain of clusters", err);
	chain->cluster = cluster;
	chain->at = f->data_at + (uint64_t)(cluster - 2) * f->cluster_size;
	chain->size = f->cluster_size;
	return 0;
}

static int chain_next(struct fat *f, struct chain *chain, struct uni_err *err)
{
	const uint32_t end = f->bits == 12 ? 0xff8 : f->bits == 16 ? 0xfff8 : 0x0ffffff8;
	uint32_t next;
	int rc;

	chain->size = 0;
	if (chain->cluster == 0)
		return 0;
	rc = next_cluster(f, chain->cluster, &next, err);
	if (rc != 0 || next >= end)
		return rc;
	return chain_enter(f, chain, next, err);
}

/* --- folders --- */

/* A node is where its short slot lies; the root has none, and is 0. */
static int read_slot(struct fat *f, reader_node node, uint8_t slot[FAT_SLOT], struct uni_err *err)
{
	return reader_pread(&f->reader, node, slot, FAT_SLOT, err);
}

static uint32_t slot_cluster(const struct fat *f, const uint8_t *slot)
{
	uint32_t high = f->bits == 32 ? fat_get(slot + SLOT_CLUSTER_HIGH, 2) : 0;

	return high << 16 | fat_get(slot + SLOT_CLUSTER_LOW, 2);
}

static int folder_start(struct fat *f, reader_node folder, struct chain *chain, struct uni_err *err)
{
	uint8_t slot[FAT_SLOT];
	uint32_t cluster = f->root_cluster;
	int rc;

	if (folder == 0 && f->bits != 32) {
		chain->at = f->root_at;
		chain->size = f->root_slots * FAT_SLOT;
		return 0;
	}
	if (folder != 0) {
		rc = read_slot(f, folder, slot, err);
		if (rc != 0)
			return rc;
		cluster = slot_cluster(f, slot);
	}
	return chain_enter(f, chain, cluster, err);
}

struct name {
	char *text;
	reader_node node;
};

/* What is known of a name while its slots come by, and the names that are complete. */
struct listing {
	struct name *items;
	size_t count, room;
	size_t slots;
	uint16_t units[FAT_NAME_UNITS + FAT_LONG_UNITS];
	unsigned expected; /* number of the long slot that comes next; 0: the short one */
	bool has_long;
	uint8_t sum;
};

static void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].text);
	free(l->items);
}

static void take_long(struct listing *l, const uint8_t *slot)
{
	unsigned number = slot[0] & 0x3f;

	if ((slot[0] & FAT_LONG_LAST) != 0) {
		l->has_long = number >= 1 && number * FAT_LONG_UNITS <= UNI_COUNT(l->units);
		l->sum = slot[LONG_CHECKSUM];
		memset(l->units, 0, sizeof(l->units));
	} else if (number != l->expected || slot[LONG_CHECKSUM] != l->sum) {
		l->has_long = false;
	}
	if (!l->has_long || number == 0) {
		l->has_long = false;
		return;
	}
	for (size_t i = 0; i < FAT_LONG_UNITS; i++)
		l->units[(number - 1) * FAT_LONG_UNITS + i] =
			(uint16_t)fat_get(slot + fat_long_places[i], 2);
	l->expected = number - 1;
}

static int take_short(struct fat *f, struct listing *l, const uint8_t *slot, uint64_t at,
		      struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	bool has_long = l->has_long && l->expected == 0 && l->sum == fat_alias_sum(slot);

	l->has_long = false;
	if ((slot[SLOT_ATTR] & FAT_ATTR_LABEL) != 0 || memcmp(slot, ".          ", 11) == 0 ||
	    memcmp(slot, "..         ", 11) == 0)
		return 0;
	if (has_long) {
		size_t count = 0;

		while (count < UNI_COUNT(l->units) && l->units[count] != 0)
			count++;
		fat_units_text(l->units, count, &text);
	} else {
		uint8_t alias[FAT_SHORT];

		memcpy(alias, slot, sizeof(alias));
		if (alias[0] == DELETED_KANJI)
			alias[0] = DELETED;
		fat_alias_text(alias, slot[SLOT_CASE], &text);
	}
	if (text.size == 0 || memchr(text.data, '/', text.size) != NULL ||
	    strlen(text.data) != text.size || uni_str_eq(text.data, ".") ||
	    uni_str_eq(text.data, ".."))
		return reader_corrupt(&f->reader, "a name", err);
	UNI_PUSH_ROOM(l->items, l->count, l->room);
	l->items[l->count++] = (struct name){ .text = uni_buf_take(&text), .node = at };
	return 0;
}

/* 1 at the folder's end. */
static int take_piece(struct fat *f, struct listing *l, const struct chain *piece, uint8_t *data,
		      struct uni_err *err)
{
	int rc = 0;

	for (uint32_t done = 0; rc == 0 && done < piece->size; done += FAT_SLOT) {
		const uint8_t *slot = data + done % CLUSTER_MAX;

		if (done % CLUSTER_MAX == 0) {
			uint32_t part = piece->size - done;

			rc = reader_pread(&f->reader, piece->at + done, data,
					  part < CLUSTER_MAX ? part : CLUSTER_MAX, err);
			if (rc != 0)
				return rc;
		}
		if (slot[0] == 0)
			return 1;
		if (++l->slots > FAT_DIR_SLOTS_MAX)
			return reader_corrupt(&f->reader, "a folder has too many entries", err);
		if (slot[0] == DELETED)
			l->has_long = false;
		else if ((slot[SLOT_ATTR] & FAT_ATTR_LONG) == FAT_ATTR_LONG)
			take_long(l, slot);
		else
			rc = take_short(f, l, slot, piece->at + done, err);
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int fat_each(struct uni_fs_reader *reader, reader_node folder, reader_each_fn *fn,
		    void *user, struct uni_err *err)
{
	struct fat *f = fat_of(reader);
	UNI_AUTO_FREE uint8_t *data = uni_alloc(CLUSTER_MAX);
	struct listing l = { .count = 0 };
	struct chain chain = { .cluster = 0 };
	int rc = folder_start(f, folder, &chain, err);

	while (rc == 0 && chain.size != 0) {
		rc = take_piece(f, &l, &chain, data, err);
		if (rc == 0)
			rc = chain_next(f, &chain, err);
	}
	if (rc == 1)
		rc = 0;
	if (rc == 0 && l.count != 0)
		qsort(l.items, l.count, sizeof(*l.items), compare);
	for (size_t i = 0; rc == 0 && i < l.count; i++)
		rc = fn(user, l.items[i].text, l.items[i].node, err);
	listing_free(&l);
	return rc;
}

/* --- what is in them --- */

static reader_node fat_root(const struct uni_fs_reader *reader)
{
	(void)reader;
	return 0;
}

static int64_t slot_time(const uint8_t *slot)
{
	unsigned date = fat_get(slot + SLOT_WRITE_DATE, 2);
	unsigned clock = fat_get(slot + SLOT_WRITE_TIME, 2);
	struct tm tm = {
		.tm_year = (int)(date >> 9) + 80,
		.tm_mon = (int)(date >> 5 & 15) - 1,
		.tm_mday = (int)(date & 31),
		.tm_hour = (int)(clock >> 11),
		.tm_min = (int)(clock >> 5 & 63),
		.tm_sec = (int)(clock & 31) * 2,
	};

	return date == 0 ? 0 : timegm(&tm);
}

static int fat_stat(struct uni_fs_reader *reader, reader_node node, struct uni_fs_stat *stat,
		    struct uni_err *err)
{
	uint8_t slot[FAT_SLOT] = { [SLOT_ATTR] = FAT_ATTR_DIR };
	int rc = node != 0 ? read_slot(fat_of(reader), node, slot, err) : 0;

	memset(stat, 0, sizeof(*stat));
	if (rc != 0)
		return rc;
	if ((slot[SLOT_ATTR] & FAT_ATTR_DIR) != 0) {
		stat->type = UNI_FS_TYPE_FOLDER;
		stat->mode = 0755;
	} else {
		stat->type = UNI_FS_TYPE_FILE;
		stat->mode = 0644;
		stat->size = fat_get(slot + SLOT_SIZE, 4);
	}
	stat->mtime = node != 0 ? slot_time(slot) : 0;
	return 0;
}

static int fat_readlink(struct uni_fs_reader *reader, reader_node link, struct uni_buf *target,
			struct uni_err *err)
{
	(void)link;
	(void)target;
	return reader_corrupt(reader, "a link", err);
}

static int fat_read(struct uni_fs_reader *reader, reader_node file, uni_fs_data_fn *fn, void *user,
		    struct uni_err *err)
{
	struct fat *f = fat_of(reader);
	UNI_AUTO_FREE uint8_t *data = uni_alloc(CLUSTER_MAX);
	struct chain chain = { .cluster = 0 };
	uint8_t slot[FAT_SLOT];
	uint64_t left;
	int rc = read_slot(f, file, slot, err);

	if (rc != 0)
		return rc;
	left = fat_get(slot + SLOT_SIZE, 4);
	if (left > (uint64_t)f->clusters * f->cluster_size)
		return reader_corrupt(reader, "a file is larger than the volume", err);
	if (left != 0)
		rc = chain_enter(f, &chain, slot_cluster(f, slot), err);
	while (rc == 0 && left != 0) {
		size_t part = left < chain.size ? (size_t)left : chain.size;

		if (part == 0)
			return reader_corrupt(reader, "a file ends before its size", err);
		rc = reader_pread(reader, chain.at, data, part, err);
		if (rc == 0)
			rc = fn(user, data, part, err);
		left -= part;
		if (rc == 0 && left != 0)
			rc = chain_next(f, &chain, err);
	}
	return rc;
}

const struct uni_fs_reader_ops reader_fat = {
	.probe = fat_probe,
	.reader_size = sizeof(struct fat),
	.open = fat_open,
	.close = fat_close,
	.about = fat_about,
	.root = fat_root,
	.stat = fat_stat,
	.each = fat_each,
	.readlink = fat_readlink,
	.read = fat_read,
};
