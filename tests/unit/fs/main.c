/* File systems: squashfs written and read by us, cpio read by us, FAT and ext4 both.
 */
#include <string.h>
#include <uni/base/path.h>

#include "tests.h"

static int add_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	struct uni_buf *out = user;

	(void)err;
	assert_true(out->size < 8 << 20);
	uni_buf_add(out, data, size);
	return 0;
}

int read_all(struct uni_fs_reader *reader, const char *path, struct uni_buf *out,
	     struct uni_err *err)
{
	return uni_fs_read(reader, path, add_data, out, err);
}

struct listing {
	struct uni_fs_reader *reader;
	const char *dir;
	struct uni_buf *out;
};

static int list_one(void *user, const char *name, const struct uni_fs_stat *stat,
		    struct uni_err *err)
{
	struct listing *l = user;
	UNI_AUTO_FREE char *path = uni_path_join(l->dir, name);
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	struct uni_digest digest;
	char text[UNI_DIGEST_TEXT];
	int rc = 0;

	if (stat->type == UNI_FS_TYPE_FILE)
		rc = read_all(l->reader, path, &data, err);
	else if (stat->type == UNI_FS_TYPE_LINK)
		rc = uni_fs_readlink(l->reader, path, &data, err);
	if (rc != 0)
		return rc;
	digest = uni_digest_of(uni_buf_text(&data), data.size);
	uni_digest_text(&digest, text);
	uni_buf_printf(l->out, "%c %o %s %s\n", "fdlbcps"[stat->type], stat -> mode, path, text);
	return stat->type == UNI_FS_TYPE_FOLDER ? list_all(l->reader, path, l->out, err) : 0;
}

int list_all(struct uni_fs_reader *reader, const char *dir, struct uni_buf *out,
	     struct uni_err *err)
{
	struct listing l = { .reader = reader, .dir = dir, .out = out };

	return uni_fs_list(reader, dir, list_one, &l, err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_room_refused),
		cmocka_unit_test(test_room_holes),
		cmocka_unit_test(test_cpio),
		cmocka_unit_test(test_cpio_damaged),
		cmocka_unit_test(test_fat_golden),
		cmocka_unit_test(test_fat_round_trip),
		cmocka_unit_test(test_fat_types),
		cmocka_unit_test(test_fat_aliases),
		cmocka_unit_test(test_fat_refused),
		cmocka_unit_test(test_fat_damaged),
		cmocka_unit_test(test_ext4_round_trip),
		cmocka_unit_test(test_ext4_large_folder),
		cmocka_unit_test(test_ext4_identity),
		cmocka_unit_test(test_ext4_refuses),
		cmocka_unit_test(test_ext4_holes),
		cmocka_unit_test(test_ext4_rest),
		cmocka_unit_test(test_ext4_far),
		cmocka_unit_test(test_ext4_damaged),
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_make_golden),
		cmocka_unit_test(test_make_again),
		cmocka_unit_test(test_make_moves),
		cmocka_unit_test(test_make_too_small),
		cmocka_unit_test(test_make_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
