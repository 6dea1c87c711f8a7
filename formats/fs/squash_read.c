/*
 * Reading squashfs 4.0: superblock, folders, links, files.
 */
#include <string.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>

#include "squash.h"

static struct squash *squash_of(struct uni_fs_reader *reader)
{
	return (struct squash *)reader;
}

static bool squash_probe(const uint8_t *head, size_t size)
{
	return size >= 4 && memcmp(head, "hsqs", 4) == 0;
}

static int check_super(const struct squash *s, struct uni_err *err)
{
	const struct squash_super *super = &s->super;

	if (super->major != 4 || super->minor != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is squashfs %u.%u, not 4.0",
				   s->reader.name, super->major, super->minor);
	if (super->block_log < 12 || super->block_log > 20 ||
	    super->block_size != 1u << super->block_log)
		return reader_corrupt(&s->reader, "size of its blocks", err);
	if (super->bytes_used > s->reader.size)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: is truncated: %llu bytes of %llu are there", s->reader.name,
				   (unsigned long long)s->reader.size,
				   (unsigned long long)super->bytes_used);
	if (super->inode_table >= super->bytes_used ||
	    super->directory_table >= super->bytes_used || super->id_table >= super->bytes_used ||
	    super->bytes_used < sizeof(*super))
		return reader_corrupt(&s->reader, "place of a table", err);
	if (s->codec == NULL)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: compression %u of squashfs is not supported",
				   s->reader.name, super->compression);
	return 0;
}

static int squash_open(struct uni_fs_reader *reader, struct uni_err *err)
{
	struct squash *s = squash_of(reader);
	struct squash_inode root;
	int rc = reader_pread(reader, 0, &s->super, sizeof(s->super), err);

	if (rc != 0)
		return rc;
	s->codec = unpack_find(s->super.compression);
	rc = check_super(s, err);
	if (rc != 0)
		return rc;
	s->meta = uni_alloc_array(SQUASH_META_SLOTS, sizeof(*s->meta));
	s->packed = uni_alloc(s->super.block_size);
	s->block = uni_alloc(s->super.block_size);
	s->fragment = uni_alloc(s->super.block_size);
	rc = squash_inode_read(s, s->super.root_inode, &root, err);
	if (rc == 0 && root.type != 1)
		rc = reader_corrupt(reader, "its root is not a folder", err);
	return rc;
}

static void squash_close(struct uni_fs_reader *reader)
{
	struct squash *s = squash_of(reader);

	free(s->meta);
	free(s->packed);
	free(s->block);
	free(s->fragment);
}

static void squash_about(const struct uni_fs_reader *reader, struct uni_fs_about *about)
{
	const struct squash *s = (const struct squash *)reader;

	about->format = "squashfs";
	if ((s->super.flags & SQUASH_UNCOMPRESSED) != SQUASH_UNCOMPRESSED)
		about->compression = s->codec->name;
	about->block_size = s->super.block_size;
	about->used = s->super.bytes_used;
	about->inodes = s->super.inodes;
	about->mtime = s->super.mkfs_time;
}

static reader_node squash_root(const struct uni_fs_reader *reader)
{
	return ((const struct squash *)reader)->super.root_inode;
}

static int squash_stat(struct uni_fs_reader *reader, reader_node node, struct uni_fs_stat *stat,
		       struct uni_err *err)
{
	static const enum uni_fs_type types[] = {
		UNI_FS_TYPE_FOLDER, UNI_FS_TYPE_FILE, UNI_FS_TYPE_LINK,	  UNI_FS_TYPE_BLOCK,
		UNI_FS_TYPE_CHAR,   UNI_FS_TYPE_FIFO, UNI_FS_TYPE_SOCKET,
	};
	struct squash_inode inode;
	int rc = squash_inode_read(squash_of(reader), node, &inode, err);

	if (rc != 0)
		return rc;
	memset(stat, 0, sizeof(*stat));
	stat->type = types[inode.type - 1];
	stat->mode = inode.mode & 07777;
	stat->uid = inode.uid;
	stat->gid = inode.gid;
	stat->size = stat->type == UNI_FS_TYPE_FOLDER ? 0 : inode.size;
	stat->mtime = inode.mtime;
	stat->device = inode.device;
	return 0;
}

struct folder_header {
	uint32_t count; /* less one */
	uint32_t start; /* inode block of its entries */
	uint32_t number;
};

struct folder_entry {
	uint16_t offset; /* in that block */
	int16_t number;
	uint16_t type;
	uint16_t name_size; /* less one */
};

/* One entry; takes from `left` what it occupies. */
static int each_entry(struct squash *s, struct squash_place *place, uint64_t *left, uint32_t start,
		      reader_each_fn *fn, void *user, struct uni_err *err)
{
	char name[SQUASH_NAME_MAX + 1] = { 0 };
	struct folder_entry entry;
	size_t name_size;
	int rc;

	if (*left < sizeof(entry))
		return reader_corrupt(&s->reader, "size of a folder", err);
	rc = squash_meta_read(s, place, &entry, sizeof(entry), err);
	if (rc != 0)
		return rc;
	name_size = (size_t)entry.name_size + 1;
	if (name_size > SQUASH_NAME_MAX || *left - sizeof(entry) < name_size)
		return reader_corrupt(&s->reader, "size of a name", err);
	rc = squash_meta_read(s, place, name, name_size, err);
	if (rc != 0)
		return rc;
	if (strlen(name) != name_size || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return reader_corrupt(&s->reader, "a name", err);
	*left -= sizeof(entry) + name_size;
	return fn(user, name, (uint64_t)start << 16 | entry.offset, err);
}

static int squash_each(struct uni_fs_reader *reader, reader_node folder, reader_each_fn *fn,
		       void *user, struct uni_err *err)
{
	struct squash *s = squash_of(reader);
	struct squash_inode inode;
	uint64_t left;
	int rc = squash_inode_read(s, folder, &inode, err);

	if (rc != 0)
		return rc;
	/* The size counts 3 bytes for "." and "..", which are not stored. */
	left = inode.size > 3 ? inode.size - 3 : 0;
	while (left != 0) {
		struct folder_header header;

		if (left < sizeof(header))
			return reader_corrupt(reader, "size of a folder", err);
		rc = squash_meta_read(s, &inode.entries, &header, sizeof(header), err);
		if (rc == 0 && header.count >= 256)
			rc = reader_corrupt(reader, "entries of a folder", err);
		left -= sizeof(header);
		for (uint32_t i = 0; rc == 0 && i <= header.count; i++)
			rc = each_entry(s, &inode.entries, &left, header.start, fn, user, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int squash_readlink(struct uni_fs_reader *reader, reader_node link, struct uni_buf *target,
			   struct uni_err *err)
{
	struct squash *s = squash_of(reader);
	UNI_AUTO_FREE char *text = NULL;
	struct squash_inode inode;
	int rc = squash_inode_read(s, link, &inode, err);

	if (rc != 0)
		return rc;
	text = uni_alloc((size_t)inode.size + 1);
	rc = squash_meta_read(s, &inode.rest, text, (size_t)inode.size, err);
	if (rc == 0 && strlen(text) != inode.size)
		rc = reader_corrupt(reader, "target of a link", err);
	if (rc == 0)
		uni_buf_add(target, text, (size_t)inode.size);
	return rc;
}

/* One block of a file: packed, stored, or left out because it is all zeros. */
static int read_block(struct squash *s, struct squash_inode *inode, size_t expected,
		      uni_fs_data_fn *fn, void *user, struct uni_err *err)
{
	uint32_t word = 0;
	size_t got = expected;
	int rc = squash_meta_read(s, &inode->rest, &word, sizeof(word), err);

	if (rc != 0)
		return rc;
	if (word == 0)
		memset(s->block, 0, expected);
	else
		rc = squash_block_read(s, inode->start, word, s->block, &got, err);
	if (rc == 0 && got != expected)
		rc = reader_corrupt(&s->reader, "a data block unpacks to another size", err);
	if (rc != 0)
		return rc;
	inode->start += word & (SQUASH_DATA_STORED - 1);
	return fn(user, s->block, expected, err);
}

struct fragment_entry {
	uint64_t start;
	uint32_t word;
	uint32_t unused;
};

static int read_fragment(struct squash *s, const struct squash_inode *inode, size_t size,
			 uni_fs_data_fn *fn, void *user, struct uni_err *err)
{
	struct fragment_entry entry;
	int rc = 0;

	if (inode->fragment >= s->super.fragments)
		return reader_corrupt(&s->reader, "number of a fragment", err);
	if (s->fragment_size == 0 || s->fragment_index != inode->fragment) {
		s->fragment_size = 0;
		rc = squash_table_read(s, s->super.fragment_table, inode->fragment, &entry,
				       sizeof(entry), err);
		if (rc == 0)
			rc = squash_block_read(s, entry.start, entry.word, s->fragment,
					       &s->fragment_size, err);
		if (rc != 0) {
			s->fragment_size = 0;
			return rc;
		}
		s->fragment_index = inode->fragment;
	}
	if (inode->fragment_offset > s->fragment_size ||
	    size > s->fragment_size - inode->fragment_offset)
		return reader_corrupt(&s->reader, "place in a fragment", err);
	return fn(user, s->fragment + inode->fragment_offset, size, err);
}

static int squash_read(struct uni_fs_reader *reader, reader_node file, uni_fs_data_fn *fn,
		       void *user, struct uni_err *err)
{
	struct squash *s = squash_of(reader);
	struct squash_inode inode;
	uint64_t left;
	int rc = squash_inode_read(s, file, &inode, err);

	if (rc != 0)
		return rc;
	left = inode.size;
	while (rc == 0 && left != 0) {
		size_t part = left < s->super.block_size ? (size_t)left : s->super.block_size;

		rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
		if (part < s->super.block_size && inode.fragment != SQUASH_NO_FRAGMENT)
			rc = read_fragment(s, &inode, part, fn, user, err);
		else
			rc = read_block(s, &inode, part, fn, user, err);
		left -= part;
	}
	return rc;
}

const struct uni_fs_reader_ops reader_squashfs = {
	.probe = squash_probe,
	.reader_size = sizeof(struct squash),
	.open = squash_open,
	.close = squash_close,
	.about = squash_about,
	.root = squash_root,
	.stat = squash_stat,
	.each = squash_each,
	.readlink = squash_readlink,
	.read = squash_read,
};
