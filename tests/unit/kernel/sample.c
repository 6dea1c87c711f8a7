/* A program, a kernel and a base, made byte by byte: small, and right until a test changes them. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/abi/boot.h>
#include <uni/abi/note.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

#include "tests.h"

int sample_file(const void *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	int fd = memfd_create("sample", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(uni_pwrite_full(fd, data, size, 0, "sample", &err), 0);
	return fd;
}

static Elf64_Ehdr elf_header(uint16_t type, uint64_t entry, uint16_t segments)
{
	Elf64_Ehdr h = {
		.e_type = type,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = entry,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = segments,
	};

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_ident[EI_VERSION] = EV_CURRENT;
	return h;
}

void sample_program(struct sample_program *program)
{
	memset(program, 0, sizeof(*program));
	program->header = elf_header(ET_EXEC, 0x400100, 2);
	program->load = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_flags = PF_R | PF_X,
				      .p_vaddr = 0x400000,
				      .p_paddr = 0x400000,
				      .p_filesz = sizeof(*program),
				      .p_memsz = sizeof(*program),
				      .p_align = 4096 };
	program->stack = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
}

static size_t put_note(uint8_t *at, const char *owner, uint32_t type, const void *data, size_t size)
{
	Elf64_Nhdr n = { .n_namesz = 4, .n_descsz = (uint32_t)size, .n_type = type };

	memcpy(at, &n, sizeof(n));
	memcpy(at + sizeof(n), owner, 4);
	memcpy(at + sizeof(n) + 4, data, size);
	return sizeof(n) + 4 + (size + 3) / 4 * 4;
}

static Elf64_Phdr kernel_segment(uint32_t flags, uint64_t offset, uint64_t size)
{
	return (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = flags,
			     .p_offset = offset,
			     .p_vaddr = 0xffffffff80000000u + SAMPLE_LOAD_PADDR + offset,
			     .p_paddr = SAMPLE_LOAD_PADDR + offset,
			     .p_filesz = size,
			     .p_memsz = size,
			     .p_align = 4096 };
}

void sample_kernel(uint8_t bytes[SAMPLE_KERNEL_SIZE])
{
	Elf64_Ehdr h = elf_header(ET_EXEC, SAMPLE_ENTRY, 6);
	Elf64_Phdr p[6];
	const struct uni_parts parts = { .version = UNI_PARTS_VERSION };
	const struct uni_kernel_note kernel = { .version = 1,
						.config_version = 1,
						.config_oldest = 1 };
	const uint32_t entry = SAMPLE_ENTRY;
	const size_t notes = sizeof(h) + sizeof(p);
	size_t size = notes;

	memset(bytes, 0, SAMPLE_KERNEL_SIZE);
	memset(bytes + 4096, 0xcc, 8192);
	memset(bytes + SAMPLE_KERNEL_LOADED, 0xee, SAMPLE_KERNEL_SIZE - SAMPLE_KERNEL_LOADED);
	size += put_note(bytes + size, "Xen", UNI_XEN_NOTE_PHYS32_ENTRY, &entry, sizeof(entry));
	size += put_note(bytes + size, UNI_NOTE_OWNER, UNI_NOTE_KERNEL, &kernel, sizeof(kernel));
	size += put_note(bytes + size, UNI_NOTE_OWNER, UNI_NOTE_PARTS, &parts, sizeof(parts));
	memset(p, 0, sizeof(p));
	p[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = PF_R | PF_W,
			     .p_vaddr = 0xffffffff80000000u + SAMPLE_BSS_PADDR,
			     .p_paddr = SAMPLE_BSS_PADDR,
			     .p_memsz = 0x10000,
			     .p_align = 4096 };
	p[1] = kernel_segment(PF_R, 0, 4096);
	p[2] = kernel_segment(PF_R | PF_X, 4096, 4096);
	p[3] = kernel_segment(PF_R | PF_W, 8192, 4096);
	p[4] = kernel_segment(PF_R, notes, size - notes);
	p[4].p_type = PT_NOTE;
	p[4].p_align = 4;
	h.e_shoff = SAMPLE_KERNEL_LOADED;
	h.e_shentsize = sizeof(Elf64_Shdr);
	h.e_shnum = 1;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), p, sizeof(p));
}

const char sample_base_toml[] = "base = 1\n"
				"name = \"unibase\"\n"
				"version = \"0.1.0\"\n"
				"arch = \"x86_64\"\n"
				"kind = \"linux-abi\"\n"
				"kernel = \"kernel.elf\"\n"
				"entries = [\"pvh\", \"bios\"]\n"
				"devices = [\"virtio-blk-pci\"]\n"
				"filesystems = [\"squashfs\", \"tmpfs\"]\n"
				"compressions = [\"zstd\", \"none\"]\n"
				"memory = \"8M\"\n"
				"[config]\n"
				"channel = \"part\"\n"
				"oldest = 1\n"
				"newest = 1\n"
				"[bios]\n"
				"stage1 = \"boot/stage1.bin\"\n"
				"stage2 = \"boot/stage2.bin\"\n"
				"[sysroot]\n"
				"start = [\"lib/crt1.o\"]\n"
				"libraries = [\"lib/libc.a\"]\n"
				"end = []\n"
				"flags = [\"-z\", \"separate-code\"]\n";

static void put_file(const char *dir, const char *name, const void *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	UNI_AUTO_FREE char *path = uni_path_join(dir, name);
	UNI_AUTO_FREE char *parent = uni_path_dir(path);

	assert_int_equal(uni_dir_make(parent, 0755, &err), 0);
	assert_int_equal(uni_file_write(path, data, size, 0644, &err), 0);
}

char *sample_base(const char *toml)
{
	struct uni_err err = UNI_ERR_INIT;
	uint8_t kernel[SAMPLE_KERNEL_SIZE];
	char *dir = NULL;

	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	sample_kernel(kernel);
	put_file(dir, "base.toml", toml, strlen(toml));
	put_file(dir, "kernel.elf", kernel, sizeof(kernel));
	put_file(dir, "boot/stage1.bin", "1", 1);
	put_file(dir, "boot/stage2.bin", "2", 1);
	put_file(dir, "lib/crt1.o", "o", 1);
	put_file(dir, "lib/libc.a", "a", 1);
	return dir;
}

void sample_base_remove(char *dir)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_dir_remove(dir, &err), 0);
	uni_tmp_forget(dir);
	free(dir);
}
