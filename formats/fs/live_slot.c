/*
 * Writing a slot by difference. The digests of what it holds are in its hash tree, those of what
 * can be kept in the other slot's: so a block that does not change is neither read nor written, and
 * one that is written is written because its digest differs.
 *
 * Digests of both slots are held in memory: 1.6% of a slot's size.
 */
#include "live.h"

#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/io/hashtree.h>

enum { BLOCK = UNI_LIVE_BLOCK, DIGEST = UNI_VERITY_DIGEST, PIECE = 1 << 20 };
#define TREE_MAX (UINT64_C(1) << 30)

/* A slot's hash tree, as it lies behind its data. */
struct region {
	struct uni_hashtree_shape shape; /* offsets from the region's start */
	uint8_t *data;
	uint8_t *leaves; /* in data, or of a tree of one block its root */
};

struct run {
	uint64_t first; /* in blocks of the slot */
	uint64_t count;
};

struct live_slot {
	const struct live_io *io;
	struct uni_live_super next;
	struct uni_live_super kept_super;
	struct uni_hash salted;
	struct region made; /* first what is there, then block by block what is made */
	struct region kept; /* data NULL: nothing can be kept */
	uint8_t zero[DIGEST];
	uint64_t at; /* blocks behind which nothing was said yet */
	struct run *runs;
	size_t run_count, run_room;
	struct uni_live_made count;
	uint8_t *piece;
};

uint64_t live_data_blocks(uint64_t slot_size)
{
	uint64_t blocks = slot_size / BLOCK;
	uint64_t tree = 0;
	struct uni_err err = UNI_ERR_INIT;

	while (blocks > 1 &&
	       (uni_hashtree_size(blocks, &tree, &err) != 0 || blocks * BLOCK + tree > slot_size))
		blocks -= (blocks * BLOCK + tree - slot_size + BLOCK - 1) / BLOCK;
	return blocks;
}

static void hash_block(const struct live_slot *s, const void *data, uint8_t out[DIGEST])
{
	struct uni_hash hash = s->salted;
	struct uni_digest digest;

	uni_hash_add(&hash, data, BLOCK);
	digest = uni_hash_end(&hash);
	memcpy(out, digest.bytes, DIGEST);
}

static int region_new(struct region *r, uint64_t data_blocks, struct uni_err *err)
{
	int rc = uni_hashtree_shape_of(data_blocks, 0, &r->shape, err);

	if (rc != 0)
		return rc;
	r->data = uni_try_alloc(r->shape.size + DIGEST, TREE_MAX, "hash tree", err);
	if (r->data == NULL)
		return err->code;
	memset(r->data, 0, r->shape.size + DIGEST);
	/* A single block has no tree: its digest is the root, kept behind the superblock. */
	r->leaves = r->shape.levels != 0 ? r->data + r->shape.level[0].offset : r->data + BLOCK;
	return 0;
}

/* Makes the levels above the leaves, or compares them with what is there. False: it differs. */
static bool fill_levels(const struct live_slot *s, struct region *r, bool check,
			uint8_t root[DIGEST])
{
	uint8_t digest[DIGEST];

	for (unsigned level = 1; level < r->shape.levels; level++) {
		const uint8_t *from = r->data + r->shape.level[level - 1].offset;
		uint8_t *to = r->data + r->shape.level[level].offset;

		for (uint64_t i = 0; i < r->shape.level[level - 1].blocks; i++) {
			hash_block(s, from + i * BLOCK, digest);
			if (check && memcmp(to + i * DIGEST, digest, DIGEST) != 0)
				return false;
			memcpy(to + i * DIGEST, digest, DIGEST);
		}
	}
	if (r->shape.levels == 0)
		memcpy(root, r->leaves, DIGEST);
	else
		hash_block(s, r->data + r->shape.level[r->shape.levels - 1].offset, root);
	return true;
}

/* The tree of a slot, checked up to its root. */
static int region_read(const struct live_slot *s, struct region *r, int fd, const char *name,
		       const struct uni_live_super *super, struct uni_err *err)
{
	uint8_t root[DIGEST];
	int rc = region_new(r, super->data_blocks, err);

	if (rc == 0)
		rc = uni_pread_full(fd, r->data, r->shape.size,
				    super->slot_offset + super->hash_offset, name, err);
	if (rc != 0)
		return rc;
	if (r->shape.levels == 0)
		memcpy(r->leaves, super->root_hash, DIGEST);
	if (!fill_levels(s, r, true, root) || memcmp(root, super->root_hash, DIGEST) != 0)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: the hash tree of generation %llu is damaged", name,
				   (unsigned long long)super->generation);
	return 0;
}

/* The digests of what lies in a slot of which nothing is known. */
static int region_hash(const struct live_slot *s, struct region *r, struct uni_err *err)
{
	uint64_t end = s->next.data_blocks * BLOCK;
	uint64_t offset = s->next.slot_offset;
	uint64_t length = 0;
	int rc = region_new(r, s->next.data_blocks, err);

	for (uint64_t i = 0; rc == 0 && i < s->next.data_blocks; i++)
		memcpy(r->leaves + i * DIGEST, s->zero, DIGEST);
	while (rc == 0 && (rc = uni_data_next(s->io->fd, s->next.slot_offset + end, &offset,
					      &length, err)) == 1) {
		uint64_t from = (offset - s->next.slot_offset) / BLOCK * BLOCK;
		uint64_t to = offset + length - s->next.slot_offset;

		rc = uni_check_cancel(err);
		for (; rc == 0 && from < to; from += BLOCK) {
			rc = uni_pread_full(s->io->fd, s->piece, BLOCK, s->next.slot_offset + from,
					    s->io->name, err);
			if (rc == 0 && !uni_all_zero(s->piece, BLOCK))
				hash_block(s, s->piece, r->leaves + from / BLOCK * DIGEST);
		}
		offset += length;
	}
	return rc;
}

static bool same_shape(const struct uni_live_super *a, const struct uni_live_super *b)
{
	return a->slot_offset == b->slot_offset && a->data_blocks == b->data_blocks &&
	       a->hash_offset == b->hash_offset && memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

int live_slot_new(struct live_slot **out, const struct live_io *io,
		  const struct uni_live_super *next, const struct uni_live_super *there,
		  const struct uni_live_super *kept, struct uni_err *err)
{
	UNI_AUTO(live_slot) struct live_slot *s = uni_alloc(sizeof(*s));
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = -1;

	s->io = io;
	s->next = *next;
	s->piece = uni_alloc(PIECE);
	uni_hash_start(&s->salted);
	uni_hash_add(&s->salted, next->salt, next->salt_size);
	hash_block(s, s->piece, s->zero);
	if (there != NULL && same_shape(there, next))
		rc = region_read(s, &s->made, io->fd, io->name, there, &ignored);
	if (rc != 0) {
		free(s->made.data);
		rc = region_hash(s, &s->made, err);
	}
	if (rc == 0 && kept != NULL) {
		s->kept_super = *kept;
		rc = region_read(s, &s->kept, io->fd, io->name, kept, err);
	}
	if (rc != 0)
		return rc;
	*out = s;
	s = NULL;
	return 0;
}

void live_slot_free(struct live_slot *s)
{
	if (s == NULL)
		return;
	free(s->made.data);
	free(s->kept.data);
	free(s->runs);
	free(s->piece);
	free(s);
}

static void note_run(struct live_slot *s, uint64_t first, uint64_t count)
{
	if (s->run_count != 0 &&
	    s->runs[s->run_count - 1].first + s->runs[s->run_count - 1].count == first) {
		s->runs[s->run_count - 1].count += count;
		return;
	}
	UNI_PUSH_ROOM(s->runs, s->run_count, s->run_room);
	s->runs[s->run_count++] = (struct run){ first, count };
}

/* Zeros from where the last piece ended. */
static int clear_until(struct live_slot *s, uint64_t end, struct uni_err *err)
{
	while (s->at < end) {
		uint64_t first = s->at;
		uint64_t count = 0;
		int rc;

		while (first < end && memcmp(s->made.leaves + first * DIGEST, s->zero, DIGEST) == 0)
			first++;
		while (first + count < end &&
		       memcmp(s->made.leaves + (first + count) * DIGEST, s->zero, DIGEST) != 0) {
			memcpy(s->made.leaves + (first + count) * DIGEST, s->zero, DIGEST);
			count++;
		}
		rc = count != 0 ? live_zero(s->io, s->next.slot_offset + first * BLOCK,
					    count * BLOCK, err)
				: 0;
		if (rc != 0)
			return rc;
		if (count != 0)
			note_run(s, first, count);
		s->count.blocks_cleared += count;
		s->at = first + count;
	}
	return 0;
}

int live_slot_put(void *user, uint64_t at, const void *data, size_t size, struct uni_err *err)
{
	struct live_slot *s = user;
	const uint8_t *from = data;
	uint64_t first = at / BLOCK;
	uint64_t count = size / BLOCK;
	uint64_t done = 0;
	int rc = clear_until(s, first, err);

	while (rc == 0 && done < count) {
		uint64_t run = done;
		uint8_t digest[DIGEST];

		for (; run < count; run++) {
			uint8_t *leaf = s->made.leaves + (first + run) * DIGEST;

			hash_block(s, from + run * BLOCK, digest);
			if (memcmp(leaf, digest, DIGEST) == 0)
				break;
			memcpy(leaf, digest, DIGEST);
		}
		if (run != done) {
			rc = live_write(s->io, s->next.slot_offset + (first + done) * BLOCK,
					from + done * BLOCK, (size_t)(run - done) * BLOCK, err);
			note_run(s, first + done, run - done);
			s->count.blocks_written += run - done;
		}
		s->count.blocks_kept += run < count;
		done = run + 1;
	}
	s->at = first + count;
	return rc;
}

/* One block of the other slot into this one, checked on the way. */
static int copy_block(struct live_slot *s, uint64_t block, struct uni_err *err)
{
	uint8_t digest[DIGEST];
	int rc = uni_pread_full(s->io->fd, s->piece, BLOCK,
				s->kept_super.slot_offset + block * BLOCK, s->io->name, err);

	if (rc != 0)
		return rc;
	hash_block(s, s->piece, digest);
	if (memcmp(digest, s->kept.leaves + block * DIGEST, DIGEST) != 0)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: block %llu of generation %llu is damaged", s->io->name,
				   (unsigned long long)block,
				   (unsigned long long)s->kept_super.generation);
	memcpy(s->made.leaves + block * DIGEST, digest, DIGEST);
	note_run(s, block, 1);
	s->count.blocks_written++;
	return live_write(s->io, s->next.slot_offset + block * BLOCK, s->piece, BLOCK, err);
}

int live_slot_keep(void *user, uint64_t at, uint64_t size, struct uni_err *err)
{
	struct live_slot *s = user;
	uint64_t block = at / BLOCK;
	uint64_t end = (at + size) / BLOCK;
	int rc = clear_until(s, block, err);

	/* What an image before says twice is kept once. */
	if (block < s->at)
		block = s->at;
	for (; rc == 0 && block < end; block++) {
		if (memcmp(s->made.leaves + block * DIGEST, s->kept.leaves + block * DIGEST,
			   DIGEST) != 0)
			rc = copy_block(s, block, err);
		else
			s->count.blocks_kept++;
	}
	if (end > s->at)
		s->at = end;
	return rc;
}

/* The tree, block by block, where it differs from what lies there. */
static int write_region(struct live_slot *s, struct uni_err *err)
{
	uint64_t start = s->next.slot_offset + s->next.hash_offset;
	uint64_t first = s->next.hash_offset / BLOCK;
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < s->made.shape.size; at += PIECE) {
		uint64_t left = s->made.shape.size - at;
		size_t part = left < PIECE ? (size_t)left : PIECE;

		rc = uni_pread_full(s->io->fd, s->piece, part, start + at, s->io->name, err);
		for (size_t i = 0; rc == 0 && i < part; i += BLOCK) {
			if (memcmp(s->piece + i, s->made.data + at + i, BLOCK) == 0)
				continue;
			rc = live_write(s->io, start + at + i, s->made.data + at + i, BLOCK, err);
			note_run(s, first + (at + i) / BLOCK, 1);
			s->count.blocks_written++;
			s->count.tree_written++;
		}
	}
	return rc;
}

int live_slot_end(struct live_slot *s, uint8_t root[32], struct uni_live_made *made,
		  struct uni_err *err)
{
	struct uni_hashtree tree = { .data_blocks = s->next.data_blocks,
				     .salt_size = s->next.salt_size };
	int rc = clear_until(s, s->next.data_blocks, err);

	if (rc != 0)
		return rc;
	memcpy(tree.salt, s->next.salt, s->next.salt_size);
	memcpy(tree.uuid.bytes, s->next.uuid, sizeof(tree.uuid.bytes));
	uni_hashtree_superblock(&tree, s->made.data);
	(void)fill_levels(s, &s->made, false, root);
	memcpy(s->next.root_hash, root, DIGEST);
	rc = write_region(s, err);
	*made = s->count;
	return rc;
}

static int check_run(struct live_slot *s, const struct run *run, struct uni_err *err)
{
	uint64_t hash_first = s->next.hash_offset / BLOCK;
	uint8_t digest[DIGEST];

	(void)posix_fadvise(s->io->fd, (off_t)(s->next.slot_offset + run->first * BLOCK),
			    (off_t)(run->count * BLOCK), POSIX_FADV_DONTNEED);
	for (uint64_t i = run->first; i < run->first + run->count; i++) {
		bool same;
		int rc = uni_pread_full(s->io->fd, s->piece, BLOCK, s->next.slot_offset + i * BLOCK,
					s->io->name, err);

		if (rc != 0)
			return rc;
		if (i >= hash_first) {
			same = memcmp(s->piece, s->made.data + (i - hash_first) * BLOCK, BLOCK) ==
			       0;
		} else {
			hash_block(s, s->piece, digest);
			same = memcmp(digest, s->made.leaves + i * DIGEST, DIGEST) == 0;
		}
		if (!same)
			return uni_err_set(err, UNI_E_IO,
					   "%s: block %llu of the slot was written, and reads as "
					   "something else",
					   s->io->name, (unsigned long long)i);
	}
	return uni_check_cancel(err);
}

int live_slot_check(struct live_slot *s, bool all, struct uni_err *err)
{
	const struct run whole = { 0, (s->next.hash_offset + s->made.shape.size) / BLOCK };
	int rc = all ? check_run(s, &whole, err) : 0;

	for (size_t i = 0; rc == 0 && !all && i < s->run_count; i++)
		rc = check_run(s, &s->runs[i], err);
	return rc;
}

int live_slot_sound(int fd, const struct uni_live_super *super, uint64_t at, uint64_t size,
		    const char *name, struct uni_err *err)
{
	struct live_slot s = { .next = *super };
	UNI_AUTO_FREE uint8_t *block = uni_alloc(BLOCK);
	uint8_t digest[DIGEST];
	int rc;

	uni_hash_start(&s.salted);
	uni_hash_add(&s.salted, super->salt, super->salt_size);
	rc = region_read(&s, &s.made, fd, name, super, err);
	for (uint64_t i = at / BLOCK; rc == 0 && i * BLOCK < at + size; i++) {
		rc = uni_pread_full(fd, block, BLOCK, super->slot_offset + i * BLOCK, name, err);
		if (rc != 0)
			break;
		hash_block(&s, block, digest);
		if (memcmp(digest, s.made.leaves + i * DIGEST, DIGEST) != 0)
			rc = uni_err_set(
				err, UNI_E_CORRUPT, "%s: block %llu of generation %llu is damaged",
				name, (unsigned long long)i, (unsigned long long)super->generation);
	}
	free(s.made.data);
	return rc;
}
