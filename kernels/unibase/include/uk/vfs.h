/*
 * Files: inodes, names, open files, descriptors. fs/.
 *
 * An inode is what a file system gives; the VFS keeps names (dentries), mounts, the page cache and
 * open files. Reading and mapping go through the page cache (fs/cache.c) for every file system that
 * gives `fill`; tmpfs keeps its changed pages there for good.
 *
 * Locks, in this order: super->names (changes of names), inode->lock (content and size of one file,
 * entries of one folder; held while bytes come from the program's memory), then what the page cache
 * and the name cache hold inside. The page-fault path takes only the last.
 */
#ifndef UK_VFS_H
#define UK_VFS_H

#include <uk/linux.h>
#include <uk/list.h>
#include <uk/lock.h>
#include <uk/mem.h>
#include <uk/thread.h>

struct uk_inode;
struct uk_file;
struct uk_super;
struct uk_dentry;
struct uk_iter;

struct uk_dirent_sink {
	/* 0 to go on, 1 when full (the same entry is offered again next time). */
	int (*add)(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		   unsigned type, uint64_t next);
};

#define UK_NAME_MAX 255
#define UK_PATH_MAX 4096 /* with the NUL */

/*
 * Names are not NUL-terminated; `size` <= UK_NAME_MAX, without '/'. All return 0 or negative errno.
 * Unset ones: -EPERM for what changes (-EROFS comes first, from super->read_only), -EINVAL
 * otherwise. The names of a folder are asked for and changed under its lock; changes of names also
 * under super->names.
 */
struct uk_inode_ops {
	/* A reference in *out, or -UK_ENOENT. */
	int (*lookup)(struct uk_inode *dir, const char *name, size_t size, struct uk_inode **out);
	/* Entries from *position on (2: the start; the VFS gives "." and ".." itself); moves it. */
	int (*readdir)(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink);
	/* Target without NUL into `target`; its length. */
	int (*readlink)(struct uk_inode *inode, char *target, size_t room);
	/*
	 * Page `index` must be in the cache after it: uk_cache_add. It lies in [first, first +
	 * count), whole units of 2^fill_order pages, which belong to this caller alone for the
	 * time; the others are added when that costs little. Zero behind the end of the file.
	 */
	int (*fill)(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count);
	/* NULL, or: the frame of memory that holds the page's content anyway, as the boot image
	 * does that of its files, with a reference. NULL: none does. */
	struct uk_page *(*frame)(struct uk_inode *inode, uint64_t index);
	/* A page turns dirty. 1: room was set aside for it; 0: it needs none; -UK_ENOSPC. */
	int (*reserve)(struct uk_inode *inode, uint64_t index);
	/* Pages for which room was set aside were dropped or written. */
	void (*unreserve)(struct uk_inode *inode, uint64_t pages);
	int (*create)(struct uk_inode *dir, const char *name, size_t size, uint32_t mode,
		      uint64_t rdev, struct uk_inode **out);
	/* One without a name, which may get one (O_TMPFILE). */
	int (*nameless)(struct uk_inode *dir, uint32_t mode, struct uk_inode **out);
	int (*symlink)(struct uk_inode *dir, const char *name, size_t size, const char *target,
		       struct uk_inode **out);
	int (*link)(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode);
	/* `inode` is what the name stands for; a folder must be empty: -UK_ENOTEMPTY. */
	int (*unlink)(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode);
	/* `over`: what the new name stands for now, or NULL. The VFS checked types and cycles. */
	int (*rename)(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode,
		      struct uk_inode *to_dir, const char *to, size_t to_size,
		      struct uk_inode *over, bool exchange);
	/* From now on `fill` gives zeros behind `size`; the VFS sets it and drops pages. */
	int (*truncate)(struct uk_inode *inode, uint64_t size);
	/* Whole pages [first, end) read as zeros from now on; drops pages itself. */
	int (*punch)(struct uk_inode *inode, uint64_t first, uint64_t end);
	/* Room for [offset, end), which reads as before; unset: pages of zeros are made dirty. */
	int (*allocate)(struct uk_inode *inode, uint64_t offset, uint64_t end, bool keep_size);
	int (*setattr)(struct uk_inode *inode); /* mode, owner, times were changed in memory */
	/* What is written so far survives a crash from now on. */
	int (*sync)(struct uk_inode *inode, bool data_only);
	/* Pages one behind the other go to the disk. Set: the file system has a disk. Called with
	 * the inode's lock. */
	int (*write_pages)(struct uk_inode *inode, struct uk_page **pages, unsigned count);
	/* O_DIRECT, from and to the disk past the cache, which keeps nothing of it; what was done.
	 * Writing, with the inode's lock, leaves to the cache what is no whole page. -UK_EINVAL
	 * when the piece does not begin and end with a sector. */
	int64_t (*read_direct)(struct uk_file *file, struct uk_iter *to, uint64_t *offset);
	int64_t (*write_direct)(struct uk_inode *inode, struct uk_iter *from, uint64_t *offset);
	/* An extended attribute, or (name NULL) the list of their names; its size, also when room
	 * is 0; -UK_ENODATA, -UK_ERANGE. */
	int64_t (*xattr)(struct uk_inode *inode, const char *name, void *value, size_t room);
	/* Sets one, or (value NULL) removes it. flags: UK_XATTR_*. Called with the inode's lock.
	 * -UK_EEXIST, -UK_ENODATA, -UK_ENOSPC, -UK_EOPNOTSUPP for a name of no known kind. */
	int (*xattr_set)(struct uk_inode *inode, const char *name, const void *value, size_t size,
			 unsigned flags);
	/* Devices and generated files: may set file->ops and file->data. */
	int (*open)(struct uk_inode *inode, struct uk_file *file);
	/* A link that leads to a name directly, whatever its text says (/proc/self/fd/N); a
	 * reference, or uk_err_ptr. */
	struct uk_dentry *(*jump)(struct uk_inode *inode);
	void (*release)(struct uk_inode *inode); /* last reference gone: free what is behind it */
};

enum { UK_XATTR_CREATE = 1, UK_XATTR_REPLACE = 2 };

struct uk_pages { /* the page cache's tree of one inode: fs/cache_tree.c */
	void *root;
	uint8_t height;
	uint32_t count;
	uint32_t dirty;
	struct uk_list dirty_list; /* by uk_page.list, the first that turned dirty first */
};

struct uk_inode {
	volatile uint32_t refs;
	uint32_t mode; /* Linux S_IF* and permissions */
	uint64_t ino;
	uint64_t size;
	uint64_t blocks; /* 512-byte units */
	uint32_t nlink, uid, gid;
	uint64_t rdev;
	int64_t atime, mtime, ctime; /* ns since 1970 */
	const struct uk_inode_ops *ops;
	struct uk_super *super; /* NULL: of no file system (pipes) */
	void *data;		/* the file system's */
	struct uk_mutex lock;
	struct uk_pages pages;
	bool linkable;		    /* without a name, but may get one (O_TMPFILE) */
	uint8_t fill_order;	    /* see ops->fill */
	uint8_t ahead;		    /* pages to fill ahead of a sequential reader; 0: none */
	struct uk_list hash;	    /* fs/inode.c: open inodes by number */
	struct uk_file_lock *locks; /* fs/locks.c */
	struct fs_pipe *pipe;	    /* fs/pipe.c: of a FIFO that is open */
	struct fs_watch *watches;   /* fs/inotify.c */
	uint8_t seals;		    /* fs/memfd.c */
};
/* An inode of `super` with one reference; NULL when memory is out. */
struct uk_inode *uk_inode_new(struct uk_super *super, const struct uk_inode_ops *ops,
			      uint32_t mode);
UK_INLINE void uk_inode_get(struct uk_inode *inode)
{
	__atomic_add_fetch(&inode->refs, 1, __ATOMIC_RELAXED);
}
void uk_inode_put(struct uk_inode *inode);

struct uk_super_ops {
	int (*statfs)(struct uk_super *super, struct uk_linux_statfs *out);
	int (*sync)(struct uk_super *super);
	void (*balance)(struct uk_super *super); /* writes dirty pages out: there are too many */
	int (*stop)(struct uk_super *super);	 /* the machine goes off: everything to the disk */
	/* The disk is as after `stop`, and nothing changes on it until `thaw`, by the same thread.
	 * Unset: nothing is ever written. */
	int (*freeze)(struct uk_super *super);
	void (*thaw)(struct uk_super *super);
	void (*unmount)(struct uk_super *super);
};
struct uk_super {
	const struct uk_super_ops *ops;
	struct uk_inode *root;
	const char *type; /* "tmpfs", for /proc/mounts */
	bool read_only;
	bool generated;	   /* names come and go by themselves: they are not cached (/proc) */
	uint64_t dev;	   /* st_dev: uk_super_dev() */
	uint64_t size_max; /* of a file */
	struct uk_mutex names;
	void *data;
};
uint64_t uk_super_dev(void); /* a new st_dev */

/*
 * The page cache. A page in it is valid and, unless dirty, may go at any time when only the cache
 * holds it.
 */
/* The page with a reference, read if need be. Not bounded by the file's size. */
int uk_cache_get(struct uk_inode *inode, uint64_t index, struct uk_page **page);
/* The same only if it is there. */
struct uk_page *uk_cache_find(struct uk_inode *inode, uint64_t index);
/* To read, and not by the cache's means: it may be a frame of the boot image. Only if it is there.
 */
struct uk_page *uk_cache_look(struct uk_inode *inode, uint64_t index);
/*
 * Puts a page in, in the place of none (else -UK_EEXIST); the cache takes a reference of its own.
 * Frames that are not the cache's (the boot image's) may be put in as well and are never written.
 */
int uk_cache_add(struct uk_inode *inode, uint64_t index, struct uk_page *page);
/* The page with a reference, fit for writing: dirty, and the cache's own. */
int uk_cache_get_dirty(struct uk_inode *inode, uint64_t index, struct uk_page **page);
/* Drops pages from `index` on, dirty ones too. */
void uk_cache_truncate(struct uk_inode *inode, uint64_t index);
/* Every dirty page through ops->write_pages; takes the inode's lock. */
int uk_cache_sync(struct uk_inode *inode);
/* Fills in the background, some pages from `index` on. */
void uk_cache_ahead(struct uk_inode *inode, uint64_t index, unsigned count);
uint64_t uk_cache_pages(void); /* the cache's own, of all inodes: for /proc/meminfo */

/* Waiters for poll, select, epoll: a file adds its queues. */
struct uk_poll {
	void (*add)(struct uk_poll *poll, struct uk_waitq *q); /* NULL: only ask */
};
static inline void uk_poll_add(struct uk_poll *poll, struct uk_waitq *q)
{
	if (poll != NULL && poll->add != NULL)
		poll->add(poll, q);
}

/*
 * Operations of an open file. Buffers are user or kernel memory behind an iterator: see uk/user.h.
 * `offset` is moved by what was done; streams get one and leave it alone. Unset read or write:
 * -EINVAL; unset poll: always ready; unset ioctl: -ENOTTY.
 */
struct uk_file_ops {
	int64_t (*read)(struct uk_file *file, struct uk_iter *to, uint64_t *offset);
	int64_t (*write)(struct uk_file *file, struct uk_iter *from, uint64_t *offset);
	/* Optional: writes kernel memory that is pages of the cache, which it may keep references
	 * to instead of copying. `page` is the first one's; `more` is to follow at once. */
	int64_t (*write_pages)(struct uk_file *file, struct uk_iter *from, struct uk_page *page,
			       bool more);
	unsigned (*poll)(struct uk_file *file, struct uk_poll *poll); /* POLLIN ... that hold now */
	int64_t (*ioctl)(struct uk_file *file, unsigned request, uint64_t arg);
	int (*readdir)(struct uk_file *file, struct uk_dirent_sink *sink);
	void (*release)(struct uk_file *file);
	/* What /proc/self/fd/N shows for a file without a name: "pipe:[12]"; length. */
	int (*describe)(struct uk_file *file, char *to, size_t room);
	bool stream; /* no offset: lseek and pread say ESPIPE */
};
struct uk_file {
	volatile uint32_t refs;
	uint32_t flags;		/* Linux O_* */
	struct uk_inode *inode; /* NULL for anonymous ones (eventfd, sockets may) */
	struct uk_dentry *dentry;
	const struct uk_file_ops *ops;
	struct uk_mutex lock; /* offset */
	uint64_t offset;
	uint64_t ahead;		 /* page behind the last one read: sequential or not */
	void *data;		 /* the operations' */
	struct uk_list watchers; /* epoll's interest in it */
};
struct uk_file *uk_file_new(const struct uk_file_ops *ops, void *data,
			    uint32_t flags); /* NULL: out of memory */
UK_INLINE void uk_file_get(struct uk_file *file)
{
	__atomic_add_fetch(&file->refs, 1, __ATOMIC_RELAXED);
}
void uk_file_put(struct uk_file *file);
/* Path from the root or the process's working folder; kernel string. */
struct uk_file *uk_file_open(const char *path, int flags, uint32_t mode); /* or uk_err_ptr */
int64_t uk_file_read_kernel(struct uk_file *file, void *data, size_t size, uint64_t offset);
/* -UK_EACCES when it is no regular file, or nobody may execute it. */
int uk_file_may_execute(struct uk_file *file);
/* The page-cache page with this index for a mapping, read and checked, with a reference; -EIO,
 * -ENOMEM. Past the end of the file: -UK_EFAULT (the mapper raises SIGBUS). A private mapping
 * copies it before the first store: it may be a frame of the boot image. */
int uk_file_page(struct uk_file *file, uint64_t index, struct uk_page **page);
/* The same without sleeping, and so under any lock that comes before the page cache's; NULL:
 * uk_file_page may have it. */
struct uk_page *uk_file_page_ready(struct uk_file *file, uint64_t index);
/* The same for the first store through a shared mapping: the page is the cache's own and dirty from
 * now on; -UK_ENOSPC. */
int uk_file_page_write(struct uk_file *file, uint64_t index, struct uk_page **page);
/* Absolute path of an open file for /proc; length or negative errno. */
int uk_file_path(struct uk_file *file, char *path, size_t room);

/* Whether the process may do this (UK_R_OK, UK_W_OK, UK_X_OK) with a file; 0 or -UK_EACCES. */
int uk_permit(const struct uk_inode *inode, unsigned want);
/* What a path stands for, links followed, with a reference. */
int uk_path_inode(const char *path, struct uk_inode **inode);
/* Makes a node of this type and mode (umask applied), and gives it with a reference. */
int uk_path_make(const char *path, uint32_t mode, struct uk_inode **inode);

/* Descriptors of the process. */
int uk_fd_install(struct uk_file *file,
		  bool cloexec);   /* lowest free; takes the reference; -EMFILE */
struct uk_file *uk_fd_get(int fd); /* with a reference, or NULL */
uint64_t uk_fd_limit(void);	   /* RLIMIT_NOFILE, soft */
void uk_fd_set_limit(uint64_t limit);

/* Start (uk_vfs_start): the program's file and the console, opened as 0, 1, 2. The tree of files is
 * made then if the image configures anything in it, else when somebody first looks for a place in
 * it: the root tmpfs with the cpio part unpacked, /dev /proc /tmp /run /etc, the program's file,
 * the configured volumes. Panics with the reason when that is impossible. */
/* The program's file, opened, once: the image's own, or else what is at `path`; or uk_err_ptr. */
struct uk_file *uk_vfs_program(const char *path);
void uk_vfs_sync(void);
void uk_vfs_stop(void); /* the last before the machine goes off: nothing is written any more */

#endif
