/*
 * How an image lies in a registry (OCI Image Specification 1.1, artifacts).
 *
 * A volume is an index of chunks and the parts these are in (uni/bundle/chunks.h): the first layer
 * and the others.
 *
 * A disk is its parts: what lies before the first partition, each partition, what lies between and
 * behind them. Each is a layer with the place where it belongs, so that a changed volume is a
 * changed layer. A part of zeros is left out. All other files are one layer.
 */
#ifndef DEST_OCI_H
#define DEST_OCI_H

#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/err.h>

#define OCI_DISK_TYPE "application/vnd.uni.disk.v1"
#define OCI_FILE_TYPE "application/vnd.uni.file.v1"
#define OCI_PACKAGE_TYPE "application/vnd.uni.package.v1"
#define OCI_PART_TYPE "application/vnd.uni.disk.part.v1"
#define OCI_BYTES_TYPE "application/octet-stream"

#define OCI_VOLUME_TYPE "application/vnd.uni.volume.v1"
#define OCI_CHUNK_INDEX_TYPE "application/vnd.uni.volume.index.v1"
#define OCI_CHUNKS_TYPE "application/vnd.uni.volume.chunks.v1+zstd"

#define OCI_OFFSET "uni.offset"	 /* of a part: bytes from the disk's start */
#define OCI_SIZE "uni.disk.size" /* of the manifest: bytes of the disk */
#define OCI_DIGEST "uni.digest"	 /* of the manifest: of the file that was pushed */

struct uni_json;
struct uni_oci;
struct uni_oci_reference;

/* pull.c: the manifest that a reference names; NULL is an error. */
int oci_read_manifest(struct uni_oci *oci, const struct uni_oci_reference *reference,
		      struct uni_json **manifest, struct uni_digest *digest, struct uni_err *err);
/* A layer's digest and size, which come from outside. */
int oci_take_descriptor(const struct uni_json *layer, struct uni_digest *digest, uint64_t *size,
			struct uni_err *err);
/* oci.c: the config of every artifact, "{}". */
int oci_send_empty(struct uni_oci *oci, struct uni_err *err);

#endif
