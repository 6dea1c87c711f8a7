/*
 * Transactions. What changes in metadata gathers in the running transaction. A commit writes it to
 * the journal as a whole: descriptors and blocks, a flush (which also covers the data of files that
 * were written before), the commit block, a flush. The blocks stay in memory until a checkpoint
 * writes them to their places and empties the log; that happens when the log's room runs out.
 *
 * The log always has room for the running transaction: e4_begin makes some before a change starts,
 * so a commit cannot fail for want of it. Freed blocks are not given out again before the commit
 * that frees them, and those that the log may hold as metadata not before they are home: so nothing
 * is ever revoked.
 */
#include <uk/log.h>

#include "ext4.h"

static uint32_t be32(uint32_t value)
{
	return __builtin_bswap32(value);
}

int e4_fail(struct e4 *fs, int error)
{
	if (!fs->failed)
		uk_log(UK_LOG_ERROR, "ext4 %s: error %d, no more is written to it", fs->name,
		       -error);
	fs->failed = true;
	fs->super->read_only = true;
	return error;
}

static uint32_t tags_per_block(const struct e4 *fs)
{
	return (fs->block_size - 12 - 4 - 16) / (uint32_t)sizeof(struct uni_jbd2_tag3);
}

/* Blocks of the log that `count` changed ones take. */
static uint32_t log_need(const struct e4 *fs, uint32_t count)
{
	return count + (count + tags_per_block(fs) - 1) / tags_per_block(fs) + 2;
}

struct commit {
	struct e4 *fs;
	struct e4_batch batch;
	struct uk_list own; /* descriptors, and blocks that had to be escaped, by `lru` */
	struct uk_list *next_own;
	uint32_t at;
};

/* As many blocks as will be wanted, before the first of them is on its way. */
static int own_make(struct commit *c, uint32_t count)
{
	uk_list_init(&c->own);
	for (; count != 0; count--) {
		struct e4_buf *buf = e4_buf_room(c->fs);

		if (buf == NULL)
			return -UK_ENOMEM;
		uk_list_push_back(&c->own, &buf->lru);
	}
	c->next_own = c->own.next;
	return 0;
}

static void own_drop(struct commit *c)
{
	while (!uk_list_empty(&c->own)) {
		struct e4_buf *buf = uk_list_first(&c->own, struct e4_buf, lru);

		uk_list_remove(&buf->lru);
		e4_buf_drop(c->fs, buf);
	}
}

static uint8_t *own_block(struct commit *c)
{
	struct e4_buf *buf = uk_list_entry(c->next_own, struct e4_buf, lru);

	c->next_own = c->next_own->next;
	return buf->data;
}

static uint32_t next_of(const struct e4_journal *j, uint32_t at)
{
	return at + 1 == j->blocks ? j->first : at + 1;
}

static void log_add(struct commit *c, uint8_t *data)
{
	struct e4 *fs = c->fs;

	e4_batch_add(&c->batch, e4_journal_block(&fs->journal, c->at) << fs->block_bits, data,
		     fs->block_size);
	c->at = next_of(&fs->journal, c->at);
}

static bool needs_escape(const struct e4_buf *buf)
{
	uint32_t magic = be32(UNI_JBD2_MAGIC);

	return memcmp(buf->data, &magic, sizeof(magic)) == 0;
}

static void put_header(const struct e4 *fs, uint8_t *block, uint32_t type)
{
	const struct uni_jbd2_header h = { be32(UNI_JBD2_MAGIC), be32(type),
					   be32(fs->journal.sequence) };

	memcpy(block, &h, sizeof(h));
}

static struct uni_jbd2_tag3 make_tag(const struct e4 *fs, const struct e4_buf *buf,
				     const uint8_t *data, bool first, bool last)
{
	uint32_t sequence = be32(fs->journal.sequence), flags = 0, sum;

	sum = e4_sum(fs->journal.seed, &sequence, sizeof(sequence));
	sum = e4_sum(sum, data, fs->block_size);
	flags |= first ? 0 : UNI_JBD2_SAME_UUID;
	flags |= last ? UNI_JBD2_LAST : 0;
	flags |= data != buf->data ? UNI_JBD2_ESCAPED : 0;
	return (struct uni_jbd2_tag3){ be32((uint32_t)buf->block), be32(flags),
				       be32((uint32_t)(buf->block >> 32)), be32(sum) };
}

/* The bytes of a block as the log has them: without the magic that the log's own blocks start with.
 */
static uint8_t *logged_data(struct commit *c, struct e4_buf *buf)
{
	uint8_t *data = buf->data;

	if (needs_escape(buf)) {
		data = own_block(c);
		memcpy(data, buf->data, c->fs->block_size);
		memset(data, 0, sizeof(uint32_t));
	}
	return data;
}

/* Whole before any of it is on its way: requests go out as they fill. */
static void fill_descriptor(struct commit *c, uint8_t *block, struct uk_list *item, uint32_t count)
{
	const struct uni_jbd2_super *s =
		(const struct uni_jbd2_super *)(void *)c->fs->journal.super;
	struct e4 *fs = c->fs;
	uint32_t at = sizeof(struct uni_jbd2_header), sum;

	put_header(fs, block, UNI_JBD2_DESCRIPTOR);
	for (uint32_t i = 0; i < count; i++, item = item->next) {
		struct e4_buf *buf = uk_list_entry(item, struct e4_buf, txn);
		struct uni_jbd2_tag3 tag =
			make_tag(fs, buf, logged_data(c, buf), i == 0, i == count - 1);

		memcpy(block + at, &tag, sizeof(tag));
		at += sizeof(tag);
		if (i == 0) {
			memcpy(block + at, s->uuid, sizeof(s->uuid));
			at += sizeof(s->uuid);
		}
	}
	sum = be32(e4_sum(fs->journal.seed, block, fs->block_size));
	memcpy(block + fs->block_size - 4, &sum, sizeof(sum));
}

/* One descriptor and its blocks; *item moves behind the last. */
static void log_group(struct commit *c, struct uk_list **item, uint32_t count)
{
	uint8_t *block = own_block(c);
	struct uk_list *escaped = c->next_own;

	fill_descriptor(c, block, *item, count);
	log_add(c, block);
	c->next_own = escaped;
	for (uint32_t i = 0; i < count; i++, *item = (*item)->next) {
		struct e4_buf *buf = uk_list_entry(*item, struct e4_buf, txn);

		log_add(c, needs_escape(buf) ? own_block(c) : buf->data);
	}
}

static void log_blocks(struct commit *c)
{
	struct e4 *fs = c->fs;
	struct uk_list *item = fs->txn.next;
	uint32_t left = fs->txn_count;

	while (left != 0) {
		uint32_t count = UK_MIN(left, tags_per_block(fs));

		log_group(c, &item, count);
		left -= count;
	}
}

/* Everything of the transaction is on the disk before `block` is, by which it counts. */
static int log_commit(struct e4 *fs, uint32_t at, uint8_t *block)
{
	struct uni_jbd2_commit commit = { .seconds = 0 };
	uint64_t now = (uint64_t)uk_time_real();
	uint32_t sum;
	int error;

	commit.seconds = __builtin_bswap64(now / 1000000000);
	commit.nanoseconds = be32((uint32_t)(now % 1000000000));
	memcpy(block, &commit, sizeof(commit));
	put_header(fs, block, UNI_JBD2_COMMIT);
	sum = be32(e4_sum(fs->journal.seed, block, fs->block_size));
	memcpy(block + offsetof(struct uni_jbd2_commit, checksum), &sum, sizeof(sum));
	error = e4_flush(fs);
	if (error == 0)
		error = e4_write(fs, e4_journal_block(&fs->journal, at) << fs->block_bits, block,
				 fs->block_size);
	return error != 0 ? error : e4_flush(fs);
}

/* Bitmaps before descriptors, which hold their sums; the superblock's totals before all. */
static void sum_blocks(struct e4 *fs)
{
	for (unsigned bitmaps = 0; bitmaps < 2; bitmaps++)
		uk_list_each (item, &fs->txn) {
			struct e4_buf *buf = uk_list_entry(item, struct e4_buf, txn);
			bool is_map = buf->kind == E4_BLOCK_MAP || buf->kind == E4_INODE_MAP;

			if (is_map == (bitmaps == 0))
				e4_buf_sum(fs, buf);
		}
}

static void update_super(struct e4 *fs)
{
	fs->disk->free_blocks_count = (uint32_t)fs->free_blocks;
	if ((fs->incompat & UNI_EXT4_64BIT) != 0)
		fs->disk->free_blocks_count_hi = (uint32_t)(fs->free_blocks >> 32);
	fs->disk->free_inodes_count = fs->free_inodes;
	fs->disk->wtime = (uint32_t)(uk_time_real() / 1000000000);
	e4_buf_dirty(fs, fs->super_buf);
}

static int write_log(struct e4 *fs)
{
	struct commit c = { .fs = fs, .at = fs->journal.head };
	uint32_t own;
	int error;

	/* The log was empty: from now on it starts here. */
	if (fs->journal.free == fs->journal.blocks - fs->journal.first) {
		error = e4_journal_super(fs, fs->journal.head);
		if (error != 0)
			return error;
	}
	own = log_need(fs, fs->txn_count) - fs->txn_count;
	uk_list_each (item, &fs->txn)
		own += needs_escape(uk_list_entry(item, struct e4_buf, txn));
	error = own_make(&c, own);
	if (error == 0) {
		e4_batch_begin(&c.batch, fs, UK_BLOCK_WRITE);
		log_blocks(&c);
		error = e4_batch_end(&c.batch);
	}
	if (error == 0)
		error = log_commit(fs, c.at, own_block(&c));
	own_drop(&c);
	if (error == 0) {
		fs->journal.head = next_of(&fs->journal, c.at);
		fs->journal.free -= log_need(fs, fs->txn_count) - 1;
		fs->journal.sequence++;
	}
	return error;
}

/* To their places, from one of the lists. */
static int write_home(struct e4 *fs, bool committed)
{
	struct uk_list *list = committed ? &fs->home : &fs->txn;
	struct e4_batch batch;
	int error;

	e4_batch_begin(&batch, fs, UK_BLOCK_WRITE);
	uk_list_each (item, list) {
		struct e4_buf *buf = committed ? uk_list_entry(item, struct e4_buf, home)
					       : uk_list_entry(item, struct e4_buf, txn);

		e4_batch_add(&batch, buf->block << fs->block_bits, buf->data, fs->block_size);
	}
	error = e4_batch_end(&batch);
	return error != 0 ? error : e4_flush(fs);
}

static void release_buf(struct e4 *fs, struct e4_buf *buf)
{
	if (buf->refs == 0 && !buf->dirty && !buf->due)
		uk_list_push_back(&fs->lru, &buf->lru);
}

static void transaction_done(struct e4 *fs, bool due)
{
	while (!uk_list_empty(&fs->txn)) {
		struct e4_buf *buf = uk_list_first(&fs->txn, struct e4_buf, txn);

		uk_list_remove(&buf->txn);
		buf->dirty = false;
		if (due && !buf->due) {
			buf->due = true;
			uk_list_push_back(&fs->home, &buf->home);
			fs->home_count++;
		}
		release_buf(fs, buf);
	}
	fs->txn_count = 0;
	fs->tid++;
}

int e4_commit(struct e4 *fs)
{
	int error;

	if (fs->failed)
		return -UK_EIO;
	if (fs->txn_count == 0)
		return e4_flush(fs);
	update_super(fs);
	sum_blocks(fs);
	error = fs->journaled ? write_log(fs) : write_home(fs, false);
	if (error != 0)
		return e4_fail(fs, error);
	transaction_done(fs, fs->journaled);
	e4_freed_drop(fs, !fs->journaled);
	return 0;
}

int e4_checkpoint(struct e4 *fs)
{
	int error = e4_commit(fs);

	if (error != 0 || !fs->journaled || fs->home_count == 0)
		return error;
	error = write_home(fs, true);
	if (error == 0)
		error = e4_journal_super(fs, 0);
	if (error == 0)
		error = e4_flush(fs);
	if (error != 0)
		return e4_fail(fs, error);
	while (!uk_list_empty(&fs->home)) {
		struct e4_buf *buf = uk_list_first(&fs->home, struct e4_buf, home);

		uk_list_remove(&buf->home);
		buf->due = false;
		release_buf(fs, buf);
	}
	fs->home_count = 0;
	fs->journal.head = fs->journal.first;
	fs->journal.free = fs->journal.blocks - fs->journal.first;
	e4_freed_drop(fs, true);
	return 0;
}

/* What is in memory of metadata that is not home must stay small as well. */
static bool room_for(const struct e4 *fs, unsigned credits)
{
	if (fs->freed_count + E4_OP_FREED > E4_FREED_MAX ||
	    fs->txn_count + fs->home_count + credits > fs->buf_max)
		return false;
	return !fs->journaled || log_need(fs, fs->txn_count + credits + 1) + 1 < fs->journal.free;
}

int e4_begin(struct e4 *fs, unsigned credits)
{
	int error = 0;

	if (fs->freezing)
		uk_wait_event(&fs->thawed, !fs->freezing || fs->releasing != 0, UK_FOREVER, false);
	uk_mutex_lock(&fs->lock);
	if (fs->failed || fs->super->read_only)
		error = -UK_EROFS;
	else if (!room_for(fs, credits))
		error = e4_checkpoint(fs);
	if (error != 0)
		uk_mutex_unlock(&fs->lock);
	return error;
}

void e4_end(struct e4 *fs)
{
	bool some = fs->txn_count != 0;

	uk_mutex_unlock(&fs->lock);
	if (some)
		e4_kick(fs);
}
