/*
 * The map snapshot: the text of the state folder's record, filled up with zeros.
 */
#include "ec2_map.h"
#include <string.h>
#include <uni/aws/ec2.h>
#include <uni/dest/ami.h>

#define BLOCKS_MOST 128u /* 64 MiB of map: a disk of 350 GB without a hole */

static size_t blocks_of(const struct uni_buf *text)
{
	return (text->size + UNI_EBS_BLOCK - 1) / UNI_EBS_BLOCK;
}

size_t ec2_map_blocks(const struct uni_ami_map *map)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	size_t count;

	ec2_pushed_write("", map, &text);
	count = blocks_of(&text);
	return count <= BLOCKS_MOST ? count : 0;
}

/* --- keeping --- */

static int read_text(void *user, uint32_t index, void *data, struct uni_err *err)
{
	const struct uni_buf *text = user;
	size_t at = (size_t)index * UNI_EBS_BLOCK;
	size_t size = text->size - at < UNI_EBS_BLOCK ? text->size - at : UNI_EBS_BLOCK;

	(void)err;
	memcpy(data, text->data + at, size);
	memset((uint8_t *)data + size, 0, UNI_EBS_BLOCK - size);
	return 0;
}

static int fill(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot, struct uni_buf *text,
		struct uni_err *err)
{
	size_t count = blocks_of(text);
	struct uni_ebs_block *blocks UNI_AUTO_FREE = uni_alloc_array(count, sizeof(*blocks));
	uint8_t *data UNI_AUTO_FREE = uni_alloc(UNI_EBS_BLOCK);
	const struct uni_ebs_upload upload = {
		.blocks = blocks, .count = count, .read = read_text, .user = text, .in_flight = 8
	};
	int rc;

	for (uint32_t i = 0; i < count; i++) {
		(void)read_text(text, i, data, err);
		blocks[i] = (struct uni_ebs_block){ i, uni_digest_of(data, UNI_EBS_BLOCK) };
	}
	rc = uni_ebs_upload(aws, snapshot, &upload, err);
	return rc == 0 ? uni_ebs_complete(aws, snapshot, blocks, count, err) : rc;
}

int ec2_map_keep(struct uni_aws *aws, const char *region, const char *name, const char *snapshot,
		 const struct uni_ami_map *map, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_strv tags UNI_AUTO_STRV = { 0 };
	struct uni_ebs_snapshot kept = { .region = region };
	char token[33];
	const struct uni_ebs_start start = { .region = region,
					     .gib = 1,
					     .description = "block map, for the next push by uni",
					     .token = token,
					     .tags = &tags };
	struct uni_digest digest;
	int rc;

	ec2_pushed_write(snapshot, map, &text);
	if (blocks_of(&text) > BLOCKS_MOST)
		return 0;
	digest = uni_digest_of(text.data, text.size);
	uni_hex(digest.bytes, 16, token);
	uni_strv_addf(&tags, UNI_AMI_TAG_MAP_NAME "=%s", name);
	uni_strv_addf(&tags, UNI_AMI_TAG_MAP_OF "=%s", snapshot);
	rc = uni_ebs_start(aws, &start, &kept, err);
	if (rc == 0)
		rc = fill(aws, &kept, &text, err);
	return rc == 0 ? 0 : uni_err_context(err, "block map of %s", snapshot);
}

/* --- finding --- */

int ec2_map_find(struct uni_aws *aws, const char *region, const char *name,
		 struct ec2_pushed *pushed, struct uni_err *err)
{
	struct uni_ec2_snapshots list UNI_AUTO_EC2_SNAPSHOTS = { 0 };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_ebs_snapshot snapshot = { .region = region };
	const struct uni_ec2_snapshot *found;
	int rc = uni_ec2_snapshots(aws, region, "tag:" UNI_AMI_TAG_MAP_NAME, name, &list, err);

	found = uni_ec2_snapshots_newest(&list);
	if (rc != 0 || found == NULL)
		return rc;
	memcpy(snapshot.id, found->id, strlen(found->id) + 1);
	rc = uni_ebs_read(aws, &snapshot, BLOCKS_MOST, &text, err);
	if (rc != 0)
		return rc;
	return ec2_pushed_read(pushed, found->id, text.data, strnlen(text.data, text.size)) ? 1 : 0;
}
