/*
 * A dynamic program's loader and libraries, found by reading, as its loader will look for them
 * (System V ABI, chapter 5; ld.so(8)): nothing is started, which ldd(1) does. The caller shows the
 * file system in which they are looked for. What a program opens while it runs (dlopen) is not
 * found, but for what glibc itself opens to end threads.
 */
#ifndef UNI_KERNEL_LIBRARIES_H
#define UNI_KERNEL_LIBRARIES_H

#include <uni/kernel/elf.h>

/* The file system that is looked through. `find` tells whether a regular file is at that absolute
 * path, links followed; `*source` (to be freed) is a file of this machine with its content, or NULL
 * when that is not at hand. */
struct uni_library_view {
	bool (*find)(void *user, const char *path, char **source);
	void *user;
	const char *search; /* LD_LIBRARY_PATH, or NULL */
	const char *origin; /* the folder where the program will be ($ORIGIN), or NULL: not known */
	const char *cwd;    /* where it will start; NULL: the root */
};

struct uni_library {
	char *path;   /* where it was found */
	char *source; /* or NULL: what it needs itself is not known */
	bool cached;  /* only /etc/ld.so.cache says where it is */
};

struct uni_libraries {
	struct uni_library *items; /* the loader first */
	size_t count, room;
	struct uni_strv missing; /* names, each once */
};
#define UNI_LIBRARIES_INIT                                                                         \
	{                                                                                          \
		.items = NULL                                                                      \
	}
#define UNI_AUTO_LIBRARIES __attribute__((cleanup(uni_libraries_free)))
void uni_libraries_free(struct uni_libraries *libraries);

/* `program` has an interpreter. UNI_E_NOENT when that is not there; a library that is not there is
 * no error but `missing`. A file that is no library for the program's machine is passed over. */
int uni_libraries_find(const struct uni_elf *program, const struct uni_library_view *view,
		       struct uni_libraries *libraries, struct uni_err *err);

#endif
