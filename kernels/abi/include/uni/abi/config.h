/*
 * The boot configuration: one versioned, bounded, checksummed record that tells a kernel what to
 * run and what to mount. It is a part of the bootable ELF; entries that the image marks as runtime
 * may be given again at start (on QEMU by the fw_cfg file UNI_CONFIG_FWCFG), as a record of the
 * same form.
 *
 * Layout: a header, then entries, each on 8 bytes: type, flags, size, data. Little endian. Strings
 * are UTF-8 without NUL inside or at the end. Entries keep their order; ARG and ENV repeat. A
 * reader refuses a record whose version it does not know, and an entry of unknown type unless it is
 * flagged UNI_CONFIG_OPTIONAL.
 */
#ifndef UNI_ABI_CONFIG_H
#define UNI_ABI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/abi/crc32c.h>

#define UNI_CONFIG_MAGIC "UNICFG1" /* 8 bytes with its NUL */
#define UNI_CONFIG_VERSION 1
#define UNI_CONFIG_MAX (1u << 20) /* bytes of a whole record */
#define UNI_CONFIG_PATH_MAX 255	  /* bytes of any path in it */
#define UNI_CONFIG_FWCFG "opt/org.uni/config"
/* Elsewhere in SMBIOS: OEM strings (type 11) of this, a colon and hexadecimal digits of lower case,
 * whose bytes in the strings' order are the record. */
#define UNI_CONFIG_SMBIOS "org.uni.config"
/* Under Xen: a folder in the domain's own in xenstore, whose values 0, 1, ... hold the record's
 * bytes in hexadecimal digits of lower case, 4096 of them in each but the last. */
#define UNI_CONFIG_XENSTORE "uni/config"

struct uni_config_header {
	char magic[8];
	uint32_t version;
	uint32_t size;	 /* whole record with this header, a multiple of 8 */
	uint32_t crc32c; /* over the whole record with this field 0 */
	uint32_t flags;	 /* 0 */
};

enum uni_config_type {
	UNI_CONFIG_ARG = 1, /* string; the first is argv[0] */
	UNI_CONFIG_ENV = 2, /* string "NAME=VALUE" */
	UNI_CONFIG_PROGRAM =
		3,	    /* string: absolute path at which the program part appears as a file */
	UNI_CONFIG_CWD = 4, /* string: absolute path */
	UNI_CONFIG_HOSTNAME = 5,  /* string */
	UNI_CONFIG_HOST = 6,	  /* string: a line of /etc/hosts, "ADDRESS NAME [NAME...]" */
	UNI_CONFIG_RESOLVER = 7,  /* string: address of a name server */
	UNI_CONFIG_MOUNT = 8,	  /* struct uni_config_mount and the path */
	UNI_CONFIG_NETWORK = 9,	  /* string: "dhcp", "none", or "ADDRESS/PREFIX[,GATEWAY]" (IPv4 or
				     IPv6); repeats */
	UNI_CONFIG_LIMIT = 10,	  /* struct uni_config_limit; repeats */
	UNI_CONFIG_ON_EXIT = 11,  /* uint32_t: enum uni_config_action */
	UNI_CONFIG_ON_FAULT = 12, /* uint32_t: enum uni_config_action */
	UNI_CONFIG_EPOCH = 13, /* int64_t: seconds since 1970, time of files the kernel makes before
				  it has a clock */
	UNI_CONFIG_LOG_LEVEL = 14, /* uint32_t: 0 errors, 1 warnings, 2 notices, 3 debug */
	UNI_CONFIG_TRACE = 15,	   /* uint32_t: 1 prints every system call to the console */
	UNI_CONFIG_RUNTIME = 16,   /* uint32_t[]: the types that may be given again at start */
	UNI_CONFIG_GRACE = 17,	   /* uint32_t: milliseconds between SIGTERM and power off */
	UNI_CONFIG_FILE = 18, /* struct uni_config_file, name, path and content; repeats. In the
				 image: a file that may be given at start, without content */
	UNI_CONFIG_TIME_SERVER = 19, /* string: address of an SNTP server; repeats */
	UNI_CONFIG_SYSLOG = 20,	     /* string: address of a host that takes the log (RFC 5426) */
	UNI_CONFIG_JIT = 21,   /* uint32_t: 1 lets the program have memory that is writable and
				  executable at once. Never given at start. */
	UNI_CONFIG_USER = 22,  /* uint32_t: whom the program is; 0 where it is not given */
	UNI_CONFIG_GROUP = 23, /* uint32_t: its group */
	UNI_CONFIG_LAST = UNI_CONFIG_GROUP,
};

enum { UNI_CONFIG_OPTIONAL = 1 }; /* entry flag: a reader that does not know the type skips it */

enum uni_config_action { UNI_ACTION_OFF = 0, UNI_ACTION_REBOOT = 1, UNI_ACTION_RESTART = 2 };

enum uni_config_fs {
	UNI_FS_SQUASHFS = 1,
	UNI_FS_EXT4 = 2,
	UNI_FS_LIVE = 3,
	UNI_FS_TMPFS = 4,
};

enum {
	UNI_MOUNT_READ_ONLY = 1,
	UNI_MOUNT_VERITY = 2, /* data_blocks, hash_offset, root_hash and salt hold */
	UNI_MOUNT_SIGNED = 4, /* of UNI_FS_LIVE: root_hash is the Ed25519 public key by which each
				 generation must be signed */
};

struct uni_config_mount {
	uint8_t uuid[16]; /* of the volume: its partition's GUID as in GPT on disk, or its verity
			     UUID */
	uint32_t fs;	  /* enum uni_config_fs */
	uint32_t flags;	  /* UNI_MOUNT_* */
	uint64_t data_blocks;  /* 4096-byte blocks under the hash tree; of UNI_FS_LIVE: the least
				  generation that is taken */
	uint64_t hash_offset;  /* bytes from the volume's start to the verity superblock */
	uint64_t size;	       /* bytes: of the volume; for tmpfs its limit, 0 for half of memory */
	uint32_t salt_size;    /* 0 to 32 */
	uint32_t path_size;    /* bytes of the path that follows */
	uint8_t root_hash[32]; /* SHA-256 */
	uint8_t salt[32];
	/* char path[path_size]: absolute */
};

enum uni_config_limit_kind { UNI_LIMIT_OPEN_FILES = 1, UNI_LIMIT_STACK = 2, UNI_LIMIT_MEMORY = 3 };

struct uni_config_limit {
	uint32_t kind;
	uint32_t reserved;
	uint64_t value;
};

enum {
	UNI_FILE_SECRET = 1,
	UNI_FILE_REQUIRED = 2, /* the machine does not start without it */
};

struct uni_config_file {
	uint32_t flags; /* UNI_FILE_*; these and the mode are what the image says */
	uint32_t mode;	/* permission bits */
	uint32_t name_size;
	uint32_t path_size;
	/* char name[name_size], path[path_size]: absolute; then the content */
};

struct uni_config_entry {
	uint16_t type;
	uint16_t flags;
	uint32_t size; /* of the data that follows; padded to 8 with zeros */
};

_Static_assert(sizeof(struct uni_config_header) == 24, "wire format");
_Static_assert(sizeof(struct uni_config_entry) == 8, "wire format");
_Static_assert(sizeof(struct uni_config_mount) == 120, "wire format");
_Static_assert(sizeof(struct uni_config_limit) == 16, "wire format");
_Static_assert(sizeof(struct uni_config_file) == 16, "wire format");

/*
 * Whether the `size` bytes at `record` (on 8) are a sound record: magic, version, length, checksum,
 * and every entry inside. The entry iterator below may be used only on a record that passed.
 */
static inline bool uni_config_check(const void *record, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)record;
	const struct uni_config_header *h = (const struct uni_config_header *)record;
	uint64_t magic, wanted;
	uint32_t crc;

	if (size - sizeof(*h) > UNI_CONFIG_MAX - sizeof(*h))
		return false;
	__builtin_memcpy(&magic, h->magic, sizeof(magic));
	__builtin_memcpy(&wanted, UNI_CONFIG_MAGIC, sizeof(wanted));
	if (((magic ^ wanted) | (h->version ^ UNI_CONFIG_VERSION) | (h->size % 8)) != 0 ||
	    h->size - sizeof(*h) > size - sizeof(*h))
		return false;
	const struct uni_config_header head = { UNI_CONFIG_MAGIC, UNI_CONFIG_VERSION, h->size, 0,
						h->flags };

	crc = uni_crc32c(0, &head, sizeof(head));
	if (uni_crc32c(crc, h + 1, h->size - sizeof(*h)) != h->crc32c)
		return false;
	/* What is left is always a multiple of 8, so it holds the head of an entry. */
	for (size_t at = sizeof(*h); at < h->size;) {
		const struct uni_config_entry *e =
			(const struct uni_config_entry *)(const void *)(bytes + at);

		if (e->size > h->size - at - sizeof(*e))
			return false;
		at += sizeof(*e) + ((e->size + (size_t)7) & ~(size_t)7);
	}
	return true;
}

/* Of a sound record: where its entries begin and end, and what is behind one of them. */
static inline const struct uni_config_entry *uni_config_first(const void *record)
{
	const struct uni_config_header *h = (const struct uni_config_header *)record;

	return (const struct uni_config_entry *)(const void *)(h + 1);
}

static inline const void *uni_config_end(const void *record)
{
	return (const uint8_t *)record + ((const struct uni_config_header *)record)->size;
}

static inline __attribute__((always_inline)) const struct uni_config_entry *
uni_config_skip(const struct uni_config_entry *e)
{
	return e + 1 + (e->size + 7ull) / 8;
}

/* The entry behind `e`, or the first for NULL; NULL at the end. */
static inline const struct uni_config_entry *uni_config_next(const void *record,
							     const struct uni_config_entry *e)
{
	const struct uni_config_entry *next =
		e == NULL ? uni_config_first(record) : uni_config_skip(e);

	return next == uni_config_end(record) ? NULL : next;
}

static inline const void *uni_config_data(const struct uni_config_entry *e)
{
	return e + 1;
}

#endif
