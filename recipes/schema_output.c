/*
 * [output]: the forms that a recipe can ask for, and what can be said about each.
 */
#include "schema.h"

#define DISK_SIZE                                                                                  \
	{                                                                                          \
		.name = "size", .takes = TAKES_INTEGER | TAKES_STRING, .form = FORM_SIZE,          \
		.least = 0, .most = SIZE_MOST, .fallback = "(what it needs)",                      \
		.means = "Least size of the disk."                                                 \
	}

static const struct schema_key disk_keys[] = { DISK_SIZE };

static const struct schema_key qcow2_keys[] = {
	DISK_SIZE,
	{ .name = "compression",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("none", "zlib", "zstd"),
	  .fallback = "\"none\"",
	  .means = "How clusters are compressed." },
	{ .name = "level",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = 19,
	  .fallback = "(6 for zlib, 3 for zstd)",
	  .means = "Level of the compression; zlib has 12." },
};

static const struct schema_key vmdk_keys[] = {
	DISK_SIZE,
	{ .name = "variant",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("monolithicSparse", "streamOptimized"),
	  .fallback = "\"monolithicSparse\"",
	  .means = "`streamOptimized` is compressed, for import and transport." },
};

static const struct schema_key vhd_keys[] = {
	DISK_SIZE,
	{ .name = "variant",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("fixed", "dynamic"),
	  .fallback = "\"fixed\"",
	  .means = "Azure takes `fixed` alone, which is of whole MiB." },
};

#define HOST_FOLDER(path)                                                                          \
	{                                                                                          \
		.name = "folder", .takes = TAKES_STRING, .form = FORM_ABSOLUTE, .fallback = path,  \
		.means = "Where the files will stand on the host, for the description to name."    \
	}

static const struct schema_key xen_keys[] = { HOST_FOLDER("\"/var/lib/xen/images\"") };
static const struct schema_key firecracker_keys[] = { HOST_FOLDER("(the working folder)") };
static const struct schema_key libvirt_keys[] = { HOST_FOLDER("\"/var/lib/libvirt/images\"") };

#define TABLE(form, of, what)                                                                      \
	static const struct schema_table form##_table = {                                          \
		.title = "[output." #form "]",                                                     \
		.means = "Options of " what ".",                                                   \
		KEYS(of),                                                                          \
	}

TABLE(raw, disk_keys, "the raw disk image");
TABLE(qcow2, qcow2_keys, "the image for QEMU");
TABLE(vmdk, vmdk_keys, "the image for VMware and VirtualBox");
TABLE(vhd, vhd_keys, "the image for Azure and older Hyper-V");
TABLE(vhdx, disk_keys, "the image for Hyper-V");
TABLE(vdi, disk_keys, "the image for VirtualBox");
TABLE(containerdisk, disk_keys, "the container image for KubeVirt");
TABLE(iso, disk_keys, "the CD image, which is a disk as well");
TABLE(gcp, disk_keys, "the archive for Google Cloud, whose disk has whole GiB");
TABLE(ova, disk_keys, "the archive for VMware and VirtualBox");
TABLE(xen, xen_keys, "the machine for Xen");
TABLE(firecracker, firecracker_keys, "the machine for Firecracker");
TABLE(libvirt, libvirt_keys, "the machine for libvirt");
TABLE(ami, disk_keys, "the image for EC2, whose disk has whole GiB");

#define FORM(form, what)                                                                           \
	{                                                                                          \
		.name = #form, .takes = TAKES_TABLE, .table = &form##_table,                       \
		.means = "Options of " what "."                                                    \
	}

static const struct schema_key secure_boot_keys[] = {
	{ .name = "key",
	  .takes = TAKES_STRING,
	  .form = FORM_FILE,
	  .required = true,
	  .means = "RSA key of at least 2048 bits in PEM form, without a passphrase. It stays out "
		   "of the image and the store." },
	{ .name = "certificate",
	  .takes = TAKES_STRING,
	  .form = FORM_FILE,
	  .required = true,
	  .means = "Its certificate in PEM form, which the machines' firmware must know." },
};
static const struct schema_table secure_boot_table = {
	.title = "[output.secure-boot]",
	.means = "By what the UEFI loader is signed. The loader holds the kernel's digest, and "
		 "starts no other.",
	KEYS(secure_boot_keys),
};

static const struct schema_key output_keys[] = {
	{ .name = "formats",
	  .item = "format",
	  .takes = TAKES_LIST,
	  .form = FORM_WORD,
	  .words = WORDS("raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "gcp", "iso", "ova", "ami",
			 "containerdisk", "xen", "firecracker", "libvirt", "elf"),
	  .fallback = "[\"raw\", \"elf\"]",
	  .means = "Forms to write: `raw` is a disk and `elf` a kernel that PVH loaders start "
		   "directly; the others are in [formats.md](formats.md)." },
	{ .name = "boot",
	  .item = "way",
	  .takes = TAKES_LIST,
	  .form = FORM_WORD,
	  .words = WORDS("bios", "uefi"),
	  .fallback = "[\"bios\"]",
	  .means = "By which firmware disks start; with `uefi` they have an EFI system "
		   "partition." },
	{ .name = "secure-boot",
	  .takes = TAKES_TABLE,
	  .table = &secure_boot_table,
	  .means = "A signature for Secure Boot." },
	FORM(raw, "the raw disk image"),
	FORM(qcow2, "the qcow2 image"),
	FORM(vmdk, "the VMDK image"),
	FORM(vhd, "the VHD image"),
	FORM(vhdx, "the VHDX image"),
	FORM(vdi, "the VDI image"),
	FORM(iso, "the CD image"),
	FORM(gcp, "the archive for Google Cloud"),
	FORM(ova, "the archive for VMware and VirtualBox"),
	FORM(ami, "the image for EC2"),
	FORM(xen, "the machine for Xen"),
	FORM(firecracker, "the machine for Firecracker"),
	FORM(libvirt, "the machine for libvirt"),
	FORM(containerdisk, "the container image for KubeVirt"),
};
const struct schema_table schema_output = {
	.title = "[output]",
	.means = "The files that a build writes.",
	KEYS(output_keys),
};
