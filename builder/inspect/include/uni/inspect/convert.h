/*
 * An image that exists, ours or another's, written in another form. Nothing in it is trusted, holes
 * stay holes, and the output is whole or absent.
 */
#ifndef UNI_INSPECT_CONVERT_H
#define UNI_INSPECT_CONVERT_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/err.h>
#include <uni/disk/disk.h>

struct uni_convert {
	const char *image;
	const char *format; /* "raw", "qcow2", ... */
	struct uni_disk_options options;
	uint64_t size; /* least bytes of the disk; 0: as it is */
	const char
		*output; /* NULL: the image's name with the form's ending, in the working folder */
	bool force;	 /* replace what stands there */
	bool ena; /* its kernel drives EC2's network adapter; else that is asked of the kernel */
};

struct uni_converted {
	char *path;
	const char *from;   /* form of the image */
	uint64_t size;	    /* bytes of the file */
	uint64_t disk_size; /* bytes that a machine sees */
	bool ena_unknown;   /* an AMI was written of a kernel that does not say what it drives */
};

/* UNI_E_EXIST when the output is there; it is kept unless `force`. */
int uni_image_convert(const struct uni_convert *convert, struct uni_converted *converted,
		      struct uni_err *err);

#endif
