/*
 * Blocks of metadata in memory: read once, checked once, found by number. Those that differ from
 * the disk stay; of the others as many as there is room for, the last used ones.
 */
#include <uk/log.h>

#include "ext4.h"

enum { SPARES = 8 }; /* what a commit of some hundred blocks takes, and a change adds */

int e4_bad(struct e4 *fs, const char *what)
{
	uk_log(UK_LOG_ERROR, "ext4 %s: not sound: %s", fs->name, what);
	return -E4_GONE;
}

static struct uk_list *bucket_of(struct e4 *fs, uint64_t block)
{
	return &fs->buckets[(block * 0x9e3779b97f4a7c15ull) >> 56];
}
_Static_assert(E4_BUCKETS == 256, "bucket_of takes eight bits");

static struct e4_buf *find(struct e4 *fs, uint64_t block)
{
	uk_list_each (item, bucket_of(fs, block)) {
		struct e4_buf *buf = uk_list_entry(item, struct e4_buf, hash);

		if (buf->block == block)
			return buf;
	}
	return NULL;
}

static void unlist(struct e4 *fs, struct e4_buf *buf)
{
	uk_list_remove(&buf->hash);
	uk_list_remove(&buf->lru);
	uk_list_remove(&buf->txn);
	uk_list_remove(&buf->home);
	fs->buf_count--;
}

static void buf_free(struct e4 *fs, struct e4_buf *buf)
{
	unlist(fs, buf);
	e4_buf_drop(fs, buf);
}

static void trim(struct e4 *fs)
{
	while (fs->buf_count >= fs->buf_max) {
		struct e4_buf *old = uk_list_first(&fs->lru, struct e4_buf, lru);

		if (old == NULL)
			break;
		buf_free(fs, old);
	}
}

static struct e4_buf *alloc(const struct e4 *fs)
{
	struct e4_buf *buf = uk_alloc(sizeof(*buf));

	if (buf == NULL)
		return NULL;
	buf->data = uk_alloc(fs->block_size);
	if (buf->data == NULL) {
		uk_free(buf);
		return NULL;
	}
	return buf;
}

int e4_bufs_start(struct e4 *fs)
{
	while (fs->spare_count < SPARES) {
		struct e4_buf *buf = alloc(fs);

		if (buf == NULL)
			return -UK_ENOMEM;
		uk_list_push_front(&fs->spare, &buf->lru);
		fs->spare_count++;
	}
	return 0;
}

/* Without memory: as new. */
static struct e4_buf *used_one(struct e4 *fs)
{
	struct e4_buf *buf = uk_list_first(&fs->spare, struct e4_buf, lru);
	uint8_t *data;

	if (buf != NULL) {
		uk_list_remove(&buf->lru);
		fs->spare_count--;
	} else {
		buf = uk_list_first(&fs->lru, struct e4_buf, lru);
		if (buf == NULL)
			return NULL;
		unlist(fs, buf);
	}
	data = buf->data;
	memset(data, 0, fs->block_size);
	*buf = (struct e4_buf){ .data = data };
	return buf;
}

struct e4_buf *e4_buf_room(struct e4 *fs)
{
	struct e4_buf *buf = alloc(fs);

	if (buf == NULL)
		buf = used_one(fs);
	if (buf != NULL)
		uk_list_init(&buf->lru);
	return buf;
}

void e4_buf_drop(struct e4 *fs, struct e4_buf *buf)
{
	if (fs->spare_count < SPARES) {
		uk_list_push_front(&fs->spare, &buf->lru);
		fs->spare_count++;
		return;
	}
	uk_free(buf->data);
	uk_free(buf);
}

/* One that is not in memory, with a reference; its bytes are zeros. */
static struct e4_buf *make(struct e4 *fs, uint64_t block)
{
	struct e4_buf *buf;

	trim(fs);
	buf = e4_buf_room(fs);
	if (buf == NULL)
		return NULL;
	buf->block = block;
	buf->refs = 1;
	uk_list_init(&buf->txn);
	uk_list_init(&buf->home);
	uk_list_push_front(bucket_of(fs, block), &buf->hash);
	fs->buf_count++;
	return buf;
}

static void hold(struct e4_buf *buf)
{
	uk_list_remove(&buf->lru);
	buf->refs++;
}

/* A block of an index starts with "." or with an empty entry over the whole of it. */
static enum e4_kind dir_kind(const struct e4 *fs, const uint8_t *data)
{
	struct uni_ext4_entry first, second;

	memcpy(&first, data, sizeof(first));
	memcpy(&second, data + 12, sizeof(second));
	if (first.inode == 0 && first.rec_len == fs->block_size)
		return E4_INDEX;
	return first.rec_len == 12 && second.rec_len == fs->block_size - 12 ? E4_INDEX : E4_LEAF;
}

int e4_buf_get(struct e4 *fs, uint64_t block, enum e4_kind kind, uint32_t owner,
	       struct e4_buf **out)
{
	struct e4_buf *buf = find(fs, block);
	int error;

	if (block == 0 && fs->first_block != 0)
		return e4_bad(fs, "a block's number is 0");
	if (block >= fs->blocks)
		return e4_bad(fs, "a block lies behind the volume's end");
	if (buf != NULL) {
		hold(buf);
	} else {
		buf = make(fs, block);
		if (buf == NULL)
			return -UK_ENOMEM;
		error = e4_read(fs, block << fs->block_bits, buf->data, fs->block_size);
		if (error != 0) {
			buf_free(fs, buf);
			return error;
		}
	}
	if (kind == E4_DIR)
		kind = buf->checked ? (enum e4_kind)buf->kind : dir_kind(fs, buf->data);
	if (buf->checked && (buf->kind != kind || buf->owner != owner)) {
		e4_buf_put(fs, buf);
		return e4_bad(fs, "a block is two things");
	}
	buf->kind = (uint8_t)kind;
	buf->owner = owner;
	if (!buf->checked && !e4_buf_sound(fs, buf)) {
		e4_buf_put(fs, buf);
		return e4_bad(fs, "a checksum of metadata");
	}
	buf->checked = true;
	*out = buf;
	return 0;
}

int e4_buf_new(struct e4 *fs, uint64_t block, enum e4_kind kind, uint32_t owner,
	       struct e4_buf **out)
{
	struct e4_buf *buf = find(fs, block);

	if (buf != NULL) {
		hold(buf);
		memset(buf->data, 0, fs->block_size);
	} else {
		buf = make(fs, block);
		if (buf == NULL)
			return -UK_ENOMEM;
	}
	buf->kind = (uint8_t)kind;
	buf->owner = owner;
	buf->checked = true;
	e4_buf_dirty(fs, buf);
	*out = buf;
	return 0;
}

void e4_buf_put(struct e4 *fs, struct e4_buf *buf)
{
	if (buf == NULL || --buf->refs != 0)
		return;
	if (!buf->checked && !buf->dirty && !buf->due)
		buf_free(fs, buf);
	else if (!buf->dirty && !buf->due)
		uk_list_push_back(&fs->lru, &buf->lru);
}

void e4_buf_dirty(struct e4 *fs, struct e4_buf *buf)
{
	if (buf->dirty)
		return;
	buf->dirty = true;
	uk_list_push_back(&fs->txn, &buf->txn);
	fs->txn_count++;
}

/* What the journal has of it must not be written to its place any more: see e4_free. */
void e4_buf_forget(struct e4 *fs, uint64_t block)
{
	struct e4_buf *buf = find(fs, block);

	if (buf == NULL)
		return;
	if (buf->dirty) {
		uk_list_remove(&buf->txn);
		buf->dirty = false;
		fs->txn_count--;
	}
	if (buf->due) {
		uk_list_remove(&buf->home);
		buf->due = false;
		fs->home_count--;
	}
	buf->checked = false;
	if (buf->refs == 0)
		buf_free(fs, buf);
}

void e4_bufs_free(struct e4 *fs)
{
	for (unsigned i = 0; i < E4_BUCKETS; i++)
		while (!uk_list_empty(&fs->buckets[i]))
			buf_free(fs, uk_list_first(&fs->buckets[i], struct e4_buf, hash));
	while (!uk_list_empty(&fs->spare)) {
		struct e4_buf *buf = uk_list_first(&fs->spare, struct e4_buf, lru);

		uk_list_remove(&buf->lru);
		uk_free(buf->data);
		uk_free(buf);
	}
}
