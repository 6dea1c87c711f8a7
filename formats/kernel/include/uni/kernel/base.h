/*
 * A base: the prebuilt kernel with its sysroot, as its base.toml tells. Read here, checked here;
 * what it cannot do is said before anything is built.
 */
#ifndef UNI_KERNEL_BASE_H
#define UNI_KERNEL_BASE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/text.h>

struct uni_kernel_kind;

#define UNI_BASE_FILE "base.toml"
#define UNI_BASE_FORM 1		/* of base.toml */
#define UNI_BASE_MAX (1u << 20) /* bytes of base.toml */

/* A file of the base: its name in the package, and where its bytes are on this machine. */
struct uni_base_file {
	char *member; /* "sysroot/lib/libc.a"; NULL: the base has no such file */
	char *path;
};

struct uni_base_files {
	struct uni_base_file *items;
	size_t count;
	size_t room;
};

/* What an image asks of its kernel: the words of base.toml. */
struct uni_base_needs {
	struct uni_strv devices;
	struct uni_strv filesystems;
	struct uni_strv compressions;
	struct uni_strv protocols;
};
void uni_base_needs_clear(struct uni_base_needs *needs);

struct uni_base;

/* One of the kernels that a base offers: the fewer things it can do, the smaller it is. */
struct uni_base_kernel {
	const struct uni_base *base;
	char *name;		      /* "volumes"; "kernel" where the base has but one */
	struct uni_base_file file;    /* the ELF */
	struct uni_base_file symbols; /* ELF with its symbols, for debuggers; may be absent */
	struct uni_base_needs can;
};

struct uni_base {
	char *name;
	char *version;
	char *arch; /* "x86_64" */
	const struct uni_kernel_kind *kind;
	struct uni_base_kernel *kernels; /* at least one, the smallest first */
	size_t kernel_count;
	struct uni_base_needs can;  /* what any of them can do */
	struct uni_base_file calls; /* its table of calls (uni/kernel/calls.h); may be absent */
	struct uni_strv entries;    /* "pvh", "bios", "uefi", ... */
	uint64_t memory;	    /* least bytes it starts in */
	char *config_channel;	    /* how the boot configuration reaches it: "part" */
	struct uni_strv
		config_runtime; /* channels by which it can be given again at start: "fw_cfg" */
	uint32_t config_oldest; /* versions of the boot configuration that it understands */
	uint32_t config_newest;
	uint32_t live_oldest; /* versions of live volumes; 0: mounts none */
	uint32_t live_newest;
	struct uni_base_file stage1; /* BIOS stages; none: it starts from no disk by BIOS */
	struct uni_base_file stage2;
	struct uni_base_file efi_loader;  /* BOOTX64.EFI, not sealed; none: not by UEFI either */
	struct uni_base_files link_start; /* objects before the application's */
	struct uni_base_files link_libraries; /* archives behind it, searched as one group */
	struct uni_base_files link_end;	      /* objects at the end */
	struct uni_strv link_flags;	      /* for ld, before anything else */
};

/* Where a member of the base is: a path owned by the caller, or NULL with `err` set. */
typedef char *uni_base_locate_fn(void *user, const char *member, struct uni_err *err);

/*
 * Reads a base.toml of `size` bytes; `name` is what messages call it. Errors carry line and column.
 * Every file that it names is asked for by `locate`.
 */
int uni_base_parse(struct uni_base **out, const char *name, const char *text, size_t size,
		   uni_base_locate_fn *locate, void *user, struct uni_err *err);
/* The same for a base in a folder: DIR/base.toml and files below it, which must be there. */
int uni_base_load(struct uni_base **out, const char *dir, struct uni_err *err);
void uni_base_free(struct uni_base *base);
UNI_AUTO_DEFINE(uni_base)

/* The members that go into an image or a link, for digests: sorted, base.toml among them. */
void uni_base_members(const struct uni_base *base, struct uni_strv *members);

/* Whether it can do a thing; else UNI_E_UNSUPPORTED naming base, thing, and what it has. */
int uni_base_need_filesystem(const struct uni_base *base, const char *filesystem,
			     const char *compression /* NULL: any */, struct uni_err *err);
int uni_base_need_device(const struct uni_base *base, const char *device, struct uni_err *err);
int uni_base_need_protocol(const struct uni_base *base, const char *protocol, struct uni_err *err);
int uni_base_need_entry(const struct uni_base *base, const char *entry, struct uni_err *err);
int uni_base_need_config(const struct uni_base *base, uint32_t version, struct uni_err *err);

/*
 * The first kernel, which is the smallest, that can do all of it. What none of the base's kernels
 * can do is not asked of this one: the functions above say so where it matters. UNI_E_UNSUPPORTED
 * when each lacks something that another one has; `lacking` gets a word for each kernel that was
 * passed over, once, on success too.
 */
int uni_base_choose(const struct uni_base *base, const struct uni_base_needs *needs,
		    const struct uni_base_kernel **kernel, struct uni_strv *lacking,
		    struct uni_err *err);

#endif
