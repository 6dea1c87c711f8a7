/*
 * The disk in a container image: KubeVirt's containerDisk (user guide, "Disks and Volumes") is an
 * image whose layers hold one file in /disk. It is unpacked into a temporary file, for a layer may
 * be compressed, and is then a disk in whatever form it has.
 */
#include "image.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/source/unpack.h>
#include <unistd.h>

#define FOLDER "disk/"
#define STEP (1u << 20)

struct file {
	int fd; /* -1: none */
	uint64_t size;
};

/* The layer as it is stored, when it is what its digest says. */
static int fetch_layer(struct image_place *place, const struct image_part *part, int fd,
		       struct uni_err *err)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, "a layer");
	struct uni_digest digest;
	int rc;

	uni_sink_push_digest(&sink, &digest);
	rc = local_blob(place, part, sink, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	if (rc == 0 && !uni_digest_eq(&digest, &part->digest))
		rc = uni_err_set(err, UNI_E_CORRUPT, "a layer is not what its digest says");
	return rc == 0 && lseek(fd, 0, SEEK_SET) != 0 ? uni_err_errno(err, "a layer") : rc;
}

static int unpack_file(struct uni_tar_reader *tar, struct file *file, struct uni_err *err)
{
	uint8_t *data UNI_AUTO_FREE = uni_alloc(STEP);
	int rc = uni_file_nameless(&file->fd, err);

	while (rc == 0) {
		size_t got;

		rc = uni_tar_reader_data(tar, data, STEP, &got, err);
		if (rc != 0 || got == 0)
			break;
		rc = uni_pwrite_full(file->fd, data, got, file->size, "temporary file", err);
		file->size += got;
	}
	return rc;
}

/* A layer without one leaves `file` as it is. */
static int look_into_layer(int fd, const struct image_part *part, struct file *file,
			   struct uni_err *err)
{
	const struct uni_tar_limits limits = { .entries = 1u << 20,
					       .size = uni_archive_most(part->size),
					       .path_size = 4095 };
	struct uni_source *source UNI_AUTO(uni_source) = NULL;
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) = NULL;
	const struct uni_entry *entry;
	int rc = uni_archive_source(&source, fd, "layer", err);

	if (rc != 0)
		return rc;
	uni_source_push_limit(&source, 2 * limits.size, "a layer");
	tar = uni_tar_reader_new(source, &limits, "layer");
	while ((rc = uni_tar_reader_next(tar, &entry, err)) == 1) {
		const char *name = uni_path_base(entry->path);

		if (entry->type != UNI_ENTRY_FILE || !uni_str_starts(entry->path, FOLDER) ||
		    strlen(name) + strlen(FOLDER) != strlen(entry->path) || name[0] == '.')
			continue;
		if (file->fd >= 0)
			return uni_err_set(err, UNI_E_UNSUPPORTED,
					   "more than one file in /disk: which is the disk?");
		rc = unpack_file(tar, file, err);
		if (rc != 0)
			break;
	}
	return rc;
}

static int find_disk(struct image_place *place, const struct uni_json *manifest, struct file *file,
		     struct uni_err *err)
{
	const struct uni_json *layers = uni_json_get(manifest, "layers");
	size_t count = uni_json_count(layers);

	if (count > IMAGE_LAYERS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d layers", IMAGE_LAYERS_MAX);
	/* A later layer's file hides an earlier one's. */
	while (count-- != 0 && file->fd < 0) {
		struct image_part part;
		int fd UNI_AUTO_CLOSE = -1;
		int rc = image_descriptor(uni_json_item(layers, count), &part, err);

		if (rc == 0)
			rc = uni_file_nameless(&fd, err);
		if (rc == 0)
			rc = fetch_layer(place, &part, fd, err);
		if (rc == 0)
			rc = look_into_layer(fd, &part, file, err);
		if (rc != 0)
			return rc;
	}
	if (file->fd < 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "is a container image without a disk in /disk");
	return 0;
}

static int open_place(struct image_place *place, struct uni_disk_source **source,
		      struct uni_digest *digest, struct uni_err *err)
{
	struct uni_json *manifest UNI_AUTO(uni_json) = NULL;
	struct file file = { .fd = -1 };
	int fd UNI_AUTO_CLOSE = -1;
	int rc = image_manifest(place, NULL, &manifest, digest, err);

	if (rc == 0)
		rc = find_disk(place, manifest, &file, err);
	fd = file.fd;
	if (rc == 0)
		rc = uni_disk_open_fd(source, fd, file.size, "its disk", err);
	if (rc == 0) {
		(*source)->owned_fd = uni_take_fd(&fd);
		(*source)->form = "containerdisk";
	}
	return rc;
}

int uni_containerdisk_open(struct uni_disk_source **source, const char *path,
			   struct uni_digest *digest, struct uni_err *err)
{
	static const struct uni_fetch nowhere;
	const struct uni_image_source image = { .path = path };
	struct image_place place = IMAGE_PLACE_INIT;
	int rc = image_place_open(&place, &nowhere, &image, err);

	*source = NULL;
	if (rc == 0)
		rc = open_place(&place, source, digest, err);
	image_place_close(&place);
	return rc != 0 ? uni_err_context(err, "%s", path) : 0;
}
