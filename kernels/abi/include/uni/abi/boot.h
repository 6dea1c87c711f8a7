/*
 * What loaders and the tool agree on: the box that holds the kernel in its partition, the partition
 * types, and the start-up structure by which every kernel here is entered.
 *
 * PVH: "x86/HVM direct boot ABI", xen/include/public/arch-x86/hvm/start_info.h: 32-bit protected
 * mode, flat segments, paging off, EBX = physical address of struct uni_hvm_start_info; entry in an
 * ELF note of owner "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY).
 */
#ifndef UNI_ABI_BOOT_H
#define UNI_ABI_BOOT_H

#include <stdint.h>

#define UNI_HVM_START_MAGIC 0x336ec578u
#define UNI_XEN_NOTE_PHYS32_ENTRY 18

struct uni_hvm_start_info {
	uint32_t magic;	  /* UNI_HVM_START_MAGIC */
	uint32_t version; /* 1: memmap is there */
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr; /* 0: not known, the kernel searches */
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct uni_hvm_modlist_entry {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct uni_hvm_memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type; /* as E820: 1 RAM, 2 reserved, 3 ACPI, 4 NVS, 5 unusable */
	uint32_t reserved;
};

/*
 * The kernel partition: this header in its first 512 bytes, then `stored_size` bytes. Unpacked they
 * are the bootable ELF file, which by the rule in note.h is also its memory image: placed at
 * `load_paddr` (moved by any multiple of 2 MiB), with [bss_paddr, bss_paddr + bss_size) zeroed and
 * moved alike, entered at `entry_paddr`.
 */
#define UNI_BOX_MAGIC "UNIKERN" /* 8 bytes with its NUL */
#define UNI_BOX_VERSION 1
#define UNI_BOX_HEADER_SIZE 512

enum uni_box_codec { UNI_BOX_STORED = 0, UNI_BOX_LZ4 = 1 /* one LZ4 block, no frame */ };

struct uni_box_header {
	char magic[8];
	uint32_t version;
	uint32_t codec;
	uint64_t stored_size; /* bytes behind the header */
	uint64_t size;	      /* bytes unpacked: the ELF file */
	uint64_t load_paddr;  /* of the file's first byte */
	uint64_t bss_paddr;
	uint64_t bss_size;
	uint64_t entry_paddr;
	uint8_t sha256[32]; /* of the ELF file */
	uint32_t stored_crc32c;
	uint32_t header_crc32c; /* of this struct with this field 0 */
};

/*
 * The BIOS loader. Stage 1 is the code in front of the protective MBR's partition table (its bytes
 * 440 to 511 stay the disk's); who writes a disk patches two little-endian fields in it. Stage 2
 * fills the start of a "BIOS boot" partition; its 32-bit words add up to 0, which stage 1 checks.
 * It leaves the start info, its map and nothing else that matters below 640 KiB.
 */
#define UNI_STAGE1_SIZE 440
#define UNI_STAGE1_COUNT_OFFSET 418 /* u16: 512-byte sectors of stage 2, at most 32 */
#define UNI_STAGE1_LBA_OFFSET 424   /* u64: the first of them */
#define UNI_STAGE2_SIZE_MAX 16384
#define UNI_STAGE2_LOAD 0x8000
#define UNI_STAGE2_MAGIC 0x32494e55 /* "UNI2", u32 at offset 4 of stage 2 */

/*
 * The UEFI loader, BOOTX64.EFI: a PE32+ file with a section that says which kernel it starts, and
 * no other. Who builds an image fills the seal in, and may sign the file then.
 */
#define UNI_SEAL_SECTION ".uniseal" /* all eight characters that a PE file has for it */
#define UNI_SEAL_MAGIC "UNISEAL"
#define UNI_SEAL_VERSION 1

struct uni_seal {
	char magic[8];
	uint32_t version;
	uint32_t reserved;
	uint8_t partition[16]; /* GUID of the kernel's partition, as GPT has it */
	uint8_t sha256[32];    /* of the box */
	uint64_t size;	       /* bytes of the box, header and all; 0: not filled in */
};

/* GPT partition types and attributes, as text; on disk the first three groups are little endian. */
#define UNI_GPT_BIOS_BOOT "21686148-6449-6E6F-744E-656564454649"
#define UNI_GPT_ESP "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define UNI_GPT_KERNEL "756E692D-6B65-726E-656C-000000000001"
#define UNI_GPT_VOLUME "756E692D-766F-6C75-6D65-000000000001"

_Static_assert(sizeof(struct uni_hvm_start_info) == 56, "PVH");
_Static_assert(sizeof(struct uni_hvm_modlist_entry) == 32, "PVH");
_Static_assert(sizeof(struct uni_hvm_memmap_entry) == 24, "PVH");
_Static_assert(sizeof(struct uni_box_header) == 104, "wire format");
_Static_assert(sizeof(struct uni_seal) == 72, "wire format");

#endif
