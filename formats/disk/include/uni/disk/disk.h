/*
 * Disk images: a resolved layout becomes a file, and a file is read back into its partitions.
 *
 * GPT as in UEFI 2.10, chapter 5: protective MBR (with the BIOS first stage in it), primary and
 * backup header and entry array. Sectors of 512 bytes; partitions start and end on 4 KiB. What a
 * layout does not fill stays a hole.
 */
#ifndef UNI_DISK_DISK_H
#define UNI_DISK_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

#define UNI_DISK_SECTOR 512u
#define UNI_DISK_ALIGN 4096u
#define UNI_DISK_LEAST 516096u /* SeaBIOS starts no disk below 1008 sectors */
#define UNI_DISK_PARTITIONS_MAX 128
#define UNI_DISK_NAME_MAX 36 /* UTF-16 units of a partition's name */

/* Bytes in memory, or a range of a file; both borrowed. */
struct uni_disk_content {
	const void *data; /* NULL: from fd */
	int fd;
	uint64_t offset;
	uint64_t size;
	const struct uni_digest
		*known; /* of these bytes, when that is sure, as of a blob; or NULL */
};

struct uni_disk_partition {
	struct uni_uuid type;
	struct uni_uuid guid;
	const char *name; /* UTF-8 */
	uint64_t attributes;
	struct uni_disk_content content;
	uint64_t size; /* bytes; 0: what its content needs; rounded up to 4 KiB */
};

struct uni_disk_layout {
	struct uni_uuid guid;
	uint64_t size; /* least bytes of the whole; 0: UNI_DISK_LEAST */
	/* BIOS first stage, at most 440 bytes, with room for where the second stage is
	 * (uni/abi/boot.h); NULL: none. The second stage is the partition of type
	 * UNI_GPT_BIOS_BOOT. */
	const void *stage1;
	size_t stage1_size;
	const struct uni_disk_partition *partitions;
	size_t count;
};

struct uni_disk_placed {
	uint64_t offset;	  /* bytes from the disk's start */
	uint64_t size;		  /* bytes, a multiple of 4096 */
	struct uni_digest digest; /* of all its bytes, padding too */
};

struct uni_disk_result {
	uint64_t size; /* bytes of the disk that a machine sees */
	struct uni_digest digest;
	struct uni_disk_placed placed[UNI_DISK_PARTITIONS_MAX]; /* as in the layout */
};

struct uni_disk_format {
	const char *name; /* "raw" */
	const char *extension;
	uint32_t version; /* of what it writes; belongs in keys */
	/* Writes to `fd`, an empty file, from its start; nothing is flushed. */
	int (*write)(const struct uni_disk_layout *layout, int fd, struct uni_disk_result *result,
		     struct uni_err *err);
};

extern const struct uni_disk_format *const uni_disk_formats[]; /* NULL-terminated */
const struct uni_disk_format *uni_disk_find(const char *name);

/* Where a layout's partitions will lie and how large the disk will be; digests stay zero. */
int uni_disk_place(const struct uni_disk_layout *layout, struct uni_disk_result *result,
		   struct uni_err *err);

/* --- reading --- */

struct uni_disk_entry {
	struct uni_uuid type;
	struct uni_uuid guid;
	char name[UNI_DISK_NAME_MAX * 3 + 1]; /* UTF-8; bad units become U+FFFD */
	uint64_t attributes;
	uint64_t offset; /* bytes */
	uint64_t size;
};

struct uni_disk {
	struct uni_uuid guid;
	uint64_t size;
	bool bios_code;	    /* the MBR holds boot code */
	bool primary_sound; /* false: read from the backup */
	bool backup_sound;
	struct uni_disk_entry *entries;
	size_t count;
};

/*
 * Reads the partition table of a raw disk. UNI_E_UNSUPPORTED: no GPT disk at all; UNI_E_CORRUPT:
 * both tables are damaged, or the image is shorter than its table says (so it is truncated).
 */
int uni_disk_read(struct uni_disk **out, int fd, uint64_t size, const char *name,
		  struct uni_err *err);
void uni_disk_free(struct uni_disk *disk);
UNI_AUTO_DEFINE(uni_disk)

#endif
