/*
 * The inside of the page cache: cache_tree.c, cache.c and cache_out.c.
 */
#ifndef UK_FS_CACHE_H
#define UK_FS_CACHE_H

#include "fs.h"

/* Guards all trees, the clock, and what the pages in them are: held for a few steps at a time, and
 * never over an allocation, which may call the shrinker. */
extern struct uk_spinlock fs_cache_lock;
extern struct uk_list fs_cache_clock; /* clean pages, the one to look at next first */
extern uint64_t fs_cache_total;	      /* pages in all trees, but for the boot image's */

enum { FS_CACHE_BATCH = 32 }; /* pages that are taken out under the lock at a time */

/* -- cache_tree.c: under the lock -- */

/* The place of page `index`, NULL when a node on the way is missing; and what is in it. */
void **fs_tree_place(struct uk_pages *tree, uint64_t index);
struct uk_page *fs_tree_find(struct uk_pages *tree, uint64_t index);
/* The first page at or behind `from` and its number, or NULL. */
struct uk_page *fs_tree_next(struct uk_pages *tree, uint64_t from, uint64_t *index);

/* Nodes that were allocated without the lock. Few: mostly one is missing, and whoever needs more
 * comes again. */
struct fs_spares {
	struct fs_tree_node *node[2];
	unsigned count;
};
bool fs_spares_fill(struct fs_spares *spares); /* without the lock; false: out of memory */
void fs_spares_free(struct fs_spares *spares);
/* The place of page `index`, made from spare nodes; NULL when these do not suffice. */
void **fs_tree_make_place(struct uk_pages *tree, uint64_t index, struct fs_spares *spares);
/* The nodes of a tree that holds no page and that nobody finds any more; without the lock. */
void fs_tree_free(struct uk_pages *tree);

/* -- cache.c: under the lock -- */

bool fs_page_is_own(const struct uk_page *page); /* not the boot image's, which are never written */
bool fs_page_is_dirty(const struct uk_page *page);   /* as a hint also without it */
bool fs_page_is_charged(const struct uk_page *page); /* ops->reserve set room aside for it */
/* Off its inode's list of dirty ones; whether it goes on the clock is the caller's. */
void fs_page_clean(struct uk_inode *inode, struct uk_page *page);
/* Takes a page out of its place; the caller gets the cache's reference. */
void fs_page_leave(struct uk_inode *inode, struct uk_page *page, void **place);
bool fs_fill_overlaps(const struct uk_inode *inode, uint64_t first, uint64_t count);

/* Takes the lock. Turns a page dirty unless it left meanwhile (-UK_EAGAIN); whether it was dirty
 * already, and then `charged` is not its. */
int fs_page_mark(struct uk_inode *inode, uint64_t index, struct uk_page *page, bool charged,
		 bool *was);

#endif
