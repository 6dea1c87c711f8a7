/*
 * The walk through a file system that may be anything.
 */
#include "fuzz_walk.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 4, PAGES_MAX = 40, XATTRS_SIZE = 70000 };

static int keep(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		unsigned type, uint64_t next)
{
	struct fuzz_folder *folder = uk_container(sink, struct fuzz_folder, sink);

	(void)ino;
	(void)type;
	(void)next;
	if (folder->count == FUZZ_ENTRIES_MAX)
		return 1;
	memcpy(folder->entry[folder->count].name, name, size);
	folder->entry[folder->count++].size = size;
	return 0;
}

static void read_file(struct uk_inode *inode)
{
	static const uint64_t far[] = { 1ull << 20, 1ull << 33, UINT64_MAX >> 13 };
	uint64_t pages = (inode->size + UK_PAGE_MASK) >> UK_PAGE_SHIFT;
	struct uk_page *page;

	for (uint64_t i = 0; i < UK_MIN(pages, (uint64_t)PAGES_MAX); i++)
		if (uk_cache_get(inode, i, &page) == 0)
			uk_page_put(page);
	for (size_t i = 0; i < UK_COUNT(far); i++)
		if (far[i] < pages && uk_cache_get(inode, far[i], &page) == 0)
			uk_page_put(page);
}

static void use(struct fuzz_walk *walk, struct uk_inode *inode)
{
	static char text[XATTRS_SIZE];

	if (inode->ops->xattr != NULL) {
		(void)inode->ops->xattr(inode, NULL, text, sizeof(text));
		(void)inode->ops->xattr(inode, "user.a", text, sizeof(text));
	}
	if (inode->ops->readlink != NULL)
		(void)inode->ops->readlink(inode, text, UK_PATH_MAX);
	if (!UK_S_IS(inode->mode, REG))
		return;
	read_file(inode);
	if (walk->file != NULL)
		walk->file(inode);
}

static void walk_below(struct fuzz_walk *walk, struct uk_inode *inode, unsigned depth)
{
	struct fuzz_folder *folder;
	uint64_t position = 2;

	use(walk, inode);
	if (!UK_S_IS(inode->mode, DIR) || depth == DEPTH_MAX)
		return;
	folder = calloc(1, sizeof(*folder));
	folder->sink.add = keep;
	(void)inode->ops->readdir(inode, &position, &folder->sink);
	for (unsigned i = 0; i < folder->count && walk->budget != 0; i++) {
		struct uk_inode *child = NULL;

		walk->budget--;
		if (inode->ops->lookup(inode, folder->entry[i].name, folder->entry[i].size,
				       &child) != 0)
			continue;
		/* What the VFS never asks for: a folder as a name in itself. */
		if (child != inode)
			walk_below(walk, child, depth + 1);
		uk_inode_put(child);
	}
	if (walk->folder != NULL)
		walk->folder(inode, folder);
	free(folder);
}

void fuzz_walk(struct fuzz_walk *walk, struct uk_inode *root)
{
	walk_below(walk, root, 0);
}
