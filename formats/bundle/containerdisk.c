/*
 * KubeVirt's containerDisk: a container image whose one layer has the disk in /disk, readable by
 * user 107 (KubeVirt user guide, "Disks and Volumes", containerDisk). Here as an image layout.
 */
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/bundle/oci.h>
#include <uni/disk/disk.h>
#include <uni/io/tar.h>

#include "internal.h"

enum { QEMU = 107 };

static struct uni_entry entry_of(const char *path, enum uni_entry_type type, uint32_t mode,
				 uint64_t size)
{
	return (struct uni_entry){
		.path = path, .type = type, .mode = mode, .uid = QEMU, .gid = QEMU, .size = size
	};
}

/* A tar with /disk/NAME.qcow2 alone. */
static int write_layer(int disk, const char *name, int fd, struct uni_oci_descriptor *layer,
		       struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_asprintf("disk/%s.qcow2", name);
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_fd(fd, "layer");
	UNI_AUTO(uni_tar_writer) struct uni_tar_writer *tar = NULL;
	struct uni_entry folder = entry_of("disk", UNI_ENTRY_DIR, 0555, 0);
	struct uni_entry file;
	struct stat st;
	int rc;

	if (fstat(disk, &st) != 0)
		return uni_err_errno(err, "disk");
	file = entry_of(path, UNI_ENTRY_FILE, 0440, (uint64_t)st.st_size);
	uni_sink_push_digest(&sink, &layer->digest);
	tar = uni_tar_writer_new(sink);
	rc = uni_tar_writer_entry(tar, &folder, err);
	if (rc == 0)
		rc = uni_tar_writer_entry(tar, &file, err);
	if (rc == 0)
		rc = bundle_tar_copy(tar, disk, file.size, err);
	if (rc == 0)
		rc = uni_tar_writer_end(tar, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	layer->size = uni_sink_written(sink);
	return rc;
}

static int put_layer(struct uni_oci_layout *layout, struct uni_disk_source *source,
		     const struct uni_form_machine *machine, struct uni_oci_descriptor *layer,
		     struct uni_err *err)
{
	const struct uni_disk_options options = { .compression = "zlib",
						  .threads = machine->threads };
	int disk UNI_AUTO_CLOSE = -1;
	int fd;
	int rc = uni_file_nameless(&disk, err);

	if (rc == 0)
		rc = uni_disk_convert(uni_disk_find("qcow2"), &options, &source, disk, err);
	if (rc == 0)
		rc = uni_oci_layout_begin(layout, &fd, err);
	if (rc == 0)
		rc = write_layer(disk, machine->name, fd, layer, err);
	return rc != 0 ? rc : uni_oci_layout_end(layout, &layer->digest, err);
}

/* "OCI Image Configuration"; a layer that is not compressed has one digest. */
static void config_json(const struct uni_oci_descriptor *layer, struct uni_buf *out)
{
	char digest[UNI_DIGEST_TEXT];

	uni_digest_text(&layer->digest, digest);
	uni_buf_printf(out,
		       "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{"
		       "\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		       digest);
}

/* A tag has no "+", as a version may. */
static char *tag_of(const struct uni_form_machine *machine)
{
	char *tag = uni_strdup(machine->version != NULL ? machine->version : "latest");

	for (char *c = tag; *c != '\0'; c++)
		if (*c == '+')
			*c = '_';
	return tag;
}

static int containerdisk_write(struct uni_disk_source *source,
			       const struct uni_form_machine *machine,
			       const struct uni_form_out *out, struct uni_err *err)
{
	UNI_AUTO(uni_oci_layout)
	struct uni_oci_layout *layout = uni_oci_layout_new(out, "containerdisk");
	struct uni_oci_descriptor layer = { .media_type = UNI_OCI_LAYER_TAR };
	struct uni_oci_manifest manifest = { .config = { .media_type = UNI_OCI_CONFIG },
					     .layers = &layer,
					     .layer_count = 1 };
	char *tag UNI_AUTO_FREE = tag_of(machine);
	const struct uni_oci_annotation name = { UNI_OCI_REF_NAME, tag };
	struct uni_oci_descriptor made = { .media_type = UNI_OCI_MANIFEST,
					   .architecture = "amd64",
					   .os = "linux",
					   .annotations = { &name, 1 } };
	UNI_AUTO_BUF struct uni_buf config = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	int rc = put_layer(layout, source, machine, &layer, err);

	if (rc != 0)
		return rc;
	config_json(&layer, &config);
	rc = uni_oci_layout_put(layout, config.data, config.size, &manifest.config, err);
	uni_oci_manifest_json(&manifest, &json);
	if (rc == 0)
		rc = uni_oci_layout_put(layout, json.data, json.size, &made, err);
	return rc != 0 ? rc : uni_oci_layout_finish(layout, &made, 1, err);
}

static const char *const files[] = { "oci-layout", "index.json", "blobs/sha256/*", NULL };

const struct uni_form form_containerdisk = {
	.name = "containerdisk",
	.ending = "containerdisk",
	.version = 2,
	.deflate = true,
	.files = files,
	.write = containerdisk_write,
};
