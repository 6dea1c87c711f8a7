/*
 * Putting the image together: the bootable ELF and its box.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>

void fds_close(struct fds *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		uni_close_fd(&fds->items[i]);
}

int open_blob(struct build *b, const struct uni_store_entry *blob, struct fds *fds, int *fd,
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

bool volume_use(struct build *b, const struct uni_step *step, size_t input, struct volume_use *use)
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

	if (b->recipe->app.path != NULL)
		return 0;
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
	struct uni_box_content content = { .size = elf.size,
					   .known = elf.mapped ? NULL : &elf.digest };
	struct uni_digest digest;
	int fd UNI_AUTO_CLOSE = -1;
	uint64_t size;
	int rc = uni_store_blob_open(b->store, &elf, &fd, err);

	content.fd = fd;
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc == 0)
		rc = uni_box_pack(&content, uni_store_writer_fd(writer), &size, &digest, err);
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
