/*
 * Fills the root file system from a cpio archive in "newc" form (cpio(5)). Nothing is copied: files
 * stand on the archive's bytes, which stay in memory. Names are taken below the root; ".." in them
 * is refused. What was unpacked before a damage stays.
 */
#include <uk/vfs.h>

#include "fs.h"

enum { HEADER = 110, FIELDS = 13, FIELD = 8, MAGIC = 6, LINKS_MAX = 4096 };

struct member {
	uint32_t ino, mode, uid, gid, nlink, mtime, size;
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
	char name[UK_PATH_MAX];
	const char *data;
};

/* Files of several names: newc gives the bytes with the last one, and the number joins them. */
struct seen {
	struct seen *next;
	uint64_t key;
	struct uk_dentry *dentry;
};

struct unpack {
	const uint8_t *at;
	size_t left;
	struct member member;
	struct seen *seen;
	unsigned seen_count;
	const char *why;
};

static bool parse_field(const uint8_t *from, uint32_t *to)
{
	*to = 0;
	for (unsigned i = 0; i < FIELD; i++) {
		uint8_t c = from[i];
		uint32_t digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10u;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10u;
		else
			return false;
		*to = *to << 4 | digit;
	}
	return true;
}

static int damaged(struct unpack *u, const char *why)
{
	u->why = why;
	return -UK_EINVAL;
}

/* Bytes of the archive, and the padding to 4 behind them; NULL: it ends before. */
static const uint8_t *take(struct unpack *u, size_t size)
{
	const uint8_t *at = u->at;
	size_t padded = UK_ALIGN_UP(size, (size_t)4);

	if (size > u->left)
		return NULL;
	padded = UK_MIN(padded, u->left);
	u->at += padded;
	u->left -= padded;
	return at;
}

static bool name_is_plain(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0') &&
		    (p == name || p[-1] == '/'))
			return false;
	return true;
}

/* 1: a member, 0: the trailer. */
static int next_member(struct unpack *u)
{
	struct member *m = &u->member;
	uint32_t field[FIELDS], name_size;
	const uint8_t *header;

	if (u->left < HEADER || memcmp(u->at, "070701", MAGIC) != 0)
		return damaged(u, "no newc header where one should be");
	header = u->at;
	for (unsigned i = 0; i < FIELDS; i++)
		if (!parse_field(header + MAGIC + FIELD * i, &field[i]))
			return damaged(u, "a header field is no hexadecimal number");
	name_size = field[11];
	if (name_size == 0 || name_size > sizeof(m->name) || name_size > u->left - HEADER)
		return damaged(u, "a name is too long");
	/* Header and name are padded together. */
	header = take(u, HEADER + (size_t)name_size);
	memcpy(m->name, header + HEADER, name_size);
	if (m->name[name_size - 1] != '\0' || strlen(m->name) != name_size - 1)
		return damaged(u, "a name is not terminated");
	if (strcmp(m->name, "TRAILER!!!") == 0)
		return 0;
	if (!name_is_plain(m->name))
		return damaged(u, "a name holds \"..\"");
	m->ino = field[0];
	m->mode = field[1];
	m->uid = field[2];
	m->gid = field[3];
	m->nlink = field[4];
	m->mtime = field[5];
	m->size = field[6];
	m->dev_major = field[7];
	m->dev_minor = field[8];
	m->rdev_major = field[9];
	m->rdev_minor = field[10];
	m->data = (const char *)take(u, m->size);
	if (m->data == NULL)
		return damaged(u, "a file's bytes are cut off");
	return 1;
}

static const char *relative(const char *name)
{
	for (;;) {
		if (name[0] == '/')
			name++;
		else if (name[0] == '.' && name[1] == '/')
			name += 2;
		else
			return strcmp(name, ".") == 0 ? "" : name;
	}
}

/* Folders on the way that the archive does not hold. */
static int make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		int error;

		*slash = '\0';
		error = fs_make_node(UK_AT_FDCWD, path, UK_S_IFDIR | 0755, 0);
		*slash = '/';
		if (error != 0 && error != -UK_EEXIST)
			return error;
	}
	return 0;
}

static struct uk_dentry *seen_find(const struct unpack *u, uint64_t key)
{
	for (const struct seen *s = u->seen; s != NULL; s = s->next)
		if (s->key == key)
			return s->dentry;
	return NULL;
}

/* Keeps the file for its other names; takes the reference. */
static int seen_add(struct unpack *u, uint64_t key, struct uk_dentry *dentry)
{
	struct seen *s = u->seen_count < LINKS_MAX ? uk_alloc(sizeof(*s)) : NULL;

	if (s == NULL) {
		fs_dentry_put(dentry);
		return -UK_ENOMEM;
	}
	u->seen_count++;
	*s = (struct seen){ u->seen, key, dentry };
	u->seen = s;
	return 0;
}

static int make_member(const struct member *m, const char *path)
{
	uint64_t rdev = (uint64_t)(m->rdev_major & 0xfff) << 8 | (m->rdev_minor & 0xff);
	char target[UK_PATH_MAX / 4]; /* longer ones are not worth a page */

	switch (m->mode & UK_S_IFMT) {
	case UK_S_IFLNK:
		if (m->size == 0 || m->size >= sizeof(target))
			return -UK_ENAMETOOLONG;
		memcpy(target, m->data, m->size);
		target[m->size] = '\0';
		return fs_make_symlink(target, UK_AT_FDCWD, path);
	case UK_S_IFDIR:
	case UK_S_IFREG:
	case UK_S_IFCHR:
	case UK_S_IFBLK:
	case UK_S_IFIFO:
		return fs_make_node(UK_AT_FDCWD, path, m->mode & (UK_S_IFMT | UK_S_ALL), rdev);
	default:
		return -UK_EINVAL;
	}
}

static void set_attributes(const struct member *m, struct uk_inode *inode)
{
	inode->mode = m->mode & (UK_S_IFMT | UK_S_ALL);
	inode->uid = m->uid;
	inode->gid = m->gid;
	inode->atime = inode->mtime = inode->ctime = (int64_t)m->mtime * 1000000000;
}

/* One member at `path`: made, or given what a later member of the same name says. */
static int place(struct unpack *u, char *path)
{
	const struct member *m = &u->member;
	uint64_t key = (uint64_t)(m->dev_major * 31 + m->dev_minor) << 32 | m->ino;
	bool shared = UK_S_IS(m->mode, REG) && m->nlink > 1;
	struct uk_dentry *dentry = shared ? seen_find(u, key) : NULL;
	int error;

	if (dentry != NULL) {
		error = fs_make_link_to(dentry->inode, UK_AT_FDCWD, path);
		if (error != 0 || m->size == 0)
			return error;
		return fs_tmpfs_set_source(dentry->inode, m->data, m->size);
	}
	error = make_member(m, path);
	if (error != 0 && (error != -UK_EEXIST || !UK_S_IS(m->mode, DIR)))
		return error;
	error = fs_walk_path(UK_AT_FDCWD, path, 0, &dentry);
	if (error != 0)
		return error;
	if (UK_S_IS(m->mode, REG) && m->size != 0)
		error = fs_tmpfs_set_source(dentry->inode, m->data, m->size);
	if (error == 0)
		set_attributes(m, dentry->inode);
	if (error == 0 && shared)
		return seen_add(u, key, dentry);
	fs_dentry_put(dentry);
	return error;
}

static int unpack_one(struct unpack *u, char path[UK_PATH_MAX])
{
	const char *name = relative(u->member.name);
	int error;

	path[0] = '/';
	if (uk_strlcpy(path + 1, name, UK_PATH_MAX - 1) >= UK_PATH_MAX - 1)
		return damaged(u, "a name is too long");
	error = make_parents(path);
	if (error == 0)
		error = place(u, path);
	if (error != 0 && error != -UK_ENOMEM)
		return damaged(u, "a member cannot be made");
	return error;
}

int fs_cpio_unpack(const void *data, size_t size, const char **why)
{
	struct unpack *u = uk_alloc(sizeof(*u));
	char *path = uk_alloc(UK_PATH_MAX);
	int result = -UK_ENOMEM;

	if (u != NULL && path != NULL) {
		u->at = data;
		u->left = size;
		u->why = "out of memory";
		while ((result = next_member(u)) == 1) {
			result = unpack_one(u, path);
			if (result != 0)
				break;
		}
		*why = u->why;
		while (u->seen != NULL) {
			struct seen *next = u->seen->next;

			fs_dentry_put(u->seen->dentry);
			uk_free(u->seen);
			u->seen = next;
		}
	} else {
		*why = "out of memory";
	}
	uk_free(path);
	uk_free(u);
	return result;
}
