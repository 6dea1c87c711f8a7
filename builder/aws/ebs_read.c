/*
 * Snapshots read back (Amazon EBS API Reference): ListSnapshotBlocks, page by page, for the tokens,
 * GetSnapshotBlock for the bytes, several at a time. What is not listed reads as zeros.
 */
#include "aws.h"
#include <stdio.h>
#include <string.h>
#include <uni/aws/ebs.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>

#define PATH_ROOM (UNI_EBS_ID + 64)
#define PAGE_LEAST 100u /* blocks of a list, as the service has it */
#define PAGE_MOST 10000u
#define WINDOW 32u

struct wanted {
	struct reading *reading;
	uint32_t index;
	char *token;
};

struct reading {
	struct uni_aws *aws;
	const struct uni_ebs_snapshot *snapshot;
	const struct uni_ebs_download *want;
	struct wanted *blocks;
	size_t count, room, next;
	uint64_t size; /* of the volume, bytes */
	char *page;    /* token of the next one, or NULL */
};

static void reading_end(struct reading *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->blocks[i].token);
	free(r->blocks);
	free(r->page);
}

static struct uni_aws_call call_of(const struct reading *r, const char *action, const char *path,
				   const struct uni_buf *query)
{
	return (struct uni_aws_call){ .service = "ebs",
				      .action = action,
				      .region = r->snapshot->region,
				      .method = "GET",
				      .path = path,
				      .query = query->data };
}

/* --- which blocks there are --- */

static int note_block(struct reading *r, const struct uni_json *block, struct uni_err *err)
{
	const char *token = uni_json_text(uni_json_get(block, "BlockToken"));
	uint64_t index;

	if (!uni_json_u64(uni_json_get(block, "BlockIndex"), &index) || token == NULL ||
	    index >= r->size / UNI_EBS_BLOCK ||
	    (r->count != 0 && index <= r->blocks[r->count - 1].index))
		return uni_err_set(err, UNI_E_CORRUPT, "%s has not its blocks in order",
				   r->snapshot->id);
	if (r->want->most != 0 && r->count == r->want->most)
		return uni_err_set(err, UNI_E_LIMIT, "%s has more than %u blocks", r->snapshot->id,
				   r->want->most);
	UNI_PUSH_ROOM(r->blocks, r->count, r->room);
	r->blocks[r->count++] = (struct wanted){ r, (uint32_t)index, uni_strdup(token) };
	return 0;
}

static int note_page(struct reading *r, const struct uni_json *page, struct uni_err *err)
{
	const struct uni_json *blocks = uni_json_get(page, "Blocks");
	const char *next = uni_json_text(uni_json_get(page, "NextToken"));
	uint64_t gib = 0, unit = 0;
	int rc = 0;

	if (!uni_json_u64(uni_json_get(page, "VolumeSize"), &gib) || gib == 0 ||
	    gib > UNI_EBS_GIB_MAX || !uni_json_u64(uni_json_get(page, "BlockSize"), &unit) ||
	    unit != UNI_EBS_BLOCK)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: its list of blocks is not sound",
				   r->snapshot->id);
	r->size = gib << 30;
	for (size_t i = 0; rc == 0 && i < uni_json_count(blocks); i++)
		rc = note_block(r, uni_json_item(blocks, i), err);
	free(r->page);
	r->page = next != NULL && next[0] != '\0' ? uni_strdup(next) : NULL;
	/* Pages that say nothing might never end. */
	if (rc == 0 && r->page != NULL && uni_json_count(blocks) == 0)
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s: an empty page of its list of blocks",
				 r->snapshot->id);
	return rc;
}

static int list_page(struct reading *r, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf query UNI_AUTO_BUF = UNI_BUF_INIT;
	unsigned most = r->want->most;
	struct uni_aws_call call;
	char path[PATH_ROOM];
	int rc;

	most = most == 0 || most > PAGE_MOST ? PAGE_MOST : most < PAGE_LEAST ? PAGE_LEAST : most;
	uni_buf_printf(&query, "maxResults=%u", most);
	if (r->page != NULL) {
		uni_buf_puts(&query, "&pageToken=");
		uni_aws_encode(&query, r->page);
	}
	snprintf(path, sizeof(path), "/snapshots/%s/blocks", r->snapshot->id);
	call = call_of(r, "ListSnapshotBlocks", path, &query);
	rc = uni_aws_do(r->aws, &call, &answer, NULL, err);
	if (rc == 0)
		rc = uni_json_parse(&json, "ListSnapshotBlocks", uni_buf_text(&answer.body),
				    answer.body.size, err);
	return rc == 0 ? note_page(r, json, err) : rc;
}

/* --- the blocks --- */

static int start_next(struct reading *r, struct uni_err *err);

static int check_block(const struct wanted *block, const struct uni_net_answer *answer,
		       struct uni_err *err)
{
	struct uni_digest digest = uni_digest_of(answer->body.data, answer->body.size);
	char expected[UNI_BASE64_ROOM(sizeof(struct uni_digest))];

	uni_base64(digest.bytes, sizeof(digest.bytes), expected);
	if (answer->body.size == UNI_EBS_BLOCK &&
	    uni_str_eq(uni_net_answer_header(answer, "x-amz-checksum"), expected))
		return 0;
	return uni_err_set(err, UNI_E_CORRUPT, "block %u of %s has not its checksum", block->index,
			   block->reading->snapshot->id);
}

static int on_block(void *user, int rc, const char *code, struct uni_net_answer *answer,
		    struct uni_err *err)
{
	struct wanted *block = user;
	struct reading *r = block->reading;

	(void)code;
	if (rc != 0)
		return uni_err_context(err, "block %u of %s", block->index, r->snapshot->id);
	rc = check_block(block, answer, err);
	if (rc == 0)
		rc = r->want->got(r->want->user, block->index, answer->body.data, err);
	if (rc == 0)
		rc = uni_check_cancel(err);
	return rc == 0 ? start_next(r, err) : rc;
}

static int start_next(struct reading *r, struct uni_err *err)
{
	struct uni_buf query UNI_AUTO_BUF = UNI_BUF_INIT;
	struct wanted *block = &r->blocks[r->next];
	struct uni_aws_call call;
	char path[PATH_ROOM];

	if (r->next == r->count)
		return 0;
	r->next++;
	snprintf(path, sizeof(path), "/snapshots/%s/blocks/%u", r->snapshot->id, block->index);
	uni_buf_puts(&query, "blockToken=");
	uni_aws_encode(&query, block->token);
	call = call_of(r, "GetSnapshotBlock", path, &query);
	return uni_aws_start(r->aws, &call, on_block, block, err);
}

int uni_ebs_download(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot,
		     const struct uni_ebs_download *download, struct uni_err *err)
{
	struct reading r __attribute__((
		cleanup(reading_end))) = { .aws = aws, .snapshot = snapshot, .want = download };
	int rc;

	do
		rc = list_page(&r, err);
	while (rc == 0 && r.page != NULL);
	if (rc == 0 && download->size != NULL)
		rc = download->size(download->user, r.size, err);
	for (unsigned i = 0; rc == 0 && i < WINDOW; i++)
		rc = start_next(&r, err);
	if (rc == 0)
		rc = uni_net_run(uni_aws_net(aws), err);
	if (rc != 0)
		uni_net_drop(uni_aws_net(aws));
	return rc;
}

/* --- small ones --- */

struct keeping {
	struct uni_buf *out;
	uint32_t most;
};

static int keep_block(void *user, uint32_t index, const void *data, struct uni_err *err)
{
	const struct keeping *k = user;
	size_t at = (size_t)index * UNI_EBS_BLOCK;

	if (index >= k->most)
		return uni_err_set(err, UNI_E_LIMIT, "block %u lies behind all that is wanted",
				   index);
	if (k->out->size < at + UNI_EBS_BLOCK)
		uni_buf_pad(k->out, at + UNI_EBS_BLOCK);
	memcpy(k->out->data + at, data, UNI_EBS_BLOCK);
	return 0;
}

int uni_ebs_read(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot, uint32_t most,
		 struct uni_buf *out, struct uni_err *err)
{
	struct keeping keeping = { out, most };
	const struct uni_ebs_download download = { .most = most,
						   .got = keep_block,
						   .user = &keeping };

	return uni_ebs_download(aws, snapshot, &download, err);
}
