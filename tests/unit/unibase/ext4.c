/*
 * The ext4 driver. What files do on it is judged by Linux, by the same stories as for a tmpfs; what
 * it leaves on the disk by e2fsck; and what a loss of power leaves by both: from a log of all
 * writes and flushes disks are rebuilt on which any of the writes since the last flush are missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>

#include "fs.h"
#include "shim.h"
#include "worlds.h"

enum { DISK = 24 << 20 };

/* -- programs that make and judge volumes -- */

static char folder[] = "/tmp/uni-ext4-XXXXXX";

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned last;
	char *path = paths[++last % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int run(const char *const *argv)
{
	union {
		const char *const *in;
		char *const *out;
	} same = { argv };
	int status;
	pid_t child = fork();

	if (child == 0) {
		/* Its words stand between ours only when it is not content. */
		int words = open(path_of("words"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		dup2(words, 1);
		dup2(words, 2);
		execvp(argv[0], same.out);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const char *words(void)
{
	static char text_of[4000];
	FILE *file = fopen(path_of("words"), "rb");

	text_of[file != NULL ? fread(text_of, 1, sizeof(text_of) - 1, file) : 0] = '\0';
	if (file != NULL)
		(void)fclose(file);
	return text_of;
}

static void put_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static void get_file(const char *path, void *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, data, size), (ssize_t)size);
	close(fd);
}

/* An empty volume with these options of mke2fs, separated by spaces. */
static void make_volume(const char *options, uint8_t *disk, size_t size)
{
	const char *argv[24] = { "/sbin/mke2fs", "-q", "-F" };
	char words[256], *save = NULL;
	const char *path = path_of("made");
	unsigned count = 3;

	snprintf(words, sizeof(words), "%s", options);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[count++] = w;
	argv[count++] = "-E";
	argv[count++] = "root_owner=0:0,lazy_itable_init=0";
	argv[count] = path;
	memset(disk, 0, size);
	put_file(path, disk, size);
	assert_int_equal(run(argv), 0);
	get_file(path, disk, size);
}

static int fsck(const char *how, const char *path)
{
	const char *const argv[] = { "/sbin/e2fsck", how, path, NULL };

	return run(argv);
}

static int fsck_words(const char *a, const char *b, const char *c, const char *path)
{
	const char *const argv[] = { "/sbin/e2fsck", a, b, c, path, NULL };

	return run(argv);
}

/* The volume as it lies there is sound, with nothing left to do. */
static void judge(const uint8_t *disk, size_t size, const char *what)
{
	const char *path = path_of("judged");

	put_file(path, disk, size);
	if (fsck("-fn", path) != 0)
		fail_msg("%s: e2fsck -fn: %s", what, words());
}

/* -- mounting -- */

static unsigned mounts;
static char mounted[32];

static struct uk_super *mount_at(struct uk_block_dev *dev, bool read_only)
{
	struct uk_super *super = NULL;
	struct uk_dentry *at;
	int error = fs_ext4_mount(dev, read_only, &super);

	if (error != 0)
		fail_msg("mount: %d: %s", error, shim_log());
	snprintf(mounted, sizeof(mounted), "/vol-%u", mounts++);
	assert_int_equal(K2(mkdir, mounted, 0755), 0);
	assert_int_equal(fs_walk_path(UK_AT_FDCWD, mounted, FS_FOLLOW, &at), 0);
	assert_int_equal(fs_mount_add(at, super, "test"), 0);
	fs_dentry_put(at);
	return super;
}

static void stop(struct uk_super *super)
{
	assert_int_equal(K1(chdir, "/"), 0);
	kernel_call(SYS_close_range, 3, ~0u, 0, 0, 0, 0);
	assert_int_equal(super->ops->stop(super), 0);
}

/* -- the same stories as Linux -- */

static uint8_t disk[DISK];

static void tell(const char *options, const struct story *story)
{
	struct uk_super *super;

	make_volume(options, disk, DISK);
	super = mount_at(shim_block_disk("disk", disk, DISK), false);
	assert_int_equal(K1(chdir, mounted), 0);
	story_on_linux(story);
	story_on_kernel(story);
	story_compare(story);
	stop(super);
	judge(disk, DISK, options);
	shim_block_forget();
}

static const char *const shapes[] = {
	"-t ext4 -b 4096",
	"-t ext4 -b 1024",
	"-t ext4 -b 4096 -O ^has_journal",
	"-t ext4 -b 2048 -O ^metadata_csum,uninit_bg",
	"-t ext4 -b 4096 -I 128 -O ^64bit,^metadata_csum,^dir_index",
};

static void test_story(void **unused)
{
	(void)unused;
	/* It tells the size of blocks, which is a page's on Linux's tmpfs. */
	for (size_t i = 0; i < UK_COUNT(shapes); i++)
		if (strstr(shapes[i], "-b 4096") != NULL)
			tell(shapes[i], &story_fixed);
}

static void test_random(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 20; seed++) {
		const struct story story = { files_random, seed, 700 };

		tell(shapes[seed % UK_COUNT(shapes)], &story);
	}
}

/* -- loss of power -- */

enum {
	CRASH_DISK = 16 << 20,
	RECORD = 700, /* bytes of one record of the ledger */
	STEPS = 160,
	ACKS_MAX = 4 * STEPS,
};

/* What the program was told to be safe: from this point of the log on. */
struct ack {
	size_t at;	  /* writes and flushes logged before */
	unsigned records; /* of the ledger, or 0 */
	unsigned version; /* of "current", or 0 */
};
static struct ack acks[ACKS_MAX];
static size_t ack_count;

static void acknowledge(unsigned records, unsigned version)
{
	assert_true(ack_count < ACKS_MAX);
	(void)shim_disk_writes(&acks[ack_count].at);
	acks[ack_count].records = records;
	acks[ack_count++].version = version;
}

static void fill_record(uint8_t *record, unsigned number)
{
	for (unsigned i = 0; i < RECORD; i++)
		record[i] = (uint8_t)(number * 31 + i * 7 + (number >> 8));
}

static void append(int fd, unsigned number)
{
	uint8_t record[RECORD];

	fill_record(record, number);
	assert_int_equal(K3(write, fd, record, RECORD), RECORD);
}

/* As editors and databases replace a file: beside it, to the disk, over it, the folder to the disk.
 */
static void replace(unsigned version)
{
	static uint8_t content[9000];
	int fd = (int)K3(open, "next", O_CREAT | O_TRUNC | O_RDWR, 0644), folder_fd;

	assert_true(fd >= 0);
	memset(content, (int)(version & 0xff), sizeof(content));
	memcpy(content, &version, sizeof(version));
	assert_int_equal(K3(write, fd, content, sizeof(content) - version % 5000),
			 sizeof(content) - version % 5000);
	assert_int_equal(K1(fsync, fd), 0);
	K1(close, fd);
	assert_int_equal(K2(rename, "next", "current"), 0);
	folder_fd = (int)K2(open, ".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(K1(fsync, folder_fd), 0);
	K1(close, folder_fd);
	acknowledge(0, version);
}

static unsigned dice_state;

static unsigned dice(unsigned below)
{
	dice_state = dice_state * 1103515245u + 12345;
	return (dice_state >> 8) % below;
}

/* What nobody was promised: names and content that come, move and go. */
static void noise(unsigned step)
{
	static uint8_t bytes[60000];
	char name[32], other[32];
	int fd;

	snprintf(name, sizeof(name), "noise-%u", dice(12));
	snprintf(other, sizeof(other), "%s%u", dice(3) == 0 ? "below/moved-" : "noise-", dice(12));
	switch (dice(7)) {
	case 0:
	case 1:
		fd = (int)K3(open, name, O_CREAT | O_RDWR, 0644);
		memset(bytes, (int)step, sizeof(bytes));
		(void)K4(pwrite64, fd, bytes, dice(sizeof(bytes)), dice(200000));
		K1(close, fd);
		break;
	case 2:
		(void)K1(unlink, name);
		break;
	case 3:
		(void)K2(rename, name, other);
		break;
	case 4:
		(void)K2(truncate, name, dice(100000));
		break;
	case 5:
		fd = (int)K2(open, name, O_RDWR);
		if (fd >= 0) {
			(void)K4(fallocate, fd, dice(2) * 3, dice(100000), dice(100000) + 1);
			K1(close, fd);
		}
		break;
	default:
		(void)K2(mkdir, "below", 0755);
		(void)K2(link, name, other);
		break;
	}
}

static void work(void)
{
	unsigned records = 0, version = 0;
	int fd = (int)K3(open, "ledger", O_CREAT | O_APPEND | O_RDWR, 0644);

	assert_true(fd >= 0);
	for (unsigned step = 0; step < STEPS; step++) {
		switch (dice(5)) {
		case 0:
			for (unsigned i = dice(9) + 1; i != 0; i--)
				append(fd, records++);
			assert_int_equal(step % 2 == 0 ? K1(fsync, fd) : K1(fdatasync, fd), 0);
			acknowledge(records, 0);
			break;
		case 1:
			replace(++version);
			break;
		default:
			noise(step);
			break;
		}
		if (dice(20) == 0)
			shim_advance(6000000000ull); /* the writer in the background wakes */
		shim_run();
	}
	K1(close, fd);
}

static uint8_t base[CRASH_DISK], state[CRASH_DISK];

static void apply(const struct shim_write *w, size_t size)
{
	memcpy(state + w->offset, w->data, size);
}

/*
 * The disk after a loss of power behind the first `point` entries of the log: what was written
 * before the last flush is there; of the rest any of it, and of one write perhaps only its start.
 */
static void rebuild(const struct shim_write *log, size_t point, unsigned how)
{
	size_t flushed = 0;

	memcpy(state, base, sizeof(state));
	for (size_t i = 0; i < point; i++)
		if (log[i].size == 0)
			flushed = i;
	for (size_t i = 0; i < point; i++) {
		size_t size = log[i].size;

		if (i >= flushed && how == 1)
			continue;
		if (i >= flushed && how == 2 && dice(2) == 0)
			continue;
		if (i >= flushed && how == 2 && dice(4) == 0)
			size = dice((unsigned)(size / 512) + 1) * 512;
		if (size != 0)
			apply(&log[i], size);
	}
}

static void check_ledger(unsigned records)
{
	uint8_t record[RECORD], expected[RECORD];
	int fd = (int)K2(open, "ledger", O_RDONLY);

	if (records == 0) {
		K1(close, fd);
		return;
	}
	assert_true(fd >= 0);
	for (unsigned i = 0; i < records; i++) {
		fill_record(expected, i);
		if (K3(read, fd, record, RECORD) != RECORD || memcmp(record, expected, RECORD) != 0)
			fail_msg("record %u of %u, which were safe, is not there", i, records);
	}
	K1(close, fd);
}

static void check_current(unsigned version)
{
	static uint8_t content[9000];
	unsigned found;
	long size;
	int fd;

	if (version == 0)
		return;
	fd = (int)K2(open, "current", O_RDONLY);
	assert_true(fd >= 0);
	size = K3(read, fd, content, sizeof(content));
	K1(close, fd);
	memcpy(&found, content, sizeof(found));
	if (size != (long)(sizeof(content) - found % 5000) || found < version)
		fail_msg("version %u was safe, version %u of %ld bytes is there", version, found,
			 size);
	for (long i = sizeof(found); i < size; i++)
		if (content[i] != (uint8_t)found)
			fail_msg("version %u is not whole", found);
}

static void judge_state(size_t point, unsigned how, bool by_others)
{
	unsigned records = 0, version = 0;
	const char *path = path_of("crashed");
	struct uk_super *super;

	for (size_t i = 0; i < ack_count && acks[i].at <= point; i++) {
		records = acks[i].records != 0 ? acks[i].records : records;
		version = acks[i].version != 0 ? acks[i].version : version;
	}
	if (by_others) {
		put_file(path, state, sizeof(state));
		if (fsck_words("-E", "journal_only", "-y", path) > 1 || fsck("-p", path) > 1 ||
		    fsck("-fn", path) != 0)
			fail_msg("after entry %zu, way %u: %s", point, how, words());
		get_file(path, state, sizeof(state));
	}
	super = mount_at(shim_block_disk("disk", state, sizeof(state)), false);
	assert_int_equal(K1(chdir, mounted), 0);
	check_ledger(records);
	check_current(version);
	stop(super);
	put_file(path, state, sizeof(state));
	if (fsck("-fn", path) != 0)
		fail_msg("after entry %zu, way %u, mounted again: %s", point, how, words());
	shim_block_forget();
}

static void crash(const char *options, unsigned seed, unsigned states)
{
	const struct shim_write *log;
	struct uk_super *super;
	size_t count;

	dice_state = seed;
	ack_count = 0;
	make_volume(options, disk, CRASH_DISK);
	super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
	memcpy(base, disk, CRASH_DISK);
	shim_disk_log(true);
	assert_int_equal(K1(chdir, mounted), 0);
	work();
	stop(super);
	shim_disk_log(false);
	log = shim_disk_writes(&count);
	for (unsigned i = 0; i < states; i++) {
		size_t point = dice((unsigned)count) + 1;
		unsigned how = i % 3;

		rebuild(log, point, how);
		judge_state(point, how, i % 2 == 0);
	}
	shim_block_forget();
}

static unsigned soak(void)
{
	const char *text_of = getenv("UNI_SOAK");

	return text_of != NULL ? (unsigned)strtoul(text_of, NULL, 10) : 0;
}

static void test_crash(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 2 + soak(); seed++)
		crash(seed % 2 == 0 ? "-t ext4 -b 1024" : "-t ext4 -b 4096", seed,
		      soak() != 0 ? 400 : 24);
}

/* -- extended attributes -- */

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

static void test_xattr(void **unused)
{
	static const char *const paths[ATTR_FILES] = { "one", "two", "three", "folder" };
	static struct attr_model m;
	struct uk_super *super;

	(void)unused;
	for (size_t shape = 0; shape < UK_COUNT(shapes); shape++) {
		dice_state = (unsigned)shape + 1;
		memset(m.size, -1, sizeof(m.size));
		make_volume(shapes[shape], disk, CRASH_DISK);
		super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
		assert_int_equal(K1(chdir, mounted), 0);
		for (unsigned i = 0; i < ATTR_FILES - 1; i++)
			K1(close, K3(open, paths[i], O_CREAT | O_RDWR, 0644));
		assert_int_equal(K2(mkdir, paths[ATTR_FILES - 1], 0755), 0);
		for (unsigned step = 0; step < 600; step++)
			attr_change(&m, step % ATTR_FILES, paths[step % ATTR_FILES]);
		assert_int_equal(K1(unlink, paths[1]), 0);
		stop(super);
		judge(disk, CRASH_DISK, shapes[shape]);
		super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
		assert_int_equal(K1(chdir, mounted), 0);
		for (unsigned i = 0; i < ATTR_FILES; i++)
			if (i != 1)
				attr_check(&m, i, paths[i]);
		stop(super);
		shim_block_forget();
	}
}

static void debugfs(const char *request, const char *path)
{
	const char *const argv[] = { "/sbin/debugfs", "-w", "-R", request, path, NULL };

	assert_int_equal(run(argv), 0);
}

/* Linux lets files with the same attributes share a block: the one that changes them leaves it. */
static void test_xattr_shared(void **unused)
{
	char value[300], request[400], got[300], path[64];
	const char *block;
	struct uk_super *super;

	(void)unused;
	make_volume("-t ext4 -b 1024 -I 128", disk, CRASH_DISK);
	snprintf(path, sizeof(path), "%s", path_of("shared"));
	put_file(path, disk, CRASH_DISK);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	debugfs("write /dev/null a", path);
	debugfs("write /dev/null b", path);
	snprintf(request, sizeof(request), "ea_set a user.shared %s", value);
	debugfs(request, path);
	debugfs("stat a", path);
	block = strstr(words(), "File ACL: ");
	assert_non_null(block);
	snprintf(request, sizeof(request), "set_inode_field b file_acl %d", atoi(block + 10));
	debugfs(request, path);
	assert_int_equal(fsck("-fy", path), 1);
	get_file(path, disk, CRASH_DISK);
	super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
	assert_int_equal(K1(chdir, mounted), 0);
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
	stop(super);
	judge(disk, CRASH_DISK, "shared attributes");
	put_file(path, disk, CRASH_DISK);
	debugfs("ea_get a user.own", path);
	if (strstr(words(), "user.own (1) = \"x\"") == NULL)
		fail_msg("debugfs: %s", words());
	shim_block_forget();
}

/* -- trouble -- */

static void test_full(void **unused)
{
	static uint8_t bytes[65536];
	struct uk_super *super;
	char name[32];
	unsigned files = 0;
	long result = 0;

	(void)unused;
	make_volume("-t ext4 -b 4096", disk, CRASH_DISK);
	super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
	assert_int_equal(K1(chdir, mounted), 0);
	memset(bytes, 'x', sizeof(bytes));
	for (; result >= 0 && files < 10000; files++) {
		int fd;

		snprintf(name, sizeof(name), "file-%u", files);
		fd = (int)K3(open, name, O_CREAT | O_RDWR, 0644);
		result = fd < 0 ? fd : K3(write, fd, bytes, sizeof(bytes));
		if (result == sizeof(bytes) && files % 5 == 0)
			result = K1(fsync, fd);
		if (fd >= 0)
			K1(close, fd);
	}
	assert_int_equal(result, -ENOSPC);
	assert_true(files > 100);
	/* Room that is given back can be used again. */
	for (unsigned i = 0; i < files; i += 2) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(K1(unlink, name), 0);
	}
	for (unsigned i = 0; i < files / 3; i++) {
		int fd;

		snprintf(name, sizeof(name), "again-%u", i);
		fd = (int)K3(open, name, O_CREAT | O_RDWR, 0644);
		assert_true(fd >= 0);
		assert_int_equal(K3(write, fd, bytes, sizeof(bytes)), sizeof(bytes));
		assert_int_equal(K1(fsync, fd), 0);
		K1(close, fd);
	}
	stop(super);
	judge(disk, CRASH_DISK, "full");
	shim_block_forget();
}

static void test_read_only(void **unused)
{
	struct uk_super *super;

	(void)unused;
	make_volume("-t ext4 -b 4096", disk, CRASH_DISK);
	memcpy(base, disk, CRASH_DISK);
	super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), true);
	assert_int_equal(K1(chdir, mounted), 0);
	assert_int_equal(K3(open, "new", O_CREAT | O_RDWR, 0644), -EROFS);
	assert_int_equal(K2(mkdir, "new", 0755), -EROFS);
	assert_int_equal(K1(rmdir, "lost+found"), -EROFS);
	stop(super);
	assert_memory_equal(disk, base, CRASH_DISK);
	shim_block_forget();
}

/* Changes and syncs, whatever comes of them; how many of the latter failed. */
static unsigned try_all(unsigned seed)
{
	unsigned failed = 0;

	dice_state = seed;
	for (unsigned step = 0; step < 100; step++) {
		int fd;

		noise(step);
		if (step % 10 != 0)
			continue;
		fd = (int)K3(open, "synced", O_CREAT | O_RDWR, 0644);
		if (fd < 0)
			continue;
		(void)K3(write, fd, "synced", 6);
		failed += K1(fsync, fd) != 0;
		K1(close, fd);
	}
	return failed;
}

/* The disk answers with an error from some transfer on: calls fail, nothing else does, and what
 * lies there is sound once the journal is replayed. */
static void test_disk_errors(void **unused)
{
	(void)unused;
	for (unsigned nth = 3; nth < 150; nth += 21) {
		const char *path = path_of("failed");
		struct uk_super *super;

		make_volume("-t ext4 -b 4096", disk, CRASH_DISK);
		super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
		assert_int_equal(K1(chdir, mounted), 0);
		shim_disk_fail(nth);
		(void)try_all(nth);
		assert_int_equal(K1(chdir, "/"), 0);
		(void)super->ops->stop(super);
		shim_disk_fail(0);
		put_file(path, disk, CRASH_DISK);
		if (fsck_words("-E", "journal_only", "-y", path) > 1 || fsck("-p", path) > 1 ||
		    fsck("-fn", path) != 0)
			fail_msg("from transfer %u on: %s", nth, words());
		shim_block_forget();
	}
}

/* Memory runs out at any moment, once or for a while: calls may fail, but what was written can be
 * synced, and the volume goes on and is sound without the journal. */
static void test_no_memory(void **unused)
{
	const size_t step = soak() != 0 ? 1 : 19;
	size_t all = 0;

	(void)unused;
	for (size_t nth = 1; nth == 1 || nth < all; nth += step) {
		struct uk_super *super;
		size_t before;

		make_volume("-t ext4 -b 1024", disk, CRASH_DISK);
		super = mount_at(shim_block_disk("disk", disk, CRASH_DISK), false);
		assert_int_equal(K1(chdir, mounted), 0);
		before = shim_allocations();
		shim_fail_allocations(nth, nth % 2 == 0 ? 1 : 60);
		assert_int_equal(try_all(5), 0);
		shim_fail_allocation(0);
		all = UK_MAX(all, shim_allocations() - before);
		stop(super);
		judge(disk, CRASH_DISK, "out of memory");
		shim_block_forget();
	}
	assert_true(all > 200);
}

static int start(void **unused)
{
	(void)unused;
	assert_non_null(mkdtemp(folder));
	worlds_start();
	return 0;
}

static int end(void **unused)
{
	const char *const argv[] = { "rm", "-rf", folder, NULL };

	(void)unused;
	return run(argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),	  cmocka_unit_test(test_random),
		cmocka_unit_test(test_crash),	  cmocka_unit_test(test_full),
		cmocka_unit_test(test_read_only), cmocka_unit_test(test_disk_errors),
		cmocka_unit_test(test_xattr),	  cmocka_unit_test(test_xattr_shared),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("unibase-ext4", tests, start, end);
}
