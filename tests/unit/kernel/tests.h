/* What the files of this suite share. */
#ifndef UNI_TEST_KERNEL_H
#define UNI_TEST_KERNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <elf.h>
#include <stdbool.h>
#include <uni/base/err.h>

void test_pack_halves(void **state);
void test_pack_as_it_is(void **state);
void test_efi_seal(void **state);
void test_efi_hostile(void **state);
void test_calls_made(void **state);
void test_calls_forks(void **state);
void test_calls_table(void **state);
void test_calls_refused(void **state);
void test_elf_program(void **state);
void test_elf_refused(void **state);
void test_elf_dynamic(void **state);
void test_elf_damaged(void **state);
void test_elf_objects(void **state);
void test_base_read(void **state);
void test_base_refused(void **state);
void test_base_needs(void **state);
void test_config_round(void **state);
void test_config_refused(void **state);
void test_config_damaged(void **state);
void test_config_json(void **state);
void test_compose_split(void **state);
void test_golden(void **state);
void test_compose_refused(void **state);
void test_packed(void **state);
void test_box(void **state);
void test_box_damaged(void **state);

/* sample.c: files in memory; the caller closes them. */
int sample_file(const void *data, size_t size);
/* A static program; `change` may alter its headers before it is written. */
struct sample_program {
	Elf64_Ehdr header;
	Elf64_Phdr load;
	Elf64_Phdr stack;
	uint8_t code[256];
};
void sample_program(struct sample_program *program);

/* A kernel by the rule in uni/abi/note.h, of SAMPLE_KERNEL_SIZE bytes. */
enum { SAMPLE_KERNEL_SIZE = 3 * 4096 + 100, SAMPLE_KERNEL_LOADED = 3 * 4096 };
#define SAMPLE_LOAD_PADDR 0x210000u
#define SAMPLE_BSS_PADDR 0x200000u
#define SAMPLE_ENTRY 0x211010u
void sample_kernel(uint8_t bytes[SAMPLE_KERNEL_SIZE]);

/* A folder with a base around that kernel; removed by sample_base_remove. */
char *sample_base(const char *toml);
void sample_base_remove(char *dir);
extern const char sample_base_toml[];

#endif
