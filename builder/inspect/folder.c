/*
 * Images that are more than a file of a disk: NAME.ami, and container images with a disk in them,
 * as KubeVirt has them, in a folder or in an archive.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/source/image.h>
#include <unistd.h>

static bool has(const char *folder, const char *name)
{
	char *path UNI_AUTO_FREE = uni_path_join(folder, name);

	return uni_file_exists(path);
}

/* POSIX.1, ustar Interchange Format: the magic of the first header. */
static bool is_tar(const char *path)
{
	int fd UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[5];

	return fd >= 0 && pread(fd, magic, sizeof(magic), 257) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, "ustar", sizeof(magic)) == 0;
}

int image_open_file(const char *path, struct uni_disk_source **source, struct uni_err *err)
{
	struct uni_err other = UNI_ERR_INIT;
	struct uni_digest digest;
	int rc = uni_disk_open_image(source, path, err);

	if (rc != UNI_E_UNSUPPORTED || !is_tar(path))
		return rc;
	rc = uni_containerdisk_open(source, path, &digest, &other);
	/* An archive of anything else stays refused as what it is. */
	if (rc == UNI_E_UNSUPPORTED)
		return err->code;
	*err = other;
	return rc;
}

int image_open_folder(const char *path, struct uni_ami **ami, struct uni_disk_source **source,
		      struct uni_digest *digest, struct uni_err *err)
{
	int rc;

	*ami = NULL;
	*source = NULL;
	if (has(path, "oci-layout"))
		return uni_containerdisk_open(source, path, digest, err);
	if (!has(path, UNI_AMI_MAP)) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a folder, and no image", path);
		return uni_err_hint(err, "folders that are images: NAME.ami and "
					 "NAME.containerdisk");
	}
	rc = uni_ami_open(ami, path, err);
	if (rc != 0)
		return rc;
	*source = uni_ami_source(&(*ami)->disk);
	*digest = (*ami)->disk.map->digest;
	return 0;
}
