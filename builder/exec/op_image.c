/*
 * Putting the image together: the bootable ELF, its box, and disks.
 */
#include "internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/disk/disk.h>
#include <uni/kernel/elf.h>
#include <uni/kernel/kernel.h>

#define STAGE_MAX (1u << 20)

/* Descriptors that are open as long as parts or partitions refer to them. */
struct fds {
	int items[UNI_DISK_PARTITIONS_MAX + UNI_PARTS_MAX];
	size_t count;
};

static void fds_close(struct fds *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		uni_close_fd(&fds->items[i]);
}

static int open_blob(struct build *b, const struct uni_store_entry *blob, struct fds *fds, int *fd,
		     struct uni_err *err)
{
	struct uni_store_entry own = *blob; /* other steps may be at the same one */
	int rc;

	if (fds->count == UNI_COUNT(fds->items))
		return uni_err_set(err, UNI_E_LIMIT, "too many volumes");
	rc = uni_store_blob_open(b->store, &own, fd, err);
	if (rc == 0)
		fds->items[fds->count++] = *fd;
	return rc;
}

/* A volume's input: what it is, what its maker says of it, and its bytes. */
struct volume_use {
	const struct uni_recipe_volume *volume;
	size_t index;
	struct volume_words words;
	struct uni_store_entry *blob;
};

static bool volume_use(struct build *b, const struct uni_step *step, size_t input,
		       struct volume_use *use)
{
	use->volume = volume_named(b, step->inputs[input].name, &use->index);
	if (use->volume == NULL || step->inputs[input].step < 0)
		return false;
	use->blob = input_blob(b, step, input);
	return volume_words_read(input_record(b, step, input)->meta, &use->words);
}

/* --- the bootable ELF --- */

static void fill_mount(struct uni_boot_config *config, const struct volume_use *use)
{
	struct uni_config_mount *wire = &config->mounts[use->index].wire;

	/* The kernel looks for these bytes in the partition table: GPT's order. */
	const struct uni_uuid guid = uni_uuid_swap(&use->words.uuid);

	memcpy(wire->uuid, guid.bytes, sizeof(wire->uuid));
	wire->size = use->words.size;
	if (!use->volume->verity)
		return;
	wire->data_blocks = use->words.data_blocks;
	wire->hash_offset = use->words.hash_offset;
	wire->salt_size = use->words.salt_size;
	memcpy(wire->salt, use->words.salt, use->words.salt_size);
	memcpy(wire->root_hash, use->words.root_hash, sizeof(wire->root_hash));
}

struct kernel_parts {
	struct uni_kernel_part items[UNI_PARTS_MAX];
	size_t count;
	struct fds fds;
};

static int add_part(struct build *b, struct kernel_parts *parts, enum uni_part_kind kind,
		    struct uni_store_entry *blob, const struct uni_uuid *uuid, struct uni_err *err)
{
	struct uni_kernel_part part = { .kind = kind, .size = blob->size };
	int rc;

	if (parts->count == UNI_PARTS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a kernel carries at most %d parts",
				   UNI_PARTS_MAX);
	if (uuid != NULL)
		part.uuid = *uuid;
	rc = open_blob(b, blob, &parts->fds, &part.fd, err);
	if (rc == 0)
		parts->items[parts->count++] = part;
	return rc;
}

static int add_volume_parts(struct build *b, const struct uni_step *step,
			    struct kernel_parts *parts, struct uni_boot_config *config,
			    struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < step->input_count; i++) {
		struct volume_use use;

		if (!volume_use(b, step, i, &use))
			continue;
		fill_mount(config, &use);
		if (!uni_recipe_in_elf(use.volume))
			continue;
		if (use.blob->size > UNI_RECIPE_EMBED_MAX)
			return uni_recipe_error(b->recipe, use.volume->pos, UNI_E_LIMIT, err,
						"volume \"%s\" is %s; at most %s can be embedded",
						use.volume->name, uni_size_text(use.blob->size),
						uni_size_text(UNI_RECIPE_EMBED_MAX));
		rc = add_part(b, parts, UNI_PART_VOLUME, use.blob, &use.words.uuid, err);
	}
	return rc;
}

static int check_program(struct build *b, const struct kernel_parts *parts, struct uni_err *err)
{
	const struct uni_kernel_part *program = &parts->items[0];
	struct uni_elf *elf UNI_AUTO(uni_elf) = NULL;
	const char *name = b->program.name != NULL ? b->program.name : "program";
	int rc = uni_elf_open(&elf, program->fd, 0, program->size, name, err);

	if (rc == 0)
		rc = uni_elf_check_program(elf, err);
	return rc;
}

static int add_program(struct build *b, const struct uni_step *step, struct kernel_parts *parts,
		       struct uni_err *err)
{
	struct uni_store_entry *blob;
	int rc;

	if (b->program.name == NULL) {
		blob = input_blob(b, step, (size_t)find_input(step, "program"));
	} else {
		rc = item_blob(b, &b->program, err);
		if (rc != 0)
			return rc;
		blob = &b->program.blob;
	}
	rc = add_part(b, parts, UNI_PART_PROGRAM, blob, NULL, err);
	return rc != 0 ? rc : check_program(b, parts, err);
}

static int compose(struct build *b, const struct uni_step *step, struct kernel_parts *parts,
		   const struct uni_buf *config, struct uni_store_record *record,
		   struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_kernel_result result;
	struct uni_store_entry blob;
	const struct uni_base_kernel *kernel;
	int rc = base_kernel(b, step, &kernel, err);

	if (parts->count == UNI_PARTS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a kernel carries at most %d parts",
				   UNI_PARTS_MAX);
	parts->items[parts->count++] = (struct uni_kernel_part){
		.kind = UNI_PART_CONFIG, .data = config->data, .fd = -1, .size = config->size
	};
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc == 0)
		rc = kernel->base->kind->compose(kernel, parts->items, parts->count,
						 uni_store_writer_fd(writer), &result, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, &result.digest, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, "elf", &blob);
	return rc;
}

static int make_kernel(struct build *b, const struct uni_step *step, struct kernel_parts *parts,
		       struct uni_store_record *record, struct uni_err *err)
{
	struct uni_boot_config *config UNI_AUTO(uni_boot_config) = uni_plan_boot_config(b->recipe);
	struct uni_buf encoded UNI_AUTO_BUF = UNI_BUF_INIT;
	int root = find_input(step, "root");
	int rc = add_program(b, step, parts, err);

	if (rc == 0 && root >= 0)
		rc = add_part(b, parts, UNI_PART_ROOT, input_blob(b, step, (size_t)root), NULL,
			      err);
	if (rc == 0)
		rc = add_volume_parts(b, step, parts, config, err);
	if (rc == 0)
		rc = uni_boot_config_encode(config, &encoded, err);
	return rc != 0 ? rc : compose(b, step, parts, &encoded, record, err);
}

int op_kernel(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	      struct uni_err *err)
{
	struct kernel_parts parts = { .count = 0 };
	int rc = make_kernel(b, step, &parts, record, err);

	fds_close(&parts.fds);
	return rc;
}

/* --- its box --- */

int op_box(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	   struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_store_entry elf = *input_blob(b, step, (size_t)find_input(step, "elf"));
	struct uni_store_entry blob;
	struct uni_digest digest;
	int fd UNI_AUTO_CLOSE = -1;
	uint64_t size;
	const struct uni_base_kernel *kernel;
	int rc = base_kernel(b, step, &kernel, err);

	if (rc == 0)
		rc = uni_store_blob_open(b->store, &elf, &fd, err);
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc == 0)
		rc = uni_box_pack(fd, elf.size, kernel->packed.path, uni_store_writer_fd(writer),
				  &size, &digest, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, &digest, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, "box", &blob);
	return rc;
}

struct uni_uuid kernel_partition(const struct uni_store_entry *box)
{
	return uni_uuid_derive("uni partition kernel", &box->digest);
}

/* --- disks --- */

struct disk {
	struct uni_disk_layout layout;
	struct uni_disk_partition partitions[UNI_DISK_PARTITIONS_MAX];
	struct uni_hash identity; /* of the disk: all that is on it */
	struct uni_buf stage1, stage2;
	struct fds fds;
};

static struct uni_uuid uuid_of(const char *text)
{
	struct uni_uuid uuid = { .bytes = { 0 } };

	(void)uni_uuid_parse(text, &uuid);
	return uuid;
}

static int add_partition(struct disk *disk, const struct uni_disk_partition *partition,
			 const struct uni_digest *content, struct uni_err *err)
{
	if (disk->layout.count == UNI_DISK_PARTITIONS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a disk has at most %d partitions",
				   UNI_DISK_PARTITIONS_MAX);
	uni_hash_add_text(&disk->identity, partition->name);
	uni_hash_add(&disk->identity, content->bytes, sizeof(content->bytes));
	disk->partitions[disk->layout.count++] = *partition;
	return 0;
}

static int add_stages(struct build *b, struct disk *disk, const struct uni_base *base,
		      struct uni_err *err)
{
	struct uni_disk_partition partition = { .name = "boot",
						.type = uuid_of(UNI_GPT_BIOS_BOOT) };
	struct uni_digest digest;
	int rc;

	if (!b->recipe->boot.bios || base->stage1.path == NULL || base->stage2.path == NULL)
		return 0;
	rc = uni_file_read(base->stage1.path, STAGE_MAX, &disk->stage1, err);
	if (rc == 0)
		rc = uni_file_read(base->stage2.path, STAGE_MAX, &disk->stage2, err);
	if (rc != 0)
		return rc;
	disk->layout.stage1 = disk->stage1.data;
	disk->layout.stage1_size = disk->stage1.size;
	digest = uni_digest_of(disk->stage1.data, disk->stage1.size);
	uni_hash_add(&disk->identity, digest.bytes, sizeof(digest.bytes));
	digest = uni_digest_of(disk->stage2.data, disk->stage2.size);
	partition.guid = uni_uuid_derive("uni partition boot", &digest);
	partition.content = (struct uni_disk_content){ .data = disk->stage2.data,
						       .fd = -1,
						       .size = disk->stage2.size };
	return add_partition(disk, &partition, &digest, err);
}

static int add_blob(struct build *b, struct disk *disk, struct uni_disk_partition *partition,
		    struct uni_store_entry *blob, struct uni_err *err)
{
	int rc = open_blob(b, blob, &disk->fds, &partition->content.fd, err);

	partition->content.size = blob->size;
	partition->content.known = &blob->digest;
	return rc != 0 ? rc : add_partition(disk, partition, &blob->digest, err);
}

static int add_system(struct build *b, const struct uni_step *step, struct disk *disk,
		      struct uni_err *err)
{
	struct uni_disk_partition partition = { .name = "esp", .type = uuid_of(UNI_GPT_ESP) };
	int input = find_input(step, "esp");
	struct uni_store_entry *blob;

	if (input < 0)
		return 0;
	blob = input_blob(b, step, (size_t)input);
	partition.guid = uni_uuid_derive("uni partition esp", &blob->digest);
	return add_blob(b, disk, &partition, blob, err);
}

static int add_kernel(struct build *b, struct disk *disk, struct uni_store_entry *box,
		      struct uni_err *err)
{
	struct uni_disk_partition partition = {
		.name = "kernel",
		.type = uuid_of(UNI_GPT_KERNEL),
		.guid = kernel_partition(box),
	};

	return add_blob(b, disk, &partition, box, err);
}

static int partition_too_small(const struct build *b, const struct volume_use *use,
			       struct uni_err *err)
{
	uni_recipe_error(b->recipe, use->volume->size_pos, UNI_E_LIMIT, err,
			 "volume \"%s\" needs %s, more than its size of %s", use->volume->name,
			 uni_size_text(use->blob->size), uni_size_text(use->volume->size));
	return uni_err_hint(err, "a size of %lluK would do",
			    (unsigned long long)(use->blob->size + 1023) / 1024);
}

static int add_volumes(struct build *b, const struct uni_step *step, struct disk *disk,
		       struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < step->input_count; i++) {
		struct volume_use use;
		struct uni_disk_partition partition = { .type = uuid_of(UNI_GPT_VOLUME) };

		if (!volume_use(b, step, i, &use) || !uni_recipe_partition(use.volume))
			continue;
		if (use.volume->size != 0 && use.volume->size < use.blob->size)
			return partition_too_small(b, &use, err);
		partition.name = use.volume->name;
		partition.guid = use.words.uuid;
		partition.size = use.volume->size;
		uni_hash_add_u64(&disk->identity, partition.size);
		rc = add_blob(b, disk, &partition, use.blob, err);
	}
	return rc;
}

/* The partitions as they came to lie, for the manifest. */
static char *disk_words(const struct disk *disk, const struct uni_disk_result *result)
{
	struct uni_buf out = UNI_BUF_INIT;

	for (size_t i = 0; i < disk->layout.count; i++) {
		const struct uni_disk_partition *partition = &disk->partitions[i];
		char type[UNI_UUID_TEXT], guid[UNI_UUID_TEXT], digest[UNI_DIGEST_TEXT];

		uni_uuid_text(&partition->type, type);
		uni_uuid_text(&partition->guid, guid);
		uni_digest_text(&result->placed[i].digest, digest);
		uni_buf_printf(&out, "%s %s %s %" PRIu64 " %" PRIu64 " %s\n", partition->name, type,
			       guid, result->placed[i].offset, result->placed[i].size, digest);
	}
	return uni_buf_take(&out);
}

static int write_format(struct build *b, const char *name, const struct disk *disk,
			struct uni_disk_result *result, struct uni_store_record *record,
			struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_disk_options options = uni_plan_disk_options(b->recipe, name);
	struct uni_store_entry blob;
	int rc = uni_store_writer_open(&writer, b->store, err);

	if (rc == 0)
		rc = uni_disk_write(uni_disk_find(name), &options, &disk->layout,
				    uni_store_writer_fd(writer), result, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, result->has_digest ? &result->digest : NULL,
					     &blob, err);
	if (rc == 0)
		uni_store_record_add(record, name, &blob);
	return rc;
}

static int write_disk(struct build *b, const struct uni_step *step, struct disk *disk,
		      struct uni_store_record *record, struct uni_err *err)
{
	const char *format = step->id + strlen("disk:");
	struct uni_disk_result *result UNI_AUTO_FREE = uni_alloc(sizeof(*result));
	const struct uni_form *form = uni_form_find(format);
	struct uni_digest identity;
	int rc;

	uni_hash_add_u64(&disk->identity, disk->layout.size);
	identity = uni_hash_end(&disk->identity);
	disk->layout.guid = uni_uuid_derive("uni disk", &identity);
	disk->layout.partitions = disk->partitions;
	rc = form != NULL ? form_write(b, step, form, &disk->layout, result, record, err)
			  : write_format(b, format, disk, result, record, err);
	if (rc == 0)
		record->meta = disk_words(disk, result);
	return rc;
}

int op_disk(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	    struct uni_err *err)
{
	const char *format = step->id + strlen("disk:");
	const struct uni_recipe_output *output = uni_recipe_output_find(b->recipe, format);
	struct disk *disk UNI_AUTO_FREE = uni_alloc(sizeof(*disk));
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	uni_hash_start(&disk->identity);
	uni_hash_add_text(&disk->identity, b->recipe->image.name);
	if (output != NULL)
		disk->layout.size = output->size;
	if (rc == 0)
		rc = add_stages(b, disk, base, err);
	if (rc == 0)
		rc = add_system(b, step, disk, err);
	if (rc == 0)
		rc = add_kernel(b, disk, input_blob(b, step, (size_t)find_input(step, "box")), err);
	if (rc == 0)
		rc = add_volumes(b, step, disk, err);
	if (rc == 0)
		rc = write_disk(b, step, disk, record, err);
	fds_close(&disk->fds);
	uni_buf_free(&disk->stage1);
	uni_buf_free(&disk->stage2);
	return rc;
}
