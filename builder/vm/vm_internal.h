/*
 * Shared between the files of this module only.
 */
#ifndef UNI_VM_INTERNAL_H
#define UNI_VM_INTERNAL_H

#include <stdbool.h>
#include <uni/vm/vm.h>

#define VM_EMULATOR "qemu-system-x86_64"

/* Whether `data` starts with a sound exit record; copies it out. */
bool vm_record_check(const void *data, size_t size, struct uni_exit_record *record);

/* Whether the ports that are to be forwarded are free; UNI_E_BUSY names the first that is not. */
int vm_forwards_check(const struct uni_vm_spec *spec, struct uni_err *err);

#endif
