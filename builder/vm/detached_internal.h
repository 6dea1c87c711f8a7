/*
 * Shared between the files about detached machines.
 */
#ifndef UNI_VM_DETACHED_INTERNAL_H
#define UNI_VM_DETACHED_INTERNAL_H

#include <uni/vm/detached.h>

/* detached_record.c: what is kept about one, and reading it again. UNI_E_NOENT without a record. */
int vm_detached_write(const struct uni_detached *machine, struct uni_err *err);
int vm_detached_read(struct uni_detached **machine, const char *dir, const char *name,
		     struct uni_err *err);
/* Fills boot and ticks of machine->pid. */
int vm_detached_identify(struct uni_detached *machine, struct uni_err *err);
/* A descriptor of its process, or -1 when that has ended. */
int vm_detached_process(const struct uni_detached *machine);

/* backup.c: what it writes to, from its spec. */
void vm_detached_disks(struct uni_detached *machine, const struct uni_vm_spec *spec);

#endif
