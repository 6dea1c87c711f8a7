/*
 * Character devices (numbers as in Linux's Documentation/admin-guide/devices.txt), and the folder
 * /dev that holds their names.
 */
#include <uk/io.h>
#include <uk/log.h>

#include "fs.h"

static uint64_t device(unsigned major, unsigned minor)
{
	return (uint64_t)major << 8 | minor;
}

static int64_t null_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	(void)file;
	(void)to;
	(void)offset;
	return 0;
}

static int64_t null_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	int64_t size = (int64_t)from->left;

	(void)file;
	(void)offset;
	from->left = 0;
	return size;
}

static int64_t zero_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	int64_t done = 0;

	(void)file;
	(void)offset;
	while (to->left != 0) {
		int64_t moved = uk_iter_zero(to, UK_MIN(to->left, 16 * UK_PAGE_SIZE));

		if (moved <= 0)
			return done != 0 ? done : moved;
		done += moved;
		if (uk_signal_pending())
			break;
	}
	return done;
}

static int64_t full_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	(void)file;
	(void)offset;
	return from->left != 0 ? -UK_ENOSPC : 0;
}

static int64_t random_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	uint8_t bytes[256];
	int64_t done = 0;

	(void)file;
	(void)offset;
	while (to->left != 0) {
		size_t size = UK_MIN(to->left, sizeof(bytes));
		int64_t moved;

		uk_random(bytes, size);
		moved = uk_iter_put(to, bytes, size);
		if (moved <= 0)
			return done != 0 ? done : moved;
		done += moved;
		if (uk_signal_pending())
			break;
	}
	return done;
}

/* What a program writes stirs the pool, and is not counted as random. */
static int64_t random_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	uint8_t bytes[256];
	int64_t done = 0;

	(void)file;
	(void)offset;
	while (from->left != 0) {
		int64_t moved = uk_iter_get(from, bytes, UK_MIN(from->left, sizeof(bytes)));

		if (moved <= 0)
			return done != 0 ? done : moved;
		uk_random_add(bytes, (size_t)moved, 0);
		done += moved;
	}
	return done;
}

static const struct uk_file_ops null_ops = { .read = null_read, .write = null_write };
static const struct uk_file_ops zero_ops = { .read = zero_read, .write = null_write };
static const struct uk_file_ops full_ops = { .read = zero_read, .write = full_write };
static const struct uk_file_ops random_ops = { .read = random_read, .write = random_write };

enum { CONSOLE = 0 };
static const struct {
	const char *name;
	uint8_t major, minor;
	uint16_t mode;
	const struct uk_file_ops *ops;
} devices[] = {
	[CONSOLE] = { "console", FS_CONSOLE_RDEV >> 8, FS_CONSOLE_RDEV & 0xff, FS_CONSOLE_MODE,
		      &fs_tty_ops },
	{ "tty", 5, 0, 0666, &fs_tty_ops },
	{ "null", 1, 3, 0666, &null_ops },
	{ "zero", 1, 5, 0666, &zero_ops },
	{ "full", 1, 7, 0666, &full_ops },
	{ "random", 1, 8, 0666, &random_ops },
	{ "urandom", 1, 9, 0666, &random_ops },
};

static const char *const links[][2] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

int fs_device_open(struct uk_inode *inode, struct uk_file *file)
{
	for (size_t i = 0; i < UK_COUNT(devices); i++) {
		if (inode->rdev == device(devices[i].major, devices[i].minor)) {
			file->ops = devices[i].ops;
			return 0;
		}
	}
	return -UK_ENXIO;
}

static int make_device(struct uk_inode *dev, size_t i, struct uk_inode **inode)
{
	return dev->ops->create(dev, devices[i].name, strlen(devices[i].name),
				UK_S_IFCHR | devices[i].mode,
				device(devices[i].major, devices[i].minor), inode);
}

int fs_dev_fill(struct uk_inode *dev)
{
	struct uk_inode *inode;
	int error = 0;

	for (size_t i = 0; i < UK_COUNT(devices) && error == 0; i++) {
		if (i == CONSOLE)
			continue;
		error = make_device(dev, i, &inode);
		if (error == 0)
			uk_inode_put(inode);
	}
	for (size_t i = 0; i < UK_COUNT(links) && error == 0; i++) {
		error = dev->ops->symlink(dev, links[i][0], strlen(links[i][0]), links[i][1],
					  &inode);
		if (error == 0)
			uk_inode_put(inode);
	}
	if (error == 0)
		error = dev->ops->create(dev, "shm", 3, UK_S_IFDIR | UK_S_ISVTX | 0777, 0, &inode);
	if (error == 0)
		uk_inode_put(inode);
	return error;
}
