/*
 * What a debugger needs to know of an image: its program, as it lies in the kernel's ELF, and the
 * symbols of its kernel, from the package of its base.
 */
#ifndef UNI_INSPECT_DEBUG_H
#define UNI_INSPECT_DEBUG_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/cache/store.h>
#include <uni/inspect/image.h>

struct uni_debug {
	const char *dir; /* a folder of its own; borrowed */
	uint16_t port;	 /* of this machine, on which the image's waits */
	char *script;	 /* out: commands for gdb; owned */
	bool has_kernel; /* out: else no package in the store has that kernel's symbols */
	bool has_program;
};

/* Writes `dir`/gdb, and the program beside it. UNI_E_UNSUPPORTED for an image without a kernel that
 * uni knows. */
int uni_debug_prepare(const struct uni_image *image, struct uni_store *store,
		      struct uni_debug *debug, struct uni_err *err);

#endif
