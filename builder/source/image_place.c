/*
 * Manifests and blobs of an image, from a registry or from this machine.
 */
#include "fetch.h"
#include "image.h"

#include <string.h>
#include <unistd.h>

#define BLOB_MAX (UINT64_C(64) << 30)

int image_descriptor(const struct uni_json *descriptor, struct image_part *part,
		     struct uni_err *err)
{
	const char *text = uni_json_text(uni_json_get(descriptor, "digest"));

	if (text == NULL || !uni_str_starts(text, "sha256:") ||
	    !uni_digest_parse(text, &part->digest) ||
	    !uni_json_u64(uni_json_get(descriptor, "size"), &part->size) || part->size > BLOB_MAX)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "a descriptor without SHA-256 digest or size");
	return 0;
}

int image_place_open(struct image_place *place, const struct uni_fetch *fetch,
		     const struct uni_image_source *image, struct uni_err *err)
{
	static const struct uni_net_options defaults;
	struct uni_net_options net = fetch->net != NULL ? *fetch->net : defaults;
	int rc;

	*place = (struct image_place)IMAGE_PLACE_INIT;
	place->fetch = fetch;
	place->image = image;
	if (image->address == NULL)
		return local_open(place, err);
	rc = uni_oci_reference_parse(image->address, &place->reference, err);
	if (rc == 0 && fetch->offline)
		rc = uni_err_set(err, UNI_E_NOENT, "%s is not in the store, and --offline is on",
				 image->address);
	net.events = fetch->events;
	return rc == 0 ? uni_oci_open(&place->oci, &place->reference, false, &net, err) : rc;
}

void image_place_close(struct image_place *place)
{
	uni_oci_free(place->oci);
	uni_oci_reference_free(&place->reference);
	local_close(place);
}

int image_place_manifest(struct image_place *place, const struct uni_digest *digest,
			 struct uni_buf *json, struct uni_digest *found, struct uni_err *err)
{
	const char *what = place->reference.tag != NULL ? place->reference.tag : "latest";
	char text[UNI_DIGEST_TEXT];

	if (place->oci == NULL)
		return local_manifest(place, digest, json, found, err);
	if (digest != NULL) {
		uni_digest_text(digest, text);
		what = text;
	}
	return uni_oci_get_manifest(place->oci, what, json, found, err);
}

static struct uni_digest blob_key(const struct image_part *part)
{
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni image blob 1");
	uni_hash_add(&hash, part->digest.bytes, sizeof(part->digest.bytes));
	return uni_hash_end(&hash);
}

static int receive(struct image_place *place, const struct image_part *part, int fd,
		   struct uni_err *err)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) =
		uni_sink_to_fd(fd, uni_store_path(place->fetch->store));
	struct uni_digest digest = part->digest;
	int rc;

	/* What a registry sends is checked by its client. */
	if (place->oci == NULL)
		uni_sink_push_digest(&sink, &digest);
	rc = place->oci != NULL ? uni_oci_get_blob(place->oci, &part->digest, part->size, sink, err)
				: local_blob(place, part, sink, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	if (rc == 0 && !uni_digest_eq(&digest, &part->digest))
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s: a blob is not what its digest says",
				 place->image->path);
	return rc;
}

int image_place_blob(struct image_place *place, const struct image_part *part,
		     struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_digest key = blob_key(part);
	int rc = fetch_known(place->fetch, &key, blob, NULL, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = uni_store_writer_open(&writer, place->fetch->store, err);
	if (rc == 0)
		rc = receive(place, part, uni_store_writer_fd(writer), err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, &part->digest, blob, err);
	return rc == 0 ? fetch_remember(place->fetch, &key, blob, NULL, err) : rc;
}
