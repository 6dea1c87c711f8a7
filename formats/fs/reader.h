/*
 * Internal: what a format gives so that its files can be read. Paths, links and limits are
 * read.c's; a format knows nodes and names in one folder.
 */
#ifndef UNI_FS_READER_INTERNAL_H
#define UNI_FS_READER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <uni/fs/read.h>

struct uni_fs_reader_ops;

/* First member of every format's reader. `fd` is borrowed, `name` owned. */
struct uni_fs_reader {
	const struct uni_fs_reader_ops *ops;
	int fd;
	uint64_t offset;
	uint64_t size;
	char *name;
};

enum { READER_HEAD = 1088 };

typedef uint64_t reader_node;
typedef int reader_each_fn(void *user, const char *name, reader_node node, struct uni_err *err);

struct uni_fs_reader_ops {
	/* Whether the first bytes (READER_HEAD at most) are of this format. */
	bool (*probe)(const uint8_t *head, size_t size);
	size_t reader_size;
	int (*open)(struct uni_fs_reader *reader, struct uni_err *err);
	void (*close)(struct uni_fs_reader *reader); /* also after open failed */
	void (*about)(const struct uni_fs_reader *reader, struct uni_fs_about *about);
	reader_node (*root)(const struct uni_fs_reader *reader);
	int (*stat)(struct uni_fs_reader *reader, reader_node node, struct uni_fs_stat *stat,
		    struct uni_err *err);
	int (*each)(struct uni_fs_reader *reader, reader_node folder, reader_each_fn *fn,
		    void *user, struct uni_err *err);
	int (*readlink)(struct uni_fs_reader *reader, reader_node link, struct uni_buf *target,
			struct uni_err *err);
	int (*read)(struct uni_fs_reader *reader, reader_node file, uni_fs_data_fn *fn, void *user,
		    struct uni_err *err);
};

extern const struct uni_fs_reader_ops reader_squashfs;
extern const struct uni_fs_reader_ops reader_cpio;
extern const struct uni_fs_reader_ops reader_fat;
extern const struct uni_fs_reader_ops reader_ext4;

/* `size` bytes at `at` of the range; UNI_E_CORRUPT when they are not inside. */
int reader_pread(const struct uni_fs_reader *reader, uint64_t at, void *data, size_t size,
		 struct uni_err *err);
int reader_corrupt(const struct uni_fs_reader *reader, const char *what, struct uni_err *err);

#endif
