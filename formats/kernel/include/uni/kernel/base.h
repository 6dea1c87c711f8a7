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
#define UNI_BASE_FORM 1 /* of base.toml */

struct uni_base {
	char *dir; /* folder of base.toml; every path below is joined with it */
	char *name;
	char *version;
	char *arch; /* "x86_64" */
	const struct uni_kernel_kind *kind;
	char *kernel;		     /* path of the kernel's ELF */
	struct uni_strv entries;     /* "pvh", "bios", "uefi", ... */
	struct uni_strv devices;     /* "virtio-blk-pci", ... */
	struct uni_strv filesystems; /* "squashfs", "tmpfs", ... */
	struct uni_strv squashfs;    /* compressions that it unpacks; empty without squashfs */
	uint64_t memory;	     /* least bytes it starts in */
	uint32_t config_oldest;	     /* boot configuration versions that it understands */
	uint32_t config_newest;
	char *stage1; /* paths of the BIOS stages; NULL: starts from no disk by BIOS */
	char *stage2;
	struct uni_strv link_start;	/* paths: objects before the application's */
	struct uni_strv link_libraries; /* paths: archives behind it, searched as one group */
	struct uni_strv link_end;	/* paths: objects at the end */
	struct uni_strv link_flags;	/* for ld, before anything else */
};

/* Reads DIR/base.toml. Errors carry file, line and column. Paths must stay inside the folder and
 * exist. */
int uni_base_load(struct uni_base **out, const char *dir, struct uni_err *err);
void uni_base_free(struct uni_base *base);
UNI_AUTO_DEFINE(uni_base)

/* Every file of the base that goes into an image or a link, for digests: paths relative to `dir`,
 * sorted, base.toml among them. */
void uni_base_files(const struct uni_base *base, struct uni_strv *files);

/* Whether it can do a thing; else UNI_E_UNSUPPORTED naming base, thing, and what it has. */
int uni_base_need_filesystem(const struct uni_base *base, const char *filesystem,
			     const char *compression /* NULL: any */, struct uni_err *err);
int uni_base_need_device(const struct uni_base *base, const char *device, struct uni_err *err);
int uni_base_need_entry(const struct uni_base *base, const char *entry, struct uni_err *err);
int uni_base_need_config(const struct uni_base *base, uint32_t version, struct uni_err *err);

#endif
