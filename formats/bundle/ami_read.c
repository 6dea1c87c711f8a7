/*
 * NAME.ami, read: checked when it is opened, and block by block.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/search.h>
#include <uni/bundle/ami.h>
#include <unistd.h>

#include "internal.h"

enum { MAP_MAX = 256 << 20, WORDS_MAX = 1 << 20 };

static int read_json(const char *folder, const char *name, uint64_t limit, struct uni_buf *text,
		     struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(folder, name);

	return uni_file_read(path, limit, text, err);
}

int uni_ami_request(const struct uni_ami *ami, struct uni_buf *json, struct uni_err *err)
{
	return read_json(ami->disk.path, UNI_AMI_REGISTER, WORDS_MAX, json, err);
}

/* `disk` owns the path. */
static int open_disk(struct uni_ami_disk *disk, struct uni_err *err)
{
	char *blocks UNI_AUTO_FREE = uni_path_join(disk->path, UNI_AMI_BLOCKS);
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct stat st;
	int rc = read_json(disk->path, UNI_AMI_MAP, MAP_MAX, &text, err);

	if (rc == 0)
		rc = uni_ami_map_parse(&disk->map, disk->path, uni_buf_text(&text), text.size, err);
	if (rc != 0)
		return rc;
	disk->fd = open(blocks, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (disk->fd < 0 || fstat(disk->fd, &st) != 0)
		return uni_err_errno(err, "%s", blocks);
	if (!S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != (uint64_t)disk->map->count * UNI_MAP_BLOCK)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: has not the size that its map says",
				   blocks);
	return 0;
}

static int open_volumes(struct uni_ami *ami, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	int rc = read_json(ami->disk.path, UNI_AMI_VOLUMES, WORDS_MAX, &text, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = ami_volumes_parse(ami, ami->disk.path, uni_buf_text(&text), text.size, err);
	for (size_t i = 0; rc == 0 && i < ami->volume_count; i++) {
		struct uni_ami_volume *volume = &ami->volumes[i];

		volume->disk.path = uni_asprintf("%s/volumes/%s", ami->disk.path, volume->name);
		rc = open_disk(&volume->disk, err);
		if (rc == 0 && !uni_digest_eq(&volume->digest, &volume->disk.map->digest))
			rc = uni_err_set(err, UNI_E_CORRUPT,
					 "%s: is not the volume of " UNI_AMI_VOLUMES,
					 volume->disk.path);
	}
	return rc;
}

int uni_ami_open(struct uni_ami **ami, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_ami) struct uni_ami *made = uni_alloc(sizeof(*made));
	int rc;

	*ami = NULL;
	made->disk.fd = -1;
	made->disk.path = uni_strdup(path);
	rc = open_disk(&made->disk, err);
	if (rc == 0)
		rc = open_volumes(made, err);
	if (rc != 0)
		return rc;
	made->digest = uni_ami_digest(&made->disk.map->digest, made->volumes, made->volume_count);
	*ami = made;
	made = NULL;
	return 0;
}

static void close_disk(struct uni_ami_disk *disk)
{
	uni_close_fd(&disk->fd);
	uni_ami_map_free(disk->map);
	free(disk->path);
}

void uni_ami_free(struct uni_ami *ami)
{
	if (ami == NULL)
		return;
	for (size_t i = 0; i < ami->volume_count; i++)
		uni_close_fd(&ami->volumes[i].disk.fd);
	ami_volumes_free(ami->volumes, ami->volume_count);
	close_disk(&ami->disk);
	free(ami);
}

int uni_ami_load_block(const struct uni_ami_disk *disk, size_t n, void *data, struct uni_err *err)
{
	return uni_pread_full(disk->fd, data, UNI_MAP_BLOCK, (uint64_t)n * UNI_MAP_BLOCK,
			      disk->path, err);
}

int uni_ami_read_block(const struct uni_ami_disk *disk, size_t n, void *data, struct uni_err *err)
{
	const struct uni_ami_block *block = &disk->map->blocks[n];
	struct uni_digest digest;
	int rc = uni_ami_load_block(disk, n, data, err);

	if (rc != 0)
		return rc;
	digest = uni_digest_of(data, UNI_MAP_BLOCK);
	if (!uni_digest_eq(&digest, &block->digest))
		return uni_err_set(err, UNI_E_CORRUPT, "%s: block %" PRIu32 " is damaged",
				   disk->path, block->index);
	return 0;
}

/* --- as a disk --- */

struct ami_source {
	struct uni_disk_source base;
	const struct uni_ami_disk *disk;
	size_t held; /* which block `data` is, SIZE_MAX: none */
	uint8_t data[UNI_MAP_BLOCK];
};

/* The first block of the map at or behind `index`. */
static size_t find_block(const struct uni_ami_map *map, uint64_t index)
{
	size_t at;

	UNI_LOWER_BOUND(at, 0, map->count, map->blocks[at].index < index);
	return at;
}

static int ami_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		    struct uni_err *err)
{
	const struct uni_ami_map *map = ((struct ami_source *)source)->disk->map;
	size_t n = find_block(map, *offset / UNI_MAP_BLOCK);
	uint64_t end;

	(void)err;
	if (n == map->count)
		return 0;
	end = ((uint64_t)map->blocks[n].index + 1) * UNI_MAP_BLOCK;
	if (*offset < end - UNI_MAP_BLOCK)
		*offset = end - UNI_MAP_BLOCK;
	*length = end - *offset;
	return 1;
}

static int ami_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		    struct uni_err *err)
{
	struct ami_source *from = (struct ami_source *)source;
	const struct uni_ami_map *map = from->disk->map;
	uint8_t *out = data;

	while (size != 0) {
		size_t inside = (size_t)(offset % UNI_MAP_BLOCK);
		size_t step = UNI_MAP_BLOCK - inside < size ? UNI_MAP_BLOCK - inside : size;
		size_t n = find_block(map, offset / UNI_MAP_BLOCK);
		int rc = 0;

		if (n == map->count || map->blocks[n].index != offset / UNI_MAP_BLOCK) {
			memset(out, 0, step);
		} else {
			if (from->held != n) {
				from->held = SIZE_MAX;
				rc = uni_ami_read_block(from->disk, n, from->data, err);
			}
			if (rc != 0)
				return rc;
			from->held = n;
			memcpy(out, from->data + inside, step);
		}
		out += step;
		offset += step;
		size -= step;
	}
	return 0;
}

static const struct uni_disk_source_ops ami_ops = { .next = ami_next, .read = ami_read };

struct uni_disk_source *uni_ami_source(const struct uni_ami_disk *disk)
{
	struct ami_source *source = uni_alloc(sizeof(*source));

	source->base.ops = &ami_ops;
	source->base.form = "ami";
	source->base.size = disk->map->size;
	source->base.owned_fd = -1;
	source->disk = disk;
	source->held = SIZE_MAX;
	return &source->base;
}
