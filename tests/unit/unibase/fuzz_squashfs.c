/*
 * Any bytes as a squashfs image: mounted, walked, read. Errors are fine; what the sanitizers see is
 * not, and neither is memory that stays behind.
 */
#include <stdlib.h>
#include <string.h>
#include <uni/abi/config.h>

#include "fs.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 40, DEPTH_MAX = 4, PAGES_MAX = 40, SECTOR = 512 };

struct walk {
	struct uk_dirent_sink sink;
	unsigned count;
	struct {
		char name[UK_NAME_MAX + 1];
		size_t size;
	} entry[ENTRIES_MAX];
};

static unsigned budget;

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

static void walk(struct uk_inode *inode, unsigned depth)
{
	static char text[70000];
	struct walk *w;
	uint64_t position = 2;

	if (inode->ops->xattr != NULL) {
		(void)inode->ops->xattr(inode, NULL, text, sizeof(text));
		(void)inode->ops->xattr(inode, "user.a", text, sizeof(text));
	}
	if (inode->ops->readlink != NULL)
		(void)inode->ops->readlink(inode, text, UK_PATH_MAX);
	if (UK_S_IS(inode->mode, REG))
		read_file(inode);
	if (!UK_S_IS(inode->mode, DIR) || depth == DEPTH_MAX)
		return;
	w = calloc(1, sizeof(*w));
	w->sink.add = keep;
	(void)inode->ops->readdir(inode, &position, &w->sink);
	for (unsigned i = 0; i < w->count && budget != 0; i++) {
		struct uk_inode *child = NULL;

		budget--;
		if (inode->ops->lookup(inode, w->entry[i].name, w->entry[i].size, &child) == 0)
			walk(child, depth + 1);
		uk_inode_put(child);
	}
	free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct uni_config_mount how = { .fs = UNI_FS_SQUASHFS };
	size_t padded = UK_ALIGN_UP(size, (size_t)SECTOR);
	uint8_t *copy = calloc(1, padded + 1);
	struct fs_volume *volume;
	struct uk_super *super;

	memcpy(copy, data, size);
	budget = 200;
	if (fs_volume_open(shim_block_data("vda", copy, padded), &how, "fuzz", &volume) == 0 &&
	    fs_squashfs_mount(volume, &super) == 0) {
		walk(super->root, 0);
		super->ops->unmount(super);
	}
	shim_block_forget();
	free(copy);
	if (shim_pages_used() != 0 || shim_allocated() != 0)
		abort();
	return 0;
}
