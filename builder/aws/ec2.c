/*
 * The query form: a POST of fields, an answer in XML.
 */
#include "ec2.h"
#include <stdio.h>
#include <string.h>
#include <uni/aws/ec2.h>
#include <uni/base/system.h>

#define VERSION "2016-11-15"
#define PAGES_MAX 1000u
#define POLL_MS 1000u
#define POLL_MAX_MS 10000u

void uni_ec2_form_free(struct uni_ec2_form *form)
{
	uni_buf_free(&form->text);
}

void uni_ec2_add(struct uni_ec2_form *form, const char *key, const char *value)
{
	if (form->text.size != 0)
		uni_buf_putc(&form->text, '&');
	uni_aws_encode(&form->text, key);
	uni_buf_putc(&form->text, '=');
	uni_aws_encode(&form->text, value);
}

void uni_ec2_addf(struct uni_ec2_form *form, const char *value, const char *key_fmt, ...)
{
	char key[96];
	va_list args;

	va_start(args, key_fmt);
	vsnprintf(key, sizeof(key), key_fmt, args);
	va_end(args);
	uni_ec2_add(form, key, value);
}

static char *tag_key(const char *tag)
{
	return uni_strndup(tag, strcspn(tag, "="));
}

static const char *tag_value(const char *tag)
{
	const char *equals = strchr(tag, '=');

	return equals != NULL ? equals + 1 : "";
}

void uni_ec2_add_tags(struct uni_ec2_form *form, unsigned number, const char *kind,
		      const struct uni_strv *tags)
{
	uni_ec2_addf(form, kind, "TagSpecification.%u.ResourceType", number);
	for (size_t i = 0; i < tags->count; i++) {
		char *key UNI_AUTO_FREE = tag_key(tags->items[i]);

		uni_ec2_addf(form, key, "TagSpecification.%u.Tag.%zu.Key", number, i + 1);
		uni_ec2_addf(form, tag_value(tags->items[i]), "TagSpecification.%u.Tag.%zu.Value",
			     number, i + 1);
	}
}

int ec2_ask(struct uni_aws *aws, const char *region, const char *action,
	    const struct uni_ec2_form *form, bool repeatable, struct uni_xml **root,
	    struct uni_err *err)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL
	};
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf body UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_aws_call call = { .service = "ec2",
				     .action = action,
				     .region = region,
				     .method = "POST",
				     .path = "/",
				     .headers = headers,
				     .repeatable = repeatable };
	int rc;

	uni_buf_printf(&body, "Action=%s&Version=" VERSION "%s%s", action,
		       form != NULL && form->text.size != 0 ? "&" : "",
		       form != NULL ? uni_buf_text(&form->text) : "");
	call.body = body.data;
	call.size = body.size;
	*root = NULL;
	rc = uni_aws_do(aws, &call, &answer, NULL, err);
	return rc == 0 ? uni_xml_parse(root, action, uni_buf_text(&answer.body), answer.body.size,
				       err)
		       : rc;
}

int ec2_tell(struct uni_aws *aws, const char *region, const char *action,
	     const struct uni_ec2_form *form, struct uni_err *err)
{
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;

	return ec2_ask(aws, region, action, form, true, &root, err);
}

int ec2_take_id(const char *id, const char *action, const char *prefix, char out[UNI_EC2_ID],
		struct uni_err *err)
{
	if (id == NULL || !uni_str_starts(id, prefix) || strlen(id) >= UNI_EC2_ID ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(id))
		return uni_err_set(err, UNI_E_NETWORK, "%s answered no id", action);
	memcpy(out, id, strlen(id) + 1);
	return 0;
}

/* --- images --- */

void uni_ec2_images_free(struct uni_ec2_images *images)
{
	for (size_t i = 0; i < images->count; i++) {
		struct uni_ec2_image *image = &images->items[i];

		free(image->id);
		free(image->name);
		free(image->state);
		free(image->created);
		free(image->boot_mode);
		uni_strv_free(&image->tags);
		uni_strv_free(&image->snapshots);
	}
	free(images->items);
	*images = (struct uni_ec2_images){ 0 };
}

const char *uni_ec2_tag(const struct uni_strv *tags, const char *key)
{
	size_t size = strlen(key);

	for (size_t i = 0; i < tags->count; i++)
		if (strncmp(tags->items[i], key, size) == 0 && tags->items[i][size] == '=')
			return tags->items[i] + size + 1;
	return NULL;
}

const char *uni_ec2_image_tag(const struct uni_ec2_image *image, const char *key)
{
	return uni_ec2_tag(&image->tags, key);
}

char *ec2_copy_text(const struct uni_xml *item, const char *path)
{
	const char *text = uni_xml_text(item, path);

	return uni_strdup(text != NULL ? text : "");
}

static void add_tags(struct uni_strv *tags, const struct uni_xml *item)
{
	for (const struct uni_xml *x = uni_xml_get(item, "tagSet/item"); x != NULL;
	     x = uni_xml_next(x)) {
		const char *key = uni_xml_text(x, "key"), *value = uni_xml_text(x, "value");

		uni_strv_addf(tags, "%s=%s", key != NULL ? key : "", value != NULL ? value : "");
	}
}

static void add_image(void *list, const struct uni_xml *item)
{
	struct uni_ec2_images *images = list;
	struct uni_ec2_image *image;
	const char *ena = uni_xml_text(item, "enaSupport");

	UNI_PUSH_ROOM(images->items, images->count, images->room);
	image = &images->items[images->count++];
	*image = (struct uni_ec2_image){ .id = ec2_copy_text(item, "imageId"),
					 .name = ec2_copy_text(item, "name"),
					 .state = ec2_copy_text(item, "imageState"),
					 .created = ec2_copy_text(item, "creationDate"),
					 .boot_mode = ec2_copy_text(item, "bootMode"),
					 .ena = uni_str_eq(ena, "true"),
					 .ena_known = ena != NULL };
	add_tags(&image->tags, item);
	for (const struct uni_xml *x = uni_xml_get(item, "blockDeviceMapping/item"); x != NULL;
	     x = uni_xml_next(x))
		if (uni_xml_text(x, "ebs/snapshotId") != NULL)
			uni_strv_add(&image->snapshots, uni_xml_text(x, "ebs/snapshotId"));
}

void uni_ec2_snapshots_free(struct uni_ec2_snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->count; i++) {
		struct uni_ec2_snapshot *snapshot = &snapshots->items[i];

		free(snapshot->id);
		free(snapshot->state);
		free(snapshot->started);
		free(snapshot->description);
		uni_strv_free(&snapshot->tags);
	}
	free(snapshots->items);
	*snapshots = (struct uni_ec2_snapshots){ 0 };
}

static void add_snapshot(void *list, const struct uni_xml *item)
{
	struct uni_ec2_snapshots *snapshots = list;
	struct uni_ec2_snapshot *snapshot;

	UNI_PUSH_ROOM(snapshots->items, snapshots->count, snapshots->room);
	snapshot = &snapshots->items[snapshots->count++];
	*snapshot = (struct uni_ec2_snapshot){ .id = ec2_copy_text(item, "snapshotId"),
					       .state = ec2_copy_text(item, "status"),
					       .started = ec2_copy_text(item, "startTime"),
					       .description = ec2_copy_text(item, "description") };
	add_tags(&snapshot->tags, item);
}

struct listing {
	const char *action, *owner, *items;
	void (*add)(void *list, const struct uni_xml *item);
};

/* All pages of what belongs to the caller. */
static int list_own(struct uni_aws *aws, const char *region, const struct listing *what,
		    const char *filter, const char *value, void *list, struct uni_err *err)
{
	char *next UNI_AUTO_FREE = NULL;

	for (unsigned page = 0; page < PAGES_MAX; page++) {
		struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
		struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
		const char *token;
		int rc;

		uni_ec2_add(&form, what->owner, "self");
		if (filter != NULL) {
			uni_ec2_add(&form, "Filter.1.Name", filter);
			uni_ec2_add(&form, "Filter.1.Value.1", value);
		}
		if (next != NULL)
			uni_ec2_add(&form, "NextToken", next);
		rc = ec2_ask(aws, region, what->action, &form, true, &root, err);
		if (rc != 0)
			return rc;
		for (const struct uni_xml *x = uni_xml_get(root, what->items); x != NULL;
		     x = uni_xml_next(x))
			what->add(list, x);
		token = uni_xml_text(root, "nextToken");
		free(next);
		next = token != NULL && *token != '\0' ? uni_strdup(token) : NULL;
		if (next == NULL)
			return 0;
	}
	return uni_err_set(err, UNI_E_LIMIT, "%s: more than %u pages", what->action, PAGES_MAX);
}

int uni_ec2_images(struct uni_aws *aws, const char *region, const char *filter, const char *value,
		   struct uni_ec2_images *images, struct uni_err *err)
{
	static const struct listing what = { "DescribeImages", "Owner.1", "imagesSet/item",
					     add_image };

	return list_own(aws, region, &what, filter, value, images, err);
}

int uni_ec2_snapshots(struct uni_aws *aws, const char *region, const char *filter,
		      const char *value, struct uni_ec2_snapshots *snapshots, struct uni_err *err)
{
	static const struct listing what = { "DescribeSnapshots", "Owner.1", "snapshotSet/item",
					     add_snapshot };

	return list_own(aws, region, &what, filter, value, snapshots, err);
}

/* Times are of one form, so that the later one is the larger text. */
const struct uni_ec2_snapshot *uni_ec2_snapshots_newest(const struct uni_ec2_snapshots *list)
{
	const struct uni_ec2_snapshot *found = NULL;

	for (size_t i = 0; i < list->count; i++)
		if (uni_str_eq(list->items[i].state, "completed") &&
		    strlen(list->items[i].id) < UNI_EC2_ID &&
		    (found == NULL || strcmp(list->items[i].started, found->started) > 0))
			found = &list->items[i];
	return found;
}

int uni_ec2_register(struct uni_aws *aws, const char *region, const struct uni_ec2_form *form,
		     char image[UNI_EC2_ID], struct uni_err *err)
{
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	/* It has no token of its own: who repeats it looks for the name first. */
	int rc = ec2_ask(aws, region, "RegisterImage", form, false, &root, err);

	return rc == 0 ? ec2_take_id(uni_xml_text(root, "imageId"), "RegisterImage", "ami-", image,
				     err)
		       : rc;
}

int uni_ec2_copy_image(struct uni_aws *aws, const struct uni_ec2_copy *copy, char id[UNI_EC2_ID],
		       struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	int rc;

	uni_ec2_add(&form, "SourceRegion", copy->from_region);
	uni_ec2_add(&form, "SourceImageId", copy->image);
	uni_ec2_add(&form, "Name", copy->name);
	uni_ec2_add(&form, "ClientToken", copy->token);
	if (copy->tags->count != 0) {
		uni_ec2_add_tags(&form, 1, "image", copy->tags);
		uni_ec2_add_tags(&form, 2, "snapshot", copy->tags);
	}
	rc = ec2_ask(aws, copy->to_region, "CopyImage", &form, true, &root, err);
	return rc == 0 ? ec2_take_id(uni_xml_text(root, "imageId"), "CopyImage", "ami-", id, err)
		       : rc;
}

int uni_ec2_share(struct uni_aws *aws, const char *region, const char *image, const char *account,
		  struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };

	uni_ec2_add(&form, "ImageId", image);
	uni_ec2_add(&form, "Attribute", "launchPermission");
	uni_ec2_add(&form, "LaunchPermission.Add.1.UserId", account);
	return ec2_tell(aws, region, "ModifyImageAttribute", &form, err);
}

int uni_ec2_deregister(struct uni_aws *aws, const char *region, const char *image,
		       struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };

	uni_ec2_add(&form, "ImageId", image);
	return ec2_tell(aws, region, "DeregisterImage", &form, err);
}

int uni_ec2_delete_snapshot(struct uni_aws *aws, const char *region, const char *snapshot,
			    struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };

	uni_ec2_add(&form, "SnapshotId", snapshot);
	return ec2_tell(aws, region, "DeleteSnapshot", &form, err);
}

/* --- waiting --- */

struct waiting {
	const char *action, *field, *set, *state, *message;
	const char *done; /* the state that is waited for */
	const char *const *failed;
};

static int wait_for(struct uni_aws *aws, const char *region, const char *id,
		    const struct waiting *w, unsigned seconds, struct uni_err *err)
{
	uint64_t end = uni_clock_mono_ns() + seconds * UINT64_C(1000000000);
	unsigned step = POLL_MS;

	for (;;) {
		struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
		struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
		const char *state;
		int rc;

		uni_ec2_add(&form, w->field, id);
		rc = ec2_ask(aws, region, w->action, &form, true, &root, err);
		/* What was just made may be unknown for a while. */
		if (rc != 0 && rc != UNI_E_NOENT)
			return rc;
		state = uni_xml_text(uni_xml_get(root, w->set), w->state);
		if (uni_str_eq(state, w->done))
			return 0;
		for (size_t i = 0; w->failed[i] != NULL; i++)
			if (uni_str_eq(state, w->failed[i])) {
				const char *why =
					uni_xml_text(uni_xml_get(root, w->set), w->message);

				return uni_err_set(err, UNI_E_CORRUPT, "%s is in state \"%s\"%s%s",
						   id, state, why != NULL ? ": " : "",
						   why != NULL ? why : "");
			}
		if (uni_clock_mono_ns() > end)
			return uni_err_set(err, UNI_E_TIMEOUT,
					   "%s is \"%s\" after %u s, not \"%s\"", id,
					   state != NULL ? state : "unknown", seconds, w->done);
		uni_err_clear(err);
		rc = uni_wait_ms(step, err);
		if (rc != 0)
			return rc;
		step = step * 2 > POLL_MAX_MS ? POLL_MAX_MS : step * 2;
	}
}

int uni_ec2_wait_snapshot(struct uni_aws *aws, const char *region, const char *snapshot,
			  unsigned seconds, struct uni_err *err)
{
	static const char *const failed[] = { "error", "recoverable", NULL };
	static const struct waiting w = {
		"DescribeSnapshots", "SnapshotId.1", "snapshotSet/item", "status", "statusMessage",
		"completed",	     failed
	};

	return wait_for(aws, region, snapshot, &w, seconds, err);
}

int uni_ec2_wait_image(struct uni_aws *aws, const char *region, const char *image, unsigned seconds,
		       struct uni_err *err)
{
	static const char *const failed[] = { "failed", "error", "invalid", "deregistered", NULL };
	static const struct waiting w = { "DescribeImages",
					  "ImageId.1",
					  "imagesSet/item",
					  "imageState",
					  "stateReason/message",
					  "available",
					  failed };

	return wait_for(aws, region, image, &w, seconds, err);
}
