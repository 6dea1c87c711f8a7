/*
 * The journal (jbd2): where its log lies, its superblock. Replay is in ext4_replay.c, commits in
 * ext4_commit.c.
 */
#include <uk/log.h>

#include "ext4.h"

enum { RUNS_MAX = 4096, BLOCKS_MAX = 1 << 20 };

static uint32_t be32(uint32_t value)
{
	return __builtin_bswap32(value);
}

uint64_t e4_journal_block(const struct e4_journal *j, uint32_t at)
{
	for (unsigned i = 0; i < j->run_count; i++)
		if (at >= j->runs[i].at && at - j->runs[i].at < j->runs[i].count)
			return j->runs[i].block + (at - j->runs[i].at);
	return 0;
}

/* The whole log's place, so that a commit looks nothing up. */
static int load_runs(struct e4 *fs, struct uk_inode *inode, uint32_t blocks)
{
	struct e4_journal *j = &fs->journal;

	for (uint32_t at = 0; at < blocks;) {
		struct e4_run runs[E4_RUNS_MAX], *more;
		unsigned count = 0;
		int error = e4_map(inode, at, blocks - at, runs, &count);

		if (error != 0)
			return error;
		if (j->run_count + count > RUNS_MAX)
			return e4_bad(fs, "the journal lies in too many pieces");
		more = uk_realloc(j->runs, (j->run_count + count) * sizeof(*more));
		if (more == NULL)
			return -UK_ENOMEM;
		j->runs = more;
		for (unsigned i = 0; i < count; i++) {
			if (runs[i].block == 0 || runs[i].unwritten)
				return e4_bad(fs, "the journal has holes");
			j->runs[j->run_count++] = runs[i];
			at += runs[i].count;
		}
	}
	return 0;
}

static uint32_t super_sum(const struct uni_jbd2_super *s)
{
	const size_t at = offsetof(struct uni_jbd2_super, checksum);
	static const uint32_t none;
	uint32_t sum = e4_sum(UINT32_MAX, s, at);

	sum = e4_sum(sum, &none, sizeof(none));
	return e4_sum(sum, (const uint8_t *)s + at + 4, sizeof(*s) - at - 4);
}

static int check_super(struct e4 *fs, const struct uni_jbd2_super *s, uint64_t size)
{
	const uint32_t known = UNI_JBD2_INCOMPAT_REVOKE | UNI_JBD2_INCOMPAT_64BIT |
			       UNI_JBD2_INCOMPAT_ASYNC | UNI_JBD2_INCOMPAT_CSUM_V2 |
			       UNI_JBD2_INCOMPAT_CSUM_V3;
	struct e4_journal *j = &fs->journal;
	uint32_t incompat = be32(s->feature_incompat);

	if (be32(s->header.magic) != UNI_JBD2_MAGIC || be32(s->header.type) != UNI_JBD2_SUPER_V2 ||
	    be32(s->block_size) != fs->block_size)
		return e4_bad(fs, "the journal's superblock");
	if ((incompat & ~known) != 0) {
		uk_log(UK_LOG_ERROR, "ext4 %s: a journal with features 0x%x", fs->name, incompat);
		return -UK_EOPNOTSUPP;
	}
	j->first = be32(s->first);
	j->blocks = be32(s->blocks);
	if (j->first == 0 || j->first >= j->blocks || j->blocks > BLOCKS_MAX ||
	    j->blocks > size >> fs->block_bits || j->blocks - j->first < 256 ||
	    be32(s->start) >= j->blocks)
		return e4_bad(fs, "the journal's size");
	j->checksums = (incompat & (UNI_JBD2_INCOMPAT_CSUM_V2 | UNI_JBD2_INCOMPAT_CSUM_V3)) != 0;
	if (j->checksums && s->checksum != be32(super_sum(s)))
		return e4_bad(fs, "the checksum of the journal's superblock");
	j->wide = (incompat & UNI_JBD2_INCOMPAT_64BIT) != 0;
	j->seed = e4_sum(UINT32_MAX, s->uuid, sizeof(s->uuid));
	j->sequence = be32(s->sequence);
	return 0;
}

int e4_journal_open(struct e4 *fs)
{
	struct e4_journal *j = &fs->journal;
	struct uk_inode *inode;
	int error = e4_inode_get(fs, fs->disk->journal_inum, &inode);

	if (error != 0)
		return error;
	j->super = uk_alloc(UK_MAX(fs->block_size, (uint32_t)sizeof(struct uni_jbd2_super)));
	error = j->super != NULL ? load_runs(fs, inode, 1) : -UK_ENOMEM;
	if (error == 0)
		error = e4_read(fs, j->runs[0].block << fs->block_bits, j->super, fs->block_size);
	if (error == 0)
		error = check_super(fs, (const struct uni_jbd2_super *)(void *)j->super,
				    inode->size);
	j->run_count = 0;
	if (error == 0)
		error = load_runs(fs, inode, j->blocks);
	uk_inode_put(inode);
	return error;
}

/* From the first commit of ours on the log has our form: checksums for every block. */
int e4_journal_super(struct e4 *fs, uint32_t start)
{
	struct e4_journal *j = &fs->journal;
	struct uni_jbd2_super *s = (struct uni_jbd2_super *)(void *)j->super;

	s->start = be32(start);
	s->sequence = be32(j->sequence);
	if (start != 0) {
		uint32_t incompat = be32(s->feature_incompat);

		incompat &= ~(uint32_t)(UNI_JBD2_INCOMPAT_CSUM_V2 | UNI_JBD2_INCOMPAT_ASYNC);
		incompat |= UNI_JBD2_INCOMPAT_CSUM_V3 | UNI_JBD2_INCOMPAT_64BIT;
		s->feature_incompat = be32(incompat);
		s->feature_compat = 0;
		s->checksum_type = 4; /* CRC-32C, as the journal counts types */
		j->checksums = j->wide = true;
	}
	s->checksum = j->checksums ? be32(super_sum(s)) : 0;
	return e4_write(fs, e4_journal_block(j, 0) << fs->block_bits, j->super, fs->block_size);
}
