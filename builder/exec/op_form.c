/*
 * Forms that are more than a disk in one file: the same disk, and what its machine is told.
 */
#include "internal.h"

#include <string.h>

struct sink {
	struct build *b;
	struct uni_store_writer *writer;
	struct uni_store_record *record;
};

static int begin_file(void *user, int *fd, struct uni_err *err)
{
	struct sink *sink = user;
	int rc = uni_store_writer_open(&sink->writer, sink->b->store, err);

	if (rc == 0)
		*fd = uni_store_writer_fd(sink->writer);
	return rc;
}

static int end_file(void *user, const char *name, const struct uni_digest *known,
		    struct uni_err *err)
{
	struct sink *sink = user;
	struct uni_store_entry blob;
	int rc = uni_store_writer_commit(sink->writer, known, &blob, err);

	uni_store_writer_free(sink->writer);
	sink->writer = NULL;
	if (rc == 0)
		uni_store_record_add(sink->record, name, &blob);
	return rc;
}

/* The kernel that is on the disk of this form. */
static int form_kernel(const struct build *b, const struct uni_base *base,
		       const struct uni_form *form, const struct uni_base_kernel **kernel,
		       struct uni_err *err)
{
	const char *place = uni_plan_place(b->recipe, base, form->name);

	return uni_plan_kernel(b->recipe, base, place, kernel, err);
}

static void fill_machine(const struct build *b, const struct uni_base_kernel *kernel,
			 struct uni_form_machine *machine)
{
	const struct uni_recipe *recipe = b->recipe;

	*machine = (struct uni_form_machine){
		.name = recipe->image.name,
		.version = recipe->image.version,
		.memory = recipe->machine.memory,
		.processors = recipe->machine.processors,
		.bios = recipe->boot.bios,
		.uefi = recipe->boot.uefi,
		.network = recipe->config.networks.count != 0,
		.ena = uni_strv_has(&kernel->can.devices, "ena"),
	};
}

/* The disks beside the image's, open. */
struct beside {
	struct uni_form_volume *items;
	size_t count;
};

static void beside_close(struct beside *beside)
{
	for (size_t i = 0; i < beside->count; i++)
		uni_disk_source_free(beside->items[i].source);
	free(beside->items);
}

static int beside_open(struct build *b, const struct uni_step *step, const struct uni_form *form,
		       struct beside *beside, struct uni_err *err)
{
	int rc = 0;

	beside->items = uni_alloc_array(step->input_count + 1, sizeof(*beside->items));
	for (size_t i = 0; rc == 0 && form->volumes != 0 && i < step->input_count; i++) {
		size_t index;
		const struct uni_recipe_volume *volume =
			volume_named(b, step->inputs[i].name, &index);
		struct uni_form_volume *item = &beside->items[beside->count];
		struct uni_store_entry blob;
		uint64_t grains;
		int fd;

		if (volume == NULL || !uni_recipe_volume_beside(volume))
			continue;
		blob = *input_blob(b, step, i);
		rc = uni_store_blob_open(b->store, &blob, &fd, err);
		if (rc != 0)
			break;
		*item = (struct uni_form_volume){
			.name = volume->name,
			.source = uni_disk_source_from_fd(fd, 0, blob.size, volume->name),
			.writable = volume->writable,
		};
		item->source->owned_fd = fd;
		beside->count++;
		grains = (blob.size + form->grain - 1) / form->grain;
		rc = uni_disk_source_grow(&item->source, grains * form->grain, err);
	}
	return rc;
}

int form_write(struct build *b, const struct disk_write *to, const struct uni_form *form,
	       struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	struct beside beside __attribute__((cleanup(beside_close))) = { .count = 0 };
	struct sink sink = { .b = b, .record = to->record };
	const struct uni_form_out out = { .begin = begin_file, .end = end_file, .user = &sink };
	struct uni_form_machine machine;
	const struct uni_base_kernel *kernel = NULL;
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	if (rc == 0)
		rc = form_kernel(b, base, form, &kernel, err);
	if (rc == 0)
		rc = uni_disk_open_layout(&source, to->layout, form->grain, to->result, err);
	if (rc == 0)
		rc = beside_open(b, to->step, form, &beside, err);
	if (rc != 0)
		return rc;
	fill_machine(b, kernel, &machine);
	machine.volumes = beside.items;
	machine.volume_count = beside.count;
	machine.threads = to->threads;
	rc = form->write(source, &machine, &out, err);
	uni_store_writer_free(sink.writer);
	return rc;
}
