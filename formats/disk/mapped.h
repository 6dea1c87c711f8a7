/*
 * Reading images whose tables say where each block of the disk lies. What the readers share is
 * here, and with it every check of what a hostile table can say: a form's reader checks its header
 * and looks entries up, no more.
 */
#ifndef UNI_DISK_MAPPED_INTERNAL_H
#define UNI_DISK_MAPPED_INTERNAL_H

#include "codec.h"
#include "internal.h"

enum { DISK_TABLE_MOST = 2 << 20 }; /* bytes of a table that is read at once */

enum disk_extent_kind {
	DISK_EXTENT_HOLE, /* zeros */
	DISK_EXTENT_PLAIN,
	DISK_EXTENT_PACKED, /* compressed */
};

struct disk_extent {
	enum disk_extent_kind kind;
	uint64_t at;	/* in the image; bytes */
	uint64_t size;	/* PACKED: stored bytes, what follows in the last sector perhaps too */
	uint32_t parts; /* PLAIN: which of the block's 32 parts are there, the others are zeros; 0:
			 * all
			 */
	uint64_t claim; /* PACKED: bytes of the image that it has for itself at the least */
	uint64_t count; /* HOLE: how many blocks from this one are known to be holes */
};

struct disk_mapped;
struct disk_mapped_ops {
	/* `index` is a block of the disk. What comes out is checked by the caller. */
	int (*map)(struct disk_mapped *mapped, uint64_t index, struct disk_extent *extent,
		   struct uni_err *err);
	/* Of its own fields, or NULL. */
	void (*free)(struct disk_mapped *mapped);
	size_t packed_header; /* bytes of a stored block in front of the compressed ones */
};

/* First member of every such reader. */
struct disk_mapped {
	struct uni_disk_source base;
	const struct disk_mapped_ops *ops;
	int fd;		/* borrowed */
	uint64_t start; /* of the image in it */
	uint64_t length;
	char *name;
	size_t block; /* bytes of the disk that an entry maps */
	struct disk_decompressor *decompressor;
	/* private */
	uint64_t counted; /* blocks before this one count in `claimed` */
	uint64_t claimed; /* bytes of the image that are mapped */
	uint8_t *table;
	uint64_t table_at;
	size_t table_size;
	uint8_t *packed;
	size_t packed_room;
	uint8_t *unpacked;
	uint64_t unpacked_index;
};

/* An image under examination. */
struct disk_image {
	int fd;
	uint64_t start;
	uint64_t length;
	const char *name;
};

/* A zeroed reader, its first member filled in; freed as a source. */
void *disk_mapped_new(size_t size, const struct disk_mapped_ops *ops, const char *form,
		      uint64_t bytes, size_t block, const struct disk_image *image);
/* Bytes of the image; UNI_E_CORRUPT naming `what` when they are not all there. */
int disk_image_read(const struct disk_image *image, void *data, size_t size, uint64_t at,
		    const char *what, struct uni_err *err);
/* A table of at most DISK_TABLE_MOST bytes, valid until the next call; the last one is kept. */
const uint8_t *disk_mapped_table(struct disk_mapped *mapped, uint64_t at, size_t size,
				 const char *what, struct uni_err *err);

/* Readers: UNI_E_UNSUPPORTED with a reason, UNI_E_CORRUPT; `probe` looks at the first bytes. */
struct disk_reader {
	const char *form;
	bool (*probe)(const struct disk_image *image);
	int (*open)(struct uni_disk_source **source, const struct disk_image *image,
		    struct uni_err *err);
};
extern const struct disk_reader disk_read_gcp;
extern const struct disk_reader disk_read_iso;
extern const struct disk_reader disk_read_ova;
extern const struct disk_reader disk_read_qcow2;
extern const struct disk_reader disk_read_vdi;
extern const struct disk_reader disk_read_vhd;
extern const struct disk_reader disk_read_vhdx;
extern const struct disk_reader disk_read_vmdk;

/* "NAME: it ...": the two ways in which an image is refused. */
int disk_corrupt(const struct disk_image *image, struct uni_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int disk_unsupported(const struct disk_image *image, struct uni_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
