/*
 * Files put into an ext4 without a kernel: into a copy of the volume, which shares its blocks where
 * the host's file system can, and then takes its place. libext2fs does the work; it is loaded with
 * the first volume.
 */
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/fs/edit.h>
#include <uni/tree/tree.h>
#include <unistd.h>

/* The bytes of a disk's file that QEMU locks to say what it does with it. */
enum { LOCKS_AT = 100, LOCKS_SIZE = 200 };

#define FUNCTIONS(X)                                                                               \
	X(ext2fs_open)                                                                             \
	X(ext2fs_close_free)                                                                       \
	X(ext2fs_read_bitmaps)                                                                     \
	X(ext2fs_namei)                                                                            \
	X(ext2fs_lookup)                                                                           \
	X(ext2fs_mkdir)                                                                            \
	X(ext2fs_expand_dir)                                                                       \
	X(ext2fs_symlink)                                                                          \
	X(ext2fs_link)                                                                             \
	X(ext2fs_unlink)                                                                           \
	X(ext2fs_new_inode)                                                                        \
	X(ext2fs_inode_alloc_stats2)                                                               \
	X(ext2fs_read_inode)                                                                       \
	X(ext2fs_write_inode)                                                                      \
	X(ext2fs_write_new_inode)                                                                  \
	X(ext2fs_extent_open2)                                                                     \
	X(ext2fs_extent_free)                                                                      \
	X(ext2fs_free_ext_attr)                                                                    \
	X(ext2fs_punch)                                                                            \
	X(ext2fs_file_open)                                                                        \
	X(ext2fs_file_write)                                                                       \
	X(ext2fs_file_llseek)                                                                      \
	X(ext2fs_file_set_size2)                                                                   \
	X(ext2fs_file_close)                                                                       \
	X(ext2fs_free_blocks_count)                                                                \
	X(unix_io_manager)

#define FIELD(name) __typeof__(&name) name;
#define NAME(name) #name,

static struct {
	FUNCTIONS(FIELD)
} lib;
static const char *const names[] = { FUNCTIONS(NAME) };

struct edit {
	ext2_filsys fs;
	const char *name; /* of the volume, for messages */
	const char *inside;
	const struct uni_tree *tree;
	int64_t time;
};

static int failed(const struct edit *e, const char *path, errcode_t code, struct uni_err *err)
{
	if (code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL)
		return uni_err_set(err, UNI_E_NOSPACE, "%s: there is no room for %s", e->name,
				   path);
	return uni_err_set(err, UNI_E_IO, "%s: %s: libext2fs says %ld", e->name, path, (long)code);
}

/* --- names --- */

/* The folder that a path lies in, and its last name. */
static int find_parent(const struct edit *e, const char *path, ext2_ino_t *parent,
		       const char **last, struct uni_err *err)
{
	UNI_AUTO_FREE char *folder = uni_path_dir(path);
	errcode_t code = lib.ext2fs_namei(e->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, folder, parent);

	*last = uni_path_base(path);
	return code != 0 ? failed(e, folder, code, err) : 0;
}

/* 0: there is none. */
static ext2_ino_t find_name(const struct edit *e, ext2_ino_t parent, const char *name)
{
	ext2_ino_t found = 0;

	return lib.ext2fs_lookup(e->fs, parent, name, (int)strlen(name), NULL, &found) == 0 ? found
											    : 0;
}

static errcode_t add_name(const struct edit *e, ext2_ino_t parent, const char *name, ext2_ino_t ino)
{
	errcode_t code = lib.ext2fs_link(e->fs, parent, name, ino, EXT2_FT_REG_FILE);

	if (code == EXT2_ET_DIR_NO_SPACE) {
		code = lib.ext2fs_expand_dir(e->fs, parent);
		if (code == 0)
			code = lib.ext2fs_link(e->fs, parent, name, ino, EXT2_FT_REG_FILE);
	}
	return code;
}

/* What an inode without names holds: a block of attributes, which counts among its blocks, first.
 */
static errcode_t empty_inode(const struct edit *e, ext2_ino_t ino, struct ext2_inode *inode)
{
	errcode_t code = lib.ext2fs_free_ext_attr(e->fs, ino, NULL);

	if (code == 0)
		code = lib.ext2fs_read_inode(e->fs, ino, inode);
	/* A short link's target lies where a file's blocks are listed. */
	if (code == 0 && (!LINUX_S_ISLNK(inode->i_mode) || inode->i_blocks != 0))
		code = lib.ext2fs_punch(e->fs, ino, inode, NULL, 0, ~UINT64_C(0));
	return code;
}

/* A file or link goes, and with its last name what it holds. */
static int remove_name(const struct edit *e, ext2_ino_t parent, const char *name, ext2_ino_t ino,
		       const char *path, struct uni_err *err)
{
	struct ext2_inode inode;
	errcode_t code = lib.ext2fs_read_inode(e->fs, ino, &inode);

	if (code == 0 && LINUX_S_ISDIR(inode.i_mode))
		return uni_err_set(err, UNI_E_EXIST, "%s: %s is a folder", e->name, path);
	if (code == 0)
		code = lib.ext2fs_unlink(e->fs, parent, name, ino, 0);
	if (code == 0 && inode.i_links_count == 1) {
		code = empty_inode(e, ino, &inode);
		inode.i_dtime = (uint32_t)e->time;
		lib.ext2fs_inode_alloc_stats2(e->fs, ino, -1, 0);
	}
	inode.i_links_count--;
	if (code == 0)
		code = lib.ext2fs_write_inode(e->fs, ino, &inode);
	return code != 0 ? failed(e, path, code, err) : 0;
}

static errcode_t set_meta(const struct edit *e, ext2_ino_t ino, uint32_t mode)
{
	struct ext2_inode inode;
	errcode_t code = lib.ext2fs_read_inode(e->fs, ino, &inode);

	inode.i_mode = (uint16_t)((inode.i_mode & LINUX_S_IFMT) | mode);
	inode.i_atime = inode.i_ctime = inode.i_mtime = (uint32_t)e->time;
	return code == 0 ? lib.ext2fs_write_inode(e->fs, ino, &inode) : code;
}

/* --- what is made --- */

static int put_dir(const struct edit *e, const char *path, uint32_t mode, struct uni_err *err)
{
	struct ext2_inode inode;
	ext2_ino_t parent, ino;
	const char *name;
	errcode_t code;

	if (strcmp(path, "/") == 0)
		return 0;
	if (find_parent(e, path, &parent, &name, err) != 0)
		return err->code;
	ino = find_name(e, parent, name);
	if (ino != 0) {
		code = lib.ext2fs_read_inode(e->fs, ino, &inode);
		if (code == 0 && !LINUX_S_ISDIR(inode.i_mode))
			return uni_err_set(err, UNI_E_EXIST, "%s: %s is no folder", e->name, path);
		return code != 0 ? failed(e, path, code, err) : 0;
	}
	code = lib.ext2fs_mkdir(e->fs, parent, 0, name);
	if (code == EXT2_ET_DIR_NO_SPACE) {
		code = lib.ext2fs_expand_dir(e->fs, parent);
		if (code == 0)
			code = lib.ext2fs_mkdir(e->fs, parent, 0, name);
	}
	if (code == 0)
		code = set_meta(e, find_name(e, parent, name), mode);
	return code != 0 ? failed(e, path, code, err) : 0;
}

static int put_link(const struct edit *e, const char *path, const char *target, struct uni_err *err)
{
	ext2_ino_t parent, ino;
	const char *name;
	errcode_t code;

	if (find_parent(e, path, &parent, &name, err) != 0)
		return err->code;
	ino = find_name(e, parent, name);
	if (ino != 0 && remove_name(e, parent, name, ino, path, err) != 0)
		return err->code;
	code = lib.ext2fs_symlink(e->fs, parent, 0, name, target);
	if (code == EXT2_ET_DIR_NO_SPACE) {
		code = lib.ext2fs_expand_dir(e->fs, parent);
		if (code == 0)
			code = lib.ext2fs_symlink(e->fs, parent, 0, name, target);
	}
	return code != 0 ? failed(e, path, code, err) : 0;
}

/* An inode of its own, empty. */
static errcode_t new_file(const struct edit *e, ext2_ino_t parent, uint32_t mode, ext2_ino_t *ino)
{
	struct ext2_inode inode = { .i_mode = (uint16_t)(LINUX_S_IFREG | mode),
				    .i_links_count = 1 };
	ext2_extent_handle_t handle;
	errcode_t code = lib.ext2fs_new_inode(e->fs, parent, inode.i_mode, NULL, ino);

	if (code != 0)
		return code;
	inode.i_atime = inode.i_ctime = inode.i_mtime = (uint32_t)e->time;
	lib.ext2fs_inode_alloc_stats2(e->fs, *ino, 1, 0);
	code = lib.ext2fs_write_new_inode(e->fs, *ino, &inode);
	if (code != 0 || !ext2fs_has_feature_extents(e->fs->super))
		return code;
	inode.i_flags |= EXT4_EXTENTS_FL;
	code = lib.ext2fs_extent_open2(e->fs, *ino, &inode, &handle);
	if (code != 0)
		return code;
	lib.ext2fs_extent_free(handle);
	return lib.ext2fs_write_inode(e->fs, *ino, &inode);
}

struct filling {
	const struct edit *e;
	const char *path;
	ext2_file_t file;
};

static int skip_hole(void *user, uint64_t size, struct uni_err *err)
{
	const struct filling *f = user;
	errcode_t code = lib.ext2fs_file_llseek(f->file, size, EXT2_SEEK_CUR, NULL);

	return code != 0 ? failed(f->e, f->path, code, err) : 0;
}

static int fill_piece(void *user, const void *data, size_t size, struct uni_err *err)
{
	const struct filling *f = user;
	const char *from = data;

	while (size != 0) {
		unsigned part = size < UINT32_MAX / 2 ? (unsigned)size : UINT32_MAX / 2;
		unsigned written = 0;
		errcode_t code = lib.ext2fs_file_write(f->file, from, part, &written);

		if (code != 0 || written == 0)
			return failed(f->e, f->path, code, err);
		from += written;
		size -= written;
	}
	return uni_check_cancel(err);
}

static int put_file(const struct edit *e, const struct uni_tree_entry *entry, const char *path,
		    struct uni_err *err)
{
	struct filling filling = { .e = e, .path = path };
	ext2_ino_t parent, old, ino = 0;
	const char *name;
	errcode_t code;
	int rc;

	if (find_parent(e, path, &parent, &name, err) != 0)
		return err->code;
	old = find_name(e, parent, name);
	if (old != 0 && remove_name(e, parent, name, old, path, err) != 0)
		return err->code;
	code = new_file(e, parent, entry->meta.mode & 07777, &ino);
	if (code == 0)
		code = add_name(e, parent, name, ino);
	if (code == 0)
		code = lib.ext2fs_file_open(e->fs, ino, EXT2_FILE_WRITE, &filling.file);
	if (code != 0)
		return failed(e, path, code, err);
	rc = uni_tree_content_sparse(e->tree, entry, fill_piece, skip_hole, &filling, err);
	/* A hole at its end was not written. */
	code = rc == 0 ? lib.ext2fs_file_set_size2(filling.file, (ext2_off64_t)entry->meta.size)
		       : 0;
	if (code != 0)
		rc = failed(e, path, code, err);
	code = lib.ext2fs_file_close(filling.file);
	return rc == 0 && code != 0 ? failed(e, path, code, err) : rc;
}

static int put_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	const struct edit *e = user;
	UNI_AUTO_FREE char *path = strcmp(entry->meta.path, ".") == 0
					   ? uni_strdup(e->inside)
					   : uni_path_join(e->inside, entry->meta.path);

	switch (entry->meta.type) {
	case UNI_ENTRY_DIR:
		return put_dir(e, path, entry->meta.mode & 07777, err);
	case UNI_ENTRY_SYMLINK:
		return put_link(e, path, entry->meta.target, err);
	case UNI_ENTRY_FILE:
		return put_file(e, entry, path, err);
	case UNI_ENTRY_HARDLINK:
	case UNI_ENTRY_CHAR:
	case UNI_ENTRY_BLOCK:
	case UNI_ENTRY_FIFO:
		break;
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no file, folder or link", path);
}

/* --- the volume --- */

/* Nobody may have it, nor get it until it was replaced. */
static int take(const char *path, int *fd, struct uni_err *err)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCKS_AT, .l_len = LOCKS_SIZE
	};

	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return uni_err_errno(err, "%s", path);
	if (fcntl(*fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return uni_err_errno(err, "%s", path);
	uni_err_set(err, UNI_E_BUSY, "%s: a machine has it", path);
	return uni_err_hint(err,
			    "stop it first; a live volume takes content while machines serve it");
}

/* With its owner, where we may give files away. */
static int copy_whole(const char *path, int from, int to, struct uni_err *err)
{
	struct stat st;

	if (fstat(from, &st) != 0 || ftruncate(to, st.st_size) != 0)
		return uni_err_errno(err, "%s", path);
	if (fchown(to, st.st_uid, st.st_gid) != 0 && errno != EPERM)
		return uni_err_errno(err, "%s", path);
	if (fchmod(to, st.st_mode) != 0)
		return uni_err_errno(err, "%s", path);
	if (uni_copy_range(from, 0, to, 0, (uint64_t)st.st_size, err) != 0)
		return uni_err_context(err, "%s", path);
	return 0;
}

static int check_volume(const struct edit *e, struct uni_err *err)
{
	uint64_t room = lib.ext2fs_free_blocks_count(e->fs->super) * e->fs->blocksize;
	bool exceeds = false;

	if (ext2fs_has_feature_journal_needs_recovery(e->fs->super)) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "%s: its journal is to be replayed", e->name);
		return uni_err_hint(err, "a start of its machine does that, or e2fsck");
	}
	if (uni_tree_data_exceeds(e->tree, room, &exceeds, err) != 0)
		return err->code;
	if (exceeds)
		return uni_err_set(err, UNI_E_LIMIT,
				   "%s: the content needs %llu bytes, and there is room for %llu",
				   e->name, (unsigned long long)uni_tree_bytes(e->tree),
				   (unsigned long long)room);
	return 0;
}

/* The folders above, with the modes that folders have. */
static int make_folders(const struct edit *e, struct uni_err *err)
{
	for (const char *end = e->inside; *end != '\0';) {
		UNI_AUTO_FREE char *part = NULL;

		end += strspn(end, "/");
		end += strcspn(end, "/");
		part = uni_strndup(e->inside, (size_t)(end - e->inside));
		if (part[0] != '\0' && put_dir(e, part, 0755, err) != 0)
			return err->code;
	}
	return 0;
}

static int edit(struct edit *e, const char *copy, struct uni_err *err)
{
	errcode_t code, closed;
	int rc;

	code = lib.ext2fs_open(copy, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, *lib.unix_io_manager,
			       &e->fs);
	if (code != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no ext4 (libext2fs says %ld)",
				   e->name, (long)code);
	e->fs->now = (time_t)e->time;
	rc = check_volume(e, err);
	if (rc == 0 && (code = lib.ext2fs_read_bitmaps(e->fs)) != 0)
		rc = failed(e, "bitmaps", code, err);
	if (rc == 0)
		rc = make_folders(e, err);
	if (rc == 0)
		rc = uni_tree_each(e->tree, put_entry, e, err);
	closed = lib.ext2fs_close_free(&e->fs);
	return rc == 0 && closed != 0 ? failed(e, "/", closed, err) : rc;
}

int uni_ext4_put(const char *path, const char *inside, const struct uni_tree *tree, int64_t time,
		 struct uni_err *err)
{
	struct edit e = { .name = path, .inside = inside, .tree = tree, .time = time };
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	UNI_AUTO_CLOSE int fd = -1;
	char real[PATH_MAX];
	int rc = uni_lazy_load("libext2fs.so.2", names, UNI_COUNT(names), &lib, err);

	/* The volume is replaced, not a link that leads to it. */
	if (rc == 0 && realpath(path, real) == NULL)
		rc = uni_err_errno(err, "%s", path);
	if (rc == 0)
		rc = take(path, &fd, err);
	if (rc == 0)
		rc = uni_outfile_open(&out, real, 0600, err);
	if (rc == 0)
		rc = copy_whole(path, fd, uni_outfile_fd(out), err);
	if (rc == 0)
		rc = edit(&e, uni_outfile_tmp(out), err);
	return rc == 0 ? uni_outfile_commit(out, true, err) : rc;
}
