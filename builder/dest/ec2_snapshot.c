/*
 * Which blocks go, which are there already, and the snapshot around them.
 */
#include "ec2_snapshot.h"
#include "ec2_map.h"
#include <stdlib.h>
#include <string.h>
#include <uni/aws/ec2.h>

#define WAIT_SECONDS 3600u
#define ATTEMPTS 20u	   /* as many waits as outlast a network that is gone for a minute */
#define FIRST_ATTEMPTS 5u  /* of an endpoint that never answered */
#define APPEAR_SECONDS 120 /* a snapshot that was just started may be unknown for as long */

struct uni_net_options ec2_net_options(const struct uni_events *events)
{
	return (struct uni_net_options){ .in_flight = UNI_EBS_IN_FLIGHT,
					 .budget = 4000 + UNI_EBS_IN_FLIGHT * ATTEMPTS,
					 .attempts = ATTEMPTS,
					 .first_attempts = FIRST_ATTEMPTS,
					 .backoff_ms = 250,
					 .events = events };
}

struct sending {
	const struct ec2_content *content;
	struct ec2_progress *progress;
	struct uni_ebs_block *blocks;
	size_t count;
};

static void sending_end(struct sending *s)
{
	free(s->blocks);
	ec2_progress_free(s->progress);
}

static struct uni_digest zero_digest(void)
{
	static const uint8_t zeros[UNI_MAP_BLOCK];

	return uni_digest_of(zeros, sizeof(zeros));
}

static void choose(struct sending *s, uint32_t index, const struct uni_digest *digest)
{
	s->blocks[s->count++] = (struct uni_ebs_block){ index, *digest };
}

/* One that is told to be complete with nothing in it is not worth finding out about. */
static void choose_some(struct sending *s)
{
	const struct uni_ami_map *map = s->content->map;

	if (s->count == 0 && map->count != 0)
		choose(s, map->blocks[0].index, &map->blocks[0].digest);
}

static void choose_none(struct sending *s, uint64_t room)
{
	free(s->blocks);
	s->blocks = uni_alloc_array(room != 0 ? room : 1, sizeof(*s->blocks));
	s->count = 0;
}

/* Those that are not zero; with a parent those that differ from its, what became zero among them.
 */
static void choose_blocks(struct sending *s, const struct uni_ami_map *parent)
{
	const struct uni_ami_map *map = s->content->map;
	size_t old_count = parent != NULL ? parent->count : 0;
	struct uni_digest zero = zero_digest();
	size_t i = 0, j = 0;

	choose_none(s, (uint64_t)map->count + old_count);
	while (i < map->count || j < old_count) {
		const struct uni_ami_block *new = i < map->count ? &map->blocks[i] : NULL;
		const struct uni_ami_block *old = j < old_count ? &parent->blocks[j] : NULL;

		if (new != NULL && (old == NULL || new->index < old->index)) {
			choose(s, new->index, &new->digest);
			i++;
		} else if (old != NULL && (new == NULL || old->index < new->index)) {
			choose(s, old->index, &zero);
			j++;
		} else if (new != NULL && old != NULL) {
			if (!uni_digest_eq(&new->digest, &old->digest))
				choose(s, new->index, &new->digest);
			i++;
			j++;
		}
	}
	choose_some(s);
}

/* Every block: what is left out of an encrypted snapshot does not read as zeros. */
static void choose_all(struct sending *s)
{
	const struct uni_ami_map *map = s->content->map;
	uint32_t total = (uint32_t)(map->size / UNI_MAP_BLOCK);
	struct uni_digest zero = zero_digest();

	choose_none(s, total);
	for (uint32_t index = 0, n = 0; index < total; index++) {
		bool data = n < map->count && map->blocks[n].index == index;

		choose(s, index, data ? &map->blocks[n].digest : &zero);
		n += data;
	}
}

static int by_index(const void *a, const void *b)
{
	const struct uni_ami_block *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static int read_block(void *user, uint32_t index, void *data, struct uni_err *err)
{
	const struct sending *s = user;
	const struct uni_ami_map *map = s->content->map;
	const struct uni_ami_block key = { .index = index };
	const struct uni_ami_block *found =
		bsearch(&key, map->blocks, map->count, sizeof(key), by_index);

	if (found != NULL)
		return s->content->read(s->content->user, (size_t)(found - map->blocks), data, err);
	memset(data, 0, UNI_MAP_BLOCK);
	return 0;
}

static int block_sent(void *user, size_t i, struct uni_err *err)
{
	const struct sending *s = user;

	return ec2_progress_sent(s->progress, i, err);
}

/* --- the snapshot --- */

static int start_snapshot(struct sending *s, const char *region, const char *parent,
			  struct uni_ebs_snapshot *snapshot, struct uni_err *err)
{
	const struct ec2_content *c = s->content;
	const struct uni_ebs_start start = { .region = region,
					     .gib = (uint32_t)(c->map->size / UNI_AMI_GIB),
					     .description = c->description,
					     .parent = parent,
					     .token = s->progress->token,
					     .tags = c->tags };
	int rc = ec2_progress_intend(s->progress, err);

	if (rc == 0)
		rc = uni_ebs_start(c->aws, &start, snapshot, err);
	if (rc == UNI_E_EXIST) {
		/* The token of a push that was killed, which asked for something else. */
		uni_err_clear(err);
		ec2_progress_renew(s->progress);
		rc = ec2_progress_intend(s->progress, err);
		if (rc == 0)
			rc = uni_ebs_start(c->aws, &start, snapshot, err);
	}
	if (rc == 0 && snapshot->encrypted)
		choose_all(s);
	return rc == 0 ? ec2_progress_begin(s->progress, snapshot->id, parent, s->count, err) : rc;
}

/* On a snapshot that may serve as parent; 0: it was removed, or is somebody else's now. */
static int begin_on(struct sending *s, const char *region, const struct ec2_pushed *last,
		    struct uni_ebs_snapshot *snapshot, struct uni_err *err)
{
	int rc;

	if (last->map->size > s->content->map->size)
		return 0;
	choose_blocks(s, last->map);
	rc = start_snapshot(s, region, last->snapshot, snapshot, err);
	if (rc == 0)
		return 1;
	if (rc != UNI_E_NOENT && rc != UNI_E_INVAL && rc != UNI_E_AUTH)
		return rc;
	uni_err_clear(err);
	return 0;
}

/* The last push that another machine made, as far as it can be found out. */
static int find_elsewhere(const struct sending *s, const char *region, struct ec2_pushed *last,
			  struct uni_err *err)
{
	const struct ec2_content *c = s->content;
	int rc = ec2_map_find(c->aws, region, c->name, last, err);

	if (rc >= 0 || rc == UNI_E_CANCELLED || rc == UNI_E_TIMEOUT)
		return rc;
	uni_event_warning(c->events, "all blocks are sent: %s", err->text);
	uni_err_clear(err);
	return 0;
}

/* Starts from the snapshot of the last push of that name, from here or from another machine, where
 * there is one that is no larger. */
static int begin(struct sending *s, const char *region, struct uni_ebs_snapshot *snapshot,
		 struct uni_err *err)
{
	const char *name = s->content->name;
	struct ec2_pushed own __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	struct ec2_pushed other __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	int rc = ec2_pushed_load(&own, region, name, err);

	if (rc > 0)
		rc = begin_on(s, region, &own, snapshot, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	ec2_pushed_forget(region, name);
	rc = find_elsewhere(s, region, &other, err);
	if (rc > 0)
		/* An interrupted push is gone on with by what is known here. */
		rc = ec2_pushed_save(region, name, other.snapshot, other.map, err) == 0
			     ? begin_on(s, region, &other, snapshot, err)
			     : err->code;
	if (rc != 0)
		return rc < 0 ? rc : 0;
	choose_blocks(s, NULL);
	return start_snapshot(s, region, NULL, snapshot, err);
}

enum found { FOUND_GONE, FOUND_PENDING, FOUND_COMPLETED };

/* What became of a snapshot that an earlier push began; one that failed is as good as gone. */
static int look_for(const struct sending *s, const struct uni_ebs_snapshot *snapshot,
		    enum found *found, struct uni_err *err)
{
	struct uni_aws *aws = s->content->aws;
	struct uni_ec2_snapshots list UNI_AUTO_EC2_SNAPSHOTS = { 0 };
	int rc = uni_ec2_snapshots(aws, snapshot->region, "snapshot-id", snapshot->id, &list, err);
	const char *state = list.count == 1 ? list.items[0].state : NULL;

	if (rc != 0)
		return rc;
	if (uni_str_eq(state, "completed"))
		*found = FOUND_COMPLETED;
	else if (uni_str_eq(state, "pending") ||
		 (state == NULL && s->progress->age < APPEAR_SECONDS))
		*found = FOUND_PENDING;
	else
		*found = FOUND_GONE;
	return 0;
}

/* Chooses the blocks that an earlier push of the same content was about; false when they are not
 * known any more. */
static bool resume(struct sending *s, const char *region, struct uni_ebs_snapshot *snapshot)
{
	const struct ec2_content *c = s->content;
	struct ec2_pushed last __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	struct uni_err err = UNI_ERR_INIT;

	if (s->progress->snapshot[0] == '\0')
		return false;
	if (s->progress->parent[0] != '\0' && (ec2_pushed_load(&last, region, c->name, &err) <= 0 ||
					       !uni_str_eq(last.snapshot, s->progress->parent)))
		return false;
	if (s->progress->count == c->map->size / UNI_MAP_BLOCK)
		choose_all(s);
	else
		choose_blocks(s, last.map);
	if (s->count != s->progress->count)
		return false;
	snapshot->region = region;
	memcpy(snapshot->id, s->progress->snapshot, sizeof(snapshot->id));
	return true;
}

/* Nothing goes on with what was begun. */
static void drop_old(struct sending *s, const char *region)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (s->progress->snapshot[0] == '\0')
		return;
	(void)uni_ec2_delete_snapshot(s->content->aws, region, s->progress->snapshot, &ignored);
	ec2_progress_renew(s->progress);
}

/* Goes on with a push that was interrupted, or begins one. */
static int go_on_or_begin(struct sending *s, const char *region, struct uni_ebs_snapshot *snapshot,
			  bool *completed, struct uni_err *err)
{
	enum found found = FOUND_GONE;
	int rc = resume(s, region, snapshot) ? look_for(s, snapshot, &found, err) : 0;

	*completed = found == FOUND_COMPLETED;
	if (rc == 0 && found == FOUND_GONE) {
		snapshot->id[0] = '\0';
		drop_old(s, region);
		return begin(s, region, snapshot, err);
	}
	if (rc == 0)
		uni_event_note(s->content->events, "going on with %s", snapshot->id);
	return rc;
}

static int fill_snapshot(struct sending *s, const struct uni_ebs_snapshot *snapshot,
			 struct uni_err *err)
{
	const struct ec2_content *c = s->content;
	const struct uni_ebs_upload upload = { .blocks = s->blocks,
					       .count = s->count,
					       .read = read_block,
					       .sent = block_sent,
					       .user = s,
					       .skip = s->progress->sent,
					       .events = c->events,
					       .name = "upload" };
	int rc = uni_ebs_upload(c->aws, snapshot, &upload, err);

	if (rc == 0)
		rc = uni_ebs_complete(c->aws, snapshot, s->blocks, s->count, err);
	return rc == 0 ? uni_ec2_wait_snapshot(c->aws, snapshot->region, snapshot->id, WAIT_SECONDS,
					       err)
		       : rc;
}

/* Whether the same push may succeed later from where it is. */
static bool can_go_on(int rc)
{
	return rc == UNI_E_NETWORK || rc == UNI_E_TIMEOUT || rc == UNI_E_CANCELLED ||
	       rc == UNI_E_IO;
}

/* Behind the hint that is there already. */
static void add_hint(struct uni_err *err, const struct uni_ebs_snapshot *snapshot, const char *what)
{
	char *before UNI_AUTO_FREE = uni_strdup(err->hint);

	uni_err_hint(err, "%s%s%s in %s %s", before, before[0] != '\0' ? "; " : "", snapshot->id,
		     snapshot->region, what);
}

static void give_up(struct sending *s, const struct uni_ebs_snapshot *snapshot, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char *how UNI_AUTO_FREE = NULL;
	int rc = err->code;

	if (snapshot->id[0] == '\0')
		return;
	if (can_go_on(rc)) {
		how = uni_asprintf("is unfinished: the same command goes on with it, "
				   "`uni ami gc ec2://%s` removes it",
				   snapshot->region);
		add_hint(err, snapshot, how);
		return;
	}
	rc = uni_ec2_delete_snapshot(s->content->aws, snapshot->region, snapshot->id, &ignored);
	if (rc == 0 || rc == UNI_E_NOENT)
		ec2_progress_forget(s->progress);
	else {
		how = uni_asprintf("could not be removed: `uni ami gc ec2://%s` tries again",
				   snapshot->region);
		add_hint(err, snapshot, how);
	}
}

/* Not knowing it costs the next push time, nothing else. */
static void remember(const struct ec2_content *c, const char *region, const char *snapshot)
{
	struct uni_err err = UNI_ERR_INIT;

	if (ec2_pushed_save(region, c->name, snapshot, c->map, &err) != 0)
		uni_event_warning(c->events, "%s", err.text);
	uni_err_clear(&err);
	if (ec2_map_keep(c->aws, region, c->name, snapshot, c->map, &err) != 0)
		uni_event_warning(c->events, "another machine would send all blocks: %s", err.text);
}

int ec2_snapshot_make(const struct ec2_content *content, const char *region,
		      int (*then)(void *user, const char *snapshot, struct uni_err *err),
		      void *then_user, char snapshot[UNI_EBS_ID], struct uni_err *err)
{
	struct sending s __attribute__((cleanup(sending_end))) = { .content = content };
	struct uni_ebs_snapshot made = { .region = region };
	bool completed = false;
	int rc = ec2_progress_open(&s.progress, region, &content->map->digest, err);

	if (rc == 0)
		rc = go_on_or_begin(&s, region, &made, &completed, err);
	if (rc == 0 && !completed)
		rc = fill_snapshot(&s, &made, err);
	if (rc == 0 && then != NULL)
		rc = then(then_user, made.id, err);
	if (rc != 0) {
		if (s.progress != NULL)
			give_up(&s, &made, err);
		return rc;
	}
	ec2_progress_forget(s.progress);
	memcpy(snapshot, made.id, UNI_EBS_ID);
	remember(content, region, made.id);
	return 0;
}

int ec2_snapshot_plan(const struct ec2_content *content, const char *region, size_t *blocks,
		      char **parent, struct uni_err *err)
{
	struct sending s __attribute__((cleanup(sending_end))) = { .content = content };
	struct ec2_pushed last __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	int rc = ec2_pushed_load(&last, region, content->name, err);

	if (rc < 0)
		return rc;
	if (rc > 0 && last.map->size > content->map->size)
		rc = 0;
	choose_blocks(&s, rc > 0 ? last.map : NULL);
	*blocks = s.count;
	*parent = rc > 0 ? uni_strdup(last.snapshot) : NULL;
	return 0;
}
