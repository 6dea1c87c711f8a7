/* ELF files: headers, notes, symbols, what may be used, and the parts of a bootable one. */
#include <stdio.h>
#include <uni/kernel/elf.h>
#include <uni/kernel/kernel.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int see(void *user, const struct uni_elf_symbol *symbol, struct uni_err *err)
{
	size_t *seen = user;

	(void)err;
	*seen += symbol->name[0] != '\0';
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	int fd = fuzz_file(data, size);
	struct uni_elf *elf = NULL;
	struct uni_kernel_image image;
	char path[64];
	size_t seen = 0;

	if (uni_elf_open(&elf, fd, 0, size, "fuzz", &err) == 0) {
		(void)uni_elf_dynamic_symbols(elf, see, &seen, &err);
		(void)uni_elf_check_program(elf, &err);
		uni_elf_free(elf);
	}
	(void)uni_kernel_split(fd, 0, size, "fuzz", &image, &err);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)uni_elf_check_object(path, "fuzz", &err);
	(void)uni_elf_check_members(path, "fuzz", &err);
	return 0;
}
