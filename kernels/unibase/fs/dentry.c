/*
 * The name cache: which inode a name in a folder stands for, or that there is none. Names in use
 * are held by references; the others wait in the order of their last use until the bound or the
 * want of memory takes them. A child holds its parent, so what is cached hangs together.
 *
 * One spinlock guards chains, references, parents and names; nothing is freed under it.
 */
#include <uk/log.h>
#include <uk/vfs.h>

#include "fs.h"

enum {
	CHAINS_MIN = UK_PAGE_SIZE / sizeof(struct uk_list),
	CHAINS_ORDER_MAX = 5,
	BYTES_A_CHAIN = 64 << 10,
	NAMES_A_CHAIN = 4
};

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static struct uk_list *chains;
static uint32_t chain_mask;
static struct uk_list unused = UK_LIST_INIT(unused);
static size_t unused_count, unused_max;

void fs_dentry_start(void)
{
	uint32_t count = CHAINS_MIN;
	unsigned order = 0;
	struct uk_page *pages;

	while (order < CHAINS_ORDER_MAX && (uint64_t)count * BYTES_A_CHAIN < uk_mem_total()) {
		count *= 2;
		order++;
	}
	/* Late, when a program runs already, memory may be in pieces. */
	while ((pages = uk_page_alloc(order, false)) == NULL) {
		if (order-- == 0)
			uk_panic("no memory for the name cache");
		count /= 2;
	}
	chains = uk_page_virt(pages);
	for (uint32_t i = 0; i < count; i++)
		uk_list_init(&chains[i]);
	chain_mask = count - 1;
	unused_max = (size_t)count * NAMES_A_CHAIN;
}

static uint32_t hash_of(const struct uk_dentry *parent, const char *name, size_t size)
{
	uint64_t hash = (uintptr_t)parent / 64;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3ull;
	return (uint32_t)(hash ^ hash >> 32);
}

static void get_locked(struct uk_dentry *dentry)
{
	if (dentry->refs++ == 0 && !uk_list_empty(&dentry->lru)) {
		uk_list_remove(&dentry->lru);
		unused_count--;
	}
}

void fs_dentry_get(struct uk_dentry *dentry)
{
	uint64_t state = uk_spin_lock(&lock);

	get_locked(dentry);
	uk_spin_unlock(&lock, state);
}

static void unhash(struct uk_dentry *dentry)
{
	uk_list_remove(&dentry->chain);
	dentry->hashed = false;
}

static void hash_in(struct uk_dentry *dentry)
{
	dentry->hash = hash_of(dentry->parent, dentry->name, dentry->size);
	uk_list_push_front(&chains[dentry->hash & chain_mask], &dentry->chain);
	dentry->hashed = true;
}

static struct uk_dentry *find_locked(struct uk_dentry *parent, const char *name, size_t size)
{
	uint32_t hash = hash_of(parent, name, size);

	uk_list_each (item, &chains[hash & chain_mask]) {
		struct uk_dentry *dentry = uk_list_entry(item, struct uk_dentry, chain);

		if (dentry->hash == hash && dentry->parent == parent && dentry->size == size &&
		    memcmp(dentry->name, name, size) == 0)
			return dentry;
	}
	return NULL;
}

struct uk_dentry *fs_dentry_find(struct uk_dentry *parent, const char *name, size_t size)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_dentry *dentry = find_locked(parent, name, size);

	if (dentry != NULL)
		get_locked(dentry);
	uk_spin_unlock(&lock, state);
	return dentry;
}

/* Gives back what a dentry that nobody can reach any more holds; its parent, to be put. */
static struct uk_dentry *destroy(struct uk_dentry *dentry)
{
	struct uk_dentry *parent = dentry->parent;

	uk_inode_put(dentry->inode);
	if (dentry->name != dentry->room)
		uk_free(dentry->name);
	uk_free(dentry);
	return parent;
}

/* The name that was longest unused, unhashed; NULL: none. */
static struct uk_dentry *evict_locked(void)
{
	struct uk_dentry *victim = uk_list_first(&unused, struct uk_dentry, lru);

	if (victim == NULL)
		return NULL;
	uk_list_remove(&victim->lru);
	unused_count--;
	unhash(victim);
	return victim;
}

/* Drops one reference; the dentry to destroy, this one or the oldest unused. */
static struct uk_dentry *put_locked(struct uk_dentry *dentry)
{
	uk_assert(dentry->refs != 0);
	if (--dentry->refs != 0)
		return NULL;
	if (!dentry->hashed)
		return dentry;
	uk_list_push_back(&unused, &dentry->lru);
	return ++unused_count > unused_max ? evict_locked() : NULL;
}

void fs_dentry_put(struct uk_dentry *dentry)
{
	while (dentry != NULL) {
		uint64_t state = uk_spin_lock(&lock);
		struct uk_dentry *victim = put_locked(dentry);

		uk_spin_unlock(&lock, state);
		dentry = victim != NULL ? destroy(victim) : NULL;
	}
}

size_t fs_dentry_shrink(size_t wanted)
{
	uint64_t before = uk_mem_free();

	/* A name and its inode take some hundred bytes: about sixteen a frame. */
	for (size_t i = 0; i < 16 * wanted; i++) {
		uint64_t state = uk_spin_lock(&lock);
		struct uk_dentry *victim = evict_locked();

		uk_spin_unlock(&lock, state);
		if (victim == NULL)
			break;
		fs_dentry_put(destroy(victim));
	}
	return uk_mem_free() > before ? (uk_mem_free() - before) >> UK_PAGE_SHIFT : 0;
}

/* Takes the unused names of a file system out of the cache; false: there was none. */
static bool prune_pass(const struct uk_super *super)
{
	struct uk_list victims;
	struct uk_dentry *victim;
	uint64_t state;
	bool some = false;

	uk_list_init(&victims);
	state = uk_spin_lock(&lock);
	for (struct uk_list *item = unused.next, *next; item != &unused; item = next) {
		const struct uk_inode *inode;

		victim = uk_list_entry(item, struct uk_dentry, lru);
		next = item->next;
		inode = victim->inode != NULL ? victim->inode : victim->parent->inode;
		if (inode->super != super)
			continue;
		uk_list_remove(&victim->lru);
		unused_count--;
		unhash(victim);
		uk_list_push_back(&victims, &victim->lru);
	}
	uk_spin_unlock(&lock, state);
	while ((victim = uk_list_first(&victims, struct uk_dentry, lru)) != NULL) {
		uk_list_remove(&victim->lru);
		fs_dentry_put(destroy(victim));
		some = true;
	}
	return some;
}

void fs_dentry_prune(const struct uk_super *super)
{
	/* A folder is unused when the names in it are gone. */
	while (prune_pass(super))
		;
}

bool fs_dentry_is_last(const struct uk_dentry *dentry)
{
	uint64_t state = uk_spin_lock(&lock);
	bool last = dentry->refs == 1;

	uk_spin_unlock(&lock, state);
	return last;
}

static char *name_room(struct uk_dentry *dentry, size_t size)
{
	return size < sizeof(dentry->room) ? dentry->room : uk_alloc(size + 1);
}

static void place(struct uk_dentry *dentry, struct uk_dentry *parent)
{
	uint64_t state = uk_spin_lock(&lock);

	get_locked(parent);
	dentry->parent = parent;
	if (!parent->inode->super->generated)
		hash_in(dentry);
	uk_spin_unlock(&lock, state);
}

struct uk_dentry *fs_dentry_new(struct uk_dentry *parent, const char *name, size_t size,
				struct uk_inode *inode)
{
	struct uk_dentry *dentry = uk_alloc(sizeof(*dentry));

	if (dentry == NULL)
		goto no_dentry;
	dentry->name = name_room(dentry, size);
	if (dentry->name == NULL)
		goto no_name;
	memcpy(dentry->name, name, size);
	dentry->name[size] = '\0';
	dentry->size = (uint8_t)size;
	dentry->refs = 1;
	dentry->inode = inode;
	uk_list_init(&dentry->chain);
	uk_list_init(&dentry->lru);
	if (parent != NULL)
		place(dentry, parent);
	return dentry;
no_name:
	uk_free(dentry);
no_dentry:
	uk_inode_put(inode);
	return NULL;
}

void fs_dentry_fill(struct uk_dentry *dentry, struct uk_inode *inode)
{
	uint64_t state = uk_spin_lock(&lock);

	uk_assert(dentry->inode == NULL);
	dentry->inode = inode;
	uk_spin_unlock(&lock, state);
}

void fs_dentry_drop(struct uk_dentry *dentry)
{
	uint64_t state = uk_spin_lock(&lock);

	if (dentry->hashed)
		unhash(dentry);
	uk_spin_unlock(&lock, state);
}

int fs_dentry_move(struct uk_dentry *dentry, struct uk_dentry *parent, const char *name,
		   size_t size)
{
	/* Into allocated room always: the name may be read until the lock is taken. */
	char *room = uk_alloc(size + 1), *old_name;
	struct uk_dentry *old_parent, *other;
	uint64_t state;

	if (room == NULL)
		return -UK_ENOMEM;
	memcpy(room, name, size);
	state = uk_spin_lock(&lock);
	unhash(dentry);
	other = find_locked(parent, name, size);
	if (other != NULL) /* what stood there, or the knowledge that nothing did */
		unhash(other);
	old_name = dentry->name;
	old_parent = dentry->parent;
	get_locked(parent);
	dentry->parent = parent;
	dentry->name = room;
	dentry->size = (uint8_t)size;
	hash_in(dentry);
	if (other != NULL && other->refs == 0) {
		uk_list_remove(&other->lru);
		unused_count--;
	} else {
		other = NULL;
	}
	uk_spin_unlock(&lock, state);
	if (old_name != dentry->room)
		uk_free(old_name);
	fs_dentry_put(old_parent);
	if (other != NULL)
		fs_dentry_put(destroy(other));
	return 0;
}

/* A name in its own room must stay in the room of who has it. */
static void swap_names(struct uk_dentry *a, struct uk_dentry *b)
{
	char *a_name = a->name == a->room ? b->room : a->name;
	char room[sizeof(a->room)];
	uint8_t size = a->size;

	memcpy(room, a->room, sizeof(room));
	memcpy(a->room, b->room, sizeof(room));
	memcpy(b->room, room, sizeof(room));
	a->name = b->name == b->room ? a->room : b->name;
	b->name = a_name;
	a->size = b->size;
	b->size = size;
}

void fs_dentry_swap(struct uk_dentry *a, struct uk_dentry *b)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_dentry *parent = a->parent;

	unhash(a);
	unhash(b);
	swap_names(a, b);
	a->parent = b->parent;
	b->parent = parent;
	hash_in(a);
	hash_in(b);
	uk_spin_unlock(&lock, state);
}

static struct uk_dentry *up_locked(struct uk_dentry *dentry)
{
	while (dentry->parent == NULL && dentry->mount != NULL && dentry->mount->point != NULL)
		dentry = dentry->mount->point;
	return dentry->parent != NULL ? dentry->parent : dentry;
}

bool fs_dentry_is_below(struct uk_dentry *dentry, const struct uk_dentry *folder)
{
	uint64_t state = uk_spin_lock(&lock);
	bool below = dentry == folder;

	while (!below) {
		struct uk_dentry *up = up_locked(dentry);

		if (up == dentry)
			break;
		dentry = up;
		below = dentry == folder;
	}
	uk_spin_unlock(&lock, state);
	return below;
}

const struct fs_mount *fs_dentry_mount(const struct uk_dentry *dentry)
{
	uint64_t state = uk_spin_lock(&lock);

	while (dentry->parent != NULL)
		dentry = dentry->parent;
	uk_spin_unlock(&lock, state);
	return dentry->mount;
}

struct uk_dentry *fs_dentry_parent(struct uk_dentry *dentry)
{
	uint64_t state = uk_spin_lock(&lock);
	struct uk_dentry *parent = up_locked(dentry);

	get_locked(parent);
	uk_spin_unlock(&lock, state);
	/* A folder that something stands on is never seen by a path; what is above it is. */
	return fs_mount_cross(parent);
}

struct writer {
	char *start, *at;
};

static bool prepend(struct writer *w, const char *text, size_t size)
{
	if ((size_t)(w->at - w->start) < size)
		return false;
	w->at -= size;
	memcpy(w->at, text, size);
	return true;
}

/* Writes the path from the end of the room backwards; false when it does not fit. */
static bool path_locked(struct uk_dentry *dentry, struct writer *w)
{
	const char *end = w->at;

	for (;;) {
		while (dentry->parent == NULL && dentry->mount != NULL &&
		       dentry->mount->point != NULL)
			dentry = dentry->mount->point;
		if (dentry->parent == NULL)
			break;
		if (!prepend(w, dentry->name, dentry->size) || !prepend(w, "/", 1))
			return false;
		dentry = dentry->parent;
	}
	/* Files without a place have a name of their own: "pipe:[12]", "/memfd:x". */
	if (dentry->mount == NULL && w->at == end)
		return prepend(w, dentry->name, dentry->size);
	return w->at != end || prepend(w, "/", 1);
}

static bool is_deleted(const struct uk_dentry *dentry)
{
	if (dentry->parent == NULL)
		return false;
	return !dentry->hashed && !dentry->parent->inode->super->generated;
}

int fs_dentry_path(struct uk_dentry *dentry, char *path, size_t room)
{
	static const char deleted[] = " (deleted)";
	struct writer w = { path, path + room };
	uint64_t state;
	bool fits, gone;
	size_t size;

	if (room == 0)
		return -UK_ERANGE;
	state = uk_spin_lock(&lock);
	gone = is_deleted(dentry);
	fits = prepend(&w, "", 1) && (!gone || prepend(&w, deleted, sizeof(deleted) - 1)) &&
	       path_locked(dentry, &w);
	uk_spin_unlock(&lock, state);
	if (!fits)
		return -UK_ERANGE;
	size = (size_t)(path + room - w.at);
	memmove(path, w.at, size);
	return gone ? -UK_ENOENT : (int)size - 1;
}
