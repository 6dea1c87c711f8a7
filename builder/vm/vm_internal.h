/*
 * Shared between the files of this module only.
 */
#ifndef UNI_VM_INTERNAL_H
#define UNI_VM_INTERNAL_H

#include <stdbool.h>
#include <uni/base/process.h>
#include <uni/vm/vm.h>

#define VM_EMULATOR "qemu-system-x86_64"

/* Whether `data` starts with a sound exit record; copies it out. */
bool vm_record_check(const void *data, size_t size, struct uni_exit_record *record);

/* The last record in a file that the guest wrote; result->has_record stays when there is none. */
void vm_record_read(const char *path, struct uni_vm_result *result);

/* Says how to get an emulator, when that is what is missing; returns err->code. */
int vm_emulator_hint(struct uni_err *err);

/* The two halves of uni_machine_start: started, and known to have loaded what it needs. A detached
 * one outlives us. */
int vm_machine_launch(struct uni_machine **machine, const struct uni_vm_spec *spec, const char *dir,
		      bool detached, struct uni_err *err);
int vm_machine_greet(struct uni_machine *machine, struct uni_err *err);

/* The files in a machine's folder. */
#define VM_CONSOLE "console.log"
#define VM_EMULATOR_LOG "emulator.log"
#define VM_EXIT "exit"
#define VM_CONTROL "control"
#define VM_BELL "bell"
#define VM_BELL_NODE "bell" /* in the emulator */
/* The command that rings it: to the size (UNI_BELL_SIZE) that it has. */
#define VM_BELL_RING "block_resize"
#define VM_BELL_RING_WITH "{\"node-name\":\"" VM_BELL_NODE "\",\"size\":17408}"

/* Ports into which disks can be plugged, of a q35 that stays. */
#define VM_PORT "port"
#define VM_PORTS 4

/* bell.c: a new doorbell. */
int vm_bell_make(const char *path, struct uni_err *err);
/* qemu.c: the emulator's number of the first disk in spec->writable. */
unsigned vm_writable_number(const struct uni_vm_spec *spec);

struct uni_bell_answer;
struct uni_bell_order;
struct uni_bell_reply;
int vm_bell_read(const char *path, unsigned index, struct uni_bell_answer *answer,
		 struct uni_err *err);
/* Numbers and seals it. Under the machine's lock. */
int vm_bell_order(const char *path, struct uni_bell_order *order, struct uni_err *err);
/* The reply to the order of this number; false: there is none yet. */
bool vm_bell_reply(const char *path, uint64_t number, struct uni_bell_reply *reply);

/* console.c: what goes between our standard input and the emulator's. */
struct vm_console {
	int in;		 /* ours, until its end; -1: the emulator has it itself, or there is none */
	int out;	 /* watched for its reader */
	int emulator_in; /* what the emulator reads instead of ours, or -1 */
	int feed;	 /* its other end */
	char part[4096]; /* read; sent up to `sent` */
	size_t size, sent;
	bool mid_line;
};
#define VM_CONSOLE_INIT                                                                            \
	{                                                                                          \
		.in = -1, .out = -1, .emulator_in = -1, .feed = -1                                 \
	}
int vm_console_open(struct vm_console *console, const struct uni_vm_io *io, struct uni_err *err);
/* Until the emulator ended, or nobody reads the output any more (`closed`); UNI_E_TIMEOUT,
 * UNI_E_CANCELLED. The emulator is not waited for. */
int vm_console_serve(struct vm_console *console, const struct uni_process *process, int timeout_ms,
		     bool *closed, struct uni_err *err);
void vm_console_free(struct vm_console *console);

#define VM_WITHOUT_KVM "use --accel tcg, or leave --accel out"
/* accel.c: KVM that is asked for by name must be there. */
int vm_accel_check(const struct uni_vm_spec *spec, struct uni_err *err);

/* Whether the ports that are to be forwarded are free; UNI_E_BUSY names the first that is not. */
int vm_forwards_check(const struct uni_vm_spec *spec, struct uni_err *err);

#endif
