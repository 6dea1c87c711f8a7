/*
 * Disks of writable volumes. Each carries the volume's UUID, by which the kernel finds it and by
 * which it is recognised here. A machine's disks are kept in the user's state folder under the
 * machine's name: the first start copies what was built, later ones find what the machine wrote.
 */
#include <string.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/volume/volume.h>

#include "disks.h"

static bool is_disk_of(const char *path, const uint8_t uuid[16])
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_config_mount wire;

	return uni_volume_identify(path, &wire, &ignored) == 0 && wire.fs == UNI_FS_EXT4 &&
	       memcmp(wire.uuid, uuid, sizeof(wire.uuid)) == 0;
}

static bool is_writable(const struct uni_config_mount *wire)
{
	return wire->fs == UNI_FS_EXT4 && (wire->flags & UNI_MOUNT_READ_ONLY) == 0;
}

/* NAME.*.raw in the folder that carries this volume; NULL when there is none. */
static char *find_disk(const char *folder, const char *name, const uint8_t uuid[16])
{
	UNI_AUTO_STRV struct uni_strv names = { 0 };
	UNI_AUTO_FREE char *prefix = uni_asprintf("%s.", name);
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_dir_list(folder, &names, &ignored) != 0)
		return NULL;
	for (size_t i = 0; i < names.count; i++) {
		char *path = uni_path_join(folder, names.items[i]);

		if (uni_str_starts(names.items[i], prefix) && uni_str_ends(path, ".raw") &&
		    is_disk_of(path, uuid))
			return path;
		free(path);
	}
	return NULL;
}

/* From beside the image into the machine's own. */
static int adopt(const char *built, const char *stem, const char *folder, const char *machine,
		 struct uni_strv *disks, struct uni_err *err)
{
	UNI_AUTO_FREE char *name =
		uni_asprintf("%s%s", machine, uni_path_base(built) + strlen(stem));
	char *path = uni_path_join(folder, name);
	int rc = uni_dir_make(folder, 0700, err);

	if (rc == 0)
		rc = uni_file_copy(built, path, 0600, err);
	if (rc == 0)
		uni_strv_take(disks, path);
	else
		free(path);
	return rc;
}

int cli_disks_of_image(const struct uni_boot_config *config, const char *image,
		       const char *machines, const char *machine, struct uni_strv *disks,
		       bool *inside, struct uni_err *err)
{
	UNI_AUTO_FREE char *folder = uni_path_dir(image);
	UNI_AUTO_FREE char *stem = uni_strdup(uni_path_base(image));
	char *dot = strrchr(stem, '.');
	int rc = 0;

	if (dot != NULL)
		*dot = '\0';
	for (size_t i = 0; config != NULL && rc == 0 && i < config->mount_count; i++) {
		const struct uni_config_mount *wire = &config->mounts[i].wire;
		UNI_AUTO_FREE char *built = NULL;
		char *kept;

		if (!is_writable(wire))
			continue;
		kept = find_disk(machines, machine, wire->uuid);
		if (kept != NULL) {
			uni_strv_take(disks, kept);
			continue;
		}
		built = find_disk(folder, stem, wire->uuid);
		if (built != NULL)
			rc = adopt(built, stem, machines, machine, disks, err);
		else
			*inside = true;
	}
	return rc;
}
