/*
 * tmpfs: files whose pages live in the page cache and nowhere else.
 *
 * A file may stand on memory that stays (the boot image): its pages are then the frames of that
 * memory where it lies on page boundaries, and copies of it otherwise; both are clean and cost
 * nothing to drop. Only changed pages count against the limit.
 */
#include <uk/log.h>
#include <uk/sched.h>
#include <uk/vfs.h>

#include "fs.h"

enum {
	TMPFS_MAGIC = 0x01021994,
	BUCKETS_MIN = 16,
	ENTRY_SIZE = 20,
	FIRST_COOKIE = 2,
	SOURCE_ORDER = 4,
	ROOT_INO = 1,
	FIRST_INO, /* of a file that is there before the root */
};

struct entry {
	struct uk_list order;  /* in its folder, by cookie */
	struct uk_list bucket; /* of the folder's hash */
	uint64_t cookie;
	struct uk_inode *inode; /* a reference */
	uint32_t hash;
	uint8_t size;
	char name[];
};

struct folder {
	struct uk_list entries;
	uint64_t next_cookie;
	uint32_t count;
	uint32_t bucket_count; /* 0: few entries, no hash */
	struct uk_list *buckets;
	int (*fill)(struct uk_inode *folder); /* fs_tmpfs_later */
};

struct node {
	struct folder folder;
	char *target; /* of a symbolic link */
	struct fs_xattr *xattrs;
	const uint8_t *source; /* of a file, with the bytes that still show */
	uint64_t source_size;
};

struct tmpfs {
	uint64_t limit, used; /* pages */
	uint64_t inodes;
	uint64_t last_ino;
};

static const struct uk_inode_ops folder_ops, file_ops, link_ops, special_ops;

static struct tmpfs *tmpfs_of(const struct uk_inode *inode)
{
	return inode->super->data;
}

static struct folder *folder_of(const struct uk_inode *inode)
{
	return &((struct node *)inode->data)->folder;
}

/* -- inodes -- */

static const struct uk_inode_ops *ops_for(uint32_t mode)
{
	switch (mode & UK_S_IFMT) {
	case UK_S_IFDIR:
		return &folder_ops;
	case UK_S_IFREG:
		return &file_ops;
	case UK_S_IFLNK:
		return &link_ops;
	default:
		return &special_ops;
	}
}

/* What the kernel makes is as old as the image, whenever it is made. */
static int64_t now(void)
{
	return fs_is_kernel() ? uk_time_image() : uk_time_real();
}

static struct uk_inode *node_new(struct uk_super *super, uint32_t mode, uint64_t rdev)
{
	struct tmpfs *fs = super->data;
	struct node *node = uk_alloc(sizeof(*node));
	struct uk_inode *inode;

	if (node == NULL)
		return NULL;
	inode = uk_inode_new(super, ops_for(mode), mode);
	if (inode == NULL) {
		uk_free(node);
		return NULL;
	}
	uk_list_init(&node->folder.entries);
	node->folder.next_cookie = FIRST_COOKIE;
	inode->data = node;
	inode->rdev = rdev;
	inode->nlink = UK_S_IS(mode, DIR) ? 2 : 1;
	inode->ino = __atomic_add_fetch(&fs->last_ino, 1, __ATOMIC_RELAXED);
	inode->atime = inode->mtime = inode->ctime = now();
	__atomic_add_fetch(&fs->inodes, 1, __ATOMIC_RELAXED);
	return inode;
}

static void node_release(struct uk_inode *inode)
{
	struct node *node = inode->data;

	__atomic_sub_fetch(&tmpfs_of(inode)->inodes, 1, __ATOMIC_RELAXED);
	fs_xattr_free(node->xattrs);
	uk_free(node->target);
	uk_free(node->folder.buckets);
	uk_free(node);
}

static int64_t node_xattr(struct uk_inode *inode, const char *name, void *value, size_t room)
{
	return fs_xattr_get(((struct node *)inode->data)->xattrs, name, value, room);
}

static int node_xattr_set(struct uk_inode *inode, const char *name, const void *value, size_t size,
			  unsigned flags)
{
	int error = fs_xattr_set(&((struct node *)inode->data)->xattrs, name, value, size, flags);

	if (error == 0)
		inode->ctime = uk_time_real();
	return error;
}

/* -- entries of a folder -- */

static uint32_t hash_of(const char *name, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static struct uk_list *bucket_of(struct folder *folder, uint32_t hash)
{
	return &folder->buckets[hash & (folder->bucket_count - 1)];
}

static struct entry *entry_find(struct folder *folder, const char *name, size_t size)
{
	uint32_t hash = hash_of(name, size);
	struct uk_list *head =
		folder->bucket_count != 0 ? bucket_of(folder, hash) : &folder->entries;

	uk_list_each (item, head) {
		struct entry *entry = folder->bucket_count != 0
					      ? uk_list_entry(item, struct entry, bucket)
					      : uk_list_entry(item, struct entry, order);

		if (entry->hash == hash && entry->size == size &&
		    memcmp(entry->name, name, size) == 0)
			return entry;
	}
	return NULL;
}

/* Doubles the hash when it is full; without memory it stays as it is, only slower. */
static void folder_grow(struct folder *folder)
{
	uint32_t count = UK_MAX(folder->bucket_count * 2, (uint32_t)BUCKETS_MIN);
	struct uk_list *buckets;

	if (folder->count < UK_MAX(folder->bucket_count * 2, (uint32_t)BUCKETS_MIN))
		return;
	buckets = uk_alloc(count * sizeof(*buckets));
	if (buckets == NULL)
		return;
	for (uint32_t i = 0; i < count; i++)
		uk_list_init(&buckets[i]);
	uk_free(folder->buckets);
	folder->buckets = buckets;
	folder->bucket_count = count;
	uk_list_each (item, &folder->entries) {
		struct entry *entry = uk_list_entry(item, struct entry, order);

		uk_list_push_back(bucket_of(folder, entry->hash), &entry->bucket);
	}
}

static void dir_changed(struct uk_inode *dir, int64_t grown)
{
	dir->size += (uint64_t)(grown * ENTRY_SIZE);
	dir->mtime = dir->ctime = now();
}

/* Takes the inode's reference when it succeeds. */
static int entry_add(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode)
{
	struct folder *folder = folder_of(dir);
	struct entry *entry = uk_alloc(sizeof(*entry) + size);

	if (entry == NULL)
		return -UK_ENOSPC;
	memcpy(entry->name, name, size);
	entry->size = (uint8_t)size;
	entry->hash = hash_of(name, size);
	entry->inode = inode;
	entry->cookie = folder->next_cookie++;
	uk_list_init(&entry->bucket);
	folder_grow(folder);
	uk_list_push_back(&folder->entries, &entry->order);
	if (folder->bucket_count != 0)
		uk_list_push_back(bucket_of(folder, entry->hash), &entry->bucket);
	folder->count++;
	if (UK_S_IS(inode->mode, DIR))
		dir->nlink++;
	dir_changed(dir, 1);
	return 0;
}

/* The caller gets the entry's reference to its inode. */
static struct uk_inode *entry_remove(struct uk_inode *dir, struct entry *entry)
{
	struct uk_inode *inode = entry->inode;

	uk_list_remove(&entry->order);
	uk_list_remove(&entry->bucket);
	folder_of(dir)->count--;
	if (UK_S_IS(inode->mode, DIR))
		dir->nlink--;
	dir_changed(dir, -1);
	uk_free(entry);
	return inode;
}

void fs_tmpfs_later(struct uk_inode *inode, int (*fill)(struct uk_inode *folder))
{
	folder_of(inode)->fill = fill;
}

/* The VFS looks a name up before it makes, renames or removes it: this and readdir suffice. */
static int fill_now(struct uk_inode *dir)
{
	int (*fill)(struct uk_inode * folder) = folder_of(dir)->fill;
	int64_t mtime = dir->mtime, ctime = dir->ctime;
	struct uk_thread *self = uk_thread_self();
	bool trusted = self->trusted;
	int error;

	folder_of(dir)->fill = NULL;
	self->trusted = true;
	error = fill(dir);
	self->trusted = trusted;
	dir->mtime = mtime;
	dir->ctime = ctime;
	return error;
}

static int folder_lookup(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out)
{
	struct entry *entry = entry_find(folder_of(dir), name, size);

	if (entry == NULL && folder_of(dir)->fill != NULL) {
		int error = fill_now(dir);

		if (error != 0)
			return error;
		entry = entry_find(folder_of(dir), name, size);
	}
	if (entry == NULL)
		return -UK_ENOENT;
	uk_inode_get(entry->inode);
	*out = entry->inode;
	return 0;
}

static int folder_readdir(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink)
{
	int error = folder_of(dir)->fill != NULL ? fill_now(dir) : 0;

	if (error != 0)
		return error;
	uk_list_each (item, &folder_of(dir)->entries) {
		struct entry *entry = uk_list_entry(item, struct entry, order);

		if (entry->cookie < *position)
			continue;
		if (sink->add(sink, entry->name, entry->size, entry->inode->ino,
			      entry->inode->mode >> 12, entry->cookie + 1) != 0)
			return 0;
		*position = entry->cookie + 1;
	}
	return 0;
}

static int folder_create(struct uk_inode *dir, const char *name, size_t size, uint32_t mode,
			 uint64_t rdev, struct uk_inode **out)
{
	struct uk_inode *inode = node_new(dir->super, mode, rdev);
	int error;

	if (inode == NULL)
		return -UK_ENOSPC;
	fs_inode_own(inode, dir);
	error = entry_add(dir, name, size, inode);
	if (error != 0) {
		uk_inode_put(inode);
		return error;
	}
	uk_inode_get(inode);
	*out = inode;
	return 0;
}

static int folder_nameless(struct uk_inode *dir, uint32_t mode, struct uk_inode **out)
{
	*out = fs_tmpfs_nameless(dir->super, mode);
	return *out != NULL ? 0 : -UK_ENOSPC;
}

static int folder_symlink(struct uk_inode *dir, const char *name, size_t size, const char *target,
			  struct uk_inode **out)
{
	size_t length = strlen(target);
	char *copy = uk_alloc(length + 1);
	int error;

	if (copy == NULL)
		return -UK_ENOSPC;
	memcpy(copy, target, length);
	error = folder_create(dir, name, size, UK_S_IFLNK | 0777, 0, out);
	if (error != 0) {
		uk_free(copy);
		return error;
	}
	((struct node *)(*out)->data)->target = copy;
	(*out)->size = length;
	return 0;
}

static int folder_link(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode)
{
	int error = entry_add(dir, name, size, inode);

	if (error != 0)
		return error;
	uk_inode_get(inode);
	inode->nlink++;
	inode->linkable = false;
	inode->ctime = uk_time_real();
	return 0;
}

static void inode_unlinked(struct uk_inode *inode)
{
	inode->nlink = UK_S_IS(inode->mode, DIR) ? 0 : inode->nlink - 1;
	inode->ctime = uk_time_real();
	uk_inode_put(inode);
}

static int folder_unlink(struct uk_inode *dir, const char *name, size_t size,
			 struct uk_inode *inode)
{
	struct entry *entry = entry_find(folder_of(dir), name, size);

	if (entry == NULL)
		return -UK_ENOENT;
	if (UK_S_IS(inode->mode, DIR) && folder_of(inode)->count != 0)
		return -UK_ENOTEMPTY;
	inode_unlinked(entry_remove(dir, entry));
	return 0;
}

static void exchange_entries(struct uk_inode *dir, struct entry *a, struct uk_inode *to_dir,
			     struct entry *b)
{
	struct uk_inode *inode = a->inode;
	int a_folder = UK_S_IS(a->inode->mode, DIR), b_folder = UK_S_IS(b->inode->mode, DIR);

	a->inode = b->inode;
	b->inode = inode;
	dir->nlink = (uint32_t)((int)dir->nlink + b_folder - a_folder);
	to_dir->nlink = (uint32_t)((int)to_dir->nlink + a_folder - b_folder);
	dir_changed(dir, 0);
	dir_changed(to_dir, 0);
	a->inode->ctime = b->inode->ctime = dir->ctime;
}

static int folder_rename(struct uk_inode *dir, const char *name, size_t size,
			 struct uk_inode *inode, struct uk_inode *to_dir, const char *to,
			 size_t to_size, struct uk_inode *over, bool exchange)
{
	struct entry *old = entry_find(folder_of(dir), name, size);
	struct entry *new = entry_find(folder_of(to_dir), to, to_size);
	int error;

	if (old == NULL || (over != NULL) != (new != NULL))
		return -UK_ENOENT;
	if (exchange) {
		exchange_entries(dir, old, to_dir, new);
		return 0;
	}
	if (over != NULL && UK_S_IS(over->mode, DIR) && folder_of(over)->count != 0)
		return -UK_ENOTEMPTY;
	error = entry_add(to_dir, to, to_size, inode);
	if (error != 0)
		return error;
	uk_inode_get(inode);
	if (new != NULL)
		inode_unlinked(entry_remove(to_dir, new));
	uk_inode_put(entry_remove(dir, old));
	inode->ctime = uk_time_real();
	return 0;
}

static int link_readlink(struct uk_inode *inode, char *target, size_t room)
{
	size_t size = UK_MIN(inode->size, room);

	memcpy(target, ((struct node *)inode->data)->target, size);
	return (int)size;
}

/* -- content -- */

/* The frame that holds a whole page of the source, with a reference; NULL: none does. */
static struct uk_page *file_frame(struct uk_inode *inode, uint64_t index)
{
	const struct node *node = inode->data;
	uint64_t offset = index << UK_PAGE_SHIFT;
	struct uk_page *page;

	if ((offset >= node->source_size) | (node->source_size - offset < UK_PAGE_SIZE) |
	    (((uintptr_t)node->source & UK_PAGE_MASK) != 0))
		return NULL;
	page = uk_page_of(uk_virt_to_phys(node->source + offset));
	if (page == NULL || (page->flags & UK_PAGE_RESERVED) == 0)
		return NULL;
	uk_page_get(page);
	return page;
}

/* The frame itself where there is one, else a copy, else zeros. */
static struct uk_page *source_page(struct uk_inode *inode, uint64_t index)
{
	const struct node *node = inode->data;
	struct uk_page *page = file_frame(inode, index);
	uint64_t offset = index << UK_PAGE_SHIFT, left;

	if (page != NULL)
		return page;
	if (offset >= node->source_size)
		return fs_zero_page();
	left = UK_MIN(node->source_size - offset, UK_PAGE_SIZE);
	page = uk_page_alloc_user(left < UK_PAGE_SIZE);
	if (page != NULL)
		memcpy(uk_page_virt(page), node->source + offset, left);
	return page;
}

/* The wanted page, and frames of the source around it, which cost nothing. */
static int file_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	struct uk_page *page = source_page(inode, index);
	int error;

	if (page == NULL)
		return -UK_ENOMEM;
	error = uk_cache_add(inode, index, page);
	uk_page_put(page);
	for (uint64_t i = first; error == 0 && i < first + count; i++) {
		page = file_frame(inode, i);
		if (page == NULL)
			continue;
		(void)uk_cache_add(inode, i, page);
		uk_page_put(page);
	}
	return error == -UK_EEXIST ? 0 : error;
}

static int file_reserve(struct uk_inode *inode, uint64_t index)
{
	struct tmpfs *fs = tmpfs_of(inode);

	(void)index;
	if (__atomic_add_fetch(&fs->used, 1, __ATOMIC_RELAXED) > fs->limit) {
		__atomic_sub_fetch(&fs->used, 1, __ATOMIC_RELAXED);
		return -UK_ENOSPC;
	}
	__atomic_add_fetch(&inode->blocks, UK_PAGE_SIZE / 512, __ATOMIC_RELAXED);
	return 1;
}

static void file_unreserve(struct uk_inode *inode, uint64_t pages)
{
	__atomic_sub_fetch(&tmpfs_of(inode)->used, pages, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&inode->blocks, pages * (UK_PAGE_SIZE / 512), __ATOMIC_RELAXED);
}

static int file_truncate(struct uk_inode *inode, uint64_t size)
{
	struct node *node = inode->data;

	node->source_size = UK_MIN(node->source_size, size);
	return 0;
}

/* Where the file stands on other memory, dropping a page would show that again. */
static int file_punch(struct uk_inode *inode, uint64_t first, uint64_t end)
{
	const struct node *node = inode->data;
	uint64_t source = UK_ALIGN_UP(node->source_size, UK_PAGE_SIZE) >> UK_PAGE_SHIFT;

	for (; first < UK_MIN(end, source); first++) {
		struct uk_page *page;
		int error = uk_cache_get_dirty(inode, first, &page);

		if (error != 0)
			return error;
		memset(uk_page_virt(page), 0, UK_PAGE_SIZE);
		uk_page_put(page);
	}
	fs_cache_punch(inode, first, end);
	return 0;
}

static const struct uk_inode_ops folder_ops = {
	.lookup = folder_lookup,
	.readdir = folder_readdir,
	.create = folder_create,
	.nameless = folder_nameless,
	.symlink = folder_symlink,
	.link = folder_link,
	.unlink = folder_unlink,
	.rename = folder_rename,
	.xattr = node_xattr,
	.xattr_set = node_xattr_set,
	.release = node_release,
};
static const struct uk_inode_ops file_ops = {
	.fill = file_fill,
	.frame = file_frame,
	.reserve = file_reserve,
	.unreserve = file_unreserve,
	.truncate = file_truncate,
	.punch = file_punch,
	.xattr = node_xattr,
	.xattr_set = node_xattr_set,
	.release = node_release,
};
static const struct uk_inode_ops link_ops = {
	.readlink = link_readlink,
	.xattr = node_xattr,
	.xattr_set = node_xattr_set,
	.release = node_release,
};
static const struct uk_inode_ops special_ops = {
	.xattr = node_xattr,
	.xattr_set = node_xattr_set,
	.release = node_release,
};

static void set_source(struct uk_inode *inode, const void *data, uint64_t size)
{
	struct node *node = inode->data;

	node->source = data;
	node->source_size = size;
	inode->size = size;
	inode->blocks = UK_ALIGN_UP(size, UK_PAGE_SIZE) / 512;
	inode->fill_order = SOURCE_ORDER;
}

int fs_tmpfs_set_source(struct uk_inode *inode, const void *data, uint64_t size)
{
	if (inode->ops != &file_ops || inode->size != 0)
		return -UK_EINVAL;
	set_source(inode, data, size);
	return 0;
}

struct uk_inode *fs_tmpfs_nameless(struct uk_super *super, uint32_t mode)
{
	struct uk_inode *inode = node_new(super, mode, 0);

	if (inode == NULL)
		return NULL;
	inode->nlink = 0;
	fs_inode_own(inode, NULL);
	return inode;
}

static int tmpfs_statfs(struct uk_super *super, struct uk_linux_statfs *out)
{
	const struct tmpfs *fs = super->data;

	out->type = TMPFS_MAGIC;
	out->bsize = out->frsize = UK_PAGE_SIZE;
	out->blocks = fs->limit;
	out->bfree = out->bavail = fs->limit - UK_MIN(fs->used, fs->limit);
	/* Inodes are bounded by memory alone. */
	out->ffree = uk_mem_free() / 1024;
	out->files = fs->inodes + out->ffree;
	out->namelen = UK_NAME_MAX;
	return 0;
}

static const struct uk_super_ops tmpfs_ops = { .statfs = tmpfs_statfs };

#define FILE_MAX (INT64_MAX & ~UK_PAGE_MASK)

/* -- what is there once, and first -- */

#define FIRST(self, type_, dev_, mode_, rdev_, inode_ops, file_ops_, flags_, refs_)                \
	{                                                                                          \
		.super = { .ops = &tmpfs_ops,                                                      \
			   .type = type_,                                                          \
			   .dev = dev_,                                                            \
			   .size_max = FILE_MAX,                                                   \
			   .names = UK_MUTEX_INIT(self.super.names),                               \
			   .data = &self##_fs },                                                   \
		.inode = { .refs = 2, /* one stays */                                              \
			   .mode = mode_,                                                          \
			   .ino = FIRST_INO,                                                       \
			   .nlink = 1, /* for the name that it will have */                        \
			   .rdev = rdev_,                                                          \
			   .ops = inode_ops,                                                       \
			   .super = &self.super,                                                   \
			   .data = &self##_node,                                                   \
			   .lock = UK_MUTEX_INIT(self.inode.lock),                                 \
			   .pages.dirty_list = UK_LIST_INIT(self.inode.pages.dirty_list),          \
			   .hash = UK_LIST_INIT(self.inode.hash) },                                \
		.file = { .refs = refs_,                                                           \
			  .flags = flags_,                                                         \
			  .inode = &self.inode,                                                    \
			  .ops = file_ops_,                                                        \
			  .lock = UK_MUTEX_INIT(self.file.lock),                                   \
			  .watchers = UK_LIST_INIT(self.file.watchers) },                          \
	}

static struct tmpfs fs_root_fs = { .inodes = 1, .last_ino = FIRST_INO };
static struct tmpfs fs_dev_fs = { .inodes = 1, .last_ino = FIRST_INO };
static struct node fs_root_node, fs_dev_node;

struct fs_first fs_root = FIRST(fs_root, "tmpfs", 1, UK_S_IFREG | 0755, 0, &file_ops,
				&fs_regular_ops, UK_O_RDONLY, 1);
struct fs_first fs_dev = FIRST(fs_dev, "devtmpfs", FS_FIRST_COUNT, UK_S_IFCHR | FS_CONSOLE_MODE,
			       FS_CONSOLE_RDEV, &special_ops, &fs_tty_ops, UK_O_RDWR, 3);

void fs_first_start(const void *program, uint64_t size)
{
	struct uk_inode *a = &fs_root.inode, *b = &fs_dev.inode;

	set_source(a, program, size);
	a->atime = a->mtime = a->ctime = b->atime = b->mtime = b->ctime = uk_time_image();
}

/* -- file systems -- */

int fs_tmpfs_begin(struct uk_super *super, uint64_t limit)
{
	struct tmpfs *fs = super->data;

	fs->limit = (limit != 0 ? limit : uk_mem_total() / 2) >> UK_PAGE_SHIFT;
	super->root = node_new(super, UK_S_IFDIR | 0755, 0);
	if (super->root == NULL)
		return -UK_ENOMEM;
	super->root->ino = ROOT_INO;
	return 0;
}

struct uk_super *fs_tmpfs_new(uint64_t limit)
{
	struct uk_super *super = uk_alloc(sizeof(*super));
	struct tmpfs *fs = uk_alloc(sizeof(*fs));

	if (super == NULL || fs == NULL)
		goto out_of_memory;
	super->ops = &tmpfs_ops;
	super->type = "tmpfs";
	super->dev = uk_super_dev();
	super->size_max = FILE_MAX;
	super->data = fs;
	uk_mutex_init(&super->names);
	if (fs_tmpfs_begin(super, limit) != 0)
		goto out_of_memory;
	return super;
out_of_memory:
	uk_free(fs);
	uk_free(super);
	return NULL;
}
