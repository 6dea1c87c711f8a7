/*
 * What the readers of machines' descriptions share.
 */
#ifndef BUNDLE_MACHINE_READ_H
#define BUNDLE_MACHINE_READ_H

#include <uni/bundle/machine.h>

enum { MACHINE_DISKS_MAX = 256 };

/* Each fills `found` as far as the text says it. 1: read; 0: it is no such description. */
int machine_read_firecracker(struct uni_machine_found *found, const char *name, const char *text,
			     size_t size, struct uni_err *err);
int machine_read_libvirt(struct uni_machine_found *found, const char *name, const char *text,
			 size_t size, struct uni_err *err);
int machine_read_xl(struct uni_machine_found *found, const char *name, const char *text,
		    size_t size, struct uni_err *err);

/* `file` is taken. */
int machine_add_disk(struct uni_machine_found *found, char *file, bool writable,
		     struct uni_err *err);

#endif
