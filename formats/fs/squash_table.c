/*
 * The metadata: inodes, folders, fragments, owners, the superblock. Inodes of a folder's files lie
 * together, behind those of its folders and in front of its own, since its listing names them by
 * place and it names its listing.
 */
#include <string.h>

#include "squash.h"
#include "squash_make.h"
#include "squash_previous.h"

enum {
	FLAG_PLAIN_INODES = 0x1,
	FLAG_PLAIN_DATA = 0x2,
	FLAG_PLAIN_FRAGMENTS = 0x8,
	FLAG_NO_FRAGMENTS = 0x10,
	FLAG_SHARED = 0x40,
	FLAG_NO_XATTRS = 0x200,
	FLAG_OPTIONS = 0x400,
	FLAG_PLAIN_IDS = 0x800,
	EXTENDED = 7,
	RUN_MAX = 256,
	BASIC_FOLDER_MAX = 65535 - 3,
	DOTS = 3, /* "." and "..", as a folder's size counts them */
	LZ4_STRONG = 3,
};

/* A stream of metadata blocks. */
struct stream {
	struct uni_buf done;
	uint8_t block[SQUASH_META_SIZE];
	size_t used;
	struct squash_packer *packer; /* NULL: stored */
};

struct tables {
	struct uni_squash_image *image;
	struct squash_packer *packer;
	struct stream inodes;
	struct stream folders;
};

static void stream_flush(struct stream *s)
{
	uint8_t packed[SQUASH_META_SIZE + SQUASH_META_SIZE / 64 + 4096];
	size_t got = 0;
	uint16_t word;

	if (s->used == 0)
		return;
	if (s->packer != NULL)
		got = squash_pack(s->packer, s->block, s->used, packed, sizeof(packed));
	word = (uint16_t)(got != 0 ? got : s->used | SQUASH_META_STORED);
	uni_buf_add(&s->done, &word, sizeof(word));
	uni_buf_add(&s->done, got != 0 ? packed : s->block, got != 0 ? got : s->used);
	s->used = 0;
}

static void stream_add(struct stream *s, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size != 0) {
		size_t part = sizeof(s->block) - s->used < size ? sizeof(s->block) - s->used : size;

		memcpy(s->block + s->used, from, part);
		s->used += part;
		from += part;
		size -= part;
		if (s->used == sizeof(s->block))
			stream_flush(s);
	}
}

static void add16(struct stream *s, uint64_t value)
{
	uint16_t v = (uint16_t)value;

	stream_add(s, &v, sizeof(v));
}

static void add32(struct stream *s, uint64_t value)
{
	uint32_t v = (uint32_t)value;

	stream_add(s, &v, sizeof(v));
}

static void add64(struct stream *s, uint64_t value)
{
	stream_add(s, &value, sizeof(value));
}

/* As an inode is named: block << 16 | offset. */
static uint64_t stream_place(const struct stream *s)
{
	return (uint64_t)s->done.size << 16 | s->used;
}

/* --- inodes --- */

static void add_head(struct tables *t, uint32_t index, bool extended)
{
	struct squash_entry *e = &t->image->entries[index];

	e->inode = stream_place(&t->inodes);
	add16(&t->inodes, e->type + (extended ? EXTENDED : 0u));
	add16(&t->inodes, e->mode);
	add16(&t->inodes, 0);
	add16(&t->inodes, 0);
	add32(&t->inodes, e->mtime);
	add32(&t->inodes, (uint64_t)index + 1);
}

static const uint32_t *words_of(const struct uni_squash_image *image,
				const struct squash_extent *extent)
{
	return extent->kept != NULL ? extent->kept : &image->words[extent->word];
}

static uint64_t sparse_bytes(const struct uni_squash_image *image, const struct squash_entry *e,
			     const struct squash_extent *extent)
{
	const uint32_t *words = words_of(image, extent);
	uint64_t bytes = 0;
	uint32_t block = image->options.block_size;

	for (uint32_t i = 0; i < extent->words; i++)
		if (words[i] == 0)
			bytes += e->size - (uint64_t)i * block < block
					 ? e->size - (uint64_t)i * block
					 : block;
	return bytes < e->size ? bytes : e->size - 1;
}

static void add_file(struct tables *t, uint32_t index)
{
	const struct squash_entry *e = &t->image->entries[index];
	const struct squash_extent *extent =
		e->extent != SQUASH_NONE ? &t->image->extents[e->extent] : NULL;
	uint64_t start = extent != NULL ? extent->to : 0;
	uint64_t sparse = extent != NULL ? sparse_bytes(t->image, e, extent) : 0;
	bool extended = start > UINT32_MAX || e->size > UINT32_MAX || sparse != 0;

	add_head(t, index, extended);
	if (extended) {
		add64(&t->inodes, start);
		add64(&t->inodes, e->size);
		add64(&t->inodes, sparse);
		add32(&t->inodes, 1);
		add32(&t->inodes, e->fragment);
		add32(&t->inodes, e->fragment_offset);
		add32(&t->inodes, UINT32_MAX);
	} else {
		add32(&t->inodes, start);
		add32(&t->inodes, e->fragment);
		add32(&t->inodes, e->fragment_offset);
		add32(&t->inodes, e->size);
	}
	if (extent != NULL)
		stream_add(&t->inodes, words_of(t->image, extent),
			   extent->words * sizeof(uint32_t));
}

static void add_link(struct tables *t, uint32_t index)
{
	const struct squash_entry *e = &t->image->entries[index];

	add_head(t, index, false);
	add32(&t->inodes, 1);
	add32(&t->inodes, e->size);
	stream_add(&t->inodes, e->target, (size_t)e->size);
}

/* --- folders --- */

struct listing {
	uint64_t place; /* of its first byte */
	uint64_t size;
	struct uni_buf index; /* of what begins a metadata block behind the first */
	uint32_t index_count;
};

/* How many entries from `child` on can share a header: inodes of one block, numbers near. */
static uint32_t run_length(const struct uni_squash_image *image, uint32_t child)
{
	const struct squash_entry *first = &image->entries[child];
	uint32_t count = 0;

	for (uint32_t i = child; i != 0 && count < RUN_MAX; i = image->entries[i].next) {
		int64_t apart = (int64_t)i - (int64_t)child;

		if (image->entries[i].inode >> 16 != first->inode >> 16 || apart > INT16_MAX)
			break;
		count++;
	}
	return count;
}

static size_t run_size(const struct uni_squash_image *image, uint32_t child, uint32_t count)
{
	size_t size = 0;

	for (uint32_t n = 0; n < count; n++, child = image->entries[child].next)
		size += 8 + strlen(image->entries[child].name);
	return size;
}

static void add_index(struct tables *t, struct listing *l, const char *name)
{
	uint32_t words[3] = { (uint32_t)l->size, (uint32_t)t->folders.done.size,
			      (uint32_t)strlen(name) - 1 };

	uni_buf_add(&l->index, words, sizeof(words));
	uni_buf_puts(&l->index, name);
	l->index_count++;
}

/* A run ends where a metadata block does, so that the index can lead to every block. */
static uint32_t add_run(struct tables *t, struct listing *l, uint32_t child)
{
	const struct uni_squash_image *image = t->image;
	uint32_t count = run_length(image, child);
	size_t left = sizeof(t->folders.block) - t->folders.used;

	while (count > 1 && 12 + run_size(image, child, count) > left)
		count--;
	add32(&t->folders, count - 1);
	add32(&t->folders, image->entries[child].inode >> 16);
	add32(&t->folders, (uint64_t)child + 1);
	l->size += 12 + run_size(image, child, count);
	for (uint32_t n = 0, first = child; n < count; n++) {
		const struct squash_entry *e = &image->entries[child];
		size_t name = strlen(e->name);

		add16(&t->folders, e->inode & 0xffff);
		add16(&t->folders, child - first);
		add16(&t->folders, e->type);
		add16(&t->folders, name - 1);
		stream_add(&t->folders, e->name, name);
		child = e->next;
	}
	return child;
}

static void add_listing(struct tables *t, uint32_t folder, struct listing *l)
{
	const struct uni_squash_image *image = t->image;
	uint64_t block;

	l->place = stream_place(&t->folders);
	block = l->place >> 16;
	for (uint32_t child = image->entries[folder].child; child != 0;) {
		if (block != t->folders.done.size) {
			block = t->folders.done.size;
			add_index(t, l, image->entries[child].name);
		}
		child = add_run(t, l, child);
	}
}

static void add_folder_inode(struct tables *t, uint32_t index, const struct listing *l)
{
	const struct squash_entry *e = &t->image->entries[index];
	uint64_t parent = index == 0 ? t->image->count + 1 : (uint64_t)e->parent + 1;
	bool extended = l->size > BASIC_FOLDER_MAX || l->index_count != 0;

	add_head(t, index, extended);
	if (extended) {
		add32(&t->inodes, e->folders + 2u);
		add32(&t->inodes, l->size + DOTS);
		add32(&t->inodes, l->place >> 16);
		add32(&t->inodes, parent);
		add16(&t->inodes, l->index_count);
		add16(&t->inodes, l->place & 0xffff);
		add32(&t->inodes, UINT32_MAX);
		stream_add(&t->inodes, uni_buf_text(&l->index), l->index.size);
	} else {
		add32(&t->inodes, l->place >> 16);
		add32(&t->inodes, e->folders + 2u);
		add16(&t->inodes, l->size + DOTS);
		add16(&t->inodes, l->place & 0xffff);
		add32(&t->inodes, parent);
	}
}

/* Depth is bounded by the tree's. */
static void add_folder(struct tables *t, uint32_t index)
{
	const struct squash_entry *entries = t->image->entries;
	struct listing l = { .index = UNI_BUF_INIT };

	for (uint32_t i = entries[index].child; i != 0; i = entries[i].next)
		if (entries[i].type == 1)
			add_folder(t, i);
	for (uint32_t i = entries[index].child; i != 0; i = entries[i].next) {
		if (entries[i].type == 2)
			add_file(t, i);
		else if (entries[i].type == 3)
			add_link(t, i);
	}
	add_listing(t, index, &l);
	add_folder_inode(t, index, &l);
	uni_buf_free(&l.index);
}

/* --- what is behind them --- */

/* A table of `size` bytes, and the list of its blocks; where the list begins. */
static uint64_t add_table(struct tables *t, const void *data, size_t size)
{
	struct uni_buf *meta = &t->image->meta;
	struct stream s = { .packer = t->packer };
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;
	const uint8_t *from = data;
	uint64_t at;

	for (size_t done = 0; done < size; done += SQUASH_META_SIZE) {
		at = t->image->meta_start + meta->size + s.done.size;
		uni_buf_add(&list, &at, sizeof(at));
		stream_add(&s, from + done,
			   size - done < SQUASH_META_SIZE ? size - done : SQUASH_META_SIZE);
	}
	stream_flush(&s);
	uni_buf_add(meta, uni_buf_text(&s.done), s.done.size);
	uni_buf_free(&s.done);
	at = t->image->meta_start + meta->size;
	uni_buf_add(meta, uni_buf_text(&list), list.size);
	return at;
}

static bool has_lz4_options(const struct uni_squash_options *o)
{
	return strcmp(o->compression, "lz4") == 0;
}

size_t squash_head_size(const struct uni_squash_options *options)
{
	return sizeof(struct squash_super) + (has_lz4_options(options) ? 2 + 8 : 0);
}

/* Linux takes no LZ4 without its options: a metadata block of format version and flags. */
static void add_lz4_options(struct uni_squash_image *image)
{
	uint16_t word = 8 | SQUASH_META_STORED;
	uint32_t values[2] = { 1, image->options.level < LZ4_STRONG ? 0 : 1 };

	memcpy(image->super + sizeof(struct squash_super), &word, sizeof(word));
	memcpy(image->super + sizeof(struct squash_super) + sizeof(word), values, sizeof(values));
}

static uint16_t flags_of(const struct uni_squash_image *image)
{
	unsigned flags = FLAG_NO_XATTRS | FLAG_SHARED;

	if (image->options.placed)
		flags |= FLAG_PLAIN_INODES | FLAG_PLAIN_IDS | FLAG_NO_FRAGMENTS;
	if (strcmp(image->options.compression, "none") == 0)
		flags |=
			FLAG_PLAIN_INODES | FLAG_PLAIN_DATA | FLAG_PLAIN_FRAGMENTS | FLAG_PLAIN_IDS;
	if (has_lz4_options(&image->options))
		flags |= FLAG_OPTIONS;
	return (uint16_t)flags;
}

static void fill_super(struct uni_squash_image *image, struct squash_super *s)
{
	uint32_t block = image->options.block_size;

	s->magic = SQUASH_MAGIC;
	s->inodes = (uint32_t)image->count;
	s->mkfs_time = (uint32_t)image->options.epoch;
	s->block_size = block;
	s->fragments = (uint32_t)image->fragment_count;
	s->compression = squash_compression_id(image->options.compression);
	s->flags = flags_of(image);
	s->ids = 1;
	s->major = 4;
	while (1u << s->block_log != block)
		s->block_log++;
	s->root_inode = image->entries[0].inode;
	s->xattr_table = SQUASH_NO_TABLE;
	s->export_table = SQUASH_NO_TABLE;
	s->bytes_used = image->bytes_used;
}

/* What the next image asks this one: squash_previous.h. */
static void add_placement(struct uni_squash_image *image)
{
	struct squash_placed_header header = { .version = SQUASH_PLACED_VERSION,
					       .count = (uint32_t)image->count };
	static const struct uni_digest none;

	memcpy(header.magic, SQUASH_PLACED_MAGIC, sizeof(header.magic));
	uni_buf_pad(&image->meta, (image->meta.size + SQUASH_BLOCK_MIN - 1) / SQUASH_BLOCK_MIN *
					  SQUASH_BLOCK_MIN);
	uni_buf_add(&image->meta, &header, sizeof(header));
	for (size_t i = 0; i < image->count; i++)
		uni_buf_add(&image->meta,
			    image->entries[i].type == 2 ? &image->entries[i].digest : &none,
			    sizeof(none));
	uni_buf_pad(&image->meta, (image->meta.size + SQUASH_BLOCK_MIN - 1) / SQUASH_BLOCK_MIN *
					  SQUASH_BLOCK_MIN);
}

int squash_tables(struct uni_squash_image *image, uint64_t start, struct uni_err *err)
{
	const struct uni_squash_options *o = &image->options;
	bool plain = o->placed || strcmp(o->compression, "none") == 0;
	struct tables *t = uni_alloc(sizeof(*t));
	struct squash_super s = { .magic = 0 };
	static const uint32_t owner;

	t->image = image;
	t->packer = plain ? NULL : squash_packer_new(o->compression, o->level);
	t->inodes.packer = t->packer;
	t->folders.packer = t->packer;
	image->meta_start = start;
	uni_buf_clear(&image->meta);
	if (!plain && t->packer == NULL) {
		free(t);
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	}
	add_folder(t, 0);
	stream_flush(&t->inodes);
	stream_flush(&t->folders);
	s.inode_table = start;
	s.directory_table = start + t->inodes.done.size;
	uni_buf_add(&image->meta, uni_buf_text(&t->inodes.done), t->inodes.done.size);
	uni_buf_add(&image->meta, uni_buf_text(&t->folders.done), t->folders.done.size);
	s.fragment_table =
		add_table(t, image->fragments, image->fragment_count * sizeof(*image->fragments));
	s.id_table = add_table(t, &owner, sizeof(owner));
	image->bytes_used = start + image->meta.size;
	fill_super(image, &s);
	memset(image->super, 0, sizeof(image->super));
	memcpy(image->super, &s, sizeof(s));
	if (has_lz4_options(o))
		add_lz4_options(image);
	if (o->placed)
		add_placement(image);
	uni_buf_free(&t->inodes.done);
	uni_buf_free(&t->folders.done);
	squash_packer_free(t->packer);
	free(t);
	return 0;
}
