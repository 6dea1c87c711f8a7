/*
 * Extended attributes of a file that lives in memory (xattr(7)): a list by name, for tmpfs.
 */
#include <uk/mem.h>

#include "fs.h"

enum { SPACE_MAX = 256 << 10 }; /* names and values of one file */

struct fs_xattr {
	struct fs_xattr *next;
	size_t size;	  /* of the value */
	size_t name_size; /* with its NUL */
	char text[];	  /* name, NUL, value */
};

static bool is_known(const char *name)
{
	static const char *const kinds[] = { "user.", "trusted.", "security." };

	for (unsigned i = 0; i < UK_COUNT(kinds); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static int64_t list_names(const struct fs_xattr *x, char *to, size_t room)
{
	size_t used = 0;

	for (; x != NULL; x = x->next) {
		if (strncmp(x->text, "trusted.", 8) == 0 && !fs_is_root())
			continue;
		if (room != 0 && x->name_size > room - used)
			return -UK_ERANGE;
		if (room != 0)
			memcpy(to + used, x->text, x->name_size);
		used += x->name_size;
	}
	return (int64_t)used;
}

int64_t fs_xattr_get(const struct fs_xattr *x, const char *name, void *value, size_t room)
{
	if (name == NULL)
		return list_names(x, value, room);
	while (x != NULL && strcmp(x->text, name) != 0)
		x = x->next;
	if (x == NULL)
		return is_known(name) ? -UK_ENODATA : -UK_EOPNOTSUPP;
	if (room != 0 && x->size > room)
		return -UK_ERANGE;
	if (room != 0)
		memcpy(value, x->text + x->name_size, x->size);
	return (int64_t)x->size;
}

static struct fs_xattr *make(const char *name, const void *value, size_t size)
{
	size_t name_size = strlen(name) + 1;
	struct fs_xattr *x = uk_alloc(sizeof(*x) + name_size + size);

	if (x == NULL)
		return NULL;
	x->size = size;
	x->name_size = name_size;
	memcpy(x->text, name, name_size);
	memcpy(x->text + name_size, value, size);
	return x;
}

int fs_xattr_set(struct fs_xattr **list, const char *name, const void *value, size_t size,
		 unsigned flags)
{
	struct fs_xattr **at = list, *old, *fresh;
	size_t space = size;

	if (!is_known(name))
		return -UK_EOPNOTSUPP;
	for (const struct fs_xattr *x = *list; x != NULL; x = x->next)
		space += x->name_size + x->size;
	while (*at != NULL && strcmp((*at)->text, name) < 0)
		at = &(*at)->next;
	old = *at != NULL && strcmp((*at)->text, name) == 0 ? *at : NULL;
	if (old != NULL ? (flags & UK_XATTR_CREATE) != 0 : (flags & UK_XATTR_REPLACE) != 0)
		return old != NULL ? -UK_EEXIST : -UK_ENODATA;
	fresh = old != NULL ? old->next : *at;
	if (value != NULL) {
		struct fs_xattr *x = space <= SPACE_MAX ? make(name, value, size) : NULL;

		if (x == NULL)
			return -UK_ENOSPC;
		x->next = fresh;
		fresh = x;
	}
	*at = fresh;
	uk_free(old);
	return 0;
}

void fs_xattr_free(struct fs_xattr *list)
{
	while (list != NULL) {
		struct fs_xattr *next = list->next;

		uk_free(list);
		list = next;
	}
}
