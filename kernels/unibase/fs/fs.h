/*
 * Inside fs/: what its files share, grouped by file. Everybody else includes uk/vfs.h.
 */
#ifndef UK_FS_H
#define UK_FS_H

#include <uk/user.h>
#include <uk/vfs.h>

struct uk_block_dev;
struct uni_config_mount;
struct uni_verity_superblock;
struct fs_mount;

/* cache.c, cache_out.c */
/* As uk_cache_add; `dirty` ones were reserved by the caller. */
int fs_cache_add(struct uk_inode *inode, uint64_t index, struct uk_page *page, bool dirty,
		 bool charged);
/* A page of zeros with a reference: the kernel's own, which like the boot image's is never
 * written; NULL: out of memory. */
struct uk_page *fs_zero_page(void);
/* Bytes of pages that lie in memory or are filled; within the file, as the caller knows. */
int fs_cache_read(struct uk_inode *inode, uint64_t offset, void *data, size_t size);
void fs_cache_punch(struct uk_inode *inode, uint64_t first, uint64_t end);
/* Gives back pages [first, end), as far as they are clean and in nobody's use. */
void fs_cache_forget(struct uk_inode *inode, uint64_t first, uint64_t end);
/* Waits until nobody fills pages in this range: what they fill was read before. */
void fs_cache_settle(struct uk_inode *inode, uint64_t first, uint64_t count);
int fs_cache_sync(struct uk_inode *inode); /* uk_cache_sync under the inode's lock */
bool fs_cache_crowded(void);		   /* more pages wait for their disk than may */
size_t fs_cache_shrink(size_t wanted);

/* inode.c */
/* The inode in memory with this number and a reference, or NULL. */
struct uk_inode *fs_inode_find(const struct uk_super *super, uint64_t ino);
/* Makes an inode to be found by number; when another came first, that one instead of it. */
struct uk_inode *fs_inode_share(struct uk_inode *inode);
/* A new one belongs to the process, or by the folder `dir` (NULL: none) to that one's group. */
void fs_inode_own(struct uk_inode *inode, const struct uk_inode *dir);

/*
 * Names. A dentry is one name in one folder (or the root of a file system): positive, or the
 * knowledge that the name does not exist. dentry.c
 */
struct uk_dentry {
	uint32_t refs; /* under the name cache's lock */
	bool hashed;
	uint8_t size;
	uint32_t hash;
	struct uk_dentry *parent; /* a reference; NULL: root of a file system, or without a place */
	struct uk_inode *inode;	  /* a reference; NULL: no such name */
	struct fs_mount *mounted; /* stands on top of this folder */
	struct fs_mount *mount;	  /* whose root this is */
	struct uk_list chain;
	struct uk_list lru;
	char *name; /* NUL-terminated */
	char room[24];
};
/* A reference, or NULL. */
struct uk_dentry *fs_dentry_find(struct uk_dentry *parent, const char *name, size_t size);
/* Takes the inode's reference also when it fails (NULL: out of memory). Hashed unless the file
 * system generates its names. `parent` NULL: a root, or a file without a place. */
struct uk_dentry *fs_dentry_new(struct uk_dentry *parent, const char *name, size_t size,
				struct uk_inode *inode);
void fs_dentry_get(struct uk_dentry *dentry);
void fs_dentry_put(struct uk_dentry *dentry);
/* The name came to be; takes the reference. */
void fs_dentry_fill(struct uk_dentry *dentry, struct uk_inode *inode);
/* The name is gone; who holds the dentry keeps the file. */
void fs_dentry_drop(struct uk_dentry *dentry);
/* Renames; -UK_ENOMEM changes nothing. */
int fs_dentry_move(struct uk_dentry *dentry, struct uk_dentry *parent, const char *name,
		   size_t size);
void fs_dentry_swap(struct uk_dentry *a, struct uk_dentry *b);
/* Whether `folder` is `dentry` or above it, mounts looked through. */
bool fs_dentry_is_below(struct uk_dentry *dentry, const struct uk_dentry *folder);
const struct fs_mount *fs_dentry_mount(const struct uk_dentry *dentry); /* NULL: without a place */
struct uk_dentry *fs_dentry_parent(struct uk_dentry *dentry);		/* "..": a reference */
/* Absolute path; its length, -UK_ERANGE, or -UK_ENOENT with the path and " (deleted)" written. */
int fs_dentry_path(struct uk_dentry *dentry, char *path, size_t room);
void fs_dentry_start(void);
size_t fs_dentry_shrink(size_t wanted);
void fs_dentry_prune(const struct uk_super *super);	/* forgets its names that nobody holds */
bool fs_dentry_is_last(const struct uk_dentry *dentry); /* one reference is left */

/* mount.c */
struct fs_mount {
	struct uk_list item;
	struct uk_super *super;
	struct uk_dentry *root;	      /* a reference */
	struct uk_dentry *point;      /* a reference; NULL: the root of everything */
	struct uk_block_dev *plugged; /* may go with the mount; NULL: it was there at start */
	uint8_t uuid[16];	      /* of a configured volume */
	char source[48];
};
/* All of them, in the order in which they were made; to be walked under the lock, which sleeps. */
extern struct uk_list fs_mounts;
extern struct uk_mutex fs_mounts_lock;
/* Mounts on `point` (NULL: the root of everything). The super is consumed. */
int fs_mount_add(struct uk_dentry *point, struct uk_super *super, const char *source);
struct uk_dentry *fs_mount_root(void); /* borrowed; makes the tree when nobody did (start.c) */
/* The root of what is mounted on `dentry`, on and on; consumes and gives a reference. */
struct uk_dentry *fs_mount_cross(struct uk_dentry *dentry);
struct fs_mount *fs_mount_of(const struct uk_super *super);
struct fs_mount *fs_mount_with(const uint8_t uuid[16]);
/* What is mounted is written out and goes, with its super; -UK_EBUSY when somebody is in it. */
int fs_mount_remove(struct fs_mount *mount);
/* From now on a walk finds `super` there, which is consumed; *before is what holds the old one for
 * those who are in it. On an error nothing changed. */
int fs_mount_replace(struct fs_mount *mount, struct uk_super *super, struct fs_mount **before);
/* Unmounts and frees it when nobody is in it any more; false: somebody is. */
bool fs_mount_release(struct fs_mount *before);

/* live.c: volumes whose content is replaced, see uni/abi/live.h */
struct fs_mounting;
int fs_live_mount(struct fs_mounting *m);
void fs_live_mounted(struct uk_super *super); /* it has its place */
bool fs_live_any(void);
void fs_live_look(void);   /* for newer content, and answers */
bool fs_live_let_go(void); /* of what is not open any more; whether something still is */
bool fs_live_is_held(const struct uk_super *super); /* files of a generation before are open */
void fs_live_forget(
	const struct uk_super *super); /* is unmounted: nothing is looked for any more */
int fs_live_open(struct uk_inode *inode, struct uk_file *file); /* /proc/live */

/* bell.c: where a machine is told something, and answers (uni/abi/bell.h) */
struct uni_bell_answer;
struct uni_bell_order;
struct uni_bell_reply;
bool fs_bell_may_be(void);		/* a look that reads no disk */
bool fs_bell_start(void (*rung)(void)); /* `rung` is called in interrupts; false: there is none */
void fs_bell_answer(unsigned index,
		    struct uni_bell_answer *answer); /* fills what is not its sender's */
bool fs_bell_order(struct uni_bell_order *order);    /* the last one; false: there is none */
void fs_bell_reply(struct uni_bell_reply *reply);
uint64_t fs_bell_replied(void); /* number of the order that was replied to last */

/* orders.c: all is mounted; listens from now on */
void fs_orders_start(void);

/*
 * From path to name. A walk stops before the last component, which the caller may look up, follow
 * or make. walk.c
 */
enum fs_last { FS_LAST_NAME, FS_LAST_DOT, FS_LAST_UP, FS_LAST_ROOT };
struct fs_walk {
	struct uk_dentry *at; /* a reference: the folder of the last component */
	const char *rest;
	struct fs_link *links;
	unsigned link_count;
	enum fs_last kind;
	const char *last;
	size_t size;
	bool trailing; /* a slash behind the last component */
};
enum { FS_FOLLOW = 1, FS_EMPTY = 2, FS_DIRECTORY = 4 };
int fs_walk_begin(struct fs_walk *walk, int dirfd, const char *path);
int fs_walk_parent(struct fs_walk *walk);
/* Goes on through the symbolic link that the last component is. */
int fs_walk_follow(struct fs_walk *walk, struct uk_dentry *link);
void fs_walk_end(struct fs_walk *walk);
/* What the last component stands for: positive, mounts crossed, a reference; -UK_ENOENT. */
int fs_walk_last(struct fs_walk *walk, struct uk_dentry **out);
/* The whole way. */
int fs_walk_path(int dirfd, const char *path, unsigned flags, struct uk_dentry **out);
/* The name in a folder, positive or negative, with a reference; mounts are not crossed. */
int fs_lookup(struct uk_dentry *dir, const char *name, size_t size, struct uk_dentry **out);
int fs_lookup_locked(struct uk_dentry *dir, const char *name, size_t size, struct uk_dentry **out);
static inline bool fs_is_dir(const struct uk_dentry *dentry)
{
	return dentry->inode != NULL && UK_S_IS(dentry->inode->mode, DIR);
}

/* names.c: changes of names, kernel strings; 0 or negative errno as Linux gives them. */
int fs_make_node(int dirfd, const char *path, uint32_t mode, uint64_t rdev); /* mkdir too */
int fs_make_symlink(const char *target, int dirfd, const char *path);
int fs_make_link_to(struct uk_inode *inode, int dirfd, const char *path);
int fs_remove(int dirfd, const char *path, bool directory);
int fs_rename(int old_dirfd, const char *old, int dirfd, const char *path, unsigned flags);
/* The name that `walk` stands before, made when it is not there; `created` says so. */
int fs_make_file(struct fs_walk *walk, uint32_t mode, bool exclusive, struct uk_dentry **out,
		 bool *created);
extern uint32_t fs_umask;

/* file.c */
struct uk_file *fs_file_open_at(int dirfd, const char *path, uint32_t flags, uint32_t mode);
/* Opens what a dentry stands for; the reference to it is the file's own. */
struct uk_file *fs_file_open_dentry(struct uk_dentry *dentry, uint32_t flags);
int fs_truncate(struct uk_inode *inode, uint64_t size);
int fs_punch(struct uk_inode *inode, uint64_t offset, uint64_t end);
int fs_allocate(struct uk_inode *inode, uint64_t offset, uint64_t end, bool keep_size);
int fs_may_write(const struct uk_inode *inode); /* -UK_EROFS */
/* The mode of a program that was changed, or given to another: without its set-user bit. */
uint32_t fs_mode_given_away(uint32_t mode);
void fs_touch(struct uk_inode *inode, bool content); /* mtime and ctime, or ctime alone, now */
void fs_accessed(struct uk_file *file);		     /* atime as relatime has it */
bool fs_access_counts(const struct uk_file *file);   /* whether that changes something */
/* Whether a read of page `index` is the one that makes those behind it be read ahead. */
bool fs_leads_ahead(const struct uk_file *file, uint64_t index);
UK_INLINE bool fs_can_read(const struct uk_file *file)
{
	uint32_t mode = file->flags & (UK_O_ACCMODE | UK_O_PATH);

	return (mode == UK_O_RDONLY) | (mode == UK_O_RDWR);
}
UK_INLINE bool fs_can_write(const struct uk_file *file)
{
	uint32_t mode = file->flags & (UK_O_ACCMODE | UK_O_PATH);

	return (mode == UK_O_WRONLY) | (mode == UK_O_RDWR);
}
unsigned fs_poll(struct uk_file *file, struct uk_poll *poll);
/* A file without a name; takes the reference to the inode. */
struct uk_file *fs_file_nameless(struct uk_inode *inode, const char *name, uint32_t flags);
struct uk_inode *fs_inode_anonymous(void); /* eventfd and its like share it; a reference */
struct uk_inode *fs_file_inode(struct uk_file *file); /* a reference; of files without one, that */

/* permit.c: uk_permit, and */
int fs_permit_real(const struct uk_inode *inode, unsigned want); /* as access(2) asks */
/* Whether the name of `inode` may be taken out of the folder; -UK_EPERM where others' may not. */
int fs_permit_remove(const struct uk_inode *dir, const struct uk_inode *inode);
bool fs_owns(const struct uk_inode *inode); /* or is root */
/* Whether the kernel acts for itself: no permission is asked for, and what it makes is root's. */
bool fs_is_kernel(void);
bool fs_is_root(void);
bool fs_in_group(uint32_t gid);

/* rw.c: regular files through the page cache, folders */
extern const struct uk_file_ops fs_regular_ops, fs_folder_ops;

/* fd.c */
void fs_fd_start(struct uk_file *console); /* which 0 to 2 are from now on, by its references */
int fs_fd_close(int fd);
int fs_fd_room(void); /* -UK_EMFILE when none is free */
int fs_fd_dup(int fd, int least, bool cloexec);
int fs_fd_dup_to(int fd, int to, bool cloexec);
int fs_fd_flags(int fd);
int fs_fd_set_flags(int fd, bool cloexec);
/* The next open descriptor at or above `fd`, -1 at the end. */
int fs_fd_next(int fd);
/* Without O_PATH files. */
struct uk_file *fs_fd_real(int fd);

struct uk_dentry *fs_cwd_get(void);
void fs_cwd_set(struct uk_dentry *dentry); /* takes the reference */

/* locks.c: flock, POSIX record locks, those of open file descriptions */
struct uk_file_lock;
int fs_lock_whole(struct uk_file *file, int operation);
int fs_lock_range(struct uk_file *file, int command, struct uk_linux_flock *lock);
void fs_lock_drop_file(struct uk_file *file);  /* its last reference goes */
void fs_lock_drop_posix(struct uk_file *file); /* a descriptor of it was closed */

/* tmpfs.c */
struct uk_super *fs_tmpfs_new(uint64_t limit); /* bytes; NULL: out of memory */
/*
 * The file systems of the root and of /dev, and the file in each that is open before there is a
 * tree: the program's, the console's (as descriptors 0 to 2). They are there once and from the
 * first moment on, so nobody makes them; their files have no dentry until the tree is made.
 */
struct fs_first {
	struct uk_super super;
	struct uk_inode inode;
	struct uk_file file;
};
extern struct fs_first fs_root, fs_dev;
#define FS_FIRST_COUNT 2
/* The program's bytes (NULL, 0: the image brings none); gives both files their times. */
void fs_first_start(const void *program, uint64_t size);
/* Makes the root folder of a super that has none; -UK_ENOMEM. */
int fs_tmpfs_begin(struct uk_super *super, uint64_t limit);
/* A file whose bytes lie in memory that stays: pages are its frames where it lies on pages. */
int fs_tmpfs_set_source(struct uk_inode *inode, const void *data, uint64_t size);
/* An inode of the file system that has no name (O_TMPFILE, memfd). */
struct uk_inode *fs_tmpfs_nameless(struct uk_super *super, uint32_t mode);
/* The first who asks the folder for a name that it does not have, or for all, finds it filled. */
void fs_tmpfs_later(struct uk_inode *folder, int (*fill)(struct uk_inode *folder));

/* xattr.c: extended attributes in memory, as the operations of an inode have them */
struct fs_xattr;
int64_t fs_xattr_get(const struct fs_xattr *x, const char *name, void *value, size_t room);
int fs_xattr_set(struct fs_xattr **list, const char *name, const void *value, size_t size,
		 unsigned flags);
void fs_xattr_free(struct fs_xattr *list);

/* cpio.c */
/* Unpacks a newc archive below the root; 0, -UK_EINVAL with the reason in `why`, -UK_ENOMEM. */
int fs_cpio_unpack(const void *data, size_t size, const char **why);

/* volume.c: a block device, or memory, with or without a hash tree over it */
struct fs_volume;
int fs_volume_open(struct uk_block_dev *dev, const struct uni_config_mount *mount, const char *name,
		   struct fs_volume **out);
void fs_volume_close(struct fs_volume *volume);
uint64_t fs_volume_size(const struct fs_volume *volume); /* of the data, bytes */
bool fs_volume_in_memory(const struct fs_volume *volume);
/* Small reads take 2^order pages at once from now on. Before anything was read. */
void fs_volume_read_ahead(struct fs_volume *volume, unsigned order);
/* A few bytes, through a cache of the device's pages. */
int fs_volume_read(struct fs_volume *volume, uint64_t offset, void *data, size_t size);
/* Many bytes, past the cache: *at points to them, inside `room` (size + 2 pages, on a page) or the
 * device's own memory. */
int fs_volume_read_block(struct fs_volume *volume, uint64_t offset, size_t size, void *room,
			 const uint8_t **at);
/* The frame of a whole page when the device is memory, checked, with a reference; else NULL in
 * *page. */
int fs_volume_frame(struct fs_volume *volume, uint64_t offset, struct uk_page **page);
/*
 * A volume on its way to its place: opened by what the configuration or an order says about it.
 * volume_mount.c
 */
struct fs_mounting {
	const struct uni_config_mount *what;
	const char *path;
	unsigned index; /* of a live volume's answers */
	struct uk_block_dev *dev;
	struct uk_super *super;
	char why[128]; /* after an error, for people */
};
int fs_volume_mount(struct fs_mounting *m);
/* Onto `point`, whose reference it takes. */
int fs_volume_place(struct fs_mounting *m, struct uk_dentry *point);
/* Keeps the words; returns the error. */
int fs_mounting_fails(struct fs_mounting *m, int error, const char *format, ...) UK_PRINTF(3, 4);
int fs_mounting_no_device(struct fs_mounting *m);
/* Parts of fs_volume_mount: squashfs_mount.c, ext4_mount.c. */
int fs_squashfs_volume_mount(struct fs_mounting *m);
int fs_ext4_volume_mount(struct fs_mounting *m);
/* A UUID as text has it in the order in which GPT and the boot configuration store it. */
void fs_gpt_order(const uint8_t uuid[16], uint8_t guid[16]);
#define UK_UUID_TEXT 37 /* bytes with its NUL */
void fs_uuid_text(const uint8_t uuid[16], char text[UK_UUID_TEXT]);
/* The block device that carries a volume with this UUID, or NULL. */
struct uk_block_dev *fs_volume_find(const struct uni_config_mount *mount);

/* verity.c: the hash tree over a volume's data */
struct fs_verity;
int fs_verity_open(struct uk_block_dev *dev, const struct uni_config_mount *mount, const char *name,
		   struct fs_verity **out);
void fs_verity_close(struct fs_verity *verity);
bool fs_verity_super_is_sound(const struct uni_verity_superblock *super);
int fs_verity_super_read(struct uk_block_dev *dev, uint64_t offset,
			 struct uni_verity_superblock *out);
/* Whether the 4096 bytes are data block `block`; 0 or -UK_EIO, which was logged. */
int fs_verity_check(struct fs_verity *verity, uint64_t block, const void *data);

/* ext4*.c */
int fs_ext4_mount(struct uk_block_dev *dev, bool read_only, struct uk_super **out);

/* squashfs*.c */
int fs_squashfs_mount(struct fs_volume *volume, struct uk_super **out); /* takes the volume */

/* decode.c: decompressors, for squashfs */
enum fs_codec { FS_GZIP = 1, FS_LZ4 = 5, FS_ZSTD = 6 }; /* squashfs's numbers */
struct fs_decoder;
/* -UK_EOPNOTSUPP: an unknown codec. */
int fs_decoder_new(enum fs_codec codec, struct fs_decoder **out);
void fs_decoder_free(struct fs_decoder *decoder);
/* Bytes written, or -UK_EIO. */
int64_t fs_decode(struct fs_decoder *decoder, const void *from, size_t size, void *to, size_t room);
/* decode_gzip.c. The memory is uk_free's. */
int fs_gzip_new(void **memory);
int64_t fs_gzip_decode(void *memory, const void *from, size_t size, void *to, size_t room);

/* start.c and its parts */
/* The tree is there when this returns, or is being made by the caller. */
void fs_tree_need(void);
int fs_dev_fill(struct uk_inode *dev); /* dev.c: the other names of /dev */
#define FS_CONSOLE_RDEV 0x501
#define FS_CONSOLE_MODE 0666
struct uk_super *fs_proc_new(void);
int fs_etc_fill(struct uk_inode *etc);
void fs_hostname(char *name, size_t room);

/* Character devices by number: dev.c */
int fs_device_open(struct uk_inode *inode, struct uk_file *file);

/* pipe.c */
int fs_pipe_open(struct uk_inode *inode, struct uk_file *file);
int64_t fs_pipe_size(struct uk_file *file, bool set, uint32_t size);

/* memfd.c */
enum { FS_SEAL_SEAL = 1, FS_SEAL_SHRINK = 2, FS_SEAL_GROW = 4, FS_SEAL_WRITE = 8 };
struct uk_super *fs_memory_super(void); /* a tmpfs that is mounted nowhere; NULL: no memory */
int64_t fs_memfd_seals(struct uk_file *file, bool add, uint32_t seals);

/* event.c */
bool fs_is_eventfd(const struct uk_file *file);
void fs_eventfd_add(struct uk_file *file); /* 1, unless it is full: nobody waits */

/* tty.c */
extern const struct uk_file_ops fs_tty_ops;
void fs_tty_start(void);

/* poll.c */
/* Monotonic deadline of a timeout in the program's memory (0: UK_FOREVER). */
int fs_deadline_from_user(uint64_t user, uint64_t *deadline);
uint64_t fs_deadline_after_ms(int ms); /* negative: UK_FOREVER */

/*
 * inotify.c: telling those who watch. Any lock of a file system may be held.
 */
struct fs_entry { /* of a folder */
	const char *name;
	size_t size;
	bool folder;
};
extern uint32_t fs_watches; /* how many there are */
void fs_notify_watchers(struct uk_dentry *dentry, uint32_t mask);
void fs_notify_self(struct uk_inode *inode, uint32_t mask);
void fs_notify_entry(struct uk_inode *dir, const struct fs_entry *entry, uint32_t mask,
		     uint32_t cookie);
uint32_t fs_notify_cookie(void);		   /* joins the two ends of a rename */
void fs_notify_gone(const struct uk_super *super); /* is unmounted: its watches end */
/* Something was done to what the dentry names (UK_IN_*): to its own watchers, and to those of the
 * folder. */
static inline void fs_notify(struct uk_dentry *dentry, uint32_t mask)
{
	if (uk_unlikely(fs_watches != 0) && dentry != NULL)
		fs_notify_watchers(dentry, mask);
}

/* epoll.c */
void fs_epoll_forget(struct uk_file *file); /* the watched file goes */

#endif
