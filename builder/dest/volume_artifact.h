/* A volume in a registry as pushing and pulling see it: its index, and the parts it refers to. */
#ifndef DEST_VOLUME_ARTIFACT_H
#define DEST_VOLUME_ARTIFACT_H

#include <uni/bundle/chunks.h>
#include <uni/oci/registry.h>

struct uni_json;

struct volume_part {
	struct uni_digest digest;
	uint64_t size;
};

struct volume_artifact {
	struct uni_chunks chunks;
	struct volume_part parts[UNI_CHUNK_PARTS_MAX]; /* chunks.parts of them */
};
struct volume_traffic {
	uint64_t bytes, chunks; /* that went over the network */
};

#define AUTO_VOLUME_ARTIFACT __attribute__((cleanup(volume_artifact_clear)))
void volume_artifact_clear(struct volume_artifact *artifact);

/* Of a manifest's layers. Every chunk then lies inside of its part. */
int volume_artifact_read(struct uni_oci *oci, const struct uni_json *manifest,
			 struct volume_artifact *artifact, struct uni_err *err);
/* Writes the volume to `fd`, which is empty, taking what it has from `old` (-1: nothing is there).
 */
int volume_artifact_fetch(struct uni_oci *oci, const struct volume_artifact *artifact, int old,
			  int fd, struct volume_traffic *traffic, struct uni_err *err);

#endif
