/*
 * OCI's JSON, with keys in the order in which the specification names them.
 */
#include <inttypes.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/bundle/oci.h>

static const char empty[] = "{}";

struct uni_oci_descriptor uni_oci_empty(void)
{
	return (struct uni_oci_descriptor){
		.media_type = UNI_OCI_EMPTY,
		.digest = uni_digest_of(empty, strlen(empty)),
		.size = strlen(empty),
	};
}

static void put_text(struct uni_buf *out, const char *key, const char *value)
{
	uni_buf_printf(out, ",\"%s\":", key);
	uni_json_string(out, value);
}

static void put_annotations(struct uni_buf *out, const struct uni_oci_annotations *annotations)
{
	if (annotations->count == 0)
		return;
	uni_buf_puts(out, ",\"annotations\":{");
	for (size_t i = 0; i < annotations->count; i++) {
		if (i != 0)
			uni_buf_putc(out, ',');
		uni_json_string(out, annotations->items[i].key);
		uni_buf_putc(out, ':');
		uni_json_string(out, annotations->items[i].value);
	}
	uni_buf_putc(out, '}');
}

void uni_oci_descriptor_json(const struct uni_oci_descriptor *descriptor, struct uni_buf *out)
{
	char digest[UNI_DIGEST_TEXT];

	uni_digest_text(&descriptor->digest, digest);
	uni_buf_puts(out, "{\"mediaType\":");
	uni_json_string(out, descriptor->media_type);
	uni_buf_printf(out, ",\"digest\":\"%s\",\"size\":%" PRIu64, digest, descriptor->size);
	put_annotations(out, &descriptor->annotations);
	if (descriptor->architecture != NULL) {
		uni_buf_puts(out, ",\"platform\":{\"architecture\":");
		uni_json_string(out, descriptor->architecture);
		put_text(out, "os", descriptor->os);
		uni_buf_putc(out, '}');
	}
	if (descriptor->artifact_type != NULL)
		put_text(out, "artifactType", descriptor->artifact_type);
	uni_buf_putc(out, '}');
}

static void put_list(struct uni_buf *out, const char *key, const struct uni_oci_descriptor *items,
		     size_t count)
{
	uni_buf_printf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < count; i++) {
		if (i != 0)
			uni_buf_putc(out, ',');
		uni_oci_descriptor_json(&items[i], out);
	}
	uni_buf_putc(out, ']');
}

static void put_head(struct uni_buf *out, const char *media_type, const char *artifact_type)
{
	uni_buf_puts(out, "{\"schemaVersion\":2");
	put_text(out, "mediaType", media_type);
	if (artifact_type != NULL)
		put_text(out, "artifactType", artifact_type);
}

void uni_oci_manifest_json(const struct uni_oci_manifest *manifest, struct uni_buf *out)
{
	put_head(out, UNI_OCI_MANIFEST, manifest->artifact_type);
	uni_buf_puts(out, ",\"config\":");
	uni_oci_descriptor_json(&manifest->config, out);
	put_list(out, "layers", manifest->layers, manifest->layer_count);
	if (manifest->subject != NULL) {
		uni_buf_puts(out, ",\"subject\":");
		uni_oci_descriptor_json(manifest->subject, out);
	}
	put_annotations(out, &manifest->annotations);
	uni_buf_putc(out, '}');
}

void uni_oci_index_json(const struct uni_oci_descriptor *manifests, size_t count,
			const char *artifact_type, struct uni_buf *out)
{
	put_head(out, UNI_OCI_INDEX, artifact_type);
	put_list(out, "manifests", manifests, count);
	uni_buf_putc(out, '}');
}

/* --- layouts --- */

struct uni_oci_layout {
	const struct uni_form_out *out;
	char *folder;
	struct uni_digest *blobs;
	size_t count, room;
};

struct uni_oci_layout *uni_oci_layout_new(const struct uni_form_out *out, const char *folder)
{
	struct uni_oci_layout *layout = uni_alloc(sizeof(*layout));

	layout->out = out;
	layout->folder = uni_strdup(folder);
	return layout;
}

void uni_oci_layout_free(struct uni_oci_layout *layout)
{
	if (layout == NULL)
		return;
	free(layout->blobs);
	free(layout->folder);
	free(layout);
}

static bool has_blob(const struct uni_oci_layout *layout, const struct uni_digest *digest)
{
	for (size_t i = 0; i < layout->count; i++)
		if (uni_digest_eq(&layout->blobs[i], digest))
			return true;
	return false;
}

int uni_oci_layout_begin(struct uni_oci_layout *layout, int *fd, struct uni_err *err)
{
	return layout->out->begin(layout->out->user, fd, err);
}

int uni_oci_layout_end(struct uni_oci_layout *layout, const struct uni_digest *digest,
		       struct uni_err *err)
{
	char *name UNI_AUTO_FREE = NULL;
	char hex[65];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	name = uni_asprintf("%s/blobs/sha256/%s", layout->folder, hex);
	if (!has_blob(layout, digest)) {
		UNI_PUSH_ROOM(layout->blobs, layout->count, layout->room);
		layout->blobs[layout->count++] = *digest;
	}
	return layout->out->end(layout->out->user, name, digest, err);
}

int uni_oci_layout_put(struct uni_oci_layout *layout, const void *data, size_t size,
		       struct uni_oci_descriptor *descriptor, struct uni_err *err)
{
	char *name UNI_AUTO_FREE = NULL;
	char hex[65];

	descriptor->digest = uni_digest_of(data, size);
	descriptor->size = size;
	if (has_blob(layout, &descriptor->digest))
		return 0;
	UNI_PUSH_ROOM(layout->blobs, layout->count, layout->room);
	layout->blobs[layout->count++] = descriptor->digest;
	uni_hex(descriptor->digest.bytes, sizeof(descriptor->digest.bytes), hex);
	name = uni_asprintf("%s/blobs/sha256/%s", layout->folder, hex);
	return uni_form_put(layout->out, name, data, size, err);
}

int uni_oci_layout_finish(struct uni_oci_layout *layout, const struct uni_oci_descriptor *manifests,
			  size_t count, struct uni_err *err)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	char *index UNI_AUTO_FREE = uni_asprintf("%s/index.json", layout->folder);
	char *mark UNI_AUTO_FREE = uni_asprintf("%s/oci-layout", layout->folder);
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	int rc = uni_form_put(layout->out, mark, version, strlen(version), err);

	uni_oci_index_json(manifests, count, NULL, &json);
	return rc != 0 ? rc : uni_form_put(layout->out, index, json.data, json.size, err);
}
