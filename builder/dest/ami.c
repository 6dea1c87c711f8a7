/*
 * Images in EC2 after they were pushed.
 */
#include "ec2_state.h"
#include "internal.h"
#include <string.h>
#include <uni/dest/ami.h>

int uni_ami_address(const char *address, char **region, char **image, struct uni_err *err)
{
	const char *at = address + strlen("ec2://");
	const char *slash;

	*region = *image = NULL;
	if (!uni_str_starts(address, "ec2://"))
		return uni_err_set(err, UNI_E_USAGE,
				   "\"%s\" is not ec2://REGION or ec2://REGION/IMAGE", address);
	slash = at + strcspn(at, "/");
	*region = uni_strndup(at, (size_t)(slash - at));
	if (*slash == '/' && slash[1] != '\0')
		*image = uni_strdup(slash + 1);
	if (!uni_aws_region_valid(*region))
		return uni_err_set(err, UNI_E_USAGE, "%s: \"%s\" is no region's name", address,
				   *region);
	return 0;
}

struct uni_ami_needs ami_needs(const char *boot_mode, bool ena)
{
	return (struct uni_ami_needs){
		.bios = !uni_str_eq(boot_mode, "uefi"),
		.uefi = uni_str_starts(boot_mode, "uefi"),
		.nvme = true,
		.ena = ena,
		.xen_disk = true,
	};
}

int uni_ami_list(struct uni_aws *aws, const char *region, struct uni_ec2_images *images,
		 struct uni_err *err)
{
	return uni_ec2_images(aws, region, "tag-key", UNI_AMI_TAG_DIGEST, images, err);
}

int uni_ami_find(struct uni_aws *aws, const char *region, const char *image,
		 struct uni_ec2_images *images, struct uni_err *err)
{
	bool id = uni_str_starts(image, "ami-");
	int rc = uni_ec2_images(aws, region, id ? "image-id" : "name", image, images, err);

	if (rc == 0 && images->count == 0)
		rc = uni_err_set(err, UNI_E_NOENT, "%s has no image \"%s\" of yours", region,
				 image);
	if (rc == 0 && images->count > 1)
		rc = uni_err_set(err, UNI_E_EXIST, "%s has %zu images \"%s\": name one by its id",
				 region, images->count, image);
	return rc;
}

static int hint_types(const struct uni_ami_needs *needs, const char *which, struct uni_err *err)
{
	struct uni_buf types UNI_AUTO_BUF = UNI_BUF_INIT;

	uni_ami_types_text(needs, &types);
	return uni_err_hint(err, "%s: %s", which, types.size != 0 ? uni_buf_text(&types) : "none");
}

int uni_ami_check_type(const struct uni_ec2_image *image, const char *type, struct uni_err *err)
{
	const struct uni_ami_needs needs =
		ami_needs(image->boot_mode, image->ena || !image->ena_known);
	const char *why;

	if (uni_ami_starts(&needs, type, &why))
		return 0;
	uni_err_set(err, UNI_E_UNSUPPORTED, "%s does not start on %s: %s", image->id, type, why);
	return hint_types(&needs, "instance types that remain", err);
}

int uni_ami_refused(const struct uni_ec2_image *image, struct uni_err *err)
{
	const struct uni_ami_needs needs = ami_needs(image->boot_mode, false);

	if (image->ena_known || err->code != UNI_E_INVAL)
		return err->code;
	return hint_types(&needs, "instance types that start it without ENA", err);
}

/* A snapshot, and the block maps that are kept of it. */
static int remove_snapshot(struct uni_aws *aws, const char *region, const char *id,
			   struct uni_err *err)
{
	struct uni_ec2_snapshots maps UNI_AUTO_EC2_SNAPSHOTS = { 0 };
	int rc = uni_ec2_snapshots(aws, region, "tag:" UNI_AMI_TAG_MAP_OF, id, &maps, err);

	for (size_t i = 0; rc == 0 && i < maps.count; i++)
		rc = uni_ec2_delete_snapshot(aws, region, maps.items[i].id, err);
	return rc == 0 ? uni_ec2_delete_snapshot(aws, region, id, err) : rc;
}

int uni_ami_remove(struct uni_aws *aws, const char *region, const char *image, struct uni_err *err)
{
	struct uni_ec2_images images UNI_AUTO_EC2_IMAGES = { 0 };
	int rc = uni_ami_find(aws, region, image, &images, err);

	if (rc == 0)
		rc = uni_ec2_deregister(aws, region, images.items[0].id, err);
	for (size_t i = 0; rc == 0 && i < images.items[0].snapshots.count; i++)
		rc = remove_snapshot(aws, region, images.items[0].snapshots.items[i], err);
	return rc;
}

int uni_ami_copy(struct uni_aws *aws, const char *region, const char *image, const char *to,
		 char copy[UNI_EC2_ID], struct uni_err *err)
{
	struct uni_ec2_images images UNI_AUTO_EC2_IMAGES = { 0 };
	const struct uni_ec2_image *from;
	struct uni_digest digest;
	char token[33];
	int rc = uni_ami_find(aws, region, image, &images, err);

	if (rc != 0)
		return rc;
	from = &images.items[0];
	/* The same copy, however often it is asked for. */
	digest = uni_digest_of(from->id, strlen(from->id));
	uni_hex(digest.bytes, 16, token);
	return uni_ec2_copy_image(aws,
				  &(struct uni_ec2_copy){ .from_region = region,
							  .image = from->id,
							  .to_region = to,
							  .name = from->name,
							  .tags = &from->tags,
							  .token = token },
				  copy, err);
}

static bool is_used(const struct uni_ec2_images *images, const char *snapshot)
{
	for (size_t i = 0; i < images->count; i++)
		if (uni_strv_has(&images->items[i].snapshots, snapshot))
			return true;
	return false;
}

/* What a collection goes by: everything of the caller's. */
struct collecting {
	struct uni_ec2_images images;
	struct uni_ec2_snapshots snapshots;
};

static void collecting_end(struct collecting *c)
{
	uni_ec2_images_free(&c->images);
	uni_ec2_snapshots_free(&c->snapshots);
}

static const char *tag_of(const struct uni_ec2_snapshot *snapshot, const char *key)
{
	return uni_ec2_tag(&snapshot->tags, key);
}

static const struct uni_ec2_snapshot *find_snapshot(const struct collecting *c, const char *id)
{
	for (size_t i = 0; i < c->snapshots.count; i++)
		if (uni_str_eq(c->snapshots.items[i].id, id))
			return &c->snapshots.items[i];
	return NULL;
}

/* Of an image that there is not, or of a volume and never completed (or failed). */
static bool is_left_over(const struct collecting *c, const struct uni_ec2_snapshot *snapshot)
{
	if (tag_of(snapshot, UNI_AMI_TAG_DIGEST) != NULL)
		return !is_used(&c->images, snapshot->id);
	return tag_of(snapshot, UNI_AMI_TAG_VOLUME) != NULL &&
	       !uni_str_eq(snapshot->state, "completed");
}

/* Never completed, or of what is left over or gone. */
static bool is_stray_map(const struct collecting *c, const struct uni_ec2_snapshot *snapshot)
{
	const char *of = tag_of(snapshot, UNI_AMI_TAG_MAP_OF);
	const struct uni_ec2_snapshot *mapped = of != NULL ? find_snapshot(c, of) : NULL;

	return of != NULL && (mapped == NULL || is_left_over(c, mapped) ||
			      !uni_str_eq(snapshot->state, "completed"));
}

int uni_ami_collect(struct uni_aws *aws, const char *region, bool dry_run, struct uni_strv *removed,
		    struct uni_err *err)
{
	struct collecting c __attribute__((cleanup(collecting_end))) = { 0 };
	/* Snapshots first: an image that is made meanwhile then has none that looks unused. */
	int rc = uni_ec2_snapshots(aws, region, NULL, NULL, &c.snapshots, err);

	if (rc == 0)
		rc = uni_ec2_images(aws, region, NULL, NULL, &c.images, err);
	for (size_t i = 0; rc == 0 && i < c.snapshots.count; i++) {
		const char *id = c.snapshots.items[i].id;

		if (!is_left_over(&c, &c.snapshots.items[i]) &&
		    !is_stray_map(&c, &c.snapshots.items[i]))
			continue;
		if (!dry_run)
			rc = uni_ec2_delete_snapshot(aws, region, id, err);
		if (rc == 0)
			uni_strv_add(removed, id);
	}
	if (!dry_run)
		ec2_progress_gone(region, removed);
	return rc;
}
