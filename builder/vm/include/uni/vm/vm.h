/*
 * Running an image: what machine to make of it, how to start it, and how it ended. Runners are an
 * array of const structs; QEMU is the first. Nothing here prints; the guest's console is a
 * descriptor of the caller's.
 */
#ifndef UNI_VM_VM_H
#define UNI_VM_VM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uni/abi/exit.h>
#include <uni/base/text.h>

#define UNI_VM_DEBUG_PORT 1234		       /* where debuggers look by habit */
#define UNI_VM_UEFI_LEAST (UINT64_C(64) << 20) /* bytes of memory that UEFI firmware takes */

/* A port of this machine that leads to one of the guest's. */
struct uni_vm_forward {
	bool udp;
	char address[64]; /* of this machine; "127.0.0.1" unless given */
	uint16_t host;
	uint16_t guest;
};
/* "[ADDRESS:]HOST:GUEST[/udp]", or "PORT" for both. */
int uni_vm_forward_parse(const char *text, struct uni_vm_forward *forward, struct uni_err *err);

/*
 * Finds a free port of this machine for forward->udp and guest, and fills the rest. It stays taken
 * for others, though not for the emulator, until `*hold` is closed; UDP knows no such thing: close
 * it before the machine starts.
 */
int uni_vm_forward_reserve(struct uni_vm_forward *forward, int *hold, struct uni_err *err);

enum uni_vm_network {
	UNI_VM_NETWORK_NONE,
	UNI_VM_NETWORK_USER, /* the emulator's own: DHCP, name service, the way out, forwards in */
	UNI_VM_NETWORK_TAP,  /* a tap device of this machine */
};

/* A live volume (uni/abi/live.h), in the order of the image's mounts; opened read-only, and by
 * others too. */
struct uni_vm_volume {
	char *name;
	char *path;
	unsigned index; /* of a detached machine's answers */
};

struct uni_vm_spec {
	const char *emulator;	 /* program to start; NULL: found in PATH */
	const char *accel;	 /* "kvm", "tcg", or NULL: the faster one here (uni_vm_accel) */
	const char *machine;	 /* "pc", "q35" or "microvm" */
	uint64_t memory;	 /* bytes, whole MiB */
	unsigned processors;	 /* at least 1 */
	const char *disk;	 /* boot disk or data disk (opened read-only), or NULL */
	const char *disk_driver; /* of a boot disk: uni_vm_disk_driver's; NULL: it is raw */
	const char *disk_bus;	 /* of disks: one of uni_vm_disk_buses; NULL: virtio */
	const char *firmware;	 /* "bios", "uefi" or an image of firmware; NULL: bios */
	const char *kernel; /* bootable ELF, started directly; NULL: the firmware starts the disk */
	const struct uni_vm_volume *volumes;
	size_t volume_count;
	const char *bell; /* file of the doorbell for them, or NULL; a machine beside us has its
			     own */
	const char *const *data;	/* NULL, or NULL-terminated: further raw disks, read-only */
	const char *const *writable;	/* the same of disks that the machine writes to, and that no
					   other may have meanwhile */
	bool disk_writable;		/* `disk` is one of these */
	const char *const *oem_strings; /* NULL, or NULL-terminated: of SMBIOS, type 11 */
	const char *config;		/* file with a runtime boot configuration record, or NULL */
	const char *exit_record;	/* file that the guest's exit record is kept in */
	const char *console;	 /* file that the console goes to; NULL: our standard streams */
	const char *memory_file; /* file that is the machine's memory, or NULL: on a tmpfs its
				    blocks tell how much of it was ever touched */
	bool control;		 /* standard input is a socket on which control is listened for */
	unsigned ports;		 /* empty ones, into which disks may be plugged; q35 only */
	enum uni_vm_network network;
	const struct uni_vm_forward *forwards; /* USER */
	size_t forward_count;
	const char *tap;     /* TAP: name of the device */
	const char *capture; /* a file for what goes over that network, as pcap; NULL: none */
	bool restarts;	     /* the guest's reset starts it again, and does not end the machine */
	bool wait_for_debugger; /* for gdb, on this machine's UNI_VM_DEBUG_PORT */
};

/* "virtio", "nvme", ...; NULL-terminated. */
extern const char *const uni_vm_disk_buses[];
/* The emulator's word for a form of disks ("qcow2", "vhd"); NULL: it starts no such form. */
const char *uni_vm_disk_driver(const char *form);

/* The whole command line, for --print and for the start. */
int uni_vm_command(const struct uni_vm_spec *spec, struct uni_strv *argv, struct uni_err *err);

struct uni_vm_result {
	bool has_record;
	struct uni_exit_record record; /* text is NUL-terminated whatever the guest wrote */
	int emulator_status;	       /* exit status of the emulator */
	bool reader_left;	       /* ended by us: nobody read the console any more */
};

struct uni_vm_io {
	int in;	 /* console input, or -1; what is no terminal is read here, and its end typed */
	int out; /* console output */
	int log; /* the emulator's own words, or -1 */
};

/*
 * Starts the machine and waits until it ends: UNI_E_TIMEOUT after `timeout_ms` (-1: none; the
 * machine is ended), UNI_E_CANCELLED when interrupted. A pipe at io->out that nobody reads ends the
 * machine, too (result->reader_left). The caller ignores SIGPIPE. spec->exit_record NULL: a
 * temporary file is used.
 */
int uni_vm_run(const struct uni_vm_spec *spec, const struct uni_vm_io *io, int timeout_ms,
	       struct uni_vm_result *result, struct uni_err *err);

/* Exit status for people (contract 7): the program's own, 128 + signal, 134 for a fault or a panic,
 * 141 (SIGPIPE's) when the reader left, 125 when the machine ended without a word. `text` gets a
 * line that says why, or "". */
int uni_vm_status(const struct uni_vm_result *result, struct uni_buf *text);

/*
 * A machine that runs beside us. `dir` is a folder for it alone: console.log, emulator.log, exit
 * (the guest's record) and the control socket live there. Started, it has loaded all that `spec`
 * names: files that were made for it only may go. spec->exit_record, console and control are set
 * here.
 */
struct uni_machine;
int uni_machine_start(struct uni_machine **machine, const struct uni_vm_spec *spec, const char *dir,
		      struct uni_err *err);
pid_t uni_machine_pid(const struct uni_machine *machine);
/* The power button: a guest that listens ends its program with SIGTERM, waits, and goes off. */
int uni_machine_press(struct uni_machine *machine, struct uni_err *err);
/* UNI_E_TIMEOUT when it still runs after `timeout_ms`; it goes on running then. */
int uni_machine_wait(struct uni_machine *machine, int timeout_ms, struct uni_vm_result *result,
		     struct uni_err *err);
/* A descriptor that polls readable when the machine has ended. */
int uni_machine_end_fd(const struct uni_machine *machine);
void uni_machine_free(struct uni_machine *machine); /* ends it when it still runs */
UNI_AUTO_DEFINE(uni_machine)

/*
 * "kvm" or "tcg", whichever starts a machine faster here: /dev/kvm may be missing, forbidden, or
 * itself emulated and slower than none. Measured once and remembered in the user's state folder
 * until emulator or host kernel change.
 */
const char *uni_vm_accel(const char *emulator, struct uni_err *err);

/*
 * Nanoseconds that a machine of this kind (emulator, accelerator, machine, memory, processors,
 * started by a kernel or from a disk) takes from the emulator's start to its end when what it
 * starts does nothing but end it: the least of three. Measured now.
 */
int uni_vm_floor(const struct uni_vm_spec *spec, uint64_t *ns, struct uni_err *err);

#endif
