/*
 * Machines that stay when the command that started them has ended. Each has a folder by its name in
 * the user's state folder: what it is, its process, its console, its control socket, and how it
 * ended. Ended ones stay, for their console, until their name is used again; the oldest go when
 * there are more than 16.
 */
#ifndef UNI_VM_DETACHED_H
#define UNI_VM_DETACHED_H

#include <uni/abi/bell.h>
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

/* A disk that was plugged in while the machine runs. */
struct uni_detached_plug {
	unsigned port;
	char *name; /* of the volume */
	char *path;
	char *mount; /* where it is in the machine */
	uint8_t uuid[16];
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
	struct uni_detached_plug *plugs; /* what of these, and of others, may be unplugged */
	size_t plug_count;
	unsigned ports; /* for them */
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

/* How a disk of a running machine is copied. */
struct uni_detached_copy {
	/* NULL, or the UUID of the file system on it, as in GPT: the machine's kernel writes out
	 * what it has and holds still for the instant, and nothing is to be replayed in the copy.
	 */
	const uint8_t *freeze;
	uint64_t bandwidth; /* bytes a second, 0: as fast as it goes */
	/* results */
	uint64_t size;	/* bytes of the disk */
	uint64_t moved; /* of them that were read: less when `path` is the copy made before */
	bool frozen;
	bool changes_only;
};
/*
 * Copies a disk of a running machine as it is at this moment, while the machine goes on writing, to
 * `path`, which is made or replaced. Without a freeze the file system in it is as after a loss of
 * power: its journal is to be replayed. What was copied to the same path before, and is there as it
 * was left, is not copied again. UNI_E_NOENT when the machine writes to no disk of this name.
 */
int uni_detached_backup(const struct uni_detached *machine, const char *disk, const char *path,
			struct uni_detached_copy *copy, struct uni_err *err);

/*
 * Plugs a disk into a running machine (q35), whose kernel mounts what `wire` says at `mount`.
 * UNI_E_UNSUPPORTED: not into this machine; UNI_E_LIMIT: no port is free; UNI_E_TIMEOUT: it does
 * not answer, and the disk stays plugged in.
 */
int uni_detached_plug(struct uni_detached *machine, const char *path, const char *name,
		      const struct uni_config_mount *wire, const char *mount, int timeout_ms,
		      struct uni_err *err);
/* The way back, by the disk's file or the volume's name. UNI_E_BUSY names what is open. */
int uni_detached_unplug(struct uni_detached *machine, const char *volume, int timeout_ms,
			struct uni_err *err);

/* Rings the doorbell of one. */
int uni_detached_knock(const struct uni_detached *machine, struct uni_err *err);
/*
 * Doorbells of several, by the order in which machines were added. A bell is rung without waiting;
 * what it takes goes on in uni_bells_wait, until none is ringing. What could not be done stands
 * beside the bell, and troubles no other.
 */
struct uni_bells;
struct uni_bells *uni_bells_new(void);
void uni_bells_free(struct uni_bells *bells);
UNI_AUTO_DEFINE(uni_bells)
void uni_bells_add(struct uni_bells *bells, const char *machine);
void uni_bells_ring(struct uni_bells *bells, size_t index);
bool uni_bells_ringing(const struct uni_bells *bells);
const char *uni_bells_trouble(const struct uni_bells *bells, size_t index); /* NULL: none */
/* Until something happens, `wait_ms` at most. UNI_E_CANCELLED. */
int uni_bells_wait(struct uni_bells *bells, int wait_ms, struct uni_err *err);
/* Whether a machine may have answered since this was last asked; true at first. Where the host
 * cannot tell, it may answer without this saying so. */
bool uni_bells_changed(struct uni_bells *bells, size_t index);
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
