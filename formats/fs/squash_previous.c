/*
 * Reading the image before: every name with what its inode says, and of files where their blocks
 * lie and what they hold. Nothing of a file's content is read.
 *
 * The image may be damaged or made to mislead. Inodes are visited once each, at most as many as the
 * superblock counts, so that folders cannot go in circles; blocks of two files are the same
 * stretch or do not meet.
 */
#include "squash_previous.h"

#include <string.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/search.h>
#include <uni/tree/tree.h>

enum { BEFORE_MAX = 1 << 24, WORDS_MAX = 1 << 26 };

struct visit {
	struct uni_squash_previous *previous;
	struct squash *s;
	uint8_t *seen; /* a bit an inode */
	const char *path;
	unsigned depth;
	uint32_t children;
};

static bool first_visit(struct visit *v, uint32_t number)
{
	uint32_t index = number - 1;

	if (number == 0 || number > v->s->super.inodes ||
	    (v->seen[index / 8] & 1u << index % 8) != 0)
		return false;
	v->seen[index / 8] |= (uint8_t)(1u << index % 8);
	return true;
}

/* The sizes of a file's blocks, and whether they are placed as we place them. */
static int read_words(struct visit *v, const struct squash_inode *inode, struct squash_before *b,
		      struct uni_err *err)
{
	struct uni_squash_previous *p = v->previous;
	struct squash_place place = inode->rest;
	uint64_t blocks = (inode->size + v->s->super.block_size - 1) / v->s->super.block_size;

	b->start = inode->start;
	b->word = p->word_count;
	if (inode->fragment != SQUASH_NO_FRAGMENT || blocks == 0)
		return 0;
	if (blocks > WORDS_MAX - p->word_count)
		return reader_corrupt(&v->s->reader, "size of a file", err);
	for (uint64_t i = 0; i < blocks; i++) {
		uint32_t word = 0;
		int rc = squash_meta_read(v->s, &place, &word, sizeof(word), err);

		if (rc != 0)
			return rc;
		if ((word >> 25) != 0 || (word & (SQUASH_DATA_STORED - 1)) > v->s->super.block_size)
			return reader_corrupt(&v->s->reader, "size of a data block", err);
		UNI_PUSH_ROOM(p->words, p->word_count, p->word_room);
		p->words[p->word_count++] = word;
		b->stored += word & (SQUASH_DATA_STORED - 1);
	}
	b->words = (uint32_t)blocks;
	if (b->start < SQUASH_BLOCK_MIN || b->start > v->s->super.inode_table ||
	    b->stored > v->s->super.inode_table - b->start)
		return b->stored == 0 ? 0 : reader_corrupt(&v->s->reader, "place of a file", err);
	b->placed = b->stored != 0 && b->start % SQUASH_BLOCK_MIN == 0;
	return 0;
}

static int visit_entry(void *user, const char *name, reader_node node, struct uni_err *err);

/* Everything in a folder, and the number of its entries. */
static int visit_folder(struct visit *v, reader_node node, const char *path, size_t index,
			struct uni_err *err)
{
	struct visit below = *v;
	int rc;

	if (v->depth == UNI_TREE_DEPTH_MAX)
		return reader_corrupt(&v->s->reader, "depth of its folders", err);
	below.path = path;
	below.depth++;
	below.children = 0;
	rc = v->s->reader.ops->each(&v->s->reader, node, visit_entry, &below, err);
	v->previous->entries[index].children = below.children;
	return rc;
}

static int visit_inode(struct visit *v, reader_node node, const char *path, struct uni_err *err)
{
	struct uni_squash_previous *p = v->previous;
	UNI_AUTO_BUF struct uni_buf target = UNI_BUF_INIT;
	struct squash_inode inode;
	struct squash_before *b;
	size_t index = p->count;
	int rc = squash_inode_read(v->s, node, &inode, err);

	if (rc != 0)
		return rc;
	if (!first_visit(v, inode.number))
		return reader_corrupt(&v->s->reader, "number of an inode", err);
	UNI_PUSH_ROOM(p->entries, p->count, p->room);
	b = &p->entries[p->count++];
	memset(b, 0, sizeof(*b));
	b->path = uni_strdup(path);
	b->number = inode.number;
	b->type = inode.type;
	b->mode = inode.mode & 07777;
	b->mtime = inode.mtime;
	b->size = inode.size;
	if (inode.type == 2)
		return read_words(v, &inode, b, err);
	if (inode.type == 3) {
		rc = v->s->reader.ops->readlink(&v->s->reader, node, &target, err);
		b->target = uni_buf_take(&target);
		return rc;
	}
	return inode.type == 1 ? visit_folder(v, node, path, index, err) : 0;
}

static int visit_entry(void *user, const char *name, reader_node node, struct uni_err *err)
{
	struct visit *v = user;
	UNI_AUTO_FREE char *path =
		strcmp(v->path, ".") == 0 ? uni_strdup(name) : uni_path_join(v->path, name);

	v->children++;
	if (strlen(path) > UNI_TREE_PATH_MAX)
		return reader_corrupt(&v->s->reader, "length of a path", err);
	return visit_inode(v, node, path, err);
}

static int compare_path(const void *a, const void *b)
{
	return uni_tree_path_cmp(((const struct squash_before *)a)->path,
				 ((const struct squash_before *)b)->path);
}

/* The digests behind the file system. */
static int read_digests(struct uni_squash_previous *p, struct squash *s, struct uni_err *err)
{
	UNI_AUTO_FREE struct uni_digest *digests = NULL;
	struct squash_placed_header header;
	uint64_t size;
	uint64_t at =
		(s->super.bytes_used + SQUASH_BLOCK_MIN - 1) / SQUASH_BLOCK_MIN * SQUASH_BLOCK_MIN;
	int rc;

	if (at > s->reader.size || s->reader.size - at < sizeof(header))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: says nothing of its placement",
				   s->reader.name);
	rc = reader_pread(&s->reader, at, &header, sizeof(header), err);
	if (rc != 0)
		return rc;
	if (memcmp(header.magic, SQUASH_PLACED_MAGIC, sizeof(header.magic)) != 0 ||
	    header.version != SQUASH_PLACED_VERSION)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: says nothing of its placement",
				   s->reader.name);
	if (header.count != s->super.inodes)
		return reader_corrupt(&s->reader, "number of its digests", err);
	size = (uint64_t)header.count * sizeof(struct uni_digest);
	digests = uni_try_alloc(size, (uint64_t)BEFORE_MAX * sizeof(struct uni_digest),
				s->reader.name, err);
	if (digests == NULL)
		return err->code;
	rc = reader_pread(&s->reader, at + sizeof(header), digests, (size_t)size, err);
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		if (p->entries[i].type == 2)
			p->entries[i].digest = digests[p->entries[i].number - 1];
	return rc;
}

static int compare_start(const void *a, const void *b, void *entries)
{
	const struct squash_before *x = &((struct squash_before *)entries)[*(const uint32_t *)a];
	const struct squash_before *y = &((struct squash_before *)entries)[*(const uint32_t *)b];

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_digest(const void *a, const void *b, void *entries)
{
	const struct squash_before *x = &((struct squash_before *)entries)[*(const uint32_t *)a];
	const struct squash_before *y = &((struct squash_before *)entries)[*(const uint32_t *)b];
	int order = uni_digest_cmp(&x->digest, &y->digest);

	return order != 0 ? order : compare_start(a, b, entries);
}

static int index_files(struct uni_squash_previous *p, struct squash *s, struct uni_err *err)
{
	uint64_t start = 0;
	uint64_t end = 0;

	p->by_digest = uni_alloc_array(p->count + 1, sizeof(*p->by_digest));
	for (size_t i = 0; i < p->count; i++)
		if (p->entries[i].placed)
			p->by_digest[p->placed++] = (uint32_t)i;
	qsort_r(p->by_digest, p->placed, sizeof(*p->by_digest), compare_start, p->entries);
	for (size_t i = 0; i < p->placed; i++) {
		const struct squash_before *b = &p->entries[p->by_digest[i]];

		if (b->start < end && (b->start != start || b->start + b->stored != end))
			return reader_corrupt(&s->reader, "place of a file", err);
		start = b->start;
		end = b->start + b->stored;
	}
	qsort_r(p->by_digest, p->placed, sizeof(*p->by_digest), compare_digest, p->entries);
	return 0;
}

int uni_squash_previous_open(struct uni_squash_previous **out, int fd, uint64_t offset,
			     uint64_t size, const char *name, struct uni_err *err)
{
	UNI_AUTO(uni_squash_previous) struct uni_squash_previous *p = uni_alloc(sizeof(*p));
	UNI_AUTO_FREE uint8_t *seen = NULL;
	struct visit v = { .previous = p, .path = "." };
	int rc = uni_fs_open(&p->reader, fd, offset, size, name, err);

	if (rc != 0)
		return rc;
	if (p->reader->ops != &reader_squashfs)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no squashfs", name);
	v.s = (struct squash *)p->reader;
	if (v.s->super.inodes == 0 || v.s->super.inodes > BEFORE_MAX)
		return reader_corrupt(p->reader, "number of its inodes", err);
	p->fd = fd;
	p->offset = offset;
	p->meta_start = v.s->super.inode_table;
	seen = uni_alloc(v.s->super.inodes / 8 + 1);
	v.seen = seen;
	rc = visit_inode(&v, p->reader->ops->root(p->reader), ".", err);
	if (rc == 0)
		rc = read_digests(p, v.s, err);
	if (rc == 0) {
		qsort(p->entries, p->count, sizeof(*p->entries), compare_path);
		rc = index_files(p, v.s, err);
	}
	if (rc != 0)
		return rc;
	*out = p;
	p = NULL;
	return 0;
}

uint64_t uni_squash_previous_metadata(const struct uni_squash_previous *p)
{
	return p->meta_start;
}

void uni_squash_previous_free(struct uni_squash_previous *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++) {
		free(p->entries[i].path);
		free(p->entries[i].target);
	}
	uni_fs_reader_free(p->reader);
	free(p->entries);
	free(p->by_digest);
	free(p->words);
	free(p);
}

const struct squash_before *squash_before_path(const struct uni_squash_previous *p,
					       const char *path)
{
	UNI_AUTO_FREE char *copy = uni_strdup(path);
	const struct squash_before key = { .path = copy };

	if (p->count == 0)
		return NULL;
	return bsearch(&key, p->entries, p->count, sizeof(*p->entries), compare_path);
}

/* The first of those with this digest, so that the same one is found every time. */
const struct squash_before *squash_before_digest(const struct uni_squash_previous *p,
						 const struct uni_digest *digest, uint64_t size)
{
	const struct squash_before *found;
	size_t at;

	UNI_LOWER_BOUND(at, 0, p->placed,
			uni_digest_cmp(&p->entries[p->by_digest[at]].digest, digest) < 0);
	if (at == p->placed)
		return NULL;
	found = &p->entries[p->by_digest[at]];
	return uni_digest_eq(&found->digest, digest) && found->size == size ? found : NULL;
}

bool squash_before_fits(const struct uni_squash_previous *p, uint16_t compression,
			uint32_t block_size)
{
	const struct squash *s = (const struct squash *)p->reader;

	return s->super.compression == compression && s->super.block_size == block_size;
}
