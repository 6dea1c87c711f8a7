/*
 * ec2://REGION[,REGION...]/[NAME]: a NAME.ami folder becomes a snapshot, and that an image, in the
 * first region; the others get a copy of it. An image that is there already is taken. What was
 * interrupted goes on where it was; what cannot go on leaves nothing.
 */
#include "ec2_state.h"
#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/dest/ami.h>

#define WAIT_SECONDS 3600u
#define REGIONS_MAX 64u

struct push {
	const struct uni_dest_job *job;
	struct uni_aws *aws;
	struct uni_ami *ami;
	struct uni_json *request;
	struct uni_strv regions;
	struct uni_strv tags; /* of image and snapshot, "KEY=VALUE" */
	const char *name;     /* the image's */
	char *short_name;     /* without version and digest: what a next push builds on */
	char digest[UNI_DIGEST_TEXT];
};

static void push_end(struct push *p)
{
	uni_aws_free(p->aws);
	uni_ami_free(p->ami);
	uni_json_free(p->request);
	uni_strv_free(&p->regions);
	uni_strv_free(&p->tags);
	free(p->short_name);
}

static void note(const struct push *p, const char *what, const char *where, const char *id,
		 const char *text)
{
	const struct uni_dest_note n = { .what = what, .where = where, .id = id, .text = text };

	if (p->job->note != NULL)
		p->job->note(p->job->user, &n);
}

/* --- what is asked for --- */

static int parse_address(const char *address, struct uni_strv *regions, struct uni_err *err)
{
	const char *at = address + strlen("ec2://");
	size_t size = strcspn(at, "/");

	while (size != 0) {
		size_t one = strcspn(at, ",/");
		char *region UNI_AUTO_FREE = uni_strndup(at, one);

		if (!uni_aws_region_valid(region))
			return uni_err_set(err, UNI_E_USAGE, "%s: \"%s\" is no region's name",
					   address, region);
		if (!uni_strv_has(regions, region))
			uni_strv_add(regions, region);
		at += one;
		size -= one;
		if (size != 0 && *at == ',') {
			at++;
			size--;
		}
	}
	if (regions->count == 0 || regions->count > REGIONS_MAX)
		return uni_err_set(err, UNI_E_USAGE, "%s names no region, or too many", address);
	return 0;
}

static const struct uni_json *first_tags(const struct uni_json *request)
{
	return uni_json_get(uni_json_item(uni_json_get(request, "TagSpecifications"), 0), "Tags");
}

static void take_tags(struct push *p)
{
	const struct uni_json *tags = first_tags(p->request);

	for (size_t i = 0; i < uni_json_count(tags); i++) {
		const struct uni_json *tag = uni_json_item(tags, i);
		const char *key = uni_json_text(uni_json_get(tag, "Key"));
		const char *value = uni_json_text(uni_json_get(tag, "Value"));

		if (key == NULL || value == NULL)
			continue;
		uni_strv_addf(&p->tags, "%s=%s", key, value);
		if (uni_str_eq(key, UNI_AMI_TAG_NAME))
			p->short_name = uni_strdup(value);
	}
	for (size_t i = 0; i < p->job->tags.count; i++)
		uni_strv_add(&p->tags, p->job->tags.items[i]);
}

static int open_source(struct push *p, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_ami_open(&p->ami, p->job->source, err);

	if (rc == 0)
		rc = uni_ami_request(p->ami, &text, err);
	if (rc == 0)
		rc = uni_json_parse(&p->request, p->job->source, uni_buf_text(&text), text.size,
				    err);
	if (rc != 0)
		return rc;
	p->name = uni_json_text(uni_json_get(p->request, "Name"));
	if (p->name == NULL || strlen(p->name) > UNI_EC2_NAME_MAX)
		return uni_err_set(err, UNI_E_INVAL, "%s: its request names no image",
				   p->job->source);
	if (p->ami->map->count == 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: a disk of zeros is no image",
				   p->job->source);
	uni_map_digest_text(&p->ami->map->digest, p->digest);
	take_tags(p);
	if (p->short_name == NULL)
		p->short_name = uni_strdup(p->name);
	return 0;
}

/* --- what is there already --- */

/* 1: an image of that name with our digest, whose id is in `id`; 0: none. */
static int find_image(struct push *p, const char *region, char id[UNI_EC2_ID], struct uni_err *err)
{
	struct uni_ec2_images images UNI_AUTO_EC2_IMAGES = { 0 };
	int rc = uni_ec2_images(p->aws, region, "name", p->name, &images, err);

	for (size_t i = 0; rc == 0 && i < images.count; i++) {
		const struct uni_ec2_image *image = &images.items[i];
		const char *digest = uni_ec2_image_tag(image, UNI_AMI_TAG_DIGEST);

		if (!uni_str_eq(image->name, p->name))
			continue;
		if (digest == NULL || uni_str_eq(digest, p->digest)) {
			snprintf(id, UNI_EC2_ID, "%s", image->id);
			return 1;
		}
		uni_err_set(err, UNI_E_EXIST,
			    "%s in %s is called \"%s\" already, and is another image (%s)",
			    image->id, region, p->name, digest);
		return uni_err_hint(err, "uni ami deregister ec2://%s/%s, or another version",
				    region, image->id);
	}
	return rc;
}

/* --- blocks to send --- */

struct sending {
	struct push *push;
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
	static const uint8_t zeros[UNI_AMI_BLOCK];

	return uni_digest_of(zeros, sizeof(zeros));
}

static void choose(struct sending *s, uint32_t index, const struct uni_digest *digest)
{
	s->blocks[s->count++] = (struct uni_ebs_block){ index, *digest };
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
	const struct uni_ami_map *map = s->push->ami->map;
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
}

/* Every block: what is left out of an encrypted snapshot does not read as zeros. */
static void choose_all(struct sending *s)
{
	const struct uni_ami_map *map = s->push->ami->map;
	uint32_t total = (uint32_t)(map->size / UNI_AMI_BLOCK);
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
	const struct uni_ami_map *map = s->push->ami->map;
	const struct uni_ami_block key = { .index = index };
	const struct uni_ami_block *found =
		bsearch(&key, map->blocks, map->count, sizeof(key), by_index);

	if (found != NULL)
		return uni_ami_read_block(s->push->ami, (size_t)(found - map->blocks), data, err);
	memset(data, 0, UNI_AMI_BLOCK);
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
	struct push *p = s->push;
	const struct uni_ebs_start start = { .region = region,
					     .gib = (uint32_t)(p->ami->map->size / UNI_AMI_GIB),
					     .description = p->name,
					     .parent = parent,
					     .token = s->progress->token,
					     .tags = &p->tags };
	int rc = uni_ebs_start(p->aws, &start, snapshot, err);

	if (rc == 0 && snapshot->encrypted)
		choose_all(s);
	return rc == 0 ? ec2_progress_begin(s->progress, snapshot->id, parent, s->count, err) : rc;
}

/* Starts from the snapshot of the last push of that name, where there is one that is no larger. */
static int begin(struct sending *s, const char *region, struct uni_ebs_snapshot *snapshot,
		 struct uni_err *err)
{
	struct push *p = s->push;
	struct ec2_pushed last __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	int rc = ec2_pushed_load(&last, region, p->short_name, err);

	if (rc < 0)
		return rc;
	if (rc > 0 && last.map->size <= p->ami->map->size) {
		choose_blocks(s, last.map);
		rc = start_snapshot(s, region, last.snapshot, snapshot, err);
		if (rc != UNI_E_NOENT && rc != UNI_E_INVAL && rc != UNI_E_AUTH)
			return rc;
		/* It was removed, or is somebody else's now: all blocks, then. */
		uni_err_clear(err);
		ec2_pushed_forget(region, p->short_name);
	}
	choose_blocks(s, NULL);
	return start_snapshot(s, region, NULL, snapshot, err);
}

/* Goes on with a push that was interrupted; false when it cannot. */
static bool resume(struct sending *s, const char *region, struct uni_ebs_snapshot *snapshot)
{
	struct push *p = s->push;
	struct ec2_pushed last __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	struct uni_err err = UNI_ERR_INIT;

	if (s->progress->snapshot[0] == '\0')
		return false;
	if (s->progress->parent[0] != '\0' &&
	    (ec2_pushed_load(&last, region, p->short_name, &err) <= 0 ||
	     !uni_str_eq(last.snapshot, s->progress->parent)))
		return false;
	if (s->progress->count == p->ami->map->size / UNI_AMI_BLOCK)
		choose_all(s);
	else
		choose_blocks(s, last.map);
	if (s->count != s->progress->count)
		return false;
	snapshot->region = region;
	memcpy(snapshot->id, s->progress->snapshot, sizeof(snapshot->id));
	uni_event_note(p->job->events, "going on with %s", snapshot->id);
	return true;
}

static int fill_snapshot(struct sending *s, const struct uni_ebs_snapshot *snapshot,
			 struct uni_err *err)
{
	struct push *p = s->push;
	const struct uni_ebs_upload upload = { .blocks = s->blocks,
					       .count = s->count,
					       .read = read_block,
					       .sent = block_sent,
					       .user = s,
					       .skip = s->progress->sent,
					       .events = p->job->events,
					       .name = "upload" };
	int rc = uni_ebs_upload(p->aws, snapshot, &upload, err);

	if (rc == 0)
		rc = uni_ebs_complete(p->aws, snapshot, s->blocks, s->count, err);
	return rc == 0 ? uni_ec2_wait_snapshot(p->aws, snapshot->region, snapshot->id, WAIT_SECONDS,
					       err)
		       : rc;
}

/* Whether the same push may succeed later from where it is. */
static bool can_go_on(int rc)
{
	return rc == UNI_E_NETWORK || rc == UNI_E_TIMEOUT || rc == UNI_E_CANCELLED ||
	       rc == UNI_E_IO;
}

static void give_up(struct sending *s, const struct uni_ebs_snapshot *snapshot, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = err->code;

	if (snapshot->id[0] == '\0')
		return;
	if (can_go_on(rc)) {
		uni_err_hint(err,
			     "%s in %s is unfinished: the same command goes on with it, "
			     "`uni ami gc ec2://%s` removes it",
			     snapshot->id, snapshot->region, snapshot->region);
		return;
	}
	if (uni_ec2_delete_snapshot(s->push->aws, snapshot->region, snapshot->id, &ignored) == 0)
		ec2_progress_forget(s->progress);
	else
		uni_err_hint(err,
			     "%s in %s could not be removed: `uni ami gc ec2://%s` tries again",
			     snapshot->id, snapshot->region, snapshot->region);
}

/* --- the image --- */

static void copy_field(const struct push *p, struct uni_ec2_form *form, const char *key)
{
	const struct uni_json *value = uni_json_get(p->request, key);
	const char *text = uni_json_text(value);
	bool truth;

	if (text != NULL)
		uni_ec2_add(form, key, text);
	else if (uni_json_bool(value, &truth))
		uni_ec2_add(form, key, truth ? "true" : "false");
}

static void add_mapping(const struct push *p, struct uni_ec2_form *form, const char *snapshot)
{
	const struct uni_json *mapping =
		uni_json_item(uni_json_get(p->request, "BlockDeviceMappings"), 0);
	const struct uni_json *ebs = uni_json_get(mapping, "Ebs");
	const char *device = uni_json_text(uni_json_get(mapping, "DeviceName"));
	const char *type = uni_json_text(uni_json_get(ebs, "VolumeType"));
	char *size UNI_AUTO_FREE = uni_asprintf("%" PRIu64, p->ami->map->size / UNI_AMI_GIB);

	uni_ec2_add(form, "BlockDeviceMapping.1.DeviceName", device != NULL ? device : "/dev/xvda");
	uni_ec2_add(form, "BlockDeviceMapping.1.Ebs.SnapshotId", snapshot);
	uni_ec2_add(form, "BlockDeviceMapping.1.Ebs.VolumeSize", size);
	if (type != NULL)
		uni_ec2_add(form, "BlockDeviceMapping.1.Ebs.VolumeType", type);
	uni_ec2_add(form, "BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true");
}

static int register_image(struct push *p, const char *region, const char *snapshot,
			  char image[UNI_EC2_ID], struct uni_err *err)
{
	static const char *const fields[] = {
		"Name",	      "Description", "Architecture",   "VirtualizationType", "BootMode",
		"EnaSupport", "ImdsSupport", "RootDeviceName", "TpmSupport"
	};
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
	int rc, found;

	for (size_t i = 0; i < UNI_COUNT(fields); i++)
		copy_field(p, &form, fields[i]);
	add_mapping(p, &form, snapshot);
	uni_ec2_add_tags(&form, 1, "image", &p->tags);
	rc = uni_ec2_register(p->aws, region, &form, image, err);
	if (rc != UNI_E_NETWORK && rc != UNI_E_EXIST)
		return rc;
	/* The answer was lost, or somebody was quicker: it may be there. */
	struct uni_err again = UNI_ERR_INIT;

	found = find_image(p, region, image, &again);
	if (found > 0)
		uni_err_clear(err);
	return found > 0 ? 0 : rc;
}

static int push_first(struct push *p, const char *region, char image[UNI_EC2_ID],
		      struct uni_err *err)
{
	struct sending s __attribute__((cleanup(sending_end))) = { .push = p };
	struct uni_ebs_snapshot snapshot = { .region = region };
	int rc = ec2_progress_open(&s.progress, region, &p->ami->map->digest, err);

	if (rc != 0)
		return rc;
	if (!resume(&s, region, &snapshot))
		rc = begin(&s, region, &snapshot, err);
	if (rc == 0)
		rc = fill_snapshot(&s, &snapshot, err);
	if (rc == 0)
		rc = register_image(p, region, snapshot.id, image, err);
	if (rc != 0) {
		give_up(&s, &snapshot, err);
		return rc;
	}
	ec2_progress_forget(s.progress);
	note(p, "snapshot", region, snapshot.id, "made");
	/* Not knowing it costs the next push time, nothing else. */
	struct uni_err ignored = UNI_ERR_INIT;

	if (ec2_pushed_save(region, p->short_name, snapshot.id, p->ami->map, &ignored) != 0)
		uni_event_warning(p->job->events, "%s", ignored.text);
	return 0;
}

static int finish(struct push *p, const char *region, const char *image, const char *how,
		  struct uni_err *err)
{
	int rc = 0;

	if (p->job->wait || p->regions.count > 1)
		rc = uni_ec2_wait_image(p->aws, region, image, WAIT_SECONDS, err);
	for (size_t i = 0; rc == 0 && i < p->job->shares.count; i++)
		rc = uni_ec2_share(p->aws, region, image, p->job->shares.items[i], err);
	if (rc == 0)
		note(p, "image", region, image, how);
	return rc;
}

static int push_region(struct push *p, size_t i, char first[UNI_EC2_ID], struct uni_err *err)
{
	const char *region = p->regions.items[i];
	char id[UNI_EC2_ID] = "", token[33];
	int rc = find_image(p, region, id, err);
	const char *how = rc > 0 ? "found" : "made";

	if (rc == 0 && i == 0) {
		rc = push_first(p, region, id, err);
	} else if (rc == 0) {
		/* The same copy whoever asks, and however often. */
		uni_hex(p->ami->map->digest.bytes, 16, token);
		rc = uni_ec2_copy_image(p->aws, p->regions.items[0], first, region, p->name,
					&p->tags, token, id, err);
	}
	if (i == 0)
		memcpy(first, id, UNI_EC2_ID);
	return rc >= 0 ? finish(p, region, id, how, err) : rc;
}

/* --- without doing it --- */

static void request(const struct push *p, const char *call, uint64_t calls, uint64_t bytes,
		    const char *text)
{
	const struct uni_dest_note n = {
		.what = "request", .where = call, .text = text, .calls = calls, .bytes = bytes
	};

	if (p->job->note != NULL)
		p->job->note(p->job->user, &n);
}

static int say(struct push *p, struct uni_err *err)
{
	const char *region = p->regions.items[0];
	struct sending s __attribute__((cleanup(sending_end))) = { .push = p };
	struct ec2_pushed last __attribute__((cleanup(ec2_pushed_free))) = { .map = NULL };
	char *text UNI_AUTO_FREE = NULL;
	int rc = ec2_pushed_load(&last, region, p->short_name, err);

	if (rc < 0)
		return rc;
	if (rc > 0 && last.map->size > p->ami->map->size)
		rc = 0;
	choose_blocks(&s, rc > 0 ? last.map : NULL);
	text = uni_asprintf("%" PRIu64 " GiB in %s%s%s", p->ami->map->size / UNI_AMI_GIB, region,
			    rc > 0 ? " on " : "", rc > 0 ? last.snapshot : "");
	request(p, "ec2:DescribeImages", p->regions.count, 0, p->name);
	request(p, "ebs:StartSnapshot", 1, 0, text);
	request(p, "ebs:PutSnapshotBlock", s.count, (uint64_t)s.count * UNI_AMI_BLOCK,
		"512 KiB each; blocks of zeros are not sent");
	request(p, "ebs:CompleteSnapshot", 1, 0, "with the checksum over all");
	request(p, "ec2:DescribeSnapshots", 1, 0, "until it is completed");
	request(p, "ec2:RegisterImage", 1, 0, p->name);
	if (p->regions.count > 1)
		request(p, "ec2:CopyImage", p->regions.count - 1, 0, "to the other regions");
	if (p->job->shares.count != 0)
		request(p, "ec2:ModifyImageAttribute", p->regions.count * p->job->shares.count, 0,
			"for those that it is shared with");
	return 0;
}

/* --- the two functions --- */

static int open_session(struct push *p, struct uni_err *err)
{
	const struct uni_net_options net = {
		.in_flight = 128, .budget = 2000, .attempts = 8, .events = p->job->events
	};
	const struct uni_aws_options options = { .profile = p->job->profile,
						 .region = p->regions.items[0],
						 .net = &net };

	return uni_aws_open(&p->aws, &options, err);
}

static int ec2_push(const struct uni_dest_job *job, struct uni_err *err)
{
	struct push p __attribute__((cleanup(push_end))) = { .job = job };
	char first[UNI_EC2_ID] = "";
	int rc = parse_address(job->address, &p.regions, err);

	if (rc == 0)
		rc = open_source(&p, err);
	if (rc == 0 && job->dry_run)
		return say(&p, err);
	if (rc == 0)
		rc = open_session(&p, err);
	for (size_t i = 0; rc == 0 && i < p.regions.count; i++)
		rc = push_region(&p, i, first, err);
	return rc;
}

static int ec2_explain(const struct uni_dest_job *job, struct uni_strv *lines, struct uni_err *err)
{
	struct push p __attribute__((cleanup(push_end))) = { .job = job };
	const struct uni_strv *trail;
	int rc = parse_address(job->address, &p.regions, err);

	if (rc == 0)
		rc = open_session(&p, err);
	if (rc == 0)
		rc = uni_aws_identify(p.aws, err);
	trail = p.aws != NULL ? uni_aws_trail(p.aws) : NULL;
	for (size_t i = 0; trail != NULL && i < trail->count; i++)
		uni_strv_add(lines, trail->items[i]);
	return rc;
}

const struct uni_dest dest_ec2 = {
	.scheme = "ec2",
	.format = "ami",
	.push = ec2_push,
	.explain = ec2_explain,
};
