/*
 * Which file carries the live volume that an image mounts: by identity, among the files that were
 * named and those beside the image.
 */
#include <string.h>
#include <uni/abi/config.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>

#include "internal.h"

void uni_volume_list_clear(struct uni_volume_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].path);
	}
	free(list->items);
	*list = (struct uni_volume_list){ .items = NULL };
}

/* Takes it if it is the one. */
static bool try_file(struct uni_volume_list *list, const uint8_t uuid[16], const char *path)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	const struct uni_live_super *super;

	if (uni_live_open(&live, path, false, &ignored) != 0)
		return false;
	super = uni_live_current(live);
	if (memcmp(super->uuid, uuid, sizeof(super->uuid)) != 0)
		return false;
	list->items = uni_realloc_array(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = (struct uni_vm_volume){
		.name = uni_strndup(super->label, sizeof(super->label)),
		.path = uni_path_absolute(path),
	};
	return true;
}

static bool try_folder(struct uni_volume_list *list, const uint8_t uuid[16], const char *dir)
{
	UNI_AUTO_STRV struct uni_strv names = { .items = NULL };
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_dir_list(dir, &names, &ignored) != 0)
		return false;
	for (size_t i = 0; i < names.count; i++) {
		UNI_AUTO_FREE char *path = uni_path_join(dir, names.items[i]);

		if (uni_str_ends(path, ".vol") && try_file(list, uuid, path))
			return true;
	}
	return false;
}

/* What the kernel would find out, before there is a machine. */
static int check_key(const struct uni_volume_list *list, const struct uni_config_mount *wire,
		     struct uni_err *err)
{
	const char *path = list->items[list->count - 1].path;
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	int rc;

	if ((wire->flags & UNI_MOUNT_SIGNED) == 0)
		return 0;
	rc = uni_live_open(&live, path, false, err);
	if (rc == 0)
		rc = uni_live_super_verify(uni_live_current(live), wire->root_hash, err);
	if (rc == 0)
		return 0;
	(void)uni_err_context(err, "%s", path);
	return uni_err_hint(
		err, "uni volume copy FOLDER %s --sign KEY.pem signs what it holds then", path);
}

int uni_volume_attach(struct uni_volume_list *list, const struct uni_config_mount *wire,
		      const char *mount, const char *const *files, const char *image,
		      struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = uni_path_dir(image);

	for (size_t i = 0; files != NULL && files[i] != NULL; i++)
		if (try_file(list, wire->uuid, files[i]))
			return check_key(list, wire, err);
	if (try_folder(list, wire->uuid, dir))
		return check_key(list, wire, err);
	uni_err_set(err, UNI_E_NOENT, "no file beside %s is the live volume that it mounts at %s",
		    image, mount);
	return uni_err_hint(err, "name it: --volume FILE");
}
