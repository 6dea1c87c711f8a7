/*
 * The squashfs reader against what mksquashfs writes: every codec and option that changes the form
 * is read back and compared with the tree it was made of, from a device and from memory, with
 * plenty of memory and with little; and with a hash tree made by veritysetup, where every flipped
 * bit must show.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <uk/syscall.h>
#include <uni/abi/config.h>
#include <uni/abi/verity.h>

#include "fs.h"
#include "shim.h"
#include "tree.h"

static const char *tree;

/* -- comparing -- */

static char content[1 << 20], expected[1 << 20];

static struct uk_inode *child(struct uk_inode *dir, const char *name)
{
	struct uk_inode *inode = NULL;

	assert_int_equal(dir->ops->lookup(dir, name, strlen(name), &inode), 0);
	return inode;
}

static void compare_content(struct uk_inode *inode, const char *path)
{
	uint64_t pages = (inode->size + UK_PAGE_SIZE - 1) / UK_PAGE_SIZE;
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	for (uint64_t i = 0; i < pages; i++) {
		struct uk_page *page;
		size_t size = UK_MIN(UK_PAGE_SIZE, inode->size - i * UK_PAGE_SIZE);

		assert_int_equal(uk_cache_get(inode, i, &page), 0);
		assert_int_equal(fread(expected, 1, UK_PAGE_SIZE, file), size);
		memset(expected + size, 0, UK_PAGE_SIZE - size);
		if (memcmp(uk_page_virt(page), expected, UK_PAGE_SIZE) != 0)
			fail_msg("%s differs in page %llu", path, (unsigned long long)i);
		uk_page_put(page);
	}
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

static void compare_xattrs(struct uk_inode *inode, const char *path)
{
	ssize_t host = llistxattr(path, expected, sizeof(expected));
	int64_t size = inode->ops->xattr(inode, NULL, content, sizeof(content));
	size_t names = 0;

	for (const char *name = expected; host > 0 && name < expected + host;
	     name += strlen(name) + 1) {
		char value[1024];
		ssize_t wanted;

		if (strncmp(name, "user.", 5) != 0)
			continue;
		names += strlen(name) + 1;
		wanted = lgetxattr(path, name, value, sizeof(value));
		assert_int_equal(inode->ops->xattr(inode, name, NULL, 0), wanted);
		assert_int_equal(inode->ops->xattr(inode, name, content, sizeof(content)), wanted);
		assert_memory_equal(content, value, (size_t)wanted);
		if (wanted > 1)
			assert_int_equal(inode->ops->xattr(inode, name, content, 1), -UK_ERANGE);
	}
	assert_true(size >= (int64_t)names);
	assert_int_equal(inode->ops->xattr(inode, "user.none", content, 10), -UK_ENODATA);
}

static void compare(struct uk_inode *inode, const char *path);

struct names {
	struct uk_dirent_sink sink;
	size_t count, room; /* at most this many a call */
	char name[3000][256];
	uint64_t next;
};

static int keep(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		unsigned type, uint64_t next)
{
	struct names *n = uk_container(sink, struct names, sink);

	(void)ino;
	(void)type;
	if (n->room == 0 || n->count == 3000)
		return 1;
	n->room--;
	memcpy(n->name[n->count], name, size);
	n->name[n->count++][size] = '\0';
	n->next = next;
	return 0;
}

/* The listing in parts, so that every position is used to go on from. */
static void compare_folder(struct uk_inode *dir, const char *path)
{
	struct names *n = calloc(1, sizeof(*n));
	DIR *host = opendir(path);
	struct dirent *entry;
	uint64_t position = 2;
	size_t count = 0, before;

	assert_non_null(host);
	n->sink.add = keep;
	do {
		before = n->count;
		n->room = 7;
		assert_int_equal(dir->ops->readdir(dir, &position, &n->sink), 0);
	} while (n->count != before);
	while ((entry = readdir(host)) != NULL) {
		char full[1024];
		size_t i = 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		count++;
		while (i < n->count && strcmp(n->name[i], entry->d_name) != 0)
			i++;
		if (i == n->count)
			fail_msg("%s/%s is not listed", path, entry->d_name);
		snprintf(full, sizeof(full), "%s/%s", path, entry->d_name);
		compare(child(dir, entry->d_name), full);
	}
	closedir(host);
	if (strcmp(path, tree) == 0)
		count++; /* the device, which mksquashfs adds */
	assert_int_equal(n->count, count);
	free(n);
}

/* Consumes the inode. */
static void compare(struct uk_inode *inode, const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(inode->mode, st.st_mode);
	assert_int_equal(inode->uid, st.st_uid);
	assert_int_equal(inode->gid, st.st_gid);
	assert_int_equal(inode->mtime, (int64_t)st.st_mtime * 1000000000);
	if (!S_ISDIR(st.st_mode))
		assert_int_equal(inode->nlink, st.st_nlink);
	compare_xattrs(inode, path);
	if (S_ISDIR(st.st_mode)) {
		compare_folder(inode, path);
	} else if (S_ISREG(st.st_mode)) {
		assert_int_equal(inode->size, st.st_size);
		compare_content(inode, path);
	} else if (S_ISLNK(st.st_mode)) {
		ssize_t size = readlink(path, expected, sizeof(expected));

		assert_int_equal(inode->ops->readlink(inode, content, sizeof(content)), size);
		assert_memory_equal(content, expected, (size_t)size);
	}
	uk_inode_put(inode);
}

static void compare_whole(struct uk_super *super)
{
	struct uk_inode *inode = NULL, *device = child(super->root, "device");

	assert_int_equal(device->mode, 020600);
	assert_int_equal(device->rdev, 0x103);
	uk_inode_put(device);
	assert_int_equal(super->root->ops->lookup(super->root, "none", 4, &inode), -UK_ENOENT);
	uk_inode_get(super->root);
	compare(super->root, tree);
}

/* -- mounting -- */

static struct uk_super *mount(struct uk_block_dev *dev, const struct uni_config_mount *how)
{
	static const struct uni_config_mount plain = { .fs = UNI_FS_SQUASHFS };
	struct fs_volume *volume;
	struct uk_super *super = NULL;
	int error = fs_volume_open(dev, how != NULL ? how : &plain, "test", &volume);

	if (error == 0)
		error = fs_squashfs_mount(volume, &super);
	return error != 0 ? uk_err_ptr(error) : super;
}

static void unmount(struct uk_super *super)
{
	super->ops->unmount(super);
	shim_block_forget();
}

static void read_from_device(const char *image)
{
	struct uk_super *super = mount(shim_block_file("vda", image), NULL);

	assert_false(uk_is_err(super));
	compare_whole(super);
	unmount(super);
}

static void read_from_memory(const char *image)
{
	static const uint8_t guid[16] = { 1 };
	struct uk_super *super;
	uint8_t *data;
	size_t size;
	void *in_image;

	data = tree_load(image, &size);
	in_image = shim_image(data, size);
	free(data);
	super = mount(uk_block_memory("image0", in_image, size, guid), NULL);
	assert_false(uk_is_err(super));
	compare_whole(super);
	unmount(super);
	shim_image_drop(in_image, size);
}

static void test_forms(void **unused)
{
	static const char *const forms[][12] = {
		{ "-comp", "zstd" },
		{ "-comp", "lz4" },
		{ "-comp", "gzip" },
		{ "-comp", "lz4", "-Xhc" },
		{ "-comp", "zstd", "-Xcompression-level", "22", "-b", "1M" },
		{ "-comp", "zstd", "-b", "4096" },
		{ "-comp", "gzip", "-no-fragments" },
		{ "-comp", "zstd", "-always-use-fragments" },
		{ "-comp", "zstd", "-noD", "-noF" },
		{ "-comp", "gzip", "-noI", "-noX" },
		{ "-comp", "lz4", "-noI", "-noD", "-noF", "-noX", "-b", "8192" },
		{ "-comp", "zstd", "-no-duplicates", "-no-exports" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		read_from_device(tree_squash("image", forms[i]));
		read_from_memory(tree_beside("image"));
		assert_int_equal(shim_pages_used(), 0);
		assert_int_equal(shim_allocated(), 0);
	}
}

static void test_little_memory(void **unused)
{
	const char *image = tree_squash("image", (const char *const[]){ "-comp", "zstd", NULL });

	(void)unused;
	shim_page_limit(140);
	read_from_device(image);
	shim_page_limit(SIZE_MAX);
}

/* Every allocation of mounting and reading one file made to fail in turn. */
static void test_failing_allocations(void **unused)
{
	char image[512];
	size_t nth, failed = 0;

	(void)unused;
	snprintf(image, sizeof(image), "%s",
		 tree_squash("image", (const char *const[]){ "-comp", "gzip", NULL }));
	for (nth = 1; nth < 1000; nth++) {
		struct uk_block_dev *dev = shim_block_file("vda", image);
		struct uk_inode *inode = NULL;
		struct uk_super *super;
		struct uk_page *page;
		int error;

		shim_fail_allocation(nth);
		super = mount(dev, NULL);
		error = uk_is_err(super) ? (int)uk_ptr_err(super) : 0;
		if (error == 0)
			error = super->root->ops->lookup(super->root, "text-300001", 11, &inode);
		if (error == 0)
			error = uk_cache_get(inode, 2, &page);
		if (error == 0)
			uk_page_put(page);
		uk_inode_put(inode);
		if (!uk_is_err(super))
			super->ops->unmount(super);
		shim_block_forget();
		assert_true(error == 0 || error == -UK_ENOMEM);
		failed += error != 0;
		assert_int_equal(shim_pages_used(), 0);
		assert_int_equal(shim_allocated(), 0);
		if (error == 0 && nth > 100)
			break;
	}
	shim_fail_allocation(0);
	assert_true(failed > 10);
}

/* -- verity -- */

static uint8_t from_hex(const char *text)
{
	char part[3] = { text[0], text[1], '\0' };

	return (uint8_t)strtoul(part, NULL, 16);
}

/* An image with its hash tree behind it, and how to mount it. */
static uint8_t *make_verity(size_t *size, struct uni_config_mount *how, const char *salt)
{
	uint8_t uuid[16];
	char image[512], offset[32], blocks[40], out[4096];
	const char *root;
	struct stat st;
	uint64_t data_size;

	snprintf(image, sizeof(image), "%s",
		 tree_squash("verity", (const char *const[]){ "-comp", "zstd", NULL }));
	assert_int_equal(stat(image, &st), 0);
	data_size = UK_ALIGN_UP((uint64_t)st.st_size, UK_PAGE_SIZE);
	assert_int_equal(truncate(image, (off_t)data_size), 0);
	snprintf(offset, sizeof(offset), "%llu", (unsigned long long)data_size);
	snprintf(blocks, sizeof(blocks), "--data-blocks=%llu",
		 (unsigned long long)(data_size / UK_PAGE_SIZE));
	tree_run(out, sizeof(out),
		 (const char *const[]){ "veritysetup", "format", image, image, "--hash-offset",
					offset, blocks, "--salt", salt, "--uuid",
					"00112233-4455-6677-8899-aabbccddeeff", NULL });
	*how = (struct uni_config_mount){ .fs = UNI_FS_SQUASHFS,
					  .flags = UNI_MOUNT_READ_ONLY | UNI_MOUNT_VERITY,
					  .data_blocks = data_size / UK_PAGE_SIZE,
					  .hash_offset = data_size };
	for (unsigned i = 0; i < 16; i++)
		uuid[i] = (uint8_t)(i * 0x11);
	fs_gpt_order(uuid, how->uuid);
	root = strstr(out, "Root hash:");
	assert_non_null(root);
	root += strlen("Root hash:");
	root += strspn(root, " \t");
	for (unsigned i = 0; i < 32; i++)
		how->root_hash[i] = from_hex(root + 2 * i);
	if (strcmp(salt, "-") != 0) {
		how->salt_size = (uint32_t)strlen(salt) / 2;
		for (unsigned i = 0; i < how->salt_size; i++)
			how->salt[i] = from_hex(salt + 2 * i);
	}
	return tree_load(image, size);
}

static void test_verity(void **unused)
{
	static const char *const salts[] = {
		"-", "00ff10", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	};

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		struct uni_config_mount how;
		struct uk_super *super;
		struct uk_block_dev *dev;
		uint8_t *data;
		size_t size;

		data = make_verity(&size, &how, salts[i]);
		dev = shim_block_data("vda", data, size);
		assert_ptr_equal(fs_volume_find(&how), dev);
		how.uuid[0] ^= 1;
		assert_null(fs_volume_find(&how));
		super = mount(dev, &how);
		assert_false(uk_is_err(super));
		compare_whole(super);
		unmount(super);
		free(data);
	}
}

/* Reads all files; the first error. */
static int read_folder(struct uk_inode *dir, size_t *read);

static int read_one(struct uk_inode *inode, size_t *read)
{
	int error = 0;

	if (UK_S_IS(inode->mode, DIR))
		error = read_folder(inode, read);
	for (uint64_t i = 0; UK_S_IS(inode->mode, REG) && i * UK_PAGE_SIZE < inode->size; i++) {
		struct uk_page *page;

		if (error == 0)
			error = uk_cache_get(inode, i, &page);
		if (error != 0)
			break;
		uk_page_put(page);
		++*read;
	}
	return error;
}

static int read_folder(struct uk_inode *dir, size_t *read)
{
	struct names *n = calloc(1, sizeof(*n));
	uint64_t position = 2;
	int error;

	n->sink.add = keep;
	n->room = 3000;
	error = dir->ops->readdir(dir, &position, &n->sink);
	for (size_t i = 0; i < n->count && error == 0; i++) {
		struct uk_inode *inode = NULL;

		error = dir->ops->lookup(dir, n->name[i], strlen(n->name[i]), &inode);
		if (error == 0)
			error = read_one(inode, read);
		uk_inode_put(inode);
	}
	free(n);
	return error;
}

static int mount_and_read(uint8_t *data, size_t size, const struct uni_config_mount *how)
{
	struct uk_super *super = mount(shim_block_data("vda", data, size), how);
	size_t read = 0;
	int error;

	if (uk_is_err(super)) {
		shim_block_forget();
		return (int)uk_ptr_err(super);
	}
	error = read_folder(super->root, &read);
	unmount(super);
	return error;
}

static void test_flipped_bits(void **unused)
{
	struct uni_config_mount how;
	uint8_t *data;
	size_t size, used;

	(void)unused;
	data = make_verity(&size, &how, "beef");
	memcpy(&used, data + 40, sizeof(used)); /* bytes_used: behind it nothing is read */
	assert_int_equal(mount_and_read(data, size, &how), 0);
	for (unsigned i = 0; i < 60; i++) {
		size_t at = (size_t)i * (used - 1) / 59;

		data[at] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(mount_and_read(data, size, &how), -UK_EIO);
		snprintf(content, sizeof(content), "volume test: block %zu is damaged", at / 4096);
		assert_int_equal(strncmp(shim_log(), content, strlen(content)), 0);
		data[at] ^= (uint8_t)(1u << i % 8);
	}
	/* The tree: its root block's used part, then a leaf's first digest. */
	data[how.hash_offset + 4096 + 5] ^= 4;
	assert_int_equal(mount_and_read(data, size, &how), -UK_EIO);
	data[how.hash_offset + 4096 + 5] ^= 4;
	data[how.hash_offset + 8192 + 7] ^= 4;
	assert_int_equal(mount_and_read(data, size, &how), -UK_EIO);
	assert_int_equal(strncmp(shim_log(), "volume test: hash block 1 is damaged", 36), 0);
	data[how.hash_offset + 8192 + 7] ^= 4;
	how.root_hash[31] ^= 1;
	assert_int_equal(mount_and_read(data, size, &how), -UK_EIO);
	how.root_hash[31] ^= 1;
	how.salt[0] ^= 1;
	assert_int_equal(mount_and_read(data, size, &how), -UK_EINVAL);
	how.salt[0] ^= 1;
	assert_int_equal(mount_and_read(data, size - 4096, &how), -UK_EINVAL);
	how.data_blocks--;
	assert_int_equal(mount_and_read(data, size, &how), -UK_EINVAL);
	how.data_blocks++;
	assert_int_equal(mount_and_read(data, size, &how), 0);
	free(data);
	assert_int_equal(shim_pages_used(), 0);
}

/* What changes says -EROFS, in Linux's order of checks. */
static int64_t call(int64_t (*fn)(const struct uk_sysargs *s), const void *a, uint64_t b,
		    const void *c, uint64_t d)
{
	const struct uk_sysargs s = { { (uintptr_t)a, b, (uintptr_t)c, d, 0, 0 } };

	return fn(&s);
}

static void test_read_only(void **unused)
{
	const char *image = tree_squash("image", (const char *const[]){ "-comp", "lz4", NULL });
	struct uk_linux_statfs fs;
	struct uk_dentry *point;

	(void)unused;
	shim_vfs();
	assert_int_equal(fs_make_node(UK_AT_FDCWD, "/ro", UK_S_IFDIR | 0755, 0), 0);
	assert_int_equal(fs_walk_path(UK_AT_FDCWD, "/ro", 0, &point), 0);
	assert_int_equal(fs_mount_add(point, mount(shim_block_file("vda", image), NULL), "vda"), 0);
	fs_dentry_put(point);
	assert_int_equal(call(uk_sys_open, "/ro/text-100", UK_O_WRONLY, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_open, "/ro/text-100", UK_O_TRUNC, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_open, "/ro/new", UK_O_CREAT, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_open, "/ro/text-100", UK_O_CREAT | UK_O_EXCL, NULL, 0),
			 -UK_EEXIST);
	assert_int_equal(call(uk_sys_open, "/ro/text-100", UK_O_CREAT, NULL, 0), 0);
	assert_int_equal(call(uk_sys_open, "/ro", UK_O_TMPFILE | UK_O_RDWR, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_open, "/ro/device", UK_O_WRONLY, NULL, 0), 1);
	assert_int_equal(call(uk_sys_mkdir, "/ro/deep", 0755, NULL, 0), -UK_EEXIST);
	assert_int_equal(call(uk_sys_mkdir, "/ro/none", 0755, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_unlink, "/ro/none", 0, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_rmdir, "/ro/empty", 0, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_rename, "/ro/none", (uintptr_t) "/ro/x", NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_rename, "/ro/none", (uintptr_t) "/x", NULL, 0), -UK_EXDEV);
	assert_int_equal(call(uk_sys_symlink, "x", (uintptr_t) "/ro/none", NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_truncate, "/ro/text-100", 0, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_chmod, "/ro/text-100", 0644, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_access, "/ro/text-100", 2, NULL, 0), -UK_EROFS);
	assert_int_equal(call(uk_sys_access, "/ro/text-100", 4, NULL, 0), 0);
	assert_int_equal(call(uk_sys_statfs, "/ro", (uintptr_t)&fs, NULL, 0), 0);
	assert_int_equal(fs.type, 0x73717368);
	assert_int_equal(fs.flags & 1, 1);
	assert_int_equal(call(uk_sys_chdir, "/ro/deep/deeper", 0, NULL, 0), 0);
	assert_int_equal(call(uk_sys_access, "../../../ro/deep/../text-1", 0, NULL, 0), 0);
	assert_int_equal(call(uk_sys_getcwd, content, 100, NULL, 0), 16);
	assert_string_equal(content, "/ro/deep/deeper");
	assert_int_equal(call(uk_sys_chdir, "/", 0, NULL, 0), 0);
	assert_int_equal(call(uk_sys_close_range, NULL, UINT32_MAX, NULL, 0), 0);
}

/* Without a hash tree damage must end in an error or in wrong bytes, never worse. */
static void test_damage(void **unused)
{
	const char *image = tree_squash("image", (const char *const[]){ "-comp", "lz4", NULL });
	uint64_t seed = 7, used;
	uint8_t *data;
	size_t size;

	(void)unused;
	data = tree_load(image, &size);
	memcpy(&used, data + 40, sizeof(used));
	for (unsigned i = 0; i < 40; i++) {
		uint8_t *copy = malloc(size);

		memcpy(copy, data, size);
		for (unsigned j = 0; j < 20; j++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			/* Mostly the metadata, at the end. */
			copy[used - 1 - (seed >> 33) % (i % 2 == 0 ? 60000 : used)] ^=
				(uint8_t)(seed >> 25);
		}
		(void)mount_and_read(copy, size, NULL);
		free(copy);
	}
	free(data);
	assert_int_equal(shim_pages_used(), 0);
	assert_int_equal(shim_allocated(), 0);
}

static int start(void **unused)
{
	(void)unused;
	tree = strdup(tree_make());
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	tree_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_little_memory),
		cmocka_unit_test(test_failing_allocations),
		cmocka_unit_test(test_verity),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_read_only), /* the last one: this mount stays */
	};

	uk_shrinker_register(fs_cache_shrink);
	return cmocka_run_group_tests_name("unibase-squashfs", tests, start, stop);
}
