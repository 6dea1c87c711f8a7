/*
 * Forms of an image that are more than a disk in one file: what clouds and machine managers import,
 * with what they want to be told about the machine. Each is a line in form.c's list. The same disk
 * and the same words about the machine give the same bytes.
 */
#ifndef UNI_BUNDLE_FORM_H
#define UNI_BUNDLE_FORM_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/disk/source.h>

/* A volume that is a disk of its own beside the image. Borrowed. */
struct uni_form_volume {
	const char *name;
	struct uni_disk_source *source; /* its size is on the form's grain */
	bool writable;			/* the machine writes to it */
};

/* What is told about the machine. Strings are borrowed. */
struct uni_form_machine {
	const char *name;	 /* of the image: [a-z0-9._-] */
	const char *version;	 /* semantic version; NULL: 0.0.0 */
	const char *description; /* one line, or NULL */
	uint64_t memory;	 /* bytes */
	uint32_t processors;
	bool bios, uefi;		       /* how the disk starts */
	bool network;			       /* it wants one */
	bool ena;			       /* its kernel drives EC2's network adapter */
	const struct uni_form_volume *volumes; /* for forms that take them */
	size_t volume_count;
	unsigned threads; /* 0: uni_processors(); not in the bytes */
};

/*
 * Where a form's files go. Each is begun, written, and ended with its name, which may have folders
 * in it and may depend on what was written. One at a time.
 */
struct uni_form_out {
	int (*begin)(void *user, int *fd, struct uni_err *err); /* an empty file; borrowed */
	/* `known`: its SHA-256 where the writer has it, else NULL. */
	int (*end)(void *user, const char *name, const struct uni_digest *known,
		   struct uni_err *err);
	void *user;
};

struct uni_form {
	const char *name;   /* "ami" */
	const char *ending; /* of the file, or of the folder: "ami" */
	uint32_t version;   /* of what it writes; belongs in keys */
	uint64_t grain;	    /* what the disk's size is a multiple of; 0: any */
	bool deflate;	    /* its bytes depend on libdeflate (uni_disk_codec_file) */
	size_t volumes;	    /* how many disks of their own it takes beside the image's; 0: none,
			       they stay files beside it */
	/* Of a form that is a folder: patterns (fnmatch(3), FNM_PATHNAME) of all paths in it, first
	 * that of the file which every such folder has. NULL: it is a file. */
	const char *const *files;
	/* Files are named ENDING or ENDING/...; `source`'s size is on the grain. */
	int (*write)(struct uni_disk_source *source, const struct uni_form_machine *machine,
		     const struct uni_form_out *out, struct uni_err *err);
};

extern const struct uni_form *const uni_forms[]; /* NULL-terminated */
const struct uni_form *uni_form_find(const char *name);

/*
 * Whether what stands at `path` may give way, when that was asked for: a folder only to a form that
 * is a folder, and only when all in it is what such a form writes; UNI_E_EXIST says what is not.
 * `form` NULL: to a file.
 */
int uni_form_may_replace(const struct uni_form *form, const char *path, struct uni_err *err);

/* One file of bytes at hand. */
int uni_form_put(const struct uni_form_out *out, const char *name, const void *data, size_t size,
		 struct uni_err *err);

#endif
