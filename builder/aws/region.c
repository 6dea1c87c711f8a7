/*
 * Names of regions: their form, where their services are, and which one was meant. A new region
 * works without being listed here; the list only serves those who mistype one.
 */
#include "aws.h"
#include <string.h>

#define REGION_MAX 40

/* AWS General Reference, "AWS service endpoints". */
static const char *const known[] = {
	"af-south-1",	  "ap-east-1",	    "ap-east-2",      "ap-northeast-1", "ap-northeast-2",
	"ap-northeast-3", "ap-south-1",	    "ap-south-2",     "ap-southeast-1", "ap-southeast-2",
	"ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"ca-central-1",	  "ca-west-1",	    "cn-north-1",     "cn-northwest-1", "eu-central-1",
	"eu-central-2",	  "eu-north-1",	    "eu-south-1",     "eu-south-2",	"eu-west-1",
	"eu-west-2",	  "eu-west-3",	    "eusc-de-east-1", "il-central-1",	"me-central-1",
	"me-south-1",	  "mx-central-1",   "sa-east-1",      "us-east-1",	"us-east-2",
	"us-gov-east-1",  "us-gov-west-1",  "us-iso-east-1",  "us-iso-west-1",	"us-isob-east-1",
	"us-west-1",	  "us-west-2",
};

/* Partitions by the beginning of their regions' names; the last one is all others'. */
static const struct {
	const char *start, *domain;
} domains[] = {
	{ "cn-", "amazonaws.com.cn" },	  { "eusc-", "amazonaws.eu" },
	{ "us-isob-", "sc2s.sgov.gov" },  { "us-isof-", "csp.hci.ic.gov" },
	{ "eu-isoe-", "cloud.adc-e.uk" }, { "us-iso-", "c2s.ic.gov" },
	{ "", "amazonaws.com" },
};

bool uni_aws_region_valid(const char *region)
{
	size_t size = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return size != 0 && size < REGION_MAX && region[size] == '\0' && region[0] != '-';
}

const char *aws_region_domain(const char *region)
{
	size_t i = 0;

	while (!uni_str_starts(region, domains[i].start))
		i++;
	return domains[i].domain;
}

const char *aws_region_near(const char *region)
{
	for (size_t i = 0; i < UNI_COUNT(known); i++)
		if (uni_str_eq(region, known[i]))
			return NULL;
	return uni_str_nearest(region, known, UNI_COUNT(known));
}
