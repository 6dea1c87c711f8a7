/*
 * Extended attributes: behind an inode's fields, and in a block of its own.
 */
#include "ext4.h"

struct area {
	const uint8_t *entries, *end;
	const uint8_t *values; /* what offsets count from */
};

const char *e4_xattr_prefix(unsigned index)
{
	static const char *const prefixes[] = { "",
						"user.",
						"system.posix_acl_access",
						"system.posix_acl_default",
						"trusted.",
						"",
						"security.",
						"system." };

	return index < UK_COUNT(prefixes) ? prefixes[index] : NULL;
}

struct request {
	const char *name; /* NULL: the list of names */
	uint8_t *to;
	size_t room;
	int64_t used;
	bool done;
};

static int take_name(struct request *r, const char *name)
{
	size_t size = strlen(name) + 1;

	if (r->room != 0) {
		if (size > r->room - (size_t)r->used)
			return -UK_ERANGE;
		memcpy(r->to + r->used, name, size);
	}
	r->used += (int64_t)size;
	return 0;
}

static int take_value(struct request *r, const struct area *a, const struct uni_ext4_xattr_entry *e)
{
	size_t left = (size_t)(a->end - a->values);

	r->done = true;
	r->used = e->value_size;
	if (e->value_inum != 0)
		return -UK_EOPNOTSUPP;
	if (e->value_offs > left || e->value_size > left - e->value_offs)
		return -E4_GONE;
	if (r->room == 0)
		return 0;
	if (e->value_size > r->room)
		return -UK_ERANGE;
	memcpy(r->to, a->values + e->value_offs, e->value_size);
	return 0;
}

static int scan(struct request *r, const struct area *a)
{
	const uint8_t *at = a->entries;
	int error = 0;

	while (error == 0 && !r->done && (size_t)(a->end - at) >= 4 && (at[0] != 0 || at[1] != 0)) {
		struct uni_ext4_xattr_entry e;
		char name[UK_NAME_MAX + 32];
		const char *prefix;
		size_t size;

		if ((size_t)(a->end - at) < sizeof(e))
			return -E4_GONE;
		memcpy(&e, at, sizeof(e));
		if ((size_t)(a->end - at) - sizeof(e) < e.name_len)
			return -E4_GONE;
		prefix = e4_xattr_prefix(e.name_index);
		if (prefix != NULL) {
			size = uk_strlcpy(name, prefix, sizeof(name));
			memcpy(name + size, at + sizeof(e), e.name_len);
			name[size + e.name_len] = '\0';
			if (r->name == NULL)
				error = take_name(r, name);
			else if (strcmp(r->name, name) == 0)
				error = take_value(r, a, &e);
		}
		at += (sizeof(e) + e.name_len + 3u) / 4 * 4;
		if (at > a->end)
			return -E4_GONE;
	}
	return error;
}

static int scan_inode(struct request *r, struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	uint32_t at = UNI_EXT4_INODE_MIN + e4_node_of(inode)->extra, magic;
	struct e4_place place;
	int error;

	if (fs->inode_size < at + 8)
		return 0;
	error = e4_inode_place(fs, (uint32_t)inode->ino, &place);
	if (error != 0)
		return error;
	const struct area a = { place.at + at + 4, place.at + fs->inode_size, place.at + at + 4 };

	memcpy(&magic, place.at + at, sizeof(magic));
	if (magic == UNI_EXT4_XATTR_MAGIC)
		error = scan(r, &a);
	e4_buf_put(fs, place.buf);
	return error;
}

static int scan_block(struct request *r, struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct uni_ext4_xattr_header header;
	struct e4_buf *buf;
	int error;

	if (e4_node_of(inode)->acl == 0)
		return 0;
	error = e4_buf_get(fs, e4_node_of(inode)->acl, E4_XATTR, 0, &buf);
	if (error != 0)
		return error;
	const struct area a = { buf->data + sizeof(header), buf->data + fs->block_size, buf->data };

	memcpy(&header, buf->data, sizeof(header));
	error = header.magic == UNI_EXT4_XATTR_MAGIC ? scan(r, &a)
						     : e4_bad(fs, "a block of attributes");
	e4_buf_put(fs, buf);
	return error;
}

int64_t e4_xattr(struct uk_inode *inode, const char *name, void *value, size_t room)
{
	struct e4 *fs = e4_of(inode);
	struct request r = { .name = name, .to = value, .room = room };
	int error;

	uk_mutex_lock(&fs->lock);
	error = scan_inode(&r, inode);
	if (error == 0 && !r.done)
		error = scan_block(&r, inode);
	uk_mutex_unlock(&fs->lock);
	if (error == -E4_GONE)
		return e4_bad(fs, "the attributes of a file");
	if (error == 0 && name != NULL && !r.done)
		return -UK_ENODATA;
	return error != 0 ? error : r.used;
}
