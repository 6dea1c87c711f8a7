/*
 * Folders that are images: NAME.ami, and image layouts with a disk in them, as KubeVirt has them.
 */
#include "internal.h"

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/source/image.h>

static bool has(const char *folder, const char *name)
{
	char *path UNI_AUTO_FREE = uni_path_join(folder, name);

	return uni_file_exists(path);
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
