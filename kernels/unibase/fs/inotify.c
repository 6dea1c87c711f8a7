/*
 * inotify(7): a descriptor from which a program reads what happens to files and folders that it
 * watches: by itself, and to volumes whose content is replaced while the machine runs.
 *
 * A watch holds its inode, and hangs at it (for who changes the file) and at its instance (for who
 * asks). One mutex covers all of it; nothing is called under it but memory's allocator, so that
 * whoever changes a file may tell of it with locks held. Where nobody watches, telling costs one
 * comparison (fs_notify in fs.h).
 */
#include <uk/thread.h>

#include "calls.h"

enum { QUEUE_MAX = 16384, WATCHES_MAX = 65536 };

struct change {
	struct uk_list item;
	int wd;
	uint32_t mask, cookie;
	uint32_t size; /* of the name with NULs, as Linux pads it */
	char name[];
};

struct instance {
	struct uk_list item; /* among `instances` */
	struct uk_waitq changed;
	struct uk_list watches, changes;
	unsigned count; /* of changes */
	int last;	/* number of the newest watch */
};

struct fs_watch {
	struct uk_list item; /* among its instance's */
	struct fs_watch *next;
	struct instance *owner;
	struct uk_inode *inode; /* a reference */
	int wd;
	uint32_t mask;
};

/* What is told: `name` is NULL when it happens to the watched file itself. */
struct telling {
	uint32_t mask, cookie;
	const char *name;
	size_t size;
};

uint32_t fs_watches;

static struct uk_mutex lock = UK_MUTEX_INIT(lock);
static struct uk_list instances = UK_LIST_INIT(instances);

/* -- the queue; under the lock -- */

static bool repeats(const struct instance *in, const struct change *change)
{
	const struct change *last;

	if (uk_list_empty(&in->changes))
		return false;
	last = uk_list_entry(in->changes.prev, struct change, item);
	return last->wd == change->wd && last->mask == change->mask &&
	       last->cookie == change->cookie && last->size == change->size &&
	       memcmp(last->name, change->name, change->size) == 0;
}

static void enqueue(struct instance *in, int wd, const struct telling *t)
{
	/* Linux rounds up to the size of its event, which is 16 bytes. */
	uint32_t size = t->name != NULL ? (uint32_t)UK_ALIGN_UP(t->size + 1, 16ul) : 0;
	struct change *change;

	if (in->count > QUEUE_MAX)
		return;
	change = uk_alloc(sizeof(*change) + size);
	if (change == NULL)
		return;
	*change = (struct change){ .wd = wd, .mask = t->mask, .cookie = t->cookie, .size = size };
	memset(change->name, 0, size);
	if (t->name != NULL)
		memcpy(change->name, t->name, t->size);
	if (in->count == QUEUE_MAX) {
		change->wd = -1;
		change->mask = UK_IN_Q_OVERFLOW;
		change->cookie = change->size = 0;
	} else if (repeats(in, change)) {
		uk_free(change);
		return;
	}
	uk_list_push_back(&in->changes, &change->item);
	in->count++;
	uk_wake_all(&in->changed);
}

/* -- watches; under the lock -- */

/* Takes it from its inode and its instance; the caller gives inode and memory back. */
static void unhang(struct fs_watch *watch)
{
	struct fs_watch **at = &watch->inode->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	uk_list_remove(&watch->item);
	fs_watches--;
}

/* Unhung, told as gone, and put on the list of those to be freed. */
static void retire(struct fs_watch *watch, struct uk_list *gone)
{
	unhang(watch);
	enqueue(watch->owner, watch->wd, &(struct telling){ .mask = UK_IN_IGNORED });
	uk_list_push_back(gone, &watch->item);
}

static void free_all(struct uk_list *gone)
{
	uk_list_each_safe (item, gone) {
		struct fs_watch *watch = uk_list_entry(item, struct fs_watch, item);

		uk_inode_put(watch->inode);
		uk_free(watch);
	}
}

static void tell(struct uk_inode *inode, const struct telling *t, struct uk_list *gone)
{
	for (struct fs_watch *watch = inode->watches, *next; watch != NULL; watch = next) {
		bool wanted = (watch->mask & t->mask & UK_IN_ALL) != 0;

		next = watch->next;
		if (wanted)
			enqueue(watch->owner, watch->wd, t);
		if ((wanted && (watch->mask & UK_IN_ONESHOT) != 0) ||
		    (t->mask & UK_IN_DELETE_SELF) != 0)
			retire(watch, gone);
	}
}

/* -- what the rest of fs/ calls -- */

void fs_notify_self(struct uk_inode *inode, uint32_t mask)
{
	struct uk_list gone = UK_LIST_INIT(gone);
	const struct telling t = {
		.mask = mask | (UK_S_IS(inode->mode, DIR) &&
						(mask & (UK_IN_DELETE_SELF | UK_IN_MOVE_SELF)) == 0
					? (uint32_t)UK_IN_ISDIR
					: 0)
	};

	if (inode->watches == NULL)
		return;
	uk_mutex_lock(&lock);
	tell(inode, &t, &gone);
	uk_mutex_unlock(&lock);
	free_all(&gone);
}

void fs_notify_entry(struct uk_inode *dir, const struct fs_entry *entry, uint32_t mask,
		     uint32_t cookie)
{
	struct uk_list gone = UK_LIST_INIT(gone);
	char name[UK_NAME_MAX];
	struct telling t = { .mask = mask | (entry->folder ? (uint32_t)UK_IN_ISDIR : 0),
			     .cookie = cookie,
			     .name = name,
			     .size = entry->size };

	if (dir->watches == NULL)
		return;
	/* The name may change while the lock is waited for. */
	memcpy(name, entry->name, entry->size);
	uk_mutex_lock(&lock);
	tell(dir, &t, &gone);
	uk_mutex_unlock(&lock);
	free_all(&gone);
}

void fs_notify_watchers(struct uk_dentry *dentry, uint32_t mask)
{
	struct uk_dentry *parent;
	struct uk_inode *inode = dentry->inode;

	if (inode == NULL)
		return;
	if (dentry->parent != NULL) {
		parent = fs_dentry_parent(dentry);
		fs_notify_entry(parent->inode,
				&(struct fs_entry){ dentry->name, dentry->size, fs_is_dir(dentry) },
				mask, 0);
		fs_dentry_put(parent);
	}
	fs_notify_self(inode, mask);
}

uint32_t fs_notify_cookie(void)
{
	static uint32_t last;

	return ++last;
}

void fs_notify_gone(const struct uk_super *super)
{
	const struct telling t = { .mask = UK_IN_UNMOUNT };
	struct uk_list gone = UK_LIST_INIT(gone);

	uk_mutex_lock(&lock);
	uk_list_each (item, &instances) {
		struct instance *in = uk_list_entry(item, struct instance, item);

		uk_list_each_safe (at, &in->watches) {
			struct fs_watch *watch = uk_list_entry(at, struct fs_watch, item);

			if (watch->inode->super != super)
				continue;
			enqueue(in, watch->wd, &t);
			retire(watch, &gone);
		}
	}
	uk_mutex_unlock(&lock);
	free_all(&gone);
}

/* -- the descriptor -- */

static struct change *take(struct instance *in, size_t room, bool *small)
{
	struct change *change = NULL;

	uk_mutex_lock(&lock);
	if (!uk_list_empty(&in->changes)) {
		change = uk_list_first(&in->changes, struct change, item);
		if (sizeof(struct uk_linux_inotify_event) + change->size > room) {
			*small = true;
			change = NULL;
		} else {
			uk_list_remove(&change->item);
			in->count--;
		}
	}
	uk_mutex_unlock(&lock);
	return change;
}

static int64_t give(struct uk_iter *to, struct change *change)
{
	const struct uk_linux_inotify_event event = { change->wd, change->mask, change->cookie,
						      change->size };
	int64_t head = uk_iter_put(to, &event, sizeof(event));
	int64_t name = head < 0 ? head : uk_iter_put(to, change->name, change->size);

	uk_free(change);
	return name < 0 ? name : head + name;
}

static int64_t inotify_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct instance *in = file->data;
	int64_t done = 0, moved;
	struct change *change;
	bool small = false;
	int error;

	(void)offset;
	for (;;) {
		change = take(in, to->left, &small);
		if (change != NULL) {
			moved = give(to, change);
			if (moved < 0)
				return done != 0 ? done : moved;
			done += moved;
		} else if (done != 0) {
			return done;
		} else if (small) {
			return -UK_EINVAL;
		} else if ((file->flags & UK_O_NONBLOCK) != 0) {
			return -UK_EAGAIN;
		} else {
			error = uk_wait_event(&in->changed, !uk_list_empty(&in->changes),
					      UK_FOREVER, true);
			if (error != 0)
				return error;
		}
	}
}

static unsigned inotify_poll(struct uk_file *file, struct uk_poll *poll)
{
	struct instance *in = file->data;

	uk_poll_add(poll, &in->changed);
	return uk_list_empty(&in->changes) ? 0 : UK_POLLIN | UK_POLLRDNORM;
}

static int64_t inotify_ioctl(struct uk_file *file, unsigned request, uint64_t arg)
{
	struct instance *in = file->data;
	int size = 0;

	if (request != UK_FIONREAD)
		return -UK_ENOTTY;
	uk_mutex_lock(&lock);
	uk_list_each (item, &in->changes)
		size += (int)(sizeof(struct uk_linux_inotify_event) +
			      uk_list_entry(item, struct change, item)->size);
	uk_mutex_unlock(&lock);
	return uk_copy_to_user(arg, &size, sizeof(size));
}

static void inotify_release(struct uk_file *file)
{
	struct instance *in = file->data;
	struct uk_list gone = UK_LIST_INIT(gone);

	uk_mutex_lock(&lock);
	uk_list_remove(&in->item);
	uk_list_each_safe (item, &in->watches) {
		struct fs_watch *watch = uk_list_entry(item, struct fs_watch, item);

		unhang(watch);
		uk_list_push_back(&gone, &watch->item);
	}
	uk_mutex_unlock(&lock);
	free_all(&gone);
	uk_list_each_safe (item, &in->changes)
		uk_free(uk_list_entry(item, struct change, item));
	uk_free(in);
}

static int inotify_describe(struct uk_file *file, char *to, size_t room)
{
	(void)file;
	return uk_strlcpy(to, "anon_inode:inotify", room) < room ? (int)strlen(to) : -UK_ERANGE;
}

static const struct uk_file_ops inotify_ops = {
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.describe = inotify_describe,
	.stream = true,
};

/* -- the calls -- */

static int64_t make(uint32_t flags)
{
	struct instance *in;
	struct uk_file *file;

	if ((flags & ~(uint32_t)(UK_O_CLOEXEC | UK_O_NONBLOCK)) != 0)
		return -UK_EINVAL;
	in = uk_alloc(sizeof(*in));
	if (in == NULL)
		return -UK_ENOMEM;
	uk_waitq_init(&in->changed);
	uk_list_init(&in->watches);
	uk_list_init(&in->changes);
	file = uk_file_new(&inotify_ops, in, flags & UK_O_NONBLOCK);
	if (file == NULL) {
		uk_free(in);
		return -UK_ENOMEM;
	}
	uk_mutex_lock(&lock);
	uk_list_push_back(&instances, &in->item);
	uk_mutex_unlock(&lock);
	return uk_fd_install(file, (flags & UK_O_CLOEXEC) != 0);
}

int64_t uk_sys_inotify_init(const struct uk_sysargs *s)
{
	(void)s;
	return make(0);
}

int64_t uk_sys_inotify_init1(const struct uk_sysargs *s)
{
	return make((uint32_t)s->a[0]);
}

/* The instance behind a descriptor, with a reference to its file. */
static struct uk_file *instance_of(uint64_t fd, struct instance **in, int *error)
{
	struct uk_file *file = fs_fd_real(fs_arg_int(fd));

	*error = file == NULL ? -UK_EBADF : file->ops != &inotify_ops ? -UK_EINVAL : 0;
	if (file != NULL && *error != 0)
		uk_file_put(file);
	*in = *error == 0 ? file->data : NULL;
	return *error == 0 ? file : NULL;
}

static struct fs_watch *watch_of(const struct instance *in, const struct uk_inode *inode)
{
	struct fs_watch *watch = inode->watches;

	while (watch != NULL && watch->owner != in)
		watch = watch->next;
	return watch;
}

/* Under the lock; `spare` is used up by setting it to NULL. Takes no reference when it changes one
 * that is there. */
static int64_t add_locked(struct instance *in, struct uk_inode *inode, uint32_t mask,
			  struct fs_watch **spare)
{
	struct fs_watch *watch = watch_of(in, inode);
	const uint32_t kept = mask & (UK_IN_ALL | UK_IN_ONESHOT);

	if (watch != NULL) {
		if ((mask & UK_IN_MASK_CREATE) != 0)
			return -UK_EEXIST;
		watch->mask = (mask & UK_IN_MASK_ADD) != 0 ? watch->mask | kept : kept;
		return watch->wd;
	}
	if (fs_watches >= WATCHES_MAX)
		return -UK_ENOSPC;
	watch = *spare;
	*spare = NULL;
	*watch = (struct fs_watch){
		.next = inode->watches, .owner = in, .inode = inode, .wd = ++in->last, .mask = kept
	};
	uk_inode_get(inode);
	inode->watches = watch;
	uk_list_push_back(&in->watches, &watch->item);
	fs_watches++;
	return watch->wd;
}

static int64_t add(struct instance *in, uint64_t user_path, uint32_t mask)
{
	const unsigned how = ((mask & UK_IN_DONT_FOLLOW) != 0 ? 0u : (unsigned)FS_FOLLOW) |
			     ((mask & UK_IN_ONLYDIR) != 0 ? (unsigned)FS_DIRECTORY : 0u);
	struct fs_watch *spare;
	struct uk_dentry *dentry;
	struct fs_path path;
	int64_t result = fs_path_get(&path, user_path);

	if (result != 0)
		return result;
	result = fs_walk_path(UK_AT_FDCWD, path.text, how, &dentry);
	fs_path_put(&path);
	if (result != 0)
		return result;
	result = uk_permit(dentry->inode, UK_R_OK);
	if (result != 0) {
		fs_dentry_put(dentry);
		return result;
	}
	spare = uk_alloc(sizeof(*spare));
	result = -UK_ENOMEM;
	if (spare != NULL) {
		uk_mutex_lock(&lock);
		result = add_locked(in, dentry->inode, mask, &spare);
		uk_mutex_unlock(&lock);
	}
	uk_free(spare);
	fs_dentry_put(dentry);
	return result;
}

int64_t uk_sys_inotify_add_watch(const struct uk_sysargs *s)
{
	const uint32_t both = UK_IN_MASK_ADD | UK_IN_MASK_CREATE;
	uint32_t mask = (uint32_t)s->a[2];
	struct instance *in;
	struct uk_file *file;
	int64_t result;
	int error;

	if ((mask & UK_IN_ALL) == 0 || (mask & ~(uint32_t)UK_IN_KNOWN) != 0 ||
	    (mask & both) == both)
		return -UK_EINVAL;
	file = instance_of(s->a[0], &in, &error);
	if (file == NULL)
		return error;
	result = add(in, s->a[1], mask);
	uk_file_put(file);
	return result;
}

int64_t uk_sys_inotify_rm_watch(const struct uk_sysargs *s)
{
	struct uk_list gone = UK_LIST_INIT(gone);
	int wd = fs_arg_int(s->a[1]), error;
	struct instance *in;
	struct uk_file *file = instance_of(s->a[0], &in, &error);

	if (file == NULL)
		return error;
	error = -UK_EINVAL;
	uk_mutex_lock(&lock);
	uk_list_each (item, &in->watches) {
		struct fs_watch *watch = uk_list_entry(item, struct fs_watch, item);

		if (watch->wd != wd)
			continue;
		retire(watch, &gone);
		error = 0;
		break;
	}
	uk_mutex_unlock(&lock);
	free_all(&gone);
	uk_file_put(file);
	return error;
}
