/*
 * Writing cpio archives of the "newc" form.
 */
#include <stdio.h>
#include <string.h>
#include <uni/io/cpio.h>

#define HEADER 110u /* magic and 13 fields of 8 digits */

struct uni_cpio_writer {
	struct uni_sink *sink;
	uint64_t start; /* of the archive in the sink */
	uint32_t inode;
	uint64_t left; /* data that the present entry still needs */
};

struct uni_cpio_writer *uni_cpio_writer_new(struct uni_sink *sink)
{
	struct uni_cpio_writer *cpio = uni_alloc(sizeof(*cpio));
	cpio->sink = sink;
	cpio->start = uni_sink_written(sink);
	return cpio;
}

void uni_cpio_writer_free(struct uni_cpio_writer *cpio)
{
	free(cpio);
}

static int pad(struct uni_cpio_writer *cpio, uint64_t align, struct uni_err *err)
{
	uint64_t at = uni_sink_written(cpio->sink) - cpio->start;
	return uni_sink_zeros(cpio->sink, -at % align, err);
}

static uint32_t format_of(enum uni_entry_type type)
{
	switch (type) {
	case UNI_ENTRY_FILE:
	case UNI_ENTRY_HARDLINK:
		return 0100000;
	case UNI_ENTRY_DIR:
		return 0040000;
	case UNI_ENTRY_SYMLINK:
		return 0120000;
	case UNI_ENTRY_CHAR:
		return 0020000;
	case UNI_ENTRY_BLOCK:
		return 0060000;
	case UNI_ENTRY_FIFO:
		return 0010000;
	}
	return 0;
}

static int write_header(struct uni_cpio_writer *cpio, const struct uni_entry *entry, uint32_t mode,
			uint32_t inode, uint32_t size, struct uni_err *err)
{
	char header[HEADER + 1];
	size_t name = strlen(entry->path) + 1;
	snprintf(header, sizeof(header),
		 "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode, mode,
		 entry->uid, entry->gid, entry->type == UNI_ENTRY_DIR ? 2u : 1u,
		 (uint32_t)entry->mtime, size, 0u, 0u, entry->major, entry->minor, (uint32_t)name,
		 0u);
	int rc = uni_sink_write(cpio->sink, header, HEADER, err);
	if (rc == 0)
		rc = uni_sink_write(cpio->sink, entry->path, name, err);
	return rc != 0 ? rc : pad(cpio, 4, err);
}

static int check(const struct uni_cpio_writer *cpio, const struct uni_entry *entry,
		 struct uni_err *err)
{
	if (cpio->left != 0)
		return uni_err_set(err, UNI_E_INVAL, "cpio: bytes of the last file are missing");
	if (entry->type == UNI_ENTRY_HARDLINK || entry->xattr_count != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: a hard link or attributes in cpio",
				   entry->path);
	if (entry->size > UINT32_MAX || entry->mtime < 0 || entry->mtime > UINT32_MAX ||
	    strlen(entry->path) > 4095)
		return uni_err_set(err, UNI_E_LIMIT, "%s: size, time or path too large for cpio",
				   entry->path);
	if ((entry->type == UNI_ENTRY_SYMLINK) != (entry->target != NULL) ||
	    (entry->type != UNI_ENTRY_FILE && entry->size != 0))
		return uni_err_set(err, UNI_E_INVAL, "%s: not an entry that cpio can hold",
				   entry->path);
	return 0;
}

int uni_cpio_writer_entry(struct uni_cpio_writer *cpio, const struct uni_entry *entry,
			  struct uni_err *err)
{
	int rc = check(cpio, entry, err);
	if (rc != 0)
		return rc;
	size_t target = entry->target != NULL ? strlen(entry->target) : 0;
	rc = write_header(cpio, entry, format_of(entry->type) | (entry->mode & 07777),
			  ++cpio->inode,
			  entry->target != NULL ? (uint32_t)target : (uint32_t)entry->size, err);
	if (rc == 0 && target != 0)
		rc = uni_sink_write(cpio->sink, entry->target, target, err);
	cpio->left = entry->size;
	return rc != 0 || entry->size != 0 ? rc : pad(cpio, 4, err);
}

int uni_cpio_writer_data(struct uni_cpio_writer *cpio, const void *data, size_t size,
			 struct uni_err *err)
{
	if (size > cpio->left)
		return uni_err_set(err, UNI_E_INVAL, "cpio: more data than the file's size");
	cpio->left -= size;
	int rc = uni_sink_write(cpio->sink, data, size, err);
	return rc != 0 || cpio->left != 0 ? rc : pad(cpio, 4, err);
}

int uni_cpio_writer_end(struct uni_cpio_writer *cpio, struct uni_err *err)
{
	static const struct uni_entry trailer = { .path = "TRAILER!!!" };
	if (cpio->left != 0)
		return uni_err_set(err, UNI_E_INVAL, "cpio: bytes of the last file are missing");
	int rc = write_header(cpio, &trailer, 0, 0, 0, err);
	return rc != 0 ? rc : pad(cpio, 512, err);
}
