/*
 * Any bytes as two layers of a container image, laid over one another, made into a set of files,
 * and looked around in.
 */
#include "../unit/io/source_of.h"
#include <layers.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uni/base/file.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct uni_store *store;
static char *folder;

static void remove_store(void)
{
	struct uni_err ignored = UNI_ERR_INIT;

	uni_store_free(store);
	(void)uni_dir_remove(folder, &ignored);
	free(folder);
}

static void open_store(void)
{
	struct uni_err err = UNI_ERR_INIT;

	if (uni_dir_tmp(NULL, &folder, &err) != 0 ||
	    uni_store_open(&store, folder, NULL, &err) != 0)
		abort();
	(void)atexit(remove_store);
}

static void add(struct layers *layers, const uint8_t *data, size_t size)
{
	const struct uni_tar_limits limits = { .entries = 64, .size = 4096, .path_size = 512 };
	struct uni_source *source UNI_AUTO(uni_source) = source_of(data, size);
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) =
		uni_tar_reader_new(source, &limits, "layer");
	struct uni_err err = UNI_ERR_INIT;

	(void)layers_add(layers, tar, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layers *layers;
	struct uni_files files UNI_AUTO_FILES = { .words = UNI_BUF_INIT };
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_files_view *view UNI_AUTO(uni_files_view) = NULL;
	struct uni_store_entry *entry;
	struct uni_err err = UNI_ERR_INIT;
	char *real UNI_AUTO_FREE = NULL;
	size_t first = size != 0 ? data[0] * (size_t)512 : 0;

	if (size == 0)
		return 0;
	if (store == NULL)
		open_store();
	data++;
	size--;
	first = first < size ? first : size;
	layers = layers_new(store);
	add(layers, data, first);
	add(layers, data + first, size - first);
	if (layers_files(layers, &files, &err) == 0) {
		uni_files_take(&files, &record);
		if (uni_files_view_new(&view, &record, &err) != 0)
			abort(); /* what was written is read */
		(void)uni_files_view_find(view, "bin/sh", &real, &entry, &err);
	}
	layers_free(layers);
	return 0;
}
