/*
 * Extended attributes on ext4: any changes against a model of them, and what Linux's own tools make
 * and read.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>

#include "ext4_xattr.h"
#include "fs.h"
#include "shim.h"
#include "volume.h"
#include "worlds.h"

enum { ATTRS = 12, ATTR_FILES = 4, ATTR_MAX = 1200 };

/* What each file's attributes should be; size -1: not there. */
struct attr_model {
	int size[ATTR_FILES][ATTRS];
	uint8_t value[ATTR_FILES][ATTRS][ATTR_MAX];
};

static const char *attr_name(unsigned number)
{
	static const char *const prefixes[] = { "user", "trusted", "security" };
	static char name[64];

	snprintf(name, sizeof(name), "%s.%.*s%u", prefixes[number % 3], (int)number, "name-of-any",
		 number);
	return name;
}

static long attr_get(const char *path, unsigned number, uint8_t *to, size_t room)
{
	return kernel_call(SYS_getxattr, (long)path, (long)attr_name(number), (long)to, (long)room,
			   0, 0);
}

static void attr_check(const struct attr_model *m, unsigned file, const char *path)
{
	uint8_t value[ATTR_MAX];

	for (unsigned i = 0; i < ATTRS; i++) {
		int size = m->size[file][i];

		assert_int_equal(attr_get(path, i, value, sizeof(value)),
				 size < 0 ? -ENODATA : size);
		if (size > 0)
			assert_memory_equal(value, m->value[file][i], (size_t)size);
	}
}

static void attr_change(struct attr_model *m, unsigned file, const char *path)
{
	unsigned which = dice(ATTRS), flags = dice(4) == 0 ? 1 + dice(2) : 0;
	bool there = m->size[file][which] >= 0;
	uint8_t value[ATTR_MAX];
	size_t size = dice(3) == 0 ? dice(ATTR_MAX) : dice(60);
	long result;

	if (dice(4) == 0) {
		result = K2(removexattr, path, attr_name(which));
		assert_int_equal(result, there ? 0 : -ENODATA);
		m->size[file][which] = -1;
		return;
	}
	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)dice(256);
	result = kernel_call(SYS_setxattr, (long)path, (long)attr_name(which), (long)value,
			     (long)size, (long)flags, 0);
	if (flags == 1 && there) {
		assert_int_equal(result, -EEXIST);
	} else if (flags == 2 && !there) {
		assert_int_equal(result, -ENODATA);
	} else if (result != -ENOSPC) {
		assert_int_equal(result, 0);
		m->size[file][which] = (int)size;
		memcpy(m->value[file][which], value, size);
	}
}

void test_xattr(void **unused)
{
	static const char *const paths[ATTR_FILES] = { "one", "two", "three", "folder" };
	static struct attr_model m;
	struct uk_super *super;

	(void)unused;
	for (size_t shape = 0; shape < UK_COUNT(volume_shapes); shape++) {
		dice_start((unsigned)shape + 1);
		memset(m.size, -1, sizeof(m.size));
		volume_make(volume_shapes[shape], volume_disk, VOLUME_SMALL);
		super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
		assert_int_equal(K1(chdir, volume_mounted), 0);
		for (unsigned i = 0; i < ATTR_FILES - 1; i++)
			K1(close, K3(open, paths[i], O_CREAT | O_RDWR, 0644));
		assert_int_equal(K2(mkdir, paths[ATTR_FILES - 1], 0755), 0);
		for (unsigned step = 0; step < 600; step++)
			attr_change(&m, step % ATTR_FILES, paths[step % ATTR_FILES]);
		assert_int_equal(K1(unlink, paths[1]), 0);
		volume_stop(super);
		volume_judge(volume_disk, VOLUME_SMALL, volume_shapes[shape]);
		super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
		assert_int_equal(K1(chdir, volume_mounted), 0);
		for (unsigned i = 0; i < ATTR_FILES; i++)
			if (i != 1)
				attr_check(&m, i, paths[i]);
		volume_stop(super);
		shim_block_forget();
	}
}

static void debugfs(const char *request, const char *path)
{
	const char *const argv[] = { "/sbin/debugfs", "-w", "-R", request, path, NULL };

	assert_int_equal(volume_run(argv), 0);
}

/* Linux lets files with the same attributes share a block: the one that changes them leaves it. */
void test_xattr_shared(void **unused)
{
	char value[300], request[400], got[300], path[64];
	const char *block;
	struct uk_super *super;

	(void)unused;
	volume_make("-t ext4 -b 1024 -I 128", volume_disk, VOLUME_SMALL);
	snprintf(path, sizeof(path), "%s", volume_path("shared"));
	volume_put(path, volume_disk, VOLUME_SMALL);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	debugfs("write /dev/null a", path);
	debugfs("write /dev/null b", path);
	snprintf(request, sizeof(request), "ea_set a user.shared %s", value);
	debugfs(request, path);
	debugfs("stat a", path);
	block = strstr(volume_words(), "File ACL: ");
	assert_non_null(block);
	snprintf(request, sizeof(request), "set_inode_field b file_acl %d", atoi(block + 10));
	debugfs(request, path);
	assert_int_equal(volume_fsck("-fy", path), 1);
	volume_get(path, volume_disk, VOLUME_SMALL);
	super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
	assert_int_equal(K1(chdir, volume_mounted), 0);
	assert_int_equal(kernel_call(SYS_setxattr, (long)"a", (long)"user.own", (long)"x", 1, 0, 0),
			 0);
	assert_int_equal(kernel_call(SYS_getxattr, (long)"b", (long)"user.own", (long)got, 9, 0, 0),
			 -ENODATA);
	for (const char *name = "a"; name[0] <= 'b'; name = name[0] == 'a' ? "b" : "c") {
		assert_int_equal(kernel_call(SYS_getxattr, (long)name, (long)"user.shared",
					     (long)got, sizeof(got), 0, 0),
				 sizeof(value) - 1);
		assert_memory_equal(got, value, sizeof(value) - 1);
	}
	assert_int_equal(K1(unlink, "b"), 0);
	assert_int_equal(kernel_call(SYS_setxattr, (long)"a", (long)"user.none", 0, 0, 3 << 2, 0),
			 -EINVAL);
	assert_int_equal(kernel_call(SYS_setxattr, (long)"a", (long)"system.x", (long)"x", 1, 0, 0),
			 -EOPNOTSUPP);
	volume_stop(super);
	volume_judge(volume_disk, VOLUME_SMALL, "shared attributes");
	volume_put(path, volume_disk, VOLUME_SMALL);
	debugfs("ea_get a user.own", path);
	if (strstr(volume_words(), "user.own (1) = \"x\"") == NULL)
		fail_msg("debugfs: %s", volume_words());
	shim_block_forget();
}
