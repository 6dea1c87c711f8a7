/*
 * A snapshot in EC2 as a file again, whoever made it: found by its name or id, read by the EBS
 * direct APIs.
 */
#include "ec2_snapshot.h"
#include <string.h>
#include <uni/aws/ec2.h>
#include <uni/base/file.h>
#include <uni/dest/ami.h>
#include <uni/dest/snapshot.h>
#include <unistd.h>

#define ID_PREFIX "snap-"

struct pulling {
	struct uni_outfile *out;
	const char *path;
};

static int find(struct uni_aws *aws, const char *region, const char *name, char id[UNI_EBS_ID],
		struct uni_err *err)
{
	struct uni_ec2_snapshots list UNI_AUTO_EC2_SNAPSHOTS = { 0 };
	const char *filter = uni_str_starts(name, ID_PREFIX) ? "snapshot-id" : "tag:Name";
	const struct uni_ec2_snapshot *found;
	int rc = uni_ec2_snapshots(aws, region, filter, name, &list, err);

	found = uni_ec2_snapshots_newest(&list);
	if (rc == 0 && found == NULL)
		rc = uni_err_set(err, UNI_E_NOENT,
				 list.count != 0 ? "no snapshot \"%s\" in %s is complete"
						 : "there is no snapshot \"%s\" in %s",
				 name, region);
	if (rc == 0)
		memcpy(id, found->id, strlen(found->id) + 1);
	return rc;
}

static int set_size(void *user, uint64_t size, struct uni_err *err)
{
	const struct pulling *p = user;

	return ftruncate(uni_outfile_fd(p->out), (off_t)size) != 0
		       ? uni_err_errno(err, "%s", p->path)
		       : 0;
}

static int put_block(void *user, uint32_t index, const void *data, struct uni_err *err)
{
	const struct pulling *p = user;

	return uni_pwrite_full(uni_outfile_fd(p->out), data, UNI_EBS_BLOCK,
			       (uint64_t)index * UNI_EBS_BLOCK, p->path, err);
}

int uni_snapshot_pull(const char *address, const char *path, const struct uni_events *events,
		      struct uni_err *err)
{
	UNI_AUTO(uni_aws) struct uni_aws *aws = NULL;
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	UNI_AUTO_FREE char *region = NULL;
	UNI_AUTO_FREE char *name = NULL;
	const struct uni_net_options net = ec2_net_options(events);
	struct uni_aws_options how = { .net = &net };
	struct uni_ebs_snapshot snapshot = { .id = "" };
	struct pulling pulling = { .path = path };
	const struct uni_ebs_download download = { .size = set_size,
						   .got = put_block,
						   .user = &pulling };
	int rc = uni_ami_address(address, &region, &name, err);

	if (rc == 0 && name == NULL)
		rc = uni_err_set(err, UNI_E_USAGE, "%s names no snapshot behind the region",
				 address);
	snapshot.region = how.region = region;
	if (rc == 0)
		rc = uni_aws_open(&aws, &how, err);
	if (rc == 0)
		rc = find(aws, region, name, snapshot.id, err);
	if (rc == 0)
		rc = uni_outfile_open(&out, path, 0666, err);
	pulling.out = out;
	if (rc == 0)
		rc = uni_ebs_download(aws, &snapshot, &download, err);
	return rc == 0 ? uni_outfile_commit(out, false, err) : rc;
}
