/*
 * Opens an image by its content, whatever its name: a disk leads to its kernel partition, that to
 * the ELF, that to the configuration, and the configuration to the volumes.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include <uni/base/file.h>
#include <uni/base/mapdigest.h>
#include <uni/base/path.h>

const char *uni_image_kind_name(enum uni_image_kind kind)
{
	static const char *const names[] = { "disk", "kernel", "volume", "machine" };

	return names[kind];
}

const char *uni_image_part_name(enum uni_part_kind kind)
{
	switch (kind) {
	case UNI_PART_CONFIG:
		return "configuration";
	case UNI_PART_PROGRAM:
		return "program";
	case UNI_PART_ROOT:
		return "root";
	case UNI_PART_VOLUME:
		return "volume";
	case UNI_PART_NONE:
		break;
	}
	return "unknown";
}

struct uni_image_volume *image_add_volume(struct uni_image *image, const char *name, int fd,
					  uint64_t offset, uint64_t size)
{
	struct uni_image_volume *volume;

	image->volumes =
		uni_realloc_array(image->volumes, image->volume_count + 1, sizeof(*image->volumes));
	volume = &image->volumes[image->volume_count++];
	memset(volume, 0, sizeof(*volume));
	volume->name = uni_strdup(name);
	volume->fd = fd;
	volume->offset = offset;
	volume->size = size;
	return volume;
}

static bool same_uuid(const struct uni_uuid *uuid, const uint8_t bytes[16])
{
	return memcmp(uuid->bytes, bytes, sizeof(uuid->bytes)) == 0;
}

static const struct uni_boot_mount *mount_of(const struct uni_image *image,
					     const struct uni_uuid *uuid)
{
	struct uni_uuid swapped = uni_uuid_swap(uuid);

	for (size_t i = 0; image->config != NULL && i < image->config->mount_count; i++) {
		const struct uni_boot_mount *mount = &image->config->mounts[i];

		if (same_uuid(&swapped, mount->wire.uuid) || same_uuid(uuid, mount->wire.uuid))
			return mount;
	}
	return NULL;
}

void image_set_mount(struct uni_image_volume *volume, const struct uni_boot_mount *mount)
{
	if (mount == NULL)
		return;
	volume->mount = uni_strdup(mount->path);
	volume->wire = &mount->wire;
}

static int read_config(struct uni_image *image, uint64_t offset, uint64_t size, struct uni_err *err)
{
	UNI_AUTO_FREE void *record = uni_try_alloc(size, UNI_CONFIG_MAX, "boot configuration", err);

	if (record == NULL)
		return err->code;
	if (uni_pread_full(image->elf_fd, record, size, offset, image->path, err) != 0)
		return err->code;
	return uni_boot_config_decode(&image->config, record, size, err);
}

int image_read_kernel(struct uni_image *image, struct uni_err *err)
{
	const struct uni_kernel_image *kernel = &image->kernel;

	if (uni_kernel_split(image->elf_fd, 0, image->elf_size, image->path, &image->kernel, err) !=
	    0)
		return err->code;
	for (uint32_t i = 0; i < kernel->part_count; i++)
		if (kernel->parts[i].kind == UNI_PART_CONFIG &&
		    read_config(image, kernel->parts[i].offset, kernel->parts[i].size, err) != 0)
			return uni_err_context(err, "%s", image->path);
	for (uint32_t i = 0; i < kernel->part_count; i++) {
		struct uni_image_volume *volume;

		if (kernel->parts[i].kind == UNI_PART_ROOT) {
			volume = image_add_volume(image, "root", image->elf_fd,
						  kernel->parts[i].offset, kernel->parts[i].size);
			volume->mount = uni_strdup("/");
			volume->embedded = true;
		} else if (kernel->parts[i].kind == UNI_PART_VOLUME) {
			const struct uni_boot_mount *mount =
				mount_of(image, &kernel->parts[i].uuid);

			volume = image_add_volume(
				image, mount != NULL ? uni_path_base(mount->path) : "volume",
				image->elf_fd, kernel->parts[i].offset, kernel->parts[i].size);
			volume->embedded = true;
			image_set_mount(volume, mount);
		}
	}
	return 0;
}

static int unpack_box(struct uni_image *image, const struct uni_disk_entry *entry,
		      struct uni_err *err)
{
	if (uni_box_read(image->disk_fd, entry->offset, entry->size, image->path, &image->box,
			 err) != 0)
		return err->code;
	image->has_box = true;
	image->elf_fd = memfd_create("uni-kernel", MFD_CLOEXEC);
	if (image->elf_fd < 0)
		return uni_err_errno(err, "memory for the kernel of %s", image->path);
	image->elf_size = image->box.size;
	if (uni_box_unpack(image->disk_fd, entry->offset, entry->size, image->path, image->elf_fd,
			   err) != 0)
		return err->code;
	return image_read_kernel(image, err);
}

static int read_disk(struct uni_image *image, struct uni_err *err)
{
	struct uni_uuid kernel_type, volume_type, esp_type;

	uni_uuid_parse(UNI_GPT_KERNEL, &kernel_type);
	uni_uuid_parse(UNI_GPT_VOLUME, &volume_type);
	uni_uuid_parse(UNI_GPT_ESP, &esp_type);
	for (size_t i = 0; i < image->disk->count; i++) {
		const struct uni_disk_entry *entry = &image->disk->entries[i];

		if (!image->has_box && same_uuid(&entry->type, kernel_type.bytes) &&
		    unpack_box(image, entry, err) != 0)
			return uni_err_context(err, "partition \"%s\"", entry->name);
	}
	for (size_t i = 0; i < image->disk->count; i++) {
		const struct uni_disk_entry *entry = &image->disk->entries[i];

		if (same_uuid(&entry->type, esp_type.bytes))
			image_read_loader(image, entry);
		if (same_uuid(&entry->type, volume_type.bytes))
			image_set_mount(image_add_volume(image, entry->name, image->disk_fd,
							 entry->offset, entry->size),
					mount_of(image, &entry->guid));
	}
	return 0;
}

/* Kernel and volumes where they can be read at their places. */
static int unpack_parts(struct uni_image *image, struct uni_disk_source *source,
			struct uni_err *err)
{
	struct uni_uuid kernel_type, volume_type, esp_type;
	int rc = uni_file_nameless(&image->disk_fd, err);

	if (rc != 0)
		return rc;
	if (ftruncate(image->disk_fd, (off_t)source->size) != 0)
		return uni_err_errno(err, "temporary file for %s", image->path);
	uni_uuid_parse(UNI_GPT_KERNEL, &kernel_type);
	uni_uuid_parse(UNI_GPT_VOLUME, &volume_type);
	uni_uuid_parse(UNI_GPT_ESP, &esp_type);
	for (size_t i = 0; rc == 0 && i < image->disk->count; i++) {
		const struct uni_disk_entry *entry = &image->disk->entries[i];

		if (same_uuid(&entry->type, kernel_type.bytes) ||
		    same_uuid(&entry->type, volume_type.bytes) ||
		    same_uuid(&entry->type, esp_type.bytes))
			rc = uni_disk_source_unpack_part(source, entry->offset, entry->size,
							 image->disk_fd, err);
	}
	return rc;
}

/* What is on a disk that none of ours was made of. */
static int look_without_gpt(struct uni_image *image, struct uni_disk_source *source,
			    struct uni_err *err)
{
	bool found;

	image->mbr = uni_alloc(sizeof(*image->mbr));
	if (uni_disk_read_mbr(image->mbr, source, &found, err) != 0)
		return err->code;
	if (found)
		return 0;
	free(image->mbr);
	image->mbr = NULL;
	image->whole = uni_disk_holds(source, 0, source->size);
	return 0;
}

static void look_at_partitions(struct uni_image *image, struct uni_disk_source *source)
{
	image->holds = uni_alloc_array(image->disk->count + 1, sizeof(*image->holds));
	for (size_t i = 0; i < image->disk->count; i++)
		image->holds[i] = uni_disk_holds(source, image->disk->entries[i].offset,
						 image->disk->entries[i].size);
}

static bool is_raw(const struct uni_image *image)
{
	return uni_str_eq(image->form, "raw");
}

static int recognise_disk(struct uni_image *image, struct uni_disk_source *source,
			  struct uni_err *err)
{
	int rc;

	image->kind = UNI_IMAGE_DISK;
	image->form = source->form;
	image->disk_size = source->size;
	rc = uni_disk_read_source(&image->disk, source, image->path, err);
	if (rc == UNI_E_UNSUPPORTED) {
		uni_err_clear(err);
		return look_without_gpt(image, source, err);
	}
	if (rc != 0)
		return rc;
	look_at_partitions(image, source);
	image->disk_fd = image->fd;
	if (!is_raw(image))
		rc = unpack_parts(image, source, err);
	return rc != 0 ? rc : read_disk(image, err);
}

static bool is_elf(const struct uni_image *image)
{
	char magic[SELFMAG];

	return pread(image->fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* A file system that fills the file, and that is read here. */
static int recognise_volume(struct uni_image *image, struct uni_err *err)
{
	struct uni_fs_reader *reader = NULL;
	int status = uni_fs_open(&reader, image->fd, 0, image->size, image->path, err);

	if (status != 0)
		return status;
	uni_fs_reader_free(reader);
	image->kind = UNI_IMAGE_VOLUME;
	image_add_volume(image, uni_path_base(image->path), image->fd, 0, image->size)->mount =
		uni_strdup("/");
	return 0;
}

static int recognise(struct uni_image *image, struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	int status;

	if (is_elf(image)) {
		image->kind = UNI_IMAGE_KERNEL;
		image->elf_fd = image->fd;
		image->elf_size = image->size;
		return image_read_kernel(image, err);
	}
	/* Before disks: what is text to the end is none. */
	status = image_read_machine(image, err);
	if (status != UNI_E_UNSUPPORTED)
		return status;
	uni_err_clear(err);
	status = image_open_file(image->path, &source, err);
	if (status == 0)
		status = recognise_disk(image, source, err);
	if (status != 0 || image->disk != NULL || image->mbr != NULL || !is_raw(image))
		return status;
	status = recognise_volume(image, err);
	if (status != UNI_E_UNSUPPORTED)
		return status;
	uni_err_clear(err);
	if (image->whole != NULL)
		return 0;
	uni_err_set(err, status, "%s: is no image that uni knows", image->path);
	return uni_err_hint(err, "disk images, bootable ELF files, volumes, descriptions of "
				 "machines and packages can be inspected");
}

static int recognise_folder(struct uni_image *image, struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	int rc = image_open_folder(image->path, &image->ami, &source, &image->digest, err);

	if (rc != 0)
		return rc;
	image->mapped = image->ami != NULL;
	image->size = image->mapped ? (uint64_t)image->ami->disk.map->count * UNI_MAP_BLOCK
				    : source->size;
	return recognise_disk(image, source, err);
}

int uni_image_open(struct uni_image **out, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_image) struct uni_image *image = uni_alloc(sizeof(*image));
	struct stat st;

	image->elf_fd = -1;
	image->disk_fd = -1;
	image->path = uni_strdup(path);
	/* A pipe is refused, not waited for. */
	image->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (image->fd < 0 || fstat(image->fd, &st) != 0)
		return uni_err_errno(err, "%s", path);
	if (S_ISDIR(st.st_mode)) {
		if (recognise_folder(image, err) != 0)
			return err->code;
		*out = image;
		image = NULL;
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: is not a regular file", path);
	image->size = (uint64_t)st.st_size;
	if (recognise(image, err) != 0)
		return err->code;
	if (uni_content_digest_fd(image->fd, &image->size, &image->digest, &image->mapped, path,
				  err) != 0)
		return err->code;
	*out = image;
	image = NULL;
	return 0;
}

void uni_image_free(struct uni_image *image)
{
	if (image == NULL)
		return;
	for (size_t i = 0; i < image->volume_count; i++) {
		if (image->volumes[i].own)
			uni_close_fd(&image->volumes[i].fd);
		free(image->volumes[i].name);
		free(image->volumes[i].mount);
	}
	free(image->volumes);
	uni_boot_config_free(image->config);
	uni_disk_free(image->disk);
	free(image->holds);
	free(image->mbr);
	if (image->elf_fd >= 0 && image->elf_fd != image->fd)
		close(image->elf_fd);
	if (image->disk_fd >= 0 && image->disk_fd != image->fd)
		close(image->disk_fd);
	if (image->fd >= 0)
		close(image->fd);
	uni_ami_free(image->ami);
	uni_machine_found_free(image->machine);
	free(image->path);
	free(image);
}

int uni_image_find(struct uni_image *image, const char *path, struct uni_fs_reader **reader,
		   const char **inside, struct uni_err *err)
{
	const struct uni_image_volume *best = NULL;
	size_t length = 0;

	if (path[0] != '/')
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is not an absolute path", path);
	for (size_t i = 0; i < image->volume_count; i++) {
		const struct uni_image_volume *volume = &image->volumes[i];
		size_t size = volume->mount != NULL ? strlen(volume->mount) : 0;

		if (volume->mount == NULL || !uni_path_inside(path, volume->mount) ||
		    (best != NULL && size <= length))
			continue;
		best = volume;
		length = size;
	}
	if (best == NULL)
		return uni_err_set(err, UNI_E_NOENT, "%s: nothing is mounted at or above %s",
				   image->path, path);
	*inside = length > 1 ? path + length : path;
	if (**inside == '\0')
		*inside = "/";
	return uni_fs_open(reader, best->fd, best->offset, best->size, best->name, err);
}
