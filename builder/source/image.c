/*
 * A container image unpacked into the store: index, manifest, configuration, layers.
 */
#include "image.h"
#include "fetch.h"
#include "layers.h"

#include <string.h>
#include <uni/bundle/oci.h>
#include <uni/source/unpack.h>

#define INDEXES_MAX 4
/* What a layer may unpack to: so much, and so much for each byte that came. */
#define ENTRIES_MAX 400000

struct image {
	struct image_place place;
	struct uni_digest digest;  /* of what was asked for */
	struct uni_json *manifest; /* of the platform's image */
	struct uni_json *config;
	struct uni_store_entry config_blob;
};

static void image_close(struct image *image)
{
	image_place_close(&image->place);
	uni_json_free(image->manifest);
	uni_json_free(image->config);
}
#define AUTO_IMAGE __attribute__((cleanup(image_close)))

/* --- down to the manifest --- */

static bool is_ours(const struct uni_json *platform)
{
	const char *variant = uni_json_text(uni_json_get(platform, "variant"));

	return uni_str_eq(uni_json_text(uni_json_get(platform, "os")), "linux") &&
	       uni_str_eq(uni_json_text(uni_json_get(platform, "architecture")), "amd64") &&
	       (variant == NULL || *variant == '\0' || uni_str_eq(variant, "v1"));
}

static int choose_platform(const struct uni_json *list, struct image_part *part,
			   struct uni_err *err)
{
	struct uni_buf known UNI_AUTO_BUF = UNI_BUF_INIT;

	for (size_t i = 0; i < uni_json_count(list); i++) {
		const struct uni_json *item = uni_json_item(list, i);
		const struct uni_json *platform = uni_json_get(item, "platform");
		const char *os = uni_json_text(uni_json_get(platform, "os"));
		const char *arch = uni_json_text(uni_json_get(platform, "architecture"));

		if (is_ours(platform))
			return image_descriptor(item, part, err);
		if (os != NULL && arch != NULL && known.size < 200)
			uni_buf_printf(&known, "%s%.20s/%.20s", known.size != 0 ? ", " : "", os,
				       arch);
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED, "the image is not there for linux/amd64%s%s",
			   known.size != 0 ? ", but for " : "", uni_buf_text(&known));
}

int image_manifest(struct image_place *place, const struct uni_digest *wanted,
		   struct uni_json **manifest, struct uni_digest *digest, struct uni_err *err)
{
	struct image_part part = { .size = 0 };

	for (unsigned depth = 0; depth < INDEXES_MAX; depth++) {
		struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
		struct uni_json *json UNI_AUTO(uni_json) = NULL;
		const struct uni_json *list;
		struct uni_digest found;
		int rc = image_place_manifest(place, wanted, &text, &found, err);

		if (rc == 0)
			rc = uni_json_parse(&json, "manifest", uni_buf_text(&text), text.size, err);
		if (rc != 0)
			return rc;
		if (depth == 0)
			*digest = found;
		list = uni_json_get(json, "manifests");
		if (!uni_json_is_array(list)) {
			*manifest = json;
			json = NULL;
			return 0;
		}
		rc = choose_platform(list, &part, err);
		if (rc != 0)
			return rc;
		wanted = &part.digest;
	}
	return uni_err_set(err, UNI_E_LIMIT, "indexes of indexes, more than %d deep", INDEXES_MAX);
}

static int read_manifest(struct image *image, struct uni_err *err)
{
	const struct uni_image_source *source = image->place.image;

	return image_manifest(&image->place, source->has_digest ? &source->digest : NULL,
			      &image->manifest, &image->digest, err);
}

static int read_config(struct image *image, struct uni_err *err)
{
	const struct uni_json *descriptor = uni_json_get(image->manifest, "config");
	const char *type = uni_json_text(uni_json_get(descriptor, "mediaType"));
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct image_part part;
	int rc;

	if (!uni_str_eq(type, UNI_OCI_CONFIG) &&
	    !uni_str_eq(type, "application/vnd.docker.container.image.v1+json"))
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "this is an artifact, but no container image (%s)",
				   type != NULL ? type : "no configuration");
	rc = image_descriptor(descriptor, &part, err);
	if (rc == 0)
		rc = image_place_blob(&image->place, &part, &image->config_blob, err);
	if (rc == 0)
		rc = uni_store_blob_read(image->place.fetch->store, &image->config_blob,
					 IMAGE_JSON_MAX, &text, err);
	return rc == 0 ? uni_json_parse(&image->config, "configuration", uni_buf_text(&text),
					text.size, err)
		       : rc;
}

/* --- layers --- */

static bool media_type_known(const char *type)
{
	static const char *const known[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	};

	for (size_t i = 0; i < UNI_COUNT(known); i++)
		if (uni_str_eq(type, known[i]))
			return true;
	return false;
}

/* What is behind the archive's end belongs to the digest too. */
static int unpack_layer(struct layers *layers, int fd, const struct image_part *part,
			struct uni_digest *diff, struct uni_err *err)
{
	const uint64_t most = uni_archive_most(part->size);
	const struct uni_tar_limits limits = { .entries = ENTRIES_MAX,
					       .size = most,
					       .path_size = UNI_TREE_PATH_MAX,
					       .open_end = true };
	struct uni_source *source UNI_AUTO(uni_source) = NULL;
	struct uni_tar_reader *tar UNI_AUTO(uni_tar_reader) = NULL;
	struct uni_sink *nowhere UNI_AUTO(uni_sink) = uni_sink_to_nothing();
	int rc = uni_archive_source(&source, fd, "layer", err);

	if (rc != 0)
		return rc;
	/* Headers and padding are little beside this. */
	uni_source_push_limit(&source, 2 * most, "a layer");
	uni_source_push_digest(&source, diff);
	tar = uni_tar_reader_new(source, &limits, "layer");
	rc = layers_add(layers, tar, err);
	return rc == 0 ? uni_io_pump(source, nowhere, err) : rc;
}

static int add_layer(struct image *image, const struct uni_json *layer, const char *diff_id,
		     struct layers *layers, struct uni_err *err)
{
	struct uni_store *store = image->place.fetch->store;
	const char *type = uni_json_text(uni_json_get(layer, "mediaType"));
	struct uni_digest wanted, diff;
	struct uni_store_entry blob;
	struct image_part part;
	int fd UNI_AUTO_CLOSE = -1;
	int rc;

	if (!media_type_known(type))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "layers of type %s",
				   type != NULL ? type : "(none)");
	if (diff_id == NULL || !uni_str_starts(diff_id, "sha256:") ||
	    !uni_digest_parse(diff_id, &wanted))
		return uni_err_set(err, UNI_E_CORRUPT,
				   "the configuration does not know a layer of the manifest");
	rc = image_descriptor(layer, &part, err);
	if (rc == 0)
		rc = image_place_blob(&image->place, &part, &blob, err);
	if (rc == 0)
		rc = uni_store_blob_open(store, &blob, &fd, err);
	if (rc == 0)
		rc = unpack_layer(layers, fd, &part, &diff, err);
	if (rc == 0 && !uni_digest_eq(&wanted, &diff))
		rc = uni_err_set(err, UNI_E_CORRUPT,
				 "a layer unpacks to something else than its image says");
	return rc;
}

static int unpack(struct image *image, struct uni_files *files, struct uni_err *err)
{
	struct layers *layers UNI_AUTO(layers) = layers_new(image->place.fetch->store);
	const struct uni_json *list = uni_json_get(image->manifest, "layers");
	const struct uni_json *diffs =
		uni_json_get(uni_json_get(image->config, "rootfs"), "diff_ids");
	size_t count = uni_json_count(list);
	int rc = 0;

	if (!uni_json_is_array(list) || count != uni_json_count(diffs) || count > IMAGE_LAYERS_MAX)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "manifest and configuration do not have the same layers, or "
				   "more than %d",
				   IMAGE_LAYERS_MAX);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_layer(image, uni_json_item(list, i),
			       uni_json_text(uni_json_item(diffs, i)), layers, err);
	if (rc != 0)
		return rc;
	if (layers_left_out(layers) != 0)
		uni_event_note(image->place.fetch->events,
			       "%zu devices and FIFOs of the image are left out",
			       layers_left_out(layers));
	return layers_files(layers, files, err);
}

/* --- what is asked for --- */

static const char *name_of(const struct uni_image_source *image)
{
	return image->address != NULL ? image->address : image->path;
}

static struct uni_digest key_of(const char *what, const struct uni_digest *digest)
{
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, what);
	uni_hash_add(&hash, digest->bytes, sizeof(digest->bytes));
	return uni_hash_end(&hash);
}
#define FILES_KEY "uni image files 1"
#define CONFIG_KEY "uni image configuration 1"

int uni_fetch_image_digest(const struct uni_fetch *fetch, const struct uni_image_source *source,
			   struct uni_digest *digest, struct uni_err *err)
{
	struct image image AUTO_IMAGE = { .place = IMAGE_PLACE_INIT };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = image_place_open(&image.place, fetch, source, err);

	if (rc == 0)
		rc = image_place_manifest(&image.place, NULL, &text, digest, err);
	return rc != 0 ? uni_err_context(err, "%s", name_of(source)) : 0;
}

static int fetch_files(struct image *image, struct uni_store_record *record, struct uni_err *err)
{
	const struct uni_fetch *fetch = image->place.fetch;
	struct uni_files files UNI_AUTO_FILES = { .words = UNI_BUF_INIT };
	const struct uni_digest files_key = key_of(FILES_KEY, &image->digest);
	const struct uni_digest config_key = key_of(CONFIG_KEY, &image->digest);
	int rc = read_config(image, err);

	if (rc == 0)
		rc = unpack(image, &files, err);
	uni_files_take(&files, record);
	if (rc == 0)
		rc = uni_store_result_put(fetch->store, &files_key, record, err);
	return rc == 0 ? fetch_remember(fetch, &config_key, &image->config_blob, NULL, err) : rc;
}

int uni_fetch_image(const struct uni_fetch *fetch, const struct uni_image_source *source,
		    struct uni_store_record *files, struct uni_err *err)
{
	struct image image AUTO_IMAGE = { .place = IMAGE_PLACE_INIT, .digest = source->digest };
	struct uni_digest key = key_of(FILES_KEY, &source->digest);
	int rc = source->has_digest ? uni_store_result_get(fetch->store, &key, files, err) : 0;

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = image_place_open(&image.place, fetch, source, err);
	if (rc == 0)
		rc = read_manifest(&image, err);
	/* What the tag means now may be here already. */
	if (rc == 0 && !source->has_digest) {
		key = key_of(FILES_KEY, &image.digest);
		rc = uni_store_result_get(fetch->store, &key, files, err);
		if (rc == 1)
			return 0;
	}
	if (rc == 0) {
		uni_event_note(fetch->events, "fetching image %s", name_of(source));
		rc = fetch_files(&image, files, err);
	}
	return rc != 0 ? uni_err_context(err, "%s", name_of(source)) : 0;
}

int uni_fetch_image_config(const struct uni_fetch *fetch, const struct uni_image_source *source,
			   struct uni_buf *json, struct uni_err *err)
{
	struct image image AUTO_IMAGE = { .place = IMAGE_PLACE_INIT };
	struct uni_digest key = key_of(CONFIG_KEY, &source->digest);
	int rc = source->has_digest ? fetch_known(fetch, &key, &image.config_blob, NULL, err) : 0;

	if (rc == 0) {
		rc = image_place_open(&image.place, fetch, source, err);
		if (rc == 0)
			rc = read_manifest(&image, err);
		if (rc == 0)
			rc = read_config(&image, err);
	}
	if (rc >= 0)
		rc = uni_store_blob_read(fetch->store, &image.config_blob, IMAGE_JSON_MAX, json,
					 err);
	return rc != 0 ? uni_err_context(err, "%s", name_of(source)) : 0;
}
