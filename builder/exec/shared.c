/*
 * Results of steps in a registry, shared by builds on any machine under the keys that they have in
 * the store. A result is an artifact under the tag result-KEY: a layer for each of its files, named
 * by annotations, and its text as the configuration. A sparse file, whose digest is one of its map,
 * goes as a zstd stream.
 *
 * What comes is checked against its digests, and what it is the result of stands in the manifest,
 * which a signature covers. A registry that fails is left alone for the rest of the build.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/bundle/oci.h>
#include <uni/dest/attach.h>
#include <unistd.h>

#define RESULT_TYPE "application/vnd.uni.result.v1"
#define WORDS_TYPE "application/vnd.uni.result.words.v1"
#define BYTES_TYPE "application/octet-stream"
#define SPARSE_TYPE "application/vnd.uni.sparse.v1+zstd"
#define KEY_NOTE "uni.key"
#define NAME_NOTE "uni.name"
#define SIZE_NOTE "uni.size" /* of a sparse file, unpacked */
#define MAP_NOTE "uni.map"   /* the digest of its map */
#define ENTRIES_MAX 4096
#define WORDS_MAX (16u << 20)
#define SPARSE_MAX (UINT64_C(256) << 30)
#define LEVEL 1

struct shared {
	const struct uni_build_cache *how;
	const struct uni_events *events;
	struct uni_oci_reference reference;
	struct uni_oci *oci;
	pthread_mutex_t mutex; /* of the connection */
	bool off;
};

void shared_free(struct shared *shared)
{
	if (shared == NULL)
		return;
	uni_oci_free(shared->oci);
	uni_oci_reference_free(&shared->reference);
	pthread_mutex_destroy(&shared->mutex);
	free(shared);
}

int shared_open(struct build *b, struct uni_err *err)
{
	const struct uni_build_cache *how = b->options->cache;
	const struct uni_net_options net = { .events = b->events, .attempts = 2 };
	struct shared *s;
	int rc;

	if (how == NULL || how->address == NULL || b->options->offline)
		return 0;
	s = b->shared = uni_alloc(sizeof(*s));
	pthread_mutex_init(&s->mutex, NULL);
	s->how = how;
	s->events = b->events;
	rc = uni_oci_reference_parse(how->address, &s->reference, err);
	if (rc == 0 && (s->reference.tag != NULL || s->reference.has_digest))
		rc = uni_err_set(err, UNI_E_USAGE, "%s: a cache has neither tag nor digest",
				 how->address);
	return rc == 0 ? uni_oci_open(&s->oci, &s->reference, true, &net, err) : rc;
}

static void give_up(struct shared *s, const struct uni_err *why)
{
	if (!s->off && why->code != UNI_E_CANCELLED)
		uni_event_warning(s->events, "the cache is left alone: %s", why->text);
	s->off = true;
}

static void tag_of(const struct uni_digest *key, char tag[80], char hex[65])
{
	uni_hex(key->bytes, sizeof(key->bytes), hex);
	(void)snprintf(tag, 80, "result-%s", hex);
}

/* --- receiving --- */

static const char *note(const struct uni_json *of, const char *key)
{
	return uni_json_text(uni_json_get(uni_json_get(of, "annotations"), key));
}

/* Entries become files' names: none leads out of a folder. */
static bool name_valid(const char *name)
{
	char *normal UNI_AUTO_FREE = name != NULL ? uni_path_normal(name) : NULL;

	return normal != NULL && strcmp(normal, name) == 0 && name[0] != '/' &&
	       strcmp(name, "..") != 0 && !uni_str_starts(name, "../") &&
	       strchr(name, '\n') == NULL && strlen(name) <= 4096;
}

static int take_part(const struct uni_json *descriptor, struct uni_digest *digest, uint64_t *size,
		     struct uni_err *err)
{
	const char *text = uni_json_text(uni_json_get(descriptor, "digest"));

	if (text == NULL || !uni_str_starts(text, "sha256:") || !uni_digest_parse(text, digest) ||
	    !uni_json_u64(uni_json_get(descriptor, "size"), size) || *size > SPARSE_MAX)
		return uni_err_set(err, UNI_E_CORRUPT, "a result without digests and sizes");
	return 0;
}

static int receive_plain(struct build *b, struct uni_store_entry *entry, struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	const struct uni_digest digest = entry->digest;
	struct uni_err absent = UNI_ERR_INIT;
	int fd UNI_AUTO_CLOSE = -1;
	int rc;

	if (uni_store_blob_open(b->store, entry, &fd, &absent) == 0)
		return 0;
	rc = uni_store_writer_open(&writer, b->store, err);
	if (rc != 0)
		return rc;
	sink = uni_sink_to_place(uni_store_writer_fd(writer), 0, "a result");
	rc = uni_oci_get_blob(b->shared->oci, &digest, entry->size, sink, err);
	if (rc == 0 && ftruncate(uni_store_writer_fd(writer), (off_t)entry->size) != 0)
		rc = uni_err_errno(err, "a result");
	return rc == 0 ? uni_store_writer_commit(writer, &digest, entry, err) : rc;
}

static int unpack_sparse(int from, int to, uint64_t size, struct uni_err *err)
{
	struct uni_source *source UNI_AUTO(uni_source) = uni_source_from_fd(from, "a result");
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_place(to, 0, "a result");
	int rc = lseek(from, 0, SEEK_SET) == 0 ? 0 : uni_err_errno(err, "a result");

	if (rc == 0)
		rc = uni_source_push_zstd(&source, size, "a result", err);
	if (rc == 0)
		rc = uni_io_pump(source, sink, err);
	if (rc == 0 && ftruncate(to, (off_t)size) != 0)
		rc = uni_err_errno(err, "a result");
	return rc;
}

/* The stream has the digest, the file what its map's must be. */
static int receive_sparse(struct build *b, const struct uni_json *layer,
			  struct uni_store_entry *entry, struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	const char *size = note(layer, SIZE_NOTE), *map = note(layer, MAP_NOTE);
	struct uni_digest wanted;
	uint64_t unpacked = 0;
	int packed UNI_AUTO_CLOSE = -1;
	int rc;

	if (size == NULL || !uni_str_u64(size, &unpacked) || unpacked > SPARSE_MAX || map == NULL ||
	    !uni_digest_parse(map, &wanted))
		return uni_err_set(err, UNI_E_CORRUPT, "a sparse result without size or digest");
	rc = uni_file_nameless(&packed, err);
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc != 0)
		return rc;
	sink = uni_sink_to_fd(packed, "a result");
	rc = uni_oci_get_blob(b->shared->oci, &entry->digest, entry->size, sink, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	if (rc == 0)
		rc = unpack_sparse(packed, uni_store_writer_fd(writer), unpacked, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, NULL, entry, err);
	if (rc == 0 && (!entry->mapped || !uni_digest_eq(&entry->digest, &wanted)))
		rc = uni_err_set(err, UNI_E_CORRUPT, "a sparse result is not what its map says");
	return rc;
}

static int receive_layer(struct build *b, const struct uni_json *layer,
			 struct uni_store_record *record, struct uni_err *err)
{
	const char *type = uni_json_text(uni_json_get(layer, "mediaType"));
	const char *name = note(layer, NAME_NOTE);
	struct uni_store_entry entry = { .name = NULL };
	int rc = take_part(layer, &entry.digest, &entry.size, err);

	if (rc == 0 && !name_valid(name))
		rc = uni_err_set(err, UNI_E_CORRUPT, "a result without a name that could be one");
	if (rc == 0)
		rc = uni_str_eq(type, SPARSE_TYPE) ? receive_sparse(b, layer, &entry, err)
						   : receive_plain(b, &entry, err);
	if (rc == 0)
		uni_store_record_add(record, name, &entry);
	return rc;
}

static int receive_words(struct build *b, const struct uni_json *config,
			 struct uni_store_record *record, struct uni_err *err)
{
	struct uni_buf words UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&words, WORDS_MAX);
	struct uni_digest digest;
	uint64_t size = 0;
	int rc;

	if (!uni_str_eq(uni_json_text(uni_json_get(config, "mediaType")), WORDS_TYPE))
		return 0;
	rc = take_part(config, &digest, &size, err);
	if (rc == 0)
		rc = uni_oci_get_blob(b->shared->oci, &digest, size, sink, err);
	if (rc == 0)
		record->meta = uni_buf_take(&words);
	return rc;
}

/* 1: received; 0: it is not there. */
static int receive(struct build *b, const struct uni_digest *key, struct uni_store_record *record,
		   struct uni_err *err)
{
	const struct shared *s = b->shared;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *manifest UNI_AUTO(uni_json) = NULL;
	const struct uni_json *layers;
	struct uni_digest digest;
	char tag[80], hex[65];
	int rc;

	tag_of(key, tag, hex);
	rc = uni_oci_get_manifest(s->oci, tag, &text, &digest, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0 && s->how->verify != NULL)
		rc = uni_oci_verify(s->oci, &digest, s->how->verify, err);
	if (rc == 0)
		rc = uni_json_parse(&manifest, tag, uni_buf_text(&text), text.size, err);
	if (rc != 0)
		return rc;
	layers = uni_json_get(manifest, "layers");
	if (!uni_str_eq(uni_json_text(uni_json_get(manifest, "artifactType")), RESULT_TYPE) ||
	    !uni_str_eq(note(manifest, KEY_NOTE), hex) || uni_json_count(layers) > ENTRIES_MAX)
		return uni_err_set(err, UNI_E_CORRUPT, "%s is not the result that its tag says",
				   tag);
	rc = receive_words(b, uni_json_get(manifest, "config"), record, err);
	for (size_t i = 0; rc == 0 && i < uni_json_count(layers); i++)
		rc = receive_layer(b, uni_json_item(layers, i), record, err);
	if (rc == 0)
		rc = uni_store_result_put(b->store, key, record, err);
	return rc == 0 ? 1 : rc;
}

bool shared_receive(struct build *b, const struct uni_digest *key, struct uni_store_record *record)
{
	struct shared *s = b->shared;
	struct uni_err err = UNI_ERR_INIT;
	int rc = 0;

	if (s == NULL)
		return false;
	pthread_mutex_lock(&s->mutex);
	if (!s->off)
		rc = receive(b, key, record, &err);
	/* A signature that is not there is about this result alone. */
	if (rc == UNI_E_AUTH && s->how->verify != NULL)
		uni_event_warning(s->events, "a result in the cache is not taken: %s", err.text);
	else if (rc < 0)
		give_up(s, &err);
	pthread_mutex_unlock(&s->mutex);
	if (rc < 0)
		uni_store_record_free(record);
	return rc == 1;
}

/* --- sending --- */

/* A descriptor with what its annotations point to. */
struct part {
	struct uni_oci_descriptor *layer;
	struct uni_oci_annotation notes[3];
	char size[24], map[UNI_DIGEST_TEXT];
};

static int pack_sparse(int from, uint64_t size, int to, struct uni_err *err)
{
	struct uni_source *source UNI_AUTO(uni_source) = uni_source_from_fd(from, "a result");
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(to, "a result");
	int rc = uni_sink_push_zstd(&sink, LEVEL, size, err);

	if (rc == 0)
		rc = uni_io_pump(source, sink, err);
	return rc == 0 ? uni_sink_finish(sink, err) : rc;
}

static int send_sparse(struct shared *s, const struct uni_store_entry *entry, int fd,
		       struct part *part, struct uni_err *err)
{
	int packed UNI_AUTO_CLOSE = -1;
	bool sent;
	int rc = uni_file_nameless(&packed, err);

	if (rc == 0)
		rc = pack_sparse(fd, entry->size, packed, err);
	if (rc == 0)
		rc = uni_digest_fd(packed, &part->layer->size, &part->layer->digest, "a result",
				   err);
	(void)snprintf(part->size, sizeof(part->size), "%" PRIu64, entry->size);
	uni_digest_text(&entry->digest, part->map);
	part->layer->media_type = SPARSE_TYPE;
	part->notes[0] = (struct uni_oci_annotation){ MAP_NOTE, part->map };
	part->notes[1] = (struct uni_oci_annotation){ NAME_NOTE, entry->name };
	part->notes[2] = (struct uni_oci_annotation){ SIZE_NOTE, part->size };
	part->layer->annotations = (struct uni_oci_annotations){ part->notes, 3 };
	return rc == 0 ? uni_oci_put_blob(s->oci, &part->layer->digest, packed, 0,
					  part->layer->size, &sent, err)
		       : rc;
}

static int send_entry(struct build *b, struct uni_store_entry *entry, struct part *part,
		      struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = -1;
	bool sent;
	int rc = uni_store_blob_open(b->store, entry, &fd, err);

	if (rc != 0)
		return rc;
	if (entry->mapped)
		return send_sparse(b->shared, entry, fd, part, err);
	part->notes[0] = (struct uni_oci_annotation){ NAME_NOTE, entry->name };
	*part->layer = (struct uni_oci_descriptor){ .media_type = BYTES_TYPE,
						    .digest = entry->digest,
						    .size = entry->size,
						    .annotations = { part->notes, 1 } };
	return uni_oci_put_blob(b->shared->oci, &entry->digest, fd, 0, entry->size, &sent, err);
}

static int send_words(struct shared *s, const char *words, struct uni_oci_descriptor *config,
		      struct uni_err *err)
{
	*config = uni_oci_empty();
	if (words == NULL)
		return uni_oci_put_bytes(s->oci, "{}", 2, &config->digest, err);
	config->media_type = WORDS_TYPE;
	config->size = strlen(words);
	return uni_oci_put_bytes(s->oci, words, strlen(words), &config->digest, err);
}

static int put_manifest(struct shared *s, const struct uni_oci_manifest *result,
			const struct uni_digest *key, struct uni_err *err)
{
	struct uni_oci_manifest manifest = *result;
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	char tag[80], hex[65];
	const struct uni_oci_annotation annotation = { KEY_NOTE, hex };
	struct uni_digest digest;
	int rc;

	tag_of(key, tag, hex);
	manifest.annotations = (struct uni_oci_annotations){ &annotation, 1 };
	uni_oci_manifest_json(&manifest, &json);
	digest = uni_digest_of(json.data, json.size);
	/* A result that others see has its signature already. */
	rc = s->how->signer != NULL
		     ? uni_oci_sign(s->oci, &s->reference, &digest, s->how->signer, err)
		     : 0;
	return rc == 0 ? uni_oci_put_manifest(s->oci, tag, UNI_OCI_MANIFEST, &json, NULL, err) : rc;
}

/* Files once, then what names them under each key. */
static int send_result(struct build *b, struct run *run, const struct uni_digest *keys,
		       size_t key_count, struct uni_err *err)
{
	struct uni_store_record *record = &run->record;
	struct uni_oci_descriptor *layers UNI_AUTO_FREE =
		uni_alloc_array(record->count + 1, sizeof(*layers));
	struct part *parts UNI_AUTO_FREE = uni_alloc_array(record->count + 1, sizeof(*parts));
	struct uni_oci_manifest manifest = { .artifact_type = RESULT_TYPE,
					     .layers = layers,
					     .layer_count = record->count };
	int rc = send_words(b->shared, record->meta, &manifest.config, err);

	for (size_t i = 0; rc == 0 && i < record->count; i++) {
		parts[i].layer = &layers[i];
		rc = send_entry(b, &record->entries[i], &parts[i], err);
	}
	for (size_t i = 0; rc == 0 && i < key_count; i++)
		rc = put_manifest(b->shared, &manifest, &keys[i], err);
	return rc;
}

static bool fits(const struct uni_store_record *record)
{
	for (size_t i = 0; i < record->count; i++)
		if (record->entries[i].size > SPARSE_MAX)
			return false;
	return record->count <= ENTRIES_MAX &&
	       (record->meta == NULL || strlen(record->meta) <= WORDS_MAX);
}

static int send_step(struct build *b, size_t index, struct uni_err *err)
{
	const struct uni_step *step = uni_plan_step(b->plan, index);
	struct run *run = &b->runs[index];
	struct uni_digest keys[2] = { step->key, run->by_output };
	bool both = run->ran && !uni_digest_eq(&keys[0], &keys[1]);
	bool there = false;
	char tag[80], hex[65];
	int rc;

	if (!run->done || run->received || !step->has_key || !fits(&run->record))
		return 0;
	tag_of(&step->key, tag, hex);
	rc = uni_oci_has_manifest(b->shared->oci, tag, &there, err);
	if (rc == 0 && !there) {
		rc = send_result(b, run, keys, both ? 2 : 1, err);
		b->sent += rc == 0;
	}
	return rc;
}

void shared_send(struct build *b)
{
	struct uni_err err = UNI_ERR_INIT;
	int rc = 0;

	if (b->shared == NULL || b->shared->off)
		return;
	for (size_t i = 0; rc == 0 && i < uni_plan_count(b->plan); i++)
		rc = send_step(b, i, &err);
	if (rc != 0)
		give_up(b->shared, &err);
}
