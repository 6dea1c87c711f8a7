/*
 * The registry of disk forms, and where partitions lie: the same in every form, because the form is
 * only the wrapping of one disk.
 */
#include <string.h>

#include "gpt.h"
#include "raw.h"

const struct uni_disk_format *const uni_disk_formats[] = { &uni_disk_raw, NULL };

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
	int rc;

	memset(result, 0, sizeof(*result));
	if (layout->count > UNI_DISK_PARTITIONS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%zu partitions, at most %d are possible",
				   layout->count, UNI_DISK_PARTITIONS_MAX);
	rc = check_guids(layout, err);
	if (rc != 0)
		return rc;
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
	if (!align_up(at > least ? at : least, UNI_DISK_ALIGN, &at) || at > INT64_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "the disk is too large");
	result->size = at;
	return 0;
}
