/*
 * A volume in chunks, as it lies in a registry: an index, and parts in which the chunks are, each
 * a zstd frame of its own (RFC 8878). A chunk is known by the SHA-256 of its content, so whoever
 * has an older volume needs only what differs, and a new version of a volume refers to the parts of
 * the one before it. Chunks of zeros are left out; chunks that are the same are stored once.
 *
 * The index, little endian: "unichnk1", u32 bytes of a chunk, u32 number of parts, u64 bytes of the
 * volume, u64 number of chunks; then for each chunk u64 number (its place is number times the size
 * of a chunk), SHA-256 of its content, u64 offset in its part, u32 bytes there, u32 part.
 */
#ifndef UNI_BUNDLE_CHUNKS_H
#define UNI_BUNDLE_CHUNKS_H

#include <uni/base/digest.h>
#include <uni/base/text.h>

enum { UNI_CHUNK_SIZE = 64 << 10, UNI_CHUNK_PARTS_MAX = 64 };

struct uni_chunk {
	uint64_t number;
	struct uni_digest digest; /* of the content: shorter than a chunk at the volume's end */
	uint64_t offset;
	uint32_t stored;
	uint32_t part;
};

struct uni_chunks {
	uint64_t size; /* of the volume */
	uint32_t parts;
	struct uni_chunk *items; /* by number */
	size_t count, room;
};

void uni_chunks_free(struct uni_chunks *chunks);
#define UNI_AUTO_CHUNKS __attribute__((cleanup(uni_chunks_free)))

/* Bytes of the content of chunk `number`. */
size_t uni_chunk_length(const struct uni_chunks *chunks, uint64_t number);
/* Every chunk of the file that is not zeros, on all processors; no places yet. */
int uni_chunks_of_file(struct uni_chunks *chunks, int fd, uint64_t size, const char *name,
		       struct uni_err *err);
/* Indices of the items, by digest and then number; the caller's to free. */
size_t *uni_chunks_by_digest(const struct uni_chunks *chunks);
/* By that order; NULL when none has it. */
const struct uni_chunk *uni_chunks_find(const struct uni_chunks *chunks, const size_t *by_digest,
					const struct uni_digest *digest);

void uni_chunks_write(const struct uni_chunks *chunks, struct uni_buf *out);
/* UNI_E_CORRUPT says what is wrong. That chunks lie inside of their parts is the caller's to check,
 * who knows how large these are. */
int uni_chunks_read(struct uni_chunks *chunks, const void *data, size_t size, struct uni_err *err);

#endif
