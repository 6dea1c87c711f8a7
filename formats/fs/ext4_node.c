/*
 * The nodes of a volume that is being written: names, kinship, numbers.
 */
#include <string.h>

#include "ext4.h"

enum { NODES_MAX = 1 << 24, XATTR_ROOM = EXT4_BLOCK - 64, EXT2_FILE_BLOCKS = 536346109 };

static uint32_t hash_path(const char *path)
{
	uint32_t hash = 2166136261u;

	for (; *path != '\0'; path++)
		hash = (hash ^ (uint8_t)*path) * 16777619u;
	return hash;
}

/* Whether `path` is the node's, compared from its end. */
static bool is_at(const struct ext4 *fs, uint32_t node, const char *path)
{
	size_t left = strlen(path);

	while (node != 0) {
		const struct ext4_node *n = &fs->nodes[node];

		if (left < n->name_size ||
		    memcmp(path + left - n->name_size, fs->names.data + n->name, n->name_size) != 0)
			return false;
		left -= n->name_size;
		node = n->parent;
		if (node != 0 && (left == 0 || path[--left] != '/'))
			return false;
	}
	return left == 0;
}

static uint32_t *place_of(struct ext4 *fs, uint32_t hash)
{
	return &fs->paths[hash & (fs->path_room - 1)];
}

static uint32_t find_path(struct ext4 *fs, const char *path)
{
	for (uint32_t hash = hash_path(path); fs->path_room != 0; hash++) {
		uint32_t node = *place_of(fs, hash);

		if (node == 0 || is_at(fs, node, path))
			return node;
	}
	return 0;
}

static void enter(struct ext4 *fs, const char *path, uint32_t node)
{
	uint32_t hash = hash_path(path);

	while (*place_of(fs, hash) != 0)
		hash++;
	*place_of(fs, hash) = node;
}

static size_t build_path(const struct ext4 *fs, uint32_t node, char *path, size_t room)
{
	size_t at = room - 1;

	path[at] = '\0';
	for (; node != 0; node = fs->nodes[node].parent) {
		const struct ext4_node *n = &fs->nodes[node];

		at -= n->name_size;
		memcpy(path + at, fs->names.data + n->name, n->name_size);
		if (n->parent != 0)
			path[--at] = '/';
	}
	return at;
}

static void grow_paths(struct ext4 *fs)
{
	char path[8192];

	if (fs->node_count * 2 < fs->path_room)
		return;
	free(fs->paths);
	fs->path_room = fs->path_room == 0 ? 1024 : fs->path_room * 2;
	fs->paths = uni_alloc_array(fs->path_room, sizeof(*fs->paths));
	for (uint32_t i = 1; i < fs->node_count; i++)
		enter(fs, path + build_path(fs, i, path, sizeof(path)), i);
}

/* The folder that the entry lies in, found on the way to the one before it. */
static int find_parent(struct ext4 *fs, const char *path, uint32_t *parent, struct uni_err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder UNI_AUTO_FREE = uni_strndup(path, slash != NULL ? (size_t)(slash - path) : 0);

	while (fs->depth != 0 && !is_at(fs, fs->stack[fs->depth], folder))
		fs->depth--;
	if (fs->depth == 0 && folder[0] != '\0')
		return uni_err_set(err, UNI_E_INVAL, "%s: comes before its folder", path);
	*parent = fs->stack[fs->depth];
	return 0;
}

static void make_child(struct ext4 *fs, uint32_t parent, uint32_t node)
{
	struct ext4_node *folder = &fs->nodes[parent];

	fs->nodes[node].parent = parent;
	if (folder->last != 0)
		fs->nodes[folder->last].next = node;
	else
		folder->first = node;
	folder->last = node;
	folder->children++;
}

static int add_xattrs(struct ext4 *fs, const struct uni_entry *entry, struct ext4_node *node,
		      struct uni_err *err)
{
	node->xattrs = (uint32_t)fs->xattrs.size;
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct uni_xattr *x = &entry->xattrs[i];
		uint32_t sizes[2] = { (uint32_t)strlen(x->name), (uint32_t)x->size };

		if (sizes[0] > UNI_EXT4_NAME_MAX || x->size > XATTR_ROOM)
			return uni_err_set(err, UNI_E_LIMIT,
					   "%s: attribute %s is larger than ext4 holds",
					   entry->path, x->name);
		uni_buf_add(&fs->xattrs, sizes, sizeof(sizes));
		uni_buf_add(&fs->xattrs, x->name, sizes[0]);
		uni_buf_add(&fs->xattrs, x->value, sizes[1]);
	}
	node->xattr_size = (uint32_t)fs->xattrs.size - node->xattrs;
	return 0;
}

/* As Linux has device numbers on disk: the old way where it suffices. */
static void set_device(struct ext4_node *node, uint32_t major, uint32_t minor)
{
	if (major < 256 && minor < 256)
		node->map[0] = major << 8 | minor;
	else
		node->map[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static int add_hardlink(struct ext4 *fs, const struct uni_entry *entry, struct ext4_node *node,
			struct uni_err *err)
{
	uint32_t target;

	grow_paths(fs);
	target = find_path(fs, entry->target);
	if (target == 0 || fs->nodes[target].type == UNI_ENTRY_DIR ||
	    fs->nodes[target].type == UNI_ENTRY_HARDLINK)
		return uni_err_set(err, UNI_E_INVAL, "%s: is a link to %s, which is no file of it",
				   entry->path, entry->target);
	if (fs->nodes[target].links == UNI_EXT4_LINK_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: has more than %d names", entry->target,
				   UNI_EXT4_LINK_MAX);
	fs->nodes[target].links++;
	node->ino = fs->nodes[target].ino;
	node->mode = fs->nodes[target].mode; /* with its type, which its entry tells */
	return 0;
}

static uint32_t mode_of(enum uni_entry_type type)
{
	static const uint16_t modes[] = {
		[UNI_ENTRY_FILE] = 0100000,    [UNI_ENTRY_DIR] = 0040000,
		[UNI_ENTRY_SYMLINK] = 0120000, [UNI_ENTRY_HARDLINK] = 0,
		[UNI_ENTRY_CHAR] = 0020000,    [UNI_ENTRY_BLOCK] = 0060000,
		[UNI_ENTRY_FIFO] = 0010000,
	};

	return modes[type];
}

/* Blocks are numbered in 32 bits; without extents 512-byte sectors are counted in as many, those of
 * the map included, and Linux opens no file that might have more. */
static uint64_t file_most(const struct ext4 *fs)
{
	return (fs->shape.ext2 ? EXT2_FILE_BLOCKS : UINT32_MAX) * (uint64_t)EXT4_BLOCK;
}

static int fill_node(struct ext4 *fs, const struct uni_entry *entry, struct ext4_node *node,
		     struct uni_err *err)
{
	node->type = (uint8_t)entry->type;
	node->mode = mode_of(entry->type) | (entry->mode & 07777);
	node->uid = fs->shape.owner != 0 ? fs->shape.owner : entry->uid;
	node->gid = fs->shape.group != 0 ? fs->shape.group : entry->gid;
	node->mtime = entry->mtime;
	node->links = entry->type == UNI_ENTRY_DIR ? 2 : 1;
	if (entry->type == UNI_ENTRY_HARDLINK)
		return add_hardlink(fs, entry, node, err);
	if (entry->type == UNI_ENTRY_CHAR || entry->type == UNI_ENTRY_BLOCK)
		set_device(node, entry->major, entry->minor);
	if (entry->type == UNI_ENTRY_FILE)
		node->size = entry->size;
	if (entry->type == UNI_ENTRY_SYMLINK) {
		node->size = strlen(entry->target);
		node->extents = (uint32_t)fs->targets.size;
		uni_buf_add(&fs->targets, entry->target, (size_t)node->size);
		if (node->size >= EXT4_BLOCK || node->size == 0)
			return uni_err_set(err, UNI_E_LIMIT, "%s: its target has %llu bytes",
					   entry->path, (unsigned long long)node->size);
	}
	if (node->size > file_most(fs))
		return uni_err_set(
			err, UNI_E_LIMIT, "%s: has %llu bytes; a file of an %s has %llu at most",
			entry->path, (unsigned long long)node->size,
			fs->shape.ext2 ? "ext2" : "ext4", (unsigned long long)file_most(fs));
	if (entry->mtime < -0x80000000ll ||
	    entry->mtime >= (fs->shape.ext2 ? 0x80000000ll : 0x380000000ll))
		return uni_err_set(err, UNI_E_LIMIT, "%s: ext4 cannot hold the time %lld",
				   entry->path, (long long)entry->mtime);
	return add_xattrs(fs, entry, node, err);
}

int ext4_add(struct ext4 *fs, const struct uni_entry *entry, struct uni_err *err)
{
	bool root = fs->node_count == 0;
	const char *slash = strrchr(entry->path, '/');
	const char *name = slash != NULL ? slash + 1 : entry->path;
	struct ext4_node node = { .name = (uint32_t)fs->names.size };
	uint32_t parent = 0, at = fs->node_count;
	int rc = 0;

	if (root != (strcmp(entry->path, ".") == 0) || (root && entry->type != UNI_ENTRY_DIR))
		return uni_err_set(err, UNI_E_INVAL, "%s: the root must be first", entry->path);
	if (at == NODES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d files", NODES_MAX);
	if (strlen(name) > UNI_EXT4_NAME_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: its name is too long", entry->path);
	if (!root)
		rc = find_parent(fs, entry->path, &parent, err);
	if (rc == 0)
		rc = fill_node(fs, entry, &node, err);
	if (rc != 0)
		return rc;
	if (root) {
		node.ino = UNI_EXT4_INO_ROOT;
		fs->inodes_used = UNI_EXT4_INO_FIRST - 1;
	} else if (node.type != UNI_ENTRY_HARDLINK) {
		node.ino = ++fs->inodes_used;
	}
	node.name_size = root ? 0 : (uint8_t)strlen(name);
	uni_buf_add(&fs->names, name, node.name_size);
	UNI_PUSH_ROOM(fs->nodes, fs->node_count, fs->node_room);
	fs->nodes[fs->node_count++] = node;
	if (root)
		return (int)at;
	make_child(fs, parent, at);
	if (fs->path_room != 0) {
		grow_paths(fs);
		if (find_path(fs, entry->path) == 0)
			enter(fs, entry->path, at);
	}
	if (node.type == UNI_ENTRY_DIR) {
		fs->nodes[parent].folders++;
		if (fs->depth + 1 == UNI_COUNT(fs->stack))
			return uni_err_set(err, UNI_E_LIMIT, "%s: is too deep", entry->path);
		fs->stack[++fs->depth] = at;
	}
	return (int)at;
}

void ext4_clear(struct ext4 *fs)
{
	free(fs->nodes);
	free(fs->extents);
	free(fs->paths);
	free(fs->staged);
	uni_buf_free(&fs->names);
	uni_buf_free(&fs->targets);
	uni_buf_free(&fs->xattrs);
}
