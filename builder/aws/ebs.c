/*
 * EBS direct APIs: REST with JSON. Blocks go unsigned with their SHA-256 in a signed header.
 */
#include "aws.h"
#include <stdio.h>
#include <string.h>
#include <uni/aws/ebs.h>
#include <uni/base/system.h>

#define WINDOW_FIRST 64u
#define APPEAR_MS 120000u /* a new snapshot may be unknown for as long */
#define APPEAR_STEP_MS 500u
#define APPEAR_STEP_MAX_MS 5000u
#define BLOCK_DEADLINE_MS 600000u

/* A header line with a digest in base64. */
#define CHECKSUM "x-amz-Checksum: "
#define CHECKSUM_ROOM (sizeof(CHECKSUM) + UNI_BASE64_ROOM(sizeof(struct uni_digest)))

static void checksum_header(const struct uni_digest *digest, char out[CHECKSUM_ROOM])
{
	memcpy(out, CHECKSUM, sizeof(CHECKSUM));
	uni_base64(digest->bytes, sizeof(digest->bytes), out + sizeof(CHECKSUM) - 1);
}

struct uni_digest uni_ebs_linear(const struct uni_ebs_block *blocks, size_t count)
{
	struct uni_hash hash;

	uni_hash_start(&hash);
	for (size_t i = 0; i < count; i++)
		uni_hash_add(&hash, blocks[i].digest.bytes, sizeof(blocks[i].digest.bytes));
	return uni_hash_end(&hash);
}

static void add_tags(struct uni_buf *json, const struct uni_strv *tags)
{
	uni_buf_puts(json, ",\"Tags\":[");
	for (size_t i = 0; i < tags->count; i++) {
		const char *equals = strchr(tags->items[i], '=');
		size_t size =
			equals != NULL ? (size_t)(equals - tags->items[i]) : strlen(tags->items[i]);
		char *key UNI_AUTO_FREE = uni_strndup(tags->items[i], size);

		uni_buf_printf(json, "%s{\"Key\":", i != 0 ? "," : "");
		uni_json_string(json, key);
		uni_buf_puts(json, ",\"Value\":");
		uni_json_string(json, equals != NULL ? equals + 1 : "");
		uni_buf_putc(json, '}');
	}
	uni_buf_putc(json, ']');
}

static bool id_valid(const char *id)
{
	return id != NULL && uni_str_starts(id, "snap-") && strlen(id) < UNI_EBS_ID &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(id);
}

int uni_ebs_start(struct uni_aws *aws, const struct uni_ebs_start *start,
		  struct uni_ebs_snapshot *snapshot, struct uni_err *err)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf body UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_aws_call call = { .service = "ebs",
				     .action = "StartSnapshot",
				     .region = start->region,
				     .method = "POST",
				     .path = "/snapshots",
				     .headers = headers,
				     .repeatable = start->token != NULL };
	const char *id;
	int rc;

	if (start->gib == 0 || start->gib > UNI_EBS_GIB_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a snapshot holds 1 to %u GiB, not %u",
				   UNI_EBS_GIB_MAX, start->gib);
	uni_buf_printf(&body, "{\"VolumeSize\":%u,\"Timeout\":60", start->gib);
	if (start->description != NULL) {
		uni_buf_puts(&body, ",\"Description\":");
		uni_json_string(&body, start->description);
	}
	if (start->parent != NULL) {
		uni_buf_puts(&body, ",\"ParentSnapshotId\":");
		uni_json_string(&body, start->parent);
	}
	if (start->token != NULL) {
		uni_buf_puts(&body, ",\"ClientToken\":");
		uni_json_string(&body, start->token);
	}
	if (start->tags != NULL && start->tags->count != 0)
		add_tags(&body, start->tags);
	uni_buf_putc(&body, '}');
	call.body = body.data;
	call.size = body.size;
	rc = uni_aws_do(aws, &call, &answer, NULL, err);
	if (rc == 0)
		rc = uni_json_parse(&json, "StartSnapshot", uni_buf_text(&answer.body),
				    answer.body.size, err);
	if (rc != 0)
		return rc;
	id = uni_json_text(uni_json_get(json, "SnapshotId"));
	if (!id_valid(id))
		return uni_err_set(err, UNI_E_NETWORK, "StartSnapshot answered no snapshot's id");
	snapshot->region = start->region;
	snapshot->encrypted = uni_json_text(uni_json_get(json, "KmsKeyArn")) != NULL;
	memcpy(snapshot->id, id, strlen(id) + 1);
	return 0;
}

/* --- upload --- */

struct slot {
	struct upload *upload;
	size_t i; /* in blocks */
	uint8_t *data;
	bool busy;
};

struct upload {
	struct uni_aws *aws;
	const struct uni_ebs_snapshot *snapshot;
	const struct uni_ebs_upload *want;
	struct slot *slots;
	unsigned slot_count, busy;
	unsigned window;    /* how many may be under way */
	unsigned throttled; /* how often, when the window was last looked at */
	unsigned quiet;	    /* blocks until it may change again */
	unsigned steady;    /* blocks that went well since it was changed; 0 with `starting` */
	bool starting;	    /* nothing was throttled yet */
	size_t next, done, total;
};

static void upload_end(struct upload *u)
{
	for (unsigned i = 0; u->slots != NULL && i < u->slot_count; i++)
		free(u->slots[i].data);
	free(u->slots);
}

static size_t next_block(const struct upload *u, size_t from)
{
	while (from < u->want->count && u->want->skip != NULL && u->want->skip[from] != 0)
		from++;
	return from;
}

/* The request for a block whose bytes are in `slot`. */
struct put {
	struct uni_aws_call call;
	char path[UNI_EBS_ID + 40];
	char checksum[CHECKSUM_ROOM];
	const char *headers[6];
};

static void put_fill(struct put *put, const struct upload *u, const struct slot *slot)
{
	const struct uni_ebs_block *block = &u->want->blocks[slot->i];

	checksum_header(&block->digest, put->checksum);
	snprintf(put->path, sizeof(put->path), "/snapshots/%s/blocks/%u", u->snapshot->id,
		 block->index);
	put->headers[0] = "x-amz-Data-Length: 524288";
	put->headers[1] = "x-amz-Checksum-Algorithm: SHA256";
	put->headers[2] = put->checksum;
	put->headers[3] = "Content-Type: application/octet-stream";
	put->headers[4] = NULL;
	put->call = (struct uni_aws_call){ .service = "ebs",
					   .action = "PutSnapshotBlock",
					   .region = u->snapshot->region,
					   .method = "PUT",
					   .path = put->path,
					   .headers = put->headers,
					   .body = slot->data,
					   .size = UNI_EBS_BLOCK,
					   .unsigned_payload = true,
					   .deadline_ms = BLOCK_DEADLINE_MS };
}

static int slot_load(struct slot *slot, struct uni_err *err)
{
	const struct uni_ebs_upload *want = slot->upload->want;

	if (slot->data == NULL)
		slot->data = uni_alloc(UNI_EBS_BLOCK);
	return want->read(want->user, want->blocks[slot->i].index, slot->data, err);
}

/*
 * A block was refused. The service compares digests, so that here it need not be done for each
 * block again: it takes most of the time that a block takes.
 */
static int block_failed(const struct slot *slot, struct uni_err *err)
{
	const struct upload *u = slot->upload;
	const struct uni_ebs_block *block = &u->want->blocks[slot->i];
	struct uni_digest digest = uni_digest_of(slot->data, UNI_EBS_BLOCK);

	if (!uni_digest_eq(&digest, &block->digest))
		return uni_err_set(err, UNI_E_CHANGED,
				   "block %u is damaged, or changed since its digest was taken",
				   block->index);
	return uni_err_context(err, "block %u of %s", block->index, u->snapshot->id);
}

static int sent(struct upload *u, size_t i, struct uni_err *err)
{
	const struct uni_event progress = { .kind = UNI_EVENT_PROGRESS,
					    .name = u->want->name,
					    .done = (uint64_t)++u->done * UNI_EBS_BLOCK,
					    .total = (uint64_t)u->total * UNI_EBS_BLOCK };

	uni_event_send(u->want->events, &progress);
	return u->want->sent != NULL ? u->want->sent(u->want->user, i, err) : 0;
}

/*
 * The service takes so many a second, and says only that there were too many. So the window doubles
 * with each round until it does, then goes a quarter back, and from there on four up a round and a
 * sixteenth down, which keeps it near what is taken. A round passes before what is throttled counts
 * again: it was under way already.
 */
static void set_window(struct upload *u)
{
	bool throttled = uni_aws_throttled(u->aws) != u->throttled;

	u->throttled = uni_aws_throttled(u->aws);
	if (u->quiet > 0) {
		u->quiet--;
	} else if (throttled) {
		u->window -= u->starting ? u->window / 4 : u->window / 16 + 1;
		u->window = u->window > 0 ? u->window : 1;
		u->starting = false;
		u->quiet = u->window;
		u->steady = 0;
	} else if (u->window < u->slot_count && (u->starting || ++u->steady >= u->window / 4)) {
		u->window++;
		u->steady = 0;
	}
}

static int fill_window(struct upload *u, struct uni_err *err);

static int on_block(void *user, int rc, const char *code, struct uni_net_answer *answer,
		    struct uni_err *err)
{
	struct slot *slot = user;
	struct upload *u = slot->upload;

	(void)code;
	(void)answer;
	slot->busy = false;
	u->busy--;
	if (rc != 0)
		return block_failed(slot, err);
	rc = sent(u, slot->i, err);
	if (rc == 0)
		rc = uni_check_cancel(err);
	set_window(u);
	return rc == 0 ? fill_window(u, err) : rc;
}

static struct slot *free_slot(struct upload *u)
{
	for (unsigned i = 0; i < u->slot_count; i++)
		if (!u->slots[i].busy)
			return &u->slots[i];
	return NULL;
}

static int fill_window(struct upload *u, struct uni_err *err)
{
	int rc = 0;

	while (rc == 0 && u->busy < u->window && u->next < u->want->count) {
		struct slot *slot = free_slot(u);
		struct put put;

		if (slot == NULL)
			break;
		slot->i = u->next;
		u->next = next_block(u, u->next + 1);
		rc = slot_load(slot, err);
		if (rc != 0)
			break;
		put_fill(&put, u, slot);
		rc = uni_aws_start(u->aws, &put.call, on_block, slot, err);
		slot->busy = rc == 0;
		u->busy += rc == 0;
	}
	return rc;
}

/* The first block alone, for as long as the snapshot is not known everywhere. */
static int send_first(struct upload *u, struct uni_err *err)
{
	struct slot *slot = &u->slots[0];
	uint64_t end = uni_clock_mono_ns() + APPEAR_MS * UINT64_C(1000000);
	unsigned step = APPEAR_STEP_MS;
	int rc;

	slot->i = u->next;
	rc = slot_load(slot, err);
	while (rc == 0) {
		struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
		struct put put;

		put_fill(&put, u, slot);
		rc = uni_aws_do(u->aws, &put.call, &answer, NULL, err);
		if (rc != UNI_E_NOENT || uni_clock_mono_ns() > end)
			break;
		uni_err_clear(err);
		rc = uni_wait_ms(step, err);
		step = step * 2 > APPEAR_STEP_MAX_MS ? APPEAR_STEP_MAX_MS : step * 2;
	}
	u->next = next_block(u, u->next + 1);
	return rc == 0 ? sent(u, slot->i, err) : block_failed(slot, err);
}

int uni_ebs_upload(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot,
		   const struct uni_ebs_upload *upload, struct uni_err *err)
{
	struct upload u __attribute__((
		cleanup(upload_end))) = { .aws = aws, .snapshot = snapshot, .want = upload };
	int rc;

	u.slot_count = upload->in_flight != 0 ? upload->in_flight : UNI_EBS_IN_FLIGHT;
	u.slots = uni_alloc_array(u.slot_count, sizeof(*u.slots));
	for (unsigned i = 0; i < u.slot_count; i++)
		u.slots[i].upload = &u;
	for (size_t i = next_block(&u, 0); i < upload->count; i = next_block(&u, i + 1))
		u.total++;
	u.next = next_block(&u, 0);
	if (u.next >= upload->count)
		return 0;
	rc = send_first(&u, err);
	u.window = u.slot_count < WINDOW_FIRST ? u.slot_count : WINDOW_FIRST;
	u.starting = true;
	u.throttled = uni_aws_throttled(aws);
	if (rc == 0)
		rc = fill_window(&u, err);
	if (rc == 0)
		rc = uni_net_run(uni_aws_net(aws), err);
	if (rc != 0)
		uni_net_drop(uni_aws_net(aws));
	return rc;
}

int uni_ebs_complete(struct uni_aws *aws, const struct uni_ebs_snapshot *snapshot,
		     const struct uni_ebs_block *blocks, size_t count, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_digest digest = uni_ebs_linear(blocks, count);
	char *path UNI_AUTO_FREE = uni_asprintf("/snapshots/completion/%s", snapshot->id);
	char *changed UNI_AUTO_FREE = uni_asprintf("x-amz-ChangedBlocksCount: %zu", count);
	char checksum[CHECKSUM_ROOM];

	checksum_header(&digest, checksum);

	const char *const headers[] = { changed, checksum, "x-amz-Checksum-Algorithm: SHA256",
					"x-amz-Checksum-Aggregation-Method: LINEAR", NULL };
	const struct uni_aws_call call = { .service = "ebs",
					   .action = "CompleteSnapshot",
					   .region = snapshot->region,
					   .method = "POST",
					   .path = path,
					   .headers = headers,
					   .repeatable = true };

	return uni_aws_do(aws, &call, &answer, NULL, err);
}
