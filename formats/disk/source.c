/*
 * The plain sources: files and memory. What the kernel knows to be a hole is not read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <unistd.h>

#include "internal.h"

void *disk_source_new(size_t size, const struct uni_disk_source_ops *ops, const char *form,
		      uint64_t bytes)
{
	struct uni_disk_source *source = uni_alloc(size);

	source->ops = ops;
	source->form = form;
	source->size = bytes;
	source->owned_fd = -1;
	return source;
}

int uni_disk_source_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
			 struct uni_err *err)
{
	if (*offset >= source->size)
		return 0;
	return source->ops->next(source, offset, length, err);
}

int uni_disk_source_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
			 struct uni_err *err)
{
	if (offset > source->size || size > source->size - offset)
		return uni_err_set(err, UNI_E_INVAL, "a read reaches behind the disk's end");
	return size != 0 ? source->ops->read(source, data, size, offset, err) : 0;
}

int uni_disk_source_read_data(struct uni_disk_source *source, void *data, size_t size,
			      uint64_t offset, struct uni_err *err)
{
	uint64_t end = offset + size;
	int rc = 1;

	if (offset > source->size || size > source->size - offset)
		return uni_err_set(err, UNI_E_INVAL, "a read reaches behind the disk's end");
	memset(data, 0, size);
	for (uint64_t at = offset, length = 0; at < end; at += length) {
		rc = uni_disk_source_next(source, &at, &length, err);
		if (rc <= 0 || at >= end)
			break;
		length = length < end - at ? length : end - at;
		rc = source->ops->read(source, (uint8_t *)data + (at - offset), (size_t)length, at,
				       err);
		if (rc != 0)
			break;
	}
	return rc < 0 ? rc : 0;
}

void uni_disk_source_free(struct uni_disk_source *source)
{
	if (source == NULL)
		return;
	if (source->ops->free != NULL)
		source->ops->free(source);
	uni_close_fd(&source->owned_fd);
	free(source);
}

/* --- a range of a file --- */

struct file_source {
	struct uni_disk_source base;
	int fd;
	uint64_t start;
	char *name;
};

static int file_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		     struct uni_err *err)
{
	struct file_source *file = (struct file_source *)source;
	uint64_t at = file->start + *offset;
	int rc = uni_data_next(file->fd, file->start + source->size, &at, length, err);

	if (rc < 0)
		return uni_err_context(err, "%s", file->name);
	*offset = at - file->start;
	return rc;
}

static int file_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		     struct uni_err *err)
{
	struct file_source *file = (struct file_source *)source;

	return uni_pread_full(file->fd, data, size, file->start + offset, file->name, err);
}

static void file_free(struct uni_disk_source *source)
{
	free(((struct file_source *)source)->name);
}

static const struct uni_disk_source_ops file_ops = {
	.next = file_next,
	.read = file_read,
	.free = file_free,
};

struct uni_disk_source *uni_disk_source_from_fd(int fd, uint64_t offset, uint64_t size,
						const char *name)
{
	struct file_source *file = disk_source_new(sizeof(*file), &file_ops, "raw", size);

	file->fd = fd;
	file->start = offset;
	file->name = uni_strdup(name);
	return &file->base;
}

/* --- memory --- */

struct memory_source {
	struct uni_disk_source base;
	const uint8_t *data;
};

static int memory_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		       struct uni_err *err)
{
	(void)err;
	*length = source->size - *offset;
	return 1;
}

static int memory_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		       struct uni_err *err)
{
	(void)err;
	memcpy(data, ((struct memory_source *)source)->data + offset, size);
	return 0;
}

static const struct uni_disk_source_ops memory_ops = { .next = memory_next, .read = memory_read };

struct uni_disk_source *uni_disk_source_from_memory(const void *data, size_t size)
{
	struct memory_source *memory = disk_source_new(sizeof(*memory), &memory_ops, "raw", size);

	memory->data = data;
	return &memory->base;
}
