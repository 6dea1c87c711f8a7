/*
 * Address, tags and accounts, as EC2 takes them (EC2 User Guide, "Tag restrictions";
 * RegisterImage).
 */
#include "ec2_job.h"
#include <string.h>
#include <uni/aws/client.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define REGIONS_MAX 64u
#define NAME_ROOM 64u
#define TAGS_MAX 40u /* of 50, some are ours */
#define TAG_KEY_MAX 128u
#define TAG_VALUE_MAX 256u
#define ACCOUNT_DIGITS 12u

/* EC2 takes a few more signs; those need no quoting anywhere. */
static bool name_valid(const char *name)
{
	return strlen(name) <= NAME_ROOM && name[0] != '-' &&
	       name[strspn(name, LETTERS DIGITS "._-")] == '\0';
}

static int take_regions(const char *address, size_t size, struct uni_strv *regions,
			struct uni_err *err)
{
	const char *at = address + strlen("ec2://");

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

int ec2_job_address(const char *address, struct uni_strv *regions, char **name, struct uni_err *err)
{
	const char *at = address + strlen("ec2://");
	size_t size = strcspn(at, "/");
	int rc = take_regions(address, size, regions, err);

	if (rc == 0 && at[size] == '/' && at[size + 1] != '\0')
		*name = uni_strdup(at + size + 1);
	if (rc == 0 && *name != NULL && !name_valid(*name))
		return uni_err_set(err, UNI_E_USAGE,
				   "%s: \"%s\" is no image's name: at most %u letters, digits, "
				   "\".\", \"_\" and \"-\"",
				   address, *name, NAME_ROOM);
	return rc;
}

static int check_tag(const char *tag, struct uni_err *err)
{
	const char *equals = strchr(tag, '=');
	size_t key = equals != NULL ? (size_t)(equals - tag) : 0;

	if (key == 0)
		return uni_err_set(err, UNI_E_USAGE, "--tag \"%s\" is not KEY=VALUE", tag);
	if (uni_str_starts(tag, "aws:") || uni_str_starts(tag, "uni:"))
		return uni_err_set(err, UNI_E_USAGE, "--tag \"%s\": keys with \"%.4s\" are taken",
				   tag, tag);
	if (key > TAG_KEY_MAX || strlen(equals + 1) > TAG_VALUE_MAX)
		return uni_err_set(err, UNI_E_USAGE,
				   "--tag \"%.60s...\": a key has at most %u bytes, a value %u",
				   tag, TAG_KEY_MAX, TAG_VALUE_MAX);
	return 0;
}

int ec2_job_check(const struct uni_dest_job *job, struct uni_err *err)
{
	if (job->tags.count > TAGS_MAX)
		return uni_err_set(err, UNI_E_USAGE, "more than %u tags", TAGS_MAX);
	for (size_t i = 0; i < job->tags.count; i++) {
		int rc = check_tag(job->tags.items[i], err);

		if (rc != 0)
			return rc;
	}
	for (size_t i = 0; i < job->shares.count; i++) {
		const char *account = job->shares.items[i];

		if (strlen(account) != ACCOUNT_DIGITS || strspn(account, DIGITS) != ACCOUNT_DIGITS)
			return uni_err_set(err, UNI_E_USAGE,
					   "--share \"%s\" is no account: %u digits", account,
					   ACCOUNT_DIGITS);
	}
	return 0;
}
