/*
 * The registry of readers. A file tells its form by its first bytes (a fixed VHD by its last), and
 * its name tells nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mapped.h"

static const struct disk_reader *const readers[] = {
	&disk_read_qcow2, /* by their first bytes */
	&disk_read_iso,	  &disk_read_ova, &disk_read_gcp, &disk_read_vmdk,
	&disk_read_vhdx,  &disk_read_vdi, &disk_read_vhd, /* by its last as well */
};

int uni_disk_open_fd(struct uni_disk_source **source, int fd, uint64_t size, const char *name,
		     struct uni_err *err)
{
	const struct disk_image image = { .fd = fd, .length = size, .name = name };

	*source = NULL;
	for (size_t i = 0; i < UNI_COUNT(readers); i++)
		if (readers[i]->probe(&image))
			return readers[i]->open(source, &image, err);
	if (size > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: is too large for a disk", name);
	*source = uni_disk_source_from_fd(fd, 0, size, name);
	if (disk_refuse_container(*source, name, err) != 0) {
		uni_disk_source_free(*source);
		*source = NULL;
		return err->code;
	}
	return 0;
}

int uni_disk_open_image(struct uni_disk_source **source, const char *path, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc;

	*source = NULL;
	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: is not a regular file", path);
	rc = uni_disk_open_fd(source, fd, (uint64_t)st.st_size, path, err);
	if (rc == 0)
		(*source)->owned_fd = uni_take_fd(&fd);
	return rc;
}
