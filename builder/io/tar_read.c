/*
 * Reading tar from outside. Every number is checked before it is used, and memory depends on the
 * limits alone, not on what a header claims.
 */
#include "tar.h"
#include <string.h>
#include <uni/base/file.h>

#define EXTENDED_MAX (1u << 20) /* bytes of one extended header */

struct uni_tar_reader {
	struct uni_source *source;
	struct uni_tar_limits limits;
	char *name;
	uint64_t entries;
	uint64_t total;	  /* bytes of all files so far */
	uint64_t left;	  /* of the present one */
	uint64_t padding; /* behind it */
	bool ended;
	struct tar_extended extended;
	struct tar_header header;
	char *path;
	char *target;
	struct uni_entry entry;
};

struct uni_tar_reader *uni_tar_reader_new(struct uni_source *source,
					  const struct uni_tar_limits *limits, const char *name)
{
	struct uni_tar_reader *tar = uni_alloc(sizeof(*tar));
	tar->source = source;
	tar->limits = *limits;
	tar->name = uni_strdup(name);
	return tar;
}

static void entry_clear(struct uni_tar_reader *tar)
{
	tar_extended_clear(&tar->extended);
	free(tar->path);
	free(tar->target);
	tar->path = tar->target = NULL;
	tar->entry = (struct uni_entry){ .path = NULL };
}

void uni_tar_reader_free(struct uni_tar_reader *tar)
{
	if (tar == NULL)
		return;
	entry_clear(tar);
	free(tar->name);
	free(tar);
}

/* Octal digits between spaces, to a space or NUL; or, with the top bit set, GNU's base 256. */
static bool get_number(const char *field, size_t size, int64_t *value)
{
	const unsigned char *bytes = (const unsigned char *)field;
	if (bytes[0] == 0x80 || bytes[0] == 0xff) {
		uint64_t sum = bytes[0] == 0xff ? UINT64_MAX : 0;
		for (size_t i = 1; i < size; i++) {
			/* What is shifted out must be nothing but sign. */
			if ((int64_t)sum >> 55 != (bytes[0] == 0xff ? -1 : 0))
				return false;
			sum = sum << 8 | bytes[i];
		}
		*value = (int64_t)sum;
		return (*value < 0) == (bytes[0] == 0xff);
	}
	size_t at = 0;
	uint64_t sum = 0;
	while (at < size && field[at] == ' ')
		at++;
	for (; at < size && field[at] >= '0' && field[at] <= '7'; at++)
		sum = sum << 3 | (uint64_t)(field[at] - '0'); /* 12 digits: 36 bits */
	if (at < size && field[at] != ' ' && field[at] != '\0')
		return false;
	*value = (int64_t)sum;
	return true;
}
#define GET(field, value) get_number((field), sizeof(field), (value))

static int damaged(const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "damaged tar header: %s", what);
}

/* 1: a header, 0: the end of the archive. */
static int header_read(struct uni_tar_reader *tar, struct uni_err *err)
{
	int64_t sum;
	char *header = (char *)&tar->header;
	size_t got;
	int rc = uni_source_read(tar->source, header, sizeof(tar->header), &got, err);
	if (rc == 0 && got == 0 && tar->limits.open_end)
		return 0;
	if (rc == 0)
		rc = uni_source_read_full(tar->source, header + got, sizeof(tar->header) - got,
					  err);
	if (rc != 0)
		return rc;
	if (uni_all_zero(&tar->header, sizeof(tar->header)))
		return 0;
	if (!GET(tar->header.checksum, &sum) || sum != tar_checksum(&tar->header))
		return damaged("checksum", err);
	return 1;
}

static int data_size(const struct tar_header *header, uint64_t *size, struct uni_err *err)
{
	int64_t value;
	if (!GET(header->size, &value) || value < 0)
		return damaged("size", err);
	*size = (uint64_t)value;
	return 0;
}

/* The data of an extended header or a GNU long name, NUL behind it. */
static int extended_data(struct uni_tar_reader *tar, char **data, size_t *size, struct uni_err *err)
{
	uint64_t claimed = 0;
	int rc = data_size(&tar->header, &claimed, err);
	if (rc != 0)
		return rc;
	if (claimed > EXTENDED_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "an extended header of %llu bytes",
				   (unsigned long long)claimed);
	*size = (size_t)claimed;
	*data = uni_alloc(*size + 1);
	rc = uni_source_read_full(tar->source, *data, *size, err);
	return rc != 0 ? rc : uni_source_skip(tar->source, tar_padding(*size), err);
}

static int long_name(char **text, const char *data, const struct uni_tar_limits *limits,
		     struct uni_err *err)
{
	if (strlen(data) > limits->path_size)
		return uni_err_set(err, UNI_E_LIMIT, "a path of %zu bytes is over the limit of %zu",
				   strlen(data), limits->path_size);
	free(*text);
	*text = uni_strdup(data);
	return 0;
}

/* Takes headers that only speak about the next one. 1: it was one, 0: not. */
static int extended_take(struct uni_tar_reader *tar, struct uni_err *err)
{
	char type = tar->header.type;
	if (type != 'x' && type != 'g' && type != 'L' && type != 'K')
		return 0;
	char *data UNI_AUTO_FREE = NULL;
	size_t size = 0;
	int rc = extended_data(tar, &data, &size, err);
	if (rc != 0)
		return rc;
	if (type == 'x')
		rc = tar_extended_parse(&tar->extended, data, size, &tar->limits, err);
	else if (type == 'L')
		rc = long_name(&tar->extended.path, data, &tar->limits, err);
	else if (type == 'K')
		rc = long_name(&tar->extended.target, data, &tar->limits, err);
	/* Global headers carry comments (git archive); defaults for all that follows would make
	 * an entry's meaning depend on what stands far in front of it. */
	return rc != 0 ? rc : 1;
}

static char *header_path(const struct tar_header *header)
{
	char *name UNI_AUTO_FREE = uni_strndup(header->name, sizeof(header->name));
	/* Only POSIX's magic: GNU's has other fields where the prefix is. */
	if (memcmp(header->magic, "ustar", 6) != 0 || header->prefix[0] == '\0')
		return uni_strdup(name);
	return uni_asprintf("%.*s/%s", (int)sizeof(header->prefix), header->prefix, name);
}

/* Drops "." parts and surplus slashes in place; false when there is a ".." or nothing at all. */
static bool normalise(char *path)
{
	char *out = path;
	const char *in = path;
	if (*in == '\0')
		return false;
	while (*in != '\0') {
		size_t part = strcspn(in, "/");
		if (part == 2 && in[0] == '.' && in[1] == '.')
			return false;
		if (part != 0 && !(part == 1 && in[0] == '.')) {
			if (out != path)
				*out++ = '/';
			memmove(out, in, part);
			out += part;
		}
		in += part;
		in += *in == '/';
	}
	if (out == path)
		*out++ = '.';
	*out = '\0';
	return true;
}

static int set_type(struct uni_tar_reader *tar, struct uni_err *err)
{
	struct uni_entry *entry = &tar->entry;
	size_t length = strlen(tar->path);
	switch (tar->header.type) {
	case '\0':
	case '0':
	case '7':
		/* Version 7 has no type for folders. */
		entry->type =
			length > 0 && tar->path[length - 1] == '/' ? UNI_ENTRY_DIR : UNI_ENTRY_FILE;
		return 0;
	case '1':
		entry->type = UNI_ENTRY_HARDLINK;
		return 0;
	case '2':
		entry->type = UNI_ENTRY_SYMLINK;
		return 0;
	case '3':
		entry->type = UNI_ENTRY_CHAR;
		return 0;
	case '4':
		entry->type = UNI_ENTRY_BLOCK;
		return 0;
	case '5':
		entry->type = UNI_ENTRY_DIR;
		return 0;
	case '6':
		entry->type = UNI_ENTRY_FIFO;
		return 0;
	default:
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: entries of type 0x%02x", tar->path,
				   (unsigned char)tar->header.type);
	}
}

static int set_paths(struct uni_tar_reader *tar, struct uni_err *err)
{
	struct tar_extended *extended = &tar->extended;
	tar->path = extended->path != NULL ? extended->path : header_path(&tar->header);
	extended->path = NULL;
	int rc = set_type(tar, err);
	if (rc != 0)
		return rc;
	if (!normalise(tar->path))
		return uni_err_set(err, UNI_E_INVAL, "path \"%s\" leaves the archive", tar->path);
	tar->entry.path = tar->path;
	if (tar->entry.type != UNI_ENTRY_HARDLINK && tar->entry.type != UNI_ENTRY_SYMLINK)
		return 0;
	tar->target = extended->target != NULL
			      ? extended->target
			      : uni_strndup(tar->header.linkname, sizeof(tar->header.linkname));
	extended->target = NULL;
	if (tar->target[0] == '\0' ||
	    (tar->entry.type == UNI_ENTRY_HARDLINK && !normalise(tar->target)))
		return uni_err_set(err, UNI_E_INVAL, "%s: link target \"%s\"", tar->path,
				   tar->target);
	tar->entry.target = tar->target;
	return 0;
}

static int set_numbers(struct uni_tar_reader *tar, struct uni_err *err)
{
	const struct tar_header *header = &tar->header;
	const struct tar_extended *extended = &tar->extended;
	struct uni_entry *entry = &tar->entry;
	int64_t mode, uid, gid, mtime;
	int64_t major = 0;
	int64_t minor = 0;
	if (!GET(header->mode, &mode) || !GET(header->uid, &uid) || !GET(header->gid, &gid) ||
	    !GET(header->mtime, &mtime))
		return damaged("number", err);
	if ((entry->type == UNI_ENTRY_CHAR || entry->type == UNI_ENTRY_BLOCK) &&
	    (!GET(header->devmajor, &major) || !GET(header->devminor, &minor)))
		return damaged("device number", err);
	if (extended->has_uid)
		uid = extended->uid;
	if (extended->has_gid)
		gid = extended->gid;
	if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX || major < 0 ||
	    major > UINT32_MAX || minor < 0 || minor > UINT32_MAX)
		return damaged("number", err);
	entry->mode = (uint32_t)(mode & 07777);
	entry->uid = (uint32_t)uid;
	entry->gid = (uint32_t)gid;
	entry->mtime = extended->has_mtime ? extended->mtime : mtime;
	entry->major = (uint32_t)major;
	entry->minor = (uint32_t)minor;
	entry->xattrs = extended->xattrs;
	entry->xattr_count = extended->xattr_count;
	return 0;
}

static int set_size(struct uni_tar_reader *tar, struct uni_err *err)
{
	uint64_t size = 0;
	int rc = data_size(&tar->header, &size, err);
	if (rc != 0)
		return rc;
	if (tar->extended.has_size)
		size = tar->extended.size;
	/* Some writers give links and folders the size of what they stand for, without data. */
	if (tar->entry.type != UNI_ENTRY_FILE)
		return 0;
	if (size > tar->limits.size - tar->total)
		return uni_err_set(err, UNI_E_LIMIT, "%s: files of more than %llu bytes in all",
				   tar->path, (unsigned long long)tar->limits.size);
	tar->total += size;
	tar->entry.size = tar->left = size;
	tar->padding = tar_padding(size);
	return 0;
}

static int next(struct uni_tar_reader *tar, struct uni_err *err)
{
	int rc = uni_source_skip(tar->source, tar->left, err);
	if (rc == 0)
		rc = uni_source_skip(tar->source, tar->padding, err);
	tar->left = tar->padding = 0;
	entry_clear(tar);
	unsigned extended = 0;
	do {
		if (rc >= 0)
			rc = header_read(tar, err);
		if (rc <= 0)
			return rc;
		rc = extended_take(tar, err);
		if (extended++ == 16)
			return uni_err_set(err, UNI_E_LIMIT, "too many extended headers in a row");
	} while (rc == 1);
	if (rc == 0 && tar->entries++ == tar->limits.entries)
		rc = uni_err_set(err, UNI_E_LIMIT, "more than %llu entries",
				 (unsigned long long)tar->limits.entries);
	if (rc == 0)
		rc = set_paths(tar, err);
	if (rc == 0)
		rc = set_numbers(tar, err);
	if (rc == 0)
		rc = set_size(tar, err);
	return rc != 0 ? rc : 1;
}

int uni_tar_reader_next(struct uni_tar_reader *tar, const struct uni_entry **entry,
			struct uni_err *err)
{
	int rc = tar->ended ? 0 : next(tar, err);
	*entry = &tar->entry;
	/* After an error there is no telling where a header would be. */
	tar->ended = rc <= 0;
	return rc < 0 ? uni_err_context(err, "%s", tar->name) : rc;
}

int uni_tar_reader_data(struct uni_tar_reader *tar, void *data, size_t size, size_t *got,
			struct uni_err *err)
{
	*got = 0;
	if (tar->left == 0 || size == 0)
		return 0;
	int rc = uni_source_read(tar->source, data, size < tar->left ? size : (size_t)tar->left,
				 got, err);
	if (rc == 0 && *got == 0)
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s ends too early", tar->entry.path);
	tar->left -= *got;
	return rc != 0 ? uni_err_context(err, "%s", tar->name) : 0;
}
