/*
 * The file system /proc: names and texts that are made when they are asked for.
 */
#include "proc.h"

enum { PROC_MAGIC = 0x9fa0, FIRST_INO = 2, FD_INO = 0x10000 };

static const struct uk_inode_ops folder_ops, text_ops, link_ops, jump_ops, fds_ops, fd_link_ops;

/* Of every inode but the root's. */
static const struct fs_proc_entry *entry_of(const struct uk_inode *inode)
{
	return &fs_proc_entries[inode->ino - FIRST_INO];
}

/* -- the tree, out of the list of paths -- */

static const char *folder_path(const struct uk_inode *dir)
{
	return dir != dir->super->root ? entry_of(dir)->path : "";
}

/* The name of an entry when it stands directly in the folder, else NULL. */
static const char *name_in(const struct fs_proc_entry *entry, const char *folder)
{
	size_t size = strlen(folder);
	const char *name = entry->path;

	if (size != 0) {
		if (strncmp(name, folder, size) != 0 || name[size] != '/')
			return NULL;
		name += size + 1;
	}
	return strchr(name, '/') == NULL ? name : NULL;
}

static uint32_t mode_of(const struct fs_proc_entry *entry)
{
	switch (entry->kind) {
	case FS_PROC_FOLDER:
		return UK_S_IFDIR | 0555;
	case FS_PROC_FDS:
		return UK_S_IFDIR | 0500;
	case FS_PROC_LINK:
	case FS_PROC_JUMP:
		return UK_S_IFLNK | 0777;
	case FS_PROC_TEXT:
	case FS_PROC_SHOW:
	case FS_PROC_OPEN:
		break;
	}
	return UK_S_IFREG | 0444;
}

static const struct uk_inode_ops *ops_of(const struct fs_proc_entry *entry)
{
	switch (entry->kind) {
	case FS_PROC_FOLDER:
		return &folder_ops;
	case FS_PROC_FDS:
		return &fds_ops;
	case FS_PROC_LINK:
		return &link_ops;
	case FS_PROC_JUMP:
		return &jump_ops;
	case FS_PROC_TEXT:
	case FS_PROC_SHOW:
	case FS_PROC_OPEN:
		break;
	}
	return &text_ops;
}

static struct uk_inode *node_new(struct uk_super *super, const struct uk_inode_ops *ops,
				 uint32_t mode, uint64_t ino)
{
	struct uk_inode *inode = uk_inode_new(super, ops, mode);

	if (inode == NULL)
		return NULL;
	inode->ino = ino;
	inode->nlink = UK_S_IS(mode, DIR) ? 2 : 1;
	inode->atime = inode->mtime = inode->ctime = uk_time_real();
	fs_inode_own(inode, NULL);
	return inode;
}

static int folder_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out)
{
	for (unsigned i = 0; i < fs_proc_count; i++) {
		const struct fs_proc_entry *entry = &fs_proc_entries[i];
		const char *own = name_in(entry, folder_path(dir));

		if (own == NULL || strlen(own) != size || memcmp(own, name, size) != 0)
			continue;
		*out = node_new(dir->super, ops_of(entry), mode_of(entry), FIRST_INO + i);
		return *out != NULL ? 0 : -UK_ENOMEM;
	}
	return -UK_ENOENT;
}

static int folder_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink)
{
	for (uint64_t i = *position - 2; i < fs_proc_count; i++) {
		const struct fs_proc_entry *entry = &fs_proc_entries[i];
		const char *name = name_in(entry, folder_path(dir));

		if (name != NULL && sink->add(sink, name, strlen(name), FIRST_INO + i,
					      mode_of(entry) >> 12, i + 3) != 0)
			return 0;
		*position = i + 3;
	}
	return 0;
}

/* -- texts: made once, when the file is opened -- */

static int64_t text_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	const struct fs_text *text = file->data;
	int64_t moved;

	if (*offset >= text->size)
		return 0;
	moved = uk_iter_put(to, text->at + *offset, text->size - *offset);
	if (moved > 0)
		*offset += (uint64_t)moved;
	return moved;
}

static void text_release(struct uk_file *file)
{
	fs_text_free(file->data);
	uk_free(file->data);
}

static const struct uk_file_ops text_file_ops = { .read = text_read, .release = text_release };

static int text_open(struct uk_inode *inode, struct uk_file *file)
{
	const struct fs_proc_entry *entry = entry_of(inode);
	struct fs_text *text;

	if (fs_can_write(file))
		return -UK_EACCES;
	if (entry->kind == FS_PROC_OPEN)
		return entry->open(inode, file);
	text = uk_alloc(sizeof(*text));
	if (text == NULL)
		return -UK_ENOMEM;
	if (entry->kind == FS_PROC_SHOW)
		entry->show(text);
	else
		fs_text_add(text, "%s\n", entry->text);
	if (text->failed) {
		fs_text_free(text);
		uk_free(text);
		return -UK_ENOMEM;
	}
	file->ops = &text_file_ops;
	file->data = text;
	return 0;
}

/* -- links -- */

static int path_of(struct uk_dentry *dentry, char *target, size_t room)
{
	char *path = uk_alloc(UK_PATH_MAX);
	int size;

	if (path == NULL)
		return -UK_ENOMEM;
	size = fs_dentry_path(dentry, path, UK_PATH_MAX);
	if (size >= 0 || size == -UK_ENOENT) {
		size = (int)UK_MIN(strlen(path), room);
		memcpy(target, path, (size_t)size);
	}
	uk_free(path);
	return size;
}

static int link_readlink(struct uk_inode *inode, char *target, size_t room)
{
	const struct fs_proc_entry *entry = entry_of(inode);
	struct uk_dentry *dentry;
	size_t size;
	int result;

	if (entry->kind == FS_PROC_LINK) {
		size = UK_MIN(strlen(entry->text), room);
		memcpy(target, entry->text, size);
		return (int)size;
	}
	dentry = entry->jump();
	if (uk_is_err(dentry))
		return (int)uk_ptr_err(dentry);
	result = path_of(dentry, target, room);
	fs_dentry_put(dentry);
	return result;
}

static struct uk_dentry *jump_jump(struct uk_inode *inode)
{
	return entry_of(inode)->jump();
}

/* -- descriptors -- */

static int fds_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out)
{
	struct uk_file *file;
	uint32_t mode;
	int fd = 0;

	if (size > 9 || (name[0] == '0' && size > 1))
		return -UK_ENOENT;
	for (size_t i = 0; i < size; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -UK_ENOENT;
		fd = fd * 10 + (name[i] - '0');
	}
	file = uk_fd_get(fd);
	if (file == NULL)
		return -UK_ENOENT;
	mode = UK_S_IFLNK | 0100u | (fs_can_read(file) ? 0400u : 0u) |
	       (fs_can_write(file) ? 0200u : 0u);
	uk_file_put(file);
	*out = node_new(dir->super, &fd_link_ops, mode, FD_INO + (uint64_t)fd);
	return *out != NULL ? 0 : -UK_ENOMEM;
}

static int fds_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink)
{
	(void)dir;
	if (*position - 2 > INT32_MAX)
		return 0;
	for (int fd = fs_fd_next((int)(*position - 2)); fd >= 0; fd = fs_fd_next(fd + 1)) {
		char name[16];
		int size = uk_snprintf(name, sizeof(name), "%d", fd);

		if (sink->add(sink, name, (size_t)size, FD_INO + (uint64_t)fd, UK_S_IFLNK >> 12,
			      (uint64_t)fd + 3) != 0)
			return 0;
		*position = (uint64_t)fd + 3;
	}
	return 0;
}

static struct uk_file *fd_file(const struct uk_inode *inode)
{
	return uk_fd_get((int)(inode->ino - FD_INO));
}

static int fd_readlink(struct uk_inode *inode, char *target, size_t room)
{
	struct uk_file *file = fd_file(inode);
	char *path;
	int size;

	if (file == NULL)
		return -UK_ENOENT;
	path = uk_alloc(UK_PATH_MAX);
	size = path != NULL ? uk_file_path(file, path, UK_PATH_MAX) : -UK_ENOMEM;
	if (size > 0) {
		size = (int)UK_MIN((size_t)size, room);
		memcpy(target, path, (size_t)size);
	}
	uk_free(path);
	uk_file_put(file);
	return size;
}

static struct uk_dentry *fd_jump(struct uk_inode *inode)
{
	struct uk_file *file = fd_file(inode);
	struct uk_dentry *dentry;

	if (file == NULL)
		return uk_err_ptr(-UK_ENOENT);
	dentry = file->dentry;
	if (dentry != NULL)
		fs_dentry_get(dentry);
	uk_file_put(file);
	return dentry != NULL ? dentry : uk_err_ptr(-UK_ENXIO);
}

static const struct uk_inode_ops folder_ops = { .lookup = folder_lookup,
						.readdir = folder_readdir };
static const struct uk_inode_ops text_ops = { .open = text_open };
static const struct uk_inode_ops link_ops = { .readlink = link_readlink };
static const struct uk_inode_ops jump_ops = { .readlink = link_readlink, .jump = jump_jump };
static const struct uk_inode_ops fds_ops = { .lookup = fds_lookup, .readdir = fds_readdir };
static const struct uk_inode_ops fd_link_ops = { .readlink = fd_readlink, .jump = fd_jump };

static int proc_statfs(struct uk_super *super, struct uk_linux_statfs *out)
{
	(void)super;
	out->type = PROC_MAGIC;
	return 0;
}

static const struct uk_super_ops proc_ops = { .statfs = proc_statfs };

struct uk_super *fs_proc_new(void)
{
	struct uk_super *super = uk_alloc(sizeof(*super));

	if (super == NULL)
		return NULL;
	super->ops = &proc_ops;
	super->generated = true;
	super->dev = uk_super_dev();
	super->size_max = INT64_MAX;
	uk_mutex_init(&super->names);
	super->root = node_new(super, &folder_ops, UK_S_IFDIR | 0555, 1);
	if (super->root == NULL) {
		uk_free(super);
		return NULL;
	}
	return super;
}
