/*
 * Snapshots written block by block: the EBS direct APIs (Amazon EBS API Reference,
 * StartSnapshot, PutSnapshotBlock, CompleteSnapshot). No
 * bucket, no import queue, no role.
 *
 * A block is 512 KiB; the last one of a volume is filled up with zeros. Only blocks that are sent
 * are in a snapshot, all else reads as zeros, or as the parent's.
 */
#ifndef UNI_AWS_EBS_H
#define UNI_AWS_EBS_H

#include <uni/aws/client.h>
#include <uni/base/event.h>

#define UNI_EBS_BLOCK (512u << 10)
#define UNI_EBS_GIB_MAX 65536u
#define UNI_EBS_ID 64
/* Of a thousand blocks a second, which is what EBS takes of a snapshot, so many are under way at a
 * time when an answer takes a tenth of a second and the way there half of that. */
#define UNI_EBS_IN_FLIGHT 150u

struct uni_ebs_block {
	uint32_t index;
	struct uni_digest digest; /* of all 512 KiB */
};

struct uni_ebs_snapshot {
	const char *region;
	char id[UNI_EBS_ID]; /* "snap-..." */
	bool encrypted;	     /* what is not sent does not read as zeros */
};

struct uni_ebs_start {
	const char *region;
	uint32_t gib;
	const char *description;     /* or NULL */
	const char *parent;	     /* snapshot whose blocks stand where none is sent; or NULL */
	const char *token;	     /* the same token starts the same snapshot; or NULL */
	const struct uni_strv *tags; /* "KEY=VALUE"; or NULL */
};
int uni_ebs_start(struct uni_aws *aws, const struct uni_ebs_start *start,
		  struct uni_ebs_snapshot *snapshot, struct uni_err *err);

struct uni_ebs_upload {
	const struct uni_ebs_block *blocks; /* by rising index */
	size_t count;
	/* Fills 512 KiB. Called from the thread that uploads. */
	int (*read)(void *user, uint32_t index, void *data, struct uni_err *err);
	/* Block `i` of `blocks` is there; or NULL. What it returns, unless 0, ends the upload. */
	int (*sent)(void *user, size_t i, struct uni_err *err);
	void *user;
	const uint8_t *skip; /* for each block: not 0 when it is there already; or NULL */
	const struct uni_events *events; /* progress in bytes; or NULL */
	const char *name;		 /* of the progress */
	unsigned in_flight;		 /* 0: UNI_EBS_IN_FLIGHT. Memory is that many blocks. */
};
/* Many at once, fewer while the service throttles. A block whose content no longer has its digest
 * is refused by the service, and UNI_E_CHANGED. */
int uni_ebs_upload(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot,
		   const struct uni_ebs_upload *upload, struct uni_err *err);

/* Seals it; the checksum over `blocks`, all that were sent, proves that none is missing or wrong.
 */
int uni_ebs_complete(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot,
		     const struct uni_ebs_block *blocks, size_t count, struct uni_err *err);
struct uni_ebs_download {
	uint32_t most; /* blocks, or UNI_E_LIMIT; 0: any number */
	/* Bytes of the volume, before the first block; or NULL. */
	int (*size)(void *user, uint64_t size, struct uni_err *err);
	/* 512 KiB whose checksum is right, in any order; what is not given is zeros. */
	int (*got)(void *user, uint32_t index, const void *data, struct uni_err *err);
	void *user;
};
/* Several blocks at a time, from the thread that calls. */
int uni_ebs_download(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot,
		     const struct uni_ebs_download *download, struct uni_err *err);
/* The same into `out`, empty at first, of a small one that has at most `most`. */
int uni_ebs_read(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot, uint32_t most,
		 struct uni_buf *out, struct uni_err *err);
/* SHA-256 over the raw digests in the order of indexes ("LINEAR"). */
struct uni_digest uni_ebs_linear(const struct uni_ebs_block *blocks, size_t count);

#endif
