/*
 * Live volumes on the host (uni/abi/live.h, docs/live-volume.md): made, replaced generation by
 * generation, looked into, checked. A crash at any moment leaves the volume at the generation
 * before or at the new one.
 *
 * Who opens for writing holds a lock on the file until it is closed: there is one writer at a time.
 * Which machines still serve from the slot that is written next is the caller's to find out, under
 * that lock (see uni_live_next_slot).
 */
#ifndef UNI_FS_LIVE_H
#define UNI_FS_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/abi/live.h>
#include <uni/base/digest.h>
#include <uni/base/event.h>
#include <uni/base/text.h>

struct uni_tree;
struct uni_fs_reader;
struct uni_live;

/* --- keys: Ed25519, as OpenSSL writes them in PEM (RFC 8410) --- */

struct uni_live_key;
/* A private key, to sign with. */
int uni_live_key_load(struct uni_live_key **key, const char *path, struct uni_err *err);
void uni_live_key_free(struct uni_live_key *key);
UNI_AUTO_DEFINE(uni_live_key)
void uni_live_key_public(const struct uni_live_key *key, uint8_t out[UNI_LIVE_KEY]);
/* The public key in a PEM file, which may hold the private one instead. */
int uni_live_public_load(const char *path, uint8_t out[UNI_LIVE_KEY], struct uni_err *err);
/* UNI_E_AUTH: not signed, or not by this key. */
int uni_live_super_verify(const struct uni_live_super *super, const uint8_t key[UNI_LIVE_KEY],
			  struct uni_err *err);

/* --- writing --- */

/* Where bytes go. NULL members write to the volume's file; a test keeps a log of them. */
struct uni_live_log {
	void (*write)(void *user, uint64_t at, const void *data, size_t size);
	void (*flush)(void *user);
	void *user;
};

/* Asked when a generation is ready and fits, before a byte of the volume is touched: machines that
 * still have the slot open are the caller's to wait for. What it returns ends the commit. */
struct uni_live_gate {
	int (*enter)(void *user, struct uni_err *err);
	void *user;
};

struct uni_live_options {
	const char *compression; /* NULL: that of the content before, else zstd */
	uint32_t level;
	uint32_t block_size;
	int64_t time;			/* seconds since 1970; made greater than the one before */
	const struct uni_live_key *key; /* NULL: not signed */
	unsigned threads;
	uint64_t bandwidth; /* bytes a second that are written, 0: as fast as it goes */
	bool replace;	    /* a new volume may take a file's place */
	bool verify_all;    /* read back the whole slot, not only what was written */
	const struct uni_live_gate *gate; /* of a commit, or NULL */
	const struct uni_live_log *log;
};

struct uni_live_made {
	uint64_t generation;
	uint64_t fs_size;
	uint64_t blocks_written; /* of 4096 bytes, into the slot, hash tree included */
	uint64_t tree_written;	 /* of these, of the hash tree */
	uint64_t blocks_cleared; /* that held something and hold nothing now */
	uint64_t blocks_kept;	 /* that were already there */
	bool unchanged;		 /* the current generation, whose content is the same */
};

/* The identity of a volume: by its name, and that of the image that it belongs to (NULL: none). */
struct uni_uuid uni_live_uuid(const char *image, const char *volume);
/* The least volume for `content` bytes in a slot. */
uint64_t uni_live_size_for(uint64_t content);
/* What a new volume is to be, its content aside. */
struct uni_live_shape {
	const char *label;
	const struct uni_uuid *uuid; /* NULL: that of the label alone */
	uint64_t size;		     /* bytes; 0: twice what the content needs */
};
/*
 * A new volume in `path` (which must not exist, but for `replace`), with generation 1. UNI_E_LIMIT
 * tells both sizes, with a hint what would do, and nothing is made then.
 */
int uni_live_create(const char *path, const struct uni_live_shape *shape,
		    const struct uni_tree *tree, const struct uni_live_options *options,
		    struct uni_live_made *made, struct uni_err *err);

/* UNI_E_BUSY when `write` and another has it open for writing; UNI_E_UNSUPPORTED when it is no live
 * volume, or of a newer format. */
int uni_live_open(struct uni_live **live, const char *path, bool write, struct uni_err *err);
void uni_live_free(struct uni_live *live);
UNI_AUTO_DEFINE(uni_live)

/* What is served now, and what is at hand to go back to: NULL when there is none. */
const struct uni_live_super *uni_live_current(const struct uni_live *live);
const struct uni_live_super *uni_live_before(const struct uni_live *live);
uint64_t uni_live_size(const struct uni_live *live);

/* The tree becomes the next generation, unless it is what the current one holds, which is then
 * left as it is (but for a signature that it does not have). What takes long, reading and packing
 * it, is done before anything of the volume is touched. Digests of the tree's contents that are
 * known save time. */
int uni_live_commit(struct uni_live *live, const struct uni_tree *tree,
		    const struct uni_live_options *options, struct uni_live_made *made,
		    struct uni_err *err);
/* The generation before, as a new one. Writes nothing but a superblock. */
int uni_live_rollback(struct uni_live *live, const struct uni_live_options *options,
		      struct uni_live_made *made, struct uni_err *err);
/* Slots of another size, for a volume of `size` bytes; no machine may use it. */
int uni_live_resize(struct uni_live *live, uint64_t size, const struct uni_live_options *options,
		    struct uni_live_made *made, struct uni_err *err);

/* --- reading --- */

/* Opens the content of a generation: `super` is one of the two above. Nothing is checked against
 * the hash tree by this. */
int uni_live_reader(const struct uni_live *live, const struct uni_live_super *super,
		    struct uni_fs_reader **reader, struct uni_err *err);
/* Hash tree and all data of a slot; with `key` its signature too. */
int uni_live_verify(const struct uni_live *live, const struct uni_live_super *super,
		    const uint8_t *key, struct uni_err *err);

#endif
