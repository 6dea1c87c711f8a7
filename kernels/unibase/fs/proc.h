/*
 * The files of /proc: one list, in fs/proc_list.c, of what there is; fs/proc.c makes a file system
 * of it.
 */
#ifndef UK_FS_PROC_H
#define UK_FS_PROC_H

#include "fs.h"
#include "text.h"

enum fs_proc_kind {
	FS_PROC_FOLDER,
	FS_PROC_TEXT, /* always the same: `text` */
	FS_PROC_SHOW, /* made when it is opened: `show` */
	FS_PROC_OPEN, /* opens itself: `open` */
	FS_PROC_LINK, /* `text` is the target */
	FS_PROC_JUMP, /* to a name: `jump`, whose path is the target */
	FS_PROC_FDS,  /* the folder of descriptors */
};

struct fs_proc_entry {
	const char *path; /* without "/proc/"; folders before what is in them */
	enum fs_proc_kind kind;
	union { /* by its kind */
		const char *text;
		void (*show)(struct fs_text *text);
		struct uk_dentry *(*jump)(void); /* a reference, or uk_err_ptr */
		int (*open)(struct uk_inode *inode, struct uk_file *file);
	};
};
/* proc_maps.c */
void fs_show_maps(struct fs_text *t);
void fs_show_smaps(struct fs_text *t);
void fs_show_smaps_rollup(struct fs_text *t);

extern const struct fs_proc_entry fs_proc_entries[];
extern const unsigned fs_proc_count;

#endif
