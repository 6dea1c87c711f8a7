/*
 * Running one step: its inputs are blobs, and so is what it makes.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/path.h>
#include <uni/link/link.h>

const struct uni_store_record *input_record(struct build *b, const struct uni_step *step,
					    size_t input)
{
	return &b->runs[step->inputs[input].step].record;
}

struct uni_store_entry *input_blob(struct build *b, const struct uni_step *step, size_t input)
{
	return uni_store_record_find(input_record(b, step, input), step->inputs[input].output);
}

int find_input(const struct uni_step *step, const char *name)
{
	for (size_t i = 0; i < step->input_count; i++)
		if (strcmp(step->inputs[i].name, name) == 0)
			return (int)i;
	return -1;
}

const struct uni_recipe_volume *volume_named(const struct build *b, const char *id, size_t *index)
{
	const char *name = id + strlen("volume") + 1;

	if (!uni_str_starts(id, "volume"))
		return NULL;
	for (*index = 0; *index < b->recipe->volume_count; (*index)++)
		if (strcmp(b->recipe->volumes[*index].name, name) == 0)
			return &b->recipe->volumes[*index];
	return NULL;
}

/* Steps of sources come first in a plan, one each, in the recipe's order. */
static int op_compile(struct build *b, size_t index, struct uni_store_record *record,
		      struct uni_buf *messages, struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_store_entry blob;
	int rc = source_text(b, index, &text, messages, err);

	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc == 0)
		rc = source_compile(b, index, &text, uni_store_writer_path(writer), messages, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, NULL, &blob, err);
	if (rc != 0)
		return rc;
	uni_store_record_add(record, "object", &blob);
	/* What the compiler says without failing is said once, by the build that compiles. */
	if (messages->size != 0)
		uni_event_warning(b->events, "%s", messages->data);
	return 0;
}

/* Paths for ld, with names for its complaints. */
struct link_list {
	struct uni_link_input *items;
	size_t count;
	struct uni_strv paths;
};

static void link_list_add(struct link_list *list, char *path, const char *name)
{
	uni_strv_take(&list->paths, path);
	list->items[list->count++] = (struct uni_link_input){ .path = path, .name = name };
}

static int link_items(struct build *b, struct items *items, struct link_list *list,
		      struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < items->count; i++) {
		char *path = NULL;

		rc = item_path(b, &items->items[i], &path, err);
		if (rc == 0)
			link_list_add(list, path, items->items[i].name);
	}
	return rc;
}

static int link_objects(struct build *b, const struct uni_step *step, struct link_list *list,
			struct uni_err *err)
{
	size_t source = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < step->input_count; i++) {
		struct uni_store_entry object;
		char *path = NULL;

		if (step->inputs[i].step < 0)
			continue;
		object = *input_blob(b, step, i);
		rc = uni_store_blob_path(b->store, &object, &path, err);
		if (rc == 0)
			link_list_add(list, path, b->sources[source++].name);
	}
	return rc != 0 ? rc : link_items(b, &b->objects, list, err);
}

/* When a link has failed: what no linker could have taken, with its place in the recipe, instead of
 * what ld says of it. */
static bool blame_input(struct build *b, struct items *items, struct uni_err *err)
{
	for (size_t i = 0; i < items->count; i++) {
		struct item *item = &items->items[i];
		char *path UNI_AUTO_FREE = NULL;
		struct uni_err why = UNI_ERR_INIT;

		if (item_path(b, item, &path, &why) != 0 ||
		    uni_elf_check_members(path, item->name, &why) == 0)
			continue;
		*err = why;
		(void)uni_recipe_place(b->recipe, item->pos, err);
		return true;
	}
	return false;
}

static int op_link(struct build *b, const struct uni_step *step, struct uni_store_record *record,
		   struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct link_list objects = { .items =
					     uni_alloc_array(b->source_count + b->objects.count + 1,
							     sizeof(*objects.items)) };
	struct link_list libraries = { .items = uni_alloc_array(b->libraries.count + 1,
								sizeof(*libraries.items)) };
	struct uni_link_from from = { .base = NULL };
	struct uni_store_entry blob;
	int rc = base_open(b, &from.base, err);

	if (rc == 0)
		rc = link_objects(b, step, &objects, err);
	if (rc == 0)
		rc = link_items(b, &b->libraries, &libraries, err);
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	from.objects = (struct uni_link_inputs){ objects.items, objects.count };
	from.libraries = (struct uni_link_inputs){ libraries.items, libraries.count };
	if (rc == 0)
		rc = uni_link_program(&from, uni_store_writer_path(writer), err);
	if (rc != 0 && rc != UNI_E_CANCELLED && rc != UNI_E_NOSPACE &&
	    (blame_input(b, &b->objects, err) || blame_input(b, &b->libraries, err)))
		rc = err->code;
	if (rc == 0)
		rc = uni_store_writer_commit(writer, NULL, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, "program", &blob);
	free(objects.items);
	free(libraries.items);
	uni_strv_free(&objects.paths);
	uni_strv_free(&libraries.paths);
	return rc;
}

int op_run(struct build *b, size_t index, struct uni_store_record *record, struct uni_buf *messages,
	   struct uni_err *err)
{
	const struct uni_step *step = uni_plan_step(b->plan, index);

	switch (step->op) {
	case UNI_OP_COMPILE:
		return op_compile(b, index, record, messages, err);
	case UNI_OP_LINK:
		return op_link(b, step, record, err);
	case UNI_OP_ROOT:
		return op_root(b, record, err);
	case UNI_OP_VOLUME:
		return op_volume(b, index, record, err);
	case UNI_OP_KERNEL:
		return op_kernel(b, step, record, err);
	case UNI_OP_BOX:
		return op_box(b, step, record, err);
	case UNI_OP_ESP:
		return op_esp(b, step, record, err);
	case UNI_OP_DISK:
		return op_disk(b, index, record, err);
	case UNI_OP_MACHINE:
		return op_machine(b, step, record, err);
	case UNI_OP_MANIFEST:
		return op_manifest(b, record, err);
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED, "step %s", step->id);
}
