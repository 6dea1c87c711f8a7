/*
 * Machines: the bootable ELF, the volumes beside it, and a description that names them.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/path.h>
#include <uni/bundle/machine.h>

struct machine {
	const struct uni_machine_format *format;
	const char *folder;
	struct uni_strv files; /* owns paths */
	struct uni_machine_disk *disks;
	size_t count;
};

/* The path on the host of the file with this ending. */
static const char *host_path(struct build *b, struct machine *m, const char *ending)
{
	char *name UNI_AUTO_FREE = uni_asprintf("%s.%s", b->recipe->image.name, ending);

	uni_strv_take(&m->files,
		      m->folder[0] != '\0' ? uni_path_join(m->folder, name) : uni_strdup(name));
	return m->files.items[m->files.count - 1];
}

static void add_volumes(struct build *b, const struct uni_step *step, struct machine *m,
			struct uni_store_record *record)
{
	for (size_t i = 0; i < step->input_count; i++) {
		size_t index;
		const struct uni_recipe_volume *volume =
			volume_named(b, step->inputs[i].name, &index);
		char *ending UNI_AUTO_FREE = NULL;

		if (volume == NULL || step->inputs[i].step < 0 || uni_recipe_in_elf(volume))
			continue;
		ending = uni_asprintf("%s.raw", volume->name);
		uni_store_record_add(record, ending, input_blob(b, step, i));
		m->disks[m->count++] = (struct uni_machine_disk){
			.name = volume->name,
			.file = host_path(b, m, ending),
			.writable = volume->writable,
		};
	}
}

/* Live and writable volumes are handed out as they are, whatever is asked for. */
static void add_beside(struct build *b, struct machine *m)
{
	for (size_t i = 0; i < b->recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &b->recipe->volumes[i];
		char *ending UNI_AUTO_FREE =
			uni_asprintf("%s.%s", volume->name, volume->writable ? "raw" : "vol");

		if (uni_recipe_volume_beside(volume))
			m->disks[m->count++] = (struct uni_machine_disk){
				.name = volume->name,
				.file = host_path(b, m, ending),
				.writable = volume->writable,
			};
	}
}

static int write_words(struct build *b, struct machine *m, struct uni_store_record *record,
		       struct uni_err *err)
{
	const struct uni_recipe *recipe = b->recipe;
	struct uni_digest name = uni_digest_of(recipe->image.name, strlen(recipe->image.name));
	const struct uni_machine_words words = {
		.name = recipe->image.name,
		.kernel = host_path(b, m, m->format->kernel),
		.memory = recipe->machine.memory,
		.processors = recipe->machine.processors,
		.uuid = uni_uuid_derive("uni machine", &name),
		.disks = m->disks,
		.disk_count = m->count,
		.networks = recipe->config.networks.count,
	};
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_store_entry blob;
	int rc;

	m->format->write(&words, &text);
	rc = uni_store_put(b->store, text.data, text.size, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, m->format->ending, &blob);
	return rc;
}

int op_machine(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	       struct uni_err *err)
{
	const char *name = step->id + strlen("machine:");
	const struct uni_recipe_output *output = uni_recipe_output_find(b->recipe, name);
	struct machine m = { .format = uni_machine_find(name) };
	int rc;

	m.folder = output != NULL && output->folder != NULL ? output->folder : m.format->folder;
	m.disks = uni_alloc_array(b->recipe->volume_count + 1, sizeof(*m.disks));
	uni_store_record_add(record, m.format->kernel,
			     input_blob(b, step, (size_t)find_input(step, "elf")));
	add_volumes(b, step, &m, record);
	add_beside(b, &m);
	rc = write_words(b, &m, record, err);
	free(m.disks);
	uni_strv_free(&m.files);
	return rc;
}
