/*
 * What of UEFI the loader uses (UEFI Specification 2.10: 4.3 system table, 4.4 boot services, 7.2
 * memory, 10.3 device paths, 12.4 text output, 13.9 block devices). Tables are as long as what is
 * used of them; services that are not used are pointers without a type.
 */
#ifndef BOOT_EFI_H
#define BOOT_EFI_H

#include <stddef.h>
#include <stdint.h>

#define EFI_CALL __attribute__((ms_abi))

typedef uint64_t efi_status;
typedef void *efi_handle;

#define EFI_ERROR(code) (1ull << 63 | (code))
#define EFI_LOAD_ERROR EFI_ERROR(1)
#define EFI_SECURITY_VIOLATION EFI_ERROR(26)

struct efi_guid {
	uint8_t bytes[16]; /* as they lie in memory */
};

enum efi_memory_type {
	EFI_RESERVED,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_CODE,
	EFI_BOOT_DATA,
	EFI_RUNTIME_CODE,
	EFI_RUNTIME_DATA,
	EFI_CONVENTIONAL,
	EFI_UNUSABLE,
	EFI_ACPI_RECLAIM,
	EFI_ACPI_NVS,
};

enum efi_allocate { EFI_ANY_PAGES, EFI_MAX_ADDRESS, EFI_ADDRESS };

#define EFI_PAGE 4096ull

struct efi_memory {
	uint32_t type;
	uint32_t pad;
	uint64_t physical;
	uint64_t virtual;
	uint64_t pages;
	uint64_t attributes;
};

struct efi_header {
	uint64_t signature;
	uint32_t revision, size, crc32, reserved;
};

struct efi_text_output {
	void *reset;
	efi_status(EFI_CALL *output)(struct efi_text_output *self, const uint16_t *text);
};

struct efi_device_path {
	uint8_t type, subtype;
	uint8_t length[2];
};
#define EFI_PATH_MEDIA 4
#define EFI_PATH_MEDIA_DISK 1
#define EFI_PATH_END 0x7f

struct efi_path_disk { /* a partition */
	struct efi_device_path head;
	uint32_t number;
	uint8_t start[8], size[8]; /* the node is on no boundary */
	uint8_t signature[16];
	uint8_t format;		/* 2: GPT */
	uint8_t signature_type; /* 2: GUID */
};

struct efi_block_media {
	uint32_t id;
	uint8_t removable, present, partition, read_only, write_caching;
	uint32_t block_size;
	uint32_t io_align;
	uint64_t last_block;
};

struct efi_block_io {
	uint64_t revision;
	const struct efi_block_media *media;
	void *reset;
	efi_status(EFI_CALL *read)(struct efi_block_io *self, uint32_t media, uint64_t block,
				   uint64_t size, void *data);
};

struct efi_boot_services {
	struct efi_header header;
	void *tpl[2];
	efi_status(EFI_CALL *allocate_pages)(uint32_t how, uint32_t type, uint64_t pages,
					     uint64_t *address);
	efi_status(EFI_CALL *free_pages)(uint64_t address, uint64_t pages);
	efi_status(EFI_CALL *memory_map)(uint64_t *size, void *map, uint64_t *key,
					 uint64_t *entry_size, uint32_t *entry_version);
	efi_status(EFI_CALL *allocate)(uint32_t type, uint64_t size, void **memory);
	efi_status(EFI_CALL *free)(void *memory);
	void *events[6];
	void *install[3];
	efi_status(EFI_CALL *handle_protocol)(efi_handle handle, const struct efi_guid *protocol,
					      void **interface);
	void *reserved;
	void *notify, *locate_handle, *locate_path, *install_table;
	void *image[4];
	efi_status(EFI_CALL *exit_boot_services)(efi_handle image, uint64_t key);
	void *count, *stall, *watchdog;
	void *connect[2];
	void *open[3];
	void *protocols;
	efi_status(EFI_CALL *locate_handles)(uint32_t how, const struct efi_guid *protocol,
					     void *key, uint64_t *count, efi_handle **handles);
};
#define EFI_BY_PROTOCOL 2

struct efi_table {
	struct efi_guid guid;
	void *table;
};

struct efi_system {
	struct efi_header header;
	const uint16_t *vendor;
	uint32_t revision;
	efi_handle console_in_handle;
	void *console_in;
	efi_handle console_out_handle;
	struct efi_text_output *console;
	efi_handle error_handle;
	void *error;
	void *runtime;
	struct efi_boot_services *boot;
	uint64_t table_count;
	struct efi_table *tables;
};

_Static_assert(sizeof(struct efi_header) == 24, "UEFI 4.2");
_Static_assert(offsetof(struct efi_boot_services, memory_map) == 56, "UEFI 4.4");
_Static_assert(offsetof(struct efi_boot_services, handle_protocol) == 152, "UEFI 4.4");
_Static_assert(offsetof(struct efi_boot_services, exit_boot_services) == 232, "UEFI 4.4");
_Static_assert(offsetof(struct efi_boot_services, locate_handles) == 312, "UEFI 4.4");
_Static_assert(offsetof(struct efi_system, boot) == 96, "UEFI 4.3");
_Static_assert(offsetof(struct efi_path_disk, signature) == 24, "UEFI 10.3.5.1");
_Static_assert(offsetof(struct efi_block_media, last_block) == 24, "UEFI 13.9");

#endif
