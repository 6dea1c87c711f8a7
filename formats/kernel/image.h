/*
 * Internal: the shape of a bootable ELF by the rule in uni/abi/note.h, shared by what makes one and
 * what reads one.
 */
#ifndef UNI_KERNEL_IMAGE_INTERNAL_H
#define UNI_KERNEL_IMAGE_INTERNAL_H

#include <uni/kernel/elf.h>
#include <uni/kernel/kernel.h>

struct image_shape {
	uint64_t load_paddr; /* of the file's first byte: p_paddr - p_offset */
	uint64_t load_vaddr; /* the same for p_vaddr of the last segment */
	uint64_t end;	     /* bytes of the file that segments use */
	uint64_t bss_paddr;  /* 0 and 0: none */
	uint64_t bss_size;
	uint64_t entry;	       /* PVH, physical */
	uint64_t parts_offset; /* of struct uni_parts in the file */
	struct uni_kernel_note note;
};

/* UNI_E_UNSUPPORTED or UNI_E_CORRUPT with the rule that is broken. */
int image_read_shape(const struct uni_elf *elf, struct image_shape *shape, struct uni_err *err);

/* kernel.c lists it. */
extern const struct uni_kernel_kind kind_linux_abi;

#endif
