/*
 * Disk images: a resolved layout, or a disk that exists, becomes a file in any form, and a file is
 * read back into its partitions. The same disk in the same form is the same bytes: identifiers that
 * a form asks for are made of the disk's content, and times are those that mean nothing.
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
#include <uni/disk/source.h>

#define UNI_DISK_SECTOR 512u
#define UNI_DISK_ALIGN 4096u
#define UNI_DISK_LEAST 516096u /* SeaBIOS starts no disk below 1008 sectors */
#define UNI_DISK_PARTITIONS_MAX 128
#define UNI_DISK_NAME_MAX 36 /* UTF-16 units of a partition's name */

/* Bytes in memory, or a range of another source or of a file; borrowed. */
struct uni_disk_content {
	const void *data;		/* or NULL */
	struct uni_disk_source *source; /* or NULL: from fd */
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
	uint64_t size;	/* least bytes of the whole; 0: UNI_DISK_LEAST */
	uint64_t first; /* least place of the first partition; 0: behind the tables */
	uint64_t grain; /* what the whole is a multiple of; 0: UNI_DISK_ALIGN */
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
	struct uni_digest digest; /* of its content; behind that are zeros */
};

struct uni_disk_result {
	uint64_t size;	 /* bytes of the disk that a machine sees */
	bool has_digest; /* of the file: where the form's one pass gives it */
	struct uni_digest digest;
	size_t count;
	struct uni_disk_placed placed[UNI_DISK_PARTITIONS_MAX]; /* as in the layout */
};

/* What can be asked of a form; what it has not is refused. All zero: its defaults. */
struct uni_disk_options {
	const char *variant;	 /* "fixed", "dynamic"; NULL: the form's first */
	const char *compression; /* "none", "zlib", "zstd"; NULL: the form's first */
	unsigned level;		 /* of the compression; 0: chosen */
	unsigned threads;	 /* 0: uni_processors(); not in the bytes */
};

struct uni_disk_format {
	const char *name; /* "raw" */
	const char *extension;
	uint32_t version;		 /* of what it writes; belongs in keys */
	uint64_t limit;			 /* bytes of the largest disk; 0: UNI_DISK_SIZE_MAX */
	uint64_t first;			 /* of a layout's disk: as there */
	const char *const *variants;	 /* the default first, NULL at the end; NULL: none */
	const char *const *compressions; /* the same */
	/* What sizes of the disk are multiples of; NULL: sectors. */
	uint64_t (*grain)(const struct uni_disk_options *options);
	/*
	 * Writes to `fd`, an empty file, from its start; nothing is flushed. Options are resolved,
	 * the source's size is on the grain.
	 */
	int (*write)(struct uni_disk_source *source, const struct uni_disk_options *options, int fd,
		     struct uni_err *err);
	/* Where writing a placed layout gives its digests in the same pass; or NULL. */
	int (*write_layout)(const struct uni_disk_layout *layout, int fd,
			    struct uni_disk_result *result, struct uni_err *err);
};

extern const struct uni_disk_format *const uni_disk_formats[]; /* NULL-terminated */
const struct uni_disk_format *uni_disk_find(const char *name);

/* Fills in defaults; UNI_E_INVAL for what the form has not, naming what it has. */
int uni_disk_resolve(const struct uni_disk_format *format, struct uni_disk_options *options,
		     struct uni_err *err);
/* UNI_E_LIMIT for a disk that is larger than the form's largest. */
int uni_disk_check_size(const struct uni_disk_format *format, uint64_t size, struct uni_err *err);
/* Which library's version is in the bytes ("libdeflate", "libzstd"; NULL: none), for keys; options
 * are resolved. And the file that it is loaded from. */
const char *uni_disk_codec(const struct uni_disk_options *options);
int uni_disk_codec_file(const char *codec, struct uni_strv *files, struct uni_err *err);

/* Writes a layout, made larger to the form's grain; `result` with the digests of partitions.
 * `options` may be NULL. */
int uni_disk_write(const struct uni_disk_format *format, const struct uni_disk_options *options,
		   const struct uni_disk_layout *layout, int fd, struct uni_disk_result *result,
		   struct uni_err *err);
/* A layout made larger to a grain, as a disk to be read; `result` with the digests of partitions.
 * The source borrows both. */
int uni_disk_open_layout(struct uni_disk_source **source, struct uni_disk_layout *layout,
			 uint64_t grain, struct uni_disk_result *result, struct uni_err *err);
/* What the partitions of a placed layout hold, at their places, without any table: what disks have
 * in common that are made of the same partitions. Both are borrowed. */
int uni_disk_open_contents(struct uni_disk_source **source, const struct uni_disk_layout *layout,
			   const struct uni_disk_result *placed, struct uni_err *err);
/* Writes what another source holds; it is grown to the form's grain (uni_disk_source_grow). */
int uni_disk_convert(const struct uni_disk_format *format, const struct uni_disk_options *options,
		     struct uni_disk_source **source, int fd, struct uni_err *err);

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
/* The same of a disk in any form. */
int uni_disk_read_source(struct uni_disk **out, struct uni_disk_source *source, const char *name,
			 struct uni_err *err);
/* The first partition of a type (UNI_GPT_ESP, ...), or NULL. `disk` may be NULL. */
const struct uni_disk_entry *uni_disk_find_type(const struct uni_disk *disk, const char *type);
/* What is at [offset, offset + size) of a disk, by the marks that file systems and the like have at
 * fixed places: "XFS", "LVM", ...; NULL when that is not known. For people: nothing is checked. */
const char *uni_disk_holds(struct uni_disk_source *source, uint64_t offset, uint64_t size);

#define UNI_DISK_MBR_MAX 64

struct uni_disk_mbr_entry {
	uint8_t type;
	bool active;
	bool beyond; /* it ends behind the disk */
	uint64_t offset, size;
	const char *holds; /* or NULL */
};

/* The partition table of disks that are older than GPT. */
struct uni_disk_mbr {
	bool bios_code;
	size_t count;
	struct uni_disk_mbr_entry entries[UNI_DISK_MBR_MAX]; /* those in extended ones too */
};

/* `found` is false, and that is no error, where there is none, or a GPT. */
int uni_disk_read_mbr(struct uni_disk_mbr *mbr, struct uni_disk_source *source, bool *found,
		      struct uni_err *err);
void uni_disk_free(struct uni_disk *disk);
UNI_AUTO_DEFINE(uni_disk)

#endif
