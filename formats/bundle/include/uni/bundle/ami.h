/*
 * An image for EC2 as a folder, NAME.ami:
 *
 *   block-map.json       the disk as the EBS direct API takes it: index and SHA-256 of every block
 *                        of 512 KiB that is not zero, and the checksum over them
 *   disk.blocks          those blocks, one behind the other, in the order of the map
 *   register-image.json  the RegisterImage request but for the snapshots' ids, in the form of
 *                        `aws ec2 register-image --cli-input-json`
 *   volumes.json         with volumes that are disks of their own: their names, devices and
 *                        digests, in the order of the request's mappings behind the first
 *   volumes/NAME/        such a volume's block-map.json and disk.blocks
 *
 * The disk is sized to whole GiB, as EBS volumes are. Checksums as in "EBS direct APIs":
 * PutSnapshotBlock's is the base64 of a block's SHA-256; CompleteSnapshot's, aggregated LINEAR,
 * that of the SHA-256 over all blocks' raw digests in the order of their indexes.
 */
#ifndef UNI_BUNDLE_AMI_H
#define UNI_BUNDLE_AMI_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/mapdigest.h>
#include <uni/base/text.h>
#include <uni/disk/source.h>

#define UNI_AMI_GIB (UINT64_C(1) << 30)
#define UNI_AMI_GIB_MAX 65536u /* of an EBS volume */
#define UNI_AMI_MAP "block-map.json"
#define UNI_AMI_BLOCKS "disk.blocks"
#define UNI_AMI_REGISTER "register-image.json"
#define UNI_AMI_VOLUMES "volumes.json"
#define UNI_AMI_VOLUMES_MAX 11u /* /dev/sdf to /dev/sdp, as EC2 recommends them for volumes */

struct uni_ami_block {
	uint32_t index; /* of the disk, in blocks */
	struct uni_digest digest;
};

struct uni_ami_map {
	uint64_t size;		      /* bytes of the disk: whole GiB */
	struct uni_ami_block *blocks; /* by index, each once */
	size_t count, room;
	struct uni_digest linear; /* CompleteSnapshot's checksum, before base64 */
	struct uni_digest digest; /* what the disk is known by: uni_map_digest */
};
void uni_ami_map_free(struct uni_ami_map *map);
UNI_AUTO_DEFINE(uni_ami_map)

/* UNI_E_LIMIT for a disk that is larger than any EBS volume. */
int uni_ami_check_size(uint64_t size, struct uni_err *err);
/* Reads the disk once. `blocks_fd`: where the blocks are appended, from its start; -1: nowhere.
 * `blocks_digest` (or NULL) gets the SHA-256 of what was appended. */
int uni_ami_map_make(struct uni_ami_map **map, struct uni_disk_source *source, int blocks_fd,
		     struct uni_digest *blocks_digest, struct uni_err *err);
void uni_ami_map_json(const struct uni_ami_map *map, struct uni_buf *out);
/* Reads and checks one; `name` is for messages. */
int uni_ami_map_parse(struct uni_ami_map **map, const char *name, const char *json, size_t size,
		      struct uni_err *err);

/* A folder with a map and its blocks. */
struct uni_ami_disk {
	char *path;
	struct uni_ami_map *map;
	int fd; /* disk.blocks */
};

struct uni_ami_volume {
	char *name;		  /* [a-z0-9._-] */
	char device[16];	  /* "/dev/sdf" */
	bool writable;		  /* it stays when the machine ends */
	struct uni_digest digest; /* of its map */
	struct uni_ami_disk disk;
};

/* A NAME.ami folder that exists. */
struct uni_ami {
	struct uni_ami_disk disk;
	struct uni_ami_volume *volumes;
	size_t volume_count;
	struct uni_digest digest; /* of all its disks */
};
/* Checks the maps, and that the blocks' files have the sizes that they say. */
int uni_ami_open(struct uni_ami **ami, const char *path, struct uni_err *err);
void uni_ami_free(struct uni_ami *ami);
UNI_AUTO_DEFINE(uni_ami)
/* The map's nth block, UNI_MAP_BLOCK bytes; UNI_E_CORRUPT when it has not its digest. May be called
 * by several threads. */
int uni_ami_read_block(const struct uni_ami_disk *disk, size_t n, void *data, struct uni_err *err);
/* The same, for one who compares digests himself. */
int uni_ami_load_block(const struct uni_ami_disk *disk, size_t n, void *data, struct uni_err *err);
/* The request, to which the one who registers adds the snapshots' ids. */
int uni_ami_request(const struct uni_ami *ami, struct uni_buf *json, struct uni_err *err);
/* The disk in it. The source borrows `disk`. Every block is checked when it is read. */
struct uni_disk_source *uni_ami_source(const struct uni_ami_disk *disk);

/* What an image is known by: its disk's map digest; with volumes one over that and theirs, in
 * order. "map-sha256:" or "ami-sha256:" in text. */
struct uni_digest uni_ami_digest(const struct uni_digest *disk,
				 const struct uni_ami_volume *volumes, size_t count);
void uni_ami_digest_text(const struct uni_digest *digest, size_t volumes,
			 char out[UNI_DIGEST_TEXT]);

/* NAME-VERSION-<16 hex of the digest>: the same image has the same name, so that it is found
 * before it is pushed a second time. Owned by the caller. */
char *uni_ami_name(const char *name, const char *version, const struct uni_digest *digest);

#endif
