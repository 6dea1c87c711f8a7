/*
 * Any bytes as an ext4: mounted, walked, read; then once more to be written to, with names made,
 * moved and removed. Errors are fine; what the sanitizers see is not, and neither is memory that
 * stays behind.
 */
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 40, DEPTH_MAX = 4, PAGES_MAX = 40, SECTOR = 512, BUDGET = 200 };

struct walk {
	struct uk_dirent_sink sink;
	unsigned count;
	struct {
		char name[UK_NAME_MAX + 1];
		size_t size;
	} entry[ENTRIES_MAX];
};

static unsigned budget;
static bool writing;

static int keep(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		unsigned type, uint64_t next)
{
	struct walk *w = uk_container(sink, struct walk, sink);

	(void)ino;
	(void)type;
	(void)next;
	if (w->count == ENTRIES_MAX)
		return 1;
	memcpy(w->entry[w->count].name, name, size);
	w->entry[w->count++].size = size;
	return 0;
}

static void use_file(struct uk_inode *inode)
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
	if (!writing)
		return;
	for (uint64_t i = 0; i < UK_MIN(pages, (uint64_t)3); i++)
		if (uk_cache_get_dirty(inode, i, &page) == 0)
			uk_page_put(page);
	(void)uk_cache_sync(inode);
	(void)fs_allocate(inode, 0, 100000, false);
	(void)fs_punch(inode, 4096, 50000);
	(void)fs_truncate(inode, 5000);
}

static void change_folder(struct uk_inode *dir, const struct walk *w)
{
	struct uk_inode *made = NULL, *old = NULL;

	if (dir->ops->create(dir, "made", 4, UK_S_IFDIR | 0755, 0, &made) == 0)
		uk_inode_put(made);
	if (dir->ops->create(dir, "file", 4, UK_S_IFREG | 0644, 0, &made) == 0)
		uk_inode_put(made);
	if (w->count == 0 || dir->ops->lookup(dir, w->entry[0].name, w->entry[0].size, &old) != 0)
		return;
	(void)dir->ops->rename(dir, w->entry[0].name, w->entry[0].size, old, dir, "moved", 5, NULL,
			       false);
	(void)dir->ops->unlink(dir, "moved", 5, old);
	uk_inode_put(old);
}

static void walk(struct uk_inode *inode, unsigned depth)
{
	static char text[70000];
	struct walk *w;
	uint64_t position = 2;

	(void)inode->ops->xattr(inode, NULL, text, sizeof(text));
	(void)inode->ops->xattr(inode, "user.a", text, sizeof(text));
	if (inode->ops->readlink != NULL)
		(void)inode->ops->readlink(inode, text, UK_PATH_MAX);
	if (UK_S_IS(inode->mode, REG))
		use_file(inode);
	if (!UK_S_IS(inode->mode, DIR) || depth == DEPTH_MAX)
		return;
	w = calloc(1, sizeof(*w));
	w->sink.add = keep;
	(void)inode->ops->readdir(inode, &position, &w->sink);
	for (unsigned i = 0; i < w->count && budget != 0; i++) {
		struct uk_inode *child = NULL;

		budget--;
		if (inode->ops->lookup(inode, w->entry[i].name, w->entry[i].size, &child) != 0)
			continue;
		/* What the VFS never asks for: a folder as a name in itself. */
		if (child != inode)
			walk(child, depth + 1);
		uk_inode_put(child);
	}
	if (writing)
		change_folder(inode, w);
	free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t padded = UK_ALIGN_UP(size, (size_t)SECTOR);
	uint8_t *copy = calloc(1, padded + 1);
	struct uk_super *super;

	for (int turn = 0; turn < 2; turn++) {
		memcpy(copy, data, size);
		budget = BUDGET;
		writing = turn == 1;
		if (fs_ext4_mount(shim_block_disk("vda", copy, padded), !writing, &super) == 0) {
			walk(super->root, 0);
			if (writing)
				(void)super->ops->stop(super);
			super->ops->unmount(super);
		}
		shim_run();
		shim_block_forget();
	}
	free(copy);
	if (shim_pages_used() != 0 || shim_allocated() != 0)
		abort();
	return 0;
}
