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

static void fill_machine(struct build *b, const struct uni_base *base,
			 struct uni_form_machine *machine)
{
	const struct uni_recipe *recipe = b->recipe;
	struct uni_err ignored = UNI_ERR_INIT;

	*machine = (struct uni_form_machine){
		.name = recipe->image.name,
		.version = recipe->image.version,
		.memory = recipe->machine.memory,
		.processors = recipe->machine.processors,
		.bios = recipe->boot.bios,
		.uefi = recipe->boot.uefi,
		.network = recipe->config.networks.count != 0,
		.ena = uni_base_need_device(base, "ena", &ignored) == 0,
	};
}

int form_write(struct build *b, const struct uni_form *form, struct uni_disk_layout *layout,
	       struct uni_disk_result *result, struct uni_store_record *record, struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	struct sink sink = { .b = b, .record = record };
	const struct uni_form_out out = { .begin = begin_file, .end = end_file, .user = &sink };
	struct uni_form_machine machine;
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	if (rc == 0)
		rc = uni_disk_open_layout(&source, layout, form->grain, result, err);
	if (rc != 0)
		return rc;
	fill_machine(b, base, &machine);
	rc = form->write(source, &machine, &out, err);
	uni_store_writer_free(sink.writer);
	return rc;
}
