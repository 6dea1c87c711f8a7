/*
 * The bytes of a disk, wherever they come from: a layout, a raw file, an image in another form. One
 * view of them all, so that each form is written from any of them, and each of them is looked into
 * in one way.
 *
 * Everything in an image is hostile: sizes, tables and offsets are checked against the file before
 * they are used, no image leads to another file, and an image whose tables map more than the file
 * holds is refused while it is read.
 */
#ifndef UNI_DISK_SOURCE_H
#define UNI_DISK_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/mem.h>

#define UNI_DISK_SIZE_MAX (UINT64_C(1) << 50) /* of any disk read or written */

struct uni_disk_source;

struct uni_disk_source_ops {
	int (*next)(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		    struct uni_err *err);
	int (*read)(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		    struct uni_err *err);
	void (*free)(struct uni_disk_source *source); /* of all but the struct itself, or NULL */
};

/* First member of every kind of source. One thread at a time. */
struct uni_disk_source {
	const struct uni_disk_source_ops *ops;
	const char *form; /* "raw", "qcow2", ...; "layout" */
	uint64_t size;	  /* bytes of the disk; at most UNI_DISK_SIZE_MAX */
	int owned_fd;	  /* closed with it; -1: none */
};

/* The next range at or behind `*offset` that may hold data; all else is zeros. 1: found, 0: none,
 * negative: an error. */
int uni_disk_source_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
			 struct uni_err *err);
/* Exactly `size` bytes, which must lie inside the disk. */
int uni_disk_source_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
			 struct uni_err *err);
/* The same; what is known to be zeros is not read. */
int uni_disk_source_read_data(struct uni_disk_source *source, void *data, size_t size,
			      uint64_t offset, struct uni_err *err);
void uni_disk_source_free(struct uni_disk_source *source);
UNI_AUTO_DEFINE(uni_disk_source)

/* [offset, offset + size) of a file as a disk. `fd` is borrowed, `name` (for errors) copied. */
struct uni_disk_source *uni_disk_source_from_fd(int fd, uint64_t offset, uint64_t size,
						const char *name);
/* Bytes in memory; borrowed. */
struct uni_disk_source *uni_disk_source_from_memory(const void *data, size_t size);

struct uni_disk_layout;
struct uni_disk_result;
/* A layout that was placed. Both are borrowed. UNI_E_CHANGED when a content is shorter than the
 * layout says. */
int uni_disk_source_from_layout(struct uni_disk_source **source,
				const struct uni_disk_layout *layout,
				const struct uni_disk_result *placed, struct uni_err *err);

/*
 * The same disk, grown to `size` bytes (`*source` is taken, and replaced). A partition table whose
 * backup stands at the old end gets it at the new one, as the UEFI specification asks (5.3.2). As
 * it is when `size` is no larger.
 */
int uni_disk_source_grow(struct uni_disk_source **source, uint64_t size, struct uni_err *err);

/*
 * Opens the image in `fd` (borrowed for the source's life) by its content. UNI_E_UNSUPPORTED for
 * what stands on other files, is encrypted, or is in a state that only its writer can repair;
 * UNI_E_CORRUPT names what is damaged. What is no known form is a raw disk; other programs' forms,
 * compressed files and archives are known, and refused with what to do.
 */
int uni_disk_open_fd(struct uni_disk_source **source, int fd, uint64_t size, const char *name,
		     struct uni_err *err);
/* The same of a regular file, which the source then owns. */
int uni_disk_open_image(struct uni_disk_source **source, const char *path, struct uni_err *err);

/* Writes all of it to `fd`, an empty file, as a raw disk. */
int uni_disk_source_unpack(struct uni_disk_source *source, int fd, struct uni_err *err);
/* Writes a part of it, at its place; `fd` reads as zeros there. */
int uni_disk_source_unpack_part(struct uni_disk_source *source, uint64_t offset, uint64_t size,
				int fd, struct uni_err *err);

#endif
