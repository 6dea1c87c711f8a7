/*
 * From memory to the disk: on request (fsync), every few seconds, and when too much is dirty. An
 * inode that differs from the disk is held by a list until it no longer does.
 */
#include <uk/log.h>

#include "ext4.h"

enum { PERIOD = 5 };
#define SECOND 1000000000ull

static struct uk_waitq closed = UK_WAITQ_INIT(closed);

static void loop(void *arg);

void e4_kick(struct e4 *fs)
{
	if (!__atomic_exchange_n(&fs->started, true, __ATOMIC_ACQ_REL) &&
	    uk_thread_spawn("ext4", loop, fs) == NULL)
		fs->started = false;
	if (fs->idle)
		uk_wake_all(&fs->wake);
}

void e4_mark(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	uint64_t state;

	if (fs->super->read_only || !uk_list_empty(&node->dirty))
		return;
	state = uk_spin_lock(&fs->dirty_lock);
	if (uk_list_empty(&node->dirty)) {
		uk_inode_get(inode);
		uk_list_push_back(&fs->dirty, &node->dirty);
	}
	uk_spin_unlock(&fs->dirty_lock, state);
	e4_kick(fs);
}

void e4_unmark(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	uint64_t state = uk_spin_lock(&fs->dirty_lock);
	bool was = !uk_list_empty(&node->dirty);

	uk_list_remove(&node->dirty);
	uk_spin_unlock(&fs->dirty_lock, state);
	if (was)
		uk_inode_put(inode);
}

static struct uk_inode *take_dirty(struct e4 *fs)
{
	uint64_t state = uk_spin_lock(&fs->dirty_lock);
	struct e4_node *node = uk_list_first(&fs->dirty, struct e4_node, dirty);

	if (node != NULL)
		uk_list_remove(&node->dirty);
	uk_spin_unlock(&fs->dirty_lock, state);
	return node != NULL ? node->inode : NULL;
}

static unsigned count_dirty(struct e4 *fs)
{
	uint64_t state = uk_spin_lock(&fs->dirty_lock);
	unsigned count = 0;

	uk_list_each (item, &fs->dirty)
		count++;
	uk_spin_unlock(&fs->dirty_lock, state);
	return count;
}

int e4_inode_flush(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	int error;

	if (!e4_node_of(inode)->attributes)
		return 0;
	error = e4_begin(fs, E4_CREDITS);
	if (error != 0)
		return error;
	error = e4_inode_write(inode);
	e4_end(fs);
	return error;
}

static void flush_one(struct uk_inode *inode)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	int error = 0;

	/* A file that nobody can open again needs nothing. */
	if (inode->nlink != 0 || inode->refs > 1) {
		if (inode->ops->write_pages != NULL)
			error = uk_cache_sync(inode);
		if (error == 0)
			error = e4_inode_flush(inode);
	}
	if (error != 0 && !fs->failed) {
		if (node->error == 0)
			uk_log(UK_LOG_ERROR, "ext4 %s: inode %llu: could not be written: error %d",
			       fs->name, (unsigned long long)inode->ino, -error);
		node->error = error;
		e4_mark(inode);
	}
	uk_inode_put(inode);
}

static void flush_all(struct e4 *fs)
{
	uk_mutex_lock(&fs->flushing);
	for (unsigned left = count_dirty(fs); left != 0; left--) {
		struct uk_inode *inode = take_dirty(fs);

		if (inode == NULL)
			break;
		flush_one(inode);
	}
	uk_mutex_unlock(&fs->flushing);
}

static void loop(void *arg)
{
	struct e4 *fs = arg;

	for (;;) {
		uint64_t until;

		fs->idle = true;
		uk_wait_event(&fs->wake,
			      !uk_list_empty(&fs->dirty) || fs->txn_count != 0 || fs->closing,
			      UK_FOREVER, false);
		fs->idle = false;
		until = uk_time_mono() + PERIOD * SECOND;
		(void)uk_wait_event(&fs->wake, uk_time_mono() >= until || fs->closing, until,
				    false);
		if (fs->closing)
			break;
		flush_all(fs);
		uk_mutex_lock(&fs->lock);
		if (!fs->failed && fs->txn_count != 0)
			(void)e4_commit(fs);
		uk_mutex_unlock(&fs->lock);
	}
	fs->started = false;
	uk_wake_all(&closed);
}

void e4_flush_end(struct e4 *fs)
{
	struct uk_inode *inode;

	fs->closing = true;
	uk_wake_all(&fs->wake);
	uk_wait_event(&closed, !fs->started, UK_FOREVER, false);
	/* What could not be written is lost. */
	while ((inode = take_dirty(fs)) != NULL)
		uk_inode_put(inode);
}

/* Somebody makes more dirty than may be: he writes it himself, and so waits for the disk. */
void e4_balance(struct uk_super *super)
{
	flush_all(super->data);
}

int e4_sync(struct uk_inode *inode, bool data_only)
{
	struct e4 *fs = e4_of(inode);
	struct e4_node *node = e4_node_of(inode);
	int error = node->error;

	if (fs->super->read_only && !fs->failed)
		return 0;
	node->error = 0;
	if (error == 0 && !data_only)
		error = e4_inode_flush(inode);
	uk_mutex_lock(&fs->lock);
	if (error == 0)
		error = fs->failed ? -UK_EIO : node->tid == fs->tid ? e4_commit(fs) : e4_flush(fs);
	uk_mutex_unlock(&fs->lock);
	return error;
}

int e4_super_sync(struct uk_super *super)
{
	struct e4 *fs = super->data;
	int error;

	if (super->read_only && !fs->failed)
		return 0;
	flush_all(fs);
	uk_mutex_lock(&fs->lock);
	error = e4_commit(fs);
	uk_mutex_unlock(&fs->lock);
	return error;
}
