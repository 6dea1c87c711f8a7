/* What the parts of uk-imagetool share: whole files in memory; whatever fails ends the program. */
#ifndef UK_IMAGETOOL_H
#define UK_IMAGETOOL_H

#include <stddef.h>
#include <stdint.h>

struct file {
	uint8_t *data;
	size_t size;
};

_Noreturn void fail(const char *what, const char *which);
struct file read_file(const char *path);
void write_file(const char *path, const void *data, size_t size);
/* A range of a file, which must hold it. */
void *at(const struct file *f, uint64_t offset, uint64_t size);

/* packed.c: a stripped kernel and kernels/boot's unpacking code become a kernel that unpacks
 * itself. */
void pack_kernel(const char *kernel, const char *code, const char *path);

#endif
