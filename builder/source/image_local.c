/*
 * Images on this machine: a layout (OCI Image Layout Specification) in a folder or in a tar
 * archive, and the archive of `docker save`, whose manifest.json lists layers by their names; that
 * gets a manifest of our own making.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/bundle/oci.h>
#include <unistd.h>

#define MEMBERS_MAX 100000
#define STEP (1u << 20)
#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

/* A piece of a file. */
struct piece {
	int fd;
	uint64_t offset, size;
};

static void piece_close(struct piece *piece)
{
	uni_close_fd(&piece->fd);
}

/* --- names --- */

/* Where each file of an archive lies. */
static int list_members(struct image_place *place, struct uni_err *err)
{
	static const struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	struct uni_source *source UNI_AUTO(uni_source) =
		uni_source_from_fd(place->fd, place->image->path);
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) =
		uni_tar_reader_new(source, &limits, place->image->path);
	const struct uni_entry *entry;
	int rc;

	while ((rc = uni_tar_reader_next(tar, &entry, err)) == 1) {
		if (entry->type != UNI_ENTRY_FILE)
			continue;
		if (place->member_count == MEMBERS_MAX)
			return uni_err_set(err, UNI_E_LIMIT, "%s: more than %d files",
					   place->image->path, MEMBERS_MAX);
		UNI_PUSH_ROOM(place->members, place->member_count, place->member_room);
		place->members[place->member_count++] =
			(struct image_member){ .name = uni_strdup(entry->path),
					       .offset = uni_source_given(source),
					       .size = entry->size };
	}
	return rc;
}

int local_open(struct image_place *place, struct uni_err *err)
{
	const char *path = place->image->path;
	struct stat st;

	place->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (place->fd < 0 || fstat(place->fd, &st) != 0)
		return uni_err_errno(err, "%s", path);
	place->folder = S_ISDIR(st.st_mode);
	if (place->folder)
		return 0;
	return S_ISREG(st.st_mode) ? list_members(place, err)
				   : uni_err_set(err, UNI_E_INVAL, "%s: is no image", path);
}

void local_close(struct image_place *place)
{
	for (size_t i = 0; i < place->member_count; i++)
		free(place->members[i].name);
	free(place->members);
	uni_close_fd(&place->fd);
}

/* 1: there; 0: not. */
static int find(const struct image_place *place, const char *name, struct piece *piece,
		struct uni_err *err)
{
	struct stat st;

	*piece = (struct piece){ .fd = -1 };
	if (!place->folder) {
		for (size_t i = 0; i < place->member_count; i++) {
			const struct image_member *m = &place->members[i];

			if (!uni_str_eq(m->name, name))
				continue;
			*piece = (struct piece){ dup(place->fd), m->offset, m->size };
			return piece->fd < 0 ? uni_err_errno(err, "%s", place->image->path) : 1;
		}
		return 0;
	}
	piece->fd = openat(place->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (piece->fd < 0 && errno == ENOENT)
		return 0;
	if (piece->fd < 0 || fstat(piece->fd, &st) != 0)
		return uni_err_errno(err, "%s/%s", place->image->path, name);
	piece->size = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode) ? 1
				   : uni_err_set(err, UNI_E_INVAL, "%s/%s: is no file",
						 place->image->path, name);
}

static int missing(const struct image_place *place, const char *name, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_NOENT, "%s has no %s", place->image->path, name);
}

/* --- content --- */

static int pump(const struct piece *piece, struct uni_sink *sink, const char *name,
		struct uni_err *err)
{
	uint8_t *data UNI_AUTO_FREE = uni_alloc(STEP);
	int rc = 0;

	for (uint64_t done = 0; rc == 0 && done < piece->size;) {
		size_t size = piece->size - done < STEP ? (size_t)(piece->size - done) : STEP;

		rc = uni_pread_full(piece->fd, data, size, piece->offset + done, name, err);
		if (rc == 0)
			rc = uni_sink_write(sink, data, size, err);
		done += size;
	}
	return rc;
}

/* 1: read; 0: not there. */
static int read_small(struct image_place *place, const char *name, struct uni_buf *out,
		      struct uni_err *err)
{
	struct piece piece __attribute__((cleanup(piece_close))) = { .fd = -1 };
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(out, IMAGE_JSON_MAX);
	int rc = find(place, name, &piece, err);

	if (rc != 1)
		return rc;
	rc = pump(&piece, sink, name, err);
	return rc == 0 ? 1 : rc;
}

static char *blob_name(const struct uni_digest *digest)
{
	char hex[2 * sizeof(digest->bytes) + 1];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	return uni_asprintf("blobs/sha256/%s", hex);
}

/* --- docker save --- */

static int docker_part(struct image_place *place, const struct uni_json *name, const char *type,
		       struct uni_oci_descriptor *out, struct uni_err *err)
{
	struct piece piece __attribute__((cleanup(piece_close))) = { .fd = -1 };
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_nothing();
	const char *text = uni_json_text(name);
	int rc = text != NULL ? find(place, text, &piece, err) : 0;

	if (rc == 0)
		return missing(place, text != NULL ? text : "layer", err);
	out->media_type = type;
	out->size = piece.size;
	uni_sink_push_digest(&sink, &out->digest);
	if (rc == 1)
		rc = pump(&piece, sink, text, err);
	return rc == 0 ? uni_sink_finish(sink, err) : rc;
}

static bool docker_tagged(const struct uni_json *item, const char *tag)
{
	const struct uni_json *tags = uni_json_get(item, "RepoTags");

	for (size_t i = 0; i < uni_json_count(tags); i++) {
		const char *text = uni_json_text(uni_json_item(tags, i));
		const char *colon = text != NULL ? strrchr(text, ':') : NULL;

		if (uni_str_eq(text, tag) || (colon != NULL && uni_str_eq(colon + 1, tag)))
			return true;
	}
	return false;
}

/* The item of a list that the tag names; without a tag the only one. */
static const struct uni_json *choose(const struct uni_json *list, const char *tag,
				     bool (*tagged)(const struct uni_json *, const char *))
{
	if (tag == NULL)
		return uni_json_count(list) == 1 ? uni_json_item(list, 0) : NULL;
	for (size_t i = 0; i < uni_json_count(list); i++)
		if (tagged(uni_json_item(list, i), tag))
			return uni_json_item(list, i);
	return NULL;
}

static int no_choice(const struct image_place *place, struct uni_err *err)
{
	if (place->image->tag != NULL)
		return uni_err_set(err, UNI_E_NOENT, "%s has no image \"%s\"", place->image->path,
				   place->image->tag);
	uni_err_set(err, UNI_E_NOENT, "%s does not hold one image", place->image->path);
	return uni_err_hint(err, "say which, as oci:%s:TAG", place->image->path);
}

/* A manifest that says what manifest.json does. */
static int docker_manifest(struct image_place *place, struct uni_buf *json, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *root UNI_AUTO(uni_json) = NULL;
	struct uni_oci_descriptor layers[IMAGE_LAYERS_MAX] = { 0 };
	struct uni_oci_manifest manifest = { .layers = layers };
	const struct uni_json *item, *names;
	int rc = read_small(place, "manifest.json", &text, err);

	if (rc == 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: is neither an image layout nor an archive of docker save",
				   place->image->path);
	if (rc == 1)
		rc = uni_json_parse(&root, "manifest.json", uni_buf_text(&text), text.size, err);
	if (rc != 0)
		return rc;
	item = choose(root, place->image->tag, docker_tagged);
	if (item == NULL)
		return no_choice(place, err);
	names = uni_json_get(item, "Layers");
	manifest.layer_count = uni_json_count(names);
	if (manifest.layer_count > IMAGE_LAYERS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d layers", IMAGE_LAYERS_MAX);
	rc = docker_part(place, uni_json_get(item, "Config"), DOCKER_CONFIG, &manifest.config, err);
	for (size_t i = 0; rc == 0 && i < manifest.layer_count; i++)
		rc = docker_part(place, uni_json_item(names, i), UNI_OCI_LAYER_TAR, &layers[i],
				 err);
	uni_oci_manifest_json(&manifest, json);
	return rc;
}

/* A file of an archive of docker's by what is in it: it has names of its own there. */
static int docker_find(struct image_place *place, const struct image_part *part,
		       struct piece *piece, struct uni_err *err)
{
	for (size_t i = 0; i < place->member_count; i++) {
		const struct image_member *m = &place->members[i];
		const struct piece candidate = { place->fd, m->offset, m->size };
		struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_nothing();
		struct uni_digest digest;
		int rc;

		if (m->size != part->size)
			continue;
		uni_sink_push_digest(&sink, &digest);
		rc = pump(&candidate, sink, m->name, err);
		if (rc == 0)
			rc = uni_sink_finish(sink, err);
		if (rc != 0)
			return rc;
		if (!uni_digest_eq(&digest, &part->digest))
			continue;
		*piece = (struct piece){ dup(place->fd), m->offset, m->size };
		return piece->fd < 0 ? uni_err_errno(err, "%s", place->image->path) : 1;
	}
	return 0;
}

/* --- layouts --- */

static bool layout_tagged(const struct uni_json *item, const char *tag)
{
	return uni_str_eq(
		uni_json_text(uni_json_get(uni_json_get(item, "annotations"), UNI_OCI_REF_NAME)),
		tag);
}

/* What the tag means: 1 and the descriptor, 0 where there is no index. */
static int layout_choose(struct image_place *place, struct image_part *part, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *root UNI_AUTO(uni_json) = NULL;
	const struct uni_json *item;
	int rc = read_small(place, "index.json", &text, err);

	if (rc != 1)
		return rc;
	rc = uni_json_parse(&root, "index.json", uni_buf_text(&text), text.size, err);
	if (rc != 0)
		return rc;
	item = choose(uni_json_get(root, "manifests"), place->image->tag, layout_tagged);
	if (item == NULL)
		return no_choice(place, err);
	rc = image_descriptor(item, part, err);
	return rc == 0 ? 1 : rc;
}

int local_manifest(struct image_place *place, const struct uni_digest *digest, struct uni_buf *json,
		   struct uni_digest *found, struct uni_err *err)
{
	struct image_part part = { .size = 0 };
	char *name UNI_AUTO_FREE = NULL;
	int rc = digest != NULL ? 1 : layout_choose(place, &part, err);

	if (rc == 1) {
		name = blob_name(digest != NULL ? digest : &part.digest);
		rc = read_small(place, name, json, err);
		if (rc == 0 && digest == NULL)
			return missing(place, name, err);
	}
	if (rc == 0)
		rc = docker_manifest(place, json, err);
	if (rc < 0)
		return rc;
	*found = uni_digest_of(uni_buf_text(json), json->size);
	if (digest == NULL && name != NULL)
		digest = &part.digest;
	return digest == NULL || uni_digest_eq(digest, found)
		       ? 0
		       : uni_err_set(err, UNI_E_CORRUPT, "%s: is not what its digest says",
				     place->image->path);
}

int local_blob(struct image_place *place, const struct image_part *part, struct uni_sink *sink,
	       struct uni_err *err)
{
	struct piece piece __attribute__((cleanup(piece_close))) = { .fd = -1 };
	char *name UNI_AUTO_FREE = blob_name(&part->digest);
	int rc = find(place, name, &piece, err);

	if (rc == 0)
		rc = docker_find(place, part, &piece, err);
	if (rc == 0)
		return missing(place, name, err);
	if (rc == 1 && piece.size != part->size)
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s: is not as long as it should be", name);
	return rc == 1 ? pump(&piece, sink, name, err) : rc;
}
