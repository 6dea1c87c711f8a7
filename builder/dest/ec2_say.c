/*
 * The requests of a push, counted before any is made. What is known here decides, as for the push
 * itself: a snapshot to build on that another machine made is looked for only then.
 */
#include "ec2_say.h"
#include "ec2_map.h"
#include <inttypes.h>

void ec2_say(const struct uni_dest_job *job, const char *call, uint64_t calls, uint64_t bytes,
	     const char *text)
{
	const struct uni_dest_note n = {
		.what = "request", .where = call, .text = text, .calls = calls, .bytes = bytes
	};

	if (job->note != NULL)
		job->note(job->user, &n);
}

static void say_map(const struct uni_dest_job *job, const struct uni_ami_map *map)
{
	size_t blocks = ec2_map_blocks(map);

	if (blocks == 0)
		return;
	ec2_say(job, "ebs:StartSnapshot", 1, 0, "for the block map, 1 GiB");
	ec2_say(job, "ebs:PutSnapshotBlock", blocks, (uint64_t)blocks * UNI_MAP_BLOCK,
		"the block map, for the next push");
	ec2_say(job, "ebs:CompleteSnapshot", 1, 0, "of the block map");
}

int ec2_say_snapshot(const struct uni_dest_job *job, const struct ec2_content *content,
		     const char *region, const char *part, struct uni_err *err)
{
	char *parent UNI_AUTO_FREE = NULL;
	char *text UNI_AUTO_FREE = NULL;
	size_t blocks;
	int rc = ec2_snapshot_plan(content, region, &blocks, &parent, err);

	if (rc != 0)
		return rc;
	text = uni_asprintf("%s%s%" PRIu64 " GiB in %s%s%s", part != NULL ? part : "",
			    part != NULL ? ": " : "", content->map->size / UNI_AMI_GIB, region,
			    parent != NULL ? " on " : "", parent != NULL ? parent : "");
	if (parent == NULL)
		ec2_say(job, "ec2:DescribeSnapshots", 1, 0,
			"whether another machine pushed one to build on");
	ec2_say(job, "ebs:StartSnapshot", 1, 0, text);
	ec2_say(job, "ebs:PutSnapshotBlock", blocks, (uint64_t)blocks * UNI_MAP_BLOCK,
		"512 KiB each; blocks of zeros are not sent");
	ec2_say(job, "ebs:CompleteSnapshot", 1, 0, "with the checksum over all");
	ec2_say(job, "ec2:DescribeSnapshots", 1, 0, "until it is completed");
	say_map(job, content->map);
	return 0;
}
