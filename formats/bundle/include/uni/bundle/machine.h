/*
 * Descriptions of a machine that starts the bootable ELF, with each volume as a disk of its own,
 * for those who manage machines. Each is a line in machine.c's list. The same words give the same
 * bytes.
 */
#ifndef UNI_BUNDLE_MACHINE_H
#define UNI_BUNDLE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

struct uni_machine_disk {
	const char *name; /* of the volume */
	const char *file; /* its path on the host */
	bool writable;
};

struct uni_machine_words {
	const char *name;
	const char *kernel; /* path on the host */
	uint64_t memory;    /* bytes */
	uint32_t processors;
	struct uni_uuid uuid; /* of the machine */
	const struct uni_machine_disk *disks;
	size_t disk_count;
	size_t networks;
};

struct uni_machine_format {
	const char *name;   /* "xen" */
	const char *ending; /* of its file: "xl.cfg" */
	const char *kernel; /* ending of the kernel's file beside it: "xen.elf" */
	const char *folder; /* where its files stand on the host, if nothing else is said; "": where
			       the one who starts it stands */
	uint32_t version;   /* of what it writes; belongs in keys */
	const char *disk;   /* device that a base must drive, where there are volumes */
	const char *network; /* where there are networks */
	void (*write)(const struct uni_machine_words *words, struct uni_buf *out);
};

extern const struct uni_machine_format *const uni_machine_formats[]; /* NULL-terminated */
const struct uni_machine_format *uni_machine_find(const char *name);

/* A description that exists, of ours or another's: what it says of kernel and disks. */
struct uni_machine_found_disk {
	char *file; /* its path on the host */
	bool writable;
};
struct uni_machine_found {
	const struct uni_machine_format *format;
	char *name;	     /* NULL: it has none */
	char *kernel;	     /* path on the host; NULL: it starts by firmware */
	uint64_t memory;     /* bytes; 0: not said */
	uint64_t processors; /* 0: not said */
	struct uni_machine_found_disk *disks;
	size_t disk_count, disk_room;
	uint64_t networks;
};
/* `name` is the file in messages. UNI_E_UNSUPPORTED: it is none of them. What is not asked for
 * above is skipped. */
int uni_machine_read(struct uni_machine_found **found, const char *name, const char *text,
		     size_t size, struct uni_err *err);
void uni_machine_found_free(struct uni_machine_found *found);
UNI_AUTO_DEFINE(uni_machine_found)

#define UNI_MACHINE_TEXT_MAX (1u << 20) /* bytes of a description */

#endif
