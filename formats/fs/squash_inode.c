/*
 * Inodes of squashfs: seven types, each in a basic and an extended form, into one shape.
 */
#include <string.h>

#include "squash.h"

/* Field after field as they lie on disk. */
struct cursor {
	struct squash *s;
	struct squash_place place;
	struct uni_err *err;
	int rc;
};

static uint64_t take(struct cursor *c, size_t bytes)
{
	uint8_t raw[8] = { 0 };
	uint64_t value;

	if (c->rc == 0)
		c->rc = squash_meta_read(c->s, &c->place, raw, bytes, c->err);
	memcpy(&value, raw, sizeof(value));
	return value;
}

static uint16_t take16(struct cursor *c)
{
	return (uint16_t)take(c, 2);
}

static uint32_t take32(struct cursor *c)
{
	return (uint32_t)take(c, 4);
}

static void take_folder(struct cursor *c, bool extended, struct squash_inode *inode)
{
	uint64_t block;

	if (!extended) {
		block = take32(c);
		(void)take32(c); /* links */
		inode->size = take16(c);
		inode->entries.offset = take16(c);
		(void)take32(c); /* parent */
	} else {
		(void)take32(c);
		inode->size = take32(c);
		block = take32(c);
		(void)take32(c);
		(void)take16(c); /* index entries */
		inode->entries.offset = take16(c);
		(void)take32(c); /* extended attributes */
	}
	inode->entries.block = c->s->super.directory_table + block;
}

static void take_file(struct cursor *c, bool extended, struct squash_inode *inode)
{
	if (!extended) {
		inode->start = take32(c);
		inode->fragment = take32(c);
		inode->fragment_offset = take32(c);
		inode->size = take32(c);
	} else {
		inode->start = take(c, 8);
		inode->size = take(c, 8);
		(void)take(c, 8); /* sparse bytes */
		(void)take32(c);  /* links */
		inode->fragment = take32(c);
		inode->fragment_offset = take32(c);
		(void)take32(c);
	}
	inode->rest = c->place;
}

static void take_link(struct cursor *c, struct squash_inode *inode)
{
	(void)take32(c);
	inode->size = take32(c);
	inode->rest = c->place;
	if (c->rc == 0 && (inode->size == 0 || inode->size > SQUASH_LINK_MAX))
		c->rc = reader_corrupt(&c->s->reader, "size of a link", c->err);
}

static int read_id(struct squash *s, uint16_t index, uint32_t *id, struct uni_err *err)
{
	if (index >= s->super.ids)
		return reader_corrupt(&s->reader, "number of an owner", err);
	return squash_table_read(s, s->super.id_table, index, id, sizeof(*id), err);
}

int squash_inode_read(struct squash *s, reader_node node, struct squash_inode *inode,
		      struct uni_err *err)
{
	struct cursor c = { .s = s,
			    .place = { .block = s->super.inode_table + (node >> 16),
				       .offset = (uint32_t)(node & 0xffff) },
			    .err = err };
	uint16_t uid;
	uint16_t gid;
	bool extended;

	memset(inode, 0, sizeof(*inode));
	inode->type = take16(&c);
	inode->mode = take16(&c);
	uid = take16(&c);
	gid = take16(&c);
	inode->mtime = take32(&c);
	inode->number = take32(&c);
	if (c.rc == 0 && (inode->type < 1 || inode->type > 14))
		return reader_corrupt(&s->reader, "type of an inode", err);
	extended = inode->type > 7;
	if (extended)
		inode->type = (uint16_t)(inode->type - 7);
	if (c.rc == 0 && inode->type == 1)
		take_folder(&c, extended, inode);
	else if (c.rc == 0 && inode->type == 2)
		take_file(&c, extended, inode);
	else if (c.rc == 0 && inode->type == 3)
		take_link(&c, inode);
	else if (c.rc == 0 && inode->type <= 5) {
		(void)take32(&c);
		inode->device = take32(&c);
	}
	if (c.rc == 0)
		c.rc = read_id(s, uid, &inode->uid, err);
	return c.rc == 0 ? read_id(s, gid, &inode->gid, err) : c.rc;
}
