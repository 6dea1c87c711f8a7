/*
 * Changing extended attributes. One that fits behind the inode's fields goes there, else into the
 * file's block of attributes, which several files may share (what Linux wrote) until one of them
 * changes it. An area is always written anew as a whole, out of a copy: entries from its start,
 * values from its end, and in a block the entries in the order that Linux searches them in.
 */
#include "ext4.h"

enum { WORD = 4 };

/* An attribute, its name without the prefix that `index` stands for. */
struct attr {
	uint8_t index, name_size;
	const char *name;
	const uint8_t *value; /* NULL: none */
	uint32_t size;
};

struct area {
	uint8_t *base; /* what values' offsets count from */
	uint32_t first, size;
	bool sorted;
};

static uint32_t padded(uint32_t size)
{
	return (size + WORD - 1) / WORD * WORD;
}

static uint32_t entry_size(const struct uni_ext4_xattr_entry *e)
{
	return padded((uint32_t)sizeof(*e) + e->name_len);
}

/* The entry at *at; false: the end. -E4_GONE through `error`: it is not sound. */
static bool next(const struct area *a, const uint8_t *from, uint32_t at,
		 struct uni_ext4_xattr_entry *e, int *error)
{
	*error = 0;
	if (a->size - at < WORD || (from[at] == 0 && from[at + 1] == 0))
		return false;
	*error = -E4_GONE;
	if (a->size - at < sizeof(*e))
		return false;
	memcpy(e, from + at, sizeof(*e));
	if (a->size - at < entry_size(e) ||
	    (e->value_inum == 0 &&
	     (e->value_offs > a->size || e->value_size > a->size - e->value_offs)))
		return false;
	*error = 0;
	return true;
}

static int compare(const struct attr *attr, const struct uni_ext4_xattr_entry *e,
		   const uint8_t *name)
{
	if (attr->index != e->name_index)
		return attr->index < e->name_index ? -1 : 1;
	if (attr->name_size != e->name_len)
		return attr->name_size < e->name_len ? -1 : 1;
	return memcmp(attr->name, name, attr->name_size);
}

/* What is in an area, without `attr`. */
struct found {
	bool there;
	uint32_t entries, values; /* bytes of the others */
};

static int look(const struct area *a, const struct attr *attr, struct found *found)
{
	struct uni_ext4_xattr_entry e;
	uint32_t at = a->first;
	int error;

	*found = (struct found){ .there = false };
	while (a->base != NULL && next(a, a->base, at, &e, &error)) {
		if (compare(attr, &e, a->base + at + sizeof(e)) == 0) {
			found->there = true;
		} else {
			found->entries += entry_size(&e);
			found->values += e.value_inum == 0 ? padded(e.value_size) : 0;
		}
		at += entry_size(&e);
	}
	/* What is written anew must fit: values that lie upon each other do not. */
	if (a->base != NULL && error == 0 &&
	    found->entries + found->values + WORD > a->size - a->first)
		error = -E4_GONE;
	return a->base != NULL ? error : 0;
}

static bool fits(const struct area *a, const struct attr *attr, const struct found *found)
{
	const struct uni_ext4_xattr_entry e = { .name_len = attr->name_size };
	uint64_t need = (uint64_t)found->entries + found->values + entry_size(&e) +
			padded(attr->size) + WORD;

	return a->size >= a->first && need <= a->size - a->first;
}

/* As e2fsck and Linux know it: of the name's bytes and the value's words. */
static uint32_t entry_hash(const struct uni_ext4_xattr_entry *e, const uint8_t *name,
			   const uint8_t *value)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < e->name_len; i++) {
		/* Linux takes them as signed. */
		uint32_t letter = name[i] < 128 ? name[i] : 0xffffff00u | name[i];

		hash = (hash << 5 | hash >> 27) ^ letter;
	}
	for (uint32_t i = 0; i < e->value_size; i += WORD) {
		uint32_t word = 0;

		memcpy(&word, value + i, UK_MIN(e->value_size - i, (uint32_t)WORD));
		hash = (hash << 16 | hash >> 16) ^ word;
	}
	return hash;
}

struct writer {
	struct area area;
	uint32_t entries, values; /* where the next entry goes, and where the last value went */
	uint32_t hash;		  /* of the whole */
};

static void emit(struct writer *w, struct uni_ext4_xattr_entry e, const uint8_t *name,
		 const uint8_t *value)
{
	uint8_t *base = w->area.base;

	if (e.value_inum == 0) {
		e.value_offs = 0;
		if (e.value_size != 0) {
			w->values -= padded(e.value_size);
			memcpy(base + w->values, value, e.value_size);
			e.value_offs = (uint16_t)w->values;
		}
		e.hash = entry_hash(&e, name, value);
	}
	memcpy(base + w->entries, &e, sizeof(e));
	memcpy(base + w->entries + sizeof(e), name, e.name_len);
	w->entries += entry_size(&e);
	w->hash = (w->hash << 16 | w->hash >> 16) ^ e.hash;
}

static void emit_attr(struct writer *w, const struct attr *attr)
{
	const struct uni_ext4_xattr_entry e = { .name_len = attr->name_size,
						.name_index = attr->index,
						.value_size = attr->size };

	emit(w, e, (const uint8_t *)attr->name, attr->value);
}

/* Writes the area anew: without what has the attribute's name, and with it when it has a value. It
 * fits. The hash of the whole in *hash. */
static int rewrite(const struct area *a, const struct attr *attr, uint32_t *hash)
{
	struct writer w = { .area = *a, .entries = a->first, .values = a->size };
	struct uni_ext4_xattr_entry e;
	bool due = attr->value != NULL;
	uint32_t at = a->first;
	uint8_t *old = uk_alloc(a->size);
	int error;

	if (old == NULL)
		return -UK_ENOMEM;
	memcpy(old, a->base, a->size);
	memset(a->base + a->first, 0, a->size - a->first);
	while (next(a, old, at, &e, &error)) {
		int order = compare(attr, &e, old + at + sizeof(e));

		if (due && a->sorted && order < 0) {
			emit_attr(&w, attr);
			due = false;
		}
		if (order != 0)
			emit(&w, e, old + at + sizeof(e), old + e.value_offs);
		at += entry_size(&e);
	}
	if (due)
		emit_attr(&w, attr);
	uk_free(old);
	*hash = w.hash;
	return 0;
}

/* --- the block --- */

static struct uni_ext4_xattr_header *header_of(struct e4_buf *buf)
{
	return (struct uni_ext4_xattr_header *)(void *)buf->data;
}

static int block_get(struct uk_inode *inode, struct e4_buf **out)
{
	struct e4 *fs = e4_of(inode);
	int error;

	*out = NULL;
	if (e4_node_of(inode)->acl == 0)
		return 0;
	error = e4_buf_get(fs, e4_node_of(inode)->acl, E4_XATTR, 0, out);
	if (error == 0 &&
	    (header_of(*out)->magic != UNI_EXT4_XATTR_MAGIC || header_of(*out)->refcount == 0)) {
		e4_buf_put(fs, *out);
		*out = NULL;
		error = e4_bad(fs, "a block of attributes");
	}
	return error;
}

/* One file less has it. */
static int block_leave(struct e4 *fs, struct e4_buf *buf)
{
	if (header_of(buf)->refcount == 1)
		return e4_free(fs, buf->block, 1, true);
	header_of(buf)->refcount--;
	e4_buf_dirty(fs, buf);
	return 0;
}

int e4_xattr_drop(struct uk_inode *inode)
{
	struct e4_node *node = e4_node_of(inode);
	struct e4_buf *buf;
	int error = block_get(inode, &buf);

	if (error == 0 && buf != NULL) {
		error = block_leave(e4_of(inode), buf);
		e4_buf_put(e4_of(inode), buf);
		node->blocks -= UK_MIN(node->blocks, (uint64_t)e4_of(inode)->sectors);
	}
	node->acl = 0;
	return error;
}

/* *buf becomes a block that is this file's alone; NULL before: there was none. */
static int block_own(struct uk_inode *inode, struct e4_buf **buf)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	struct e4_buf *fresh, *old = *buf;
	uint64_t block;
	uint32_t count;
	int error;

	if (old != NULL && header_of(old)->refcount == 1)
		return 0;
	if (fs->free_blocks <= fs->reserved)
		return -UK_ENOSPC;
	error = e4_alloc(fs, node->next_goal, 1, &block, &count);
	if (error != 0)
		return error;
	error = e4_buf_new(fs, block, E4_XATTR, 0, &fresh);
	if (error != 0) {
		(void)e4_free(fs, block, 1, true);
		return error;
	}
	if (old != NULL) {
		memcpy(fresh->data, old->data, fs->block_size);
		error = block_leave(fs, old);
		e4_buf_put(fs, old);
	} else {
		header_of(fresh)->magic = UNI_EXT4_XATTR_MAGIC;
		header_of(fresh)->blocks = 1;
		node->blocks += fs->sectors;
	}
	header_of(fresh)->refcount = 1;
	node->acl = block;
	*buf = fresh;
	return error;
}

/* --- both --- */

struct both {
	struct uk_inode *inode;
	struct e4_place place;
	struct e4_buf *block;
	struct area in_inode, in_block;
	struct found there, beside; /* in the inode, in the block */
	bool unused;		    /* the inode has none yet: what is there is nobody's */
};

static int both_open(struct both *b, struct uk_inode *inode, const struct attr *attr)
{
	struct e4 *fs = e4_of(inode);
	uint32_t at = UNI_EXT4_INODE_MIN + e4_node_of(inode)->extra + WORD, magic;
	int error = e4_inode_place(fs, (uint32_t)inode->ino, &b->place);

	b->inode = inode;
	if (error == 0)
		error = block_get(inode, &b->block);
	if (error == 0 && e4_node_of(inode)->extra != 0 && fs->inode_size > at) {
		b->in_inode.base = b->place.at + at;
		b->in_inode.size = fs->inode_size - at;
		memcpy(&magic, b->place.at + at - WORD, sizeof(magic));
		b->unused = magic != UNI_EXT4_XATTR_MAGIC;
	}
	b->in_block.first = (uint32_t)sizeof(struct uni_ext4_xattr_header);
	b->in_block.size = fs->block_size;
	b->in_block.sorted = true;
	b->in_block.base = b->block != NULL ? b->block->data : NULL;
	if (error == 0 && !b->unused)
		error = look(&b->in_inode, attr, &b->there);
	if (error == 0)
		error = look(&b->in_block, attr, &b->beside);
	return error == -E4_GONE ? e4_bad(fs, "the attributes of a file") : error;
}

static void both_close(struct both *b)
{
	e4_buf_put(e4_of(b->inode), b->block);
	e4_buf_put(e4_of(b->inode), b->place.buf);
}

/* The inode itself is written when all is done: its checksum covers this. */
static int into_inode(struct both *b, const struct attr *attr)
{
	const uint32_t magic = UNI_EXT4_XATTR_MAGIC;
	bool some = attr->value != NULL || b->there.entries != 0;
	uint32_t hash;
	int error;

	if (b->unused)
		memset(b->in_inode.base, 0, b->in_inode.size);
	error = rewrite(&b->in_inode, attr, &hash);
	if (error == 0)
		memcpy(b->in_inode.base - WORD, some ? &magic : &(uint32_t){ 0 }, sizeof(magic));
	return error;
}

static int into_block(struct both *b, const struct attr *attr)
{
	struct e4 *fs = e4_of(b->inode);
	uint32_t hash;
	int error;

	if (attr->value == NULL && b->beside.entries == 0)
		return e4_xattr_drop(b->inode);
	error = block_own(b->inode, &b->block);
	if (error != 0)
		return error;
	b->in_block.base = b->block->data;
	error = rewrite(&b->in_block, attr, &hash);
	if (error == 0)
		header_of(b->block)->hash = hash;
	e4_buf_dirty(fs, b->block);
	return error;
}

static int place_attr(struct both *b, const struct attr *attr)
{
	const struct attr none = { attr->index, attr->name_size, attr->name, NULL, 0 };
	bool inside = b->in_inode.base != NULL && fits(&b->in_inode, attr, &b->there);
	int error = 0;

	if (attr->value == NULL)
		return inside && b->there.there ? into_inode(b, attr) : into_block(b, attr);
	if (!inside && !fits(&b->in_block, attr, &b->beside))
		return -UK_ENOSPC;
	if (!inside || b->beside.there)
		error = into_block(b, inside ? &none : attr);
	if (error == 0 && b->in_inode.base != NULL && (inside || b->there.there))
		error = into_inode(b, inside ? attr : &none);
	return error;
}

static bool attr_named(struct attr *attr, const char *name)
{
	static const uint8_t kinds[] = { 1, 4, 6 }; /* user, trusted, security */

	for (unsigned i = 0; i < UK_COUNT(kinds); i++) {
		const char *prefix = e4_xattr_prefix(kinds[i]);
		size_t size = strlen(prefix);

		if (strncmp(name, prefix, size) != 0 || name[size] == '\0')
			continue;
		attr->index = kinds[i];
		attr->name = name + size;
		attr->name_size = (uint8_t)strlen(name + size);
		return true;
	}
	return false;
}

static int set_inside(struct uk_inode *inode, const struct attr *attr, unsigned flags)
{
	struct e4 *fs = e4_of(inode);
	struct both b = { .block = NULL };
	int error = both_open(&b, inode, attr);
	bool there = b.there.there || b.beside.there;

	if (error == 0 && there && (flags & UK_XATTR_CREATE) != 0)
		error = -UK_EEXIST;
	if (error == 0 && !there && (flags & UK_XATTR_REPLACE) != 0)
		error = -UK_ENODATA;
	if (error == 0)
		error = place_attr(&b, attr);
	if (error == 0 && (fs->disk->feature_compat & UNI_EXT4_EXT_ATTR) == 0) {
		fs->disk->feature_compat |= UNI_EXT4_EXT_ATTR;
		fs->compat |= UNI_EXT4_EXT_ATTR;
		e4_buf_dirty(fs, fs->super_buf);
	}
	if (error == 0) {
		inode->ctime = uk_time_real();
		error = e4_inode_write(inode);
	}
	both_close(&b);
	return error;
}

int e4_xattr_set(struct uk_inode *inode, const char *name, const void *value, size_t size,
		 unsigned flags)
{
	struct e4 *fs = e4_of(inode);
	struct attr attr = { .value = value, .size = (uint32_t)size };
	int error;

	if (!attr_named(&attr, name))
		return -UK_EOPNOTSUPP;
	error = e4_begin(fs, E4_CREDITS);
	if (error != 0)
		return error;
	error = set_inside(inode, &attr, flags);
	e4_end(fs);
	return error;
}
