/*
 * ec2://REGION[,REGION...]/[NAME]: a NAME.ami folder becomes a snapshot for its disk and one for
 * each volume beside it, and these an image, in the first region; the others get a copy of it. An
 * image that is there already is taken. What was interrupted goes on where it was; what cannot go
 * on leaves nothing.
 */
#include "ec2_job.h"
#include "ec2_say.h"
#include "ec2_snapshot.h"
#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/dest/ami.h>

#define WAIT_SECONDS 3600u

struct push {
	const struct uni_dest_job *job;
	struct uni_aws *aws;
	struct uni_ami *ami;
	struct uni_json *request;
	struct uni_strv regions;
	struct uni_strv tags; /* of image and snapshot, "KEY=VALUE" */
	char *name;	      /* the image's */
	char *short_name;     /* without version and digest: what a next push builds on */
	bool named;	      /* by the address */
	char digest[UNI_DIGEST_TEXT];
	/* Of the disk and its volumes, as they are made. */
	char snapshots[1 + UNI_AMI_VOLUMES_MAX][UNI_EBS_ID];
};

static void push_end(struct push *p)
{
	uni_aws_free(p->aws);
	uni_ami_free(p->ami);
	uni_json_free(p->request);
	uni_strv_free(&p->regions);
	uni_strv_free(&p->tags);
	free(p->name);
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
		if (uni_str_eq(key, UNI_AMI_TAG_NAME)) {
			if (p->short_name == NULL)
				p->short_name = uni_strdup(value);
			value = p->short_name;
		}
		uni_strv_addf(&p->tags, "%s=%s", key, value);
	}
	for (size_t i = 0; i < p->job->tags.count; i++)
		uni_strv_add(&p->tags, p->job->tags.items[i]);
}

/* As the image calls itself, unless the address has another name for it. */
static void take_name(struct push *p)
{
	const char *own = uni_json_text(uni_json_get(p->request, "Name"));

	take_tags(p);
	if (p->named)
		p->name = uni_ami_name(p->short_name, uni_ec2_tag(&p->tags, UNI_AMI_TAG_VERSION),
				       &p->ami->digest);
	else if (own != NULL)
		p->name = uni_strdup(own);
	if (p->short_name == NULL && own != NULL)
		p->short_name = uni_strdup(own);
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
	take_name(p);
	if (p->name == NULL || strlen(p->name) > UNI_EC2_NAME_MAX)
		return uni_err_set(err, UNI_E_INVAL, "%s: its request names no image",
				   p->job->source);
	if (p->ami->disk.map->count == 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: a disk of zeros is no image",
				   p->job->source);
	if (uni_json_count(uni_json_get(p->request, "BlockDeviceMappings")) !=
	    1 + p->ami->volume_count)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: its request maps other disks than it has", p->job->source);
	uni_ami_digest_text(&p->ami->digest, p->ami->volume_count, p->digest);
	return 0;
}

/* Says where the image will start, unless that is everywhere; nothing was sent yet. */
static int check_types(const struct push *p, struct uni_buf *types, struct uni_err *err)
{
	const char *mode = uni_json_text(uni_json_get(p->request, "BootMode"));
	struct uni_ami_needs needs;
	bool ena = false;

	(void)uni_json_bool(uni_json_get(p->request, "EnaSupport"), &ena);
	needs = ami_needs(mode != NULL ? mode : "", ena);
	uni_ami_types_text(&needs, types);
	if (types->size == 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: no instance type of EC2 starts it: without ENA none of the "
				   "Nitro System, by UEFI alone none on Xen",
				   p->job->source);
	if (!needs.ena || !needs.bios)
		uni_event_note(p->job->events, "%s starts on these instance types: %s", p->name,
			       types->data);
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

/* The nth disk of the image, 0 the one that it starts from. */
static const struct uni_ami_disk *disk_of(const struct push *p, size_t n)
{
	return n == 0 ? &p->ami->disk : &p->ami->volumes[n - 1].disk;
}

static void add_mapping(const struct push *p, struct uni_ec2_form *form, size_t n)
{
	const struct uni_json *mapping =
		uni_json_item(uni_json_get(p->request, "BlockDeviceMappings"), n);
	const struct uni_json *ebs = uni_json_get(mapping, "Ebs");
	const char *device = uni_json_text(uni_json_get(mapping, "DeviceName"));
	const char *type = uni_json_text(uni_json_get(ebs, "VolumeType"));
	char *size UNI_AUTO_FREE = uni_asprintf("%" PRIu64, disk_of(p, n)->map->size / UNI_AMI_GIB);
	bool gone = true;

	(void)uni_json_bool(uni_json_get(ebs, "DeleteOnTermination"), &gone);
	if (device == NULL)
		device = n == 0 ? "/dev/xvda" : p->ami->volumes[n - 1].device;
	uni_ec2_addf(form, device, "BlockDeviceMapping.%zu.DeviceName", n + 1);
	uni_ec2_addf(form, p->snapshots[n], "BlockDeviceMapping.%zu.Ebs.SnapshotId", n + 1);
	uni_ec2_addf(form, size, "BlockDeviceMapping.%zu.Ebs.VolumeSize", n + 1);
	if (type != NULL)
		uni_ec2_addf(form, type, "BlockDeviceMapping.%zu.Ebs.VolumeType", n + 1);
	uni_ec2_addf(form, gone ? "true" : "false",
		     "BlockDeviceMapping.%zu.Ebs.DeleteOnTermination", n + 1);
}

static int register_image(struct push *p, const char *region, char image[UNI_EC2_ID],
			  struct uni_err *err)
{
	static const char *const fields[] = { "Description",	    "Architecture",
					      "VirtualizationType", "BootMode",
					      "EnaSupport",	    "ImdsSupport",
					      "RootDeviceName",	    "TpmSupport" };
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
	int rc, found;

	uni_ec2_add(&form, "Name", p->name);
	for (size_t i = 0; i < UNI_COUNT(fields); i++)
		copy_field(p, &form, fields[i]);
	for (size_t n = 0; n <= p->ami->volume_count; n++)
		add_mapping(p, &form, n);
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

/* --- its snapshots --- */

static int read_block(const void *user, size_t n, void *data, struct uni_err *err)
{
	return uni_ami_load_block(user, n, data, err);
}

/* What the nth disk is for the making of its snapshot; `name` is its own to build on. */
static struct ec2_content content_of(struct push *p, size_t n, char **name)
{
	const struct uni_ami_disk *disk = disk_of(p, n);

	*name = n == 0 ? uni_strdup(p->short_name)
		       : uni_asprintf("%s:%s", p->short_name, p->ami->volumes[n - 1].name);
	return (struct ec2_content){ .aws = p->aws,
				     .map = disk->map,
				     .read = read_block,
				     .user = disk,
				     .name = *name,
				     .description = p->name,
				     .tags = &p->tags,
				     .events = p->job->events };
}

/* The snapshot that is made now, and what comes of it. */
struct making {
	struct push *push;
	const char *region;
	size_t n;
	char *image; /* gets the id of what is registered */
};

static int make_snapshots(struct making *m, struct uni_err *err);

/* The others are made, and the image registered, while this one can still be removed or gone on
 * with. */
static int then_next(void *user, const char *snapshot, struct uni_err *err)
{
	struct making *m = user;
	struct making next = *m;

	snprintf(m->push->snapshots[m->n], UNI_EBS_ID, "%s", snapshot);
	next.n++;
	return make_snapshots(&next, err);
}

static int make_snapshots(struct making *m, struct uni_err *err)
{
	struct push *p = m->push;
	char *name UNI_AUTO_FREE = NULL;
	struct ec2_content content;
	char made[UNI_EBS_ID];
	int rc;

	if (m->n > p->ami->volume_count)
		return register_image(p, m->region, m->image, err);
	content = content_of(p, m->n, &name);
	rc = ec2_snapshot_make(&content, m->region, then_next, m, made, err);
	if (rc == 0)
		note(p, "snapshot", m->region, made,
		     m->n == 0 ? "made" : p->ami->volumes[m->n - 1].name);
	return rc;
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

/* The same copy whoever asks, and however often. */
static void copy_token(const struct push *p, char token[33])
{
	char *what UNI_AUTO_FREE = uni_asprintf("%s %s", p->name, p->digest);
	struct uni_digest digest = uni_digest_of(what, strlen(what));

	uni_hex(digest.bytes, 16, token);
}

static int push_region(struct push *p, size_t i, char first[UNI_EC2_ID], struct uni_err *err)
{
	const char *region = p->regions.items[i];
	char id[UNI_EC2_ID] = "", token[33];
	int rc = find_image(p, region, id, err);
	const char *how = rc > 0 ? "found" : "made";

	if (rc == 0 && i == 0) {
		struct making making = { .push = p, .region = region, .image = id };

		rc = make_snapshots(&making, err);
	} else if (rc == 0) {
		const struct uni_ec2_copy copy = { .from_region = p->regions.items[0],
						   .image = first,
						   .to_region = region,
						   .name = p->name,
						   .tags = &p->tags,
						   .token = token };

		copy_token(p, token);
		rc = uni_ec2_copy_image(p->aws, &copy, id, err);
	}
	if (i == 0)
		memcpy(first, id, UNI_EC2_ID);
	return rc >= 0 ? finish(p, region, id, how, err) : rc;
}

/* --- without doing it --- */

static int say(struct push *p, const char *types, struct uni_err *err)
{
	int rc = 0;

	note(p, "types", "", p->name, types);
	ec2_say(p->job, "ec2:DescribeImages", p->regions.count, 0, p->name);
	for (size_t n = 0; rc == 0 && n <= p->ami->volume_count; n++) {
		char *name UNI_AUTO_FREE = NULL;
		const struct ec2_content content = content_of(p, n, &name);

		rc = ec2_say_snapshot(p->job, &content, p->regions.items[0],
				      n != 0 ? p->ami->volumes[n - 1].name : NULL, err);
	}
	if (rc != 0)
		return rc;
	ec2_say(p->job, "ec2:RegisterImage", 1, 0, p->name);
	if (p->regions.count > 1)
		ec2_say(p->job, "ec2:CopyImage", p->regions.count - 1, 0, "to the other regions");
	if (p->job->wait || p->regions.count > 1)
		ec2_say(p->job, "ec2:DescribeImages", p->regions.count, 0, "until it is available");
	if (p->job->shares.count != 0)
		ec2_say(p->job, "ec2:ModifyImageAttribute", p->regions.count * p->job->shares.count,
			0, "for those that it is shared with");
	return 0;
}

/* --- the two functions --- */

static int open_session(struct push *p, struct uni_err *err)
{
	const struct uni_net_options net = ec2_net_options(p->job->events);
	const struct uni_aws_options options = { .profile = p->job->profile,
						 .region = p->regions.items[0],
						 .net = &net };

	return uni_aws_open(&p->aws, &options, err);
}

static int ec2_push(const struct uni_dest_job *job, struct uni_err *err)
{
	struct push p __attribute__((cleanup(push_end))) = { .job = job };
	struct uni_buf types UNI_AUTO_BUF = UNI_BUF_INIT;
	char first[UNI_EC2_ID] = "";
	int rc = ec2_job_address(job->address, &p.regions, &p.short_name, err);

	p.named = p.short_name != NULL;
	if (rc == 0)
		rc = ec2_job_check(job, err);
	if (rc == 0)
		rc = open_source(&p, err);
	if (rc == 0)
		rc = check_types(&p, &types, err);
	if (rc == 0 && job->dry_run)
		return say(&p, types.data, err);
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
	int rc = ec2_job_address(job->address, &p.regions, &p.short_name, err);

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
