/*
 * Live volumes (uni/abi/live.h): a generation is a squashfs with its hash tree in one of two slots
 * of a disk that is written from outside. One thread (orders.c) looks at the superblocks when told
 * to, and puts a newer generation in the place of the mounted one in one step. Files that are open
 * keep the old one, which goes when the last is closed.
 *
 * A slot is a device of its own inside the disk, so that everything above it is as for any volume.
 */
#include <uk/block.h>
#include <uk/ed25519.h>
#include <uk/log.h>
#include <uk/sha256.h>
#include <uni/abi/bell.h>
#include <uni/abi/live.h>

#include "fs.h"
#include "text.h"

enum {
	SUPERS = 2,
	/* Order of pages: a block of metadata. What is read more of a new generation is hashed for
	 * nothing, in the moment when it is waited for. */
	READ_AHEAD = 1,
};

/* One generation that is mounted, or was and is still held. */
struct served {
	struct served *next;
	struct uk_block_dev slot;
	uint64_t generation;
	uint8_t root[32];
	struct uk_super *super;
	struct fs_mount *before; /* of one that was replaced */
};

struct live {
	struct live *next;
	struct uni_config_mount what;
	unsigned index; /* of its answers */
	struct uk_block_dev *dev;
	struct fs_mount *mount;
	struct served *now;
	struct served *old;
	uint64_t refused; /* the generation that is not taken */
	enum uni_bell_reason reason;
	char path[UK_NAME_MAX + 1];
};

static struct live *volumes;
static struct uk_mutex volumes_lock = UK_MUTEX_INIT(volumes_lock);

/* For /proc/live: counts changes of what is served. */
static struct uk_waitq changes_queue = UK_WAITQ_INIT(changes_queue);
static volatile uint64_t changes;

/* -- superblocks -- */

static enum uni_bell_reason judge(const struct live *l, const struct uni_live_super *s)
{
	if (s->generation < l->what.data_blocks)
		return UNI_BELL_OLD;
	if (s->fs != UNI_FS_SQUASHFS)
		return UNI_BELL_VERSION_NEW;
	if ((l->what.flags & UNI_MOUNT_SIGNED) == 0)
		return UNI_BELL_NONE;
	return (s->flags & UNI_LIVE_SIGNED) != 0 &&
			       uk_ed25519_verify(l->what.root_hash, s,
						 offsetof(struct uni_live_super, signature),
						 s->signature)
		       ? UNI_BELL_NONE
		       : UNI_BELL_SIGNATURE;
}

/* At once: a request costs more than what lies between them. */
static int read_supers(struct uk_block_dev *dev, struct uni_live_super supers[SUPERS])
{
	size_t size = (SUPERS - 1) * UNI_LIVE_BLOCK + sizeof(supers[0]);
	uint8_t *both = uk_alloc(size);
	int error = both != NULL ? uk_block_read(dev, 0, both, size) : -UK_ENOMEM;

	for (unsigned i = 0; i < SUPERS && error == 0; i++)
		memcpy(&supers[i], both + i * UNI_LIVE_BLOCK, sizeof(supers[i]));
	uk_free(both);
	return error;
}

static bool is_ours(const struct live *l, const struct uni_live_super *s)
{
	return memcmp(s->uuid, l->what.uuid, sizeof(s->uuid)) == 0;
}

/* -- slots -- */

static void forget(struct served *s)
{
	if (s != NULL && s->super != NULL)
		s->super->ops->unmount(s->super);
	uk_free(s);
}

/* What the slot of a superblock holds, ready to be mounted; NULL with the reason. */
static struct served *open_slot(const struct live *l, const struct uni_live_super *s,
				enum uni_bell_reason *reason)
{
	struct uni_config_mount mount = { .fs = UNI_FS_SQUASHFS,
					  .flags = UNI_MOUNT_READ_ONLY | UNI_MOUNT_VERITY,
					  .data_blocks = s->data_blocks,
					  .hash_offset = s->hash_offset,
					  .size = s->slot_size,
					  .salt_size = s->salt_size };
	struct served *served = uk_alloc(sizeof(*served));
	struct fs_volume *volume;
	int error = -UK_ENOMEM;

	if (served == NULL)
		goto fail;
	memcpy(mount.root_hash, s->root_hash, sizeof(mount.root_hash));
	memcpy(mount.salt, s->salt, sizeof(mount.salt));
	memcpy(served->root, s->root_hash, sizeof(served->root));
	served->generation = s->generation;
	served->slot.parent = l->dev;
	served->slot.start = s->slot_offset;
	served->slot.size = s->slot_size;
	served->slot.read_only = true;
	uk_snprintf(served->slot.name, sizeof(served->slot.name), "%s.%u", l->dev->name, s->slot);
	error = fs_volume_open(&served->slot, &mount, l->path, &volume);
	if (error == 0) {
		fs_volume_read_ahead(volume, READ_AHEAD);
		error = fs_squashfs_mount(volume, &served->super);
	}
	if (error == 0)
		return served;
fail:
	*reason = error == -UK_ENOMEM ? UNI_BELL_MEMORY : UNI_BELL_CONTENT;
	uk_free(served);
	return NULL;
}

static void refuse(struct live *l, uint64_t generation, enum uni_bell_reason reason)
{
	static const char *const words[] = {
		[UNI_BELL_NONE] = "",
		[UNI_BELL_SIGNATURE] = "is not signed by the configured key",
		[UNI_BELL_VERSION_NEW] = "has a format that this kernel does not know",
		[UNI_BELL_OLD] = "is older than the configuration takes",
		[UNI_BELL_CONTENT] = "is damaged",
		[UNI_BELL_MEMORY] = "does not fit into memory",
	};

	if (l->refused != generation || l->reason != reason)
		uk_log(UK_LOG_ERROR, "volume %s: generation %llu %s", l->path,
		       (unsigned long long)generation, words[reason]);
	l->refused = generation;
	l->reason = reason;
}

/* What a superblock is; void if it is not above `above`, which is the cheapest to see. */
static enum uni_live_state state_of(const struct live *l, const struct uni_live_super *s,
				    unsigned block, uint64_t above)
{
	return s->generation > above && is_ours(l, s) ? uni_live_check(s, block, l->dev->size)
						      : UNI_LIVE_VOID;
}

/* The newest generation above `above` that is sound and permitted, opened; NULL: none. */
static struct served *find_newer(struct live *l, uint64_t above)
{
	static struct uni_live_super supers[SUPERS]; /* one thread looks */
	enum uni_live_state state[SUPERS];

	l->refused = 0;
	if (read_supers(l->dev, supers) != 0)
		return NULL;
	for (unsigned i = 0; i < SUPERS; i++)
		state[i] = state_of(l, &supers[i], i, above);
	for (;;) {
		enum uni_bell_reason reason;
		struct served *served = NULL;
		unsigned best = SUPERS;

		for (unsigned i = 0; i < SUPERS; i++)
			if (state[i] != UNI_LIVE_VOID &&
			    (best == SUPERS || supers[i].generation > supers[best].generation))
				best = i;
		if (best == SUPERS)
			return NULL;
		reason = state[best] == UNI_LIVE_NEWER ? UNI_BELL_VERSION_NEW
						       : judge(l, &supers[best]);
		if (reason == UNI_BELL_NONE)
			served = open_slot(l, &supers[best], &reason);
		if (served != NULL)
			return served;
		refuse(l, supers[best].generation, reason);
		state[best] = UNI_LIVE_VOID;
	}
}

/* -- the one thread -- */

static void serve_newer(struct live *l)
{
	struct served *newer = find_newer(l, l->now->generation);
	struct served *old = l->now;

	if (newer == NULL)
		return;
	if (fs_mount_replace(l->mount, newer->super, &old->before) != 0) {
		refuse(l, newer->generation, UNI_BELL_MEMORY);
		forget(newer);
		return;
	}
	old->next = l->old;
	l->old = old;
	l->now = newer;
	uk_log(UK_LOG_NOTICE, "volume %s: generation %llu", l->path,
	       (unsigned long long)newer->generation);
	__atomic_add_fetch(&changes, 1, __ATOMIC_RELEASE);
	uk_wake_all(&changes_queue);
	fs_notify_gone(old->super);
}

/* Whether one was let go. */
static bool release_old(struct live *l)
{
	struct served **at = &l->old;
	bool any = false;

	while (*at != NULL) {
		struct served *old = *at;

		if (fs_mount_release(old->before)) {
			*at = old->next;
			uk_free(old);
			any = true;
		} else {
			at = &old->next;
		}
	}
	return any;
}

static void answer(const struct live *l)
{
	static struct uni_bell_answer a;

	memset(&a, 0, sizeof(a));
	a.status = l->refused != 0 ? UNI_BELL_REFUSED : UNI_BELL_SERVING;
	a.refused = l->refused;
	a.reason = l->refused != 0 ? l->reason : UNI_BELL_NONE;
	memcpy(a.uuid, l->what.uuid, sizeof(a.uuid));
	a.generation = l->now->generation;
	a.pinned = a.generation;
	for (const struct served *old = l->old; old != NULL; old = old->next)
		a.pinned = UK_MIN(a.pinned, old->generation);
	memcpy(a.root_hash, l->now->root, sizeof(a.root_hash));
	fs_bell_answer(l->index, &a);
}

bool fs_live_any(void)
{
	return volumes != NULL;
}

void fs_live_look(void)
{
	for (struct live *l = volumes; l != NULL; l = l->next) {
		serve_newer(l);
		(void)release_old(l);
		answer(l);
	}
}

bool fs_live_let_go(void)
{
	bool held = false;

	for (struct live *l = volumes; l != NULL; l = l->next) {
		if (release_old(l))
			answer(l);
		held = held || l->old != NULL;
	}
	return held;
}

/* -- coming and going -- */

static bool find_device(struct live *l, struct uni_live_super supers[SUPERS])
{
	struct uk_block_dev *dev = NULL;

	while ((dev = uk_block_next(dev)) != NULL) {
		if (dev->size < UNI_LIVE_ALIGN || read_supers(dev, supers) != 0)
			continue;
		for (unsigned i = 0; i < SUPERS; i++)
			if (uni_live_check(&supers[i], i, dev->size) != UNI_LIVE_VOID &&
			    is_ours(l, &supers[i])) {
				l->dev = dev;
				return true;
			}
	}
	return false;
}

/* Finds its device, and what is served from it at first. */
static int open_volume(struct live *l, struct fs_mounting *m)
{
	struct uni_live_super *supers = uk_alloc(SUPERS * sizeof(*supers));
	bool found = supers != NULL && find_device(l, supers);

	uk_free(supers);
	if (!found)
		return fs_mounting_fails(m, -UK_ENODEV, "no device carries this live volume");
	l->now = find_newer(l, 0);
	if (l->now == NULL)
		return fs_mounting_fails(m, -UK_EINVAL, "no generation on /dev/%s can be served",
					 l->dev->name);
	return 0;
}

int fs_live_mount(struct fs_mounting *m)
{
	struct live *l = uk_alloc(sizeof(*l)), **end = &volumes;
	int error;

	if (l == NULL)
		return fs_mounting_fails(m, -UK_ENOMEM, "no memory");
	l->what = *m->what;
	l->index = m->index;
	uk_strlcpy(l->path, m->path, sizeof(l->path));
	error = open_volume(l, m);
	if (error != 0) {
		uk_free(l);
		return error;
	}
	m->dev = l->dev;
	m->super = l->now->super;
	uk_mutex_lock(&volumes_lock);
	while (*end != NULL)
		end = &(*end)->next;
	*end = l;
	uk_mutex_unlock(&volumes_lock);
	return 0;
}

static struct live *find(const struct uk_super *super)
{
	struct live *l = volumes;

	while (l != NULL && l->now->super != super)
		l = l->next;
	return l;
}

void fs_live_mounted(struct uk_super *super)
{
	struct live *l = find(super);

	if (l != NULL)
		l->mount = fs_mount_of(super);
}

bool fs_live_is_held(const struct uk_super *super)
{
	struct live *l = find(super);

	if (l == NULL)
		return false;
	(void)release_old(l);
	return l->old != NULL;
}

void fs_live_forget(const struct uk_super *super)
{
	struct live **at = &volumes, *l = find(super);

	if (l == NULL)
		return;
	uk_mutex_lock(&volumes_lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	uk_mutex_unlock(&volumes_lock);
	uk_free(l->now);
	uk_free(l);
}

/*
 * /proc/live: a line a volume, "PATH GENERATION". As with /proc/mounts, poll says PRI and ERR when
 * something changed since the file was opened or read from its start.
 */
struct watch {
	uint64_t seen;
	struct fs_text text;
};

static void show(struct watch *w)
{
	fs_text_free(&w->text);
	w->seen = __atomic_load_n(&changes, __ATOMIC_ACQUIRE);
	uk_mutex_lock(&volumes_lock);
	for (const struct live *l = volumes; l != NULL; l = l->next)
		fs_text_add(&w->text, "%s %llu\n", l->path, (unsigned long long)l->now->generation);
	uk_mutex_unlock(&volumes_lock);
}

static int64_t watch_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct watch *w = file->data;
	int64_t moved;

	if (*offset == 0)
		show(w);
	if (w->text.failed)
		return -UK_ENOMEM;
	if (*offset >= w->text.size)
		return 0;
	moved = uk_iter_put(to, w->text.at + *offset, w->text.size - *offset);
	if (moved > 0)
		*offset += (uint64_t)moved;
	return moved;
}

static unsigned watch_poll(struct uk_file *file, struct uk_poll *poll)
{
	const struct watch *w = file->data;

	uk_poll_add(poll, &changes_queue);
	return UK_POLLIN | UK_POLLRDNORM | (w->seen != changes ? UK_POLLPRI | UK_POLLERR : 0u);
}

static void watch_release(struct uk_file *file)
{
	struct watch *w = file->data;

	fs_text_free(&w->text);
	uk_free(w);
}

static const struct uk_file_ops watch_ops = { .read = watch_read,
					      .poll = watch_poll,
					      .release = watch_release };

int fs_live_open(struct uk_inode *inode, struct uk_file *file)
{
	struct watch *w = uk_alloc(sizeof(*w));

	(void)inode;
	if (w == NULL)
		return -UK_ENOMEM;
	w->seen = changes;
	file->ops = &watch_ops;
	file->data = w;
	return 0;
}
