/* What the files of this suite share. */
#ifndef UNI_TEST_FS_H
#define UNI_TEST_FS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <uni/fs/fs.h>
#include <uni/fs/read.h>

void test_resolve(void **state);
void test_round_trip(void **state);
void test_same_bytes(void **state);
void test_identity(void **state);
void test_times(void **state);
void test_empty(void **state);
void test_verify(void **state);
void test_write_fails(void **state);
void test_paths(void **state);
void test_damaged(void **state);
void test_ext4_round_trip(void **state);
void test_ext4_large_folder(void **state);
void test_ext4_identity(void **state);
void test_ext4_refuses(void **state);
void test_ext4_holes(void **state);
void test_ext4_rest(void **state);
void test_ext4_far(void **state);
void test_ext4_damaged(void **state);
void test_make(void **state);
void test_make_golden(void **state);
void test_make_again(void **state);
void test_make_moves(void **state);
void test_make_too_small(void **state);
void test_make_damaged(void **state);
void test_room(void **state);
void test_room_refused(void **state);
void test_room_holes(void **state);
void test_cpio(void **state);
void test_cpio_damaged(void **state);
void test_fat_golden(void **state);
void test_fat_round_trip(void **state);
void test_fat_types(void **state);
void test_fat_aliases(void **state);
void test_fat_refused(void **state);
void test_fat_damaged(void **state);

/* A file's whole content. */
int read_all(struct uni_fs_reader *reader, const char *path, struct uni_buf *out,
	     struct uni_err *err);
/* Every path with its type and content, a line each; the error of the first that cannot be read. */
int list_all(struct uni_fs_reader *reader, const char *dir, struct uni_buf *out,
	     struct uni_err *err);

#endif
