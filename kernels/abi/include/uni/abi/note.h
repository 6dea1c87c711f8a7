/*
 * The ELF notes that join a kernel with what it carries.
 *
 * A base kernel holds, in an allocated note section, one note of owner "uni" and type
 * UNI_NOTE_PARTS whose descriptor is a `struct uni_parts` with `count` 0. The tool that makes a
 * bootable ELF appends the parts behind the kernel in one more read-only PT_LOAD and fills the
 * descriptor in place; the running kernel reads its own note from memory. No symbol is looked up by
 * either.
 *
 * Rule for every bootable ELF of this kind ("the file is the memory image"): for each PT_LOAD with
 * file content, p_paddr - p_offset is the same number, and .bss is a PT_LOAD of its own with
 * p_filesz 0 at lower addresses than all file content. So a loader places the file as a whole,
 * zeroes one range, and jumps.
 */
#ifndef UNI_ABI_NOTE_H
#define UNI_ABI_NOTE_H

#include <stdint.h>

#define UNI_NOTE_OWNER "uni" /* 4 bytes with its NUL */

enum {
	UNI_NOTE_PARTS = 1,  /* struct uni_parts, filled by the tool */
	UNI_NOTE_KERNEL = 2, /* struct uni_kernel_note, constant */
	UNI_NOTE_WORDS = 3,  /* text, see UNI_WORDS_MAX; constant, may be absent */
	UNI_NOTE_PACKED = 4, /* struct uni_packed_note: of a kernel that unpacks itself */
};

/* Bytes of the text at most, with its NUL: the kernel's name in its base, and behind it, each after
 * a space, what it can do in base.toml's words. */
#define UNI_WORDS_MAX 1024

enum uni_part_kind {
	UNI_PART_NONE = 0,
	UNI_PART_CONFIG = 1, /* the boot configuration record, see config.h; exactly one */
	UNI_PART_PROGRAM =
		2, /* the program: an unmodified ELF file, on a page boundary; at most one */
	UNI_PART_ROOT =
		3, /* cpio newc archive that fills the root file system at start; at most one */
	UNI_PART_VOLUME =
		4, /* an embedded read-only volume: squashfs, hash tree behind it; page boundary */
	UNI_PART_LAST = UNI_PART_VOLUME,
};

#define UNI_PARTS_MAX 16
#define UNI_PARTS_VERSION 1

struct uni_part {
	uint32_t kind;	  /* enum uni_part_kind */
	uint32_t flags;	  /* 0 */
	uint64_t paddr;	  /* physical address as linked; the kernel adds what it was moved by */
	uint64_t size;	  /* bytes, without padding */
	uint8_t uuid[16]; /* of a volume, else zero */
};

struct uni_parts {
	uint32_t version; /* UNI_PARTS_VERSION */
	uint32_t count;	  /* used entries of `part`, from its start */
	struct uni_part part[UNI_PARTS_MAX];
};

struct uni_kernel_note {
	uint32_t version;	 /* 1 */
	uint32_t config_version; /* highest boot configuration version understood */
	uint32_t config_oldest;	 /* lowest */
	uint32_t reserved;
};

/* The bytes of the file, from `from` to before `to`, that no packing makes smaller again. Whose
 * format they are is the kernel's own affair. */
struct uni_packed_note {
	uint32_t from;
	uint32_t to;
};

_Static_assert(sizeof(struct uni_part) == 40, "uni_part is wire format");
_Static_assert(sizeof(struct uni_parts) == 8 + 40 * UNI_PARTS_MAX, "uni_parts is wire format");
_Static_assert(sizeof(struct uni_kernel_note) == 16, "uni_kernel_note is wire format");
_Static_assert(sizeof(struct uni_packed_note) == 8, "uni_packed_note is wire format");

#endif
