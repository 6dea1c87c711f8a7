/*
 * Writing tar. The choices that POSIX leaves open are made once and for all: ustar as long as it
 * can say everything, else a pax header with just the keys that it cannot, in a fixed order.
 */
#include "tar.h"
#include <stdio.h>
#include <string.h>

struct uni_tar_writer {
	struct uni_sink *sink;
	uint64_t left;	  /* data that the present entry still needs */
	uint64_t padding; /* behind it */
};

struct uni_tar_writer *uni_tar_writer_new(struct uni_sink *sink)
{
	struct uni_tar_writer *tar = uni_alloc(sizeof(*tar));
	tar->sink = sink;
	return tar;
}

void uni_tar_writer_free(struct uni_tar_writer *tar)
{
	free(tar);
}

/* Digits fill the field but for a closing NUL; false when the value does not fit. */
static bool put_octal(char *field, size_t room, uint64_t value)
{
	field[--room] = '\0';
	while (room > 0) {
		field[--room] = (char)('0' + (value & 7));
		value >>= 3;
	}
	return value == 0;
}

static bool put_text(char *field, size_t room, const char *text, size_t size)
{
	memcpy(field, text, size < room ? size : room);
	return size <= room;
}

/* Into name, or prefix and name, cut at the first slash that fits. */
static bool put_path(struct tar_header *header, const char *path, size_t size)
{
	if (put_text(header->name, sizeof(header->name), path, size))
		return true;
	size_t least = size - sizeof(header->name) - 1;
	for (size_t cut = least; cut <= sizeof(header->prefix) && cut + 1 < size; cut++) {
		if (path[cut] != '/' || cut == 0)
			continue;
		memset(header->name, 0, sizeof(header->name));
		memcpy(header->prefix, path, cut);
		memcpy(header->name, path + cut + 1, size - cut - 1);
		return true;
	}
	return false;
}

static char type_of(enum uni_entry_type type)
{
	switch (type) {
	case UNI_ENTRY_FILE:
		return '0';
	case UNI_ENTRY_HARDLINK:
		return '1';
	case UNI_ENTRY_SYMLINK:
		return '2';
	case UNI_ENTRY_CHAR:
		return '3';
	case UNI_ENTRY_BLOCK:
		return '4';
	case UNI_ENTRY_DIR:
		return '5';
	case UNI_ENTRY_FIFO:
		return '6';
	}
	return 0;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void pax_record(struct uni_buf *pax, const char *prefix, const char *key, const void *value,
		       size_t size)
{
	char digits[24];
	size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + size + 1;
	size_t length = rest;
	for (;;) {
		size_t width = (size_t)snprintf(digits, sizeof(digits), "%zu", length);
		if (rest + width == length)
			break;
		length = rest + width;
	}
	uni_buf_printf(pax, "%s %s%s=", digits, prefix, key);
	uni_buf_add(pax, value, size);
	uni_buf_putc(pax, '\n');
}

static void pax_number(struct uni_buf *pax, const char *key, int64_t value)
{
	char text[24];
	int size = snprintf(text, sizeof(text), "%lld", (long long)value);
	pax_record(pax, "", key, text, (size_t)size);
}

static void header_seal(struct tar_header *header)
{
	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	put_octal(header->checksum, 7, tar_checksum(header));
	header->checksum[7] = ' ';
}

/* Fills the header, and `pax` with what does not fit into it. */
static void header_fill(struct tar_header *header, struct uni_buf *pax, const char *path,
			const struct uni_entry *entry)
{
	size_t path_size = strlen(path);
	bool negative = entry->mtime < 0;
	if (!put_path(header, path, path_size))
		pax_record(pax, "", "path", path, path_size);
	if (entry->target != NULL && !put_text(header->linkname, sizeof(header->linkname),
					       entry->target, strlen(entry->target)))
		pax_record(pax, "", "linkpath", entry->target, strlen(entry->target));
	put_octal(header->mode, sizeof(header->mode), entry->mode & 07777);
	if (!put_octal(header->uid, sizeof(header->uid), entry->uid))
		pax_number(pax, "uid", entry->uid);
	if (!put_octal(header->gid, sizeof(header->gid), entry->gid))
		pax_number(pax, "gid", entry->gid);
	if (!put_octal(header->size, sizeof(header->size), entry->size))
		pax_number(pax, "size", (int64_t)entry->size);
	if (!put_octal(header->mtime, sizeof(header->mtime),
		       negative ? 0 : (uint64_t)entry->mtime) ||
	    negative)
		pax_number(pax, "mtime", entry->mtime);
	for (size_t i = 0; i < entry->xattr_count; i++)
		pax_record(pax, "SCHILY.xattr.", entry->xattrs[i].name, entry->xattrs[i].value,
			   entry->xattrs[i].size);
	header->type = type_of(entry->type);
}

static int write_padded(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err)
{
	int rc = uni_sink_write(sink, data, size, err);
	return rc != 0 ? rc : uni_sink_zeros(sink, tar_padding(size), err);
}

static int write_pax(struct uni_sink *sink, const struct uni_buf *pax, struct uni_err *err)
{
	struct tar_header header = { .name = "././@PaxHeader", .type = 'x' };
	if (pax->size == 0)
		return 0;
	put_octal(header.mode, sizeof(header.mode), 0);
	put_octal(header.uid, sizeof(header.uid), 0);
	put_octal(header.gid, sizeof(header.gid), 0);
	put_octal(header.mtime, sizeof(header.mtime), 0);
	put_octal(header.devmajor, sizeof(header.devmajor), 0);
	put_octal(header.devminor, sizeof(header.devminor), 0);
	if (!put_octal(header.size, sizeof(header.size), pax->size))
		return uni_err_set(err, UNI_E_LIMIT, "extended attributes are too large for tar");
	header_seal(&header);
	int rc = uni_sink_write(sink, &header, sizeof(header), err);
	return rc != 0 ? rc : write_padded(sink, pax->data, pax->size, err);
}

static int check(const struct uni_entry *entry, struct uni_err *err)
{
	bool link = entry->type == UNI_ENTRY_SYMLINK || entry->type == UNI_ENTRY_HARDLINK;
	if (entry->path[0] == '\0' || link != (entry->target != NULL) ||
	    (link && entry->target[0] == '\0'))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\": no path or link that tar can hold",
				   entry->path);
	if (entry->type != UNI_ENTRY_FILE && entry->size != 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: only files have data", entry->path);
	if (entry->size > INT64_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s is too large", entry->path);
	for (size_t i = 0; i < entry->xattr_count; i++)
		if (entry->xattrs[i].name[strcspn(entry->xattrs[i].name, "=")] != '\0')
			return uni_err_set(err, UNI_E_INVAL, "%s: an attribute's name with \"=\"",
					   entry->path);
	return 0;
}

int uni_tar_writer_entry(struct uni_tar_writer *tar, const struct uni_entry *entry,
			 struct uni_err *err)
{
	struct tar_header header = { .type = 0 };
	struct uni_buf pax UNI_AUTO_BUF = UNI_BUF_INIT;
	if (tar->left != 0)
		return uni_err_set(err, UNI_E_INVAL, "tar: %llu bytes of the last file are missing",
				   (unsigned long long)tar->left);
	int rc = check(entry, err);
	if (rc != 0)
		return rc;
	char *path UNI_AUTO_FREE =
		uni_asprintf("%s%s", entry->path, entry->type == UNI_ENTRY_DIR ? "/" : "");
	header_fill(&header, &pax, path, entry);
	if (!put_octal(header.devmajor, sizeof(header.devmajor), entry->major) ||
	    !put_octal(header.devminor, sizeof(header.devminor), entry->minor))
		return uni_err_set(err, UNI_E_LIMIT, "%s: device number too large for tar", path);
	header_seal(&header);
	rc = uni_sink_zeros(tar->sink, tar->padding, err);
	if (rc == 0)
		rc = write_pax(tar->sink, &pax, err);
	if (rc == 0)
		rc = uni_sink_write(tar->sink, &header, sizeof(header), err);
	tar->left = entry->size;
	tar->padding = tar_padding(entry->size);
	return rc;
}

int uni_tar_writer_data(struct uni_tar_writer *tar, const void *data, size_t size,
			struct uni_err *err)
{
	if (size > tar->left)
		return uni_err_set(err, UNI_E_INVAL, "tar: more data than the file's size");
	tar->left -= size;
	return uni_sink_write(tar->sink, data, size, err);
}

int uni_tar_writer_end(struct uni_tar_writer *tar, struct uni_err *err)
{
	if (tar->left != 0)
		return uni_err_set(err, UNI_E_INVAL, "tar: %llu bytes of the last file are missing",
				   (unsigned long long)tar->left);
	return uni_sink_zeros(tar->sink, tar->padding + 2 * TAR_BLOCK, err);
}
