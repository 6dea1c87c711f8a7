/*
 * ELF64 files as a builder sees them (System V ABI, chapters 4 and 5; x86-64 psABI): headers,
 * segments, notes, symbols, and plain words for what cannot be used. Every offset and count is
 * checked; only what is asked for is read.
 */
#ifndef UNI_KERNEL_ELF_H
#define UNI_KERNEL_ELF_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/text.h>

#define UNI_ELF_SEGMENTS_MAX 64

struct uni_elf_segment {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t filesz;
	uint64_t memsz;
	uint64_t align;
};

struct uni_elf {
	int fd; /* borrowed, unless: */
	bool owns_fd;
	uint64_t base; /* of the file inside fd */
	uint64_t size;
	char *name;
	uint16_t type;	  /* ET_* */
	uint16_t machine; /* EM_* */
	uint8_t os_abi;
	uint64_t entry;
	uint64_t phoff;
	uint64_t shoff;
	uint16_t shnum;
	uint16_t shstrndx;
	size_t segment_count;
	struct uni_elf_segment segments[UNI_ELF_SEGMENTS_MAX];
	char *interpreter;	/* of PT_INTERP, or NULL */
	struct uni_strv needed; /* DT_NEEDED */
	char *runpath;		/* DT_RUNPATH, else DT_RPATH, or NULL */
	bool runpath_is_old;	/* it is DT_RPATH */
	bool shared_library;	/* DT_SONAME is there */
};

/* `fd` is borrowed for the object's life. UNI_E_UNSUPPORTED: not ELF, or not 64-bit little-endian;
 * UNI_E_CORRUPT: damaged. */
int uni_elf_open(struct uni_elf **out, int fd, uint64_t offset, uint64_t size, const char *name,
		 struct uni_err *err);
/* The same of a file by its path, `name` for messages. */
int uni_elf_open_file(struct uni_elf **out, const char *path, const char *name,
		      struct uni_err *err);
void uni_elf_free(struct uni_elf *elf);
UNI_AUTO_DEFINE(uni_elf)

/* "x86-64", "AArch64", ... or "machine N". Static per-thread for the latter. */
const char *uni_elf_machine_name(uint16_t machine);

/* Where in the file the descriptor of a note is; UNI_E_NOENT when there is none. */
int uni_elf_note(const struct uni_elf *elf, const char *owner, uint32_t type, uint64_t *offset,
		 uint64_t *size, struct uni_err *err);

struct uni_elf_symbol {
	const char *name; /* valid during the call */
	uint64_t value;
	uint64_t size;
	uint8_t bind; /* STB_* */
	uint8_t type; /* STT_* */
	bool defined;
};
typedef int uni_elf_symbol_fn(void *user, const struct uni_elf_symbol *symbol, struct uni_err *err);
/* Every symbol that a loader looks at (.dynsym), which a stripped program has, too; none is no
 * error. */
int uni_elf_dynamic_symbols(const struct uni_elf *elf, uni_elf_symbol_fn *fn, void *user,
			    struct uni_err *err);

/*
 * Whether a program will run on a base of the Linux ABI: x86-64, executable, nothing writable and
 * executable at once. Else UNI_E_UNSUPPORTED with the reason, and what to do about it. One with an
 * interpreter needs its libraries besides: uni/kernel/libraries.h.
 */
int uni_elf_check_program(const struct uni_elf *elf, struct uni_err *err);
/* Whether a file is an x86-64 relocatable object that is whole, or an archive whose first object is
 * such a one: by headers alone. `path` is opened, `name` is for messages. */
int uni_elf_check_object(const char *path, const char *name, struct uni_err *err);
/* The same, and an archive has its end and no damaged member, which takes some reads for each. */
int uni_elf_check_members(const char *path, const char *name, struct uni_err *err);

#endif
