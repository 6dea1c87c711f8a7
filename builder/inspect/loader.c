/*
 * The UEFI loader of a disk: whether its seal is of the kernel that is on the disk, without which
 * firmware starts it and it starts nothing.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/kernel/efi.h>

struct taking {
	struct uni_buf *out;
};

static int take(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct taking *taking = user;

	if (taking->out->size + size > UNI_EFI_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "the UEFI loader is too large");
	uni_buf_add(taking->out, data, size);
	return 0;
}

/* The digest of the box in a partition. */
static bool has_box(struct uni_image *image, const struct uni_disk_entry *entry,
		    const struct uni_efi_about *about)
{
	enum { CHUNK = 1 << 16 };
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_digest digest;
	struct uni_hash hash;

	if (about->box_size > entry->size)
		return false;
	uni_hash_start(&hash);
	for (uint64_t at = 0; at < about->box_size;) {
		size_t part = about->box_size - at < CHUNK ? (size_t)(about->box_size - at) : CHUNK;

		if (uni_pread_full(image->disk_fd, chunk, part, entry->offset + at, image->path,
				   &ignored) != 0)
			return false;
		uni_hash_add(&hash, chunk, part);
		at += part;
	}
	digest = uni_hash_end(&hash);
	return uni_digest_eq(&digest, &about->box);
}

static enum uni_image_loader judge(struct uni_image *image, const struct uni_efi_about *about)
{
	struct uni_uuid kernel;

	if (!about->sealed)
		return UNI_LOADER_OTHER;
	(void)uni_uuid_parse(UNI_GPT_KERNEL, &kernel);
	for (size_t i = 0; i < image->disk->count; i++) {
		const struct uni_disk_entry *entry = &image->disk->entries[i];

		if (memcmp(&entry->type, &kernel, sizeof(kernel)) == 0 &&
		    memcmp(&entry->guid, &about->partition, sizeof(entry->guid)) == 0 &&
		    has_box(image, entry, about))
			return UNI_LOADER_SEALED;
	}
	return UNI_LOADER_OTHER;
}

void image_read_loader(struct uni_image *image, const struct uni_disk_entry *entry)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	UNI_AUTO_BUF struct uni_buf loader = UNI_BUF_INIT;
	struct taking taking = { .out = &loader };
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_efi_about about;

	if (uni_fs_open(&reader, image->disk_fd, entry->offset, entry->size, image->path,
			&ignored) != 0 ||
	    uni_fs_read(reader, UNI_EFI_PATH, take, &taking, &ignored) != 0)
		return;
	image->loader = UNI_LOADER_FOREIGN;
	if (uni_efi_read(&loader, UNI_EFI_PATH, &about, &ignored) != 0)
		return;
	image->loader = judge(image, &about);
	image->loader_signed = about.has_signature;
}
