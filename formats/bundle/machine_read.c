/*
 * Reading machines' descriptions: which of them it is, and Firecracker's, which is JSON.
 */
#include "machine_read.h"

#include <string.h>
#include <uni/base/json.h>

int machine_add_disk(struct uni_machine_found *found, char *file, bool writable,
		     struct uni_err *err)
{
	if (found->disk_count == MACHINE_DISKS_MAX) {
		free(file);
		return uni_err_set(err, UNI_E_LIMIT, "more than %d disks", MACHINE_DISKS_MAX);
	}
	UNI_PUSH_ROOM(found->disks, found->disk_count, found->disk_room);
	found->disks[found->disk_count++] =
		(struct uni_machine_found_disk){ .file = file, .writable = writable };
	return 0;
}

static char *text_of(const struct uni_json *object, const char *key)
{
	const char *text = uni_json_text(uni_json_get(object, key));

	return text != NULL ? uni_strdup(text) : NULL;
}

static int read_drives(struct uni_machine_found *found, const struct uni_json *drives,
		       struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < uni_json_count(drives); i++) {
		const struct uni_json *drive = uni_json_item(drives, i);
		char *file = text_of(drive, "path_on_host");
		bool read_only = false;

		(void)uni_json_bool(uni_json_get(drive, "is_read_only"), &read_only);
		if (file != NULL)
			rc = machine_add_disk(found, file, !read_only, err);
	}
	return rc;
}

int machine_read_firecracker(struct uni_machine_found *found, const char *name, const char *text,
			     size_t size, struct uni_err *err)
{
	UNI_AUTO(uni_json) struct uni_json *root = NULL;
	const struct uni_json *machine;
	int rc = uni_json_parse(&root, name, text, size, err);

	if (rc != 0)
		return rc;
	machine = uni_json_get(root, "machine-config");
	found->kernel = text_of(uni_json_get(root, "boot-source"), "kernel_image_path");
	if (found->kernel == NULL)
		return 0;
	if (uni_json_u64(uni_json_get(machine, "mem_size_mib"), &found->memory))
		found->memory = found->memory > UINT64_MAX >> 20 ? 0 : found->memory << 20;
	(void)uni_json_u64(uni_json_get(machine, "vcpu_count"), &found->processors);
	found->networks = uni_json_count(uni_json_get(root, "network-interfaces"));
	rc = read_drives(found, uni_json_get(root, "drives"), err);
	return rc == 0 ? 1 : rc;
}

/* By the text's first character; one that takes any is last. */
static const struct {
	char first;
	const char *format;
	int (*read)(struct uni_machine_found *found, const char *name, const char *text,
		    size_t size, struct uni_err *err);
} readers[] = {
	{ '{', "firecracker", machine_read_firecracker },
	{ '<', "libvirt", machine_read_libvirt },
	{ '\0', "xen", machine_read_xl },
};

static int read_any(struct uni_machine_found *found, const char *name, const char *text,
		    size_t size, struct uni_err *err)
{
	char first = text[strspn(text, " \t\r\n")];
	size_t i = 0;

	while (readers[i].first != first && readers[i].first != '\0')
		i++;
	found->format = uni_machine_find(readers[i].format);
	return readers[i].read(found, name, text, size, err);
}

int uni_machine_read(struct uni_machine_found **found, const char *name, const char *text,
		     size_t size, struct uni_err *err)
{
	UNI_AUTO(uni_machine_found) struct uni_machine_found *made = uni_alloc(sizeof(*made));
	int rc = 0;

	*found = NULL;
	if (size <= UNI_MACHINE_TEXT_MAX && memchr(text, '\0', size) == NULL)
		rc = read_any(made, name, text, size, err);
	if (rc == 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: describes no machine", name);
	if (rc < 0)
		return rc;
	*found = made;
	made = NULL;
	return 0;
}

void uni_machine_found_free(struct uni_machine_found *found)
{
	if (found == NULL)
		return;
	for (size_t i = 0; i < found->disk_count; i++)
		free(found->disks[i].file);
	free(found->disks);
	free(found->kernel);
	free(found->name);
	free(found);
}
