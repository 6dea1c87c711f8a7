/*
 * The images that `uni push` made in EC2, told by their tags: listing, copying, removing them with
 * their snapshots.
 */
#ifndef UNI_DEST_AMI_H
#define UNI_DEST_AMI_H

#include <uni/aws/ec2.h>

/* Tags of what uni made. */
#define UNI_AMI_TAG_DIGEST "uni:digest"
#define UNI_AMI_TAG_NAME "uni:name"
#define UNI_AMI_TAG_VERSION "uni:version"
#define UNI_AMI_TAG_VOLUME "uni:volume"	    /* of a snapshot that is no image's */
#define UNI_AMI_TAG_MAP_NAME "uni:map-name" /* of a snapshot that holds a block map: what of */
#define UNI_AMI_TAG_MAP_OF "uni:map-of"	    /* and of which snapshot */

/* "ec2://REGION[/IMAGE]"; `image` is NULL where none is named. Both owned by the caller. */
int uni_ami_address(const char *address, char **region, char **image, struct uni_err *err);

int uni_ami_list(struct uni_aws *aws, const char *region, struct uni_ec2_images *images,
		 struct uni_err *err);
/* One, by its id ("ami-...") or its name; UNI_E_NOENT. The only item of `images`. */
int uni_ami_find(struct uni_aws *aws, const char *region, const char *image,
		 struct uni_ec2_images *images, struct uni_err *err);
/* Whether a machine of this type can be started from it, as far as EC2 says what the image needs:
 * UNI_E_UNSUPPORTED names those that can. */
int uni_ami_check_type(const struct uni_ec2_image *image, const char *type, struct uni_err *err);
/* EC2 refused to start one (`err` says how): the hint names the types that remain where that may
 * have been for want of ENA, of which EC2 said nothing before. */
int uni_ami_refused(const struct uni_ec2_image *image, struct uni_err *err);
/* The image, then its snapshots. */
int uni_ami_remove(struct uni_aws *aws, const char *region, const char *image, struct uni_err *err);
/* A copy in another region, under the same name and tags. */
int uni_ami_copy(struct uni_aws *aws, const char *region, const char *image, const char *to,
		 char copy[UNI_EC2_ID], struct uni_err *err);
/* Removes snapshots of ours that no image has, and those of volumes that were never completed: what
 * was left of pushes. `removed` gets their ids;
 * with `dry_run` they stay. */
int uni_ami_collect(struct uni_aws *aws, const char *region, bool dry_run, struct uni_strv *removed,
		    struct uni_err *err);

#endif
