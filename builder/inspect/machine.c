/*
 * A machine's description, and what stands beside it of the files that it names: they are made in
 * one folder, whatever their paths on the host will be.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/abi/ext4.h>
#include <uni/abi/live.h>
#include <uni/abi/verity.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

/* -1: there is none. */
static int open_beside(const struct uni_image *image, const char *file, uint64_t *size)
{
	UNI_AUTO_FREE char *folder = uni_path_dir(image->path);
	UNI_AUTO_FREE char *path = uni_path_join(folder, uni_path_base(file));
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -1;
	*size = (uint64_t)st.st_size;
	return uni_take_fd(&fd);
}

static bool holds(int fd, uint64_t at, const uint8_t uuid[16])
{
	uint8_t there[16];

	return pread(fd, there, sizeof(there), (off_t)at) == (ssize_t)sizeof(there) &&
	       memcmp(there, uuid, sizeof(there)) == 0;
}

/* Where each file system has the identity by which a machine finds it on a disk of its own. */
static bool is_volume(const struct uni_config_mount *wire, int fd)
{
	struct uni_uuid uuid;

	if (wire->fs == UNI_FS_LIVE)
		return holds(fd, offsetof(struct uni_live_super, uuid), wire->uuid) ||
		       holds(fd, UNI_LIVE_BLOCK + offsetof(struct uni_live_super, uuid),
			     wire->uuid);
	memcpy(uuid.bytes, wire->uuid, sizeof(uuid.bytes));
	uuid = uni_uuid_swap(&uuid); /* in the order of text */
	if (wire->fs == UNI_FS_EXT4)
		return holds(fd, UNI_EXT4_SUPER_AT + offsetof(struct uni_ext4_super, uuid),
			     uuid.bytes);
	return (wire->flags & UNI_MOUNT_VERITY) != 0 && wire->hash_offset <= INT64_MAX / 2 &&
	       holds(fd, wire->hash_offset + offsetof(struct uni_verity_superblock, uuid),
		     uuid.bytes);
}

static void add_disk(struct uni_image *image, const char *file)
{
	uint64_t size;
	int fd = open_beside(image, file, &size);
	struct uni_image_volume *volume;

	if (fd < 0)
		return;
	volume = image_add_volume(image, uni_path_base(file), fd, 0, size);
	volume->own = true;
	for (size_t i = 0; image->config != NULL && i < image->config->mount_count; i++)
		if (is_volume(&image->config->mounts[i].wire, fd)) {
			image_set_mount(volume, &image->config->mounts[i]);
			return;
		}
}

int image_read_machine(struct uni_image *image, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	int rc;

	if (image->size > UNI_MACHINE_TEXT_MAX)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is too large", image->path);
	rc = uni_file_read(image->path, UNI_MACHINE_TEXT_MAX, &text, err);
	if (rc == 0)
		rc = uni_machine_read(&image->machine, image->path, uni_buf_text(&text), text.size,
				      err);
	if (rc != 0)
		return rc;
	image->kind = UNI_IMAGE_MACHINE;
	image->form = image->machine->format->name;
	if (image->machine->kernel != NULL)
		image->elf_fd = open_beside(image, image->machine->kernel, &image->elf_size);
	if (image->elf_fd >= 0)
		rc = image_read_kernel(image, err);
	for (size_t i = 0; rc == 0 && i < image->machine->disk_count; i++)
		add_disk(image, image->machine->disks[i].file);
	return rc;
}
