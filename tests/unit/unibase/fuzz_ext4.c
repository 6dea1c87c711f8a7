/*
 * Any bytes as an ext4: mounted, walked, read; then once more to be written to, with names made,
 * moved and removed. Errors are fine; what the sanitizers see is not, and neither is memory that
 * stays behind.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz_walk.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECTOR = 512 };

static void change_file(struct uk_inode *inode)
{
	uint64_t pages = (inode->size + UK_PAGE_MASK) >> UK_PAGE_SHIFT;
	struct uk_page *page;

	for (uint64_t i = 0; i < UK_MIN(pages, (uint64_t)3); i++)
		if (uk_cache_get_dirty(inode, i, &page) == 0)
			uk_page_put(page);
	(void)uk_cache_sync(inode);
	(void)inode->ops->xattr_set(inode, "user.fuzz", "value", 5, 0);
	(void)inode->ops->xattr_set(inode, "user.a", "another value", 13, 0);
	(void)inode->ops->xattr_set(inode, "user.fuzz", NULL, 0, 0);
	(void)fs_allocate(inode, 0, 100000, false);
	(void)fs_punch(inode, 4096, 50000);
	(void)fs_truncate(inode, 5000);
}

static void change_folder(struct uk_inode *dir, const struct fuzz_folder *w)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t padded = UK_ALIGN_UP(size, (size_t)SECTOR);
	uint8_t *copy = calloc(1, padded + 1);
	struct uk_super *super;

	for (int turn = 0; turn < 2; turn++) {
		bool writing = turn == 1;
		struct fuzz_walk walk = { .budget = FUZZ_NAMES,
					  .file = writing ? change_file : NULL,
					  .folder = writing ? change_folder : NULL };

		memcpy(copy, data, size);
		if (fs_ext4_mount(shim_block_disk("vda", copy, padded), !writing, &super) == 0) {
			fuzz_walk(&walk, super->root);
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
