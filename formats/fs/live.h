/* Internal: what the files about live volumes share. */
#ifndef UNI_FS_LIVE_INTERNAL_H
#define UNI_FS_LIVE_INTERNAL_H

#include <uni/abi/config.h>
#include <uni/base/pace.h>
#include <uni/fs/live.h>

struct uni_live {
	char *path;
	int fd;
	uint64_t size;
	bool writable;
	struct uni_live_super super[2]; /* by block */
	bool sound[2];
};

/* live_write.c */
/* UNI_E_LIMIT where no live volume is so small, or so large. */
int live_size_check(uint64_t size, struct uni_err *err);

/* live_key.c */
int live_sign(struct uni_live_super *super, const struct uni_live_key *key, struct uni_err *err);

/* live_io.c: writes that are told to the log as well */
struct live_io {
	int fd;
	const char *name;
	const struct uni_live_log *log;
	struct uni_pace *pace;
};
int live_write(const struct live_io *io, uint64_t at, const void *data, size_t size,
	       struct uni_err *err);
int live_zero(const struct live_io *io, uint64_t at, uint64_t size, struct uni_err *err);
int live_flush(const struct live_io *io, struct uni_err *err);

/* live_slot.c: a slot's hash tree in memory, and the blocks that differ */
struct live_slot;
/* Blocks under the tree of a slot of this size. */
uint64_t live_data_blocks(uint64_t slot_size);
/*
 * Begins to write the slot that `next` describes (offset, sizes, salt, UUID). `there` is what the
 * slot holds now by a sound superblock, or NULL: then it is read. `kept` is the slot that blocks
 * can be kept from, or NULL.
 */
int live_slot_new(struct live_slot **slot, const struct live_io *io,
		  const struct uni_live_super *next, const struct uni_live_super *there,
		  const struct uni_live_super *kept, struct uni_err *err);
void live_slot_free(struct live_slot *slot);
UNI_AUTO_DEFINE(live_slot)
/* As uni_squash_target has them; `user` is the slot. */
int live_slot_put(void *user, uint64_t at, const void *data, size_t size, struct uni_err *err);
int live_slot_keep(void *user, uint64_t at, uint64_t size, struct uni_err *err);
/* The rest is zeros; then the tree. */
int live_slot_end(struct live_slot *slot, uint8_t root[32], struct uni_live_made *made,
		  struct uni_err *err);
/* Reads back what was written, past the page cache where that can be, and checks it. */
int live_slot_check(struct live_slot *slot, bool all, struct uni_err *err);
/* Checks [at, at + size) of the slot `super` describes against its tree. */
int live_slot_sound(int fd, const struct uni_live_super *super, uint64_t at, uint64_t size,
		    const char *name, struct uni_err *err);

/* live_open.c */
int live_read_supers(struct uni_live *live, struct uni_err *err);

#endif
