/*
 * The guest: a bootable ELF (PVH) of one page, whose code reads what to do from a table behind it.
 */
#include "unit.h"

#include <elf.h>
#include <string.h>

#include <uni/abi/boot.h>

#define PADDR 0x200000u

/*
 *	mov $0x602,%edx; mov $0x100,%eax; out %ax,%dx		(PM1 enable: the power button)
 *	mov $0x200810,%esi; mov 0x200804,%ecx; mov $0x3f8,%edx; rep outsb
 *	mov 0x200800,%ebx; cmp $1,%ebx; jb ends; ja deaf
 *	mov $0x600,%edx
 * 1:	in %dx,%ax; test $0x100,%eax; jz 1b			(PM1 status)
 * ends: mov $0x200900,%esi; mov $128,%ecx; mov $0x5e0,%edx; rep outsb
 *	mov 0x200808,%eax; mov $0xf4,%edx; out %eax,%dx
 * deaf: cli; hlt; jmp deaf
 */
static const uint8_t code[] = {
	0xba, 0x02, 0x06, 0x00, 0x00, 0xb8, 0x00, 0x01, 0x00, 0x00, 0x66, 0xef, 0xbe, 0x10, 0x08,
	0x20, 0x00, 0x8b, 0x0d, 0x04, 0x08, 0x20, 0x00, 0xba, 0xf8, 0x03, 0x00, 0x00, 0xf3, 0x6e,
	0x8b, 0x1d, 0x00, 0x08, 0x20, 0x00, 0x83, 0xfb, 0x01, 0x72, 0x10, 0x77, 0x2a, 0xba, 0x00,
	0x06, 0x00, 0x00, 0x66, 0xed, 0xa9, 0x00, 0x01, 0x00, 0x00, 0x74, 0xf7, 0xbe, 0x00, 0x09,
	0x20, 0x00, 0xb9, 0x80, 0x00, 0x00, 0x00, 0xba, 0xe0, 0x05, 0x00, 0x00, 0xf3, 0x6e, 0xa1,
	0x08, 0x08, 0x20, 0x00, 0xba, 0xf4, 0x00, 0x00, 0x00, 0xef, 0xfa, 0xf4, 0xeb, 0xfc,
};

struct guest {
	Elf64_Ehdr header;
	Elf64_Phdr load, note;
	struct {
		Elf64_Nhdr header;
		char owner[4];
		uint32_t entry;
		uint32_t pad;
	} pvh;
	uint8_t code[0x800 - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) - 24];
	uint32_t mode, says, debug, pad;
	char text[240];
	struct uni_exit_record record;
};
_Static_assert(offsetof(struct guest, mode) == 0x800, "where the code looks");
_Static_assert(offsetof(struct guest, record) == 0x900, "where the code looks");

static void make_elf(struct guest *guest)
{
	memcpy(guest->header.e_ident, ELFMAG, SELFMAG);
	guest->header.e_ident[EI_CLASS] = ELFCLASS64;
	guest->header.e_ident[EI_DATA] = ELFDATA2LSB;
	guest->header.e_ident[EI_VERSION] = EV_CURRENT;
	guest->header.e_type = ET_EXEC;
	guest->header.e_machine = EM_X86_64;
	guest->header.e_version = EV_CURRENT;
	guest->header.e_entry = PADDR + offsetof(struct guest, code);
	guest->header.e_phoff = offsetof(struct guest, load);
	guest->header.e_ehsize = sizeof(guest->header);
	guest->header.e_phentsize = sizeof(guest->load);
	guest->header.e_phnum = 2;
	guest->load.p_type = PT_LOAD;
	guest->load.p_flags = PF_R | PF_W | PF_X;
	guest->load.p_vaddr = guest->load.p_paddr = PADDR;
	guest->load.p_filesz = guest->load.p_memsz = sizeof(*guest);
	guest->load.p_align = 0x1000;
	guest->note.p_type = PT_NOTE;
	guest->note.p_offset = offsetof(struct guest, pvh);
	guest->note.p_vaddr = guest->note.p_paddr = PADDR + guest->note.p_offset;
	guest->note.p_filesz = guest->note.p_memsz = sizeof(guest->pvh);
	guest->note.p_align = 4;
	guest->pvh.header.n_namesz = 4;
	guest->pvh.header.n_descsz = 4;
	guest->pvh.header.n_type = UNI_XEN_NOTE_PHYS32_ENTRY;
	memcpy(guest->pvh.owner, "Xen", 4);
	guest->pvh.entry = (uint32_t)guest->header.e_entry;
	memcpy(guest->code, code, sizeof(code));
}

void guest_make(void **state, enum guest_mode mode, struct uni_vm_spec *spec)
{
	struct guest guest = { .mode = (uint32_t)mode, .says = 3, .text = "up\n" };
	struct uni_err err = UNI_ERR_INIT;
	const char *path = unit_path(state, "guest.elf");

	make_elf(&guest);
	memcpy(guest.record.magic, UNI_EXIT_MAGIC, sizeof(guest.record.magic));
	guest.record.size = sizeof(guest.record);
	guest.record.kind = mode == GUEST_ENDS ? UNI_EXIT_STATUS : UNI_EXIT_POWER;
	guest.record.status = mode == GUEST_ENDS ? 5 : 0;
	guest.debug = mode == GUEST_ENDS ? 5 : UNI_DEBUG_EXIT_POWER;
	guest.record.crc32c = uni_crc32c(0, &guest.record, sizeof(guest.record));
	assert_int_equal(uni_file_write(path, &guest, sizeof(guest), 0600, &err), 0);
	memset(spec, 0, sizeof(*spec));
	spec->accel = "tcg";
	spec->machine = "pc";
	spec->memory = 16u << 20;
	spec->processors = 1;
	spec->kernel = path;
}
