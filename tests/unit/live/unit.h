/* What the files of this suite share. */
#ifndef UNI_TEST_LIVE_H
#define UNI_TEST_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <uni/fs/live.h>
#include <uni/tree/tree.h>

void test_crash(void **state);
void test_torn(void **state);
void test_hostile(void **state);
void test_newer(void **state);

extern struct uni_err live_err;

/* A scratch folder, removed by scratch_end. */
char *scratch_path(const char *name);
void scratch_end(void);

void put_file(const char *path, const struct uni_buf *file);
/* Some files; `seed` decides what "page" and "large" hold. */
struct uni_tree *sample_tree(unsigned seed);
/* What `super` of the volume holds: every path and its content; verified first. */
void read_volume(const char *path, bool before, struct uni_buf *out);
void make_volume(const char *path, unsigned seed, const struct uni_live_options *options);
void commit_volume(const char *path, unsigned seed, const struct uni_live_options *options,
		   struct uni_live_made *made);
uint64_t volume_generation(const char *path);

#endif
