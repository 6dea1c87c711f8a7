/*
 * A manifest's layers become files again.
 */
#include "connections.h"
#include "oci.h"
#include "places.h"
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/bundle/oci.h>
#include <uni/dest/attach.h>
#include <uni/dest/pull.h>
#include <uni/disk/source.h>
#include <uni/oci/registry.h>
#include <unistd.h>

#include "volume_artifact.h"

#define LAYERS_MAX 1024u

struct pull {
	struct uni_oci *oci;
	struct uni_oci_reference reference;
	struct uni_json *manifest;
	struct uni_digest digest; /* of the manifest */
	const struct uni_pull *how;
	struct uni_strv *paths;
	struct connections connections;
};

static void pull_end(struct pull *p)
{
	connections_free(&p->connections);
	uni_oci_free(p->oci);
	uni_oci_reference_free(&p->reference);
	uni_json_free(p->manifest);
}

static const char *annotation(const struct uni_json *of, const char *key)
{
	return uni_json_text(uni_json_get(uni_json_get(of, "annotations"), key));
}

int oci_take_descriptor(const struct uni_json *layer, struct uni_digest *digest, uint64_t *size,
			struct uni_err *err)
{
	const char *text = uni_json_text(uni_json_get(layer, "digest"));

	if (text == NULL || !uni_str_starts(text, "sha256:") || !uni_digest_parse(text, digest) ||
	    !uni_json_u64(uni_json_get(layer, "size"), size) || *size > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "the manifest has a layer without digest or size");
	return 0;
}

/* A file's name that stays in the folder: it comes from outside. */
static bool title_valid(const char *title)
{
	return title != NULL && *title != '\0' && strlen(title) < 256 && title[0] != '.' &&
	       strchr(title, '/') == NULL && uni_utf8_valid(title, strlen(title));
}

/* `key` and `begun`: to go on where one that was killed got to; or NULL. */
static int begin_file(struct pull *p, const char *title, const char *key, struct uni_outfile **file,
		      bool *begun, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = NULL;

	if (!title_valid(title))
		return uni_err_set(err, UNI_E_CORRUPT,
				   "the manifest has no title that is a file's name");
	path = uni_path_join(p->how->folder, title);
	if (uni_output_check(path, p->how->force, err) != 0)
		return err->code;
	uni_strv_add(p->paths, path);
	if ((key != NULL ? uni_outfile_resume(file, path, key, 0644, begun, err)
			 : uni_outfile_open(file, path, 0644, err)) != 0)
		return err->code;
	if (!p->how->force)
		uni_outfile_keep(*file);
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Sorted, within the disk, and none over another: what they make does not depend on which comes
 * first. */
static int read_places(const struct uni_json *layers, uint64_t size, struct place *places,
		       struct uni_err *err)
{
	size_t count = uni_json_count(layers);
	uint64_t end = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct uni_json *layer = uni_json_item(layers, i);
		const char *offset = annotation(layer, OCI_OFFSET);

		if (offset == NULL || !uni_str_u64(offset, &places[i].at))
			return uni_err_set(err, UNI_E_CORRUPT,
					   "a part does not say where it belongs");
		rc = oci_take_descriptor(layer, &places[i].digest, &places[i].size, err);
	}
	if (rc != 0)
		return rc;
	qsort(places, count, sizeof(*places), by_place);
	for (size_t i = 0; i < count; i++) {
		if (places[i].at > size || places[i].size > size - places[i].at)
			return uni_err_set(err, UNI_E_CORRUPT, "a part lies beyond the disk");
		if (places[i].at < end)
			return uni_err_set(err, UNI_E_CORRUPT, "parts of the disk overlap");
		end = places[i].at + places[i].size;
	}
	return 0;
}

/* What of the same content stands under the same name; its places are zeros otherwise. */
static int begin_places(struct pull *p, const char *title, const struct uni_digest *content,
			uint64_t size, struct uni_outfile **file, struct places *places,
			struct uni_err *err)
{
	char key[33];
	bool begun;
	int rc;

	uni_hex(content->bytes, 16, key);
	rc = begin_file(p, title, key, file, &begun, err);
	if (rc != 0)
		return rc;
	places->fd = uni_outfile_fd(*file);
	places->name = p->paths->items[p->paths->count - 1];
	if (begun)
		places_resume(places);
	if (ftruncate(places->fd, (off_t)size) != 0)
		return uni_err_errno(err, "cannot write %s", places->name);
	return 0;
}

static int pull_disk(struct pull *p, const struct uni_json *layers, struct uni_err *err)
{
	struct uni_outfile *file UNI_AUTO(uni_outfile) = NULL;
	struct place *each UNI_AUTO_FREE =
		uni_alloc_array(uni_json_count(layers) + 1, sizeof(*each));
	struct places places = { .each = each,
				 .count = uni_json_count(layers),
				 .connections = &p->connections,
				 .events = p->how->events };
	const char *size_text = annotation(p->manifest, OCI_SIZE);
	uint64_t size = 0;
	int rc;

	if (size_text == NULL || !uni_str_u64(size_text, &size) || size > UNI_DISK_SIZE_MAX)
		return uni_err_set(err, UNI_E_CORRUPT, "the manifest does not say the disk's size");
	rc = read_places(layers, size, each, err);
	if (rc == 0)
		rc = begin_places(p, annotation(p->manifest, UNI_OCI_TITLE), &p->digest, size,
				  &file, &places, err);
	if (rc == 0)
		rc = places_fetch(&places, err);
	return rc == 0 ? uni_outfile_commit(file, true, err) : rc;
}

static int pull_files(struct pull *p, const struct uni_json *layers, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < uni_json_count(layers); i++) {
		struct uni_outfile *file UNI_AUTO(uni_outfile) = NULL;
		const struct uni_json *layer = uni_json_item(layers, i);
		struct place place = { .at = 0 };
		struct places places = { .each = &place,
					 .count = 1,
					 .connections = &p->connections,
					 .events = p->how->events };

		rc = oci_take_descriptor(layer, &place.digest, &place.size, err);
		if (rc == 0)
			rc = begin_places(p, annotation(layer, UNI_OCI_TITLE), &place.digest,
					  place.size, &file, &places, err);
		if (rc == 0)
			rc = places_fetch(&places, err);
		if (rc == 0)
			rc = uni_outfile_commit(file, true, err);
	}
	return rc;
}

int oci_read_manifest(struct uni_oci *oci, const struct uni_oci_reference *reference,
		      struct uni_json **manifest, struct uni_digest *digest, struct uni_err *err)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	char text[UNI_DIGEST_TEXT];
	const char *what = reference->tag != NULL ? reference->tag : "latest";
	int rc;

	if (reference->has_digest) {
		uni_digest_text(&reference->digest, text);
		what = text;
	}
	rc = uni_oci_get_manifest(oci, what, &json, digest, err);
	return rc == 0 ? uni_json_parse(manifest, "manifest", uni_buf_text(&json), json.size, err)
		       : rc;
}

/* Connects, and reads the manifest, which the wanted key has signed. */
static int begin(struct pull *p, struct uni_err *err)
{
	const struct uni_net_options net = { .events = p->how->events };
	int rc = uni_oci_reference_parse(p->how->address, &p->reference, err);

	if (rc == 0)
		rc = uni_oci_open(&p->oci, &p->reference, false, &net, err);
	if (rc == 0)
		rc = oci_read_manifest(p->oci, &p->reference, &p->manifest, &p->digest, err);
	if (rc == 0 && p->how->key != NULL)
		rc = uni_oci_verify(p->oci, &p->digest, p->how->key, err);
	connections_init(&p->connections, &p->reference, false, p->how->events);
	return rc;
}

/*
 * A volume's file remembers what it was pulled as, and how it was then: so whoever asks often, as a
 * timer on each of many hosts does, pays for a manifest while nothing changes.
 */
#define PULLED_ATTRIBUTE "user.uni.pulled"

static char *pulled_mark(const struct pull *p, int fd)
{
	char text[UNI_DIGEST_TEXT];
	struct stat st;

	if (fstat(fd, &st) != 0)
		return uni_strdup("");
	uni_digest_text(&p->digest, text);
	return uni_asprintf("%s %lld %lld.%09ld", text, (long long)st.st_size,
			    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static bool is_pulled(const struct pull *p, int fd)
{
	char *wanted UNI_AUTO_FREE = pulled_mark(p, fd);
	char found[256];
	ssize_t size = fgetxattr(fd, PULLED_ATTRIBUTE, found, sizeof(found));

	return size > 0 && (size_t)size == strlen(wanted) &&
	       memcmp(found, wanted, (size_t)size) == 0;
}

/* Where a file system keeps no attributes the next pull only takes longer. */
static void mark_pulled(const struct pull *p, int fd)
{
	char *mark UNI_AUTO_FREE = pulled_mark(p, fd);

	(void)fsetxattr(fd, PULLED_ATTRIBUTE, mark, strlen(mark), 0);
}

static int fetch_volume(struct pull *p, int old, struct uni_outfile *file, struct uni_err *err)
{
	struct volume_artifact artifact AUTO_VOLUME_ARTIFACT = { .chunks = { 0 } };
	struct volume_traffic traffic = { 0 };
	int rc = volume_artifact_read(p->oci, p->manifest, &artifact, err);

	if (rc == 0)
		rc = volume_artifact_fetch(p->oci, &artifact, old, uni_outfile_fd(file), &traffic,
					   err);
	if (rc != 0)
		return rc;
	uni_event_note(p->how->events, "%llu of %zu chunks fetched, %s",
		       (unsigned long long)traffic.chunks, artifact.chunks.count,
		       uni_size_text(traffic.bytes));
	mark_pulled(p, uni_outfile_fd(file));
	return uni_outfile_commit(file, true, err);
}

/* What stands there already, of whatever version, saves what it has. */
static int pull_volume(struct pull *p, struct uni_err *err)
{
	struct uni_outfile *file UNI_AUTO(uni_outfile) = NULL;
	int old UNI_AUTO_CLOSE = -1;
	int rc = begin_file(p, annotation(p->manifest, UNI_OCI_TITLE), NULL, &file, NULL, err);

	if (rc != 0)
		return rc;
	old = open(p->paths->items[p->paths->count - 1], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (old >= 0 && is_pulled(p, old)) {
		uni_event_note(p->how->events, "nothing has changed");
		return 0;
	}
	return fetch_volume(p, old, file, err);
}

int uni_oci_pull(const struct uni_pull *pull, struct uni_strv *paths, struct uni_err *err)
{
	struct pull p __attribute__((cleanup(pull_end))) = { .how = pull, .paths = paths };
	const struct uni_json *layers;
	const char *type;
	int rc = begin(&p, err);

	if (rc != 0)
		return rc;
	layers = uni_json_get(p.manifest, "layers");
	if (!uni_json_is_array(layers) || uni_json_count(layers) == 0 ||
	    uni_json_count(layers) > LAYERS_MAX)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no artifact with files in it",
				   pull->address);
	rc = uni_dir_make(pull->folder, 0755, err);
	if (rc != 0)
		return rc;
	type = uni_json_text(uni_json_get(p.manifest, "artifactType"));
	if (uni_str_eq(type, OCI_DISK_TYPE))
		return pull_disk(&p, layers, err);
	if (uni_str_eq(type, OCI_VOLUME_TYPE))
		return pull_volume(&p, err);
	return pull_files(&p, layers, err);
}

int uni_oci_pull_attached(const struct uni_pull *pull, const char *type, struct uni_buf *content,
			  struct uni_err *err)
{
	struct pull p __attribute__((cleanup(pull_end))) = { .how = pull };
	int rc = begin(&p, err);

	return rc == 0 ? uni_oci_attached(p.oci, &p.digest, type, content, err) : rc;
}
