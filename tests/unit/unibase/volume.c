/*
 * Volumes for the tests of ext4: made by mke2fs, mounted by the kernel's driver, judged by e2fsck.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>

#include "fs.h"
#include "shim.h"
#include "volume.h"
#include "worlds.h"

uint8_t volume_disk[VOLUME_DISK];

const char *const volume_shapes[VOLUME_SHAPES] = {
	"-t ext4 -b 4096",
	"-t ext4 -b 1024",
	"-t ext4 -b 4096 -O ^has_journal",
	"-t ext4 -b 2048 -O ^metadata_csum,uninit_bg",
	"-t ext4 -b 4096 -I 128 -O ^64bit,^metadata_csum,^dir_index",
};

/* -- programs that make and judge volumes -- */

static char folder[] = "/tmp/uni-ext4-XXXXXX";

const char *volume_path(const char *name)
{
	static char paths[4][128];
	static unsigned last;
	char *path = paths[++last % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

int volume_run(const char *const *argv)
{
	union {
		const char *const *in;
		char *const *out;
	} same = { argv };
	int status;
	pid_t child = fork();

	if (child == 0) {
		/* Its words stand between ours only when it is not content. */
		int words =
			open(volume_path("words"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		dup2(words, 1);
		dup2(words, 2);
		execvp(argv[0], same.out);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

const char *volume_words(void)
{
	static char text_of[4000];
	FILE *file = fopen(volume_path("words"), "rb");

	text_of[file != NULL ? fread(text_of, 1, sizeof(text_of) - 1, file) : 0] = '\0';
	if (file != NULL)
		(void)fclose(file);
	return text_of;
}

void volume_put(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

void volume_get(const char *path, void *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, data, size), (ssize_t)size);
	close(fd);
}

/* An empty volume with these options of mke2fs, separated by spaces. */
void volume_make(const char *options, uint8_t *disk, size_t size)
{
	const char *argv[24] = { "/sbin/mke2fs", "-q", "-F" };
	char words[256], *save = NULL;
	const char *path = volume_path("made");
	unsigned count = 3;

	snprintf(words, sizeof(words), "%s", options);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[count++] = w;
	argv[count++] = "-E";
	argv[count++] = "root_owner=0:0,lazy_itable_init=0";
	argv[count] = path;
	memset(disk, 0, size);
	volume_put(path, disk, size);
	assert_int_equal(volume_run(argv), 0);
	volume_get(path, disk, size);
}

int volume_fsck(const char *how, const char *path)
{
	const char *const argv[] = { "/sbin/e2fsck", how, path, NULL };

	return volume_run(argv);
}

int volume_fsck_words(const char *a, const char *b, const char *c, const char *path)
{
	const char *const argv[] = { "/sbin/e2fsck", a, b, c, path, NULL };

	return volume_run(argv);
}

/* The volume as it lies there is sound, with nothing left to do. */
void volume_judge(const uint8_t *disk, size_t size, const char *what)
{
	const char *path = volume_path("judged");

	volume_put(path, disk, size);
	if (volume_fsck("-fn", path) != 0)
		fail_msg("%s: e2fsck -fn: %s", what, volume_words());
}

/* -- mounting -- */

static unsigned mounts;
char volume_mounted[32];

struct uk_super *volume_mount(struct uk_block_dev *dev, bool read_only)
{
	struct uk_super *super = NULL;
	struct uk_dentry *at;
	int error = fs_ext4_mount(dev, read_only, &super);

	if (error != 0)
		fail_msg("mount: %d: %s", error, shim_log());
	snprintf(volume_mounted, sizeof(volume_mounted), "/vol-%u", mounts++);
	assert_int_equal(K2(mkdir, volume_mounted, 0755), 0);
	assert_int_equal(fs_walk_path(UK_AT_FDCWD, volume_mounted, FS_FOLLOW, &at), 0);
	assert_int_equal(fs_mount_add(at, super, "test"), 0);
	fs_dentry_put(at);
	return super;
}

void volume_stop(struct uk_super *super)
{
	assert_int_equal(K1(chdir, "/"), 0);
	kernel_call(SYS_close_range, 3, ~0u, 0, 0, 0, 0);
	assert_int_equal(super->ops->stop(super), 0);
}

/* -- what tests have in common -- */

static unsigned dice_state;

void dice_start(unsigned seed)
{
	dice_state = seed;
}

unsigned dice(unsigned below)
{
	dice_state = dice_state * 1103515245u + 12345;
	return (dice_state >> 8) % below;
}

int volumes_start(void **unused)
{
	(void)unused;
	assert_non_null(mkdtemp(folder));
	worlds_start();
	return 0;
}

int volumes_end(void **unused)
{
	const char *const argv[] = { "rm", "-rf", folder, NULL };

	(void)unused;
	return volume_run(argv);
}
