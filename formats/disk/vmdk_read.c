/*
 * Reading VMDK: one file that holds everything, sparse or stream-optimized. Descriptors that lead
 * to other files, parts of a disk and disks that stand on another are refused.
 */
#include <stdlib.h>
#include <uni/base/text.h>

#include "mapped.h"
#include "vmdk.h"

enum { DIRECTORY_MOST = 16 << 20, DESCRIPTOR_MOST = 1 << 20 };

struct vmdk_image {
	struct disk_mapped mapped;
	uint8_t *directory;
	uint32_t gtes;
	uint64_t tables;
	bool compressed;
	bool zero_grains;
};

static bool starts_with(const struct disk_image *image, const char *text)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char start[32];

	return disk_image_read(image, start, strlen(text), 0, "", &ignored) == 0 &&
	       memcmp(start, text, strlen(text)) == 0;
}

static bool probe(const struct disk_image *image)
{
	return starts_with(image, "KDMV") || starts_with(image, "COWD") ||
	       starts_with(image, "# Disk DescriptorFile");
}

static int map_packed(const struct vmdk_image *v, struct disk_extent *extent, struct uni_err *err)
{
	const struct disk_mapped *m = &v->mapped;
	const struct disk_image image = {
		.fd = m->fd, .start = m->start, .length = m->length, .name = m->name
	};
	uint8_t marker[VMDK_MARKER];
	int rc = disk_image_read(&image, marker, sizeof(marker), extent->at, "a grain", err);

	extent->kind = DISK_EXTENT_PACKED;
	extent->size = (uint64_t)VMDK_MARKER + (rc == 0 ? get_le32(marker + 8) : 0);
	extent->claim = extent->size;
	return rc;
}

static int map(struct disk_mapped *mapped, uint64_t index, struct disk_extent *extent,
	       struct uni_err *err)
{
	const struct vmdk_image *v = (struct vmdk_image *)mapped;
	uint64_t at = get_le32(v->directory + index / v->gtes * 4);
	const uint8_t *table;
	uint32_t entry;

	if (at == 0) {
		extent->count = v->gtes - index % v->gtes;
		return 0;
	}
	table = disk_mapped_table(mapped, at * 512, (size_t)v->gtes * 4, "a grain table", err);
	if (table == NULL)
		return err->code;
	entry = get_le32(table + index % v->gtes * 4);
	if (entry == 0 || (v->zero_grains && entry == 1))
		return 0;
	extent->at = (uint64_t)entry * 512;
	extent->kind = DISK_EXTENT_PLAIN;
	return v->compressed ? map_packed(v, extent, err) : 0;
}

static void vmdk_free(struct disk_mapped *mapped)
{
	free(((struct vmdk_image *)mapped)->directory);
}

static const struct disk_mapped_ops vmdk_ops = {
	.map = map,
	.free = vmdk_free,
	.packed_header = VMDK_MARKER,
};

static bool is_extent(const char *line)
{
	return uni_str_starts(line, "RW ") || uni_str_starts(line, "RDONLY ") ||
	       uni_str_starts(line, "NOACCESS ");
}

/* What the descriptor says of other files. `text` is cut into lines. */
static int check_lines(const struct disk_image *image, char *text, struct uni_err *err)
{
	size_t extents = 0;
	char *rest = NULL;

	for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		if (uni_str_starts(line, "parentCID=") &&
		    strcmp(line + strlen("parentCID="), VMDK_NO_PARENT) != 0) {
			disk_unsupported(image, err, "stands on another image");
			return uni_err_hint(err,
					    "join the two first: qemu-img convert -O vmdk IN OUT");
		}
		extents += is_extent(line);
	}
	if (extents != 1)
		return disk_unsupported(image, err, "keeps its data in %zu files", extents);
	return 0;
}

static int check_descriptor(const struct disk_image *image, const struct vmdk_header *h,
			    struct uni_err *err)
{
	uint64_t at = get_le64(h->descriptor_offset);
	uint64_t sectors = get_le64(h->descriptor_size);
	UNI_AUTO_FREE char *text = NULL;
	int rc;

	if (at == 0 || sectors == 0)
		return disk_unsupported(image, err, "is one of several files of a disk");
	if (at > UINT64_MAX / 512 || sectors > DESCRIPTOR_MOST / 512)
		return disk_corrupt(image, err, "has a descriptor that cannot be");
	text = uni_alloc((size_t)sectors * 512 + 1);
	rc = disk_image_read(image, text, (size_t)sectors * 512, at * 512, "its descriptor", err);
	return rc != 0 ? rc : check_lines(image, text, err);
}

/* A stream has its directory's place in a second header, in front of the end marker. */
static int read_header(const struct disk_image *image, struct vmdk_header *h, struct uni_err *err)
{
	int rc;

	if (!starts_with(image, "KDMV"))
		return disk_unsupported(image, err,
					starts_with(image, "COWD")
						? "is an ESX extent"
						: "keeps its data in other files");
	rc = disk_image_read(image, h, sizeof(*h), 0, "its header", err);
	if (rc != 0)
		return rc;
	rc = check_descriptor(image, h, err);
	if (rc != 0 || get_le64(h->gd_offset) != VMDK_AT_END)
		return rc;
	rc = disk_image_read(image, h, sizeof(*h), image->length - 1024, "its footer", err);
	if (rc != 0)
		return rc;
	if (get_le32(h->magic) != VMDK_MAGIC)
		return disk_corrupt(image, err, "has no footer; it may be truncated");
	return 0;
}

static int check_header(const struct disk_image *image, const struct vmdk_header *h,
			struct uni_err *err)
{
	uint64_t grain = get_le64(h->grain_size);
	uint32_t gtes = get_le32(h->gtes);
	uint32_t flags = get_le32(h->flags);

	if (get_le32(h->version) < 1 || get_le32(h->version) > 3)
		return disk_unsupported(image, err, "is of VMDK version %u", get_le32(h->version));
	if ((flags & VMDK_NEWLINES) != 0 && memcmp(h->newlines, "\n \r\n", 4) != 0)
		return disk_corrupt(image, err, "was changed by a transfer as text");
	if (get_le64(h->capacity) == 0 || get_le64(h->capacity) > UNI_DISK_SIZE_MAX / 512)
		return disk_corrupt(image, err, "has a disk of %llu sectors",
				    (unsigned long long)get_le64(h->capacity));
	if (grain < 8 || grain > DISK_TABLE_MOST / 512 || (grain & (grain - 1)) != 0)
		return disk_corrupt(image, err, "has grains of %llu sectors",
				    (unsigned long long)grain);
	if (gtes == 0 || gtes > DISK_TABLE_MOST / 4)
		return disk_corrupt(image, err, "has grain tables of %u entries", gtes);
	if ((flags & VMDK_COMPRESSED) != 0 &&
	    ((flags & VMDK_MARKERS) == 0 || get_le16(h->compress_algorithm) != VMDK_DEFLATE))
		return disk_unsupported(image, err, "is compressed in an unknown way");
	if (get_le64(h->gd_offset) > UINT64_MAX / 512)
		return disk_corrupt(image, err, "has no grain directory");
	return 0;
}

static int vmdk_open(struct uni_disk_source **source, const struct disk_image *image,
		     struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *made = NULL;
	struct vmdk_header h;
	struct vmdk_image *v;
	uint64_t size, grain, span;
	int rc = read_header(image, &h, err);

	if (rc == 0)
		rc = check_header(image, &h, err);
	if (rc != 0)
		return rc;
	size = get_le64(h.capacity) * 512;
	grain = get_le64(h.grain_size) * 512;
	span = grain * get_le32(h.gtes);
	v = disk_mapped_new(sizeof(*v), &vmdk_ops, "vmdk", size, (size_t)grain, image);
	made = &v->mapped.base;
	v->gtes = get_le32(h.gtes);
	v->tables = (size + span - 1) / span;
	v->compressed = (get_le32(h.flags) & VMDK_COMPRESSED) != 0;
	v->zero_grains = (get_le32(h.flags) & VMDK_ZERO_GRAINS) != 0;
	v->directory = uni_try_alloc(v->tables * 4, DIRECTORY_MOST, "grain directory", err);
	if (v->directory == NULL)
		return uni_err_context(err, "%s", image->name);
	rc = disk_image_read(image, v->directory, (size_t)v->tables * 4,
			     get_le64(h.gd_offset) * 512, "its grain directory", err);
	if (rc == 0 && v->compressed)
		rc = disk_decompressor_new(&v->mapped.decompressor, DISK_CODEC_ZLIB, err);
	if (rc != 0)
		return rc;
	*source = made;
	made = NULL;
	return 0;
}

const struct disk_reader disk_read_vmdk = {
	.form = "vmdk",
	.probe = probe,
	.open = vmdk_open,
};
