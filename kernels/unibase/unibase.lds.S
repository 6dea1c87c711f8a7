/*
 * The kernel's place in memory and in its file, by the rule in uni/abi/note.h: .bss first, at 2 MiB,
 * as a segment without file content; behind it the file itself (ELF header, notes, read-only data,
 * then text, then data), so that the file is its memory image. Virtual addresses are physical ones
 * plus UK_IMAGE_BASE. Everything fits the 2 MiB that one page table maps: see arch/entry.S.
 */
#include <uk/layout.h>

/* See uk/registry.h. */
#define REGISTRY(list) __start_##list = .; KEEP(*(list)) __stop_##list = .;

ENTRY(uk_entry_paddr)
uk_entry_paddr = uk_pvh_entry - UK_IMAGE_BASE;

PHDRS
{
	rodata PT_LOAD FILEHDR PHDRS FLAGS(4);
	text PT_LOAD FLAGS(5);
	data PT_LOAD FLAGS(6);
	bss PT_LOAD FLAGS(6); /* tools/imagetool.c moves it to its place by address, the first */
	note PT_NOTE FLAGS(4);
	spare PT_NULL; /* the tool puts the parts' segment here */
}

SECTIONS
{
	. = UK_IMAGE_VIRT;
	uk_image_start = .;
	.bss : AT(ADDR(.bss) - UK_IMAGE_BASE) {
		/* Two dots: -fdata-sections names a section .bss.NAME for a variable NAME. */
		uk_boot_guard = .;
		. += 4096;
		*(.bss..stack)
		. = ALIGN(4096);
		*(.bss..tables)
		uk_sealed_start = .;
		*(.bss..sealed)
		. = ALIGN(4096);
		uk_sealed_end = .;
		*(.bss .bss.* COMMON)
		. = ALIGN(4096);
	} :bss
	uk_bss_end = .;

	uk_file_start = .;
	. += SIZEOF_HEADERS;
	.note : AT(ADDR(.note) - UK_IMAGE_BASE) { KEEP(*(.note.uni)) } :rodata :note
	.rodata : AT(ADDR(.rodata) - UK_IMAGE_BASE) {
		*(.rodata .rodata.*)
		. = ALIGN(8);
		uk_fixup_start = .;
		KEEP(*(.uk_fixup))
		uk_fixup_end = .;
		KEEP(*(.rodata_symbols))
		. = ALIGN(8);
		REGISTRY(uk_pci_drivers)
		REGISTRY(uk_virtio_drivers)
	} :rodata
	. = ALIGN(4096);
	.text : AT(ADDR(.text) - UK_IMAGE_BASE) {
		uk_text_start = .;
		*(.text.entry)
		*(.text .text.*)
		uk_text_end = .;
	} :text
	. = ALIGN(4096);
	.data : AT(ADDR(.data) - UK_IMAGE_BASE) {
		uk_data_start = .;
		*(.data .data.*)
	} :data
	uk_image_end = .;
	uk_image_pages_end = ALIGN(4096);

	/* Nothing here is position independent by the linker's means. */
	.unwanted : { *(.got) *(.got.plt) *(.igot) *(.igot.plt) *(.plt) *(.iplt) *(.rela.*) } :data
	ASSERT(SIZEOF(.unwanted) == 0, "a global offset table or dynamic relocation crept in")

	/DISCARD/ : { *(.comment) *(.note.GNU-stack) *(.note.gnu.*) *(.eh_frame) }
	.symtab 0 : { *(.symtab) }
	.strtab 0 : { *(.strtab) }
	.shstrtab 0 : { *(.shstrtab) }
	.debug_info 0 : { *(.debug_info) }
	.debug_abbrev 0 : { *(.debug_abbrev) }
	.debug_aranges 0 : { *(.debug_aranges) }
	.debug_ranges 0 : { *(.debug_ranges) }
	.debug_rnglists 0 : { *(.debug_rnglists) }
	.debug_loclists 0 : { *(.debug_loclists) }
	.debug_line 0 : { *(.debug_line) }
	.debug_line_str 0 : { *(.debug_line_str) }
	.debug_str 0 : { *(.debug_str) }
	.debug_str_offsets 0 : { *(.debug_str_offsets) }
	.debug_addr 0 : { *(.debug_addr) }
	.debug_frame 0 : { *(.debug_frame) }

	ASSERT((uk_parts & 7) == 0, "the note's descriptor is read as a struct")
	ASSERT(uk_image_end - uk_image_start <= UK_IMAGE_MAX, "the kernel does not fit one page table")
	ASSERT((uk_bss_end & 4095) == 0, "the file must start on a page")
}
