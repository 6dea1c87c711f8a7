/*
 * The box: the kernel partition's header with the bootable ELF behind it, packed (uni/abi/boot.h).
 */
#include <string.h>
#include <uni/abi/crc32c.h>
#include <uni/base/checksum.h>
#include <uni/base/file.h>
#include <uni/kernel/kernel.h>

#include "codec.h"

enum {
	CHUNK = 1 << 20,
	/* A packed block is made and unpacked in memory as a whole; above this the ELF is stored.
	 */
	PACKED_MAX = 16 << 20,
};

#define ELF_MAX (UINT64_C(1) << 32)
#define UNPACKED_MAX (UINT64_C(256) << 20)

static void seal(struct uni_box_header *header)
{
	header->header_crc32c = 0;
	header->header_crc32c = uni_crc32c(0, header, sizeof(*header));
}

struct packing {
	const struct uni_box_content *elf;
	const char *name; /* of the ELF */
	struct codec_range packed_already;
	int fd;
	struct uni_box_header header;
	uint8_t *packed; /* owned; NULL: stored as it is */
	size_t packed_size;
};

/* The ELF itself behind the header. */
static int write_stored(struct packing *p, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	uint64_t size = p->elf->size;
	struct uni_hash hash;
	struct uni_digest digest;
	uint64_t at = 0;

	uni_hash_start(&hash);
	p->header.codec = UNI_BOX_STORED;
	p->header.stored_size = size;
	while (at < size) {
		size_t part = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		int rc = uni_pread_full(p->elf->fd, chunk, part, at, p->name, err);

		if (rc == 0)
			rc = uni_pwrite_full(p->fd, chunk, part, UNI_BOX_HEADER_SIZE + at,
					     "kernel box", err);
		if (rc != 0)
			return rc;
		uni_hash_add(&hash, chunk, part);
		p->header.stored_crc32c = uni_checksum(p->header.stored_crc32c, chunk, part);
		at += part;
	}
	digest = uni_hash_end(&hash);
	memcpy(p->header.sha256, digest.bytes, sizeof(p->header.sha256));
	return 0;
}

/* Packs it in memory; p->packed stays NULL where that gains nothing. */
static int pack_content(struct packing *p, struct uni_err *err)
{
	const struct uni_box_content *from = p->elf;
	UNI_AUTO_FREE void *elf = uni_try_alloc(from->size, PACKED_MAX, "bootable ELF", err);
	struct uni_digest digest;
	void *packed = NULL;
	int rc = elf != NULL ? uni_pread_full(from->fd, elf, (size_t)from->size, 0, p->name, err)
			     : err->code;

	if (rc == 0)
		rc = codec_lz4_pack(elf, (size_t)from->size, p->packed_already, &packed,
				    &p->packed_size, err);
	if (rc != 0 || p->packed_size == 0)
		return rc;
	p->packed = packed;
	digest = from->known != NULL ? *from->known : uni_digest_of(elf, (size_t)from->size);
	memcpy(p->header.sha256, digest.bytes, sizeof(p->header.sha256));
	p->header.codec = UNI_BOX_LZ4;
	p->header.stored_size = p->packed_size;
	p->header.stored_crc32c = uni_checksum(0, p->packed, p->packed_size);
	return 0;
}

static int write_box(struct packing *p, uint64_t *size, struct uni_digest *digest,
		     struct uni_err *err)
{
	uint8_t sector[UNI_BOX_HEADER_SIZE] = { 0 };
	struct uni_hash hash;
	int rc = p->packed == NULL ? write_stored(p, err)
				   : uni_pwrite_full(p->fd, p->packed, p->packed_size,
						     UNI_BOX_HEADER_SIZE, "kernel box", err);

	seal(&p->header);
	memcpy(sector, &p->header, sizeof(p->header));
	if (rc == 0)
		rc = uni_pwrite_full(p->fd, sector, sizeof(sector), 0, "kernel box", err);
	if (rc != 0 || p->packed == NULL)
		return rc != 0 ? rc : uni_digest_fd(p->fd, size, digest, "kernel box", err);
	uni_hash_start(&hash);
	uni_hash_add(&hash, sector, sizeof(sector));
	uni_hash_add(&hash, p->packed, p->packed_size);
	*digest = uni_hash_end(&hash);
	*size = sizeof(sector) + p->packed_size;
	return 0;
}

int uni_box_pack(const struct uni_box_content *elf, int fd, uint64_t *size,
		 struct uni_digest *digest, struct uni_err *err)
{
	struct uni_kernel_image image;
	struct packing p = { .elf = elf, .name = "kernel", .fd = fd };
	int rc = uni_kernel_split(elf->fd, 0, elf->size, p.name, &image, err);

	if (rc != 0)
		return rc;
	memcpy(p.header.magic, UNI_BOX_MAGIC, sizeof(p.header.magic));
	p.header.version = UNI_BOX_VERSION;
	p.header.size = elf->size;
	p.header.load_paddr = image.load_paddr;
	p.header.bss_paddr = image.bss_paddr;
	p.header.bss_size = image.bss_size;
	p.header.entry_paddr = image.entry;
	p.packed_already = (struct codec_range){ image.packed_from, image.packed_to };
	if (elf->size <= PACKED_MAX)
		rc = pack_content(&p, err);
	if (rc == 0)
		rc = write_box(&p, size, digest, err);
	free(p.packed);
	return rc;
}

int uni_box_tools(struct uni_strv *files, struct uni_err *err)
{
	return codec_lz4_file(files, err);
}

static int damaged(const char *name, const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "%s: kernel box: %s", name, what);
}

int uni_box_read(int fd, uint64_t offset, uint64_t size, const char *name,
		 struct uni_box_header *header, struct uni_err *err)
{
	struct uni_box_header copy;
	int rc;

	if (size < UNI_BOX_HEADER_SIZE)
		return damaged(name, "is cut", err);
	rc = uni_pread_full(fd, header, sizeof(*header), offset, name, err);
	if (rc != 0)
		return rc;
	if (memcmp(header->magic, UNI_BOX_MAGIC, sizeof(header->magic)) != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: holds no kernel box", name);
	copy = *header;
	seal(&copy);
	if (copy.header_crc32c != header->header_crc32c)
		return damaged(name, "its header is damaged", err);
	if (header->version != UNI_BOX_VERSION)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: kernel box of version %u", name,
				   header->version);
	if (header->stored_size > size - UNI_BOX_HEADER_SIZE || header->size > ELF_MAX)
		return damaged(name, "is larger than its partition", err);
	if (header->codec == UNI_BOX_STORED ? header->stored_size != header->size
					    : header->codec != UNI_BOX_LZ4)
		return damaged(name, "is packed in an unknown way", err);
	return 0;
}

static int unpack_lz4(const struct uni_box_header *header, int fd, uint64_t offset,
		      const char *name, int out_fd, struct uni_err *err)
{
	UNI_AUTO_FREE void *packed = NULL;
	UNI_AUTO_FREE void *elf = NULL;
	int rc;

	/* LZ4 makes at most 255 bytes of one: a header that says more lies. */
	if (header->size / 255 > header->stored_size)
		return damaged(name, "its sizes do not fit together", err);
	packed = uni_try_alloc(header->stored_size, UNPACKED_MAX, "kernel box", err);
	elf = packed != NULL ? uni_try_alloc(header->size, UNPACKED_MAX, "bootable ELF", err)
			     : NULL;
	if (elf == NULL)
		return err->code;
	rc = uni_pread_full(fd, packed, (size_t)header->stored_size, offset + UNI_BOX_HEADER_SIZE,
			    name, err);
	if (rc == 0 &&
	    uni_checksum(0, packed, (size_t)header->stored_size) != header->stored_crc32c)
		rc = damaged(name, "its checksum is wrong", err);
	if (rc == 0)
		rc = codec_lz4_unpack(packed, (size_t)header->stored_size, elf,
				      (size_t)header->size, err);
	if (rc == 0)
		rc = uni_pwrite_full(out_fd, elf, (size_t)header->size, 0, "bootable ELF", err);
	return rc;
}

int uni_box_unpack(int fd, uint64_t offset, uint64_t size, const char *name, int out_fd,
		   struct uni_err *err)
{
	struct uni_box_header header;
	struct uni_digest digest;
	uint64_t written;
	int rc = uni_box_read(fd, offset, size, name, &header, err);

	if (rc != 0)
		return rc;
	if (header.codec == UNI_BOX_LZ4)
		rc = unpack_lz4(&header, fd, offset, name, out_fd, err);
	else
		rc = uni_copy_range(fd, offset + UNI_BOX_HEADER_SIZE, out_fd, 0, header.size, err);
	if (rc == 0)
		rc = uni_digest_fd(out_fd, &written, &digest, name, err);
	if (rc == 0 && (written != header.size ||
			memcmp(digest.bytes, header.sha256, sizeof(header.sha256)) != 0))
		rc = damaged(name, "what it holds has another digest than it says", err);
	return rc;
}
