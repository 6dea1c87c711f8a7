/*
 * A session: in whose name calls are made, and where they go.
 */
#include "aws.h"
#include <string.h>
#include <strings.h>
#include <uni/base/system.h>
#define RENEW_BEFORE 300 /* seconds */
#define RENEW_AGAIN 30	 /* after which another try is made, */
#define RENEW_LAST 30	 /* but not when so few are left */

bool aws_is_true(const char *text)
{
	return text != NULL && strcasecmp(text, "true") == 0;
}

static char *user_file(const char *variable, const char *name)
{
	const char *given = uni_env(variable);
	const char *home = uni_env("HOME");

	return given != NULL ? uni_strdup(given)
			     : uni_asprintf("%s/.aws/%s", home != NULL ? home : "", name);
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	if (a != NULL)
		return a;
	return b != NULL ? b : c;
}

static int set_region(struct uni_aws *aws, const char *given, struct uni_err *err)
{
	const char *region = first_of(given, uni_env("AWS_REGION"), uni_env("AWS_DEFAULT_REGION"));

	if (region == NULL)
		region = aws_setting(aws, "region");
	if (region == NULL)
		return 0;
	if (!uni_aws_region_valid(region))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is no region's name", region);
	aws->region = uni_strdup(region);
	return 0;
}

/* The client that calls go by: what AWS's tools are told of authorities counts here, too. */
static int open_net(struct uni_aws *aws, const struct uni_net_options *given, struct uni_err *err)
{
	struct uni_net_options net = { .ca_file = NULL };

	if (given != NULL)
		net = *given;
	if (net.ca_file == NULL)
		net.ca_file =
			first_of(uni_env("AWS_CA_BUNDLE"), aws_setting(aws, "ca_bundle"), NULL);
	uni_net_options_env(&net);
	return uni_net_open(&aws->net, &net, err);
}

int uni_aws_open(struct uni_aws **aws, const struct uni_aws_options *options, struct uni_err *err)
{
	struct uni_aws *a = uni_alloc(sizeof(*a));
	char *config UNI_AUTO_FREE = user_file("AWS_CONFIG_FILE", "config");
	char *credentials UNI_AUTO_FREE = user_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
	const char *profile =
		first_of(options->profile, uni_env("AWS_PROFILE"), uni_env("AWS_DEFAULT_PROFILE"));
	int rc;

	a->profile_asked = options->profile != NULL;
	a->renew_before = RENEW_BEFORE;
	a->profile = uni_strdup(profile != NULL ? profile : "default");
	rc = aws_profiles_read(&a->profiles, config, credentials, err);
	if (rc == 0 && profile != NULL && !aws_profiles_has(a->profiles, profile))
		rc = uni_err_set(err, UNI_E_AUTH, "profile \"%s\" is neither in %s nor in %s",
				 profile, config, credentials);
	if (rc == 0)
		rc = set_region(a, options->region, err);
	if (rc == 0)
		rc = open_net(a, options->net, err);
	if (rc != 0) {
		uni_aws_free(a);
		a = NULL;
	}
	*aws = a;
	return rc;
}

void uni_aws_free(struct uni_aws *aws)
{
	if (aws == NULL)
		return;
	uni_net_free(aws->net);
	aws_flights_drop(aws);
	aws_profiles_free(aws->profiles);
	aws_credentials_free(&aws->credentials);
	uni_strv_free(&aws->trail);
	free(aws->profile);
	free(aws->region);
	free(aws);
}

int uni_aws_region(struct uni_aws *aws, const char **region, struct uni_err *err)
{
	if (aws->region == NULL && aws_region_of_instance(aws) == 0) {
		uni_err_set(err, UNI_E_INVAL, "no region is named");
		return uni_err_hint(err,
				    "name one in ec2://REGION/NAME, AWS_REGION or the profile");
	}
	*region = aws->region;
	return 0;
}

static bool good_for(const struct uni_aws *aws, int64_t seconds)
{
	const struct aws_credentials *c = &aws->credentials;

	return c->access_key != NULL &&
	       (c->expires == 0 || c->expires - seconds > uni_clock_now() + aws->skew);
}

int uni_aws_identify(struct uni_aws *aws, struct uni_err *err)
{
	int64_t left;
	int rc;

	if (good_for(aws, aws->renew_before))
		return 0;
	rc = aws_credentials_find(aws, err);
	if (rc != 0 && (rc == UNI_E_CANCELLED || !good_for(aws, RENEW_LAST)))
		return rc;
	/* Those at hand are good, though maybe not for long: another try in a while. */
	left = aws->credentials.expires - (uni_clock_now() + aws->skew) - RENEW_AGAIN;
	aws->renew_before = left < RENEW_BEFORE ? (left > 0 ? left : 0) : RENEW_BEFORE;
	uni_err_clear(err);
	return 0;
}

unsigned uni_aws_throttled(const struct uni_aws *aws)
{
	return aws->throttled;
}

const struct uni_strv *uni_aws_trail(const struct uni_aws *aws)
{
	return &aws->trail;
}

struct uni_net *uni_aws_net(struct uni_aws *aws)
{
	return aws->net;
}

static char *without_slash(const char *url)
{
	size_t size = strlen(url);

	return uni_strndup(url, size != 0 && url[size - 1] == '/' ? size - 1 : size);
}

/* What the environment and the profile say, in the order of AWS's tools. */
static const char *configured_endpoint(const struct uni_aws *aws, const char *service)
{
	char *variable UNI_AUTO_FREE = uni_asprintf("AWS_ENDPOINT_URL_%s", service);
	char *key UNI_AUTO_FREE = uni_asprintf("%s.endpoint_url", service);
	const char *services = aws_setting(aws, "services");
	const char *url;

	if (aws_is_true(uni_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) ||
	    aws_is_true(aws_setting(aws, "ignore_configured_endpoint_urls")))
		return NULL;
	for (char *p = variable; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	url = first_of(uni_env(variable), uni_env("AWS_ENDPOINT_URL"), NULL);
	if (url == NULL && services != NULL)
		url = aws_profiles_services(aws->profiles, services, key);
	return url != NULL ? url : aws_setting(aws, "endpoint_url");
}

char *uni_aws_endpoint(const struct uni_aws *aws, const char *service, const char *region)
{
	const char *url = configured_endpoint(aws, service);

	if (url != NULL)
		return without_slash(url);
	return uni_asprintf("https://%s%s.%s.%s", uni_str_eq(service, "sso") ? "portal." : "",
			    service, region, aws_region_domain(region));
}
