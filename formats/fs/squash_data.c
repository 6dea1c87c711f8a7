/*
 * From a tree to entries, and their content, packed, into the spool. The tree's reader is the
 * caller's thread; blocks are packed by a pipe and come back in order. A content that was there
 * before, in this image or the one before it, is not stored again.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#include "squash_make.h"
#include "squash_previous.h"

enum { SPOOL_ROOM = 1 << 20, MAP_START = 1024 };

/* What a tag says beside the number of an entry or fragment. */
#define TAG_FRAGMENT (UINT64_C(1) << 32)
#define TAG_DROP (UINT64_C(2) << 32)
#define TAG_NUMBER UINT64_C(0xffffffff)

struct collect {
	struct uni_squash_image *image;
	const struct uni_tree *tree;
	const struct uni_squash_previous *previous;
	bool reuse; /* blocks of the image before fit this one */
	struct squash_pipe *pipe;
	uint32_t folders[UNI_TREE_DEPTH_MAX + 1]; /* on the way to the entry before */
	uint32_t *map;				  /* contents by digest: entry + 1 */
	size_t map_size, map_used;
	/* the file being read */
	uint32_t entry;
	uint8_t *room; /* of its block, or where it lies among the small ones */
	size_t used;
	uint64_t left;
	struct uni_hash hash;
	bool hashing;
	/* small files, gathered */
	uint8_t *small;
	size_t small_used;
	uint32_t small_count; /* fragments given to the pipe */
	/* the spool */
	uint8_t *gathered;
	size_t gathered_size;
	uint64_t gathered_at;
};

/* --- the spool --- */

static int spool_flush(struct collect *c, struct uni_err *err)
{
	int rc = 0;

	if (c->gathered_size != 0)
		rc = uni_pwrite_full(c->image->spool, c->gathered, c->gathered_size, c->gathered_at,
				     "volume", err);
	c->gathered_at += c->gathered_size;
	c->gathered_size = 0;
	return rc;
}

static void spool_back(struct collect *c, uint64_t at)
{
	c->image->at = at;
	if (at < c->gathered_at) {
		c->gathered_at = at;
		c->gathered_size = 0;
	} else if (at - c->gathered_at < c->gathered_size) {
		c->gathered_size = (size_t)(at - c->gathered_at);
	}
}

static int spool_add(struct collect *c, const void *data, size_t size, struct uni_err *err)
{
	int rc = 0;

	if (c->gathered_size + size > SPOOL_ROOM)
		rc = spool_flush(c, err);
	if (rc != 0)
		return rc;
	memcpy(c->gathered + c->gathered_size, data, size);
	c->gathered_size += size;
	c->image->at += size;
	return 0;
}

/* An extent begins on 4 KiB where files are placed; what is between reads as zeros. */
static int spool_align(struct collect *c, struct uni_err *err)
{
	static const uint8_t zero[SQUASH_BLOCK_MIN];
	size_t odd = (size_t)(c->image->at % SQUASH_BLOCK_MIN);

	return odd != 0 ? spool_add(c, zero, SQUASH_BLOCK_MIN - odd, err) : 0;
}

static int start_extent(struct collect *c, struct squash_entry *entry, struct uni_err *err)
{
	struct uni_squash_image *image = c->image;
	int rc = image->options.placed ? spool_align(c, err) : 0;

	if (rc != 0)
		return rc;
	UNI_PUSH_ROOM(image->extents, image->extent_count, image->extent_room);
	image->extents[image->extent_count] = (struct squash_extent){
		.from = image->at,
		.to = image->at,
		.wish = entry->wish,
		.word = image->word_count,
	};
	entry->extent = (uint32_t)image->extent_count++;
	return 0;
}

static int put_fragment(struct collect *c, const void *data, uint32_t word, struct uni_err *err)
{
	struct uni_squash_image *image = c->image;

	UNI_PUSH_ROOM(image->fragments, image->fragment_count, image->fragment_room);
	image->fragments[image->fragment_count++] =
		(struct squash_fragment){ .start = image->at, .word = word };
	return spool_add(c, data, word & (SQUASH_DATA_STORED - 1), err);
}

static int put_block(void *user, uint64_t tag, const void *data, uint32_t word, struct uni_err *err)
{
	struct collect *c = user;
	struct uni_squash_image *image = c->image;
	struct squash_entry *entry = &image->entries[tag & TAG_NUMBER];
	struct squash_extent *extent;
	int rc = 0;

	if ((tag & TAG_FRAGMENT) != 0)
		return put_fragment(c, data, word, err);
	if ((tag & TAG_DROP) != 0) {
		extent = &image->extents[entry->extent];
		spool_back(c, extent->from);
		image->word_count = extent->word;
		/* It stays in the list, empty: others may have come behind it. */
		extent->size = 0;
		extent->words = 0;
		entry->extent = SQUASH_NONE;
		return 0;
	}
	if (entry->extent == SQUASH_NONE)
		rc = start_extent(c, entry, err);
	if (rc != 0)
		return rc;
	extent = &image->extents[entry->extent];
	UNI_PUSH_ROOM(image->words, image->word_count, image->word_room);
	image->words[image->word_count++] = word;
	extent->words++;
	extent->size += word & (SQUASH_DATA_STORED - 1);
	return spool_add(c, data, word & (SQUASH_DATA_STORED - 1), err);
}

/* --- contents that are known --- */

static size_t map_slot(const struct collect *c, const struct uni_digest *digest, uint64_t size)
{
	size_t at;

	memcpy(&at, digest->bytes, sizeof(at));
	for (at &= c->map_size - 1; c->map[at] != 0; at = (at + 1) & (c->map_size - 1)) {
		const struct squash_entry *e = &c->image->entries[c->map[at] - 1];

		if (uni_digest_eq(&e->digest, digest) && e->size == size)
			break;
	}
	return at;
}

static void map_grow(struct collect *c)
{
	UNI_AUTO_FREE uint32_t *old = c->map;
	size_t old_size = c->map_size;

	c->map_size = old_size != 0 ? old_size * 2 : MAP_START;
	c->map = uni_alloc_array(c->map_size, sizeof(*c->map));
	for (size_t i = 0; i < old_size; i++) {
		const struct squash_entry *e;

		if (old[i] == 0)
			continue;
		e = &c->image->entries[old[i] - 1];
		c->map[map_slot(c, &e->digest, e->size)] = old[i];
	}
}

/* Whether an entry before has this content, which `entry` then shares. */
static bool shared_here(struct collect *c, uint32_t entry)
{
	struct squash_entry *e = &c->image->entries[entry];
	size_t slot = map_slot(c, &e->digest, e->size);

	if (c->map[slot] == 0)
		return false;
	e->same_as = c->map[slot] - 1;
	return true;
}

static void note_here(struct collect *c, uint32_t entry)
{
	const struct squash_entry *e = &c->image->entries[entry];

	if (c->map_used * 2 >= c->map_size)
		map_grow(c);
	c->map[map_slot(c, &e->digest, e->size)] = entry + 1;
	c->map_used++;
}

static bool known_before(struct collect *c, uint32_t entry)
{
	struct uni_squash_image *image = c->image;
	struct squash_entry *e = &image->entries[entry];
	const struct squash_before *b =
		c->reuse ? squash_before_digest(c->previous, &e->digest, e->size) : NULL;

	if (b == NULL)
		return false;
	UNI_PUSH_ROOM(image->extents, image->extent_count, image->extent_room);
	image->extents[image->extent_count] = (struct squash_extent){
		.from = b->start,
		.to = b->start,
		.size = b->stored,
		/* Not into the image's list: blocks of a content before it may be in the pipe. */
		.kept = &c->previous->words[b->word],
		.words = b->words,
		.previous = true,
	};
	e->extent = (uint32_t)image->extent_count++;
	return true;
}

/* --- reading files --- */

static int push_block(struct collect *c, struct uni_err *err)
{
	squash_pipe_push(c->pipe, c->entry, c->used, true);
	c->used = 0;
	return c->left != 0 ? squash_pipe_room(c->pipe, &c->room, err) : 0;
}

static int take_content(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct collect *c = user;
	const uint8_t *from = data;
	uint32_t block = c->image->options.block_size;

	if (c->hashing)
		uni_hash_add(&c->hash, data, size);
	while (size != 0) {
		size_t part = block - c->used < size ? block - c->used : size;
		int rc;

		memcpy(c->room + c->used, from, part);
		c->used += part;
		c->left -= part;
		from += part;
		size -= part;
		/* A file that is small for a fragment never gets here with a whole block. */
		if (c->used != block)
			continue;
		rc = push_block(c, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Zeros in blocks that have something else as well, and blocks without. */
static int take_hole(void *user, uint64_t size, struct uni_err *err)
{
	struct collect *c = user;
	uint32_t block = c->image->options.block_size;
	int rc = 0;

	while (rc == 0 && size != 0) {
		uint64_t part = block - c->used < size ? block - c->used : size;

		c->left -= part;
		size -= part;
		if (part == block) {
			rc = squash_pipe_mark(c->pipe, c->entry, err);
			if (rc == 0 && size < block && c->left != 0)
				rc = squash_pipe_room(c->pipe, &c->room, err);
			continue;
		}
		memset(c->room + c->used, 0, (size_t)part);
		c->used += (size_t)part;
		if (c->used == block)
			rc = push_block(c, err);
	}
	return rc;
}

/* Reads into c->room; afterwards the digest is known, by the tree or by what passed here. */
static int read_content(struct collect *c, const struct uni_tree_entry *from, struct uni_err *err)
{
	struct squash_entry *e = &c->image->entries[c->entry];
	struct uni_tree_entry now;
	int rc;

	c->used = 0;
	c->left = e->size;
	c->hashing = from->digest == NULL && from->source == NULL;
	uni_hash_start(&c->hash);
	rc = uni_tree_content_sparse(c->tree, from, take_content, take_hole, c, err);
	if (rc != 0)
		return rc;
	if (c->left != 0)
		return uni_err_set(err, UNI_E_CHANGED, "%s changed while it was read",
				   from->meta.path);
	if (c->hashing)
		e->digest = uni_hash_end(&c->hash);
	else if (uni_tree_find(c->tree, from->meta.path, &now) == 1 && now.digest != NULL)
		e->digest = *now.digest;
	return 0;
}

static int flush_small(struct collect *c, struct uni_err *err)
{
	uint8_t *room = NULL;
	int rc;

	if (c->small_used == 0)
		return 0;
	rc = squash_pipe_room(c->pipe, &room, err);
	if (rc != 0)
		return rc;
	memcpy(room, c->small, c->small_used);
	squash_pipe_push(c->pipe, TAG_FRAGMENT | c->small_count++, c->small_used, false);
	c->small_used = 0;
	return 0;
}

static int read_small(struct collect *c, const struct uni_tree_entry *from, struct uni_err *err)
{
	struct squash_entry *e = &c->image->entries[c->entry];
	int rc = 0;

	if (c->small_used + e->size > c->image->options.block_size)
		rc = flush_small(c, err);
	c->room = c->small + c->small_used;
	if (rc == 0)
		rc = read_content(c, from, err);
	if (rc != 0 || shared_here(c, c->entry))
		return rc;
	note_here(c, c->entry);
	e->fragment = c->small_count;
	e->fragment_offset = (uint32_t)c->small_used;
	c->small_used += (size_t)e->size;
	return 0;
}

static int read_large(struct collect *c, const struct uni_tree_entry *from, struct uni_err *err)
{
	int rc = squash_pipe_room(c->pipe, &c->room, err);

	if (rc == 0)
		rc = read_content(c, from, err);
	if (rc == 0 && c->used != 0)
		rc = push_block(c, err);
	if (rc == 0 && shared_here(c, c->entry))
		return squash_pipe_mark(c->pipe, TAG_DROP | c->entry, err);
	if (rc == 0)
		note_here(c, c->entry);
	return rc;
}

static int add_file(struct collect *c, const struct uni_tree_entry *from, struct uni_err *err)
{
	struct squash_entry *e = &c->image->entries[c->entry];
	bool small = !c->image->options.placed && e->size < c->image->options.block_size;

	if (e->size == 0) {
		e->digest = uni_digest_of("", 0);
		return 0;
	}
	if (from->digest != NULL) {
		e->digest = *from->digest;
		if (shared_here(c, c->entry))
			return 0;
		if (known_before(c, c->entry)) {
			note_here(c, c->entry);
			return 0;
		}
	}
	return small ? read_small(c, from, err) : read_large(c, from, err);
}

/* --- entries --- */

static int check_meta(const struct uni_entry *meta, struct uni_err *err)
{
	if (meta->uid != 0 || meta->gid != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: belongs to %u:%u instead of 0:0",
				   meta->path, meta->uid, meta->gid);
	if (meta->mtime < 0 || meta->mtime > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: squashfs cannot hold the time %lld",
				   meta->path, (long long)meta->mtime);
	if (strlen(uni_path_base(meta->path)) > SQUASH_NAME_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: squashfs holds names of 256 bytes",
				   meta->path);
	return 0;
}

static void hang_below(struct collect *c, uint32_t index, const char *path)
{
	struct squash_entry *entries = c->image->entries;
	unsigned depth = 0;
	struct squash_entry *folder;

	for (const char *p = path; *p != '\0'; p++)
		depth += *p == '/';
	entries[index].parent = c->folders[depth];
	folder = &entries[c->folders[depth]];
	if (folder->child == 0)
		folder->child = index;
	else
		entries[folder->last].next = index;
	folder->last = index;
	if (entries[index].type == 1) {
		folder->folders++;
		c->folders[depth + 1] = index;
	}
}

/* What the image before has at the same path: where its content lay, and of what time it is. */
static void look_before(struct collect *c, struct squash_entry *e,
			const struct uni_tree_entry *from)
{
	const struct squash_before *b = NULL;
	const struct uni_squash_options *o = &c->image->options;

	e->mtime = (uint32_t)(o->placed && !o->exact_times ? o->epoch : from->meta.mtime);
	if (c->previous != NULL)
		b = squash_before_path(c->previous, from->meta.path);
	if (b == NULL)
		return;
	e->wish = b->placed ? b->start : 0;
	if (o->exact_times || b->type != e->type || b->mode != e->mode)
		return;
	/* A file's is settled when its digest is known, a folder's when all in it is. */
	if (e->type == 1 || e->type == 2 || strcmp(b->target, e->target) == 0)
		e->path = uni_strdup(from->meta.path);
}

static int add_entry(void *user, const struct uni_tree_entry *from, struct uni_err *err)
{
	static const uint8_t types[] = {
		[UNI_ENTRY_FILE] = 2, [UNI_ENTRY_DIR] = 1, [UNI_ENTRY_SYMLINK] = 3
	};
	struct collect *c = user;
	struct uni_squash_image *image = c->image;
	struct squash_entry *e;
	uint32_t index = (uint32_t)image->count;
	int rc = check_meta(&from->meta, err);

	if (rc != 0)
		return rc;
	if (from->meta.type > UNI_ENTRY_SYMLINK)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no file, folder or link",
				   from->meta.path);
	UNI_PUSH_ROOM(image->entries, image->count, image->room);
	e = &image->entries[image->count++];
	*e = (struct squash_entry){
		.name = uni_strdup(uni_path_base(from->meta.path)),
		.target = from->meta.target != NULL ? uni_strdup(from->meta.target) : NULL,
		.mode = (uint16_t)(from->meta.mode & 07777),
		.type = types[from->meta.type],
		.same_as = SQUASH_NONE,
		.extent = SQUASH_NONE,
		.fragment = SQUASH_NONE,
		.size = from->meta.type == UNI_ENTRY_SYMLINK ? strlen(from->meta.target)
							     : from->meta.size,
	};
	if (e->type == 3 && (e->size == 0 || e->size > SQUASH_LINK_MAX))
		return uni_err_set(err, UNI_E_LIMIT, "%s: target of %llu bytes", from->meta.path,
				   (unsigned long long)e->size);
	look_before(c, e, from);
	if (index != 0)
		hang_below(c, index, from->meta.path);
	c->entry = index;
	return e->type == 2 ? add_file(c, from, err) : 0;
}

/* Shared contents point to where the first of them lies. */
static void settle_shared(struct uni_squash_image *image)
{
	for (size_t i = 0; i < image->count; i++) {
		struct squash_entry *e = &image->entries[i];

		if (e->same_as == SQUASH_NONE)
			continue;
		e->extent = image->entries[e->same_as].extent;
		e->fragment = image->entries[e->same_as].fragment;
		e->fragment_offset = image->entries[e->same_as].fragment_offset;
	}
}

/* Whether a folder holds the names that it held. */
static bool same_names(const struct uni_squash_image *image, const struct squash_entry *folder,
		       const struct squash_before *b, const struct uni_squash_previous *previous)
{
	uint32_t children = 0;

	for (uint32_t i = folder->child; i != 0; i = image->entries[i].next) {
		UNI_AUTO_FREE char *path =
			strcmp(folder->path, ".") == 0
				? uni_strdup(image->entries[i].name)
				: uni_path_join(folder->path, image->entries[i].name);

		if (squash_before_path(previous, path) == NULL)
			return false;
		children++;
	}
	return children == b->children;
}

static void settle_times(struct uni_squash_image *image, const struct uni_squash_previous *previous)
{
	for (size_t i = 0; i < image->count; i++) {
		struct squash_entry *e = &image->entries[i];
		const struct squash_before *b;

		if (e->path == NULL)
			continue;
		b = squash_before_path(previous, e->path);
		if (e->type == 3 || (e->type == 2 && uni_digest_eq(&b->digest, &e->digest)) ||
		    (e->type == 1 && same_names(image, e, b, previous)))
			e->mtime = b->mtime;
	}
}

/* Where nothing else is given: a file without a name, in memory where the temporary folder's file
 * system knows no such files. */
static int open_spool(struct uni_squash_image *image, struct uni_err *err)
{
	const char *dir = uni_env("TMPDIR");

	if (image->spool >= 0)
		return 0;
	image->spool = open(dir != NULL ? dir : "/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (image->spool < 0)
		image->spool = memfd_create("spool", MFD_CLOEXEC);
	image->spool_owned = true;
	return image->spool < 0 ? uni_err_errno(err, "temporary file") : 0;
}

int squash_collect(struct uni_squash_image *image, const struct uni_tree *tree,
		   const struct uni_squash_previous *previous, struct uni_err *err)
{
	const struct uni_squash_options *o = &image->options;
	UNI_AUTO(squash_pipe)
	struct squash_pipe *pipe =
		squash_pipe_new(o->compression, o->level, o->block_size, o->threads, put_block);
	struct collect *c = uni_alloc(sizeof(*c));
	int rc = open_spool(image, err);

	c->image = image;
	c->tree = tree;
	c->previous = previous;
	c->reuse =
		previous != NULL &&
		squash_before_fits(previous, squash_compression_id(o->compression), o->block_size);
	c->pipe = pipe;
	c->small = uni_realloc_array(NULL, o->block_size, 1);
	c->gathered = uni_realloc_array(NULL, SPOOL_ROOM + SQUASH_BLOCK_MAX, 1);
	c->gathered_at = image->at;
	squash_pipe_user(pipe, c);
	map_grow(c);
	if (rc == 0)
		rc = uni_tree_each(tree, add_entry, c, err);
	if (rc == 0)
		rc = flush_small(c, err);
	if (rc == 0)
		rc = squash_pipe_drain(pipe, err);
	if (rc == 0)
		rc = spool_flush(c, err);
	if (rc == 0) {
		settle_shared(image);
		if (previous != NULL)
			settle_times(image, previous);
	}
	free(c->small);
	free(c->gathered);
	free(c->map);
	free(c);
	return rc;
}
