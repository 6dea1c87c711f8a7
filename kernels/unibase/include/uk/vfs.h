/*
 * Files: inodes, names, open files, descriptors. fs/.
 *
 * An inode is what a file system gives; the VFS keeps names (dentries), mounts, the page cache and
 * open files. Reading and mapping go through the page cache (fs/cache.c) for every file system that
 * gives `fill`; tmpfs keeps its pages there for good.
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

struct uk_dirent_sink {
	/* 0 to go on, 1 when full (the same entry is offered again next time). */
	int (*add)(struct uk_dirent_sink *sink, const char *name, size_t size, uint64_t ino,
		   unsigned type, uint64_t next);
};

/* Names are not NUL-terminated; `size` <= 255, without '/'. All return 0 or negative errno. Unset
 * ones: -EROFS for what changes, -ENOTDIR / -EINVAL / -EISDIR otherwise. */
struct uk_inode_ops {
	int (*lookup)(struct uk_inode *dir, const char *name, size_t size,
		      struct uk_inode **out); /* a reference */
	int (*readdir)(struct uk_inode *dir, uint64_t *position, struct uk_dirent_sink *sink);
	int (*readlink)(struct uk_inode *inode, char *target, size_t room); /* length */
	int (*fill)(struct uk_inode *inode,
		    struct uk_page *page); /* page->index; zero behind the end */
	int (*create)(struct uk_inode *dir, const char *name, size_t size, uint32_t mode,
		      uint64_t rdev, struct uk_inode **out);
	int (*symlink)(struct uk_inode *dir, const char *name, size_t size, const char *target);
	int (*link)(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *inode);
	int (*unlink)(struct uk_inode *dir, const char *name, size_t size, bool directory);
	int (*rename)(struct uk_inode *dir, const char *name, size_t size, struct uk_inode *to_dir,
		      const char *to, size_t to_size, unsigned flags);
	int (*truncate)(struct uk_inode *inode, uint64_t size);
	int (*setattr)(struct uk_inode *inode); /* mode, owner, times were changed in memory */
	int (*sync)(struct uk_inode *inode, bool data_only);
	int (*write_page)(struct uk_inode *inode, struct uk_page *page); /* dirty page to disk */
	int (*open)(struct uk_inode *inode,
		    struct uk_file *file); /* devices, pipes: may set file->ops and file->data */
	void (*release)(struct uk_inode *inode); /* last reference gone: free what is behind it */
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
	struct uk_super *super;
	void *data; /* the file system's */
	struct uk_mutex lock;
	void *pages; /* the page cache's tree for this inode */
};
void uk_inode_get(struct uk_inode *inode);
void uk_inode_put(struct uk_inode *inode);

struct uk_super_ops {
	int (*statfs)(struct uk_super *super, struct uk_linux_statfs *out);
	int (*sync)(struct uk_super *super);
	void (*unmount)(struct uk_super *super);
};
struct uk_super {
	const struct uk_super_ops *ops;
	struct uk_inode *root;
	bool read_only;
	uint64_t dev; /* st_dev */
	void *data;
};

/* Waiters for poll, select, epoll: a file adds its queues. */
struct uk_poll {
	void (*add)(struct uk_poll *poll, struct uk_waitq *q); /* NULL: only ask */
};

/* Operations of an open file. Buffers are user or kernel memory behind an iterator: see uk/user.h.
 */
struct uk_iter;
struct uk_file_ops {
	int64_t (*read)(struct uk_file *file, struct uk_iter *to, uint64_t offset);
	int64_t (*write)(struct uk_file *file, struct uk_iter *from, uint64_t offset);
	unsigned (*poll)(struct uk_file *file, struct uk_poll *poll); /* POLLIN ... that hold now */
	int64_t (*ioctl)(struct uk_file *file, unsigned request, uint64_t arg);
	int (*readdir)(struct uk_file *file, struct uk_dirent_sink *sink);
	void (*release)(struct uk_file *file);
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
	void *data; /* the operations' */
};
struct uk_file *uk_file_new(const struct uk_file_ops *ops, void *data,
			    uint32_t flags); /* NULL: out of memory */
void uk_file_get(struct uk_file *file);
void uk_file_put(struct uk_file *file);
/* Path from the root or the process's working folder; kernel string. */
struct uk_file *uk_file_open(const char *path, int flags, uint32_t mode); /* or uk_err_ptr */
int64_t uk_file_read_kernel(struct uk_file *file, void *data, size_t size, uint64_t offset);
/* The page-cache page with this index for a mapping, read and checked, with a reference; -EIO,
 * -ENOMEM. Past the end of the file: -UK_EFAULT (the mapper raises SIGBUS). */
int uk_file_page(struct uk_file *file, uint64_t index, struct uk_page **page);
/* Absolute path of an open file for /proc; length or negative errno. */
int uk_file_path(struct uk_file *file, char *path, size_t room);

/* Descriptors of the process. */
int uk_fd_install(struct uk_file *file,
		  bool cloexec);   /* lowest free; takes the reference; -EMFILE */
struct uk_file *uk_fd_get(int fd); /* with a reference, or NULL */

/* Start: mounts the root tmpfs, unpacks the cpio part, makes /dev /proc /tmp /etc, places the
 * program's file, mounts the configured volumes, opens 0, 1, 2. Panics with the reason when a mount
 * is impossible. */
void uk_vfs_start(void);
void uk_vfs_sync(void);

#endif
