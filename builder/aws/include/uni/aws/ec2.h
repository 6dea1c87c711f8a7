/*
 * What uni asks of EC2 (Amazon EC2 API Reference, version 2016-11-15, query form): images
 * and snapshots with their tags.
 */
#ifndef UNI_AWS_EC2_H
#define UNI_AWS_EC2_H

#include <uni/aws/client.h>

#define UNI_EC2_ID 64
#define UNI_EC2_NAME_MAX 128

/* A form of a call: "Key=value", values encoded by whoever adds them. */
struct uni_ec2_form {
	struct uni_buf text;
};
#define UNI_AUTO_EC2_FORM __attribute__((cleanup(uni_ec2_form_free)))
void uni_ec2_form_free(struct uni_ec2_form *form);
void uni_ec2_add(struct uni_ec2_form *form, const char *key, const char *value);
void uni_ec2_addf(struct uni_ec2_form *form, const char *value, const char *key_fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "KEY=VALUE" each, as TagSpecification.N for a kind of resource. */
void uni_ec2_add_tags(struct uni_ec2_form *form, unsigned number, const char *kind,
		      const struct uni_strv *tags);

struct uni_ec2_image {
	char *id, *name, *state, *created;
	char *boot_mode;	   /* "legacy-bios", "uefi", "uefi-preferred"; "": the type's own */
	bool ena;		   /* its kernel drives ENA */
	bool ena_known;		   /* EC2 says one or the other: it need not */
	struct uni_strv tags;	   /* "KEY=VALUE" */
	struct uni_strv snapshots; /* of its mappings */
};
struct uni_ec2_images {
	struct uni_ec2_image *items;
	size_t count, room;
};
#define UNI_AUTO_EC2_IMAGES __attribute__((cleanup(uni_ec2_images_free)))
void uni_ec2_images_free(struct uni_ec2_images *images);
/* Value of a tag, NULL when it has none such. */
const char *uni_ec2_image_tag(const struct uni_ec2_image *image, const char *key);
const char *uni_ec2_tag(const struct uni_strv *tags, const char *key); /* NULL: it is not there */

/* The caller's own images for which a filter ("name", "tag:...", "image-id", NULL: all) holds. */
int uni_ec2_images(struct uni_aws *aws, const char *region, const char *filter, const char *value,
		   struct uni_ec2_images *images, struct uni_err *err);

struct uni_ec2_snapshot {
	char *id, *state, *started, *description;
	struct uni_strv tags;
};
struct uni_ec2_snapshots {
	struct uni_ec2_snapshot *items;
	size_t count, room;
};
#define UNI_AUTO_EC2_SNAPSHOTS __attribute__((cleanup(uni_ec2_snapshots_free)))
void uni_ec2_snapshots_free(struct uni_ec2_snapshots *snapshots);
/* The caller's own for which a filter holds. */
int uni_ec2_snapshots(struct uni_aws *aws, const char *region, const char *filter,
		      const char *value, struct uni_ec2_snapshots *snapshots, struct uni_err *err);
/* The one that was started last of those that are complete; NULL: none. */
const struct uni_ec2_snapshot *uni_ec2_snapshots_newest(const struct uni_ec2_snapshots *snapshots);

/* Registers; `form` has all but Action and Version. */
int uni_ec2_register(struct uni_aws *aws, const char *region, const struct uni_ec2_form *form,
		     char image[UNI_EC2_ID], struct uni_err *err);
struct uni_ec2_copy {
	const char *from_region, *image;
	const char *to_region, *name;
	const struct uni_strv *tags; /* of the image and its snapshots, "KEY=VALUE" */
	const char *token;	     /* the same token makes one copy */
};
/* `id` gets the copy's, which is not available yet. */
int uni_ec2_copy_image(struct uni_aws *aws, const struct uni_ec2_copy *copy, char id[UNI_EC2_ID],
		       struct uni_err *err);
/* Lets an account start it. */
int uni_ec2_share(struct uni_aws *aws, const char *region, const char *image, const char *account,
		  struct uni_err *err);
int uni_ec2_deregister(struct uni_aws *aws, const char *region, const char *image,
		       struct uni_err *err);
int uni_ec2_delete_snapshot(struct uni_aws *aws, const char *region, const char *snapshot,
			    struct uni_err *err);

/* Waits until the snapshot is "completed"; "error" is UNI_E_CORRUPT with what the service says. */
int uni_ec2_wait_snapshot(struct uni_aws *aws, const char *region, const char *snapshot,
			  unsigned seconds, struct uni_err *err);
/* Waits until the image is "available". */
int uni_ec2_wait_image(struct uni_aws *aws, const char *region, const char *image, unsigned seconds,
		       struct uni_err *err);

#endif
