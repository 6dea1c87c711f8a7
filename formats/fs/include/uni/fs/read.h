/*
 * Reading files out of a volume or an archive without mounting it: squashfs 4.0 (gzip, lz4, xz,
 * zstd), FAT, ext2 to ext4, and cpio newc. Everything read is taken for hostile: sizes are bounded,
 * loops end, damage is UNI_E_CORRUPT.
 */
#ifndef UNI_FS_READ_H
#define UNI_FS_READ_H

#include <stdint.h>
#include <uni/base/text.h>

struct uni_fs_reader;

enum uni_fs_type {
	UNI_FS_TYPE_FILE,
	UNI_FS_TYPE_FOLDER,
	UNI_FS_TYPE_LINK,
	UNI_FS_TYPE_BLOCK,
	UNI_FS_TYPE_CHAR,
	UNI_FS_TYPE_FIFO,
	UNI_FS_TYPE_SOCKET,
};

struct uni_fs_stat {
	enum uni_fs_type type;
	uint32_t mode; /* permission bits only */
	uint32_t uid;
	uint32_t gid;
	uint64_t size; /* bytes of a file, or of a link's target */
	int64_t mtime;
	uint32_t device; /* BLOCK and CHAR, as Linux encodes it */
};

/* What the whole is, for people. */
struct uni_fs_about {
	const char *format;	 /* "squashfs", "FAT12", "ext4", "cpio" */
	const char *compression; /* "zstd", ...; NULL without */
	uint32_t block_size;
	uint64_t used; /* bytes that belong to the file system */
	uint64_t inodes;
	int64_t mtime;
};

/*
 * Looks at what is in [offset, offset + size) of `fd` and opens it. `fd` is borrowed and must
 * outlive the reader; `name` is for messages. UNI_E_UNSUPPORTED when it is no format that we read.
 */
int uni_fs_open(struct uni_fs_reader **out, int fd, uint64_t offset, uint64_t size,
		const char *name, struct uni_err *err);
void uni_fs_reader_free(struct uni_fs_reader *reader);
UNI_AUTO_DEFINE(uni_fs_reader)
void uni_fs_about(const struct uni_fs_reader *reader, struct uni_fs_about *about);

/* Paths are absolute or relative to the root ("/a/b", "a/b", "/"); links are not followed, except
 * by uni_fs_read and uni_fs_list, within the volume and at most 40 of them. */
int uni_fs_stat(struct uni_fs_reader *reader, const char *path, struct uni_fs_stat *stat,
		struct uni_err *err);
int uni_fs_readlink(struct uni_fs_reader *reader, const char *path, struct uni_buf *target,
		    struct uni_err *err);
typedef int uni_fs_list_fn(void *user, const char *name, const struct uni_fs_stat *stat,
			   struct uni_err *err);
/* Every entry of a folder, sorted by bytes. A negative return of `fn` ends it and is returned. */
int uni_fs_list(struct uni_fs_reader *reader, const char *path, uni_fs_list_fn *fn, void *user,
		struct uni_err *err);
typedef int uni_fs_data_fn(void *user, const void *data, size_t size, struct uni_err *err);
/* A file's content in pieces, from its start. */
int uni_fs_read(struct uni_fs_reader *reader, const char *path, uni_fs_data_fn *fn, void *user,
		struct uni_err *err);

#endif
