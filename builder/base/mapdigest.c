/*
 * Digests of sparse content by the map of its blocks.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mapdigest.h>
#include <uni/base/system.h>
#include <uni/base/text.h>

static const char prefix[] = "map-sha256:";

void uni_map_hash_start(struct uni_map_hash *map, uint64_t size)
{
	uni_hash_start(&map->hash);
	uni_hash_add_text(&map->hash, "uni map 1");
	uni_hash_add_u64(&map->hash, size);
}

void uni_map_hash_block(struct uni_map_hash *map, uint64_t number, const struct uni_digest *digest)
{
	uni_hash_add_u64(&map->hash, number);
	uni_hash_add(&map->hash, digest->bytes, sizeof(digest->bytes));
}

struct uni_digest uni_map_hash_end(struct uni_map_hash *map)
{
	return uni_hash_end(&map->hash);
}

void uni_map_digest_text(const struct uni_digest *digest, char out[UNI_DIGEST_TEXT])
{
	memcpy(out, prefix, sizeof(prefix) - 1);
	uni_hex(digest->bytes, sizeof(digest->bytes), out + sizeof(prefix) - 1);
}

/* --- files --- */

struct mapping {
	int fd;
	uint64_t size;
	const char *name;
	uint8_t *block;		   /* UNI_MAP_BLOCK bytes */
	uint64_t data;		   /* bytes of blocks that are not zero */
	struct uni_map_hash *hash; /* NULL: they are only counted */
};

static int take_block(struct mapping *m, uint64_t number, struct uni_err *err)
{
	uint64_t at = number * UNI_MAP_BLOCK;
	size_t size = m->size - at < UNI_MAP_BLOCK ? (size_t)(m->size - at) : UNI_MAP_BLOCK;
	struct uni_digest digest;
	int rc = uni_pread_full(m->fd, m->block, size, at, m->name, err);

	if (rc != 0 || uni_all_zero(m->block, size))
		return rc;
	m->data += UNI_MAP_BLOCK;
	if (m->hash == NULL)
		return 0;
	memset(m->block + size, 0, UNI_MAP_BLOCK - size);
	digest = uni_digest_of(m->block, UNI_MAP_BLOCK);
	uni_map_hash_block(m->hash, number, &digest);
	return 0;
}

static int walk_blocks(struct mapping *m, struct uni_err *err)
{
	uint64_t next = 0, at, length;
	int rc = 0;

	m->data = 0;
	for (;;) {
		at = next * UNI_MAP_BLOCK;
		rc = at < m->size ? uni_data_next(m->fd, m->size, &at, &length, err) : 0;
		if (rc <= 0)
			return rc;
		if (at / UNI_MAP_BLOCK > next)
			next = at / UNI_MAP_BLOCK;
		for (; rc >= 0 && next * UNI_MAP_BLOCK < at + length; next++) {
			rc = take_block(m, next, err);
			if (rc == 0)
				rc = uni_check_cancel(err);
		}
		if (rc < 0)
			return rc;
	}
}

int uni_content_is_mapped(int fd, uint64_t size, bool *mapped, struct uni_err *err)
{
	uint64_t data = 0, at = 0, length;
	int rc;

	while ((rc = uni_data_next(fd, size, &at, &length, err)) > 0) {
		data += length + 2 * UNI_MAP_BLOCK;
		at += length;
	}
	*mapped = rc == 0 && size > data && size - data > UNI_MAP_HOLE;
	return rc;
}

/* What the file system knows to be holes is enough to know, and spares a pass. */
static int has_holes(struct mapping *m, bool *holes, struct uni_err *err)
{
	int rc = uni_content_is_mapped(m->fd, m->size, holes, err);

	if (rc != 0 || *holes)
		return rc;
	rc = walk_blocks(m, err);
	*holes = rc == 0 && m->size > m->data && m->size - m->data > UNI_MAP_HOLE;
	return rc;
}

int uni_content_digest_fd(int fd, uint64_t *size, struct uni_digest *digest, bool *mapped,
			  const char *name, struct uni_err *err)
{
	struct mapping m = { .fd = fd, .name = name };
	UNI_AUTO_FREE uint8_t *block = NULL;
	struct uni_map_hash hash;
	struct stat st;
	int rc;

	*mapped = false;
	if (fstat(fd, &st) != 0)
		return uni_err_errno(err, "%s", name);
	m.size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || m.size <= UNI_MAP_HOLE)
		return uni_digest_fd(fd, size, digest, name, err);
	block = uni_alloc(UNI_MAP_BLOCK);
	m.block = block;
	rc = has_holes(&m, mapped, err);
	if (rc != 0)
		return rc;
	if (!*mapped)
		return uni_digest_fd(fd, size, digest, name, err);
	uni_map_hash_start(&hash, m.size);
	m.hash = &hash;
	rc = walk_blocks(&m, err);
	*digest = uni_map_hash_end(&hash);
	if (size != NULL)
		*size = m.size;
	return rc;
}

int uni_content_digest_file(const char *path, uint64_t *size, struct uni_digest *digest,
			    bool *mapped, struct uni_err *err)
{
	int fd UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return uni_err_errno(err, "cannot open %s", path);
	return uni_content_digest_fd(fd, size, digest, mapped, path, err);
}

void uni_content_digest_text(const struct uni_digest *digest, bool mapped,
			     char out[UNI_DIGEST_TEXT])
{
	if (mapped)
		uni_map_digest_text(digest, out);
	else
		uni_digest_text(digest, out);
}

bool uni_content_digest_parse(const char *text, struct uni_digest *digest, bool *mapped)
{
	*mapped = uni_str_starts(text, prefix);
	return uni_digest_parse(*mapped ? text + sizeof(prefix) - 1 : text, digest);
}
