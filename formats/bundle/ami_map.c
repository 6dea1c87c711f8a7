/*
 * The block map: made from a disk in one pass, written and read as JSON.
 */
#include <inttypes.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <uni/bundle/ami.h>

#include "internal.h"

enum { FORMAT = 1, BATCH = 8 };

void uni_ami_map_free(struct uni_ami_map *map)
{
	if (map == NULL)
		return;
	free(map->blocks);
	free(map);
}

/* Both checksums over all blocks. */
static void map_end(struct uni_ami_map *map)
{
	struct uni_map_hash whole;
	struct uni_hash linear;

	uni_hash_start(&linear);
	uni_map_hash_start(&whole, map->size);
	for (size_t i = 0; i < map->count; i++) {
		const struct uni_ami_block *block = &map->blocks[i];

		uni_hash_add(&linear, block->digest.bytes, sizeof(block->digest.bytes));
		uni_map_hash_block(&whole, block->index, &block->digest);
	}
	map->linear = uni_hash_end(&linear);
	map->digest = uni_map_hash_end(&whole);
}

/* --- making --- */

struct making {
	struct uni_ami_map *map;
	struct uni_disk_source *source;
	int fd;
	uint64_t written;
	struct uni_hash hash;
	uint64_t next; /* block */
	uint8_t *data; /* BATCH blocks */
	uint32_t indexes[BATCH];
	struct uni_digest digests[BATCH];
	size_t count;
};

static int digest_block(void *user, size_t index, struct uni_err *err)
{
	struct making *m = user;

	(void)err;
	m->digests[index] = uni_digest_of(m->data + index * UNI_MAP_BLOCK, UNI_MAP_BLOCK);
	return 0;
}

/* Blocks are hashed side by side, the file of all of them in order. */
static int flush(struct making *m, struct uni_err *err)
{
	size_t size = m->count * UNI_MAP_BLOCK;
	int rc = uni_pool_run(m->count, 0, digest_block, m, err);

	if (rc == 0 && m->fd >= 0) {
		rc = uni_pwrite_full(m->fd, m->data, size, m->written, UNI_AMI_BLOCKS, err);
		uni_hash_add(&m->hash, m->data, size);
		m->written += size;
	}
	for (size_t i = 0; rc == 0 && i < m->count; i++) {
		UNI_PUSH_ROOM(m->map->blocks, m->map->count, m->map->room);
		m->map->blocks[m->map->count++] = (struct uni_ami_block){
			.index = m->indexes[i],
			.digest = m->digests[i],
		};
	}
	m->count = 0;
	return rc;
}

/* The next block that may hold data. 1: read, 0: none. */
static int take_block(struct making *m, struct uni_err *err)
{
	uint8_t *data = m->data + m->count * UNI_MAP_BLOCK;
	uint64_t at = m->next * UNI_MAP_BLOCK;
	uint64_t length;
	int rc = uni_check_cancel(err);

	if (rc == 0)
		rc = uni_disk_source_next(m->source, &at, &length, err);
	if (rc <= 0)
		return rc;
	m->next = at / UNI_MAP_BLOCK + 1;
	rc = uni_disk_source_read_data(m->source, data, UNI_MAP_BLOCK,
				       (m->next - 1) * UNI_MAP_BLOCK, err);
	if (rc != 0)
		return rc;
	if (!uni_all_zero(data, UNI_MAP_BLOCK))
		m->indexes[m->count++] = (uint32_t)(m->next - 1);
	return 1;
}

static int no_ebs_volume(uint64_t size, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_LIMIT,
			   "a disk of %s is no EBS volume: these have whole GiB, at most %u",
			   uni_size_text(size), UNI_AMI_GIB_MAX);
}

int uni_ami_check_size(uint64_t size, struct uni_err *err)
{
	return size / UNI_AMI_GIB > UNI_AMI_GIB_MAX ? no_ebs_volume(size, err) : 0;
}

int uni_ami_map_make(struct uni_ami_map **map, struct uni_disk_source *source, int blocks_fd,
		     struct uni_digest *blocks_digest, struct uni_err *err)
{
	UNI_AUTO(uni_ami_map) struct uni_ami_map *made = uni_alloc(sizeof(*made));
	UNI_AUTO_FREE uint8_t *data = uni_alloc((size_t)BATCH * UNI_MAP_BLOCK);
	struct making m = { .map = made, .source = source, .fd = blocks_fd, .data = data };
	int rc;

	*map = NULL;
	if (source->size % UNI_AMI_GIB != 0)
		return no_ebs_volume(source->size, err);
	rc = uni_ami_check_size(source->size, err);
	if (rc != 0)
		return rc;
	made->size = source->size;
	uni_hash_start(&m.hash);
	while ((rc = take_block(&m, err)) > 0) {
		rc = m.count == BATCH ? flush(&m, err) : 0;
		if (rc != 0)
			return rc;
	}
	if (rc == 0)
		rc = flush(&m, err);
	if (rc != 0)
		return rc;
	map_end(made);
	if (blocks_digest != NULL)
		*blocks_digest = uni_hash_end(&m.hash);
	*map = made;
	made = NULL;
	return 0;
}

/* --- as JSON --- */

void uni_ami_map_json(const struct uni_ami_map *map, struct uni_buf *out)
{
	char checksum[UNI_BASE64_ROOM(32)], text[UNI_DIGEST_TEXT], hex[65];

	uni_base64(map->linear.bytes, sizeof(map->linear.bytes), checksum);
	uni_map_digest_text(&map->digest, text);
	uni_buf_printf(out,
		       "{\n  \"format\": %d,\n  \"digest\": \"%s\",\n  \"size\": %" PRIu64
		       ",\n  \"volume_size\": %" PRIu64 ",\n  \"block_size\": %u,\n"
		       "  \"changed_blocks_count\": %zu,\n  \"checksum\": \"%s\",\n"
		       "  \"checksum_algorithm\": \"SHA256\",\n"
		       "  \"checksum_aggregation_method\": \"LINEAR\",\n  \"blocks\": [",
		       FORMAT, text, map->size, map->size / UNI_AMI_GIB, UNI_MAP_BLOCK, map->count,
		       checksum);
	for (size_t i = 0; i < map->count; i++) {
		uni_hex(map->blocks[i].digest.bytes, sizeof(map->blocks[i].digest.bytes), hex);
		uni_buf_printf(out, "%s\n    {\"index\": %" PRIu32 ", \"sha256\": \"%s\"}",
			       i != 0 ? "," : "", map->blocks[i].index, hex);
	}
	uni_buf_puts(out, map->count != 0 ? "\n  ]\n}\n" : "]\n}\n");
}

static int read_block(struct uni_ami_map *map, const struct uni_json *item)
{
	const char *hex = uni_json_text(uni_json_get(item, "sha256"));
	struct uni_ami_block *block = &map->blocks[map->count];
	uint64_t index;

	if (hex == NULL || !uni_json_u64(uni_json_get(item, "index"), &index) ||
	    index >= map->size / UNI_MAP_BLOCK ||
	    (map->count != 0 && index <= map->blocks[map->count - 1].index) ||
	    !uni_unhex(hex, block->digest.bytes, sizeof(block->digest.bytes)))
		return UNI_E_CORRUPT;
	block->index = (uint32_t)index;
	map->count++;
	return 0;
}

static bool read_map(struct uni_ami_map *map, const struct uni_json *document)
{
	const struct uni_json *blocks = uni_json_get(document, "blocks");
	const char *digest = uni_json_text(uni_json_get(document, "digest"));
	const char *checksum = uni_json_text(uni_json_get(document, "checksum"));
	char expected[UNI_BASE64_ROOM(32)], text[UNI_DIGEST_TEXT];
	uint64_t format, block_size;

	if (!uni_json_u64(uni_json_get(document, "format"), &format) || format != FORMAT ||
	    !uni_json_u64(uni_json_get(document, "block_size"), &block_size) ||
	    block_size != UNI_MAP_BLOCK ||
	    !uni_json_u64(uni_json_get(document, "size"), &map->size) ||
	    map->size % UNI_AMI_GIB != 0 || map->size / UNI_AMI_GIB > UNI_AMI_GIB_MAX ||
	    !uni_json_is_array(blocks) || digest == NULL || checksum == NULL)
		return false;
	map->blocks = uni_alloc_array(uni_json_count(blocks) + 1, sizeof(*map->blocks));
	for (size_t i = 0; i < uni_json_count(blocks); i++)
		if (read_block(map, uni_json_item(blocks, i)) != 0)
			return false;
	map_end(map);
	uni_base64(map->linear.bytes, sizeof(map->linear.bytes), expected);
	uni_map_digest_text(&map->digest, text);
	return uni_str_eq(checksum, expected) && uni_str_eq(digest, text);
}

int uni_ami_map_parse(struct uni_ami_map **map, const char *name, const char *json, size_t size,
		      struct uni_err *err)
{
	UNI_AUTO(uni_ami_map) struct uni_ami_map *made = uni_alloc(sizeof(*made));
	UNI_AUTO(uni_json) struct uni_json *document = NULL;
	int rc = uni_json_parse(&document, name, json, size, err);

	*map = NULL;
	if (rc != 0)
		return rc;
	if (!read_map(made, document))
		return uni_err_set(err, UNI_E_CORRUPT, "%s: is no sound block map", name);
	*map = made;
	made = NULL;
	return 0;
}
