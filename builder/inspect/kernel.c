/*
 * What the kernel on a disk says that it can do: those that uni builds carry a note about it.
 */
#include "internal.h"

#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <unistd.h>

/* The box at its place in a file that has nothing else of the disk. */
static int unpack_box(struct uni_disk_source *source, const struct uni_disk_entry *entry,
		      const char *name, int elf, uint64_t *size, struct uni_err *err)
{
	struct uni_box_header box;
	int fd UNI_AUTO_CLOSE = -1;
	int rc = uni_file_nameless(&fd, err);

	if (rc == 0 && ftruncate(fd, (off_t)source->size) != 0)
		rc = uni_err_errno(err, "temporary file for %s", name);
	if (rc == 0)
		rc = uni_disk_source_unpack_part(source, entry->offset, entry->size, fd, err);
	if (rc == 0)
		rc = uni_box_read(fd, entry->offset, entry->size, name, &box, err);
	if (rc == 0)
		rc = uni_box_unpack(fd, entry->offset, entry->size, name, elf, err);
	if (rc == 0)
		*size = box.size;
	return rc;
}

static int read_words(struct uni_disk_source *source, const struct uni_disk_entry *entry,
		      const char *name, struct uni_strv *words, struct uni_err *err)
{
	UNI_AUTO_FREE struct uni_kernel_image *kernel = uni_alloc(sizeof(*kernel));
	int elf UNI_AUTO_CLOSE = memfd_create("uni-kernel", MFD_CLOEXEC);
	char *save = NULL;
	uint64_t size = 0;
	int rc;

	if (elf < 0)
		return uni_err_errno(err, "memory for the kernel of %s", name);
	rc = unpack_box(source, entry, name, elf, &size, err);
	if (rc == 0)
		rc = uni_kernel_split(elf, 0, size, name, kernel, err);
	if (rc != 0)
		return rc;
	for (char *word = strtok_r(kernel->words, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		uni_strv_add(words, word);
	return 0;
}

int image_kernel_words(struct uni_disk_source *source, const struct uni_disk *disk,
		       const char *name, struct uni_strv *words, struct uni_err *err)
{
	const struct uni_disk_entry *kernel = uni_disk_find_type(disk, UNI_GPT_KERNEL);

	return kernel != NULL ? read_words(source, kernel, name, words, err) : 0;
}
