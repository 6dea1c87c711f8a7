/*
 * A volume that lies in a registry: its manifest and index, and how it becomes a file again. What
 * the file before it has is copied from there; the rest comes by ranges of the parts, several
 * chunks at once where they lie together.
 */
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/system.h>
#include <uni/bundle/oci.h>
#include <uni/io/sink.h>
#include <uni/io/source.h>
#include <unistd.h>

#include "oci.h"
#include "volume_artifact.h"

enum {
	INDEX_MAX = 256 << 20,
	GAP = 32 << 10,	    /* bytes nobody wants that cost less than a request */
	TOGETHER = 4 << 20, /* bytes of one request, at most */
};

void volume_artifact_clear(struct volume_artifact *artifact)
{
	uni_chunks_free(&artifact->chunks);
}

static int check_places(const struct volume_artifact *artifact, struct uni_err *err)
{
	for (size_t i = 0; i < artifact->chunks.count; i++) {
		const struct uni_chunk *chunk = &artifact->chunks.items[i];
		uint64_t size = artifact->parts[chunk->part].size;

		if (chunk->offset > size || chunk->stored > size - chunk->offset)
			return uni_err_set(err, UNI_E_CORRUPT,
					   "the volume's index: a chunk lies beyond its part");
	}
	return 0;
}

int volume_artifact_read(struct uni_oci *oci, const struct uni_json *manifest,
			 struct volume_artifact *artifact, struct uni_err *err)
{
	const struct uni_json *layers = uni_json_get(manifest, "layers");
	UNI_AUTO_BUF struct uni_buf index = UNI_BUF_INIT;
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_buf(&index, INDEX_MAX);
	size_t count = uni_json_count(layers);
	struct uni_digest digest;
	uint64_t size = 0;
	int rc = uni_json_is_array(layers) && count != 0 && count <= UNI_CHUNK_PARTS_MAX + 1
			 ? oci_take_descriptor(uni_json_item(layers, 0), &digest, &size, err)
			 : uni_err_set(err, UNI_E_CORRUPT, "the manifest is no volume's");

	if (rc == 0)
		rc = uni_oci_get_blob(oci, &digest, size, sink, err);
	if (rc == 0)
		rc = uni_chunks_read(&artifact->chunks, index.data, index.size, err);
	if (rc == 0 && artifact->chunks.parts != count - 1)
		rc = uni_err_set(err, UNI_E_CORRUPT,
				 "the volume's index has other parts than its manifest");
	for (size_t i = 1; rc == 0 && i < count; i++)
		rc = oci_take_descriptor(uni_json_item(layers, i), &artifact->parts[i - 1].digest,
					 &artifact->parts[i - 1].size, err);
	return rc != 0 ? rc : check_places(artifact, err);
}

/* --- fetching --- */

struct fetch {
	struct uni_oci *oci;
	const struct volume_artifact *artifact;
	int fd;
	const struct uni_chunk **missing; /* by part and offset */
	size_t count;
	uint8_t content[UNI_CHUNK_SIZE];
	struct volume_traffic *traffic;
};

static int by_place(const void *a, const void *b)
{
	const struct uni_chunk *x = *(const struct uni_chunk *const *)a;
	const struct uni_chunk *y = *(const struct uni_chunk *const *)b;

	if (x->part != y->part)
		return (x->part > y->part) - (x->part < y->part);
	if (x->offset != y->offset)
		return (x->offset > y->offset) - (x->offset < y->offset);
	return (x->number > y->number) - (x->number < y->number);
}

static int put_chunk(struct fetch *f, const struct uni_chunk *chunk, const uint8_t *stored,
		     struct uni_err *err)
{
	size_t length = uni_chunk_length(&f->artifact->chunks, chunk->number);
	struct uni_digest digest;
	int rc = uni_zstd_decompress(stored, chunk->stored, f->content, length, err);

	if (rc != 0)
		return uni_err_context(err, "chunk %llu", (unsigned long long)chunk->number);
	digest = uni_digest_of(f->content, length);
	if (!uni_digest_eq(&digest, &chunk->digest))
		return uni_err_set(err, UNI_E_CORRUPT, "chunk %llu is not what its digest says",
				   (unsigned long long)chunk->number);
	return uni_pwrite_full(f->fd, f->content, length, chunk->number * UNI_CHUNK_SIZE, "volume",
			       err);
}

/* How many of the missing from `first` on come in one request, and where its bytes end. */
static size_t reach(const struct fetch *f, size_t first, uint64_t *end)
{
	const struct uni_chunk *from = f->missing[first];
	size_t i = first + 1;

	*end = from->offset + from->stored;
	for (; i < f->count; i++) {
		const struct uni_chunk *chunk = f->missing[i];
		uint64_t chunk_end = chunk->offset + chunk->stored;

		if (chunk->part != from->part || chunk->offset > *end + GAP ||
		    chunk_end > from->offset + TOGETHER)
			break;
		if (chunk_end > *end)
			*end = chunk_end;
	}
	return i - first;
}

static int fetch_range(struct fetch *f, size_t first, size_t count, uint64_t end,
		       struct uni_err *err)
{
	const struct volume_part *part = &f->artifact->parts[f->missing[first]->part];
	uint64_t start = f->missing[first]->offset;
	UNI_AUTO_BUF struct uni_buf bytes = UNI_BUF_INIT;
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_buf(&bytes, (size_t)(end - start));
	int rc =
		uni_oci_get_range(f->oci, &part->digest, part->size, start, end - start, sink, err);

	f->traffic->bytes += end - start;
	f->traffic->chunks += count;
	for (size_t i = first; rc == 0 && i < first + count; i++)
		rc = put_chunk(f, f->missing[i],
			       (const uint8_t *)bytes.data + (f->missing[i]->offset - start), err);
	return rc;
}

/* What the old file has goes to its places; the rest is missing. */
static int copy_old(struct fetch *f, int old, struct uni_err *err)
{
	const struct uni_chunks *wanted = &f->artifact->chunks;
	UNI_AUTO_CHUNKS struct uni_chunks have = { 0 };
	UNI_AUTO_FREE size_t *order = NULL;
	struct stat st;
	int rc = 0;

	if (old >= 0 && fstat(old, &st) == 0 && S_ISREG(st.st_mode))
		rc = uni_chunks_of_file(&have, old, (uint64_t)st.st_size, "the old volume", err);
	order = uni_chunks_by_digest(&have);
	for (size_t i = 0; rc == 0 && i < wanted->count; i++) {
		const struct uni_chunk *chunk = &wanted->items[i];
		const struct uni_chunk *found = uni_chunks_find(&have, order, &chunk->digest);
		size_t length = uni_chunk_length(wanted, chunk->number);

		if (found == NULL || uni_chunk_length(&have, found->number) != length) {
			f->missing[f->count++] = chunk;
			continue;
		}
		rc = uni_copy_range(old, found->number * UNI_CHUNK_SIZE, f->fd,
				    chunk->number * UNI_CHUNK_SIZE, length, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
	}
	return rc;
}

int volume_artifact_fetch(struct uni_oci *oci, const struct volume_artifact *artifact, int old,
			  int fd, struct volume_traffic *traffic, struct uni_err *err)
{
	UNI_AUTO_FREE struct fetch *f = uni_alloc(sizeof(*f));
	UNI_AUTO_FREE const struct uni_chunk **missing =
		uni_alloc_array(artifact->chunks.count + 1, sizeof(*missing));
	uint64_t end = 0;
	int rc;

	*f = (struct fetch){
		.oci = oci, .artifact = artifact, .fd = fd, .missing = missing, .traffic = traffic
	};
	if (ftruncate(fd, (off_t)artifact->chunks.size) != 0)
		return uni_err_errno(err, "cannot write the volume");
	rc = copy_old(f, old, err);
	qsort(missing, f->count, sizeof(*missing), by_place);
	for (size_t i = 0, count; rc == 0 && i < f->count; i += count) {
		count = reach(f, i, &end);
		rc = fetch_range(f, i, count, end, err);
	}
	return rc;
}
