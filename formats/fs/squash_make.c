/*
 * Making a squashfs: packed in one go into a file, or prepared, placed and given out piece by
 * piece.
 */
#include <stdlib.h>
#include <string.h>
#include <uni/base/file.h>
#include <unistd.h>

#include "squash.h"
#include "squash_make.h"
#include "squash_previous.h"

enum { SLACK_PART = 32, SLACK_MIN = 64 << 10, PIECE = 1 << 20 };

static uint64_t round_up(uint64_t value)
{
	return (value + SQUASH_BLOCK_MIN - 1) / SQUASH_BLOCK_MIN * SQUASH_BLOCK_MIN;
}

static struct uni_squash_image *image_new(const struct uni_squash_options *options, int spool)
{
	struct uni_squash_image *image = uni_alloc(sizeof(*image));

	image->options = *options;
	image->spool = spool;
	return image;
}

void uni_squash_image_free(struct uni_squash_image *image)
{
	if (image == NULL)
		return;
	for (size_t i = 0; i < image->count; i++) {
		free(image->entries[i].name);
		free(image->entries[i].path);
		free(image->entries[i].target);
	}
	if (image->spool_owned)
		uni_close_fd(&image->spool);
	free(image->entries);
	free(image->extents);
	free(image->words);
	free(image->fragments);
	uni_buf_free(&image->meta);
	free(image);
}

int uni_squash_write(const struct uni_tree *tree, const struct uni_squash_options *options, int fd,
		     uint64_t *size, struct uni_err *err)
{
	UNI_AUTO(uni_squash_image) struct uni_squash_image *image = image_new(options, fd);
	int rc;

	image->at = squash_head_size(options);
	rc = squash_collect(image, tree, NULL, err);
	if (rc == 0)
		rc = squash_tables(image, image->at, err);
	if (rc == 0)
		rc = uni_pwrite_full(fd, image->meta.data, image->meta.size, image->at, "volume",
				     err);
	if (rc == 0)
		rc = uni_pwrite_full(fd, image->super, squash_head_size(options), 0, "volume", err);
	/* A content that was dropped again may have been the longest. */
	if (rc == 0 && ftruncate(fd, (off_t)image->bytes_used) != 0)
		rc = uni_err_errno(err, "volume");
	*size = image->bytes_used;
	return rc;
}

/* --- placed --- */

/*
 * Where metadata begins when there is room: where it began before, or some way behind the data, so
 * that what is added next does not move it.
 */
static uint64_t roomy_start(uint64_t data_end, const struct uni_squash_previous *previous)
{
	uint64_t slack = data_end / SLACK_PART;

	if (slack < SLACK_MIN)
		slack = SLACK_MIN;
	if (previous != NULL && previous->meta_start % SQUASH_BLOCK_MIN == 0 &&
	    previous->meta_start >= data_end && previous->meta_start - data_end <= 4 * slack)
		return previous->meta_start;
	return round_up(data_end + slack);
}

static bool fits(const struct uni_squash_image *image)
{
	return image->options.limit == 0 || uni_squash_image_size(image) <= image->options.limit;
}

/* Room as wished, else metadata right behind the data, else all of it one behind the other. */
static int lay_out(struct uni_squash_image *image, const struct uni_squash_previous *previous,
		   struct uni_err *err)
{
	uint64_t end = squash_place(image, false);
	int rc = squash_tables(image, roomy_start(end, previous), err);

	if (rc == 0 && !fits(image))
		rc = squash_tables(image, end, err);
	if (rc == 0 && !fits(image) && previous != NULL)
		rc = squash_tables(image, squash_place(image, true), err);
	return rc;
}

int uni_squash_prepare(struct uni_squash_image **out, const struct uni_tree *tree,
		       const struct uni_squash_options *options,
		       const struct uni_squash_previous *previous, struct uni_err *err)
{
	UNI_AUTO(uni_squash_image) struct uni_squash_image *image = image_new(options, -1);
	int rc = 0;

	image->options.placed = true;
	rc = squash_collect(image, tree, previous, err);
	if (rc == 0)
		rc = lay_out(image, previous, err);
	if (rc != 0)
		return rc;
	*out = image;
	image = NULL;
	return 0;
}

uint64_t uni_squash_image_size(const struct uni_squash_image *image)
{
	return image->meta_start + image->meta.size;
}

/* Whether [at, at + size) of the image before is `data`. */
static int same_bytes(const struct uni_squash_previous *previous, uint64_t at, const void *data,
		      size_t size, bool *same, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *there = uni_alloc(size);
	int rc = uni_pread_full(previous->fd, there, size, previous->offset + at, "volume", err);

	*same = rc == 0 && memcmp(there, data, size) == 0;
	return rc;
}

int uni_squash_image_same(const struct uni_squash_image *image,
			  const struct uni_squash_previous *previous, bool *same,
			  struct uni_err *err)
{
	struct squash_super super;
	int rc;

	*same = false;
	if (previous == NULL || image->meta_start != previous->meta_start)
		return 0;
	for (size_t i = 0; i < image->extent_count; i++) {
		const struct squash_extent *e = &image->extents[i];

		if (e->size != 0 && !(e->previous && e->from == e->to))
			return 0;
	}
	rc = uni_pread_full(previous->fd, &super, sizeof(super), previous->offset, "volume", err);
	if (rc != 0)
		return rc;
	super.mkfs_time = (uint32_t)image->options.epoch;
	if (memcmp(&super, image->super, sizeof(super)) != 0)
		return 0;
	return same_bytes(previous, image->meta_start, image->meta.data, image->meta.size, same,
			  err);
}

static int compare_to(const void *a, const void *b)
{
	const struct squash_extent *x = *(const struct squash_extent *const *)a;
	const struct squash_extent *y = *(const struct squash_extent *const *)b;

	return x->to < y->to ? -1 : x->to > y->to;
}

static int emit_extent(const struct uni_squash_image *image,
		       const struct uni_squash_previous *previous, const struct squash_extent *e,
		       const struct uni_squash_target *target, uint8_t *piece, struct uni_err *err)
{
	int fd = e->previous ? previous->fd : image->spool;
	uint64_t from = e->previous ? previous->offset + e->from : e->from;

	if (e->previous && e->to == e->from)
		return target->keep(target->user, e->to, round_up(e->size), err);
	for (uint64_t done = 0; done < e->size; done += PIECE) {
		size_t part = e->size - done < PIECE ? (size_t)(e->size - done) : PIECE;
		size_t whole = (size_t)round_up(part);
		int rc;

		memset(piece + part, 0, whole - part);
		rc = uni_pread_full(fd, piece, part, from + done, "volume", err);
		if (rc == 0)
			rc = target->put(target->user, e->to + done, piece, whole, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int uni_squash_emit(const struct uni_squash_image *image,
		    const struct uni_squash_previous *previous,
		    const struct uni_squash_target *target, struct uni_err *err)
{
	UNI_AUTO_FREE const struct squash_extent **order =
		uni_alloc_array(image->extent_count + 1, sizeof(const struct squash_extent *));
	UNI_AUTO_FREE uint8_t *piece = uni_alloc(PIECE);
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < image->extent_count; i++)
		if (image->extents[i].size != 0)
			order[count++] = &image->extents[i];
	qsort((void *)order, count, sizeof(struct squash_extent *), compare_to);
	memcpy(piece, image->super, sizeof(image->super));
	rc = target->put(target->user, 0, piece, SQUASH_BLOCK_MIN, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = emit_extent(image, previous, order[i], target, piece, err);
	if (rc == 0)
		rc = target->put(target->user, image->meta_start, image->meta.data,
				 image->meta.size, err);
	return rc;
}
