/*
 * uni inspect: what is inside an image or a package, and files out of its volumes, without starting
 * it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/digest.h>
#include <uni/base/mapdigest.h>
#include <uni/base/path.h>
#include <uni/bundle/package.h>
#include <uni/inspect/image.h>

#include "commands.h"
#include "list.h"

static const struct cli_option options[] = { { 0 } };

static const char *type_name(const struct uni_uuid *type)
{
	static const struct {
		const char *guid, *name;
	} types[] = {
		{ UNI_GPT_BIOS_BOOT, "bios-boot" },
		{ UNI_GPT_ESP, "efi-system" },
		{ UNI_GPT_KERNEL, "kernel" },
		{ UNI_GPT_VOLUME, "volume" },
	};
	struct uni_uuid known;

	for (size_t i = 0; i < UNI_COUNT(types); i++)
		if (uni_uuid_parse(types[i].guid, &known) &&
		    memcmp(known.bytes, type->bytes, sizeof(known.bytes)) == 0)
			return types[i].name;
	return "other";
}

static void add_hex(struct uni_buf *out, const uint8_t *bytes, size_t size)
{
	char hex[65];

	uni_hex(bytes, size < 32 ? size : 32, hex);
	uni_buf_puts(out, hex);
}

static const char *const loader_names[] = {
	[UNI_LOADER_NONE] = "none",
	[UNI_LOADER_FOREIGN] = "foreign",
	[UNI_LOADER_SEALED] = "sealed",
	[UNI_LOADER_OTHER] = "other",
};

static void holds_json(const char *holds, struct uni_buf *out)
{
	if (holds != NULL)
		uni_buf_printf(out, ", \"holds\": \"%s\"", holds);
}

static void mbr_json(const struct uni_disk_mbr *mbr, struct uni_buf *out)
{
	uni_buf_printf(out, ",\n  \"mbr\": {\"bios_code\": %s, \"partitions\": [",
		       mbr->bios_code ? "true" : "false");
	for (size_t i = 0; i < mbr->count; i++) {
		const struct uni_disk_mbr_entry *entry = &mbr->entries[i];

		uni_buf_printf(out,
			       "%s\n    {\"type\": \"0x%02x\", \"active\": %s, \"beyond_end\": "
			       "%s, \"offset\": %" PRIu64 ", \"size\": %" PRIu64,
			       i != 0 ? "," : "", entry->type, entry->active ? "true" : "false",
			       entry->beyond ? "true" : "false", entry->offset, entry->size);
		holds_json(entry->holds, out);
		uni_buf_putc(out, '}');
	}
	uni_buf_puts(out, "]}");
}

static void path_json(const char *key, const char *path, struct uni_buf *out)
{
	uni_buf_printf(out, ", \"%s\": ", key);
	uni_json_string(out, path);
}

static void machine_json(const struct uni_machine_found *machine, struct uni_buf *out)
{
	uni_buf_printf(out,
		       ",\n  \"machine\": {\"format\": \"%s\", \"memory\": %" PRIu64
		       ", \"processors\": %" PRIu64 ", \"networks\": %" PRIu64,
		       machine->format->name, machine->memory, machine->processors,
		       machine->networks);
	path_json("name", machine->name, out);
	path_json("kernel", machine->kernel, out);
	uni_buf_puts(out, ", \"disks\": [");
	for (size_t i = 0; i < machine->disk_count; i++) {
		uni_buf_printf(out, "%s{\"writable\": %s", i != 0 ? ", " : "",
			       machine->disks[i].writable ? "true" : "false");
		path_json("file", machine->disks[i].file, out);
		uni_buf_putc(out, '}');
	}
	uni_buf_puts(out, "]}");
}

static void disk_json(const struct uni_image *image, struct uni_buf *out)
{
	char guid[UNI_UUID_TEXT];

	uni_buf_printf(out, ",\n  \"form\": \"%s\", \"disk_size\": %" PRIu64, image->form,
		       image->disk_size);
	if (image->mbr != NULL)
		mbr_json(image->mbr, out);
	holds_json(image->whole, out);
	if (image->disk == NULL)
		return;
	uni_uuid_text(&image->disk->guid, guid);
	uni_buf_printf(
		out,
		",\n  \"disk\": {\"guid\": \"%s\", \"bios_code\": %s, \"uefi_loader\": \"%s\", "
		"\"uefi_signed\": %s, \"primary_sound\": %s, \"backup_sound\": %s, \"partitions\": "
		"[",
		guid, image->disk->bios_code ? "true" : "false", loader_names[image->loader],
		image->loader_signed ? "true" : "false",
		image->disk->primary_sound ? "true" : "false",
		image->disk->backup_sound ? "true" : "false");
	for (size_t i = 0; i < image->disk->count; i++) {
		const struct uni_disk_entry *entry = &image->disk->entries[i];

		uni_uuid_text(&entry->guid, guid);
		uni_buf_printf(out, "%s\n    {\"name\": ", i != 0 ? "," : "");
		uni_json_string(out, entry->name);
		uni_buf_printf(out,
			       ", \"type\": \"%s\", \"guid\": \"%s\", \"offset\": %" PRIu64
			       ", \"size\": %" PRIu64,
			       type_name(&entry->type), guid, entry->offset, entry->size);
		holds_json(image->holds[i], out);
		uni_buf_putc(out, '}');
	}
	uni_buf_puts(out, "]}");
}

static void kernel_json(const struct uni_image *image, struct uni_buf *out)
{
	uni_buf_printf(out,
		       ",\n  \"kernel\": {\"size\": %" PRIu64 ", \"entry\": \"0x%" PRIx64
		       "\", \"load\": \"0x%" PRIx64 "\"",
		       image->elf_size, image->kernel.entry, image->kernel.load_paddr);
	uni_buf_puts(out, ", \"words\": ");
	uni_json_string(out, image->kernel.words);
	if (image->has_box) {
		uni_buf_printf(
			out, ", \"stored_size\": %" PRIu64 ", \"codec\": \"%s\", \"sha256\": \"",
			image->box.stored_size, image->box.codec == UNI_BOX_LZ4 ? "lz4" : "stored");
		add_hex(out, image->box.sha256, sizeof(image->box.sha256));
		uni_buf_putc(out, '"');
	}
	if (image->kernel.packed_to != 0)
		uni_buf_printf(out,
			       ", \"packed\": {\"offset\": %" PRIu64 ", \"size\": %" PRIu64 "}",
			       image->kernel.packed_from,
			       image->kernel.packed_to - image->kernel.packed_from);
	uni_buf_puts(out, ", \"parts\": [");
	for (uint32_t i = 0; i < image->kernel.part_count; i++)
		uni_buf_printf(
			out, "%s{\"kind\": \"%s\", \"offset\": %" PRIu64 ", \"size\": %" PRIu64 "}",
			i != 0 ? ", " : "", uni_image_part_name(image->kernel.parts[i].kind),
			image->kernel.parts[i].offset, image->kernel.parts[i].size);
	uni_buf_puts(out, "]}");
	if (image->config != NULL) {
		uni_buf_puts(out, ",\n  \"config\": ");
		uni_boot_config_json(image->config, 2, out);
	}
}

static int about_volume(const struct uni_image_volume *volume, struct uni_fs_about *about,
			struct uni_err *err)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;

	if (uni_fs_open(&reader, volume->fd, volume->offset, volume->size, volume->name, err) != 0)
		return err->code;
	uni_fs_about(reader, about);
	return 0;
}

static int volume_json(const struct uni_image_volume *volume, bool first, struct uni_buf *out,
		       struct uni_err *err)
{
	struct uni_fs_about about;

	if (about_volume(volume, &about, err) != 0)
		return err->code;
	uni_buf_printf(out, "%s\n    {\"name\": ", first ? "" : ",");
	uni_json_string(out, volume->name);
	if (volume->mount != NULL) {
		uni_buf_puts(out, ", \"mount\": ");
		uni_json_string(out, volume->mount);
	}
	uni_buf_printf(out,
		       ", \"format\": \"%s\", \"embedded\": %s, \"offset\": %" PRIu64
		       ", \"size\": %" PRIu64 ", \"used\": %" PRIu64,
		       about.format, volume->embedded ? "true" : "false", volume->offset,
		       volume->size, about.used);
	if (about.compression != NULL)
		uni_buf_printf(out, ", \"compression\": \"%s\"", about.compression);
	if (volume->wire != NULL && (volume->wire->flags & UNI_MOUNT_VERITY) != 0) {
		uni_buf_puts(out, ", \"root_hash\": \"");
		add_hex(out, volume->wire->root_hash, 32);
		uni_buf_puts(out, "\", \"salt\": \"");
		add_hex(out, volume->wire->salt, volume->wire->salt_size);
		uni_buf_printf(out, "\", \"hash_offset\": %" PRIu64, volume->wire->hash_offset);
	}
	uni_buf_putc(out, '}');
	return 0;
}

static int image_json(const struct uni_image *image, struct uni_buf *out, struct uni_err *err)
{
	char digest[UNI_DIGEST_TEXT];

	uni_content_digest_text(&image->digest, image->mapped, digest);
	uni_buf_printf(out,
		       "{\n  \"kind\": \"%s\",\n  \"size\": %" PRIu64 ",\n  \"digest\": \"%s\"",
		       uni_image_kind_name(image->kind), image->size, digest);
	if (image->kind == UNI_IMAGE_DISK)
		disk_json(image, out);
	if (image->machine != NULL)
		machine_json(image->machine, out);
	if (image->elf_fd >= 0)
		kernel_json(image, out);
	uni_buf_puts(out, ",\n  \"volumes\": [");
	for (size_t i = 0; i < image->volume_count; i++)
		if (volume_json(&image->volumes[i], i == 0, out, err) != 0)
			return err->code;
	uni_buf_puts(out, "]\n}\n");
	return 0;
}

static const char *const loader_words[] = {
	[UNI_LOADER_NONE] = "",
	[UNI_LOADER_FOREIGN] = ", has a UEFI loader",
	[UNI_LOADER_SEALED] = ", starts by UEFI",
	[UNI_LOADER_OTHER] = ", UEFI LOADER OF ANOTHER KERNEL",
};

static void mbr_text(const struct uni_disk_mbr *mbr, struct uni_buf *out)
{
	uni_buf_printf(out, "disk with an MBR alone%s\n", mbr->bios_code ? ", starts by BIOS" : "");
	for (size_t i = 0; i < mbr->count; i++) {
		const struct uni_disk_mbr_entry *entry = &mbr->entries[i];

		uni_buf_printf(out,
			       "  type 0x%02x  %-18s  at %-10" PRIu64 "  %10" PRIu64 " bytes%s%s\n",
			       entry->type, entry->holds != NULL ? entry->holds : "-",
			       entry->offset, entry->size, entry->active ? "  active" : "",
			       entry->beyond ? "  ENDS BEHIND THE DISK" : "");
	}
}

static void machine_text(const struct uni_machine_found *machine, struct uni_buf *out)
{
	uni_buf_printf(out, "%s machine %s", machine->format->name,
		       machine->name != NULL ? machine->name : "without a name");
	if (machine->memory != 0)
		uni_buf_printf(out, ", %" PRIu64 " MiB", machine->memory >> 20);
	if (machine->processors != 0)
		uni_buf_printf(out, ", %" PRIu64 " processor%s", machine->processors,
			       machine->processors != 1 ? "s" : "");
	uni_buf_printf(out, ", %" PRIu64 " network%s\n", machine->networks,
		       machine->networks != 1 ? "s" : "");
	if (machine->kernel != NULL)
		uni_buf_printf(out, "  kernel  %s\n", machine->kernel);
	for (size_t i = 0; i < machine->disk_count; i++)
		uni_buf_printf(out, "  disk    %s%s\n", machine->disks[i].file,
			       machine->disks[i].writable ? ", writable" : "");
}

static void disk_text(const struct uni_image *image, struct uni_buf *out)
{
	char guid[UNI_UUID_TEXT];

	if (!uni_str_eq(image->form, "raw"))
		uni_buf_printf(out, "%s of %" PRIu64 " bytes\n", image->form, image->disk_size);
	if (image->mbr != NULL)
		mbr_text(image->mbr, out);
	if (image->whole != NULL)
		uni_buf_printf(out, "no partition table, holds %s\n", image->whole);
	else if (image->disk == NULL && image->mbr == NULL)
		uni_buf_puts(out, "no partition table, and nothing that is known here\n");
	if (image->disk == NULL)
		return;
	uni_uuid_text(&image->disk->guid, guid);
	uni_buf_printf(out, "disk %s%s%s%s%s%s\n", guid,
		       image->disk->bios_code ? ", starts by BIOS" : "",
		       loader_words[image->loader], image->loader_signed ? ", signed" : "",
		       image->disk->primary_sound ? "" : ", PRIMARY PARTITION TABLE DAMAGED",
		       image->disk->backup_sound ? "" : ", BACKUP PARTITION TABLE DAMAGED");
	for (size_t i = 0; i < image->disk->count; i++) {
		const struct uni_disk_entry *entry = &image->disk->entries[i];

		uni_uuid_text(&entry->guid, guid);
		uni_buf_printf(out,
			       "  %-10s  %-16s  at %-10" PRIu64 "  %10" PRIu64 " bytes  %s%s%s\n",
			       type_name(&entry->type), entry->name, entry->offset, entry->size,
			       guid, image->holds[i] != NULL ? "  " : "",
			       image->holds[i] != NULL ? image->holds[i] : "");
	}
}

static void config_text(const struct uni_boot_config *config, struct uni_buf *out)
{
	uni_buf_puts(out, "configuration\n  runs");
	for (size_t i = 0; i < config->args.count; i++)
		uni_buf_printf(out, " %s", config->args.items[i]);
	uni_buf_printf(out, "\n  as %s\n", config->program != NULL ? config->program : "-");
	for (size_t i = 0; i < config->env.count; i++)
		uni_buf_printf(out, "  with %s\n", config->env.items[i]);
	if (config->hostname != NULL)
		uni_buf_printf(out, "  host name %s\n", config->hostname);
	for (size_t i = 0; i < config->networks.count; i++)
		uni_buf_printf(out, "  network %s\n", config->networks.items[i]);
	for (size_t i = 0; i < config->resolvers.count; i++)
		uni_buf_printf(out, "  resolver %s\n", config->resolvers.items[i]);
}

/* "volumes: virtio-blk-pci, nvme, ..." */
static void words_text(const char *words, struct uni_buf *out)
{
	size_t name = strcspn(words, " ");

	uni_buf_printf(out, "  %.*s%s", (int)name, words, words[name] != '\0' ? ": " : "");
	for (const char *at = words + name; *at != '\0'; at++)
		if (*at == ' ')
			uni_buf_puts(out, at == words + name ? "" : ", ");
		else
			uni_buf_putc(out, *at);
	uni_buf_putc(out, '\n');
}

static void part_text(const char *name, uint64_t offset, uint64_t size, struct uni_buf *out)
{
	uni_buf_printf(out, "  %-14s at %-10" PRIu64 "  %10" PRIu64 " bytes\n", name, offset, size);
}

static void kernel_text(const struct uni_image *image, struct uni_buf *out)
{
	const struct uni_kernel_image *kernel = &image->kernel;

	uni_buf_printf(out, "kernel, %" PRIu64 " bytes, entry 0x%" PRIx64, image->elf_size,
		       image->kernel.entry);
	if (image->has_box)
		uni_buf_printf(out, ", stored as %" PRIu64 " (%s)", image->box.stored_size,
			       image->box.codec == UNI_BOX_LZ4 ? "lz4" : "as is");
	uni_buf_putc(out, '\n');
	if (kernel->words[0] != '\0')
		words_text(kernel->words, out);
	if (kernel->packed_to != 0)
		part_text("packed kernel", kernel->packed_from,
			  kernel->packed_to - kernel->packed_from, out);
	for (uint32_t i = 0; i < kernel->part_count; i++)
		part_text(uni_image_part_name(kernel->parts[i].kind), kernel->parts[i].offset,
			  kernel->parts[i].size, out);
	if (image->config != NULL)
		config_text(image->config, out);
}

static int volume_text(const struct uni_image_volume *volume, struct uni_buf *out,
		       struct uni_err *err)
{
	struct uni_fs_about about;

	if (about_volume(volume, &about, err) != 0)
		return err->code;
	uni_buf_printf(out, "volume %s%s%s\n  %s%s%s, %" PRIu64 " bytes used of %" PRIu64 "%s\n",
		       volume->name, volume->mount != NULL ? " at " : "",
		       volume->mount != NULL ? volume->mount : "", about.format,
		       about.compression != NULL ? ", " : "",
		       about.compression != NULL ? about.compression : "", about.used, volume->size,
		       volume->embedded ? ", embedded" : "");
	if (volume->wire != NULL && (volume->wire->flags & UNI_MOUNT_VERITY) != 0) {
		uni_buf_puts(out, "  root hash ");
		add_hex(out, volume->wire->root_hash, 32);
		uni_buf_putc(out, '\n');
	}
	return 0;
}

static int image_text(const struct uni_image *image, struct uni_buf *out, struct uni_err *err)
{
	char digest[UNI_DIGEST_TEXT];

	uni_content_digest_text(&image->digest, image->mapped, digest);
	uni_buf_printf(out, "%s  %" PRIu64 "  %s\n", digest, image->size, image->path);
	if (image->kind == UNI_IMAGE_DISK)
		disk_text(image, out);
	if (image->machine != NULL)
		machine_text(image->machine, out);
	if (image->elf_fd >= 0)
		kernel_text(image, out);
	for (size_t i = 0; i < image->volume_count; i++)
		if (volume_text(&image->volumes[i], out, err) != 0)
			return err->code;
	return 0;
}

static int list_entry(void *user, const char *name, const struct uni_fs_stat *stat,
		      struct uni_err *err)
{
	static const char letters[] = "-dlbcps";
	static const char *const types[] = { "file",	  "folder", "link",  "block",
					     "character", "fifo",   "socket" };
	struct cli_list *list = user;
	struct uni_buf *out = cli_list_item(list);

	(void)err;
	if (!list->json) {
		uni_buf_printf(out, "%c%04o %5u %5u %12" PRIu64 "  %s\n", letters[stat->type],
			       stat->mode, stat->uid, stat->gid, stat->size, name);
		return 0;
	}
	uni_buf_printf(out,
		       "{\"type\": \"%s\", \"mode\": \"%04o\", \"uid\": %u, "
		       "\"gid\": %u, \"size\": %" PRIu64 ", \"mtime\": %" PRId64 ", \"name\": ",
		       types[stat->type], stat->mode, stat->uid, stat->gid, stat->size,
		       stat->mtime);
	uni_json_string(out, name);
	uni_buf_putc(out, '}');
	return 0;
}

static int write_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	const struct uni_buf piece = { (char *)(uintptr_t)data, size, size };

	(void)user;
	(void)err;
	cli_out_buf(&piece);
	return 0;
}

static int list_path(struct cli *cli, struct uni_fs_reader *reader, const char *inside,
		     struct uni_err *err)
{
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);
	struct uni_fs_stat stat;
	int status = uni_fs_stat(reader, inside, &stat, err);

	if (status == 0 && stat.type != UNI_FS_TYPE_FOLDER && stat.type != UNI_FS_TYPE_LINK)
		status = list_entry(&list, uni_path_base(inside), &stat, err);
	else if (status == 0)
		status = uni_fs_list(reader, inside, list_entry, &list, err);
	if (status == 0)
		cli_list_print(&list);
	return status;
}

/* ls and cat: paths are those that the guest sees. */
static int look_inside(struct cli *cli, struct uni_image *image, struct uni_err *err)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	UNI_AUTO_FREE char *path = uni_path_normal(cli->arg_count > 2 ? cli->args[2] : "/");
	const char *inside = NULL;

	if (uni_image_find(image, path, &reader, &inside, err) != 0)
		return err->code;
	if (uni_str_eq(cli->args[1], "ls"))
		return list_path(cli, reader, inside, err);
	return uni_fs_read(reader, inside, write_data, NULL, err);
}

/* Reads the whole package, so that what is shown was checked against its digests. */
static int inspect_package(struct cli *cli, struct uni_err *err)
{
	UNI_AUTO(uni_package) struct uni_package *package = NULL;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO_CLOSE int fd = open(cli->args[0], O_RDONLY | O_CLOEXEC);
	struct uni_digest digest;
	char text[UNI_DIGEST_TEXT];

	if (fd < 0)
		return uni_err_errno(err, "%s", cli->args[0]);
	if (uni_package_read(&package, fd, cli->args[0], NULL, err) != 0)
		return err->code;
	if (cli->json) {
		uni_package_json(package, &out);
		cli_out_buf(&out);
		return 0;
	}
	digest = uni_package_digest(package);
	uni_digest_text(&digest, text);
	uni_buf_printf(&out, "package %s %s for %s, %s\n  %s\n", package->name, package->version,
		       package->arch, uni_package_kind_name(package->kind), text);
	if (package->description != NULL)
		uni_buf_printf(&out, "  %s\n", package->description);
	if (package->licence != NULL)
		uni_buf_printf(&out, "  licence %s\n", package->licence);
	for (size_t i = 0; i < package->file_count; i++)
		uni_buf_printf(&out, "  %04o %12" PRIu64 "  %s\n", package->files[i].mode,
			       package->files[i].size, package->files[i].path);
	cli_out_buf(&out);
	return 0;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_image) struct uni_image *image = NULL;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	int status;

	if (uni_str_ends(cli->args[0], UNI_PACKAGE_SUFFIX) && cli->arg_count == 1)
		return inspect_package(cli, &err) != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
	if (cli->arg_count > 1 && !uni_str_eq(cli->args[1], "ls") &&
	    !uni_str_eq(cli->args[1], "cat")) {
		uni_err_set(&err, UNI_E_USAGE, "\"%s\" is neither ls nor cat", cli->args[1]);
		return cli_fail(cli, &err);
	}
	if (cli->arg_count == 2 && uni_str_eq(cli->args[1], "cat")) {
		uni_err_set(&err, UNI_E_USAGE, "cat wants the path of a file");
		return cli_fail(cli, &err);
	}
	if (uni_image_open(&image, cli->args[0], &err) != 0)
		return cli_fail(cli, &err);
	if (cli->arg_count > 1)
		status = look_inside(cli, image, &err);
	else
		status = cli->json ? image_json(image, &out, &err) : image_text(image, &out, &err);
	cli_out_buf(&out);
	return status != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni inspect out/site.raw", "partitions, kernel, configuration, volumes" },
	{ "uni inspect out/site.raw ls /srv", "files, at the paths that the guest sees" },
	{ "uni inspect out/site.elf cat /etc/hostname", "one file's content" },
	{ 0 },
};

const struct cli_command cli_cmd_inspect = {
	.name = "inspect",
	.arguments = "IMAGE|PACKAGE [ls [PATH] | cat PATH]",
	.summary = "Show what is inside an image or a package, without starting it",
	.options = options,
	.least = 1,
	.most = 3,
	.examples = examples,
	.run = run,
};
