/*
 * A tree as a FAT volume, sized to its content: of three types the one that follows from its size,
 * clusters of one sector while FAT12 has enough of them and of 4 KiB above, everything in one run
 * and in the tree's order, no byte of slack that the form does not ask for. Data starts on 4 KiB.
 * Times and alias names are functions of the tree; the serial number is of its digest.
 */
#include "fat.h"

#include <string.h>
#include <time.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "formats.h"

enum {
	CLUSTER_SMALL = FAT_SECTOR,
	CLUSTER_LARGE = 4096,
	/* Readers that miscount by a few clusters are many: keep off the types' borders. */
	BORDER = 16,
	RESERVED32 = 32,
	ROOT_STEP = FAT_SECTOR / FAT_SLOT,
	TABLE_CHUNK = 64 << 10,
};

#define FILE_MAX UINT32_MAX

struct node {
	struct fat_name name;
	uint32_t parent;
	uint32_t slots; /* of a folder: its own, with "." and ".." */
	uint64_t size;	/* of a file */
	int64_t mtime;
	bool folder;
	uint32_t cluster; /* first; 0: none */
	uint32_t clusters;
};

struct fat {
	struct node *nodes; /* nodes[0] is the root; folders before what they hold */
	size_t count, room;
	unsigned bits; /* 12, 16, 32 */
	uint32_t cluster_size;
	uint32_t clusters;
	uint32_t reserved; /* sectors, as the next */
	uint32_t table;
	uint32_t root; /* of FAT12 and FAT16 */
	int fd;
};

/* --- the nodes --- */

struct gathering {
	struct fat *fat;
	uint32_t stack[UNI_TREE_DEPTH_MAX + 1];
};

static size_t depth_of(const char *path)
{
	size_t depth = 1;

	if (uni_str_eq(path, "."))
		return 0;
	for (const char *p = path; *p != '\0'; p++)
		depth += *p == '/';
	return depth;
}

static int check_entry(const struct uni_entry *meta, struct uni_err *err)
{
	if (meta->type != UNI_ENTRY_FILE && meta->type != UNI_ENTRY_DIR) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "%s: FAT holds files and folders only",
			    meta->path);
		return uni_err_hint(err, "leave it out, or put what it leads to in its place");
	}
	if (meta->size > FILE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: is larger than FAT's 4 GiB - 1",
				   meta->path);
	return 0;
}

static int gather(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct gathering *g = user;
	struct fat *fat = g->fat;
	size_t depth = depth_of(entry->meta.path);
	struct node *node;
	int rc = check_entry(&entry->meta, err);

	if (rc != 0)
		return rc;
	UNI_PUSH_ROOM(fat->nodes, fat->count, fat->room);
	node = &fat->nodes[fat->count];
	memset(node, 0, sizeof(*node));
	node->folder = entry->meta.type == UNI_ENTRY_DIR;
	node->size = entry->meta.size;
	node->mtime = entry->meta.mtime;
	if (node->folder)
		g->stack[depth] = (uint32_t)fat->count;
	if (depth != 0) {
		node->parent = g->stack[depth - 1];
		node->slots = node->folder ? 2 : 0;
		rc = fat_name_make(uni_path_base(entry->meta.path), &node->name, err);
		if (rc != 0)
			return uni_err_context(err, "%s", entry->meta.path);
		fat->nodes[node->parent].slots += (uint32_t)fat_name_slots(&node->name);
		if (fat->nodes[node->parent].slots > FAT_DIR_SLOTS_MAX)
			return uni_err_set(err, UNI_E_LIMIT,
					   "%s: its folder has more names than FAT can hold",
					   entry->meta.path);
	}
	fat->count++;
	return 0;
}

/* --- names in one folder --- */

static uint16_t upper(uint16_t unit)
{
	return unit >= 'a' && unit <= 'z' ? (uint16_t)(unit - 'a' + 'A') : unit;
}

static int compare_names(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	for (size_t i = 0; i < x->name.count && i < y->name.count; i++) {
		uint16_t p = upper(x->name.units[i]), q = upper(y->name.units[i]);

		if (p != q)
			return p < q ? -1 : 1;
	}
	return x->name.count < y->name.count ? -1 : x->name.count > y->name.count;
}

static int compare_aliases(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return memcmp(x->name.alias, y->name.alias, FAT_SHORT);
}

/* FAT holds "a" and "A" to be one name. */
static int check_names(struct node **sorted, size_t count, struct uni_err *err)
{
	qsort(sorted, count, sizeof(struct node *), compare_names);
	for (size_t i = 1; i < count; i++) {
		UNI_AUTO_BUF struct uni_buf name = UNI_BUF_INIT, other = UNI_BUF_INIT;

		if (compare_names(&sorted[i - 1], &sorted[i]) != 0)
			continue;
		fat_units_text(sorted[i - 1]->name.units, sorted[i - 1]->name.count, &name);
		fat_units_text(sorted[i]->name.units, sorted[i]->name.count, &other);
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "\"%s\" and \"%s\" are in one folder: FAT does not tell upper "
				   "from lower case",
				   uni_buf_text(&name), uni_buf_text(&other));
	}
	return 0;
}

/*
 * Aliases of long names are numbered through their folder, in the tree's order, so that they differ
 * from each other; a number that would make one equal to a short name is left out.
 */
static void number_aliases(struct fat *fat, struct node **shorts, size_t short_count)
{
	UNI_AUTO_FREE uint32_t *next = uni_alloc_array(fat->count, sizeof(*next));

	qsort(shorts, short_count, sizeof(struct node *), compare_aliases);
	for (size_t i = 1; i < fat->count; i++) {
		struct node *node = &fat->nodes[i];
		struct fat_name plain = node->name;

		if (node->name.is_short)
			continue;
		do {
			node->name = plain;
			fat_name_tail(&node->name, ++next[node->parent]);
		} while (bsearch(&node, shorts, short_count, sizeof(struct node *),
				 compare_aliases) != NULL);
	}
}

static int settle_names(struct fat *fat, struct uni_err *err)
{
	UNI_AUTO_FREE struct node **sorted = uni_alloc_array(fat->count, sizeof(struct node *));
	size_t count = 0;
	int rc;

	for (size_t i = 1; i < fat->count; i++)
		sorted[count++] = &fat->nodes[i];
	rc = check_names(sorted, count, err);
	if (rc != 0)
		return rc;
	count = 0;
	for (size_t i = 1; i < fat->count; i++)
		if (fat->nodes[i].name.is_short)
			sorted[count++] = &fat->nodes[i];
	number_aliases(fat, sorted, count);
	return 0;
}

/* --- the layout --- */

static uint64_t clusters_of(const struct fat *fat, size_t index)
{
	const struct node *node = &fat->nodes[index];
	uint64_t bytes = node->folder ? (uint64_t)node->slots * FAT_SLOT : node->size;

	if (index == 0 && fat->bits != 32)
		return 0;
	if (node->folder && bytes == 0)
		bytes = 1; /* the root of FAT32, which has at least a cluster */
	return (bytes + fat->cluster_size - 1) / fat->cluster_size;
}

static uint64_t count_clusters(struct fat *fat, unsigned bits, uint32_t cluster_size)
{
	uint64_t clusters = 0;

	fat->bits = bits;
	fat->cluster_size = cluster_size;
	for (size_t i = 0; i < fat->count; i++)
		clusters += clusters_of(fat, i);
	/* Whole 4 KiB, and at least some. */
	cluster_size = CLUSTER_LARGE / cluster_size;
	return clusters == 0 ? cluster_size
			     : (clusters + cluster_size - 1) / cluster_size * cluster_size;
}

static uint32_t sectors_for(uint64_t bytes)
{
	return (uint32_t)((bytes + FAT_SECTOR - 1) / FAT_SECTOR);
}

static int choose(struct fat *fat, struct uni_err *err)
{
	uint64_t clusters = count_clusters(fat, 12, CLUSTER_SMALL);

	if (clusters > FAT12_CLUSTERS_END - BORDER)
		clusters = count_clusters(fat, 12, CLUSTER_LARGE);
	if (clusters > FAT12_CLUSTERS_END - BORDER) {
		clusters = count_clusters(fat, 16, CLUSTER_LARGE);
		if (clusters < FAT12_CLUSTERS_END + BORDER)
			clusters = FAT12_CLUSTERS_END + BORDER;
	}
	/* The fixed root folder's size is a 16-bit number. */
	if (clusters > FAT16_CLUSTERS_END - BORDER ||
	    fat->nodes[0].slots > UINT16_MAX / ROOT_STEP * ROOT_STEP) {
		clusters = count_clusters(fat, 32, CLUSTER_LARGE);
		if (clusters < FAT16_CLUSTERS_END + BORDER)
			clusters = FAT16_CLUSTERS_END + BORDER;
	}
	if (clusters >= FAT32_CLUSTERS_END)
		return uni_err_set(err, UNI_E_LIMIT, "is larger than FAT32 can hold");
	fat->clusters = (uint32_t)clusters;
	return 0;
}

static int lay_out(struct fat *fat, struct uni_err *err)
{
	const uint32_t step = CLUSTER_LARGE / FAT_SECTOR;
	uint32_t at, next = 2;
	int rc = choose(fat, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < fat->count; i++) {
		struct node *node = &fat->nodes[i];

		node->clusters = (uint32_t)clusters_of(fat, i);
		node->cluster = node->clusters != 0 ? next : 0;
		next += node->clusters;
	}
	fat->table = sectors_for(((uint64_t)fat->clusters + 2) * fat->bits / 8 + 1);
	if (fat->bits != 32)
		fat->root = (fat->nodes[0].slots + ROOT_STEP - 1) / ROOT_STEP;
	if (fat->bits != 32 && fat->root == 0)
		fat->root = 1;
	fat->reserved = fat->bits == 32 ? RESERVED32 : 1;
	at = fat->reserved + 2 * fat->table + fat->root;
	fat->reserved += (step - at % step) % step;
	return 0;
}

static uint64_t data_start(const struct fat *fat)
{
	return ((uint64_t)fat->reserved + 2 * (uint64_t)fat->table + fat->root) * FAT_SECTOR;
}

static uint64_t volume_size(const struct fat *fat)
{
	return data_start(fat) + (uint64_t)fat->clusters * fat->cluster_size;
}

static uint64_t place_of(const struct fat *fat, uint32_t cluster)
{
	return data_start(fat) + (uint64_t)(cluster - 2) * fat->cluster_size;
}

/* --- the allocation table --- */

/* Entries of 12, 16 or 32 bits are one stream of bits, the lowest first. */
struct table {
	const struct fat *fat;
	uint8_t *chunk;
	size_t used;
	uint64_t at; /* bytes of the table that are written */
	uint64_t pending;
	unsigned pending_bits;
};

static int table_flush(struct table *t, struct uni_err *err)
{
	uint64_t first = (uint64_t)t->fat->reserved * FAT_SECTOR + t->at;
	uint64_t second = first + (uint64_t)t->fat->table * FAT_SECTOR;
	int rc = uni_pwrite_full(t->fat->fd, t->chunk, t->used, first, "volume", err);

	if (rc == 0)
		rc = uni_pwrite_full(t->fat->fd, t->chunk, t->used, second, "volume", err);
	t->at += t->used;
	t->used = 0;
	return rc;
}

static int table_add(struct table *t, uint32_t value, struct uni_err *err)
{
	uint32_t mask = t->fat->bits == 32 ? 0x0fffffff : (1u << t->fat->bits) - 1;

	t->pending |= (uint64_t)(value & mask) << t->pending_bits;
	t->pending_bits += t->fat->bits;
	for (; t->pending_bits >= 8; t->pending_bits -= 8, t->pending >>= 8)
		t->chunk[t->used++] = (uint8_t)t->pending;
	return t->used > TABLE_CHUNK - 8 ? table_flush(t, err) : 0;
}

static int write_table(const struct fat *fat, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(TABLE_CHUNK);
	struct table t = { .fat = fat, .chunk = chunk };
	int rc = table_add(&t, 0xfffffff8, err);

	if (rc == 0)
		rc = table_add(&t, UINT32_MAX, err);
	for (size_t i = 0; rc == 0 && i < fat->count; i++) {
		const struct node *node = &fat->nodes[i];

		for (uint32_t c = 1; rc == 0 && c < node->clusters; c++)
			rc = table_add(&t, node->cluster + c, err);
		if (rc == 0 && node->clusters != 0)
			rc = table_add(&t, UINT32_MAX, err);
	}
	if (rc == 0 && t.pending_bits != 0)
		t.chunk[t.used++] = (uint8_t)t.pending;
	return rc != 0 ? rc : table_flush(&t, err);
}

/* --- folders --- */

static void put_times(uint8_t *slot, int64_t mtime)
{
	const int64_t first = 315532800, last = 4354819199; /* 1980-01-01, 2107-12-31 */
	time_t when = (time_t)(mtime < first ? first : mtime > last ? last : mtime);
	struct tm tm;
	unsigned date, clock;

	gmtime_r(&when, &tm);
	date = (unsigned)(tm.tm_year - 80) << 9 | (unsigned)(tm.tm_mon + 1) << 5 |
	       (unsigned)tm.tm_mday;
	clock = (unsigned)tm.tm_hour << 11 | (unsigned)tm.tm_min << 5 | (unsigned)tm.tm_sec / 2;
	slot[SLOT_CREATE_TENTH] = (uint8_t)(tm.tm_sec % 2 * 100);
	fat_put(slot + SLOT_CREATE_TIME, clock, 2);
	fat_put(slot + SLOT_CREATE_DATE, date, 2);
	fat_put(slot + SLOT_ACCESS_DATE, date, 2);
	fat_put(slot + SLOT_WRITE_TIME, clock, 2);
	fat_put(slot + SLOT_WRITE_DATE, date, 2);
}

static uint8_t *put_slot(uint8_t *at, const uint8_t alias[FAT_SHORT], const struct node *node,
			 uint32_t cluster)
{
	memset(at, 0, FAT_SLOT);
	memcpy(at, alias, FAT_SHORT);
	at[SLOT_ATTR] = node->folder ? FAT_ATTR_DIR : FAT_ATTR_ARCHIVE;
	put_times(at, node->mtime);
	fat_put(at + SLOT_CLUSTER_HIGH, cluster >> 16, 2);
	fat_put(at + SLOT_CLUSTER_LOW, cluster & 0xffff, 2);
	fat_put(at + SLOT_SIZE, node->folder ? 0 : node->size, 4);
	return at + FAT_SLOT;
}

static int write_folder(const struct fat *fat, uint32_t index, const uint8_t *slots,
			struct uni_err *err)
{
	const struct node *node = &fat->nodes[index];
	uint64_t at = index == 0 && fat->bits != 32
			      ? data_start(fat) - (uint64_t)fat->root * FAT_SECTOR
			      : place_of(fat, node->cluster);

	return uni_pwrite_full(fat->fd, slots, (size_t)node->slots * FAT_SLOT, at, "volume", err);
}

/* All folders' slots in memory, each filled as its children come by. */
static int write_folders(const struct fat *fat, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t **ends = uni_alloc_array(fat->count, sizeof(uint8_t *));
	UNI_AUTO_FREE uint8_t *all = NULL;
	size_t total = 0;
	uint8_t *start;
	int rc = 0;

	for (size_t i = 0; i < fat->count; i++)
		total += fat->nodes[i].slots;
	all = uni_alloc_array(total + 1, FAT_SLOT);
	start = all;
	for (size_t i = 0; i < fat->count; i++) {
		const struct node *node = &fat->nodes[i];

		ends[i] = start;
		start += (size_t)node->slots * FAT_SLOT;
		if (i == 0)
			continue;
		if (node->folder) {
			/* ".." of a folder in the root leads to cluster 0, of FAT32 too. */
			uint32_t above = node->parent == 0 ? 0 : fat->nodes[node->parent].cluster;

			ends[i] = put_slot(ends[i], (const uint8_t *)".          ", node,
					   node->cluster);
			ends[i] = put_slot(ends[i], (const uint8_t *)"..         ", node, above);
		}
		if (!node->name.is_short)
			ends[node->parent] = fat_name_put_long(&node->name, ends[node->parent]);
		ends[node->parent] =
			put_slot(ends[node->parent], node->name.alias, node, node->cluster);
	}
	start = all;
	for (size_t i = 0; rc == 0 && i < fat->count; i++) {
		if (fat->nodes[i].slots != 0)
			rc = write_folder(fat, (uint32_t)i, start, err);
		start += (size_t)fat->nodes[i].slots * FAT_SLOT;
	}
	return rc;
}

/* --- files --- */

struct filling {
	const struct fat *fat;
	const struct uni_tree *tree;
	size_t index;
	uint64_t at;
};

static int fill_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct filling *f = user;
	int rc = uni_all_zero(data, size)
			 ? 0
			 : uni_pwrite_full(f->fat->fd, data, size, f->at, "volume", err);

	f->at += size;
	return rc;
}

static int fill_file(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct filling *f = user;
	const struct node *node = &f->fat->nodes[f->index++];

	if (node->folder)
		return 0;
	if (node->size != 0)
		f->at = place_of(f->fat, node->cluster);
	return uni_tree_content(f->tree, entry, fill_data, f, err);
}

/* --- the boot sector --- */

static void make_boot_sector(const struct fat *fat, uint32_t serial, uint8_t sector[FAT_SECTOR])
{
	static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfd }; /* nobody starts it */
	static const char *const types[] = { "FAT12   ", "FAT16   ", "FAT32   " };
	const bool wide = fat->bits == 32;
	uint64_t sectors = volume_size(fat) / FAT_SECTOR;
	uint8_t *tail = sector + (wide ? BPB_TAIL32 : BPB_TAIL);
	size_t code = wide ? 90 : 62;

	memset(sector, 0, FAT_SECTOR);
	sector[0] = 0xeb;
	sector[1] = (uint8_t)(code - 2);
	sector[2] = 0x90;
	memcpy(sector + 3, "MSWIN4.1", 8); /* what the specification recommends to write */
	fat_put(sector + BPB_BYTES_PER_SECTOR, FAT_SECTOR, 2);
	sector[BPB_SECTORS_PER_CLUSTER] = (uint8_t)(fat->cluster_size / FAT_SECTOR);
	fat_put(sector + BPB_RESERVED, fat->reserved, 2);
	sector[BPB_FATS] = 2;
	fat_put(sector + BPB_ROOT_SLOTS, (uint64_t)fat->root * ROOT_STEP, 2);
	fat_put(sector + (sectors > UINT16_MAX || wide ? BPB_SECTORS32 : BPB_SECTORS16), sectors,
		sectors > UINT16_MAX || wide ? 4 : 2);
	sector[BPB_MEDIA] = 0xf8;
	fat_put(sector + BPB_TRACK, 32, 2);
	fat_put(sector + BPB_HEADS, 64, 2);
	if (wide) {
		fat_put(sector + BPB_FAT_SECTORS32, fat->table, 4);
		fat_put(sector + BPB_ROOT_CLUSTER, fat->nodes[0].cluster, 4);
		fat_put(sector + BPB_INFO_SECTOR, 1, 2);
		fat_put(sector + BPB_BACKUP_SECTOR, 6, 2);
	} else {
		fat_put(sector + BPB_FAT_SECTORS16, fat->table, 2);
	}
	tail[0] = 0x80;
	tail[TAIL_SIGNATURE] = 0x29;
	fat_put(tail + TAIL_SERIAL, serial, 4);
	memcpy(tail + TAIL_LABEL, "NO NAME    ", 11);
	memcpy(tail + TAIL_TYPE, types[fat->bits == 12 ? 0 : fat->bits == 16 ? 1 : 2], 8);
	memcpy(sector + code, halt, sizeof(halt));
	fat_put(sector + FAT_SIGNATURE_AT, 0xaa55, 2);
}

/* FAT32 counts its free clusters in a sector of its own, and has both twice. */
static void make_info_sector(const struct fat *fat, uint8_t sector[FAT_SECTOR])
{
	uint32_t used = 0;

	for (size_t i = 0; i < fat->count; i++)
		used += fat->nodes[i].clusters;
	memset(sector, 0, FAT_SECTOR);
	fat_put(sector, 0x41615252, 4);
	fat_put(sector + 484, 0x61417272, 4);
	fat_put(sector + 488, fat->clusters - used, 4);
	fat_put(sector + 492, used < fat->clusters ? used + 2 : 2, 4);
	fat_put(sector + 508, 0xaa550000, 4);
}

static int write_boot_sectors(const struct fat *fat, uint32_t serial, struct uni_err *err)
{
	uint8_t sectors[2 * FAT_SECTOR];
	size_t size = fat->bits == 32 ? sizeof(sectors) : FAT_SECTOR;
	int rc;

	make_boot_sector(fat, serial, sectors);
	make_info_sector(fat, sectors + FAT_SECTOR);
	rc = uni_pwrite_full(fat->fd, sectors, size, 0, "volume", err);
	if (rc == 0 && fat->bits == 32)
		rc = uni_pwrite_full(fat->fd, sectors, size, (uint64_t)6 * FAT_SECTOR, "volume",
				     err);
	return rc;
}

static int write_all(struct fat *fat, const struct uni_tree *tree,
		     const struct uni_fs_options *options, struct uni_fs_result *result,
		     struct uni_err *err)
{
	struct filling filling = { .fat = fat, .tree = tree };
	struct uni_hash hash;
	struct uni_digest digest;
	int rc =
		ftruncate(fat->fd, (off_t)volume_size(fat)) != 0 ? uni_err_errno(err, "volume") : 0;

	if (rc == 0)
		rc = write_table(fat, err);
	if (rc == 0)
		rc = write_folders(fat, err);
	if (rc == 0)
		rc = uni_tree_each(tree, fill_file, &filling, err);
	if (rc == 0)
		rc = uni_tree_digest_read(tree, &result->tree, err);
	if (rc != 0)
		return rc;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni fat serial");
	uni_hash_add_text(&hash, options->volume);
	uni_hash_add(&hash, result->tree.bytes, sizeof(result->tree.bytes));
	digest = uni_hash_end(&hash);
	return write_boot_sectors(fat, fat_get(digest.bytes, 4), err);
}

static int fat_write(const struct uni_tree *tree, const struct uni_fs_options *options,
		     const char *path, struct uni_fs_result *result, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = -1;
	UNI_AUTO_FREE struct node *nodes = NULL;
	struct fat fat = { .fd = -1 };
	struct gathering gathering = { .fat = &fat };
	int rc = uni_tree_each(tree, gather, &gathering, err);

	memset(result, 0, sizeof(*result));
	nodes = fat.nodes;
	if (rc == 0)
		rc = settle_names(&fat, err);
	if (rc == 0)
		rc = lay_out(&fat, err);
	if (rc == 0)
		rc = fs_create(path, &fd, err);
	fat.fd = fd;
	if (rc == 0)
		rc = write_all(&fat, tree, options, result, err);
	if (rc != 0)
		return rc;
	return fs_finish(&fs_fat, options, fd, volume_size(&fat), result, err);
}

static const char *const no_compression[] = { "none", NULL };

static int fat_resolve(struct uni_fs_options *options, struct uni_err *err)
{
	if (options->compression == NULL)
		options->compression = no_compression[0];
	if (!uni_str_eq(options->compression, no_compression[0]))
		return uni_err_set(err, UNI_E_INVAL, "FAT has no compression \"%s\"",
				   options->compression);
	if (options->level != 0)
		return uni_err_set(err, UNI_E_INVAL, "FAT has no compression, and no level of it");
	if (options->block_size != 0)
		return uni_err_set(err, UNI_E_INVAL,
				   "FAT's cluster size follows from what it holds");
	return 0;
}

const struct uni_fs_format fs_fat = {
	.name = "fat",
	.version = 1,
	.compressions = no_compression,
	.packs = 1,
	.resolve = fat_resolve,
	.write = fat_write,
};
