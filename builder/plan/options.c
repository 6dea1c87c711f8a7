/*
 * Options of steps as canonical text: what in the recipe decides an output, and nothing else. The
 * text is in keys, so its form changes with an operation's version only.
 */
#include "internal.h"

#include <inttypes.h>
#include <uni/base/json.h>
#include <uni/fs/fs.h>
#include <uni/kernel/config.h>
#include <uni/kernel/kernel.h>

static void line_text(struct uni_buf *out, const char *key, const char *value)
{
	uni_buf_printf(out, "%s ", key);
	uni_json_string(out, value);
	uni_buf_putc(out, '\n');
}

static void line_number(struct uni_buf *out, const char *key, uint64_t value)
{
	uni_buf_printf(out, "%s %" PRIu64 "\n", key, value);
}

static void line_epoch(struct uni_buf *out, int64_t epoch)
{
	uni_buf_printf(out, "epoch %" PRId64 "\n", epoch);
}

/* Where headers are looked for is in the preprocessed text already. */
void options_compile(const struct uni_recipe *recipe, size_t source, struct uni_buf *out)
{
	line_text(out, "name", recipe->app.sources.items[source].text);
	for (size_t i = 0; i < recipe->app.cflags.count; i++)
		line_text(out, "flag", recipe->app.cflags.items[i].text);
	line_epoch(out, recipe->image.epoch);
}

void options_root(const struct uni_recipe *recipe, struct uni_buf *out)
{
	line_epoch(out, recipe->image.epoch);
	for (size_t i = 0; recipe->ca.kind != UNI_INPUT_NONE && uni_plan_ca_paths[i] != NULL; i++)
		line_text(out, "ca", uni_plan_ca_paths[i]);
	for (size_t i = 0; i < recipe->file_count; i++) {
		line_text(out, "file", recipe->files[i].path);
		if (recipe->files[i].link != NULL)
			line_text(out, "link", recipe->files[i].link);
		else
			uni_buf_printf(out, "mode %04o\n", recipe->files[i].mode);
	}
	for (size_t i = 0; i < recipe->volume_count; i++)
		line_text(out, "mount", recipe->volumes[i].mount);
}

int options_volume(const struct uni_recipe *recipe, const struct uni_recipe_volume *volume,
		   struct uni_buf *out, struct uni_err *err)
{
	const struct uni_fs_format *format = uni_fs_find(uni_recipe_format_name(volume->format));
	struct uni_fs_options options;
	int rc;

	uni_plan_fs_options(recipe, volume, &options);
	rc = format->resolve(&options, err);
	if (rc != 0)
		return uni_recipe_error(recipe, volume->pos, rc, err, "volume \"%s\": %s",
					volume->name, err->text);
	line_text(out, "format", format->name);
	line_text(out, "volume", options.volume);
	line_text(out, "compression", options.compression);
	line_number(out, "level", options.level);
	line_number(out, "block-size", options.block_size);
	line_epoch(out, options.epoch);
	line_number(out, "verity", options.verity);
	if (volume->format == UNI_FS_EXT4)
		line_number(out, "writable", options.writable);
	if (options.owner != 0 || options.group != 0) {
		line_number(out, "owner", options.owner);
		line_number(out, "group", options.group);
	}
	if (options.image != NULL || options.size != 0) {
		line_text(out, "image", options.image);
		line_number(out, "size", options.size);
	}
	line_number(out, "modes", volume->modes);
	uni_buf_printf(out, "mode %04o\n", volume->mode);
	return 0;
}

void uni_plan_fs_options(const struct uni_recipe *recipe, const struct uni_recipe_volume *volume,
			 struct uni_fs_options *options)
{
	bool beside = uni_recipe_volume_beside(volume);
	bool ext4 = volume->format == UNI_FS_EXT4;

	*options = (struct uni_fs_options){
		.volume = volume->name,
		.image = beside || volume->writable ? recipe->image.name : NULL,
		.size = beside || ext4 ? volume->size : 0,
		.compression = uni_recipe_compression_name(volume->compression),
		.level = volume->level,
		.block_size = volume->block_size,
		.epoch = volume->epoch,
		.verity = volume->verity,
		.writable = volume->writable,
		.owner = volume->writable ? recipe->app.user : 0,
		.group = volume->writable ? recipe->app.group : 0,
	};
}

/* The whole boot configuration as it stands before the volumes are known: for people, and as the
 * record's digest, which leaves nothing out. One that cannot be encoded is the kernel step's error.
 */
void options_kernel(const struct uni_recipe *recipe, const char *kernel, struct uni_buf *out)
{
	struct uni_boot_config *config UNI_AUTO(uni_boot_config) = uni_plan_boot_config(recipe);
	struct uni_buf record UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char text[UNI_DIGEST_TEXT];
	struct uni_digest digest;

	for (const struct uni_kernel_kind *const *kind = uni_kernel_kinds; *kind != NULL; kind++)
		line_text(out, "kind", (*kind)->name);
	line_text(out, "kernel", kernel);
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (uni_recipe_in_elf(&recipe->volumes[i]))
			line_text(out, "embed", recipe->volumes[i].name);
	uni_buf_puts(out, "config ");
	uni_boot_config_json(config, 0, out);
	(void)uni_boot_config_encode(config, &record, &ignored);
	digest = uni_digest_of(record.data, record.size);
	uni_digest_text(&digest, text);
	uni_buf_printf(out, "\nrecord %s\n", text);
}

void options_esp(const struct uni_recipe *recipe, struct uni_buf *out)
{
	line_epoch(out, recipe->image.epoch);
}

struct uni_disk_options uni_plan_disk_options(const struct uni_recipe *recipe, const char *format)
{
	const struct uni_recipe_output *output = uni_recipe_output_find(recipe, format);
	struct uni_disk_options options = { 0 };

	if (output != NULL) {
		options.variant = output->variant;
		options.compression = output->compression;
		options.level = output->level;
	}
	return options;
}

const char *uni_plan_codec(const struct uni_recipe *recipe, const char *format)
{
	const struct uni_disk_format *disk = uni_disk_find(format);
	const struct uni_form *form = uni_form_find(format);
	struct uni_disk_options options = uni_plan_disk_options(recipe, format);
	struct uni_err ignored = UNI_ERR_INIT;

	if (disk != NULL && uni_disk_resolve(disk, &options, &ignored) == 0)
		return uni_disk_codec(&options);
	return form != NULL && form->deflate ? "libdeflate" : NULL;
}

static void line_disk(const struct uni_recipe *recipe, const char *format, struct uni_buf *out)
{
	const struct uni_recipe_output *output = uni_recipe_output_find(recipe, format);

	line_text(out, "format", format);
	line_text(out, "image", recipe->image.name);
	if (!recipe->boot.bios)
		line_text(out, "boot", "uefi");
	line_number(out, "size", output != NULL ? output->size : 0);
	for (size_t i = 0; i < recipe->volume_count; i++) {
		if (!uni_recipe_partition(&recipe->volumes[i]))
			continue;
		line_text(out, "partition", recipe->volumes[i].name);
		line_number(out, "size", recipe->volumes[i].size);
	}
}

int options_disk(const struct uni_recipe *recipe, const struct uni_disk_format *format,
		 struct uni_buf *out, struct uni_err *err)
{
	const struct uni_recipe_output *output = uni_recipe_output_find(recipe, format->name);
	struct uni_disk_options options = uni_plan_disk_options(recipe, format->name);
	int rc = uni_disk_resolve(format, &options, err);

	if (rc != 0)
		return uni_recipe_error(recipe,
					output != NULL ? output->pos : (struct uni_pos){ 0 }, rc,
					err, "[output.%s]: %s", format->name, err->text);
	line_disk(recipe, format->name, out);
	if (options.variant != NULL)
		line_text(out, "variant", options.variant);
	if (options.compression != NULL)
		line_text(out, "compression", options.compression);
	line_number(out, "level", options.level);
	return 0;
}

void options_form(const struct uni_recipe *recipe, const struct uni_form *form, struct uni_buf *out)
{
	line_disk(recipe, form->name, out);
	line_text(out, "version", recipe->image.version);
	line_number(out, "memory", recipe->machine.memory);
	line_number(out, "processors", recipe->machine.processors);
	line_number(out, "network", recipe->config.networks.count != 0);
	for (size_t i = 0; form->volumes != 0 && i < recipe->volume_count; i++)
		if (uni_recipe_volume_beside(&recipe->volumes[i]))
			line_text(out, recipe->volumes[i].writable ? "writable" : "beside",
				  recipe->volumes[i].name);
}

void options_machine(const struct uni_recipe *recipe, const struct uni_machine_format *format,
		     struct uni_buf *out)
{
	const struct uni_recipe_output *output = uni_recipe_output_find(recipe, format->name);

	line_text(out, "format", format->name);
	line_text(out, "image", recipe->image.name);
	line_text(out, "folder",
		  output != NULL && output->folder != NULL ? output->folder : format->folder);
	line_number(out, "memory", recipe->machine.memory);
	line_number(out, "processors", recipe->machine.processors);
	line_number(out, "networks", recipe->config.networks.count);
	for (size_t i = 0; i < recipe->volume_count; i++)
		if (recipe->volumes[i].format != UNI_FS_TMPFS &&
		    !uni_recipe_in_elf(&recipe->volumes[i]))
			line_text(out, "disk", recipe->volumes[i].name);
}

static void line_source(struct uni_buf *out, const char *kind, const struct uni_plan_source *source)
{
	char digest[UNI_DIGEST_TEXT];

	uni_digest_text(&source->digest, digest);
	line_text(out, kind, source->name);
	/* A tree not hashed yet has a step of its own, whose key says what it is. */
	if (!source->cold)
		line_text(out, "digest", digest);
}

void options_manifest(const struct uni_plan_inputs *in, struct uni_buf *out)
{
	char digest[UNI_DIGEST_TEXT];

	uni_digest_text(&in->recipe_digest, digest);
	line_text(out, "uni", UNI_VERSION);
	line_text(out, "recipe", digest);
	line_epoch(out, in->recipe->image.epoch);
	line_number(out, "outer-epoch", in->outer_epoch);
	for (size_t i = 0; i < in->format_count; i++)
		line_text(out, "format", in->formats[i]);
	line_source(out, "base", &in->base);
	for (size_t i = 0; i < in->object_count; i++)
		line_source(out, "object", &in->objects[i]);
	for (size_t i = 0; i < in->library_count; i++)
		line_source(out, "library", &in->libraries[i]);
	if (in->program != NULL)
		line_source(out, "program", in->program);
	if (in->ca != NULL)
		line_source(out, "ca", in->ca);
	if (in->boot_key != NULL)
		line_source(out, "secure-boot-key", in->boot_key);
	if (in->boot_certificate != NULL)
		line_source(out, "secure-boot-certificate", in->boot_certificate);
	for (size_t i = 0; i < in->mentioned_count; i++)
		line_source(out, "mentioned", &in->mentioned[i]);
}
