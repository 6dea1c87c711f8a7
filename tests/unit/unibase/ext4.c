/*
 * The ext4 driver. What files do on it is judged by Linux, by the same stories as for a tmpfs; what
 * it leaves on the disk by e2fsck; and what a loss of power leaves by both: from a log of all
 * writes and flushes disks are rebuilt on which any of the writes since the last flush are missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>

#include "ext4_xattr.h"
#include "fs.h"
#include "shim.h"
#include "volume.h"
#include "worlds.h"

/* -- the same stories as Linux -- */

static void tell(const char *options, const struct story *story)
{
	struct uk_super *super;

	volume_make(options, volume_disk, VOLUME_DISK);
	super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_DISK), false);
	assert_int_equal(K1(chdir, volume_mounted), 0);
	story_on_linux(story);
	story_on_kernel(story);
	story_compare(story);
	volume_stop(super);
	volume_judge(volume_disk, VOLUME_DISK, options);
	shim_block_forget();
}

static void test_story(void **unused)
{
	(void)unused;
	/* It tells the size of blocks, which is a page's on Linux's tmpfs. */
	for (size_t i = 0; i < UK_COUNT(volume_shapes); i++)
		if (strstr(volume_shapes[i], "-b 4096") != NULL)
			tell(volume_shapes[i], &story_fixed);
}

static void test_random(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 20; seed++) {
		const struct story story = { files_random, seed, 700 };

		tell(volume_shapes[seed % UK_COUNT(volume_shapes)], &story);
	}
}

/* -- loss of power -- */

enum {
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

static uint8_t base[VOLUME_SMALL], state[VOLUME_SMALL];

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
	const char *path = volume_path("crashed");
	struct uk_super *super;

	for (size_t i = 0; i < ack_count && acks[i].at <= point; i++) {
		records = acks[i].records != 0 ? acks[i].records : records;
		version = acks[i].version != 0 ? acks[i].version : version;
	}
	if (by_others) {
		volume_put(path, state, sizeof(state));
		if (volume_fsck_words("-E", "journal_only", "-y", path) > 1 ||
		    volume_fsck("-p", path) > 1 || volume_fsck("-fn", path) != 0)
			fail_msg("after entry %zu, way %u: %s", point, how, volume_words());
		volume_get(path, state, sizeof(state));
	}
	super = volume_mount(shim_block_disk("disk", state, sizeof(state)), false);
	assert_int_equal(K1(chdir, volume_mounted), 0);
	check_ledger(records);
	check_current(version);
	volume_stop(super);
	volume_put(path, state, sizeof(state));
	if (volume_fsck("-fn", path) != 0)
		fail_msg("after entry %zu, way %u, mounted again: %s", point, how, volume_words());
	shim_block_forget();
}

static void crash(const char *options, unsigned seed, unsigned states)
{
	const struct shim_write *log;
	struct uk_super *super;
	size_t count;

	dice_start(seed);
	ack_count = 0;
	volume_make(options, volume_disk, VOLUME_SMALL);
	super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
	memcpy(base, volume_disk, VOLUME_SMALL);
	shim_disk_log(true);
	assert_int_equal(K1(chdir, volume_mounted), 0);
	work();
	volume_stop(super);
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

/* -- trouble -- */

static void test_full(void **unused)
{
	static uint8_t bytes[65536];
	struct uk_super *super;
	char name[32];
	unsigned files = 0;
	long result = 0;

	(void)unused;
	volume_make("-t ext4 -b 4096", volume_disk, VOLUME_SMALL);
	super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
	assert_int_equal(K1(chdir, volume_mounted), 0);
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
	volume_stop(super);
	volume_judge(volume_disk, VOLUME_SMALL, "full");
	shim_block_forget();
}

static void test_read_only(void **unused)
{
	struct uk_super *super;

	(void)unused;
	volume_make("-t ext4 -b 4096", volume_disk, VOLUME_SMALL);
	memcpy(base, volume_disk, VOLUME_SMALL);
	super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), true);
	assert_int_equal(K1(chdir, volume_mounted), 0);
	assert_int_equal(K3(open, "new", O_CREAT | O_RDWR, 0644), -EROFS);
	assert_int_equal(K2(mkdir, "new", 0755), -EROFS);
	assert_int_equal(K1(rmdir, "lost+found"), -EROFS);
	volume_stop(super);
	assert_memory_equal(volume_disk, base, VOLUME_SMALL);
	shim_block_forget();
}

/* Changes and syncs, whatever comes of them; how many of the latter failed. */
static unsigned try_all(unsigned seed)
{
	unsigned failed = 0;

	dice_start(seed);
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
		const char *path = volume_path("failed");
		struct uk_super *super;

		volume_make("-t ext4 -b 4096", volume_disk, VOLUME_SMALL);
		super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
		assert_int_equal(K1(chdir, volume_mounted), 0);
		shim_disk_fail(nth);
		(void)try_all(nth);
		assert_int_equal(K1(chdir, "/"), 0);
		(void)super->ops->stop(super);
		shim_disk_fail(0);
		volume_put(path, volume_disk, VOLUME_SMALL);
		if (volume_fsck_words("-E", "journal_only", "-y", path) > 1 ||
		    volume_fsck("-p", path) > 1 || volume_fsck("-fn", path) != 0)
			fail_msg("from transfer %u on: %s", nth, volume_words());
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

		volume_make("-t ext4 -b 1024", volume_disk, VOLUME_SMALL);
		super = volume_mount(shim_block_disk("disk", volume_disk, VOLUME_SMALL), false);
		assert_int_equal(K1(chdir, volume_mounted), 0);
		before = shim_allocations();
		shim_fail_allocations(nth, nth % 2 == 0 ? 1 : 60);
		assert_int_equal(try_all(5), 0);
		shim_fail_allocation(0);
		all = UK_MAX(all, shim_allocations() - before);
		volume_stop(super);
		volume_judge(volume_disk, VOLUME_SMALL, "out of memory");
		shim_block_forget();
	}
	assert_true(all > 200);
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

	return cmocka_run_group_tests_name("unibase-ext4", tests, volumes_start, volumes_end);
}
