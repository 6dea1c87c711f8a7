/*
 * Snapshots read back: ListSnapshotBlocks for the tokens, GetSnapshotBlock for the bytes. One block
 * after the other, since only small ones are read here.
 */
#include "aws.h"
#include <stdio.h>
#include <string.h>
#include <uni/aws/ebs.h>

#define PATH_ROOM (UNI_EBS_ID + 64)

static int ask(struct uni_aws *aws, const char *region, const char *action, const char *path,
	       const char *query, struct uni_net_answer *answer, struct uni_err *err)
{
	const struct uni_aws_call call = { .service = "ebs",
					   .action = action,
					   .region = region,
					   .method = "GET",
					   .path = path,
					   .query = query };

	return uni_aws_do(aws, &call, answer, NULL, err);
}

/* Appends block `index`, which must have the checksum that is said with it. */
static int read_block(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot, uint32_t index,
		      const char *token, struct uni_buf *out, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf query UNI_AUTO_BUF = UNI_BUF_INIT;
	char expected[UNI_BASE64_ROOM(sizeof(struct uni_digest))];
	char path[PATH_ROOM];
	struct uni_digest digest;
	const char *checksum;
	int rc;

	snprintf(path, sizeof(path), "/snapshots/%s/blocks/%u", snapshot->id, index);
	uni_buf_puts(&query, "blockToken=");
	uni_aws_encode(&query, token);
	rc = ask(aws, snapshot->region, "GetSnapshotBlock", path, query.data, &answer, err);
	if (rc != 0)
		return rc;
	digest = uni_digest_of(answer.body.data, answer.body.size);
	uni_base64(digest.bytes, sizeof(digest.bytes), expected);
	checksum = uni_net_answer_header(&answer, "x-amz-checksum");
	if (answer.body.size != UNI_EBS_BLOCK || !uni_str_eq(checksum, expected))
		return uni_err_set(err, UNI_E_CORRUPT, "block %u of %s has not its checksum", index,
				   snapshot->id);
	uni_buf_add(out, answer.body.data, answer.body.size);
	return 0;
}

int uni_ebs_read(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot, uint32_t most,
		 struct uni_buf *out, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	char *query UNI_AUTO_FREE = uni_asprintf("maxResults=%u", most < 100 ? 100 : most);
	const struct uni_json *blocks;
	char path[PATH_ROOM];
	int rc;

	snprintf(path, sizeof(path), "/snapshots/%s/blocks", snapshot->id);
	rc = ask(aws, snapshot->region, "ListSnapshotBlocks", path, query, &answer, err);
	if (rc == 0)
		rc = uni_json_parse(&json, "ListSnapshotBlocks", uni_buf_text(&answer.body),
				    answer.body.size, err);
	if (rc != 0)
		return rc;
	blocks = uni_json_get(json, "Blocks");
	if (uni_json_count(blocks) > most)
		return uni_err_set(err, UNI_E_LIMIT, "%s has more than %u blocks", snapshot->id,
				   most);
	for (size_t i = 0; rc == 0 && i < uni_json_count(blocks); i++) {
		const struct uni_json *block = uni_json_item(blocks, i);
		const char *token = uni_json_text(uni_json_get(block, "BlockToken"));
		uint64_t index;

		if (!uni_json_u64(uni_json_get(block, "BlockIndex"), &index) || index != i ||
		    token == NULL)
			return uni_err_set(err, UNI_E_CORRUPT, "%s has not its blocks in order",
					   snapshot->id);
		rc = read_block(aws, snapshot, (uint32_t)index, token, out, err);
	}
	return rc;
}
