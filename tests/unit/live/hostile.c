/* Superblocks that are wrong in every field, and those of another format. */
#include <string.h>
#include <uni/base/file.h>

#include "unit.h"

static const struct uni_live_options plain = { .time = 10, .threads = 1 };

static void put_super(const char *path, const struct uni_live_super *super)
{
	struct uni_live_super s = *super;
	UNI_AUTO_BUF struct uni_buf file = UNI_BUF_INIT;

	s.crc32c = uni_crc32c(0, &s, offsetof(struct uni_live_super, crc32c));
	assert_int_equal(uni_file_read(path, 16 << 20, &file, &live_err), 0);
	memcpy(file.data + UNI_LIVE_BLOCK, &s, sizeof(s));
	put_file(path, &file);
}

static struct uni_live_super sound_super(const char *path)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;

	assert_int_equal(uni_live_open(&live, path, false, &live_err), 0);
	return *uni_live_current(live);
}

/* Every byte with a checksum that fits: refused, or read without going out of bounds. */
void test_hostile(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("hostile");
	struct uni_live_super sound;
	unsigned refused = 0;

	(void)state;
	make_volume(path, 3, &plain);
	sound = sound_super(path);
	for (size_t at = 0; at < offsetof(struct uni_live_super, label); at++) {
		struct uni_live_super s = sound;
		struct uni_live *live = NULL;
		int rc;

		((uint8_t *)&s)[at] ^= at % 2 != 0 ? 0x01 : 0x80;
		put_super(path, &s);
		rc = uni_live_open(&live, path, false, &live_err);
		if (rc == 0)
			rc = uni_live_verify(live, uni_live_current(live), NULL, &live_err);
		refused += rc != 0;
		uni_live_free(live);
	}
	assert_true(refused > 100);
	put_super(path, &sound);
	assert_int_equal(volume_generation(path), 1);
}

/* A writer that does not know a format leaves it alone, also where an old superblock is left. */
void test_newer(void **state)
{
	UNI_AUTO_FREE char *path = scratch_path("newer");
	UNI_AUTO_FREE char *none = scratch_path("none");
	UNI_AUTO_FREE uint8_t *zeros = uni_alloc(2 << 20);
	struct uni_live *live = NULL;
	struct uni_live_super s;
	struct uni_live_made made;

	(void)state;
	make_volume(path, 3, &plain);
	s = sound_super(path);
	commit_volume(path, 4, &plain, &made);
	s.version = 2;
	s.generation = 3;
	put_super(path, &s);
	assert_int_equal(uni_live_open(&live, path, true, &live_err), UNI_E_UNSUPPORTED);
	assert_non_null(strstr(live_err.text, "newer"));
	assert_int_equal(uni_file_write(none, zeros, 2 << 20, 0600, &live_err), 0);
	assert_int_equal(uni_live_open(&live, none, false, &live_err), UNI_E_UNSUPPORTED);
	assert_int_equal(uni_file_write(none, zeros, 100, 0600, &live_err), 0);
	assert_int_equal(uni_live_open(&live, none, false, &live_err), UNI_E_UNSUPPORTED);
}
