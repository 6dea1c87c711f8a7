/* Which disk, kernel and volumes uni run is about: those of a recipe, built, or of an image's file.
 */
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/disk/disk.h>
#include <uni/exec/build.h>
#include <uni/inspect/image.h>

#include "build_options.h"
#include "disks.h"
#include "run.h"

void run_target_free(struct run_target *target)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (target->dir != NULL) {
		(void)uni_dir_remove(target->dir, &ignored);
		uni_tmp_forget(target->dir);
	}
	free(target->dir);
	free(target->config_file);
	uni_strv_free(&target->oem_strings);
	uni_boot_config_free(target->config);
	free(target->disk);
	free(target->kernel);
	free(target->argv0);
	free(target->forwards);
	free(target->capture);
	uni_volume_list_clear(&target->volumes);
	uni_strv_free(&target->env);
	uni_strv_free(&target->writable);
}

int run_target_dir(struct run_target *target, struct uni_err *err)
{
	return target->dir != NULL ? 0 : uni_dir_tmp(NULL, &target->dir, err);
}

/* In the order of the mounts, in which the guest answers for them. */
static int find_volumes(struct cli *cli, struct run_target *target,
			const struct uni_boot_config *config, const char *image,
			struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv named = { 0 };
	int status = 0;

	for (char **item = cli->repeats; item != NULL && *item != NULL; item++)
		if (uni_str_starts(*item, "volume="))
			uni_strv_add(&named, *item + strlen("volume="));
	for (size_t i = 0; status == 0 && i < config->mount_count; i++)
		if (config->mounts[i].wire.fs == UNI_FS_LIVE)
			status = uni_volume_attach(&target->volumes, &config->mounts[i].wire,
						   config->mounts[i].path,
						   (const char *const *)named.items, image, err);
	return status;
}

static int note_config(struct cli *cli, struct run_target *target,
		       const struct uni_boot_config *config, const char *image, struct uni_err *err)
{
	if (config == NULL)
		return 0;
	if (config->args.count != 0 && target->argv0 == NULL)
		target->argv0 = uni_strdup(config->args.items[0]);
	for (size_t i = 0; i < config->env.count; i++)
		uni_strv_add(&target->env, config->env.items[i]);
	if (target->config == NULL)
		target->config = uni_boot_config_new();
	for (size_t i = 0; i < config->runtime_count; i++)
		uni_boot_config_runtime(target->config, config->runtime[i]);
	for (size_t i = 0; i < config->file_count; i++) {
		const struct uni_boot_file *file = &config->files[i];

		(void)uni_boot_config_file(target->config, file->name, file->path, file->mode,
					   file->flags);
	}
	target->restarts = config->on_exit != UNI_ACTION_OFF || config->on_fault != UNI_ACTION_OFF;
	target->wants_network =
		config->networks.count != 0 && !uni_strv_has(&config->networks, "none");
	return find_volumes(cli, target, config, image, err);
}

char *run_name_of_file(const char *path)
{
	char *name = uni_strdup(uni_path_base(path));
	char *dot = strrchr(name, '.');

	if (dot != NULL && dot != name)
		*dot = '\0';
	return name;
}

/* Where the disks that a machine writes to are kept; those with a name of their own do not share
 * the image's. A machine's folder is not the place: it goes with the machine. */
static char *disks_folder(const struct cli *cli)
{
	UNI_AUTO_FREE char *state = uni_dir_state(), *named = uni_path_join(state, "disks");
	const char *name = cli_value(cli, "name");

	return name != NULL ? uni_path_join(named, name) : uni_path_join(state, "machines");
}

/* A machine with a name of its own begins with disks as they were built, not as the image's own
 * machine left them. */
static int build_disks(struct cli *cli, struct uni_build_options how,
		       const struct uni_boot_config *config, const char *disks,
		       struct uni_diags *diags, struct uni_err *err)
{
	struct uni_build_result result = UNI_BUILD_RESULT_INIT;
	bool some = false;
	int status = 0;

	for (size_t i = 0; config != NULL && i < config->mount_count; i++)
		some = some || (config->mounts[i].wire.fs == UNI_FS_EXT4 &&
				(config->mounts[i].wire.flags & UNI_MOUNT_READ_ONLY) == 0);
	if (!some || uni_file_exists(disks))
		return 0;
	how.out_dir = disks;
	status = cli_recipe_build(cli, &how, &result, diags, err);
	uni_build_result_free(&result);
	return status;
}

int run_build_recipe(struct cli *cli, struct run_target *target, struct uni_diags *diags,
		     struct uni_err *err)
{
	static const char *const formats[] = { "raw", "elf" };
	UNI_AUTO_FREE char *state = uni_dir_state(), *machines = uni_path_join(state, "machines");
	UNI_AUTO_FREE char *disks = disks_folder(cli);
	struct uni_build_result result = UNI_BUILD_RESULT_INIT;
	struct uni_build_options how = { .formats = formats,
					 .format_count = UNI_COUNT(formats),
					 .out_dir = machines };
	int status;

	status = cli_recipe_build(cli, &how, &result, diags, err);
	for (size_t i = 0; status == 0 && i < result.count; i++) {
		const struct uni_build_artifact *artifact = &result.artifacts[i];

		if (uni_str_eq(artifact->format, "raw"))
			target->disk = uni_strdup(artifact->path);
		else if (uni_str_eq(artifact->format, "elf"))
			target->kernel = uni_strdup(artifact->path);
	}
	if (status == 0) {
		UNI_AUTO(uni_image) struct uni_image *image = NULL;

		target->memory = result.memory;
		target->processors = result.processors;
		target->argv0 = uni_strdup(result.name);
		status = uni_image_open(&image, target->kernel, err);
		if (status == 0)
			status = note_config(cli, target, image->config, target->kernel, err);
		if (status == 0 && cli_value(cli, "name") != NULL)
			status = build_disks(cli, how, image->config, disks, diags, err);
		if (status == 0)
			status = cli_disks_of_image(image->config, target->kernel, disks,
						    result.name, &target->writable,
						    &target->disk_writable, err);
	}
	uni_build_result_free(&result);
	return status;
}

bool run_starts_by_uefi_alone(const char *path)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	UNI_AUTO(uni_disk) struct uni_disk *disk = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	return uni_disk_open_image(&source, path, &ignored) == 0 &&
	       uni_disk_read_source(&disk, source, path, &ignored) == 0 && !disk->bios_code &&
	       uni_disk_find_type(disk, UNI_GPT_ESP) != NULL;
}

static int copy_fd(int fd, uint64_t size, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;

	if (uni_outfile_open(&out, path, 0600, err) != 0 ||
	    uni_copy_range(fd, 0, uni_outfile_fd(out), 0, size, err) != 0)
		return err->code;
	return uni_outfile_commit(out, false, err);
}

int run_open_image(struct cli *cli, struct run_target *target, struct uni_err *err)
{
	UNI_AUTO(uni_image) struct uni_image *image = NULL;
	UNI_AUTO_FREE char *disks = disks_folder(cli), *name = NULL;
	const char *path = cli->args[0];

	if (uni_image_open(&image, path, err) != 0)
		return err->code;
	if (note_config(cli, target, image->config, path, err) != 0)
		return err->code;
	if (image->kind == UNI_IMAGE_VOLUME)
		return uni_err_set(err, UNI_E_INVAL, "%s: is a volume, not an image", path);
	name = run_name_of_file(path);
	if (cli_disks_of_image(image->config, path, disks, name, &target->writable,
			       &target->disk_writable, err) != 0)
		return err->code;
	if (image->kind == UNI_IMAGE_KERNEL) {
		UNI_AUTO_FREE char *stem = uni_strdup(path);
		char *dot = strrchr(stem, '.');
		UNI_AUTO_FREE char *disk = NULL;

		target->kernel = uni_strdup(path);
		/* The volumes that it mounts lie on the disk that was built beside it. */
		if (dot != NULL && uni_str_eq(dot, ".elf")) {
			*dot = '\0';
			disk = uni_asprintf("%s.raw", stem);
			if (uni_file_exists(disk))
				target->disk = uni_strdup(disk);
		}
		return 0;
	}
	target->disk = uni_strdup(path);
	if (!cli_flag(cli, "kernel"))
		return 0;
	if (image->elf_fd < 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: has no kernel that uni knows",
				   path);
	if (run_target_dir(target, err) != 0)
		return err->code;
	target->kernel = uni_path_join(target->dir, "kernel.elf");
	return copy_fd(image->elf_fd, image->elf_size, target->kernel, err);
}
