/*
 * Shared between the files about detached machines.
 */
#ifndef UNI_VM_DETACHED_INTERNAL_H
#define UNI_VM_DETACHED_INTERNAL_H

#include <uni/vm/detached.h>

/* detached.c: the folder of a machine of this name. */
char *vm_detached_dir(const char *name);

/* detached_record.c: what is kept about one, and reading it again. UNI_E_NOENT without a record. */
int vm_detached_write(const struct uni_detached *machine, struct uni_err *err);
int vm_detached_read(struct uni_detached **machine, const char *dir, const char *name,
		     struct uni_err *err);
/* Fills boot and ticks of machine->pid. */
int vm_detached_identify(struct uni_detached *machine, struct uni_err *err);
/* A descriptor of its process, or -1 when that has ended. */
int vm_detached_process(const struct uni_detached *machine);

void vm_detached_disk_clear(struct uni_detached_disk *disk);
void vm_detached_plug_clear(struct uni_detached_plug *plug);

/* order.c: whoever gives orders or changes the record of a running machine holds its lock until he
 * closes it. */
int vm_detached_lock(const struct uni_detached *machine, int *lock, struct uni_err *err);
/* Numbered, sealed, carried out: what came of it is in the reply. UNI_E_TIMEOUT without one. */
int vm_detached_order(const struct uni_detached *machine, struct uni_bell_order *order,
		      int timeout_ms, struct uni_bell_reply *reply, struct uni_err *err);

/* backup_base.c: the copy made before of a disk, at the place where the next is to be. */
struct vm_base {
	char bitmap[32]; /* the emulator's, of what was written since */
	char gone[32];	 /* the bitmap of another place, which is not wanted any more; "": none */
	const char *dir; /* of the machine */
	char *record;
	char *target;
	uint64_t size; /* of the disk */
};
void vm_base_open(struct vm_base *base, const struct uni_detached *machine,
		  const struct uni_detached_disk *disk, const char *target);
void vm_base_close(struct vm_base *base);
/* Into a new file, with shared blocks where that can be; false: there is none that will do. */
bool vm_base_copy(const struct vm_base *base, int to);
void vm_base_forget(const struct vm_base *base);
/* What is at the place now is it from now on. */
int vm_base_keep(struct vm_base *base, struct uni_err *err);

/* backup.c: what it writes to, from its spec. */
void vm_detached_disks(struct uni_detached *machine, const struct uni_vm_spec *spec);

#endif
