/*
 * What a volume's file is, in the words that a machine's kernel is told: its identity, its file
 * system, and by what it is checked.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/abi/ext4.h>
#include <uni/abi/verity.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <unistd.h>

#include "internal.h"

struct file {
	int fd;
	uint64_t size;
	const char *name;
};

/* In the order of GPT, in which kernels compare them. */
static void take_uuid(const uint8_t uuid[16], struct uni_config_mount *wire)
{
	struct uni_uuid swapped;

	memcpy(swapped.bytes, uuid, sizeof(swapped.bytes));
	swapped = uni_uuid_swap(&swapped);
	memcpy(wire->uuid, swapped.bytes, sizeof(wire->uuid));
}

static bool is_live(const char *path, struct uni_config_mount *wire)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_live_open(&live, path, false, &ignored) != 0)
		return false;
	wire->fs = UNI_FS_LIVE;
	wire->flags = UNI_MOUNT_READ_ONLY;
	memcpy(wire->uuid, uni_live_current(live)->uuid, sizeof(wire->uuid));
	return true;
}

static bool is_ext4(const struct file *file, struct uni_config_mount *wire)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_ext4_super super;

	if (uni_pread_full(file->fd, &super, sizeof(super), UNI_EXT4_SUPER_AT, file->name,
			   &ignored) != 0 ||
	    super.magic != UNI_EXT4_MAGIC)
		return false;
	wire->fs = UNI_FS_EXT4;
	wire->size = file->size;
	take_uuid(super.uuid, wire);
	return true;
}

/* The digest of the tree's one top block, or of the data's one block. */
static int read_root(const struct file *file, const struct uni_verity_superblock *super,
		     struct uni_config_mount *wire, struct uni_err *err)
{
	uint64_t at = super->data_blocks == 1 ? 0 : wire->hash_offset + UNI_VERITY_BLOCK;
	UNI_AUTO_FREE uint8_t *block = uni_alloc(UNI_VERITY_BLOCK);
	struct uni_digest digest;
	struct uni_hash hash;

	if (uni_pread_full(file->fd, block, UNI_VERITY_BLOCK, at, file->name, err) != 0)
		return err->code;
	uni_hash_start(&hash);
	uni_hash_add(&hash, super->salt, super->salt_size);
	uni_hash_add(&hash, block, UNI_VERITY_BLOCK);
	digest = uni_hash_end(&hash);
	memcpy(wire->root_hash, digest.bytes, sizeof(wire->root_hash));
	return 0;
}

/* A squashfs, and the tree behind it by which the kernel checks what it reads. */
static int take_squashfs(const struct file *file, struct uni_config_mount *wire,
			 struct uni_err *err)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_verity_superblock super;
	struct uni_fs_about about;

	if (uni_fs_open(&reader, file->fd, 0, file->size, file->name, err) != 0)
		return err->code;
	uni_fs_about(reader, &about);
	if (!uni_str_eq(about.format, "squashfs"))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: machines cannot mount %s",
				   file->name, about.format);
	wire->hash_offset =
		(about.used + UNI_VERITY_BLOCK - 1) / UNI_VERITY_BLOCK * UNI_VERITY_BLOCK;
	if (uni_pread_full(file->fd, &super, sizeof(super), wire->hash_offset, file->name,
			   &ignored) != 0 ||
	    memcmp(super.magic, UNI_VERITY_MAGIC, sizeof(super.magic)) != 0 ||
	    super.salt_size > sizeof(wire->salt) ||
	    super.data_blocks != wire->hash_offset / UNI_VERITY_BLOCK) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "%s: there is no hash tree behind the squashfs",
			    file->name);
		return uni_err_hint(err, "uni volume create --format squashfs writes one");
	}
	wire->fs = UNI_FS_SQUASHFS;
	wire->flags = UNI_MOUNT_READ_ONLY | UNI_MOUNT_VERITY;
	wire->data_blocks = super.data_blocks;
	wire->size = file->size;
	wire->salt_size = super.salt_size;
	memcpy(wire->salt, super.salt, super.salt_size);
	take_uuid(super.uuid, wire);
	return read_root(file, &super, wire, err);
}

int uni_volume_identify(const char *path, struct uni_config_mount *wire, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct file file = { .fd = fd, .name = path };
	struct stat st;

	*wire = (struct uni_config_mount){ .fs = 0 };
	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: is no file", path);
	file.size = (uint64_t)st.st_size;
	if (is_live(path, wire) || is_ext4(&file, wire))
		return 0;
	return take_squashfs(&file, wire, err);
}
