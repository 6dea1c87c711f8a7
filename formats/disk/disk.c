/*
 * The registry of disk forms, and where partitions lie: the same in every form, because the form is
 * only the wrapping of one disk.
 */
#include <string.h>
#include <uni/base/system.h>

#include "gpt.h"
#include "internal.h"

const struct uni_disk_format *const uni_disk_formats[] = {
	&uni_disk_raw, /* the disk as it is */
	&uni_disk_qcow2, &uni_disk_vmdk, &uni_disk_vhd, &uni_disk_vhdx,
	&uni_disk_vdi,	 &uni_disk_iso,	 NULL,
};

const struct uni_disk_format *uni_disk_find(const char *name)
{
	for (size_t i = 0; uni_disk_formats[i] != NULL; i++)
		if (strcmp(uni_disk_formats[i]->name, name) == 0)
			return uni_disk_formats[i];
	return NULL;
}

/* Rounds up; false on overflow. */
static bool align_up(uint64_t value, uint64_t unit, uint64_t *out)
{
	if (value > UINT64_MAX - (unit - 1))
		return false;
	*out = (value + unit - 1) / unit * unit;
	return true;
}

static const char *partition_name(const struct uni_disk_partition *partition)
{
	return partition->name != NULL ? partition->name : "";
}

/* No two partitions may share a GUID: what mounts by it would take either. */
static int check_guids(const struct uni_disk_layout *layout, struct uni_err *err)
{
	for (size_t i = 0; i < layout->count; i++)
		for (size_t j = 0; j < i; j++)
			if (memcmp(&layout->partitions[i].guid, &layout->partitions[j].guid,
				   sizeof(struct uni_uuid)) == 0)
				return uni_err_set(err, UNI_E_INVAL,
						   "partitions \"%s\" and \"%s\" have one GUID",
						   partition_name(&layout->partitions[j]),
						   partition_name(&layout->partitions[i]));
	return 0;
}

int uni_disk_place(const struct uni_disk_layout *layout, struct uni_disk_result *result,
		   struct uni_err *err)
{
	uint64_t at = (uint64_t)GPT_FIRST_USABLE * UNI_DISK_SECTOR;
	uint64_t least = layout->size > UNI_DISK_LEAST ? layout->size : UNI_DISK_LEAST;
	uint64_t grain = layout->grain != 0 ? layout->grain : UNI_DISK_ALIGN;
	int rc;

	memset(result, 0, sizeof(*result));
	if (layout->count > UNI_DISK_PARTITIONS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%zu partitions, at most %d are possible",
				   layout->count, UNI_DISK_PARTITIONS_MAX);
	rc = check_guids(layout, err);
	if (rc != 0)
		return rc;
	if (layout->first > at)
		at = layout->first;
	(void)align_up(at, UNI_DISK_ALIGN, &at);
	for (size_t i = 0; i < layout->count; i++) {
		const struct uni_disk_partition *p = &layout->partitions[i];
		uint64_t size = p->size != 0 ? p->size : p->content.size;

		if (size < p->content.size)
			return uni_err_set(err, UNI_E_LIMIT,
					   "partition \"%s\" has room for %llu bytes, its content "
					   "has %llu",
					   partition_name(p), (unsigned long long)size,
					   (unsigned long long)p->content.size);
		if (size == 0)
			return uni_err_set(err, UNI_E_INVAL, "partition \"%s\" is empty",
					   partition_name(p));
		if (!align_up(size, UNI_DISK_ALIGN, &size) || size > INT64_MAX - at)
			return uni_err_set(err, UNI_E_LIMIT, "partition \"%s\" is too large",
					   partition_name(p));
		result->placed[i].offset = at;
		result->placed[i].size = size;
		at += size;
	}
	at += (uint64_t)GPT_TAIL_SECTORS * UNI_DISK_SECTOR;
	if (!align_up(at > least ? at : least, grain, &at) || at > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "the disk is too large");
	result->count = layout->count;
	result->size = at;
	return 0;
}

static int check_word(const char *form, const char *what, const char *const *known,
		      const char **word, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;

	if (*word == NULL && known != NULL)
		*word = known[0];
	if (*word == NULL)
		return 0;
	for (size_t i = 0; known != NULL && known[i] != NULL; i++) {
		if (strcmp(known[i], *word) == 0)
			return 0;
		uni_buf_printf(&list, "%s%s", i != 0 ? ", " : "", known[i]);
	}
	uni_err_set(err, UNI_E_INVAL, "%s has no %s \"%s\"", form, what, *word);
	return list.size != 0 ? uni_err_hint(err, "it has %s", list.data) : err->code;
}

static unsigned level_most(const char *compression)
{
	if (compression == NULL || strcmp(compression, "none") == 0)
		return 0;
	return strcmp(compression, "zstd") == 0 ? 19 : 12;
}

int uni_disk_resolve(const struct uni_disk_format *format, struct uni_disk_options *options,
		     struct uni_err *err)
{
	unsigned most;
	int rc = check_word(format->name, "variant", format->variants, &options->variant, err);

	if (rc == 0)
		rc = check_word(format->name, "compression", format->compressions,
				&options->compression, err);
	if (rc != 0)
		return rc;
	most = level_most(options->compression);
	if (options->level > most)
		return uni_err_set(err, UNI_E_INVAL, "%s has no level %u, the most is %u",
				   options->compression != NULL ? options->compression
								: format->name,
				   options->level, most);
	return 0;
}

const char *uni_disk_codec(const struct uni_disk_options *options)
{
	if (options->variant != NULL && strcmp(options->variant, "streamOptimized") == 0)
		return "libdeflate";
	if (options->compression == NULL || strcmp(options->compression, "none") == 0)
		return NULL;
	return strcmp(options->compression, "zstd") == 0 ? "libzstd" : "libdeflate";
}

int uni_disk_codec_file(const char *codec, struct uni_strv *files, struct uni_err *err)
{
	char *path;
	int rc = uni_lazy_file(strcmp(codec, "libzstd") == 0 ? "libzstd.so.1" : "libdeflate.so.0",
			       &path, err);

	if (rc == 0)
		uni_strv_take(files, path);
	return rc;
}

int uni_disk_check_size(const struct uni_disk_format *format, uint64_t size, struct uni_err *err)
{
	uint64_t limit = format->limit != 0 ? format->limit : UNI_DISK_SIZE_MAX;

	if (size > limit)
		return uni_err_set(err, UNI_E_LIMIT, "a disk of %s is too large for %s, at most %s",
				   uni_size_text(size), format->name, uni_size_text(limit));
	return 0;
}

static uint64_t grain_of(const struct uni_disk_format *format,
			 const struct uni_disk_options *options)
{
	return format->grain != NULL ? format->grain(options) : UNI_DISK_SECTOR;
}

static void set_grain(struct uni_disk_layout *layout, uint64_t grain)
{
	if (layout->grain < grain)
		layout->grain = grain > UNI_DISK_ALIGN ? grain : UNI_DISK_ALIGN;
}

static int open_placed(struct uni_disk_source **source, const struct uni_disk_layout *layout,
		       struct uni_disk_result *result, struct uni_err *err)
{
	int rc = uni_disk_source_from_layout(source, layout, result, err);

	return rc != 0 ? rc : layout_digests(layout, result, err);
}

int uni_disk_open_layout(struct uni_disk_source **source, struct uni_disk_layout *layout,
			 uint64_t grain, struct uni_disk_result *result, struct uni_err *err)
{
	int rc;

	*source = NULL;
	set_grain(layout, grain);
	rc = uni_disk_place(layout, result, err);
	return rc != 0 ? rc : open_placed(source, layout, result, err);
}

int uni_disk_write(const struct uni_disk_format *format, const struct uni_disk_options *options,
		   const struct uni_disk_layout *layout, int fd, struct uni_disk_result *result,
		   struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	struct uni_disk_options how = { 0 };
	struct uni_disk_layout sized = *layout;
	int rc;

	if (options != NULL)
		how = *options;
	rc = uni_disk_resolve(format, &how, err);
	if (rc != 0)
		return rc;
	if (sized.first < format->first)
		sized.first = format->first;
	set_grain(&sized, grain_of(format, &how));
	rc = uni_disk_place(&sized, result, err);
	if (rc == 0)
		rc = uni_disk_check_size(format, result->size, err);
	if (rc != 0)
		return rc;
	if (format->write_layout != NULL)
		return format->write_layout(&sized, fd, result, err);
	rc = open_placed(&source, &sized, result, err);
	return rc != 0 ? rc : format->write(source, &how, fd, err);
}

int uni_disk_convert(const struct uni_disk_format *format, const struct uni_disk_options *options,
		     struct uni_disk_source **source, int fd, struct uni_err *err)
{
	struct uni_disk_options how = { 0 };
	uint64_t size = (*source)->size;
	int rc;

	if (options != NULL)
		how = *options;
	rc = uni_disk_resolve(format, &how, err);
	if (rc != 0)
		return rc;
	if (size == 0)
		return uni_err_set(err, UNI_E_INVAL, "the disk is empty");
	if (!align_up(size, grain_of(format, &how), &size))
		return uni_err_set(err, UNI_E_LIMIT, "the disk is too large");
	rc = uni_disk_check_size(format, size, err);
	if (rc == 0)
		rc = uni_disk_source_grow(source, size, err);
	return rc != 0 ? rc : format->write(*source, &how, fd, err);
}
