/*
 * Paths and vectors out of the program's memory, and the checks before every read and write.
 */
#include "calls.h"

int fs_path_get(struct fs_path *path, uint64_t user)
{
	int64_t size = uk_string_from_user(path->room, user, sizeof(path->room));

	path->text = path->room;
	if (size == -UK_ENAMETOOLONG) {
		path->text = uk_alloc(UK_PATH_MAX);
		if (path->text == NULL)
			return -UK_ENOMEM;
		size = uk_string_from_user(path->text, user, UK_PATH_MAX);
		if (size < 0)
			uk_free(path->text);
	}
	return size < 0 ? (int)size : 0;
}

int fs_vec_get(struct fs_vec *v, uint64_t user, uint64_t count, struct uk_iter *it)
{
	uint64_t total = 0, sizes = 0;
	int error;

	v->vec = v->room;
	if (count > UK_COUNT(v->room)) {
		if (count > UK_IOV_MAX)
			return -UK_EINVAL;
		v->vec = uk_alloc(count * sizeof(*v->vec));
		if (v->vec == NULL)
			return -UK_ENOMEM;
	}
	error = uk_copy_from_user(v->vec, user, count * sizeof(*v->vec));
	if (error != 0)
		goto put;
	for (uint64_t i = 0; i < count; i++) {
		struct uk_iovec *vec = &v->vec[i];

		sizes |= vec->size;
		vec->size = UK_MIN(vec->size, UK_RW_MAX - total);
		total += vec->size;
	}
	if (sizes > INT64_MAX) {
		error = -UK_EINVAL;
		goto put;
	}
	uk_iter_begin(it, v->vec, (unsigned)count, total);
	return 0;
put:
	fs_vec_put(v);
	return error;
}

int64_t fs_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	int64_t result;

	if (!fs_can_read(file))
		return -UK_EBADF;
	result = file->ops->read != NULL ? file->ops->read(file, to, offset) : -UK_EINVAL;
	if (result > 0)
		fs_notify(file->dentry, UK_IN_ACCESS);
	return result;
}

int64_t fs_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	int64_t result;

	if (!fs_can_write(file))
		return -UK_EBADF;
	result = file->ops->write != NULL ? file->ops->write(file, from, offset) : -UK_EINVAL;
	if (result > 0)
		fs_notify(file->dentry, UK_IN_MODIFY);
	return result;
}
