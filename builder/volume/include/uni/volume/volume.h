/*
 * Volumes as people handle them: a place is a folder, a tar archive, a volume's file or a path in
 * it
 * ("site.vol:/img"), or a volume of running machines ("vm:web-1/content", "vm:web-*" + "/content").
 * Content goes from place to place; what runs is told, and asked whether it serves it.
 */
#ifndef UNI_VOLUME_VOLUME_H
#define UNI_VOLUME_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/event.h>
#include <uni/base/text.h>
#include <uni/fs/live.h>
#include <uni/fs/read.h>
#include <uni/vm/detached.h>

/* --- looking into a file --- */

struct uni_volume;
/* "FILE" or "FILE:/PATH", also "vm:NAME/VOLUME[:/PATH]"; of a live volume the generation that is
 * served, or the one before. UNI_E_NOENT when there is no such generation. */
int uni_volume_open(struct uni_volume **volume, const char *place, bool before,
		    struct uni_err *err);
void uni_volume_free(struct uni_volume *volume);
UNI_AUTO_DEFINE(uni_volume)
struct uni_fs_reader *uni_volume_reader(const struct uni_volume *volume);
const char *uni_volume_inside(const struct uni_volume *volume); /* "/" without a path */
/* NULL when it is no live volume. */
const struct uni_live *uni_volume_live(const struct uni_volume *volume);
const struct uni_live_super *uni_volume_super(const struct uni_volume *volume);
/* The file that a place lies in: "FILE" of "FILE:/PATH" and the path, or "vm:"s record of it. */
int uni_volume_locate(const char *place, char **file, char **inside, struct uni_err *err);

struct uni_config_mount;
/* What a machine's kernel is told of a volume's file: live, ext4, or squashfs with a hash tree. No
 * place in the machine. */
int uni_volume_identify(const char *path, struct uni_config_mount *wire, struct uni_err *err);

/* --- content --- */

struct uni_tree;
struct uni_volume_source;
/* A folder, a tar archive (also zstd's), a volume or a path in one. Of a folder no content is read
 * by this. */
int uni_volume_source_open(struct uni_volume_source **source, const char *place,
			   struct uni_err *err);
/* Makes known the digests of all files, those of a folder's that did not change since they were
 * last read without reading them. */
int uni_volume_source_hash(struct uni_volume_source *source, struct uni_err *err);
/* Remembers for the next time what was read of a folder since. */
void uni_volume_source_note(struct uni_volume_source *source);
struct uni_tree *uni_volume_source_tree(const struct uni_volume_source *source);
void uni_volume_source_free(struct uni_volume_source *source);
UNI_AUTO_DEFINE(uni_volume_source)

/* Everything at and below `inside` into `folder`, which is made. Links are made as they are and
 * never followed; what is there already is not written over. */
int uni_volume_extract(struct uni_fs_reader *reader, const char *inside, const char *folder,
		       struct uni_err *err);

enum uni_volume_change { UNI_VOLUME_ADDED, UNI_VOLUME_REMOVED, UNI_VOLUME_CHANGED };
typedef int uni_volume_diff_fn(void *user, enum uni_volume_change change, const char *path,
			       const struct uni_fs_stat *stat, struct uni_err *err);
/* Names in order; of what was changed and added `stat` is that in `b`, of what is gone in `a`. */
int uni_volume_diff(struct uni_fs_reader *a, struct uni_fs_reader *b, uni_volume_diff_fn *fn,
		    void *user, struct uni_err *err);

/* --- machines --- */

struct uni_vm_volume;
struct uni_volume_list {
	struct uni_vm_volume *items;
	size_t count;
};
void uni_volume_list_clear(struct uni_volume_list *list);
/* Adds the live volume that `image` mounts at `mount` by `wire`: one of `files` (NULL-terminated,
 * or NULL), else a .vol file in the image's folder. UNI_E_AUTH when the machine would refuse it. */
int uni_volume_attach(struct uni_volume_list *list, const struct uni_config_mount *wire,
		      const char *mount, const char *const *files, const char *image,
		      struct uni_err *err);

/*
 * Plugs a volume into the running machine "vm:NAME", which mounts it at `mount`; and the way back,
 * by file or by the volume's name. `read_only` of an ext4 that is not to be written. UNI_E_BUSY
 * names the files that keep it there.
 */
int uni_volume_plug(const char *path, const char *machine, const char *mount, bool read_only,
		    int timeout_ms, struct uni_err *err);
int uni_volume_unplug(const char *volume, const char *machine, int timeout_ms, struct uni_err *err);

/* The order by which a machine that is not uni's mounts a volume whose disk it was given (`mount`
 * NULL: unmounts it): hexadecimal digits, for UNI_BELL_XENSTORE. */
int uni_volume_order(const char *path, const char *mount, bool read_only, struct uni_buf *digits,
		     struct uni_err *err);

struct uni_volume_user { /* a machine that has a volume */
	char *machine;
	char *volume;
	char *path;	/* of its file */
	unsigned index; /* of its answers */
	bool has_bell;
	/* after uni_volume_copy */
	bool serves;   /* the new generation */
	char *trouble; /* why not, or NULL: nobody waited */
};
struct uni_volume_users {
	struct uni_volume_user *items;
	size_t count;
};
void uni_volume_users_clear(struct uni_volume_users *users);
/* Running machines by "NAME/VOLUME", NAME with "*" and "?"; UNI_E_NOENT when there is none. */
int uni_volume_users_find(const char *pattern, struct uni_volume_users *users, struct uni_err *err);
/* Those that have this file open. */
int uni_volume_users_of(const char *path, struct uni_volume_users *users, struct uni_err *err);

struct uni_volume_copy {
	const struct uni_live_key *key; /* to sign with */
	int wait_ms;			/* for answers; 0: not waited */
	int64_t time;			/* seconds since 1970 */
	bool verify_all;
	bool replace;	    /* an archive may take a file's place */
	bool no_freeze;	    /* a writable volume of a machine is copied as it is */
	uint64_t bandwidth; /* bytes a second, 0: as fast as it goes */
	/* results */
	bool is_disk; /* a writable volume of a machine was copied: */
	struct uni_detached_copy disk;
	struct uni_live_made made; /* of the last volume written, or of one that was not */
	size_t volumes;		   /* files that were written */
	size_t unchanged;	   /* files that had this content: no new generation */
	struct uni_volume_users users;
};
void uni_volume_copy_clear(struct uni_volume_copy *copy);

/*
 * `source` to `target`: a live volume gets a new generation, a path in one its part of it; a folder
 * or a .tar file is written. The users of a volume are told, and asked when wait_ms is not 0: those
 * that do not serve it are in copy->users with their trouble, and the copy itself has succeeded.
 * UNI_E_BUSY names machines that hold the slot that is to be written for longer than wait_ms.
 */
int uni_volume_copy(const char *source, const char *target, struct uni_volume_copy *copy,
		    struct uni_err *err);
/* The generation before, as a new one, told and asked for in the same way. */
int uni_volume_rollback(const char *target, struct uni_volume_copy *copy, struct uni_err *err);

#endif
