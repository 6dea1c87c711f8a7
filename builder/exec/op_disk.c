/*
 * Disks: partitions in any form. Forms that are to be made together are made in one pass: what
 * their partitions hold is read once, and each form takes it from there in a thread of its own.
 * They may differ in their kernels; a partition's GUID says what is in it.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/disk/shared.h>

#define STAGE_MAX (1u << 20)

struct disk {
	struct uni_disk_partition partitions[UNI_DISK_PARTITIONS_MAX];
	size_t count;
	struct uni_hash identity; /* over all that is on it */
	struct uni_buf stage1, stage2;
	struct fds fds;
};

struct disk_pass {
	struct disk *disks; /* one for each kernel */
	size_t disk_count;
	/* What is on any of them, and its places in what is shared. */
	struct uni_disk_partition partitions[UNI_DISK_PARTITIONS_MAX];
	struct uni_disk_result placed;
	struct uni_disk_source *contents;
	struct uni_disk_shared *shared;
	unsigned threads; /* of each form */
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
	if (disk->count == UNI_DISK_PARTITIONS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a disk has at most %d partitions",
				   UNI_DISK_PARTITIONS_MAX);
	uni_hash_add_text(&disk->identity, partition->name);
	uni_hash_add(&disk->identity, content->bytes, sizeof(content->bytes));
	disk->partitions[disk->count++] = *partition;
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
	partition->content.known = blob->mapped ? NULL : &blob->digest;
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

static int open_disk(struct build *b, const struct uni_step *step, struct disk *disk,
		     struct uni_err *err)
{
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	uni_hash_start(&disk->identity);
	uni_hash_add_text(&disk->identity, b->recipe->image.name);
	if (rc == 0)
		rc = add_stages(b, disk, base, err);
	if (rc == 0)
		rc = add_system(b, step, disk, err);
	if (rc == 0)
		rc = add_kernel(b, disk, input_blob(b, step, (size_t)find_input(step, "box")), err);
	return rc != 0 ? rc : add_volumes(b, step, disk, err);
}

static void close_disk(struct disk *disk)
{
	fds_close(&disk->fds);
	uni_buf_free(&disk->stage1);
	uni_buf_free(&disk->stage2);
}

/* --- one form --- */

/* The layout of a form's own disk. */
static void make_layout(const struct disk *disk, uint64_t size, struct uni_disk_layout *layout)
{
	struct uni_hash hash = disk->identity;
	struct uni_digest identity;

	uni_hash_add_u64(&hash, size);
	identity = uni_hash_end(&hash);
	*layout = (struct uni_disk_layout){
		.guid = uni_uuid_derive("uni disk", &identity),
		.size = size,
		.stage1 = disk->stage1.data,
		.stage1_size = disk->stage1.size,
		.partitions = disk->partitions,
		.count = disk->count,
	};
}

/* The partitions as they came to lie, for the manifest. */
static char *disk_words(const struct uni_disk_layout *layout, const struct uni_disk_result *result)
{
	struct uni_buf out = UNI_BUF_INIT;

	for (size_t i = 0; i < layout->count; i++) {
		const struct uni_disk_partition *partition = &layout->partitions[i];
		const struct uni_disk_placed *placed = &result->placed[i];
		char type[UNI_UUID_TEXT], guid[UNI_UUID_TEXT], digest[UNI_DIGEST_TEXT];

		uni_uuid_text(&partition->type, type);
		uni_uuid_text(&partition->guid, guid);
		uni_digest_text(&placed->digest, digest);
		uni_buf_printf(&out, "%s %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n",
			       partition->name, type, guid, placed->offset, placed->size,
			       partition->content.size, digest);
	}
	return uni_buf_take(&out);
}

static int write_format(struct build *b, const char *name, const struct disk_write *to,
			struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_disk_options options = uni_plan_disk_options(b->recipe, name);
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_store_entry blob;
	int rc = uni_store_writer_open(&writer, b->store, err);

	options.threads = to->threads;
	if (rc == 0)
		rc = uni_disk_write(uni_disk_find(name), &options, to->layout,
				    uni_store_writer_fd(writer), to->result, err);
	if (rc == UNI_E_LIMIT &&
	    uni_disk_check_size(uni_disk_find(name), to->result->size, &ignored) != 0)
		(void)uni_recipe_place(b->recipe, disk_size_pos(b, name), err);
	if (rc == 0)
		rc = uni_store_writer_commit(
			writer, to->result->has_digest ? &to->result->digest : NULL, &blob, err);
	if (rc == 0)
		uni_store_record_add(to->record, name, &blob);
	return rc;
}

static int write_disk(struct build *b, const struct uni_step *step, struct uni_disk_layout *layout,
		      unsigned threads, struct uni_store_record *record, struct uni_err *err)
{
	const char *format = step->id + strlen("disk:");
	struct uni_disk_result *result UNI_AUTO_FREE = uni_alloc(sizeof(*result));
	const struct disk_write to = { step, layout, threads, result, record };
	const struct uni_form *form = uni_form_find(format);
	int rc = form != NULL ? form_write(b, &to, form, err) : write_format(b, format, &to, err);

	if (rc == 0)
		record->meta = disk_words(layout, result);
	return rc;
}

static bool same_partition(const struct uni_disk_partition *a, const struct uni_disk_partition *b)
{
	return memcmp(&a->guid, &b->guid, sizeof(a->guid)) == 0;
}

/* What is shared is taken from there. */
static void take_from_pass(const struct disk_pass *pass, struct uni_disk_source *view,
			   struct disk *disk)
{
	for (size_t i = 0; i < disk->count; i++)
		for (size_t j = 0; j < pass->placed.count; j++) {
			struct uni_disk_content *content = &disk->partitions[i].content;

			if (!same_partition(&disk->partitions[i], &pass->partitions[j]))
				continue;
			content->data = NULL;
			content->source = view;
			content->offset = pass->placed.placed[j].offset;
		}
}

static int make_form(struct build *b, const struct uni_step *step, const struct run *run,
		     struct disk *disk, struct uni_store_record *record, struct uni_err *err)
{
	const struct uni_recipe_output *output =
		uni_recipe_output_find(b->recipe, step->id + strlen("disk:"));
	struct uni_disk_layout layout;
	int rc = open_disk(b, step, disk, err);

	if (rc != 0)
		return rc;
	make_layout(disk, output != NULL ? output->size : 0, &layout);
	if (run->pass != NULL)
		take_from_pass(run->pass, run->view, disk);
	return write_disk(b, step, &layout, run->pass != NULL ? run->pass->threads : 0, record,
			  err);
}

int op_disk(struct build *b, size_t index, struct uni_store_record *record, struct uni_err *err)
{
	struct disk *disk UNI_AUTO_FREE = uni_alloc(sizeof(*disk));
	int rc = make_form(b, uni_plan_step(b->plan, index), &b->runs[index], disk, record, err);

	close_disk(disk);
	return rc;
}

/* --- several in one pass --- */

static bool same_kernel(const struct uni_step *a, const struct uni_step *b)
{
	return a->inputs[find_input(a, "box")].step == b->inputs[find_input(b, "box")].step;
}

static bool seen_before(struct build *b, const size_t *steps, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (same_kernel(uni_plan_step(b->plan, steps[i]),
				uni_plan_step(b->plan, steps[index])))
			return true;
	return false;
}

static void add_shared(struct disk_pass *pass, struct uni_disk_layout *all,
		       const struct uni_disk_partition *partition)
{
	for (size_t i = 0; i < all->count; i++)
		if (same_partition(&pass->partitions[i], partition))
			return;
	if (all->count < UNI_DISK_PARTITIONS_MAX)
		pass->partitions[all->count++] = *partition;
}

/* In an order in which each disk has its own: all first ones, all second ones, ... */
static int share(struct disk_pass *pass, struct uni_err *err)
{
	struct uni_disk_layout all = { .partitions = pass->partitions };
	int rc;

	for (size_t i = 0; i < UNI_DISK_PARTITIONS_MAX; i++)
		for (size_t j = 0; j < pass->disk_count; j++)
			if (i < pass->disks[j].count)
				add_shared(pass, &all, &pass->disks[j].partitions[i]);
	rc = uni_disk_place(&all, &pass->placed, err);
	if (rc == 0)
		rc = uni_disk_open_contents(&pass->contents, &all, &pass->placed, err);
	if (rc == 0)
		pass->shared = uni_disk_shared_new(pass->contents);
	return rc;
}

int disk_pass_open(struct disk_pass **out, struct build *b, const size_t *steps, size_t count,
		   struct uni_err *err)
{
	struct disk_pass *pass UNI_AUTO(disk_pass) = uni_alloc(sizeof(*pass));
	int rc = 0;

	pass->disks = uni_alloc_array(count, sizeof(*pass->disks));
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (!seen_before(b, steps, i))
			rc = open_disk(b, uni_plan_step(b->plan, steps[i]),
				       &pass->disks[pass->disk_count++], err);
	if (rc == 0)
		rc = share(pass, err);
	if (rc != 0)
		return rc;
	/* Together they keep all processors busy, and each takes its part of the memory. */
	pass->threads = uni_processors() / (count > 2 ? (unsigned)count : 2) + 1;
	*out = pass;
	pass = NULL;
	return 0;
}

void disk_pass_join(struct disk_pass *pass, struct run *run)
{
	run->pass = pass;
	run->view = uni_disk_shared_view(pass->shared);
}

void disk_pass_leave(struct run *run)
{
	uni_disk_source_free(run->view);
	run->view = NULL;
	run->pass = NULL;
}

void disk_pass_free(struct disk_pass *pass)
{
	if (pass == NULL)
		return;
	uni_disk_shared_free(pass->shared);
	uni_disk_source_free(pass->contents);
	for (size_t i = 0; i < pass->disk_count; i++)
		close_disk(&pass->disks[i]);
	free(pass->disks);
	free(pass);
}
