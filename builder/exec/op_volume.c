/*
 * Writing volumes. The writer of file systems is a program of its own that takes most of a build's
 * time, so a tree of which nothing is known goes to it as soon as it was walked, while tools are
 * identified and sources preprocessed; the volume's step then waits for the end. One at a time:
 * more would want the memory of more.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

struct early {
	pthread_t thread;
	struct build *b;
	size_t index;
	uint64_t began_ns;
	struct uni_store_writer *writer;
	struct uni_fs_result result;
	struct uni_err err;
	int rc;
};

static int write_volume(struct build *b, size_t index, struct uni_store_writer **writer,
			struct uni_fs_result *result, struct uni_err *err)
{
	const struct uni_recipe_volume *volume = &b->recipe->volumes[index];
	const struct uni_fs_format *format = uni_fs_find(uni_recipe_format_name(volume->format));
	struct uni_fs_options options;
	int rc;

	uni_plan_fs_options(b->recipe, volume, &options);
	options.events = b->events;
	/* The store finds it out, and knows what is sparse by its map. */
	options.undigested = true;
	rc = format->resolve(&options, err);
	if (rc == 0)
		rc = uni_store_writer_open(writer, b->store, err);
	if (rc == 0)
		rc = format->write(b->volumes[index].tree, &options, uni_store_writer_path(*writer),
				   result, err);
	return rc;
}

static void *early_main(void *user)
{
	struct early *early = user;

	early->began_ns = uni_clock_mono_ns();
	early->rc =
		write_volume(early->b, early->index, &early->writer, &early->result, &early->err);
	return NULL;
}

void volume_start_early(struct build *b, size_t index)
{
	struct early *early;

	for (size_t i = 0; i < b->recipe->volume_count; i++)
		if (b->volumes[i].early != NULL)
			return;
	early = uni_alloc(sizeof(*early));
	early->b = b;
	early->index = index;
	if (uni_thread_start(&early->thread, 1, early_main, early))
		b->volumes[index].early = early;
	else
		free(early);
}

void volume_end_early(struct volume_input *in)
{
	if (in->early == NULL)
		return;
	pthread_join(in->early->thread, NULL);
	uni_store_writer_free(in->early->writer);
	free(in->early);
	in->early = NULL;
}

/* What was begun early, ended; or all of it now. */
static int get_volume(struct build *b, size_t index, struct uni_store_writer **writer,
		      struct uni_fs_result *result, struct uni_err *err)
{
	struct volume_input *in = &b->volumes[index];
	int rc;

	if (in->early == NULL)
		return write_volume(b, index, writer, result, err);
	pthread_join(in->early->thread, NULL);
	in->began_ns = in->early->began_ns;
	*writer = in->early->writer;
	*result = in->early->result;
	*err = in->early->err;
	rc = in->early->rc;
	free(in->early);
	in->early = NULL;
	return rc;
}

int op_volume(struct build *b, size_t step, struct uni_store_record *record, struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_store_entry blob;
	struct uni_fs_result result;
	struct volume_input *in;
	size_t index;
	const struct uni_recipe_volume *volume =
		volume_named(b, uni_plan_step(b->plan, step)->id, &index);
	int rc;

	in = &b->volumes[index];
	rc = get_volume(b, index, &writer, &result, err);
	if (in->began_ns != 0)
		b->runs[step].began_ns = in->began_ns;
	if (rc == UNI_E_LIMIT && volume->size != 0) {
		uni_err_context(err, "volume \"%s\"", volume->name);
		return uni_recipe_place(b->recipe, volume->size_pos, err);
	}
	if (rc != 0)
		return rc;
	if (!in->cold && !uni_digest_eq(&result.tree, &in->digest))
		return uni_err_set(err, UNI_E_CHANGED, "%s: changed during the build", in->name);
	in->digest = result.tree;
	/* Making a hash tree gives the whole file's, too. */
	rc = uni_store_writer_commit(writer, result.hash_offset != 0 ? &result.digest : NULL, &blob,
				     err);
	if (rc != 0)
		return rc;
	uni_store_record_add(record, "volume", &blob);
	record->meta = volume_words_write(&result);
	secrets_note(in->tree, record);
	volume_seen(b, index);
	return 0;
}

int settle_cold(struct build *b, size_t step, struct uni_err *err)
{
	size_t index;

	if (volume_named(b, uni_plan_step(b->plan, step)->id, &index) == NULL)
		return uni_err_set(err, UNI_E_INVAL, "a step that is no volume has no key");
	uni_tree_note(b->volumes[index].tree, b->volumes[index].scope);
	uni_plan_settle(b->plan, step, 0, &b->volumes[index].digest);
	return 0;
}
