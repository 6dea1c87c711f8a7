/* Internal: the formats that fs.c lists, and what they share. */
#ifndef UNI_FS_FORMATS_INTERNAL_H
#define UNI_FS_FORMATS_INTERNAL_H

#include <uni/fs/fs.h>

enum { FS_BLOCK = 4096 };
/* No text packs 1024 to 1; what does is holes, and a volume of a given size is not made for them.
 */
enum { SQUASH_PACKS = 1024 };

extern const struct uni_fs_format fs_squashfs;
extern const struct uni_fs_format fs_fat;
extern const struct uni_fs_format fs_ext4, fs_ext2;
extern const struct uni_fs_format fs_live;

/* Bytes of a squashfs of `tree`, placed or not, at the most. */
uint64_t squash_bound(const struct uni_tree *tree, uint32_t block_size);

/* Says that a volume of `size` bytes would do; returns err->code. */
int fs_hint_enough(uint64_t size, struct uni_err *err);

/* An empty file at `path`, readable and writable. */
int fs_create(const char *path, int *fd, struct uni_err *err);

/* Of a volume that is known by its names; `image` may be NULL. */
struct uni_uuid fs_named_uuid(const char *domain, const char *image, const char *volume);
/*
 * UUID and salt: of everything that decides the volume, and nothing of where or by which tools it
 * is made; of a writable one from names alone. result->tree is set.
 */
void fs_identity(const struct uni_fs_format *format, const struct uni_fs_options *options,
		 struct uni_fs_result *result);

/*
 * What is the same for every format: behind the file system in `fd` (readable and writable, of
 * `fs_size` bytes, padded here to FS_BLOCK) comes the hash tree where `options` ask for it; UUID,
 * salt, sizes and digests go into `result`, whose `tree` is set.
 */
int fs_finish(const struct uni_fs_format *format, const struct uni_fs_options *options, int fd,
	      uint64_t fs_size, struct uni_fs_result *result, struct uni_err *err);

#endif
