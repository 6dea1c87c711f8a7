/*
 * Generations: a superblock is voided, a slot written and read back, a superblock written, with a
 * flush between each two. The order is the format's promise (uni/abi/live.h).
 */
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/fs/fs.h>
#include <uni/fs/read.h>
#include <uni/fs/squash.h>
#include <unistd.h>

#include "formats.h"
#include "live.h"

#define SLOT_MAX (UINT64_C(64) << 30)

static uint64_t slot_offset(unsigned slot, uint64_t slot_size)
{
	return UNI_LIVE_ALIGN + slot * slot_size;
}

uint64_t uni_live_size_for(uint64_t content)
{
	uint64_t slot = (content + UNI_LIVE_ALIGN - 1) / UNI_LIVE_ALIGN * UNI_LIVE_ALIGN;

	if (slot == 0)
		slot = UNI_LIVE_ALIGN;
	while (live_data_blocks(slot) * UNI_LIVE_BLOCK < content)
		slot += UNI_LIVE_ALIGN;
	return UNI_LIVE_ALIGN + 2 * slot;
}

/* 0: too small, or too large. */
static uint64_t slot_size_of(uint64_t size)
{
	uint64_t slot = size < UNI_LIVE_ALIGN
				? 0
				: (size - UNI_LIVE_ALIGN) / 2 / UNI_LIVE_ALIGN * UNI_LIVE_ALIGN;

	return slot <= SLOT_MAX ? slot : 0;
}

int live_size_check(uint64_t size, struct uni_err *err)
{
	if (slot_size_of(size) != 0)
		return 0;
	return uni_err_set(err, UNI_E_LIMIT,
			   "a live volume of %llu bytes: the least is %llu, the most %llu",
			   (unsigned long long)size, (unsigned long long)uni_live_size_for(1),
			   (unsigned long long)(UNI_LIVE_ALIGN + 2 * SLOT_MAX));
}

/* Whether a slot takes the image; else what volume would. */
static int check_room(const struct uni_squash_image *image, uint64_t slot_size, struct uni_err *err)
{
	uint64_t needed = uni_squash_image_size(image);
	uint64_t room = live_data_blocks(slot_size) * UNI_LIVE_BLOCK;

	if (needed <= room)
		return 0;
	uni_err_set(err, UNI_E_LIMIT, "the content needs %llu bytes, and there is room for %llu",
		    (unsigned long long)needed, (unsigned long long)room);
	return fs_hint_enough(uni_live_size_for(needed), err);
}

/* --- the steps --- */

static int void_block(const struct live_io *io, unsigned block, struct uni_err *err)
{
	static const uint8_t zeros[UNI_LIVE_BLOCK];
	int rc = live_write(io, (uint64_t)block * UNI_LIVE_BLOCK, zeros, sizeof(zeros), err);

	return rc == 0 ? live_flush(io, err) : rc;
}

static int write_super(const struct live_io *io, struct uni_live_super *s,
		       const struct uni_live_options *options, struct uni_err *err)
{
	uint8_t block[UNI_LIVE_BLOCK] = { 0 };
	int rc = 0;

	s->flags &= ~(uint32_t)UNI_LIVE_SIGNED;
	memset(s->key_id, 0, sizeof(s->key_id));
	memset(s->signature, 0, sizeof(s->signature));
	if (options->key != NULL)
		rc = live_sign(s, options->key, err);
	if (rc != 0)
		return rc;
	s->crc32c = uni_crc32c(0, s, offsetof(struct uni_live_super, crc32c));
	memcpy(block, s, sizeof(*s));
	rc = live_write(io, s->generation % 2 * UNI_LIVE_BLOCK, block, sizeof(block), err);
	return rc == 0 ? live_flush(io, err) : rc;
}

/* Where the next generation goes, in slots of `slot_size`. */
static struct uni_live_super next_of(const struct uni_live_super *current, uint64_t slot_size,
				     unsigned slot, const struct uni_live_options *options)
{
	struct uni_live_super next = *current;

	next.generation++;
	next.time = options->time > current->time ? options->time : current->time + 1;
	next.slot = slot;
	next.slot_size = slot_size;
	next.slot_offset = slot_offset(slot, slot_size);
	next.data_blocks = live_data_blocks(slot_size);
	next.hash_offset = next.data_blocks * UNI_LIVE_BLOCK;
	return next;
}

/* What fills a slot: an image, or NULL: all that the current slot holds. */
struct content {
	const struct uni_squash_image *image;
	const struct uni_squash_previous *previous;
	const struct uni_live_super *kept;
};

static int fill_slot(struct live_slot *slot, const struct content *content, struct uni_err *err)
{
	const struct uni_squash_target target = { live_slot_put, live_slot_keep, slot };

	if (content->image != NULL)
		return uni_squash_emit(content->image, content->previous, &target, err);
	return live_slot_keep(slot, 0,
			      (content->kept->fs_size + UNI_LIVE_BLOCK - 1) / UNI_LIVE_BLOCK *
				      UNI_LIVE_BLOCK,
			      err);
}

static int write_generation(struct uni_live *live, struct uni_live_super *next,
			    const struct content *content, const struct uni_live_options *options,
			    struct uni_live_made *made, struct uni_err *err)
{
	struct uni_pace pace = { .rate = options->bandwidth };
	const struct live_io io = { live->fd, live->path, options->log, &pace };
	const struct uni_live_super *there = uni_live_before(live);
	UNI_AUTO(live_slot) struct live_slot *slot = NULL;
	unsigned block = next->generation % 2;
	int rc = live_slot_new(&slot, &io, next, live->sound[block] ? there : NULL, content->kept,
			       err);

	if (rc == 0)
		rc = void_block(&io, block, err);
	if (rc != 0)
		return rc;
	live->sound[block] = false;
	rc = fill_slot(slot, content, err);
	if (rc == 0)
		rc = live_slot_end(slot, next->root_hash, made, err);
	if (rc == 0)
		rc = live_flush(&io, err);
	if (rc == 0)
		rc = live_slot_check(slot, options->verify_all, err);
	if (rc == 0)
		rc = write_super(&io, next, options, err);
	if (rc != 0)
		return rc;
	live->super[block] = *next;
	live->sound[block] = true;
	made->generation = next->generation;
	made->fs_size = next->fs_size;
	return 0;
}

/* --- content --- */

static int squash_options(const struct uni_live_options *options, const char *before, int64_t time,
			  uint64_t limit, struct uni_squash_options *out, struct uni_err *err)
{
	struct uni_fs_options resolved = { .compression = options->compression,
					   .level = options->level,
					   .block_size = options->block_size,
					   .epoch = time };
	int rc;

	if (resolved.compression == NULL)
		resolved.compression = before;
	rc = uni_fs_find("squashfs")->resolve(&resolved, err);
	*out = (struct uni_squash_options){ .compression = resolved.compression,
					    .level = resolved.level,
					    .block_size = resolved.block_size,
					    .epoch = time,
					    .placed = true,
					    .limit = limit,
					    .threads = options->threads };
	return rc;
}

/*
 * The content that is there, to keep what can be kept; NULL in *previous when nothing can, as when
 * it was not written by us. What is read of it must be sound: a damaged inode would have the wrong
 * blocks kept.
 */
static int open_previous(const struct uni_live *live, const struct uni_live_super *current,
			 struct uni_squash_previous **previous, struct uni_fs_about *about,
			 struct uni_err *err)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	uint64_t start = 0;
	int rc = uni_live_reader(live, current, &reader, err);

	if (rc == 0)
		rc = uni_squash_previous_open(previous, live->fd, current->slot_offset,
					      current->data_blocks * UNI_LIVE_BLOCK, live->path,
					      err);
	if (rc == UNI_E_UNSUPPORTED)
		return 0;
	if (rc != 0)
		return rc;
	uni_fs_about(reader, about);
	start = uni_squash_previous_metadata(*previous) / UNI_LIVE_BLOCK * UNI_LIVE_BLOCK;
	rc = live_slot_sound(live->fd, current, 0, UNI_LIVE_BLOCK, live->path, err);
	if (rc == 0 && current->fs_size > start)
		rc = live_slot_sound(live->fd, current, start, current->fs_size - start, live->path,
				     err);
	return rc;
}

/* Whether the current generation is what would be written, signed as asked. */
static int is_current(const struct uni_live_super *current, const struct content *content,
		      const struct uni_live_options *options, bool *same, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint8_t key[UNI_LIVE_KEY];
	int rc = uni_squash_image_same(content->image, content->previous, same, err);

	if (rc != 0 || !*same || options->key == NULL)
		return rc;
	uni_live_key_public(options->key, key);
	*same = uni_live_super_verify(current, key, &ignored) == 0;
	return 0;
}

static int commit_image(struct uni_live *live, const struct content *content,
			const struct uni_live_options *options, struct uni_live_super *next,
			struct uni_live_made *made, struct uni_err *err)
{
	bool same = false;
	int rc = is_current(content->kept, content, options, &same, err);

	if (rc == 0 && !same && options->gate != NULL)
		rc = options->gate->enter(options->gate->user, err);
	if (rc != 0)
		return uni_err_context(err, "%s", live->path);
	if (!same)
		return write_generation(live, next, content, options, made, err);
	*made = (struct uni_live_made){ .generation = content->kept->generation,
					.fs_size = content->kept->fs_size,
					.blocks_kept = content->kept->fs_size / UNI_LIVE_BLOCK,
					.unchanged = true };
	return 0;
}

int uni_live_commit(struct uni_live *live, const struct uni_tree *tree,
		    const struct uni_live_options *options, struct uni_live_made *made,
		    struct uni_err *err)
{
	const struct uni_live_super current = *uni_live_current(live);
	struct uni_live_super next =
		next_of(&current, current.slot_size, current.slot == 0, options);
	UNI_AUTO(uni_squash_previous) struct uni_squash_previous *previous = NULL;
	UNI_AUTO(uni_squash_image) struct uni_squash_image *image = NULL;
	struct uni_fs_about about = { .compression = NULL };
	struct uni_squash_options squash;
	struct content content = { .kept = &current };
	int rc = open_previous(live, &current, &previous, &about, err);

	if (rc == 0)
		rc = squash_options(options, about.compression, next.time,
				    next.data_blocks * UNI_LIVE_BLOCK, &squash, err);
	if (rc == 0)
		rc = uni_squash_prepare(&image, tree, &squash, previous, err);
	if (rc == 0)
		rc = check_room(image, current.slot_size, err);
	if (rc != 0)
		return uni_err_context(err, "%s", live->path);
	next.fs_size = uni_squash_image_size(image);
	content.image = image;
	content.previous = previous;
	return commit_image(live, &content, options, &next, made, err);
}

int uni_live_rollback(struct uni_live *live, const struct uni_live_options *options,
		      struct uni_live_made *made, struct uni_err *err)
{
	struct uni_pace pace = { .rate = options->bandwidth };
	const struct live_io io = { live->fd, live->path, options->log, &pace };
	const struct uni_live_super *before = uni_live_before(live);
	const struct uni_live_super *current = uni_live_current(live);
	struct uni_live_super next;
	int rc;

	memset(made, 0, sizeof(*made));
	if (before == NULL)
		return uni_err_set(err, UNI_E_NOENT,
				   "%s: there is no generation before %llu to go back to",
				   live->path, (unsigned long long)current->generation);
	rc = uni_live_verify(live, before, NULL, err);
	if (rc != 0)
		return rc;
	next = *before;
	next.generation = current->generation + 1;
	next.time = options->time > current->time ? options->time : current->time + 1;
	rc = write_super(&io, &next, options, err);
	if (rc != 0)
		return rc;
	live->super[next.generation % 2] = next;
	made->generation = next.generation;
	made->fs_size = next.fs_size;
	return 0;
}

/* --- a new volume --- */

static void derive_salt(struct uni_live_super *s)
{
	struct uni_hash hash;
	struct uni_digest digest;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni live volume salt");
	uni_hash_add(&hash, s->uuid, sizeof(s->uuid));
	digest = uni_hash_end(&hash);
	memcpy(s->salt, digest.bytes, sizeof(s->salt));
	s->salt_size = sizeof(s->salt);
}

struct uni_uuid uni_live_uuid(const char *image, const char *volume)
{
	return fs_named_uuid("uni live volume", image, volume);
}

static int first_super(const struct uni_live_shape *shape, struct uni_live_super *s,
		       struct uni_err *err)
{
	const char *label = shape->label;
	struct uni_uuid uuid = shape->uuid != NULL ? *shape->uuid : uni_live_uuid(NULL, label);

	memset(s, 0, sizeof(*s));
	if (strlen(label) > sizeof(s->label))
		return uni_err_set(err, UNI_E_LIMIT, "label \"%s\": is longer than %zu bytes",
				   label, sizeof(s->label));
	memcpy(s->magic, UNI_LIVE_MAGIC, sizeof(s->magic));
	s->version = UNI_LIVE_VERSION;
	s->size = sizeof(*s);
	s->fs = UNI_FS_SQUASHFS;
	memcpy(s->uuid, uuid.bytes, sizeof(s->uuid));
	memcpy(s->label, label, strlen(label));
	derive_salt(s);
	/* What it would follow: generation 1 goes into slot 0. */
	s->slot = 1;
	s->time = -1;
	return 0;
}

static int write_first(const char *path, uint64_t size, struct uni_live_super *next,
		       const struct uni_squash_image *image, const struct uni_live_options *options,
		       struct uni_live_made *made, struct uni_err *err)
{
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	struct uni_live live = { .fd = -1 };
	const struct content content = { .image = image };
	int rc;

	rc = uni_output_open(&out, path, 0666, options->replace, err);
	if (rc != 0)
		return rc;
	live.fd = uni_outfile_fd(out);
	live.path = uni_strdup(path);
	live.size = size;
	if (ftruncate(live.fd, (off_t)size) != 0)
		rc = uni_err_errno(err, "%s", path);
	if (rc == 0)
		rc = write_generation(&live, next, &content, options, made, err);
	if (rc == 0)
		rc = uni_outfile_commit(out, true, err);
	free(live.path);
	return rc;
}

int uni_live_create(const char *path, const struct uni_live_shape *shape,
		    const struct uni_tree *tree, const struct uni_live_options *options,
		    struct uni_live_made *made, struct uni_err *err)
{
	UNI_AUTO(uni_squash_image) struct uni_squash_image *image = NULL;
	struct uni_live_super none;
	struct uni_live_super next;
	struct uni_squash_options squash;
	uint64_t size = shape->size, slot = slot_size_of(size);
	int rc = first_super(shape, &none, err);

	if (rc != 0)
		return rc;
	if (size != 0 && live_size_check(size, err) != 0)
		return err->code;
	rc = squash_options(options, NULL, options->time,
			    size != 0 ? live_data_blocks(slot) * UNI_LIVE_BLOCK : 0, &squash, err);
	if (rc == 0)
		rc = uni_squash_prepare(&image, tree, &squash, NULL, err);
	if (rc == 0 && size != 0)
		rc = check_room(image, slot, err);
	if (rc != 0)
		return rc;
	if (size == 0)
		size = uni_live_size_for(2 * uni_squash_image_size(image));
	if (live_size_check(size, err) != 0)
		return err->code;
	slot = slot_size_of(size);
	next = next_of(&none, slot, 0, options);
	next.fs_size = uni_squash_image_size(image);
	return write_first(path, UNI_LIVE_ALIGN + 2 * slot, &next, image, options, made, err);
}

/* --- another size --- */

static int move_to(struct uni_live *live, uint64_t slot_size, unsigned slot,
		   const struct uni_live_options *options, struct uni_live_made *made,
		   struct uni_err *err)
{
	const struct uni_live_super current = *uni_live_current(live);
	const struct content content = { .kept = &current };
	struct uni_live_super next = next_of(&current, slot_size, slot, options);

	return write_generation(live, &next, &content, options, made, err);
}

/*
 * The content goes into the slot of the new size that lies clear of the one it is in: the upper
 * when slots grow, the lower when they shrink. If it is in that one already it changes sides first.
 */
int uni_live_resize(struct uni_live *live, uint64_t size, const struct uni_live_options *options,
		    struct uni_live_made *made, struct uni_err *err)
{
	const struct uni_live_super *current = uni_live_current(live);
	struct uni_pace pace = { .rate = options->bandwidth };
	const struct live_io io = { live->fd, live->path, options->log, &pace };
	uint64_t slot_size = slot_size_of(size);
	bool grows = slot_size > current->slot_size;
	int rc = 0;

	memset(made, 0, sizeof(*made));
	made->generation = current->generation;
	made->fs_size = current->fs_size;
	if (live_size_check(size, err) != 0)
		return err->code;
	if (slot_size == current->slot_size)
		return 0;
	if (live_data_blocks(slot_size) * UNI_LIVE_BLOCK < current->fs_size)
		return uni_err_set(
			err, UNI_E_LIMIT,
			"%s: the content needs %llu bytes, and there would be room for "
			"%llu",
			live->path, (unsigned long long)current->fs_size,
			(unsigned long long)(live_data_blocks(slot_size) * UNI_LIVE_BLOCK));
	size = UNI_LIVE_ALIGN + 2 * slot_size;
	if ((current->slot == 1) == grows)
		rc = move_to(live, current->slot_size, current->slot == 0, options, made, err);
	if (rc == 0 && grows && ftruncate(live->fd, (off_t)size) != 0)
		rc = uni_err_errno(err, "%s", live->path);
	if (rc == 0 && grows)
		live->size = size;
	if (rc == 0)
		rc = move_to(live, slot_size, grows, options, made, err);
	/* The generation before lies in a slot of the old size, which the next one runs over. */
	if (rc == 0)
		rc = void_block(&io, (unsigned)((made->generation + 1) % 2), err);
	if (rc != 0)
		return rc;
	live->sound[(made->generation + 1) % 2] = false;
	if (!grows && ftruncate(live->fd, (off_t)size) != 0)
		return uni_err_errno(err, "%s", live->path);
	live->size = size;
	return 0;
}
