/*
 * What is remembered of pushes to EC2, in the user's state folder. A push under way: its snapshot
 * and which blocks are there, so that the next try goes on. A push that ended: its snapshot and
 * block map, so that the next image of that name sends only what differs.
 */
#ifndef DEST_EC2_STATE_H
#define DEST_EC2_STATE_H

#include <uni/aws/ebs.h>
#include <uni/bundle/ami.h>

/* --- under way --- */

struct ec2_progress {
	char *path;
	int fd;
	int64_t age;		   /* seconds since it was written to, when it was opened */
	char snapshot[UNI_EBS_ID]; /* "": none yet */
	char parent[UNI_EBS_ID];   /* "": none */
	char token[33];		   /* StartSnapshot's */
	uint8_t *sent;		   /* for each of the blocks to send */
	size_t count;
};

/* Of the image with this digest in this region; opens what is there (locked: UNI_E_BUSY when
 * another push of it runs), or begins. */
int ec2_progress_open(struct ec2_progress **progress, const char *region,
		      const struct uni_digest *image, struct uni_err *err);
/* Another snapshot is to be started for it. */
void ec2_progress_renew(struct ec2_progress *p);
/* One is asked for now, with the token. */
int ec2_progress_intend(struct ec2_progress *p, struct uni_err *err);
/* A snapshot was started, and `count` blocks are to be sent. */
int ec2_progress_begin(struct ec2_progress *p, const char *snapshot, const char *parent,
		       size_t count, struct uni_err *err);
int ec2_progress_sent(struct ec2_progress *p, size_t i, struct uni_err *err);
void ec2_progress_forget(struct ec2_progress *p); /* its file is removed */
/* Snapshots of that region were removed: pushes that none carries on are forgotten, with those that
 * had only asked for one. */
void ec2_progress_gone(const char *region, const struct uni_strv *snapshots);
void ec2_progress_free(struct ec2_progress *p);
UNI_AUTO_DEFINE(ec2_progress)

/* --- ended --- */

struct ec2_pushed {
	char snapshot[UNI_EBS_ID];
	struct uni_ami_map *map;
};
void ec2_pushed_free(struct ec2_pushed *pushed);

/* As text: "snapshot ID" and the map's JSON; read back where it is sound. */
void ec2_pushed_write(const char *snapshot, const struct uni_ami_map *map, struct uni_buf *out);
bool ec2_pushed_read(struct ec2_pushed *pushed, const char *name, const char *text, size_t size);

/* 1: found, 0: none that can be used, negative: error. */
int ec2_pushed_load(struct ec2_pushed *pushed, const char *region, const char *name,
		    struct uni_err *err);
int ec2_pushed_save(const char *region, const char *name, const char *snapshot,
		    const struct uni_ami_map *map, struct uni_err *err);
void ec2_pushed_forget(const char *region, const char *name);

#endif
