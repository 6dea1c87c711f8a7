/*
 * The doorbell: how the host tells a running machine something, and the machine answers. It is a
 * tiny disk that the machine can write. The host knocks by a change of the device's configuration.
 * docs/live-volume.md tells all of it.
 *
 * In blocks of 512 bytes: block 0 says what the disk is; block 1 + n is the machine's answer for
 * its live volume number n; UNI_BELL_ORDER is what the host wants done, UNI_BELL_REPLY what came of
 * it. Each block is written as a whole by one side, and carries its checksum.
 */
#ifndef UNI_ABI_BELL_H
#define UNI_ABI_BELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/abi/config.h>
#include <uni/abi/crc32c.h>

/*
 * Under Xen without such a disk: what is written into this folder of the domain's own in xenstore
 * is a knock. "order" is a folder in it, whose values hold an order as those of UNI_CONFIG_XENSTORE
 * hold a configuration. The machine writes "NUMBER ERROR TEXT" to data/uni/reply, and
 * "GENERATION PINNED REFUSED REASON" of its live volume number n to data/uni/live/n.
 */
#define UNI_BELL_XENSTORE "uni"

#define UNI_BELL_MAGIC "UNIBELL" /* 8 bytes with its NUL */
#define UNI_BELL_VERSION 1u
#define UNI_BELL_BLOCK 512u
#define UNI_BELL_MOUNTS_MAX 31u
#define UNI_BELL_ORDER (1u + UNI_BELL_MOUNTS_MAX)
#define UNI_BELL_REPLY (UNI_BELL_ORDER + 1u)
#define UNI_BELL_SIZE ((UNI_BELL_REPLY + 1u) * UNI_BELL_BLOCK)

struct uni_bell_head { /* block 0, written by the host when it makes the disk */
	char magic[8];
	uint32_t version;
	uint32_t blocks; /* of answers that have room */
	uint32_t order;	 /* block of the host's order, behind it the reply's; 0: there is none */
	uint8_t reserved[492];
};

enum uni_bell_status {
	UNI_BELL_SERVING = 1, /* `generation` is mounted; nothing newer was found */
	UNI_BELL_REFUSED = 2, /* a newer one was found and is not taken: `reason` */
};

enum uni_bell_reason {
	UNI_BELL_NONE = 0,
	UNI_BELL_SIGNATURE = 1,	  /* not signed, or not by the key of the boot configuration */
	UNI_BELL_VERSION_NEW = 2, /* of a format that this reader does not know */
	UNI_BELL_OLD = 3,	  /* below the least generation that the boot configuration takes */
	UNI_BELL_CONTENT = 4,	  /* the slot is damaged, or no file system that can be mounted */
	UNI_BELL_MEMORY = 5,
};

struct uni_bell_answer {
	char magic[8]; /* UNI_BELL_MAGIC */
	uint32_t version;
	uint32_t status;       /* enum uni_bell_status */
	uint8_t uuid[16];      /* of the live volume */
	uint64_t generation;   /* that new opens see */
	uint64_t pinned;       /* the oldest generation from which a file is still open */
	uint64_t refused;      /* the generation that is not taken, or 0 */
	uint32_t reason;       /* enum uni_bell_reason */
	uint32_t knocks;       /* answers so far: another number with each */
	uint8_t root_hash[32]; /* of `generation` */
	uint8_t reserved[412];
	uint32_t crc32c; /* over all before it */
};

enum uni_bell_order_kind {
	UNI_BELL_ATTACH = 1, /* look for disks that were plugged in, mount this volume */
	UNI_BELL_DETACH = 2, /* unmount it; its disk may be unplugged then */
	UNI_BELL_FREEZE = 3, /* a writable volume is as unmounted, until UNI_BELL_THAW */
	UNI_BELL_THAW = 4,
};

#define UNI_BELL_PATH 256u	      /* with its NUL */
#define UNI_BELL_FREEZE_MAX_MS 10000u /* nobody is held up for longer */

struct uni_bell_order {
	char magic[8];
	uint32_t version;
	uint32_t kind;		       /* enum uni_bell_order_kind */
	uint64_t number;	       /* another with each order, never 0 */
	uint32_t limit_ms;	       /* FREEZE: thaws by itself after this */
	uint32_t index;		       /* ATTACH of a live volume: the number of its answers */
	struct uni_config_mount mount; /* whom it is about: uuid; ATTACH: all of it */
	char path[UNI_BELL_PATH];      /* ATTACH: where */
	uint8_t reserved[100];
	uint32_t crc32c;
};

struct uni_bell_reply {
	char magic[8];
	uint32_t version;
	uint32_t error;	 /* 0, or what Linux calls that errno */
	uint64_t number; /* the order's */
	char text[484];	 /* for people, with its NUL: why, or which files are open */
	uint32_t crc32c;
};

_Static_assert(sizeof(struct uni_bell_head) == 512, "wire format");
_Static_assert(sizeof(struct uni_bell_answer) == 512, "wire format");
_Static_assert(offsetof(struct uni_bell_answer, crc32c) == 508, "wire format");
_Static_assert(sizeof(struct uni_bell_order) == 512, "wire format");
_Static_assert(offsetof(struct uni_bell_order, crc32c) == 508, "wire format");
_Static_assert(sizeof(struct uni_bell_reply) == 512, "wire format");
_Static_assert(offsetof(struct uni_bell_reply, crc32c) == 508, "wire format");

/* Whether these 512 bytes, of any of the three kinds, are whole. */
static inline bool uni_bell_sound(const void *block)
{
	const struct uni_bell_reply *b = (const struct uni_bell_reply *)block;

	for (size_t i = 0; i < sizeof(b->magic); i++)
		if (b->magic[i] != UNI_BELL_MAGIC[i])
			return false;
	return b->version == UNI_BELL_VERSION &&
	       b->crc32c == uni_crc32c(0, b, offsetof(struct uni_bell_reply, crc32c));
}

/* Fills what all three have: to be done last. */
static inline void uni_bell_seal(void *block)
{
	struct uni_bell_reply *b = (struct uni_bell_reply *)block;

	for (size_t i = 0; i < sizeof(b->magic); i++)
		b->magic[i] = UNI_BELL_MAGIC[i];
	b->version = UNI_BELL_VERSION;
	b->crc32c = uni_crc32c(0, b, offsetof(struct uni_bell_reply, crc32c));
}

#endif
