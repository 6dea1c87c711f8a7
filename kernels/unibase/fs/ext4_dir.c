/*
 * Folders of ext4: entries in blocks. A small folder is searched from its start; one with an index
 * by hash (ext4_htree.c). Places for readdir are byte offsets.
 */
#include "ext4.h"

enum { FIRST = 2 /* where readdir starts: the VFS gives "." and ".." */ };

uint32_t e4_dir_room(const struct e4 *fs)
{
	return fs->block_size - (fs->sums ? (uint32_t)sizeof(struct uni_ext4_entry_tail) : 0);
}

uint32_t e4_entry_size(uint32_t name_size)
{
	return ((uint32_t)sizeof(struct uni_ext4_entry) + name_size + 3) / 4 * 4;
}

struct uni_ext4_entry *e4_entry(uint8_t *block, uint32_t at, uint32_t end)
{
	struct uni_ext4_entry *e = (struct uni_ext4_entry *)(void *)(block + at);

	if (end - at < sizeof(*e) || e->rec_len > end - at || e->rec_len % 4 != 0 ||
	    e->rec_len < e4_entry_size(e->name_len))
		return NULL;
	return e;
}

void e4_entry_put(uint8_t *block, uint32_t at, uint32_t rec, const char *name, size_t size,
		  uint32_t ino, uint8_t type)
{
	const struct uni_ext4_entry e = {
		.inode = ino, .rec_len = (uint16_t)rec, .name_len = (uint8_t)size, .type = type
	};

	memcpy(block + at, &e, sizeof(e));
	memcpy(block + at + sizeof(e), name, size);
}

static uint8_t type_of(const struct e4 *fs, uint32_t mode)
{
	static const uint8_t types[16] = {
		[1] = UNI_EXT4_FT_FIFO,	  [2] = UNI_EXT4_FT_CHAR, [4] = UNI_EXT4_FT_FOLDER,
		[6] = UNI_EXT4_FT_BLOCK,  [8] = UNI_EXT4_FT_FILE, [10] = UNI_EXT4_FT_LINK,
		[12] = UNI_EXT4_FT_SOCKET
	};

	return (fs->incompat & UNI_EXT4_FILETYPE) != 0 ? types[mode >> 12 & 15] : 0;
}

static uint32_t mode_of(uint8_t type)
{
	static const uint8_t modes[8] = { 0, 8, 4, 2, 6, 1, 12, 10 };

	return type < UK_COUNT(modes) ? modes[type] : 0;
}

int e4_dir_block(struct uk_inode *dir, uint32_t at, enum e4_kind kind, struct e4_buf **buf)
{
	struct e4 *fs = e4_of(dir);
	struct e4_run run[E4_RUNS_MAX];
	unsigned count;
	int error = e4_map(dir, at, 1, run, &count);

	if (error != 0)
		return error;
	if (kind == E4_DIR && (e4_node_of(dir)->flags & UNI_EXT4_FL_INDEX) == 0)
		kind = E4_LEAF;
	if (count == 0 || run[0].block == 0 || run[0].unwritten)
		return e4_bad(fs, "a folder with a hole");
	return e4_buf_get(fs, run[0].block, kind, e4_node_of(dir)->seed, buf);
}

static uint32_t block_count(const struct uk_inode *dir)
{
	return (uint32_t)(dir->size >> e4_of(dir)->block_bits);
}

static bool is_indexed(const struct uk_inode *dir)
{
	return (e4_node_of(dir)->flags & UNI_EXT4_FL_INDEX) != 0 &&
	       (e4_of(dir)->compat & UNI_EXT4_DIR_INDEX) != 0;
}

void e4_leaf_init(const struct e4 *fs, struct e4_buf *buf)
{
	const struct uni_ext4_entry_tail tail = { .rec_len = sizeof(tail),
						  .type = UNI_EXT4_FT_TAIL };

	memset(buf->data, 0, fs->block_size);
	e4_entry_put(buf->data, 0, e4_dir_room(fs), "", 0, 0, 0);
	if (fs->sums)
		memcpy(buf->data + e4_dir_room(fs), &tail, sizeof(tail));
}

int e4_dir_append(struct uk_inode *dir, enum e4_kind kind, uint32_t *at, struct e4_buf **buf)
{
	struct e4 *fs = e4_of(dir);
	struct e4_node *node = e4_node_of(dir);
	uint64_t block;
	uint32_t count;
	int error = e4_alloc(fs, node->next_goal, 1, &block, &count);

	*at = block_count(dir);
	if (error != 0)
		return error;
	error = e4_extent_insert(dir, *at, 1, block, false);
	if (error == 0)
		error = e4_buf_new(fs, block, kind, node->seed, buf);
	if (error != 0) {
		(void)e4_free(fs, block, 1, true);
		return error;
	}
	node->next_goal = block + 1;
	node->blocks += fs->sectors;
	dir->size += fs->block_size;
	node->disk_size = dir->size;
	if (kind == E4_LEAF)
		e4_leaf_init(fs, *buf);
	error = e4_inode_write(dir);
	if (error != 0)
		e4_buf_put(fs, *buf);
	return error;
}

int e4_dir_init(struct uk_inode *inode, uint32_t parent)
{
	struct e4 *fs = e4_of(inode);
	struct e4_buf *buf;
	uint32_t at;
	uint8_t type = type_of(fs, UK_S_IFDIR);
	int error = e4_dir_append(inode, E4_LEAF, &at, &buf);

	if (error != 0)
		return error;
	e4_entry_put(buf->data, 0, 12, ".", 1, (uint32_t)inode->ino, type);
	e4_entry_put(buf->data, 12, e4_dir_room(fs) - 12, "..", 2, parent, type);
	e4_buf_put(fs, buf);
	return 0;
}

/* --- looking --- */

/* 0, or -UK_ENOENT; found->buf is given on success. */
static int find_in(struct e4 *fs, struct e4_buf *buf, const char *name, size_t size,
		   struct e4_found *found)
{
	uint32_t end = e4_dir_room(fs), before = 0;

	for (uint32_t at = 0; at < end;) {
		const struct uni_ext4_entry *e = e4_entry(buf->data, at, end);

		if (e == NULL)
			return e4_bad(fs, "an entry of a folder");
		if (e->inode != 0 && e->name_len == size &&
		    memcmp((const char *)(e + 1), name, size) == 0) {
			*found = (struct e4_found){ buf, at, before, e->inode };
			return 0;
		}
		before = at;
		at += e->rec_len;
	}
	return -UK_ENOENT;
}

static int find_in_block(struct uk_inode *dir, uint32_t block, const char *name, size_t size,
			 struct e4_found *found)
{
	struct e4_buf *buf;
	int error = e4_dir_block(dir, block, E4_DIR, &buf);

	if (error != 0)
		return error;
	error = buf->kind == E4_INDEX ? -UK_ENOENT : find_in(e4_of(dir), buf, name, size, found);
	if (error != 0)
		e4_buf_put(e4_of(dir), buf);
	return error;
}

/* "." and "..": in the first block, indexed or not. */
static int find_dots(struct uk_inode *dir, const char *name, size_t size, struct e4_found *found)
{
	struct e4 *fs = e4_of(dir);
	struct e4_buf *buf;
	int error = e4_dir_block(dir, 0, E4_DIR, &buf);

	if (error != 0)
		return error;
	for (uint32_t at = 0; at <= 12; at += 12) {
		const struct uni_ext4_entry *e = e4_entry(buf->data, at, fs->block_size);

		if (e == NULL || (at == 0 && e->rec_len != 12))
			break;
		if (e->name_len == size && memcmp((const char *)(e + 1), name, size) == 0) {
			*found = (struct e4_found){ buf, at, 0, e->inode };
			return 0;
		}
	}
	e4_buf_put(fs, buf);
	return e4_bad(fs, "a folder without . and ..");
}

int e4_dir_find(struct uk_inode *dir, const char *name, size_t size, struct e4_found *found)
{
	uint32_t leaf;
	int error;

	if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')))
		return find_dots(dir, name, size, found);
	for (unsigned skip = 0; is_indexed(dir); skip++) {
		error = e4_htree_leaf(dir, name, size, skip, &leaf);
		if (error == -UK_EOPNOTSUPP)
			break;
		if (error == 0)
			error = find_in_block(dir, leaf, name, size, found);
		else
			return error;
		if (error != -UK_ENOENT)
			return error;
	}
	for (uint32_t i = 0; i < block_count(dir); i++) {
		error = find_in_block(dir, i, name, size, found);
		if (error != -UK_ENOENT)
			return error;
	}
	return -UK_ENOENT;
}

int e4_dir_empty(struct uk_inode *dir)
{
	struct e4 *fs = e4_of(dir);
	uint32_t end = e4_dir_room(fs);

	for (uint32_t i = 0; i < block_count(dir); i++) {
		struct e4_buf *buf;
		int error = e4_dir_block(dir, i, E4_DIR, &buf);

		if (error != 0)
			return error;
		for (uint32_t at = i == 0 ? 24 : 0;
		     buf->kind == E4_LEAF && at < end && error == 0;) {
			const struct uni_ext4_entry *e;

			if (i == 0 && at == 24) {
				/* Behind "." and "..", of which the second may fill the block. */
				e = e4_entry(buf->data, 12, end);
				at = e != NULL ? 12u + e->rec_len : end;
				if (at >= end)
					break;
			}
			e = e4_entry(buf->data, at, end);
			if (e == NULL)
				error = e4_bad(fs, "an entry of a folder");
			else if (e->inode != 0)
				error = -UK_ENOTEMPTY;
			else
				at += e->rec_len;
		}
		e4_buf_put(fs, buf);
		if (error != 0)
			return error;
	}
	return 0;
}

/* --- changing --- */

int e4_leaf_add(struct e4 *fs, struct e4_buf *buf, const char *name, size_t size, uint32_t ino,
		uint8_t type)
{
	uint32_t end = e4_dir_room(fs), need = e4_entry_size((uint32_t)size);

	for (uint32_t at = 0; at < end;) {
		struct uni_ext4_entry *e = e4_entry(buf->data, at, end);
		uint32_t used, rec;

		if (e == NULL)
			return e4_bad(fs, "an entry of a folder");
		used = e->inode != 0 ? e4_entry_size(e->name_len) : 0;
		rec = e->rec_len;
		if (rec - used >= need) {
			if (used != 0)
				e->rec_len = (uint16_t)used;
			e4_entry_put(buf->data, at + used, rec - used, name, size, ino, type);
			e4_buf_dirty(fs, buf);
			return 0;
		}
		at += rec;
	}
	return -UK_ENOSPC;
}

static int add_linear(struct uk_inode *dir, const char *name, size_t size, uint32_t ino,
		      uint8_t type)
{
	struct e4 *fs = e4_of(dir);
	struct e4_buf *buf;
	uint32_t at;
	int error;

	for (uint32_t i = 0; i < block_count(dir); i++) {
		error = e4_dir_block(dir, i, E4_LEAF, &buf);
		if (error != 0)
			return error;
		error = e4_leaf_add(fs, buf, name, size, ino, type);
		e4_buf_put(fs, buf);
		if (error != -UK_ENOSPC)
			return error;
	}
	if (block_count(dir) == 1 && (fs->compat & UNI_EXT4_DIR_INDEX) != 0) {
		error = e4_htree_make(dir);
		return error != 0 ? error : e4_htree_add(dir, name, size, ino, type);
	}
	error = e4_dir_append(dir, E4_LEAF, &at, &buf);
	if (error != 0)
		return error;
	error = e4_leaf_add(fs, buf, name, size, ino, type);
	e4_buf_put(fs, buf);
	return error;
}

int e4_dir_add(struct uk_inode *dir, const char *name, size_t size, uint32_t ino, uint32_t mode)
{
	uint8_t type = type_of(e4_of(dir), mode);

	if (is_indexed(dir))
		return e4_htree_add(dir, name, size, ino, type);
	return add_linear(dir, name, size, ino, type);
}

void e4_dir_remove(struct uk_inode *dir, const struct e4_found *found)
{
	struct uni_ext4_entry *e = (struct uni_ext4_entry *)(void *)(found->buf->data + found->at);
	struct uni_ext4_entry *before =
		(struct uni_ext4_entry *)(void *)(found->buf->data + found->before);

	if (found->before != found->at)
		before->rec_len = (uint16_t)(before->rec_len + e->rec_len);
	e->inode = 0;
	e4_buf_dirty(e4_of(dir), found->buf);
}

void e4_dir_set(struct uk_inode *dir, const struct e4_found *found, uint32_t ino, uint32_t mode)
{
	struct uni_ext4_entry *e = (struct uni_ext4_entry *)(void *)(found->buf->data + found->at);

	e->inode = ino;
	e->type = type_of(e4_of(dir), mode);
	e4_buf_dirty(e4_of(dir), found->buf);
}

/* --- readdir --- */

/* One block's entries from `from` on. 1: the sink is full. */
static int list_block(struct e4 *fs, struct e4_buf *buf, uint64_t base, uint64_t *position,
		      struct uk_dirent_sink *sink)
{
	uint32_t end = e4_dir_room(fs);

	for (uint32_t at = 0; at < end;) {
		const struct uni_ext4_entry *e = e4_entry(buf->data, at, end);
		const char *name = (const char *)(e + 1);
		uint64_t next;

		if (e == NULL)
			return e4_bad(fs, "an entry of a folder");
		next = base + at + e->rec_len + FIRST;
		if (base + at + FIRST < *position || e->inode == 0 || e->name_len == 0 ||
		    (name[0] == '.' &&
		     (e->name_len == 1 || (e->name_len == 2 && name[1] == '.')))) {
			at += e->rec_len;
			continue;
		}
		if (sink->add(sink, name, e->name_len, e->inode, mode_of(e->type), next) != 0)
			return 1;
		*position = next;
		at += e->rec_len;
	}
	return 0;
}

int e4_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink)
{
	struct e4 *fs = e4_of(dir);
	int result = 0;

	/* The sink fills a buffer of the kernel's: nothing of the program's is touched here. */
	uk_mutex_lock(&fs->lock);
	while (result == 0 && *position - FIRST < dir->size) {
		uint32_t block = (uint32_t)((*position - FIRST) >> fs->block_bits);
		uint64_t base = (uint64_t)block << fs->block_bits;
		struct e4_buf *buf;

		result = e4_dir_block(dir, block, E4_DIR, &buf);
		if (result != 0)
			break;
		if (buf->kind == E4_LEAF)
			result = list_block(fs, buf, base, position, sink);
		e4_buf_put(fs, buf);
		if (result == 0)
			*position = base + fs->block_size + FIRST;
	}
	uk_mutex_unlock(&fs->lock);
	return result == 1 ? 0 : result;
}
