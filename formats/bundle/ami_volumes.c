/*
 * The volumes that an AMI has beside its disk: the list of them as JSON, their devices, and the
 * digest over all disks.
 */
#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/bundle/ami.h>

#include "internal.h"

enum { FORMAT = 1, NAME_MOST = 64 };

void ami_volumes_free(struct uni_ami_volume *volumes, size_t count)
{
	for (size_t i = 0; volumes != NULL && i < count; i++) {
		free(volumes[i].name);
		free(volumes[i].disk.path);
		uni_ami_map_free(volumes[i].disk.map);
	}
	free(volumes);
}

void ami_device(char out[16], size_t n)
{
	snprintf(out, 16, "/dev/sd%c", (int)('f' + n));
}

/* --- the digest --- */

struct uni_digest uni_ami_digest(const struct uni_digest *disk,
				 const struct uni_ami_volume *volumes, size_t count)
{
	struct uni_hash hash;

	if (count == 0)
		return *disk;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni ami 1");
	uni_hash_add(&hash, disk->bytes, sizeof(disk->bytes));
	for (size_t i = 0; i < count; i++) {
		uni_hash_add_text(&hash, volumes[i].name);
		uni_hash_add_text(&hash, volumes[i].device);
		uni_hash_add_u64(&hash, volumes[i].writable);
		uni_hash_add(&hash, volumes[i].digest.bytes, sizeof(volumes[i].digest.bytes));
	}
	return uni_hash_end(&hash);
}

void uni_ami_digest_text(const struct uni_digest *digest, size_t volumes, char out[UNI_DIGEST_TEXT])
{
	uni_map_digest_text(digest, out);
	if (volumes != 0)
		memcpy(out, "ami", 3);
}

/* --- as JSON --- */

void ami_volumes_json(const struct uni_ami_volume *volumes, size_t count, struct uni_buf *out)
{
	char text[UNI_DIGEST_TEXT];

	uni_buf_printf(out, "{\n  \"format\": %d,\n  \"volumes\": [", FORMAT);
	for (size_t i = 0; i < count; i++) {
		uni_map_digest_text(&volumes[i].digest, text);
		uni_buf_printf(out, "%s\n    {\"name\": ", i != 0 ? "," : "");
		uni_json_string(out, volumes[i].name);
		uni_buf_printf(out, ", \"device\": \"%s\", \"writable\": %s, \"digest\": \"%s\"}",
			       volumes[i].device, volumes[i].writable ? "true" : "false", text);
	}
	uni_buf_puts(out, "\n  ]\n}\n");
}

/* The name becomes part of a path. */
static bool name_valid(const char *name)
{
	size_t size = name != NULL ? strlen(name) : 0;

	return size != 0 && size <= NAME_MOST && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

static bool read_volume(struct uni_ami_volume *volume, size_t n, const struct uni_json *item)
{
	const char *name = uni_json_text(uni_json_get(item, "name"));
	const char *device = uni_json_text(uni_json_get(item, "device"));
	const char *digest = uni_json_text(uni_json_get(item, "digest"));
	bool mapped;

	ami_device(volume->device, n);
	if (!name_valid(name) || !uni_str_eq(device, volume->device) || digest == NULL ||
	    !uni_json_bool(uni_json_get(item, "writable"), &volume->writable) ||
	    !uni_content_digest_parse(digest, &volume->digest, &mapped) || !mapped)
		return false;
	volume->name = uni_strdup(name);
	volume->disk.fd = -1;
	return true;
}

int ami_volumes_parse(struct uni_ami *ami, const char *name, const char *json, size_t size,
		      struct uni_err *err)
{
	UNI_AUTO(uni_json) struct uni_json *document = NULL;
	const struct uni_json *list;
	uint64_t format = 0;
	int rc = uni_json_parse(&document, name, json, size, err);

	if (rc != 0)
		return rc;
	list = uni_json_get(document, "volumes");
	if (!uni_json_u64(uni_json_get(document, "format"), &format) || format != FORMAT ||
	    !uni_json_is_array(list) || uni_json_count(list) > UNI_AMI_VOLUMES_MAX)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: its " UNI_AMI_VOLUMES " is no list of volumes", name);
	ami->volumes = uni_alloc_array(uni_json_count(list) + 1, sizeof(*ami->volumes));
	for (size_t i = 0; i < uni_json_count(list); i++) {
		if (!read_volume(&ami->volumes[i], i, uni_json_item(list, i)))
			return uni_err_set(err, UNI_E_CORRUPT,
					   "%s: volume %zu of its " UNI_AMI_VOLUMES " is none",
					   name, i + 1);
		ami->volume_count++;
	}
	return 0;
}
