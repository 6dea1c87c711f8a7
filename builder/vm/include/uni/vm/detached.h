/*
 * Machines that stay when the command that started them has ended. Each has a folder by its name in
 * the user's state folder: what it is, its process, its console, its control socket, and how it
 * ended. Ended ones stay, for their console, until their name is used again; the oldest go when
 * there are more than 16.
 */
#ifndef UNI_VM_DETACHED_H
#define UNI_VM_DETACHED_H

#include <uni/abi/live.h>
#include <uni/vm/vm.h>

#define UNI_DETACHED_NAME_MAX 64
#define UNI_DETACHED_FORWARDS_MAX 256
#define UNI_DETACHED_DISKS_MAX 64

/* A disk that the machine writes to. */
struct uni_detached_disk {
	char *name; /* of the volume */
	char *path;
	char *device; /* in the emulator */
};

struct uni_detached {
	char *name;
	char *dir;	 /* its folder */
	char *image;	 /* what was started, as it was named then */
	int64_t started; /* seconds since 1970 */
	uint64_t memory;
	unsigned processors;
	struct uni_vm_forward *forwards;
	size_t forward_count;
	struct uni_vm_volume *volumes; /* live ones, by absolute path */
	size_t volume_count;
	struct uni_detached_disk *disks;
	size_t disk_count;
	pid_t pid;
	bool running;
	struct uni_vm_result result; /* when it does not run; without a record it was cut off */

	/* Who the process is: numbers of processes are used again. */
	char *boot;	/* identity of the host's start */
	uint64_t ticks; /* of the host's clock when it was started */
};
void uni_detached_free(struct uni_detached *machine);
UNI_AUTO_DEFINE(uni_detached)

struct uni_detached_list {
	struct uni_detached **items; /* running ones first, each group by name */
	size_t count;
};
void uni_detached_list_free(struct uni_detached_list *list);
UNI_AUTO_DEFINE(uni_detached_list)

/* [A-Za-z0-9][A-Za-z0-9._-]*, at most UNI_DETACHED_NAME_MAX bytes. */
bool uni_detached_name_valid(const char *name);

/*
 * Starts `spec` under `name`; returns when it runs, or has ended already. UNI_E_EXIST when a
 * machine of this name runs. Two at once are safe.
 */
int uni_detached_start(struct uni_detached **machine, const char *name, const char *image,
		       const struct uni_vm_spec *spec, struct uni_err *err);

/* UNI_E_NOENT, with a hint, when there is none of this name. */
int uni_detached_open(struct uni_detached **machine, const char *name, struct uni_err *err);
int uni_detached_list(struct uni_detached_list **list, struct uni_err *err);

/*
 * The power button, then up to `grace_ms` for the guest, then the end by force: `*forced` says
 * whether it came to that. grace_ms 0: by force at once. Fills machine->result. Fine when it has
 * ended already.
 */
int uni_detached_stop(struct uni_detached *machine, int grace_ms, bool *forced,
		      struct uni_err *err);

/*
 * Copies a disk of a running machine as it is at this moment, while the machine goes on writing, to
 * `path`, which is made or replaced. The file system in it is as after a loss of power: its journal
 * is to be replayed. UNI_E_NOENT when the machine writes to no disk of this name.
 */
int uni_detached_backup(const struct uni_detached *machine, const char *disk, const char *path,
			struct uni_err *err);

/* Rings the doorbell of one with live volumes. */
int uni_detached_knock(const struct uni_detached *machine, struct uni_err *err);
/* What the machine of this name has said last about its `index`-th volume; UNI_E_NOENT: nothing. */
int uni_detached_answer(const char *name, unsigned index, struct uni_bell_answer *answer,
			struct uni_err *err);

/*
 * Hands the console to `write` from its start, then, with `follow`, what is added until the machine
 * ends. `write` returns 0 or an error.
 */
int uni_detached_console(const struct uni_detached *machine, bool follow,
			 int (*write)(void *user, const void *data, size_t size,
				      struct uni_err *err),
			 void *user, struct uni_err *err);

#endif
