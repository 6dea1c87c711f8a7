/*
 * Volumes in memory that tests of ext4 mount, and the programs that make and judge them. What fails
 * here fails the test.
 */
#ifndef TESTS_UNIBASE_VOLUME_H
#define TESTS_UNIBASE_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uk_block_dev;
struct uk_super;

enum { VOLUME_DISK = 24 << 20, VOLUME_SMALL = 16 << 20, VOLUME_SHAPES = 5 };

extern uint8_t volume_disk[VOLUME_DISK];
extern const char *const volume_shapes[VOLUME_SHAPES]; /* options of mke2fs */
extern char volume_mounted[32];			       /* where the last one was mounted */

/* Around a group of tests. */
int volumes_start(void **unused);
int volumes_end(void **unused);

/* Of a file beside the others; the last four stay valid. */
const char *volume_path(const char *name);
void volume_put(const char *path, const void *data, size_t size);
void volume_get(const char *path, void *data, size_t size);
/* A program's exit status, and what it said. */
int volume_run(const char *const *argv);
const char *volume_words(void);

/* An empty volume with these options of mke2fs, separated by spaces. */
void volume_make(const char *options, uint8_t *disk, size_t size);
struct uk_super *volume_mount(struct uk_block_dev *dev, bool read_only);
void volume_stop(struct uk_super *super);

int volume_fsck(const char *how, const char *path);
int volume_fsck_words(const char *a, const char *b, const char *c, const char *path);
/* The volume as it lies there is sound, with nothing left to do. */
void volume_judge(const uint8_t *disk, size_t size, const char *what);

/* The same numbers from the same seed. */
void dice_start(unsigned seed);
unsigned dice(unsigned below);

#endif
