/*
 * What the host wants done while the machine runs: a volume mounted whose disk was plugged in,
 * unmounted, a writable one frozen for a copy of its disk. Orders come through the doorbell; one
 * thread carries them out, one after the other, and looks after live volumes in between.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uni/abi/bell.h>

#include "fs.h"

#define MS 1000000ull
#define SECOND 1000000000ull
enum { LOOK_S = 2, HELD_MS = 8 };

static struct uk_waitq rung_queue = UK_WAITQ_INIT(rung_queue);
static volatile bool rung;
static bool has_bell;

static struct uni_bell_order order; /* one at a time */
static struct uni_bell_reply reply;
static uint64_t carried_out; /* number of the last one */

static struct uk_super *frozen;
static uint64_t thaw_at;

static int says(int error, const char *why)
{
	uk_strlcpy(reply.text, why, sizeof(reply.text));
	return error;
}

/* -- attach -- */

/* Also those above it. */
static int make_folders(const char *path, struct uk_dentry **out)
{
	char part[UNI_BELL_PATH];
	int refused = 0, error;

	for (const char *end = path; *end != '\0';) {
		size_t size;

		while (*end == '/')
			end++;
		while (*end != '\0' && *end != '/')
			end++;
		size = (size_t)(end - path);
		memcpy(part, path, size);
		part[size] = '\0';
		error = fs_make_node(UK_AT_FDCWD, part, UK_S_IFDIR | 0755, 0);
		if (error != 0 && error != -UK_EEXIST)
			refused = error;
	}
	error = fs_walk_path(UK_AT_FDCWD, path, FS_FOLLOW | FS_DIRECTORY, out);
	return error == -UK_ENOENT && refused != 0 ? refused : error;
}

/* A folder on which nothing stands yet. */
static int find_point(const char *path, struct uk_dentry **out)
{
	int error = make_folders(path, out);

	if (error != 0)
		return says(error, "the folder cannot be made");
	if ((*out)->parent != NULL)
		return 0;
	fs_dentry_put(*out);
	return says(-UK_EBUSY, "something is mounted there");
}

static bool is_mounted(const struct uk_block_dev *disk)
{
	uk_list_each (item, &fs_mounts)
		if (uk_list_entry(item, struct fs_mount, item)->plugged == disk)
			return true;
	return false;
}

/* Disks that were plugged in and carry nothing that is mounted can be unplugged from now on. */
static void release_disks(void)
{
	struct uk_block_dev *disk = NULL, *next;

	for (disk = uk_block_disk_next(NULL); disk != NULL; disk = next) {
		next = uk_block_disk_next(disk);
		if (disk->remove != NULL && !is_mounted(disk))
			uk_block_remove(disk);
	}
}

static struct uk_block_dev *disk_of(struct uk_block_dev *dev)
{
	while (dev->parent != NULL)
		dev = dev->parent;
	return dev->remove != NULL ? dev : NULL;
}

static int mount_at(struct fs_mounting *m, struct uk_dentry *point)
{
	int error = fs_volume_mount(m);

	if (error != 0) {
		fs_dentry_put(point);
		return says(error, m->why);
	}
	error = fs_volume_place(m, point);
	if (error == 0) {
		fs_mount_of(m->super)->plugged = disk_of(m->dev);
		uk_log(UK_LOG_NOTICE, "volume %s: attached, /dev/%s", m->path, m->dev->name);
		return 0;
	}
	fs_live_forget(m->super);
	m->super->ops->unmount(m->super);
	return says(error, "it cannot be mounted");
}

static int mount_ordered(void)
{
	struct fs_mounting m = { .what = &order.mount, .path = order.path, .index = order.index };
	struct uk_dentry *point;
	int error;

	order.path[sizeof(order.path) - 1] = '\0';
	if (order.path[0] != '/' || order.mount.salt_size > sizeof(order.mount.salt) ||
	    order.mount.fs == UNI_FS_TMPFS)
		return says(-UK_EINVAL, "the order is not sound");
	if (fs_mount_with(order.mount.uuid) != NULL)
		return says(-UK_EEXIST, "this volume is mounted already");
	error = find_point(order.path, &point);
	return error == 0 ? mount_at(&m, point) : error;
}

static int attach(void)
{
	int error;

	uk_disks_look();
	error = mount_ordered();
	if (error != 0)
		release_disks();
	return error;
}

/* -- detach -- */

struct holders {
	size_t at;
	unsigned more;
};

static void name_holder(struct holders *h, const char *path)
{
	size_t size = strlen(path), comma = h->at != 0 ? 2 : 0;

	/* Room stays for the words that there are more. */
	if (h->at + comma + size + 24 > sizeof(reply.text)) {
		h->more++;
		return;
	}
	memcpy(reply.text + h->at, ", ", comma);
	memcpy(reply.text + h->at + comma, path, size + 1);
	h->at += comma + size;
}

/* Also of a live volume's content from before. */
static void name_below(struct holders *h, const struct fs_mount *mount, struct uk_dentry *dentry)
{
	const struct fs_mount *in = dentry != NULL ? fs_dentry_mount(dentry) : NULL;
	char *path;

	if (in == NULL || in->point != mount->point)
		return;
	path = uk_alloc(UK_PATH_MAX);
	if (path != NULL) {
		(void)fs_dentry_path(dentry, path, UK_PATH_MAX);
		name_holder(h, path);
	}
	uk_free(path);
}

/* Which files keep it from being unmounted. */
static void name_holders(const struct fs_mount *mount)
{
	struct holders h = { .at = 0 };
	struct uk_dentry *cwd = fs_cwd_get();

	for (int fd = fs_fd_next(0); fd >= 0; fd = fs_fd_next(fd + 1)) {
		struct uk_file *file = uk_fd_get(fd);

		if (file == NULL)
			continue;
		name_below(&h, mount, file->dentry);
		uk_file_put(file);
	}
	name_below(&h, mount, cwd);
	fs_dentry_put(cwd);
	if (h.at == 0)
		(void)says(0, "files in memory maps");
	else if (h.more != 0)
		uk_snprintf(reply.text + h.at, sizeof(reply.text) - h.at, " and %u more", h.more);
}

static int detach(void)
{
	struct fs_mount *mount = fs_mount_with(order.mount.uuid);
	const struct uk_super *super;
	int error;

	if (mount == NULL)
		return says(-UK_ENOENT, "this volume is not mounted");
	if (mount->plugged == NULL)
		return says(-UK_EPERM, "it belongs to the image");
	super = mount->super;
	error = fs_live_is_held(super) ? -UK_EBUSY : fs_mount_remove(mount);
	if (error == -UK_EBUSY) {
		name_holders(mount);
		return error;
	}
	fs_live_forget(super);
	release_disks();
	return error == 0 ? 0 : says(error, "not everything could be written");
}

/* -- freeze -- */

static void thaw(void)
{
	frozen->ops->thaw(frozen);
	frozen = NULL;
}

static int freeze(void)
{
	const struct fs_mount *mount = fs_mount_with(order.mount.uuid);
	int error;

	if (mount == NULL)
		return says(-UK_ENOENT, "this volume is not mounted");
	if (mount->super->ops->freeze == NULL)
		return says(-UK_EOPNOTSUPP, "it is not written to");
	error = mount->super->ops->freeze(mount->super);
	if (error != 0)
		return says(error, "not everything could be written");
	frozen = mount->super;
	thaw_at = uk_time_mono() + UK_MIN(order.limit_ms, UNI_BELL_FREEZE_MAX_MS) * MS;
	return 0;
}

static int end_freeze(void)
{
	if (frozen == NULL)
		return says(-UK_ETIMEDOUT, "it was too long for the machine, which went on");
	thaw();
	return 0;
}

/* -- the one thread -- */

static int carry_out(void)
{
	/* Whoever wants something else has given the copy up. */
	if (frozen != NULL && order.kind != UNI_BELL_THAW)
		thaw();
	switch ((enum uni_bell_order_kind)order.kind) {
	case UNI_BELL_ATTACH:
		return attach();
	case UNI_BELL_DETACH:
		return detach();
	case UNI_BELL_FREEZE:
		return freeze();
	case UNI_BELL_THAW:
		return end_freeze();
	}
	return says(-UK_EOPNOTSUPP, "this kernel knows no such order");
}

static void look_for_order(void)
{
	if (!fs_bell_order(&order) || order.number == carried_out)
		return;
	carried_out = order.number;
	memset(&reply, 0, sizeof(reply));
	reply.number = order.number;
	reply.error = (uint32_t)-carry_out();
	fs_bell_reply(&reply);
}

static void ring(void)
{
	rung = true;
	uk_wake_all(&rung_queue);
}

/*
 * When to see again what is held of content from before. Programs that were told close it at once,
 * others later: hence after a while that doubles. The writer of the next content need not ask then.
 */
static uint64_t next_release(uint64_t *pause)
{
	uint64_t at = uk_time_mono() + *pause;

	if (!fs_live_let_go())
		return UK_FOREVER;
	*pause = UK_MIN(*pause * 2, LOOK_S * SECOND);
	return at;
}

static void end_late_freeze(void)
{
	if (frozen == NULL || uk_time_mono() < thaw_at)
		return;
	uk_log(UK_LOG_WARN, "nobody ended the freeze of a volume");
	thaw();
}

static void listen(void *arg)
{
	uint64_t look_at = 0, pause = 0, until;

	(void)arg;
	has_bell = fs_bell_start(ring);
	carried_out = fs_bell_replied();
	for (;;) {
		/* Before an order is looked at that comes too late to end it. */
		end_late_freeze();
		if (rung || uk_time_mono() >= look_at) {
			rung = false;
			fs_live_look();
			look_for_order();
			look_at = has_bell ? UK_FOREVER : uk_time_mono() + LOOK_S * SECOND;
			pause = HELD_MS * MS;
		}
		if (!has_bell && !fs_live_any())
			return;
		until = next_release(&pause);
		until = UK_MIN(until, look_at);
		if (frozen != NULL)
			until = UK_MIN(until, thaw_at);
		(void)uk_wait_event(&rung_queue, rung, until, false);
	}
}

void fs_orders_start(void)
{
	if (!fs_live_any() && !fs_bell_may_be())
		return;
	if (uk_thread_spawn("orders", listen, NULL) == NULL)
		uk_panic("no memory to listen for orders");
}
