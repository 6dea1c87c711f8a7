/*
 * squashfs's inodes, basic and extended, as the VFS's.
 */
#include "squashfs.h"

static const struct uk_inode_ops dir_ops, file_ops, link_ops, special_ops;

static const uint32_t types[] = {
	[SQ_DIR] = UK_S_IFDIR,	     [SQ_REG] = UK_S_IFREG,	 [SQ_LINK] = UK_S_IFLNK,
	[SQ_BLOCK_DEV] = UK_S_IFBLK, [SQ_CHAR_DEV] = UK_S_IFCHR, [SQ_FIFO] = UK_S_IFIFO,
	[SQ_SOCKET] = UK_S_IFSOCK,
};

/* The inode being made, and where its disk form goes on. */
struct parse {
	struct sq *sq;
	struct uk_inode *inode;
	struct sq_node *node;
	struct sq_place at;
	bool extended;
};

static int take(struct parse *p, void *to, size_t size)
{
	return sq_meta_read(p->sq, &p->at, to, size);
}

static int parse_dir(struct parse *p)
{
	struct sq_dir_ext ext = { .xattr = SQ_NONE32 };
	struct sq_dir dir;
	int error;

	if (p->extended) {
		error = take(p, &ext, sizeof(ext));
	} else {
		error = take(p, &dir, sizeof(dir));
		ext.block = dir.block;
		ext.nlink = dir.nlink;
		ext.size = dir.size;
		ext.offset = dir.offset;
	}
	if (error != 0)
		return error;
	p->inode->ops = &dir_ops;
	p->inode->nlink = ext.nlink;
	p->inode->size = ext.size;
	p->node->list.block = p->sq->disk.directory_table + ext.block;
	p->node->list.offset = ext.offset;
	p->node->xattr = ext.xattr;
	p->node->index = p->at;
	p->node->index_count = ext.index_count;
	return ext.offset < SQ_META_SIZE ? 0 : -UK_EIO;
}

static int parse_reg(struct parse *p)
{
	struct sq_reg_ext ext = { .nlink = 1, .xattr = SQ_NONE32 };
	uint64_t block_size = p->sq->disk.block_size;
	struct uk_inode *inode = p->inode;
	struct sq_reg reg;
	int error;

	if (p->extended) {
		error = take(p, &ext, sizeof(ext));
	} else {
		error = take(p, &reg, sizeof(reg));
		ext.start = reg.start;
		ext.size = reg.size;
		ext.fragment = reg.fragment;
		ext.offset = reg.offset;
	}
	if (error != 0)
		return error;
	if (ext.size > p->sq->super->size_max || ext.sparse > ext.size)
		return -UK_EIO;
	if (ext.fragment != SQ_NONE32 &&
	    (ext.fragment >= p->sq->disk.fragment_count || ext.offset >= block_size))
		return -UK_EIO;
	inode->ops = &file_ops;
	inode->nlink = ext.nlink;
	inode->size = ext.size;
	inode->blocks = (ext.size - ext.sparse + 511) / 512;
	inode->fill_order = (uint8_t)p->sq->block_order;
	inode->ahead = fs_volume_in_memory(p->sq->volume) ? 0 : 1;
	p->node->start = ext.start;
	p->node->fragment = ext.fragment;
	p->node->fragment_offset = ext.offset;
	p->node->block_count = ext.size / block_size;
	if (ext.fragment == SQ_NONE32 && ext.size % block_size != 0)
		p->node->block_count++;
	p->node->list = p->at;
	p->node->xattr = ext.xattr;
	return 0;
}

static int parse_link(struct parse *p)
{
	struct sq_link link;
	int error = take(p, &link, sizeof(link));

	if (error != 0)
		return error;
	if (link.size == 0 || link.size >= UK_PATH_MAX)
		return -UK_EIO;
	p->inode->ops = &link_ops;
	p->inode->nlink = link.nlink;
	p->inode->size = link.size;
	p->node->list = p->at;
	error = sq_meta_read(p->sq, &p->at, NULL, link.size);
	if (error == 0 && p->extended)
		error = take(p, &p->node->xattr, sizeof(p->node->xattr));
	return error;
}

static int parse_special(struct parse *p, bool device)
{
	struct sq_device special = { .rdev = 0 };
	int error = take(p, &special, device ? sizeof(special) : sizeof(special.nlink));

	if (error != 0)
		return error;
	p->inode->ops = &special_ops;
	p->inode->nlink = special.nlink;
	p->inode->rdev = special.rdev;
	return p->extended ? take(p, &p->node->xattr, sizeof(p->node->xattr)) : 0;
}

static int parse_head(struct parse *p, unsigned *type)
{
	struct uk_inode *inode = p->inode;
	struct sq_inode_head head;
	int error = take(p, &head, sizeof(head));

	if (error != 0)
		return error;
	p->extended = head.type > SQ_SOCKET;
	*type = p->extended ? head.type - (unsigned)SQ_EXTENDED : head.type;
	if (*type < SQ_DIR || *type > SQ_SOCKET || head.uid >= p->sq->disk.id_count ||
	    head.gid >= p->sq->disk.id_count)
		return -UK_EIO;
	inode->mode = types[*type] | (head.mode & UK_S_ALL);
	inode->ino = head.number;
	inode->atime = inode->mtime = inode->ctime = (int64_t)head.mtime * 1000000000;
	error = sq_table_read(p->sq, p->sq->disk.id_table, head.uid, &inode->uid,
			      sizeof(inode->uid));
	inode->gid = inode->uid;
	if (error != 0 || head.gid == head.uid)
		return error;
	return sq_table_read(p->sq, p->sq->disk.id_table, head.gid, &inode->gid,
			     sizeof(inode->gid));
}

static int parse_inode(struct parse *p)
{
	unsigned type;
	int error = parse_head(p, &type);

	if (error != 0)
		return error;
	switch (type) {
	case SQ_DIR:
		return parse_dir(p);
	case SQ_REG:
		return parse_reg(p);
	case SQ_LINK:
		return parse_link(p);
	default:
		return parse_special(p, type == SQ_BLOCK_DEV || type == SQ_CHAR_DEV);
	}
}

int sq_inode_get(struct sq *sq, uint64_t block, uint32_t offset, struct uk_inode **out)
{
	struct sq_node *node = uk_alloc(sizeof(*node));
	struct parse p = { .sq = sq, .node = node };
	int error;

	if (node == NULL)
		return -UK_ENOMEM;
	node->xattr = SQ_NONE32;
	p.inode = uk_inode_new(sq->super, &special_ops, 0);
	if (p.inode == NULL) {
		uk_free(node);
		return -UK_ENOMEM;
	}
	p.inode->data = node;
	error = __builtin_add_overflow(sq->disk.inode_table, block, &p.at.block) ? -UK_EIO : 0;
	p.at.offset = offset;
	if (error == 0)
		error = parse_inode(&p);
	if (error != 0) {
		uk_inode_put(p.inode);
		return error;
	}
	*out = fs_inode_share(p.inode);
	return 0;
}

static int link_readlink(struct uk_inode *inode, char *target, size_t room)
{
	struct sq_place at = sq_node_of(inode)->list;
	size_t size = UK_MIN(inode->size, room);
	int error = sq_meta_read(sq_of(inode), &at, target, size);

	return error != 0 ? error : (int)size;
}

static void release(struct uk_inode *inode)
{
	uk_free(sq_node_of(inode)->strides);
	uk_free(inode->data);
}

static const struct uk_inode_ops dir_ops = {
	.lookup = sq_lookup, .readdir = sq_readdir, .xattr = sq_xattr, .release = release
};
static const struct uk_inode_ops file_ops = { .fill = sq_fill,
					      .xattr = sq_xattr,
					      .release = release };
static const struct uk_inode_ops link_ops = { .readlink = link_readlink,
					      .xattr = sq_xattr,
					      .release = release };
static const struct uk_inode_ops special_ops = { .xattr = sq_xattr, .release = release };
