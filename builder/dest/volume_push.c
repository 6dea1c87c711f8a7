/*
 * uni volume push to a registry. Chunks that the volume before it under the same tag has stay where
 * they are; those that are new go into one part more. When half of what the parts hold is used no
 * longer, all of it is written anew.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <uni/bundle/oci.h>
#include <uni/dest/volume.h>
#include <uni/io/sink.h>
#include <unistd.h>

#include "oci.h"
#include "volume_artifact.h"

enum {
	LEVEL = 3,
	BATCH = 32, /* chunks that are packed at a time */
	PARTS_KEPT = UNI_CHUNK_PARTS_MAX / 2,
	WASTE_LEAST = 1 << 20, /* bytes that may lie idle whatever the volume's size */
};

struct volume_push {
	const struct uni_dest_job *job;
	struct uni_oci_reference reference;
	struct uni_oci *oci;
	int fd;
	struct volume_artifact before, now;
	size_t *order;		  /* of now's chunks, by digest */
	struct uni_chunk **fresh; /* of them, those that go into the new part */
	size_t fresh_count;
	int part_fd;
	struct uni_hash part_hash;
	uint64_t part_size;
};

static void push_end(struct volume_push *p)
{
	uni_oci_free(p->oci);
	uni_oci_reference_free(&p->reference);
	uni_close_fd(&p->fd);
	uni_close_fd(&p->part_fd);
	volume_artifact_clear(&p->before);
	volume_artifact_clear(&p->now);
	free(p->order);
	free(p->fresh);
}

/* --- what is there already --- */

/* None under that tag, or something else, is an empty one. */
static int read_before(struct volume_push *p, struct uni_err *err)
{
	struct uni_json *manifest = NULL;
	struct uni_digest digest;
	const char *type;
	int rc = oci_read_manifest(p->oci, &p->reference, &manifest, &digest, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc != 0)
		return rc;
	type = uni_json_text(uni_json_get(manifest, "artifactType"));
	if (uni_str_eq(type, OCI_VOLUME_TYPE))
		rc = volume_artifact_read(p->oci, manifest, &p->before, err);
	uni_json_free(manifest);
	return rc;
}

/* --- places --- */

static bool same(const struct uni_chunks *chunks, size_t a, size_t b)
{
	return uni_digest_eq(&chunks->items[a].digest, &chunks->items[b].digest);
}

/* Gives each chunk the place that `before` has it at; of those without, the first of each content
 * is fresh. */
static void find_places(struct volume_push *p, const struct uni_chunks *before)
{
	UNI_AUTO_FREE size_t *known = uni_chunks_by_digest(before);
	struct uni_chunks *now = &p->now.chunks;

	p->fresh_count = 0;
	for (size_t i = 0; i < now->count; i++) {
		struct uni_chunk *chunk = &now->items[p->order[i]];
		const struct uni_chunk *place = uni_chunks_find(before, known, &chunk->digest);

		chunk->stored = 0;
		if (place != NULL) {
			chunk->part = place->part;
			chunk->offset = place->offset;
			chunk->stored = place->stored;
		} else if (i == 0 || !same(now, p->order[i - 1], p->order[i])) {
			p->fresh[p->fresh_count++] = chunk;
		}
	}
}

/* Bytes in parts of `before` that are still used, and those of the parts they are in. */
static void weigh(const struct volume_push *p, uint64_t *used, uint64_t *held)
{
	bool counted[UNI_CHUNK_PARTS_MAX] = { false };
	const struct uni_chunks *now = &p->now.chunks;

	*used = *held = 0;
	for (size_t i = 0; i < now->count; i++) {
		const struct uni_chunk *chunk = &now->items[p->order[i]];

		if (chunk->stored == 0 || (i != 0 && same(now, p->order[i - 1], p->order[i])))
			continue;
		*used += chunk->stored;
		if (!counted[chunk->part])
			*held += p->before.parts[chunk->part].size;
		counted[chunk->part] = true;
	}
}

static void choose_places(struct volume_push *p)
{
	static const struct uni_chunks none = { 0 };
	uint64_t used, held;

	p->order = uni_chunks_by_digest(&p->now.chunks);
	p->fresh = uni_alloc_array(p->now.chunks.count + 1, sizeof(*p->fresh));
	find_places(p, &p->before.chunks);
	weigh(p, &used, &held);
	if (p->before.chunks.parts >= PARTS_KEPT || held > 2 * used + WASTE_LEAST)
		find_places(p, &none);
}

/* --- the new part --- */

struct packing {
	struct volume_push *push;
	struct uni_chunk *const *chunks;
	uint8_t *content[BATCH], *packed[BATCH];
	size_t packed_size[BATCH];
};

static int pack(void *user, size_t index, struct uni_err *err)
{
	struct packing *k = user;
	const struct uni_chunk *chunk = k->chunks[index];
	size_t length = uni_chunk_length(&k->push->now.chunks, chunk->number);
	int rc = uni_pread_full(k->push->fd, k->content[index], length,
				chunk->number * UNI_CHUNK_SIZE, k->push->job->source, err);

	return rc != 0 ? rc
		       : uni_zstd_compress(k->content[index], length, LEVEL, k->packed[index],
					   uni_zstd_bound(UNI_CHUNK_SIZE), &k->packed_size[index],
					   err);
}

static int by_number(const void *a, const void *b)
{
	const struct uni_chunk *x = *(const struct uni_chunk *const *)a;
	const struct uni_chunk *y = *(const struct uni_chunk *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static int write_batch(struct packing *k, size_t count, struct uni_err *err)
{
	struct volume_push *p = k->push;
	int rc = uni_pool_run(count, 0, pack, k, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct uni_chunk *chunk = k->chunks[i];

		chunk->offset = p->part_size;
		chunk->stored = (uint32_t)k->packed_size[i];
		uni_hash_add(&p->part_hash, k->packed[i], k->packed_size[i]);
		rc = uni_pwrite_full(p->part_fd, k->packed[i], k->packed_size[i], p->part_size,
				     "temporary file", err);
		p->part_size += k->packed_size[i];
	}
	return rc;
}

/* In the volume's order, so that what is read together comes together. */
static int write_fresh(struct volume_push *p, struct uni_err *err)
{
	struct packing k = { .push = p };
	size_t bound = uni_zstd_bound(UNI_CHUNK_SIZE);
	UNI_AUTO_FREE uint8_t *memory = uni_alloc_array(BATCH, UNI_CHUNK_SIZE + bound);
	int rc = uni_file_nameless(&p->part_fd, err);

	for (size_t i = 0; i < BATCH; i++) {
		k.content[i] = memory + i * (UNI_CHUNK_SIZE + bound);
		k.packed[i] = k.content[i] + UNI_CHUNK_SIZE;
	}
	uni_hash_start(&p->part_hash);
	qsort(p->fresh, p->fresh_count, sizeof(*p->fresh), by_number);
	for (size_t at = 0, count; rc == 0 && at < p->fresh_count; at += count) {
		count = p->fresh_count - at < BATCH ? p->fresh_count - at : BATCH;
		k.chunks = p->fresh + at;
		rc = write_batch(&k, count, err);
	}
	return rc;
}

/* The parts of before that are still used, in their order, and the new one behind them. */
static void number_parts(struct volume_push *p)
{
	struct volume_artifact *now = &p->now;
	struct uni_chunks *chunks = &now->chunks;
	uint32_t numbers[UNI_CHUNK_PARTS_MAX] = { 0 };
	bool used[UNI_CHUNK_PARTS_MAX] = { false };
	bool *is_fresh UNI_AUTO_FREE = uni_alloc_array(chunks->count + 1, sizeof(*is_fresh));

	for (size_t i = 0; i < p->fresh_count; i++)
		is_fresh[p->fresh[i] - chunks->items] = true;
	/* The first of each content stands in front of the others. */
	for (size_t i = 1; i < chunks->count; i++)
		if (same(chunks, p->order[i - 1], p->order[i]))
			is_fresh[p->order[i]] = is_fresh[p->order[i - 1]];
	for (size_t i = 0; i < chunks->count; i++)
		if (!is_fresh[i])
			used[chunks->items[i].part] = true;
	for (uint32_t i = 0; i < p->before.chunks.parts; i++) {
		if (!used[i])
			continue;
		numbers[i] = chunks->parts;
		now->parts[chunks->parts++] = p->before.parts[i];
	}
	for (size_t i = 0; i < chunks->count; i++)
		chunks->items[i].part =
			is_fresh[i] ? chunks->parts : numbers[chunks->items[i].part];
	for (size_t i = 1; i < chunks->count; i++) {
		const struct uni_chunk *first = &chunks->items[p->order[i - 1]];

		if (same(chunks, p->order[i - 1], p->order[i])) {
			chunks->items[p->order[i]].offset = first->offset;
			chunks->items[p->order[i]].stored = first->stored;
		}
	}
	if (p->fresh_count != 0)
		now->parts[chunks->parts++] =
			(struct volume_part){ .digest = uni_hash_end(&p->part_hash),
					      .size = p->part_size };
}

/* --- sending --- */

static int send_index(struct volume_push *p, struct uni_oci_descriptor *descriptor,
		      struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf index = UNI_BUF_INIT;
	UNI_AUTO_CLOSE int fd = -1;
	bool sent;
	int rc = uni_file_nameless(&fd, err);

	uni_chunks_write(&p->now.chunks, &index);
	descriptor->media_type = OCI_CHUNK_INDEX_TYPE;
	descriptor->digest = uni_digest_of(index.data, index.size);
	descriptor->size = index.size;
	if (rc == 0)
		rc = uni_write_full(fd, index.data, index.size, "index", err);
	return rc != 0 ? rc
		       : uni_oci_put_blob(p->oci, &descriptor->digest, fd, 0, index.size, &sent,
					  err);
}

static int send_all(struct volume_push *p, struct uni_digest *digest, struct uni_err *err)
{
	const struct volume_artifact *now = &p->now;
	struct uni_oci_descriptor layers[UNI_CHUNK_PARTS_MAX + 1] = { 0 };
	const char *title = uni_path_base(p->job->source);
	const struct uni_oci_annotation titled = { UNI_OCI_TITLE, title };
	const struct uni_oci_manifest manifest = {
		.artifact_type = OCI_VOLUME_TYPE,
		.config = uni_oci_empty(),
		.layers = layers,
		.layer_count = now->chunks.parts + 1,
		.annotations = { &titled, 1 },
	};
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	bool sent;
	int rc = oci_send_empty(p->oci, err);

	if (rc == 0 && p->fresh_count != 0)
		rc = uni_oci_put_blob(p->oci, &now->parts[now->chunks.parts - 1].digest, p->part_fd,
				      0, p->part_size, &sent, err);
	if (rc == 0)
		rc = send_index(p, &layers[0], err);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < now->chunks.parts; i++)
		layers[i + 1] = (struct uni_oci_descriptor){ .media_type = OCI_CHUNKS_TYPE,
							     .digest = now->parts[i].digest,
							     .size = now->parts[i].size };
	uni_oci_manifest_json(&manifest, &json);
	*digest = uni_digest_of(json.data, json.size);
	return uni_oci_put_manifest(p->oci, p->reference.tag != NULL ? p->reference.tag : "latest",
				    UNI_OCI_MANIFEST, &json, NULL, err);
}

static int open_source(struct volume_push *p, struct uni_err *err)
{
	const struct uni_dest_job *job = p->job;
	struct stat st;
	int rc = uni_oci_reference_parse(job->address, &p->reference, err);

	if (rc != 0)
		return rc;
	if (p->reference.has_digest)
		return uni_err_set(err, UNI_E_USAGE, "%s: a digest is what comes out of a push",
				   job->address);
	if (job->tags.count != 0)
		return uni_err_set(err, UNI_E_USAGE, "--tag is for EC2");
	p->fd = open(job->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0 || fstat(p->fd, &st) != 0)
		return uni_err_errno(err, "%s", job->source);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: is no file with content", job->source);
	return uni_chunks_of_file(&p->now.chunks, p->fd, (uint64_t)st.st_size, job->source, err);
}

static void say(const struct volume_push *p, const char *id)
{
	const struct uni_dest_note note = { .what = "volume",
					    .where = p->job->address,
					    .id = id,
					    .text = "chunks",
					    .calls = p->fresh_count,
					    .bytes = p->part_size };

	if (p->job->note != NULL)
		p->job->note(p->job->user, &note);
}

int uni_volume_artifact_push(const struct uni_dest_job *job, struct uni_err *err)
{
	struct volume_push p
		__attribute__((cleanup(push_end))) = { .job = job, .fd = -1, .part_fd = -1 };
	const struct uni_net_options net = { .events = job->events };
	char text[UNI_DIGEST_TEXT];
	struct uni_digest digest;
	int rc = open_source(&p, err);

	if (rc == 0)
		rc = uni_oci_open(&p.oci, &p.reference, !job->dry_run, &net, err);
	if (rc == 0)
		rc = read_before(&p, err);
	if (rc != 0)
		return rc;
	choose_places(&p);
	rc = write_fresh(&p, err);
	if (rc != 0)
		return rc;
	if (job->dry_run) {
		say(&p, NULL);
		return 0;
	}
	number_parts(&p);
	rc = send_all(&p, &digest, err);
	if (rc != 0)
		return rc;
	uni_digest_text(&digest, text);
	say(&p, text);
	return 0;
}
