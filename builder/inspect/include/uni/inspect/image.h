/*
 * An image that exists, opened for reading: what it is, its partitions, the kernel and what that
 * carries, the boot configuration, the volumes, and any file by the path at which the guest would
 * see it. Nothing is mounted or started, and nothing in the image is trusted.
 */
#ifndef UNI_INSPECT_IMAGE_H
#define UNI_INSPECT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/bundle/ami.h>
#include <uni/bundle/machine.h>
#include <uni/disk/disk.h>
#include <uni/fs/read.h>
#include <uni/kernel/config.h>
#include <uni/kernel/kernel.h>

enum uni_image_kind {
	UNI_IMAGE_DISK,	   /* disk with a partition table, in any form */
	UNI_IMAGE_KERNEL,  /* bootable ELF */
	UNI_IMAGE_VOLUME,  /* a file system by itself */
	UNI_IMAGE_MACHINE, /* a description for Xen, Firecracker or libvirt */
};

/* The UEFI loader on a disk. */
enum uni_image_loader {
	UNI_LOADER_NONE,
	UNI_LOADER_FOREIGN, /* not ours */
	UNI_LOADER_SEALED,  /* to the kernel that is on the disk */
	UNI_LOADER_OTHER,   /* to another, or to none: it starts nothing */
};

struct uni_image_volume {
	char *name;  /* partition's name, "root" for the archive in the kernel, or the mount's last
			part */
	char *mount; /* where the guest sees it; NULL when the configuration does not mount it */
	const struct uni_config_mount *wire; /* of the configuration, or NULL */
	int fd;				     /* the image's, or: */
	bool own;			     /* a file of its own */
	uint64_t offset;
	uint64_t size;
	bool embedded;
};

struct uni_image {
	enum uni_image_kind kind;
	char *path;
	int fd;
	uint64_t size;
	struct uni_digest digest;
	bool mapped;			   /* the digest is one of uni/base/mapdigest.h */
	struct uni_ami *ami;		   /* of a folder NAME.ami, or NULL */
	struct uni_machine_found *machine; /* MACHINE */
	const char *form;		   /* DISK: "raw", "qcow2", ... */
	uint64_t disk_size;		   /* DISK: bytes that a machine sees */
	struct uni_disk *disk;		   /* DISK; NULL when it has no GPT */
	const char **holds;	  /* DISK with a GPT: what each partition holds, NULL: not known */
	struct uni_disk_mbr *mbr; /* DISK: its older table, or NULL */
	const char *whole;	  /* DISK without any table: what it holds; NULL: not known */
	int disk_fd; /* DISK: the file itself, or what kernel and volumes were unpacked into */
	enum uni_image_loader loader;
	bool loader_signed; /* by whom is not looked at */
	bool has_box;
	struct uni_box_header box; /* DISK with a kernel partition */
	int elf_fd; /* the bootable ELF: the file itself, or unpacked from its box; -1 without */
	uint64_t elf_size;
	struct uni_kernel_image kernel; /* with elf_fd */
	struct uni_boot_config *config; /* with elf_fd; NULL when it carries none */
	struct uni_image_volume *volumes;
	size_t volume_count;
};

/*
 * Kernel and volumes of a disk that is not raw are unpacked into a temporary file, and nothing else
 * of it. Those of a machine are the files of the names that it says, where they stand beside the
 * description. UNI_E_UNSUPPORTED when it is nothing of these; UNI_E_CORRUPT names what is damaged.
 */
int uni_image_open(struct uni_image **out, const char *path, struct uni_err *err);
void uni_image_free(struct uni_image *image);
UNI_AUTO_DEFINE(uni_image)

/*
 * The reader of the volume in which the guest finds `path`, and the path inside it (into `path`,
 * borrowed). A VOLUME image has its only volume at "/".
 */
int uni_image_find(struct uni_image *image, const char *path, struct uni_fs_reader **reader,
		   const char **inside, struct uni_err *err);

const char *uni_image_kind_name(enum uni_image_kind kind);
const char *uni_image_part_name(enum uni_part_kind kind);

#endif
