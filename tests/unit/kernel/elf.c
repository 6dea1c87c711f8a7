/* ELF files: what runs, what is refused and why, and damage. */
#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/process.h>
#include <uni/kernel/elf.h>
#include <unistd.h>

#include "tests.h"

static struct uni_err err;

static int check(const void *data, size_t size)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	UNI_AUTO_CLOSE int fd = sample_file(data, size);
	int rc;

	memset(&err, 0, sizeof(err));
	rc = uni_elf_open(&elf, fd, 0, size, "prog", &err);
	return rc == 0 ? uni_elf_check_program(elf, &err) : rc;
}

void test_elf_program(void **state)
{
	struct sample_program p;

	(void)state;
	sample_program(&p);
	assert_int_equal(check(&p, sizeof(p)), 0);
	p.header.e_type = ET_DYN;
	assert_int_equal(check(&p, sizeof(p)), 0); /* static and position independent */
}

static void refused(const struct sample_program *p, const char *why)
{
	assert_int_equal(check(p, sizeof(*p)), UNI_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, why));
}

void test_elf_refused(void **state)
{
	struct sample_program p;

	(void)state;
	sample_program(&p);
	p.header.e_machine = EM_AARCH64;
	refused(&p, "is for AArch64");
	p.header.e_machine = 4242;
	refused(&p, "machine 4242");
	sample_program(&p);
	p.header.e_ident[EI_CLASS] = ELFCLASS32;
	refused(&p, "32-bit");
	sample_program(&p);
	p.header.e_ident[0] = 'x';
	refused(&p, "not an ELF file");
	sample_program(&p);
	p.load.p_flags |= PF_W;
	refused(&p, "writable and executable");
	sample_program(&p);
	p.stack.p_flags |= PF_X;
	refused(&p, "executable stack");
	assert_non_null(strstr(err.hint, "noexecstack"));
	sample_program(&p);
	p.header.e_type = ET_REL;
	refused(&p, "is an object");
	sample_program(&p);
	p.header.e_entry = 0x500000;
	refused(&p, "entry point");
	sample_program(&p);
	p.header.e_ident[EI_OSABI] = ELFOSABI_FREEBSD;
	refused(&p, "another operating system");
	assert_int_equal(check("#!/bin/sh\n", 10), UNI_E_UNSUPPORTED);
	assert_int_equal(check("", 0), UNI_E_UNSUPPORTED);
}

/* Interpreter and needed library as a linker lays them out. */
void test_elf_dynamic(void **state)
{
	struct {
		struct sample_program p;
		Elf64_Dyn dynamic[4];
		char interpreter[32];
		char strings[32];
	} d;

	(void)state;
	memset(&d, 0, sizeof(d));
	sample_program(&d.p);
	strcpy(d.interpreter, "/lib64/ld-linux-x86-64.so.2");
	strcpy(d.strings + 1, "libc.so.6");
	d.p.load.p_filesz = d.p.load.p_memsz = sizeof(d);
	d.p.stack = (Elf64_Phdr){ .p_type = PT_INTERP,
				  .p_offset = (uint64_t)((char *)d.interpreter - (char *)&d),
				  .p_filesz = strlen(d.interpreter) + 1 };
	assert_int_equal(check(&d, sizeof(d)), 0); /* its interpreter is the recipe's to bring */

	d.p.stack = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
				  .p_offset = (uint64_t)((char *)d.dynamic - (char *)&d),
				  .p_filesz = sizeof(d.dynamic) };
	d.dynamic[0] = (Elf64_Dyn){ .d_tag = DT_NEEDED, .d_un.d_val = 1 };
	d.dynamic[1] =
		(Elf64_Dyn){ .d_tag = DT_STRTAB,
			     .d_un.d_ptr = 0x400000 + (uint64_t)((char *)d.strings - (char *)&d) };
	assert_int_equal(check(&d, sizeof(d)), UNI_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "library libc.so.6"));
	d.dynamic[2] = (Elf64_Dyn){ .d_tag = DT_SONAME, .d_un.d_val = 1 };
	assert_int_equal(check(&d, sizeof(d)), UNI_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "is a shared library"));
	d.dynamic[0].d_un.d_val = 1000; /* outside */
	assert_int_equal(check(&d, sizeof(d)), UNI_E_CORRUPT);
}

void test_elf_damaged(void **state)
{
	struct sample_program p;

	(void)state;
	sample_program(&p);
	for (size_t size = 16; size < sizeof(p); size++)
		assert_int_equal(check(&p, size), UNI_E_CORRUPT);
	p.load.p_offset = UINT64_MAX - 10;
	assert_int_equal(check(&p, sizeof(p)), UNI_E_CORRUPT);
	sample_program(&p);
	p.load.p_memsz = 1;
	assert_int_equal(check(&p, sizeof(p)), UNI_E_CORRUPT);
	sample_program(&p);
	p.load.p_vaddr = UINT64_MAX - 1;
	assert_int_equal(check(&p, sizeof(p)), UNI_E_CORRUPT);
	sample_program(&p);
	p.header.e_phoff = UINT64_MAX - 8;
	assert_int_equal(check(&p, sizeof(p)), UNI_E_CORRUPT);
	sample_program(&p);
	p.header.e_phnum = 65000;
	assert_int_equal(check(&p, sizeof(p)), UNI_E_LIMIT);
}

struct seen {
	bool wants;
	bool defines;
};

static int see(void *user, const struct uni_elf_symbol *symbol, struct uni_err *e)
{
	struct seen *seen = user;

	(void)e;
	if (strcmp(symbol->name, "wanted") == 0)
		seen->wants = !symbol->defined;
	if (strcmp(symbol->name, "given") == 0)
		seen->defines = symbol->defined && symbol->bind == STB_GLOBAL;
	return 0;
}

static void run(const char *const *argv, const char *cwd)
{
	if (uni_process_run(argv, cwd, NULL, NULL, 4096, &err) != 0)
		fail_msg("%s", err.text);
}

/* Writes the file again with one number of it changed, looks at it, and puts it back. */
static void expect_damage(const char *path, struct uni_buf *file, size_t at, const char *words)
{
	const char kept = file->data[at];

	file->data[at] = 0x7f;
	assert_int_equal(uni_file_write(path, file->data, file->size, 0644, &err), 0);
	assert_int_equal(uni_elf_check_members(path, "input", &err), UNI_E_CORRUPT);
	assert_non_null(strstr(err.text, words));
	file->data[at] = kept;
	assert_int_equal(uni_file_write(path, file->data, file->size, 0644, &err), 0);
	assert_int_equal(uni_elf_check_members(path, "input", &err), 0);
}

/* Every end that comes too early is seen, wherever it comes; and places that lead out of the file.
 */
static void expect_damages(const char *object_path, const char *archive_path)
{
	UNI_AUTO_BUF struct uni_buf object = UNI_BUF_INIT, archive = UNI_BUF_INIT;
	uint64_t table;

	assert_int_equal(uni_file_read(object_path, 1 << 20, &object, &err), 0);
	assert_int_equal(uni_file_read(archive_path, 1 << 20, &archive, &err), 0);
	memcpy(&table, object.data + offsetof(Elf64_Ehdr, e_shoff), sizeof(table));
	for (size_t size = 0; size < object.size; size++) {
		assert_int_equal(uni_file_write(object_path, object.data, size, 0644, &err), 0);
		assert_int_not_equal(uni_elf_check_object(object_path, "input", &err), 0);
	}
	expect_damage(object_path, &object, offsetof(Elf64_Ehdr, e_shoff) + 4, "headers are cut");
	expect_damage(object_path, &object,
		      table + sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_offset) + 4,
		      "reaches behind its end");
	for (size_t size = archive.size - 64; size < archive.size; size++) {
		assert_int_equal(uni_file_write(archive_path, archive.data, size, 0644, &err), 0);
		assert_int_equal(uni_elf_check_members(archive_path, "input", &err), UNI_E_CORRUPT);
	}
	expect_damage(archive_path, &archive,
		      archive.size - object.size + offsetof(Elf64_Ehdr, e_shoff) + 4,
		      "input(a.o): is a damaged");
}

/* Real objects and an archive, as the assembler and ar make them. */
void test_elf_objects(void **state)
{
	static const char source[] = ".globl given\ngiven: call wanted\n"
				     ".section .note.GNU-stack,\"\",@progbits\n";
	const char *as[] = { "as", "-o", "a.o", "a.s", NULL };
	const char *ar[] = { "ar", "rcD", "liba.a", "a.s", "a.o", NULL };
	const char *ld[] = { "ld", "-shared", "-o", "a.so", "a.o", NULL };
	struct seen seen = { false, false };
	UNI_AUTO_FREE char *dir = NULL;
	UNI_AUTO_BUF struct uni_buf object = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf shared = UNI_BUF_INIT;
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;

	(void)state;
	assert_int_equal(uni_dir_tmp(NULL, &dir, &err), 0);
	UNI_AUTO_FREE char *shared_path = uni_asprintf("%s/a.so", dir);
	UNI_AUTO_FREE char *asm_path = uni_asprintf("%s/a.s", dir);
	UNI_AUTO_FREE char *object_path = uni_asprintf("%s/a.o", dir);
	UNI_AUTO_FREE char *archive_path = uni_asprintf("%s/liba.a", dir);

	assert_int_equal(uni_file_write(asm_path, source, strlen(source), 0644, &err), 0);
	run(as, dir);
	run(ar, dir);
	assert_int_equal(uni_elf_check_object(object_path, "input", &err), 0);
	assert_int_equal(uni_elf_check_object(archive_path, "input", &err), 0);
	expect_damages(object_path, archive_path);
	assert_int_equal(uni_elf_check_object(asm_path, "input", &err), UNI_E_UNSUPPORTED);
	assert_int_equal(uni_elf_check_object("/bin/true", "input", &err), UNI_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "not an object"));
	assert_int_equal(uni_elf_check_object("/nowhere/a.o", "input", &err), UNI_E_NOENT);

	run(ld, dir);
	assert_int_equal(uni_file_read(shared_path, 1 << 20, &shared, &err), 0);
	UNI_AUTO_CLOSE int fd = sample_file(shared.data, shared.size);

	assert_int_equal(uni_elf_open(&elf, fd, 0, shared.size, "a.so", &err), 0);
	assert_int_equal(uni_elf_dynamic_symbols(elf, see, &seen, &err), 0);
	assert_true(seen.wants && seen.defines);
	assert_int_equal(uni_file_read(object_path, 1 << 20, &object, &err), 0);
	object.data[18] = (char)EM_RISCV; /* e_machine */
	assert_int_equal(uni_file_write(object_path, object.data, object.size, 0644, &err), 0);
	assert_int_equal(uni_elf_check_object(object_path, "input", &err), UNI_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "RISC-V"));
	run(ar, dir);
	assert_int_equal(uni_elf_check_object(archive_path, "input", &err), UNI_E_UNSUPPORTED);
	assert_int_equal(uni_dir_remove(dir, &err), 0);
	uni_tmp_forget(dir);
}
