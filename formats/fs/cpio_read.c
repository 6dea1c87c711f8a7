/*
 * Reading cpio archives of the form "newc" (Linux, Documentation/driver-api/early-userspace/
 * buffer-format.rst). The archive is indexed once when it is opened; as for the kernel that unpacks
 * it, a later entry of the same path replaces the earlier, and what has no folder entry above it is
 * not there.
 */
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>

#include "reader.h"

enum { HEADER_SIZE = 110, ENTRIES_MAX = 1 << 20, NAME_MAX_SIZE = 4096, CHUNK = 64 << 10 };

struct cpio_entry {
	char *path; /* "a/b"; "" for the root */
	uint64_t order;
	uint64_t at; /* of its data */
	struct uni_fs_stat stat;
};

struct cpio {
	struct uni_fs_reader reader;
	struct cpio_entry *entries; /* sorted by path, each once; the first is the root */
	size_t count;
	size_t room;
	uint64_t used;
};

static struct cpio *cpio_of(struct uni_fs_reader *reader)
{
	return (struct cpio *)reader;
}

static bool cpio_probe(const uint8_t *head, size_t size)
{
	return size >= 6 && (memcmp(head, "070701", 6) == 0 || memcmp(head, "070702", 6) == 0);
}

/* Thirteen fields of eight hex digits behind the magic. */
static bool read_fields(const char header[HEADER_SIZE], uint32_t fields[13])
{
	for (size_t i = 0; i < 13; i++) {
		char digits[9] = { 0 };
		uint8_t raw[4];

		memcpy(digits, header + 6 + i * 8, 8);
		if (!uni_unhex(digits, raw, sizeof(raw)))
			return false;
		fields[i] = (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 |
			    (uint32_t)raw[2] << 8 | raw[3];
	}
	return true;
}

enum {
	F_INO,
	F_MODE,
	F_UID,
	F_GID,
	F_NLINK,
	F_MTIME,
	F_SIZE,
	F_MAJ,
	F_MIN,
	F_RMAJ,
	F_RMIN,
	F_NAMESIZE
};

static bool take_type(uint32_t mode, enum uni_fs_type *type)
{
	static const struct {
		uint32_t mode;
		enum uni_fs_type type;
	} types[] = {
		{ S_IFREG, UNI_FS_TYPE_FILE },	  { S_IFDIR, UNI_FS_TYPE_FOLDER },
		{ S_IFLNK, UNI_FS_TYPE_LINK },	  { S_IFBLK, UNI_FS_TYPE_BLOCK },
		{ S_IFCHR, UNI_FS_TYPE_CHAR },	  { S_IFIFO, UNI_FS_TYPE_FIFO },
		{ S_IFSOCK, UNI_FS_TYPE_SOCKET },
	};

	for (size_t i = 0; i < UNI_COUNT(types); i++)
		if (types[i].mode == (mode & S_IFMT)) {
			*type = types[i].type;
			return true;
		}
	return false;
}

static int add_entry(struct cpio *c, const char *name, const uint32_t fields[13], uint64_t at,
		     struct uni_err *err)
{
	struct cpio_entry *e;
	char *path;

	if (c->count == ENTRIES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: has more than %d entries", c->reader.name,
				   ENTRIES_MAX);
	UNI_PUSH_ROOM(c->entries, c->count, c->room);
	e = &c->entries[c->count];
	memset(e, 0, sizeof(*e));
	if (!take_type(fields[F_MODE], &e->stat.type))
		return reader_corrupt(&c->reader, "type of an entry", err);
	path = uni_path_normal(name[strspn(name, "/")] != '\0' ? name + strspn(name, "/") : ".");
	if (strcmp(path, ".") == 0)
		path[0] = '\0';
	e->path = path;
	e->order = c->count++;
	e->at = at;
	e->stat.mode = fields[F_MODE] & 07777;
	e->stat.uid = fields[F_UID];
	e->stat.gid = fields[F_GID];
	e->stat.size = fields[F_SIZE];
	e->stat.mtime = fields[F_MTIME];
	e->stat.device = (uint32_t)makedev(fields[F_RMAJ], fields[F_RMIN]);
	return 0;
}

static uint64_t align4(uint64_t value)
{
	return (value + 3) & ~UINT64_C(3);
}

/* 1: an entry, 0: the trailer. */
static int read_entry(struct cpio *c, uint64_t *at, struct uni_err *err)
{
	char header[HEADER_SIZE];
	char name[NAME_MAX_SIZE];
	uint32_t fields[13];
	uint64_t data;
	int rc = reader_pread(&c->reader, *at, header, sizeof(header), err);

	if (rc != 0)
		return rc;
	if (!cpio_probe((const uint8_t *)header, sizeof(header)) || !read_fields(header, fields))
		return reader_corrupt(&c->reader, "header of an entry", err);
	if (fields[F_NAMESIZE] == 0 || fields[F_NAMESIZE] > sizeof(name))
		return reader_corrupt(&c->reader, "size of a name", err);
	rc = reader_pread(&c->reader, *at + HEADER_SIZE, name, fields[F_NAMESIZE], err);
	if (rc != 0)
		return rc;
	if (name[fields[F_NAMESIZE] - 1] != '\0')
		return reader_corrupt(&c->reader, "a name", err);
	data = align4(*at + HEADER_SIZE + fields[F_NAMESIZE]);
	if (strcmp(name, "TRAILER!!!") == 0) {
		c->used = data;
		return 0;
	}
	if (data > c->reader.size || fields[F_SIZE] > c->reader.size - data)
		return reader_corrupt(&c->reader, "an entry reaches behind its end", err);
	*at = align4(data + fields[F_SIZE]);
	rc = add_entry(c, name, fields, data, err);
	return rc == 0 ? 1 : rc;
}

/* By path, the last of equals first. */
static int compare(const void *a, const void *b)
{
	const struct cpio_entry *x = a;
	const struct cpio_entry *y = b;
	int order = strcmp(x->path, y->path);

	if (order != 0)
		return order;
	return x->order > y->order ? -1 : 1;
}

static void sort_entries(struct cpio *c)
{
	size_t kept = 0;

	qsort(c->entries, c->count, sizeof(*c->entries), compare);
	for (size_t i = 0; i < c->count; i++) {
		if (kept != 0 && strcmp(c->entries[kept - 1].path, c->entries[i].path) == 0)
			free(c->entries[i].path);
		else
			c->entries[kept++] = c->entries[i];
	}
	c->count = kept;
}

static int cpio_open(struct uni_fs_reader *reader, struct uni_err *err)
{
	static const uint32_t root[13] = { [F_MODE] = S_IFDIR | 0755 };
	struct cpio *c = cpio_of(reader);
	uint64_t at = 0;
	int rc = add_entry(c, ".", root, 0, err);

	while (rc == 0 && (rc = read_entry(c, &at, err)) == 1)
		rc = 0;
	if (rc != 0)
		return rc;
	sort_entries(c);
	if (c->entries[0].stat.type != UNI_FS_TYPE_FOLDER)
		return reader_corrupt(reader, "its root is not a folder", err);
	return 0;
}

static void cpio_close(struct uni_fs_reader *reader)
{
	struct cpio *c = cpio_of(reader);

	for (size_t i = 0; i < c->count; i++)
		free(c->entries[i].path);
	free(c->entries);
}

static void cpio_about(const struct uni_fs_reader *reader, struct uni_fs_about *about)
{
	const struct cpio *c = (const struct cpio *)reader;

	about->format = "cpio";
	about->used = c->used;
	about->inodes = c->count;
}

static reader_node cpio_root(const struct uni_fs_reader *reader)
{
	(void)reader;
	return 0;
}

static int cpio_stat(struct uni_fs_reader *reader, reader_node node, struct uni_fs_stat *stat,
		     struct uni_err *err)
{
	(void)err;
	*stat = cpio_of(reader)->entries[node].stat;
	return 0;
}

/* Everything below a folder follows its place in the order, but not always at once: "a", "a!",
 * "a/b". */
static int cpio_each(struct uni_fs_reader *reader, reader_node folder, reader_each_fn *fn,
		     void *user, struct uni_err *err)
{
	struct cpio *c = cpio_of(reader);
	const char *path = c->entries[folder].path;
	size_t size = strlen(path);

	for (size_t i = folder + 1; i < c->count; i++) {
		const char *name = c->entries[i].path;
		int rc;

		if (strncmp(name, path, size) != 0)
			break;
		if (size != 0 && name[size] != '/')
			continue;
		name += size != 0 ? size + 1 : 0;
		if (strchr(name, '/') != NULL)
			continue;
		rc = fn(user, name, i, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int add_to_buf(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)err;
	uni_buf_add(user, data, size);
	return 0;
}

static int cpio_read(struct uni_fs_reader *reader, reader_node file, uni_fs_data_fn *fn, void *user,
		     struct uni_err *err)
{
	const struct cpio_entry *e = &cpio_of(reader)->entries[file];
	UNI_AUTO_FREE uint8_t *chunk = uni_alloc(CHUNK);
	uint64_t done = 0;

	while (done < e->stat.size) {
		size_t part = e->stat.size - done < CHUNK ? (size_t)(e->stat.size - done) : CHUNK;
		int rc = reader_pread(reader, e->at + done, chunk, part, err);

		if (rc == 0)
			rc = fn(user, chunk, part, err);
		if (rc != 0)
			return rc;
		done += part;
	}
	return 0;
}

static int cpio_readlink(struct uni_fs_reader *reader, reader_node link, struct uni_buf *target,
			 struct uni_err *err)
{
	const struct cpio_entry *e = &cpio_of(reader)->entries[link];
	size_t before = target->size;
	int rc;

	if (e->stat.size == 0 || e->stat.size >= NAME_MAX_SIZE)
		return reader_corrupt(reader, "size of a link", err);
	rc = cpio_read(reader, link, add_to_buf, target, err);
	if (rc == 0 && strlen(target->data + before) != e->stat.size)
		rc = reader_corrupt(reader, "target of a link", err);
	return rc;
}

const struct uni_fs_reader_ops reader_cpio = {
	.probe = cpio_probe,
	.reader_size = sizeof(struct cpio),
	.open = cpio_open,
	.close = cpio_close,
	.about = cpio_about,
	.root = cpio_root,
	.stat = cpio_stat,
	.each = cpio_each,
	.readlink = cpio_readlink,
	.read = cpio_read,
};
