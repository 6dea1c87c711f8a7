/*
 * Kinds of base: how a kernel and what it carries become one bootable ELF, that ELF the box in its
 * partition, and how both are taken apart again.
 */
#ifndef UNI_KERNEL_KERNEL_H
#define UNI_KERNEL_KERNEL_H

#include <uni/abi/boot.h>
#include <uni/abi/note.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

struct uni_base_kernel;

/*
 * Bytes in memory, or a range of a file; both borrowed. A UUID is in text order here; in the note
 * of parts, and in the mounts of the boot configuration, it is as GPT has it on disk
 * (uni_uuid_swap).
 */
struct uni_kernel_part {
	enum uni_part_kind kind;
	const void *data; /* NULL: from fd */
	int fd;
	uint64_t offset;
	uint64_t size;
	struct uni_uuid uuid; /* of a volume, else zero */
};

struct uni_kernel_result {
	uint64_t size;
	struct uni_digest digest;
	struct uni_part parts[UNI_PARTS_MAX]; /* as written */
};

struct uni_kernel_kind {
	const char *name; /* "linux-abi" */
	uint32_t version; /* of what it writes; belongs in keys */
	/*
	 * Writes the bootable ELF to `fd`, an empty file. Parts come in any order and are written
	 * in the order of their kinds, volumes as given. UNI_E_UNSUPPORTED or UNI_E_INVAL with the
	 * reason when the base or a part will not do.
	 */
	int (*compose)(const struct uni_base_kernel *kernel, const struct uni_kernel_part *parts,
		       size_t count, int fd, struct uni_kernel_result *result, struct uni_err *err);
};

extern const struct uni_kernel_kind *const uni_kernel_kinds[]; /* NULL-terminated */
const struct uni_kernel_kind *uni_kernel_kind_find(const char *name);

/* What a bootable ELF holds. */
struct uni_kernel_image {
	uint64_t entry; /* PVH entry, physical; 0: none */
	uint32_t part_count;
	struct {
		enum uni_part_kind kind;
		uint64_t offset; /* bytes from the ELF's start */
		uint64_t size;
		struct uni_uuid uuid;
	} parts[UNI_PARTS_MAX];
	char words[UNI_WORDS_MAX]; /* its name and what it can do; "" when it does not say */
	/* Of a kernel that unpacks itself: what is packed, in bytes from the ELF's start; else 0,
	 * 0. */
	uint64_t packed_from;
	uint64_t packed_to;
	/* Its memory, by the rule in uni/abi/note.h. */
	uint64_t load_paddr;
	uint64_t bss_paddr;
	uint64_t bss_size;
};

/* Reads the notes of the ELF in [offset, offset + size) of `fd`. UNI_E_UNSUPPORTED: ELF, but not of
 * ours. */
int uni_kernel_split(int fd, uint64_t offset, uint64_t size, const char *name,
		     struct uni_kernel_image *image, struct uni_err *err);

/* --- the box of the kernel partition (uni/abi/boot.h) --- */

struct uni_box_content {
	int fd; /* the bootable ELF, borrowed */
	uint64_t size;
	const struct uni_digest *known; /* its SHA-256, borrowed; NULL: to be found out */
};

/* Packs `elf` into `fd`, an empty file; LZ4 unless that gains nothing. `size` and `digest` are the
 * box's. */
int uni_box_pack(const struct uni_box_content *elf, int fd, uint64_t *size,
		 struct uni_digest *digest, struct uni_err *err);
#define UNI_BOX_VERSION_WRITTEN 5 /* changes with the bytes that uni_box_pack writes */
/* The files of libraries whose version decides these bytes, for keys. */
int uni_box_tools(struct uni_strv *files, struct uni_err *err);
/* Checks the header of a box in [offset, offset + size) of `fd`. */
int uni_box_read(int fd, uint64_t offset, uint64_t size, const char *name,
		 struct uni_box_header *header, struct uni_err *err);
/* Unpacks it into `out_fd` and checks the digest. */
int uni_box_unpack(int fd, uint64_t offset, uint64_t size, const char *name, int out_fd,
		   struct uni_err *err);

#endif
