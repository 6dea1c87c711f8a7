/*
 * Internal: what the forms share. Every number in a foreign image goes through the checks of the
 * mapped reader (mapped.c) before it is used.
 */
#ifndef UNI_DISK_INTERNAL_H
#define UNI_DISK_INTERNAL_H

#include <uni/disk/disk.h>
#include <uni/disk/source.h>

/* The forms, as disk.c lists them. */
extern const struct uni_disk_format uni_disk_raw;
extern const struct uni_disk_format uni_disk_qcow2;
extern const struct uni_disk_format uni_disk_iso;
extern const struct uni_disk_format uni_disk_vdi;
extern const struct uni_disk_format uni_disk_vhd;
extern const struct uni_disk_format uni_disk_vhdx;
extern const struct uni_disk_format uni_disk_vmdk;

/* source.c: a zeroed source of `size` bytes, its first member filled in. */
void *disk_source_new(size_t size, const struct uni_disk_source_ops *ops, const char *form,
		      uint64_t bytes);

/* walk.c */
struct disk_walk {
	struct uni_disk_source *source;
	size_t block; /* chunks start and end on multiples of it */
	size_t room;  /* bytes of the caller's buffer; a multiple of block */
	uint64_t at;  /* 0 at the start */
	uint64_t data_end;
};
/*
 * The next chunk that may hold data into `data`. 1: found, 0: the end, negative: an error. Behind
 * the disk's end a chunk is filled with zeros.
 */
int disk_walk_next(struct disk_walk *walk, void *data, uint64_t *offset, size_t *size,
		   struct uni_err *err);
/* Writes what is not zero, in runs of 4 KiB. */
int disk_write_sparse(int fd, const void *data, size_t size, uint64_t offset, struct uni_err *err);
/* Makes the file so long, by a hole. */
int disk_set_size(int fd, uint64_t size, struct uni_err *err);
int disk_write(int fd, const void *data, size_t size, uint64_t offset, struct uni_err *err);

/* layout.c: the content of a partition, owned by the caller; NULL: failed. */
struct uni_disk_source *layout_content(const struct uni_disk_partition *partition,
				       struct uni_err *err);
/* Of every partition of a placed layout. */
int layout_digests(const struct uni_disk_layout *layout, struct uni_disk_result *result,
		   struct uni_err *err);

/* signature.c: UNI_E_UNSUPPORTED, with what to do, for what only looks like a raw disk: other
 * programs' images, compressed files, archives. */
int disk_refuse_container(struct uni_disk_source *raw, const char *name, struct uni_err *err);

/*
 * composed.c: a disk put together from ranges of other sources. Ranges are added in order and do
 * not touch each other; what none covers is zeros.
 */
struct disk_composed;
struct disk_composed *disk_composed_new(const char *form, uint64_t size);
/* `from` is taken when `owned`. */
void disk_composed_add(struct disk_composed *composed, uint64_t offset, uint64_t size,
		       struct uni_disk_source *from, uint64_t from_offset, bool owned);
/* A copy of bytes. */
void disk_composed_add_bytes(struct disk_composed *composed, uint64_t offset, const void *data,
			     size_t size);
struct uni_disk_source *disk_composed_source(struct disk_composed *composed);

#endif
