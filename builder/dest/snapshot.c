/*
 * uni volume push: the file's blocks, by the same way as an image's.
 */
#include "ec2_job.h"
#include "ec2_say.h"
#include <string.h>
#include <uni/base/mapdigest.h>
#include <uni/dest/ami.h>
#include <uni/dest/snapshot.h>

#define NAME_MAX_LENGTH 255

struct volume_push {
	struct uni_disk_source *source;
	struct uni_ami_map *map;
	struct uni_aws *aws;
	char *region, *name;
	struct uni_strv tags;
};

static void push_end(struct volume_push *p)
{
	uni_disk_source_free(p->source);
	uni_ami_map_free(p->map);
	uni_aws_free(p->aws);
	free(p->region);
	free(p->name);
	uni_strv_free(&p->tags);
}

static int read_block(const void *user, size_t n, void *data, struct uni_err *err)
{
	const struct volume_push *p = user;

	return uni_disk_source_read_data(p->source, data, UNI_MAP_BLOCK,
					 (uint64_t)p->map->blocks[n].index * UNI_MAP_BLOCK, err);
}

static int open_volume(struct volume_push *p, const struct uni_dest_job *job, struct uni_err *err)
{
	int rc = uni_disk_open_image(&p->source, job->source, err);

	if (rc == 0 && p->source->size == 0)
		rc = uni_err_set(err, UNI_E_INVAL, "%s has no bytes", job->source);
	if (rc == 0)
		rc = uni_disk_source_grow(
			&p->source, (p->source->size + UNI_AMI_GIB - 1) / UNI_AMI_GIB * UNI_AMI_GIB,
			err);
	return rc == 0 ? uni_ami_map_make(&p->map, p->source, -1, NULL, err) : rc;
}

static void add_tags(struct volume_push *p, const struct uni_dest_job *job)
{
	char digest[UNI_DIGEST_TEXT];

	uni_map_digest_text(&p->map->digest, digest);
	uni_strv_addf(&p->tags, "Name=%s", p->name);
	uni_strv_addf(&p->tags, UNI_AMI_TAG_VOLUME "=%s", digest);
	for (size_t i = 0; i < job->tags.count; i++)
		uni_strv_add(&p->tags, job->tags.items[i]);
}

int uni_snapshot_push(const struct uni_dest_job *job, struct uni_err *err)
{
	struct volume_push p __attribute__((cleanup(push_end))) = { .source = NULL };
	const struct uni_net_options net = ec2_net_options(job->events);
	struct uni_aws_options how = { .profile = job->profile, .net = &net };
	struct ec2_content content = { .read = read_block, .user = &p, .events = job->events };
	char snapshot[UNI_EBS_ID];
	int rc = uni_ami_address(job->address, &p.region, &p.name, err);

	if (rc == 0 && (p.name == NULL || strlen(p.name) > NAME_MAX_LENGTH || strchr(p.name, '/')))
		rc = uni_err_set(err, UNI_E_USAGE, "%s names no snapshot behind the region",
				 job->address);
	if (rc == 0)
		rc = ec2_job_check(job, err);
	if (rc == 0)
		rc = open_volume(&p, job, err);
	if (rc != 0)
		return rc;
	add_tags(&p, job);
	how.region = p.region;
	content.map = p.map;
	content.name = content.description = p.name;
	content.tags = &p.tags;
	if (job->dry_run)
		return ec2_say_snapshot(job, &content, p.region, NULL, err);
	rc = uni_aws_open(&p.aws, &how, err);
	content.aws = p.aws;
	if (rc == 0)
		rc = ec2_snapshot_make(&content, p.region, NULL, NULL, snapshot, err);
	if (rc == 0 && job->note != NULL)
		job->note(job->user, &(const struct uni_dest_note){ .what = "snapshot",
								    .where = p.region,
								    .id = snapshot,
								    .text = "made" });
	return rc;
}
