/*
 * Checksums of ext4: CRC-32C without a complement at either end, by a table made at the first use,
 * and for volumes that have only those, CRC-16 of group descriptors.
 */
#include "ext4.h"

static uint32_t table[4][256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t sum = i;

		for (int bit = 0; bit < 8; bit++)
			sum = (sum >> 1) ^ (0x82f63b78u & (0u - (sum & 1u)));
		table[0][i] = sum;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (unsigned k = 1; k < 4; k++)
			table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
}

uint32_t e4_sum(uint32_t seed, const void *data, size_t size)
{
	const uint8_t *p = data;

	if (table[0][1] == 0)
		make_table();
	for (; size >= 4; size -= 4, p += 4) {
		uint32_t word;

		memcpy(&word, p, sizeof(word));
		seed ^= word;
		seed = table[3][seed & 0xff] ^ table[2][seed >> 8 & 0xff] ^
		       table[1][seed >> 16 & 0xff] ^ table[0][seed >> 24];
	}
	while (size-- != 0)
		seed = (seed >> 8) ^ table[0][(seed ^ *p++) & 0xff];
	return seed;
}

uint16_t e4_sum16(uint16_t seed, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size-- != 0) {
		seed ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			seed = (uint16_t)((seed >> 1) ^ (0xa001u & (0u - (seed & 1u))));
	}
	return seed;
}

uint32_t e4_inode_seed(const struct e4 *fs, uint32_t ino, uint32_t generation)
{
	uint32_t seed = e4_sum(fs->seed, &ino, sizeof(ino));

	return e4_sum(seed, &generation, sizeof(generation));
}

/* --- group descriptors --- */

static uint16_t group_sum(const struct e4 *fs, uint32_t group, const uint8_t *desc)
{
	const size_t at = offsetof(struct uni_ext4_group, checksum);
	const uint16_t none = 0;
	uint32_t sum;
	uint16_t sum16;

	if (fs->sums) {
		sum = e4_sum(fs->seed, &group, sizeof(group));
		sum = e4_sum(sum, desc, at);
		sum = e4_sum(sum, &none, sizeof(none));
		return (uint16_t)e4_sum(sum, desc + at + 2, fs->desc_size - at - 2);
	}
	sum16 = e4_sum16(UINT16_MAX, fs->disk->uuid, sizeof(fs->disk->uuid));
	sum16 = e4_sum16(sum16, &group, sizeof(group));
	sum16 = e4_sum16(sum16, desc, at);
	return e4_sum16(sum16, desc + at + 2, fs->desc_size - at - 2);
}

static bool groups_visit(struct e4 *fs, uint8_t *data, uint32_t first, bool set)
{
	uint32_t count = fs->block_size / fs->desc_size;

	for (uint32_t i = 0; i < count && first + i < fs->groups; i++) {
		uint8_t *desc = data + (size_t)i * fs->desc_size;
		uint16_t sum = group_sum(fs, first + i, desc);
		uint8_t *field = desc + offsetof(struct uni_ext4_group, checksum);

		if (set)
			memcpy(field, &sum, sizeof(sum));
		else if (memcmp(field, &sum, sizeof(sum)) != 0)
			return false;
	}
	return true;
}

/* --- bitmaps: their sums are in the descriptors --- */

static uint32_t bitmap_sum(const struct e4 *fs, const struct e4_buf *buf)
{
	uint32_t bits = buf->kind == E4_BLOCK_MAP ? fs->group_blocks : fs->group_inodes;

	return e4_sum(fs->seed, buf->data, bits / 8);
}

static void bitmap_fields(const struct e4 *fs, const struct e4_buf *buf, struct uni_ext4_group *g,
			  uint16_t **low, uint16_t **high)
{
	bool blocks = buf->kind == E4_BLOCK_MAP;

	*low = blocks ? &g->block_bitmap_csum : &g->inode_bitmap_csum;
	*high = fs->desc_size < 64 ? NULL
		: blocks	   ? &g->block_bitmap_csum_hi
				   : &g->inode_bitmap_csum_hi;
}

static bool bitmap_visit(struct e4 *fs, const struct e4_buf *buf, bool set)
{
	struct e4_buf *groups;
	struct uni_ext4_group *g;
	uint16_t *low, *high;
	uint32_t sum = bitmap_sum(fs, buf);
	bool same;

	if (e4_group_get(fs, buf->owner, &groups, &g) != 0)
		return false;
	bitmap_fields(fs, buf, g, &low, &high);
	same = *low == (uint16_t)sum && (high == NULL || *high == (uint16_t)(sum >> 16));
	if (set) {
		*low = (uint16_t)sum;
		if (high != NULL)
			*high = (uint16_t)(sum >> 16);
	}
	e4_buf_put(fs, groups);
	return same || set;
}

/* --- the others carry theirs --- */

/* Where a block's own sum stands; 0: it is not sound. */
static uint32_t sum_place(const struct e4 *fs, const struct e4_buf *buf)
{
	struct uni_ext4_dx_count count;
	struct uni_ext4_extent_header head;
	struct uni_ext4_entry_tail tail;
	uint32_t at;

	switch ((enum e4_kind)buf->kind) {
	case E4_EXTENTS:
		memcpy(&head, buf->data, sizeof(head));
		at = (uint32_t)sizeof(head) + (uint32_t)head.max * 12;
		return at + 4 <= fs->block_size ? at : 0;
	case E4_LEAF:
		at = fs->block_size - (uint32_t)sizeof(tail);
		memcpy(&tail, buf->data + at, sizeof(tail));
		return tail.inode == 0 && tail.rec_len == sizeof(tail) && tail.name_len == 0 &&
				       tail.type == UNI_EXT4_FT_TAIL
			       ? at + 8
			       : 0;
	case E4_INDEX:
		/* In the first block behind "." and "..", in the others behind an empty entry. */
		at = buf->data[4] == 12 && buf->data[5] == 0 ? 32 : 8;
		memcpy(&count, buf->data + at, sizeof(count));
		if (count.limit > (fs->block_size - at - 8) / 8 || count.count > count.limit)
			return 0;
		return at + count.limit * 8u + 4;
	case E4_XATTR:
		return offsetof(struct uni_ext4_xattr_header, checksum);
	case E4_SUPER:
		return UNI_EXT4_SUPER_AT % fs->block_size +
		       (uint32_t)offsetof(struct uni_ext4_super, checksum);
	case E4_PLAIN:
	case E4_GROUPS:
	case E4_BLOCK_MAP:
	case E4_INODE_MAP:
	case E4_DIR:
	default:
		return 0;
	}
}

static uint32_t own_sum(const struct e4 *fs, const struct e4_buf *buf, uint32_t place)
{
	static const uint32_t none[2];
	struct uni_ext4_dx_count count;
	uint32_t sum, at;

	switch ((enum e4_kind)buf->kind) {
	case E4_EXTENTS:
		return e4_sum(buf->owner, buf->data, place);
	case E4_LEAF:
		return e4_sum(buf->owner, buf->data, place - 8);
	case E4_INDEX:
		at = buf->data[4] == 12 && buf->data[5] == 0 ? 32 : 8;
		memcpy(&count, buf->data + at, sizeof(count));
		sum = e4_sum(buf->owner, buf->data, at + count.count * 8u);
		sum = e4_sum(sum, buf->data + place - 4, 4);
		return e4_sum(sum, none, 4);
	case E4_XATTR:
		sum = e4_sum(fs->seed, &buf->block, sizeof(buf->block));
		sum = e4_sum(sum, buf->data, place);
		sum = e4_sum(sum, none, 4);
		return e4_sum(sum, buf->data + place + 4, fs->block_size - place - 4);
	case E4_SUPER:
		return e4_sum(UINT32_MAX, buf->data + UNI_EXT4_SUPER_AT % fs->block_size,
			      offsetof(struct uni_ext4_super, checksum));
	case E4_PLAIN:
	case E4_GROUPS:
	case E4_BLOCK_MAP:
	case E4_INODE_MAP:
	case E4_DIR:
	default:
		return 0;
	}
}

void e4_buf_sum(struct e4 *fs, struct e4_buf *buf)
{
	uint32_t place, sum;

	if (buf->kind == E4_GROUPS) {
		if (fs->sums || fs->old_sums)
			(void)groups_visit(fs, buf->data, buf->owner, true);
		return;
	}
	if (!fs->sums || buf->kind == E4_PLAIN)
		return;
	if (buf->kind == E4_BLOCK_MAP || buf->kind == E4_INODE_MAP) {
		(void)bitmap_visit(fs, buf, true);
		return;
	}
	place = sum_place(fs, buf);
	if (place == 0)
		return;
	sum = own_sum(fs, buf, place);
	memcpy(buf->data + place, &sum, sizeof(sum));
}

bool e4_buf_sound(struct e4 *fs, const struct e4_buf *buf)
{
	uint32_t place, sum;

	if (buf->kind == E4_GROUPS)
		return !(fs->sums || fs->old_sums) ||
		       groups_visit(fs, buf->data, buf->owner, false);
	if (!fs->sums || buf->kind == E4_PLAIN)
		return true;
	if (buf->kind == E4_BLOCK_MAP || buf->kind == E4_INODE_MAP)
		return bitmap_visit(fs, buf, false);
	place = sum_place(fs, buf);
	if (place == 0)
		return false;
	sum = own_sum(fs, buf, place);
	return memcmp(buf->data + place, &sum, sizeof(sum)) == 0;
}
