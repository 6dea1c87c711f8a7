/*
 * squashfs's extended attributes: an inode names an entry of a table, which names a run of pairs.
 */
#include "squashfs.h"

enum { OUT_OF_LINE = 0x100, PAIRS_MAX = 4096, VALUE_MAX = 65536 };

struct UK_PACKED pair {
	uint16_t type, name_size;
};

static const char *const prefixes[] = { "user.", "trusted.", "security." };

int sq_xattr_open(struct sq *sq)
{
	struct sq_xattr_table table;
	int error;

	if (sq->disk.xattr_table == SQ_NONE64)
		return 0;
	error = fs_volume_read(sq->volume, sq->disk.xattr_table, &table, sizeof(table));
	if (error != 0)
		return error;
	if (table.start > sq->disk.bytes_used)
		return -UK_EIO;
	sq->xattr_start = table.start;
	sq->xattr_ids = table.count;
	return 0;
}

static int place_of(const struct sq *sq, uint64_t ref, struct sq_place *place)
{
	place->offset = (uint32_t)(ref & 0xffff);
	return __builtin_add_overflow(sq->xattr_start, ref >> 16, &place->block) ? -UK_EIO : 0;
}

struct attribute {
	bool skipped; /* of a kind that is not known */
	bool out_of_line;
	char name[UK_NAME_MAX + 16];
	uint32_t value_size;
};

/* The next pair; the place stands before its value then. */
static int next_pair(struct sq *sq, struct sq_place *at, struct attribute *a)
{
	struct pair pair;
	unsigned kind;
	size_t prefix = 0;
	int error = sq_meta_read(sq, at, &pair, sizeof(pair));

	if (error != 0)
		return error;
	kind = pair.type & (OUT_OF_LINE - 1u);
	a->skipped = kind >= UK_COUNT(prefixes);
	a->out_of_line = (pair.type & OUT_OF_LINE) != 0;
	if (pair.name_size > UK_NAME_MAX)
		return -UK_EIO;
	if (!a->skipped)
		prefix = uk_strlcpy(a->name, prefixes[kind], sizeof(a->name));
	error = sq_meta_read(sq, at, a->name + prefix, pair.name_size);
	a->name[prefix + pair.name_size] = '\0';
	return error != 0 ? error : sq_meta_read(sq, at, &a->value_size, sizeof(a->value_size));
}

/* Where the value really is, for one kept elsewhere since several files have it. */
static int follow(struct sq *sq, struct sq_place at, struct attribute *a, struct sq_place *value)
{
	uint64_t ref;
	int error;

	*value = at;
	if (!a->out_of_line)
		return 0;
	if (a->value_size != sizeof(ref))
		return -UK_EIO;
	error = sq_meta_read(sq, &at, &ref, sizeof(ref));
	if (error == 0)
		error = place_of(sq, ref, value);
	return error != 0 ? error : sq_meta_read(sq, value, &a->value_size, sizeof(a->value_size));
}

static int64_t give_value(struct sq *sq, struct sq_place at, struct attribute *a, void *value,
			  size_t room)
{
	struct sq_place from;
	int error = follow(sq, at, a, &from);

	if (error != 0)
		return error;
	if (a->value_size > VALUE_MAX)
		return -UK_EIO;
	if (room == 0)
		return a->value_size;
	if (room < a->value_size)
		return -UK_ERANGE;
	error = a->value_size != 0 ? sq_meta_read(sq, &from, value, a->value_size) : 0;
	return error != 0 ? error : (int64_t)a->value_size;
}

/* A name for the list: -UK_ERANGE when it does not fit. */
static int list_name(const char *name, char *to, size_t room, int64_t *used)
{
	size_t size = strlen(name) + 1;

	if (room != 0) {
		if (size > room - (size_t)*used)
			return -UK_ERANGE;
		memcpy(to + *used, name, size);
	}
	*used += (int64_t)size;
	return 0;
}

static int64_t scan(struct sq *sq, const struct sq_xattr_id *id, const char *name, void *value,
		    size_t room)
{
	struct attribute a;
	struct sq_place at;
	int64_t used = 0;
	int error = place_of(sq, id->place, &at);

	if (id->count > PAIRS_MAX)
		return -UK_EIO;
	for (uint32_t i = 0; i < id->count && error == 0; i++) {
		error = next_pair(sq, &at, &a);
		if (error != 0)
			return error;
		if (!a.skipped && name != NULL && strcmp(a.name, name) == 0)
			return give_value(sq, at, &a, value, room);
		if (!a.skipped && name == NULL)
			error = list_name(a.name, value, room, &used);
		if (error == 0 && a.value_size != 0)
			error = sq_meta_read(sq, &at, NULL, a.value_size);
	}
	if (error != 0)
		return error;
	return name == NULL ? used : -UK_ENODATA;
}

int64_t sq_xattr(struct uk_inode *inode, const char *name, void *value, size_t room)
{
	const struct sq_node *node = sq_node_of(inode);
	struct sq *sq = sq_of(inode);
	struct sq_xattr_id id;
	int error;

	if (node->xattr == SQ_NONE32 || sq->xattr_ids == 0)
		return name != NULL ? -UK_ENODATA : 0;
	if (node->xattr >= sq->xattr_ids)
		return -UK_EIO;
	error = sq_table_read(sq, sq->disk.xattr_table + sizeof(struct sq_xattr_table), node->xattr,
			      &id, sizeof(id));
	return error != 0 ? error : scan(sq, &id, name, value, room);
}
