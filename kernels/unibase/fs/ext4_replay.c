/*
 * Replay of the journal at mount: what was committed and may not have reached its place goes there.
 * First the whole log is read to find its end (a transaction counts when its commit block is there
 * and its checksums are right) and what was revoked, then blocks are written.
 */
#include <uk/log.h>

#include "ext4.h"

enum { REVOKES_MAX = 1 << 18, TAG_UUID = 16 };

struct revoke {
	uint64_t block;
	uint32_t sequence; /* of the transaction that revoked it */
};

struct replay {
	struct e4 *fs;
	struct e4_journal *j;
	uint32_t at, sequence;
	uint32_t end; /* sequence behind the last whole transaction; 0: not known yet */
	uint32_t incompat, compat;
	bool write;
	uint8_t *block, *data;
	struct revoke *revokes;
	uint32_t revoke_count, revoke_room, written;
};

static uint32_t be32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

static uint32_t next_of(const struct replay *r, uint32_t at)
{
	return at + 1 == r->j->blocks ? r->j->first : at + 1;
}

static int read_log(struct replay *r, uint32_t at, uint8_t *to)
{
	uint64_t block = e4_journal_block(r->j, at);

	if (block == 0)
		return e4_bad(r->fs, "the journal's place");
	return e4_read(r->fs, block << r->fs->block_bits, to, r->fs->block_size);
}

static bool v3(const struct replay *r)
{
	return (r->incompat & UNI_JBD2_INCOMPAT_CSUM_V3) != 0;
}

static bool summed(const struct replay *r)
{
	return (r->incompat & (UNI_JBD2_INCOMPAT_CSUM_V2 | UNI_JBD2_INCOMPAT_CSUM_V3)) != 0;
}

/* Over the block with the field at `at` as zero. */
static bool block_sum_right(const struct replay *r, const uint8_t *block, uint32_t at)
{
	static const uint32_t none;
	uint32_t sum = e4_sum(r->j->seed, block, at);

	sum = e4_sum(sum, &none, sizeof(none));
	sum = e4_sum(sum, block + at + 4, r->fs->block_size - at - 4);
	return be32(block + at) == sum;
}

static bool data_sum_right(const struct replay *r, uint32_t sum, const uint8_t *data)
{
	uint32_t sequence = __builtin_bswap32(r->sequence), own;

	own = e4_sum(r->j->seed, &sequence, sizeof(sequence));
	own = e4_sum(own, data, r->fs->block_size);
	return v3(r) ? sum == own : (uint16_t)sum == (uint16_t)own;
}

static bool is_revoked(const struct replay *r, uint64_t block)
{
	for (uint32_t i = 0; i < r->revoke_count; i++)
		if (r->revokes[i].block == block &&
		    (int32_t)(r->revokes[i].sequence - r->sequence) >= 0)
			return true;
	return false;
}

struct tag {
	uint64_t block;
	uint32_t flags, sum, size;
};

static struct tag read_tag(const struct replay *r, const uint8_t *at)
{
	bool wide = (r->incompat & UNI_JBD2_INCOMPAT_64BIT) != 0;
	struct tag tag = { .block = be32(at) };

	if (v3(r)) {
		tag.flags = be32(at + 4);
		tag.block |= wide ? (uint64_t)be32(at + 8) << 32 : 0;
		tag.sum = be32(at + 12);
		tag.size = 16;
	} else {
		tag.sum = be32(at + 4) >> 16;
		tag.flags = be32(at + 4) & 0xffff;
		tag.block |= wide ? (uint64_t)be32(at + 8) << 32 : 0;
		tag.size = wide ? 12 : 8;
	}
	if ((tag.flags & UNI_JBD2_SAME_UUID) == 0)
		tag.size += TAG_UUID;
	return tag;
}

/* A block of the transaction, which stands at r->at. 1: it is not what was committed. */
static int take_block(struct replay *r, const struct tag *tag)
{
	int error = read_log(r, r->at, r->data);

	if (error != 0)
		return error;
	if (summed(r) && !data_sum_right(r, tag->sum, r->data))
		return 1;
	if (!r->write || is_revoked(r, tag->block))
		return 0;
	if (tag->block >= r->fs->blocks)
		return e4_bad(r->fs, "the journal has a block of no volume");
	if ((tag->flags & UNI_JBD2_ESCAPED) != 0) {
		uint32_t magic = __builtin_bswap32(UNI_JBD2_MAGIC);

		memcpy(r->data, &magic, sizeof(magic));
	}
	r->written++;
	return e4_write(r->fs, tag->block << r->fs->block_bits, r->data, r->fs->block_size);
}

static int take_descriptor(struct replay *r)
{
	uint32_t room = r->fs->block_size - (summed(r) ? 4u : 0u), offset = 12;
	struct tag tag;

	if (summed(r) && !block_sum_right(r, r->block, room))
		return 1;
	do {
		int result;

		if (offset + 16 > room)
			return 1;
		tag = read_tag(r, r->block + offset);
		offset += tag.size;
		r->at = next_of(r, r->at);
		result = take_block(r, &tag);
		if (result != 0)
			return result;
	} while ((tag.flags & UNI_JBD2_LAST) == 0);
	return 0;
}

static int add_revoke(struct replay *r, uint64_t block)
{
	if (r->revoke_count == r->revoke_room) {
		uint32_t room = UK_MAX(r->revoke_room * 2, 256u);
		struct revoke *more;

		if (room > REVOKES_MAX)
			return e4_bad(r->fs, "the journal revokes too much");
		more = uk_realloc(r->revokes, room * sizeof(*more));
		if (more == NULL)
			return -UK_ENOMEM;
		r->revokes = more;
		r->revoke_room = room;
	}
	r->revokes[r->revoke_count++] = (struct revoke){ block, r->sequence };
	return 0;
}

static int take_revoke(struct replay *r)
{
	uint32_t room = r->fs->block_size - (summed(r) ? 4u : 0u), used = be32(r->block + 12);
	uint32_t size = (r->incompat & UNI_JBD2_INCOMPAT_64BIT) != 0 ? 8 : 4;

	if (used > room || (summed(r) && !block_sum_right(r, r->block, room)))
		return 1;
	for (uint32_t at = 16; at + size <= used && !r->write; at += size) {
		uint64_t block = be32(r->block + at);
		int error;

		if (size == 8)
			block = block << 32 | be32(r->block + at + 4);
		error = add_revoke(r, block);
		if (error != 0)
			return error;
	}
	return 0;
}

/* One transaction. 1: it is not whole, the log ends before it. */
static int take_transaction(struct replay *r)
{
	for (uint32_t steps = 0; steps < r->j->blocks; steps++) {
		int result = read_log(r, r->at, r->block);

		if (result != 0)
			return result;
		if (be32(r->block) != UNI_JBD2_MAGIC || be32(r->block + 8) != r->sequence)
			return 1;
		switch (be32(r->block + 4)) {
		case UNI_JBD2_DESCRIPTOR:
			result = take_descriptor(r);
			break;
		case UNI_JBD2_REVOKE:
			result = take_revoke(r);
			break;
		case UNI_JBD2_COMMIT:
			if (summed(r) &&
			    !block_sum_right(r, r->block,
					     offsetof(struct uni_jbd2_commit, checksum)))
				return 1;
			r->at = next_of(r, r->at);
			r->sequence++;
			return 0;
		default:
			return 1;
		}
		if (result != 0)
			return result;
		r->at = next_of(r, r->at);
	}
	return 1;
}

static int pass(struct replay *r, bool write)
{
	const struct uni_jbd2_super *s = (const struct uni_jbd2_super *)(void *)r->j->super;
	uint32_t count = 0;
	int result = 0;

	r->write = write;
	r->at = __builtin_bswap32(s->start);
	r->sequence = __builtin_bswap32(s->sequence);
	while (result == 0 && (!write || r->sequence != r->end) && count++ < r->j->blocks)
		result = take_transaction(r);
	if (!write)
		r->end = r->sequence;
	return result == 1 && !write ? 0 : result;
}

static int replay(struct replay *r)
{
	int result;

	r->block = uk_alloc(r->fs->block_size);
	r->data = uk_alloc(r->fs->block_size);
	if (r->block == NULL || r->data == NULL)
		return -UK_ENOMEM;
	result = pass(r, false);
	if (result == 0)
		result = pass(r, true);
	if (result == 1)
		result = e4_bad(r->fs, "the journal changed while it was read");
	if (result == 0)
		result = e4_flush(r->fs);
	return result;
}

int e4_journal_replay(struct e4 *fs)
{
	struct e4_journal *j = &fs->journal;
	const struct uni_jbd2_super *s = (const struct uni_jbd2_super *)(void *)j->super;
	struct replay r = { .fs = fs,
			    .j = j,
			    .incompat = __builtin_bswap32(s->feature_incompat),
			    .compat = __builtin_bswap32(s->feature_compat) };
	int error = 0;

	if (s->start != 0) {
		error = replay(&r);
		uk_free(r.block);
		uk_free(r.data);
		uk_free(r.revokes);
		if (error != 0)
			return error;
		if (r.written != 0)
			uk_log(UK_LOG_NOTICE, "ext4 %s: %u blocks out of the journal", fs->name,
			       r.written);
		j->sequence = r.end;
	}
	j->sequence++;
	j->head = j->first;
	j->free = j->blocks - j->first;
	return 0;
}
