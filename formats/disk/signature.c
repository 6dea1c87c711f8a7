/*
 * What bytes are by the marks in them. Two lists: containers, which are no disk until something
 * else has unpacked or rewritten them, and must not pass for raw disks; and what a partition or a
 * whole disk may hold, for people to read.
 */
#include <string.h>

#include "mapped.h"

enum { MARK_MOST = 24 };

struct mark {
	int64_t at; /* negative: from the end */
	const char *bytes;
	size_t size;
	const char *name;
	const char *hint; /* of containers: what to do */
};

#define MARK(at, bytes, name, hint)                                                                \
	{                                                                                          \
		at, bytes, sizeof(bytes) - 1, name, hint                                           \
	}
#define QEMU(format) "write it anew: qemu-img convert -f " format " -O qcow2 IN OUT"

static const struct mark containers[] = {
	MARK(0, "QED\0", "a QED image", QEMU("qed")),
	MARK(0, "WithoutFreeSpace", "a Parallels image", QEMU("parallels")),
	MARK(0, "WithouFreSpacExt", "a Parallels image", QEMU("parallels")),
	MARK(0, "Bochs Virtual HD Image", "a Bochs image", QEMU("bochs")),
	MARK(0, "#!/bin/sh\n#V2.0 Format", "a cloop image", QEMU("cloop")),
	MARK(-512, "koly", "a macOS disk image", QEMU("dmg")),
	MARK(0, "\xbe\xba\xfe\xca\0\0\0\0", "a VMware sparse extent",
	     "convert the .vmdk that names it: qemu-img convert -O qcow2 IN OUT"),
	MARK(0, "\xfd\x37zXZ\0", "an xz file", "unpack it first: xz -dk FILE"),
	MARK(0, "BZh", "a bzip2 file", "unpack it first: bzip2 -dk FILE"),
	MARK(0, "\x28\xb5\x2f\xfd", "a zstd file", "unpack it first: zstd -dk FILE"),
	MARK(0, "\x04\x22\x4d\x18", "an lz4 file", "unpack it first: lz4 -d FILE"),
	MARK(0, "LZIP\1", "an lzip file", "unpack it first: lzip -dk FILE"),
	MARK(0, "\x89LZO\0\r\n\x1a\n", "an lzop file", "unpack it first: lzop -d FILE"),
	MARK(0, "PK\3\4", "a zip archive", "unpack it first: unzip FILE"),
	MARK(0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first: 7z x FILE"),
	MARK(0, "Rar!\x1a\x07", "a RAR archive", "unpack it first"),
	MARK(0, "MSWIM\0\0\0", "a Windows image", "it is applied to a disk, not converted"),
	MARK(0, "<?xml", "XML", "of an OVF or a Parallels disk the file that it names is the disk"),
	MARK(257, "ustar", "a tar archive", "unpack it first: tar -xf FILE"),
};

static const struct mark contents[] = {
	MARK(0, "LUKS\xba\xbe", "LUKS, encrypted", NULL),
	MARK(0, "XFSB", "XFS", NULL),
	MARK(0, "hsqs", "squashfs", NULL),
	MARK(3, "NTFS    ", "NTFS", NULL),
	MARK(3, "EXFAT   ", "exFAT", NULL),
	MARK(3, "-FVE-FS-", "BitLocker, encrypted", NULL),
	MARK(82, "FAT32   ", "FAT32", NULL),
	MARK(54, "FAT16   ", "FAT16", NULL),
	MARK(54, "FAT12   ", "FAT12", NULL),
	MARK(512, "LABELONE", "LVM", NULL),
	MARK(1024, "\x10\x20\xf5\xf2", "F2FS", NULL),
	MARK(1024, "\xe2\xe1\xf5\xe0", "EROFS", NULL),
	MARK(1080, "\x53\xef", "ext2, ext3 or ext4", NULL),
	MARK(4086, "SWAPSPACE2", "swap", NULL),
	MARK(32769, "CD001", "ISO 9660", NULL),
	MARK(65600, "_BHRfS_M", "btrfs", NULL),
	MARK(4096, "\xfc\x4e\x2b\xa9", "Linux RAID", NULL),
	MARK(0, "\xfc\x4e\x2b\xa9", "Linux RAID", NULL),
	MARK(131072, "\0\0\0\0\0\xba\xb1\x0c", "ZFS", NULL),
};

static bool has(struct uni_disk_source *source, uint64_t from, uint64_t size,
		const struct mark *mark)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char found[MARK_MOST];
	uint64_t at = mark->at < 0 ? size - (uint64_t)-mark->at : (uint64_t)mark->at;

	return (mark->at >= 0 || size >= (uint64_t)-mark->at) && at <= size &&
	       size - at >= mark->size &&
	       uni_disk_source_read(source, found, mark->size, from + at, &ignored) == 0 &&
	       memcmp(found, mark->bytes, mark->size) == 0;
}

const char *uni_disk_holds(struct uni_disk_source *source, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < UNI_COUNT(contents); i++)
		if (has(source, offset, size, &contents[i]))
			return contents[i].name;
	return NULL;
}

int disk_refuse_container(struct uni_disk_source *raw, const char *name, struct uni_err *err)
{
	for (size_t i = 0; i < UNI_COUNT(containers); i++)
		if (has(raw, 0, raw->size, &containers[i])) {
			uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is %s, and no form read here",
				    name, containers[i].name);
			return uni_err_hint(err, "%s", containers[i].hint);
		}
	return 0;
}
