/*
 * Names in ext4's folders: make, link, remove, rename. Each is one change in one transaction, so
 * that a crash leaves all of it or nothing.
 */
#include "ext4.h"

static void touch(struct uk_inode *dir)
{
	dir->mtime = dir->ctime = uk_time_real();
}

/* Room that was freed lately becomes usable with the next checkpoint: worth one more try. */
static int once_more(struct e4 *fs, int error, bool *again)
{
	*again = error == -UK_ENOSPC && fs->freed_count != 0 && !*again;
	if (*again)
		(void)e4_checkpoint(fs);
	e4_end(fs);
	return error;
}

int e4_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out)
{
	struct e4 *fs = e4_of(dir);
	struct e4_found found;
	int error;

	uk_mutex_lock(&fs->lock);
	error = e4_dir_find(dir, name, size, &found);
	if (error == 0) {
		e4_buf_put(fs, found.buf);
		error = e4_inode_get(fs, found.ino, out);
	}
	uk_mutex_unlock(&fs->lock);
	if (error == 0 && (*out)->nlink == 0 && !e4_node_of(*out)->orphan) {
		uk_inode_put(*out);
		error = -E4_GONE;
	}
	return error;
}

static void links_add(struct uk_inode *dir, int by)
{
	/* More than the format counts are said by one link; that stays so. */
	if (dir->nlink == 1)
		return;
	dir->nlink = (uint32_t)((int)dir->nlink + by);
	if (dir->nlink >= UNI_EXT4_LINK_MAX)
		dir->nlink = 1;
}

/* The new inode's own content, and its name. What fails leaves an inode without a name, which its
 * last reference frees. */
static int settle(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode)
{
	bool folder = UK_S_IS(inode->mode, DIR);
	int error = folder ? e4_dir_init(inode, (uint32_t)dir->ino) : 0;

	if (error == 0)
		error = e4_dir_add(dir, name, size, (uint32_t)inode->ino, inode->mode);
	if (error == 0) {
		if (folder)
			links_add(dir, 1);
		touch(dir);
		return e4_inode_write(dir);
	}
	inode->nlink = 0;
	(void)e4_orphan_add(inode);
	return error;
}

int e4_create(struct uk_inode *dir, const char *name, size_t size, uint32_t mode, uint64_t rdev,
	      struct uk_inode **out)
{
	struct e4 *fs = e4_of(dir);
	bool again = false;
	int error;

	do {
		struct uk_inode *inode = NULL;

		error = e4_begin(fs, E4_CREDITS);
		if (error != 0)
			return error;
		error = e4_inode_new(dir, mode, rdev, &inode);
		if (error == 0) {
			error = settle(dir, name, size, inode);
			*out = inode;
		}
		error = once_more(fs, error, &again);
		if (error != 0 && inode != NULL)
			uk_inode_put(inode);
	} while (again);
	return error;
}

static int nameless(struct uk_inode *dir, uint32_t mode, struct uk_inode **out)
{
	struct e4 *fs = e4_of(dir);
	int error = e4_begin(fs, E4_CREDITS);

	if (error != 0)
		return error;
	error = e4_inode_new(dir, mode, 0, out);
	if (error == 0) {
		(*out)->nlink = 0;
		error = e4_orphan_add(*out);
	}
	e4_end(fs);
	return error;
}

static int write_target(struct uk_inode *inode, const char *target, size_t length)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	struct e4_buf *buf;
	uint64_t block;
	uint32_t count;
	int error;

	inode->size = node->disk_size = length;
	if (length < UNI_EXT4_FAST_LINK) {
		memcpy(node->map, target, length);
		return e4_inode_write(inode);
	}
	node->flags |= UNI_EXT4_FL_EXTENTS;
	*(struct uni_ext4_extent_header *)(void *)node->map =
		(struct uni_ext4_extent_header){ .magic = UNI_EXT4_EXTENT_MAGIC,
						 .max = UNI_EXT4_EXTENT_ROOM };
	error = e4_alloc(fs, node->next_goal, 1, &block, &count);
	if (error == 0)
		error = e4_extent_insert(inode, 0, 1, block, false);
	if (error == 0)
		error = e4_buf_new(fs, block, E4_PLAIN, 0, &buf);
	if (error != 0)
		return error;
	memcpy(buf->data, target, length);
	e4_buf_put(fs, buf);
	node->blocks += fs->sectors;
	return e4_inode_write(inode);
}

int e4_symlink(struct uk_inode *dir, const char *name, size_t size, const char *target,
	       struct uk_inode **out)
{
	struct e4 *fs = e4_of(dir);
	size_t length = strlen(target);
	struct uk_inode *inode = NULL;
	int error;

	if (length >= fs->block_size)
		return -UK_ENAMETOOLONG;
	error = e4_begin(fs, E4_CREDITS);
	if (error != 0)
		return error;
	error = e4_inode_new(dir, UK_S_IFLNK | 0777, 0, &inode);
	if (error == 0) {
		error = write_target(inode, target, length);
		if (error == 0) {
			error = settle(dir, name, size, inode);
		} else {
			inode->nlink = 0;
			(void)e4_orphan_add(inode);
		}
	}
	e4_end(fs);
	if (error != 0 && inode != NULL)
		uk_inode_put(inode);
	else
		*out = inode;
	return error;
}

int e4_link(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode)
{
	struct e4 *fs = e4_of(dir);
	int error;

	if (inode->nlink >= UNI_EXT4_LINK_MAX)
		return -UK_EMLINK;
	error = e4_begin(fs, E4_CREDITS);
	if (error != 0)
		return error;
	error = e4_dir_add(dir, name, size, (uint32_t)inode->ino, inode->mode);
	if (error == 0) {
		inode->nlink++;
		inode->linkable = false;
		inode->ctime = uk_time_real();
		touch(dir);
		error = e4_orphan_remove(inode);
	}
	if (error == 0)
		error = e4_inode_write(inode);
	if (error == 0)
		error = e4_inode_write(dir);
	e4_end(fs);
	return error;
}

/* The name is gone; with the last one the inode waits for the last who has it open. */
static int unlinked(struct uk_inode *inode)
{
	inode->nlink = UK_S_IS(inode->mode, DIR) ? 0 : inode->nlink - 1;
	inode->ctime = uk_time_real();
	if (inode->nlink == 0)
		return e4_orphan_add(inode);
	return e4_inode_write(inode);
}

/* Files of a time before extents are read and written in place, not cut. */
static int may_free(const struct uk_inode *inode)
{
	const struct e4_node *node = e4_node_of(inode);

	if ((UK_S_IS(inode->mode, REG) || UK_S_IS(inode->mode, DIR)) && inode->nlink <= 2 &&
	    (node->flags & UNI_EXT4_FL_EXTENTS) == 0 && node->blocks != 0)
		return -UK_EOPNOTSUPP;
	return (node->flags & (UNI_EXT4_FL_IMMUTABLE | UNI_EXT4_FL_APPEND)) != 0 ? -UK_EPERM : 0;
}

static int unlink_found(struct uk_inode *dir, const struct e4_found *found, struct uk_inode *inode)
{
	int error = found->ino == inode->ino ? may_free(inode) : e4_bad(e4_of(dir), "a name");

	if (error == 0 && UK_S_IS(inode->mode, DIR))
		error = e4_dir_empty(inode);
	if (error != 0)
		return error;
	e4_dir_remove(dir, found);
	if (UK_S_IS(inode->mode, DIR))
		links_add(dir, -1);
	touch(dir);
	error = e4_inode_write(dir);
	return error != 0 ? error : unlinked(inode);
}

int e4_unlink(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode)
{
	struct e4 *fs = e4_of(dir);
	struct e4_found found;
	int error = e4_begin(fs, E4_CREDITS);

	if (error != 0)
		return error;
	error = e4_dir_find(dir, name, size, &found);
	if (error == 0) {
		error = unlink_found(dir, &found, inode);
		e4_buf_put(fs, found.buf);
	}
	e4_end(fs);
	/* Else its space would be held until the next writing in the background. */
	if (error == 0 && inode->nlink == 0)
		e4_unmark(inode);
	return error;
}

/* --- renaming --- */

struct moving {
	struct uk_inode *dir, *to_dir, *inode, *over;
	const char *name, *to;
	size_t size, to_size;
};

/* ".." of a folder that moved. */
static int set_parent(struct uk_inode *inode, const struct uk_inode *parent)
{
	struct e4_found found;
	int error;

	if (!UK_S_IS(inode->mode, DIR))
		return 0;
	error = e4_dir_find(inode, "..", 2, &found);
	if (error != 0)
		return error;
	e4_dir_set(inode, &found, (uint32_t)parent->ino, UK_S_IFDIR);
	e4_buf_put(e4_of(inode), found.buf);
	return 0;
}

static int parents_changed(const struct moving *m)
{
	int error;

	touch(m->dir);
	touch(m->to_dir);
	m->inode->ctime = m->dir->ctime;
	error = e4_inode_write(m->dir);
	if (error == 0 && m->to_dir != m->dir)
		error = e4_inode_write(m->to_dir);
	return error != 0 ? error : e4_inode_write(m->inode);
}

/* The new name, in an entry of its own or in that of what it replaces. */
static int put_new(const struct moving *m)
{
	struct e4_found found;
	int error;

	if (m->over == NULL)
		return e4_dir_add(m->to_dir, m->to, m->to_size, (uint32_t)m->inode->ino,
				  m->inode->mode);
	error = may_free(m->over);
	if (error == 0 && UK_S_IS(m->over->mode, DIR))
		error = e4_dir_empty(m->over);
	if (error == 0)
		error = e4_dir_find(m->to_dir, m->to, m->to_size, &found);
	if (error != 0)
		return error;
	e4_dir_set(m->to_dir, &found, (uint32_t)m->inode->ino, m->inode->mode);
	e4_buf_put(e4_of(m->dir), found.buf);
	return 0;
}

static int move(const struct moving *m)
{
	struct e4 *fs = e4_of(m->dir);
	struct e4_found found;
	int error = put_new(m);

	if (error != 0)
		return error;
	/* Adding may have moved the old entry to another block: it is looked for afterwards. */
	error = e4_dir_find(m->dir, m->name, m->size, &found);
	if (error != 0)
		return e4_fail(fs, error);
	e4_dir_remove(m->dir, &found);
	e4_buf_put(fs, found.buf);
	if (UK_S_IS(m->inode->mode, DIR) && m->dir != m->to_dir) {
		error = set_parent(m->inode, m->to_dir);
		links_add(m->dir, -1);
		links_add(m->to_dir, 1);
	}
	if (error == 0 && m->over != NULL) {
		if (UK_S_IS(m->over->mode, DIR))
			links_add(m->to_dir, -1);
		error = unlinked(m->over);
	}
	return error != 0 ? e4_fail(fs, error) : parents_changed(m);
}

static int exchange_names(const struct moving *m)
{
	struct e4 *fs = e4_of(m->dir);
	int folders = UK_S_IS(m->inode->mode, DIR) - UK_S_IS(m->over->mode, DIR);
	struct e4_found a, b;
	int error = e4_dir_find(m->dir, m->name, m->size, &a);

	if (error != 0)
		return error;
	error = e4_dir_find(m->to_dir, m->to, m->to_size, &b);
	if (error == 0) {
		e4_dir_set(m->dir, &a, (uint32_t)m->over->ino, m->over->mode);
		e4_dir_set(m->to_dir, &b, (uint32_t)m->inode->ino, m->inode->mode);
		e4_buf_put(fs, b.buf);
	}
	e4_buf_put(fs, a.buf);
	if (error == 0 && m->dir != m->to_dir) {
		links_add(m->dir, -folders);
		links_add(m->to_dir, folders);
		error = set_parent(m->inode, m->to_dir);
		if (error == 0)
			error = set_parent(m->over, m->dir);
	}
	m->over->ctime = uk_time_real();
	if (error == 0)
		error = e4_inode_write(m->over);
	return error != 0 ? error : parents_changed(m);
}

int e4_rename(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode,
	      struct uk_inode *to_dir, const char *to, size_t to_size, struct uk_inode *over,
	      bool exchange)
{
	const struct moving m = { dir, to_dir, inode, over, name, to, size, to_size };
	struct e4 *fs = e4_of(dir);
	int error = e4_begin(fs, E4_CREDITS);

	if (error != 0)
		return error;
	error = exchange ? exchange_names(&m) : move(&m);
	e4_end(fs);
	if (error == 0 && over != NULL && over->nlink == 0)
		e4_unmark(over);
	return error;
}

static int readlink(struct uk_inode *inode, char *target, size_t room)
{
	struct e4 *fs = e4_of(inode);
	const struct e4_node *node = e4_node_of(inode);
	size_t size = UK_MIN(inode->size, room);
	struct e4_run run[E4_RUNS_MAX];
	struct e4_buf *buf;
	unsigned count;
	int error;

	if (inode->size < UNI_EXT4_FAST_LINK && (node->flags & UNI_EXT4_FL_EXTENTS) == 0) {
		memcpy(target, node->map, size);
		return (int)size;
	}
	if (inode->size >= fs->block_size)
		return e4_bad(fs, "the target of a link");
	uk_mutex_lock(&fs->lock);
	error = e4_map(inode, 0, 1, run, &count);
	if (error == 0 && (count == 0 || run[0].block == 0))
		error = e4_bad(fs, "the target of a link");
	if (error == 0)
		error = e4_buf_get(fs, run[0].block, E4_PLAIN, 0, &buf);
	if (error == 0) {
		memcpy(target, buf->data, size);
		e4_buf_put(fs, buf);
	}
	uk_mutex_unlock(&fs->lock);
	return error != 0 ? error : (int)size;
}

static int setattr(struct uk_inode *inode)
{
	e4_node_of(inode)->attributes = true;
	e4_mark(inode);
	return 0;
}

const struct uk_inode_ops e4_dir_ops = {
	.lookup = e4_lookup,
	.readdir = e4_readdir,
	.create = e4_create,
	.nameless = nameless,
	.symlink = e4_symlink,
	.link = e4_link,
	.unlink = e4_unlink,
	.rename = e4_rename,
	.setattr = setattr,
	.sync = e4_sync,
	.xattr = e4_xattr,
	.xattr_set = e4_xattr_set,
	.release = e4_release,
};
const struct uk_inode_ops e4_file_ops = {
	.fill = e4_fill,
	.reserve = e4_reserve,
	.unreserve = e4_unreserve,
	.truncate = e4_truncate,
	.punch = e4_punch,
	.allocate = e4_allocate,
	.write_pages = e4_write_pages,
	.read_direct = e4_read_direct,
	.write_direct = e4_write_direct,
	.setattr = setattr,
	.sync = e4_sync,
	.xattr = e4_xattr,
	.xattr_set = e4_xattr_set,
	.release = e4_release,
};
const struct uk_inode_ops e4_link_ops = { .readlink = readlink,
					  .setattr = setattr,
					  .sync = e4_sync,
					  .xattr = e4_xattr,
					  .xattr_set = e4_xattr_set,
					  .release = e4_release };
const struct uk_inode_ops e4_special_ops = { .setattr = setattr,
					     .sync = e4_sync,
					     .xattr = e4_xattr,
					     .xattr_set = e4_xattr_set,
					     .release = e4_release };
