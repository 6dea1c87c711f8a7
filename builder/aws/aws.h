/*
 * What the files of this module share: a session, and those who look for credentials.
 */
#ifndef AWS_AWS_H
#define AWS_AWS_H

#include "profile.h"
#include <uni/aws/client.h>
#include <uni/base/json.h>

#define AWS_METADATA "http://169.254.169.254"

struct aws_credentials {
	char *access_key, *secret_key, *session_token; /* token may be NULL */
	int64_t expires;			       /* 0: never */
	const char *found;			       /* by which provider */
};
void aws_credentials_free(struct aws_credentials *c); /* may be used again afterwards */

struct uni_aws {
	struct uni_net *net;
	struct aws_profiles *profiles;
	char *profile;
	bool profile_asked; /* named by the user: the environment's keys do not count */
	char *region;	    /* NULL: not known yet */
	struct aws_credentials credentials;
	int64_t renew_before; /* seconds left of their life */
	struct uni_strv trail;
	int64_t skew; /* server's clock less ours, seconds */
	unsigned throttled;
	struct flight *flights; /* calls under way */
};

/* Who may have credentials, as a profile says where it asks for one. 1: found, 0: has none,
 * negative: has some that cannot be used. */
struct aws_provider {
	const char *name;
	int (*find)(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
		    struct uni_err *err);
};
extern const struct aws_provider aws_from_web_identity, aws_from_profile_web_identity,
	aws_from_role, aws_from_sso, aws_from_container, aws_from_instance;

int aws_credentials_find(struct uni_aws *aws, struct uni_err *err);
void aws_note(struct uni_aws *aws, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A setting of the chosen profile. */
const char *aws_setting(const struct uni_aws *aws, const char *key);
/* client.c: whether a setting says so, in letters of either case; NULL does not. */
bool aws_is_true(const char *text);
/* What a profile has of itself: a token, single sign-on, keys, credential_process. */
int aws_credentials_of_profile(struct uni_aws *aws, const char *profile,
			       struct aws_credentials *out, struct uni_err *err);

/* Members as container, instance and process answer them: AccessKeyId, SecretAccessKey, Token or
 * SessionToken, Expiration. `name` is who answered. */
int aws_credentials_json(struct aws_credentials *out, const char *name, const char *text,
			 size_t size, struct uni_err *err);
/* "2015-08-30T12:36:00Z", a fraction or +00:00 allowed; false when it is not that. */
bool aws_time_parse(const char *text, int64_t *seconds);

/* A small GET (or PUT) of an address nearby, which answers at once or is not there. */
int aws_ask_nearby(struct uni_aws *aws, const char *method, const char *url, const char *header,
		   struct uni_net_answer *answer, struct uni_err *err);
/* region.c: where the services of a region are; the known region that is most like one that is not
 * known, or NULL. */
const char *aws_region_domain(const char *region);
const char *aws_region_near(const char *region);

/* Region from the instance's metadata; 1 found, 0 not. */
int aws_region_of_instance(struct uni_aws *aws);

/* A signed call with credentials that are not the session's (STS); `keys` NULL: unsigned. */
int aws_call_as(struct uni_aws *aws, const struct aws_credentials *as,
		const struct uni_aws_call *call, struct uni_net_answer *answer,
		char code[UNI_AWS_CODE], struct uni_err *err);

/* call.c: forgets those that are under way; the client that sent them is gone. */
void aws_flights_drop(struct uni_aws *aws);

/* What a service says went wrong, in either of its languages; both may stay empty. */
void aws_answer_error(const struct uni_net_answer *answer, char code[UNI_AWS_CODE],
		      struct uni_buf *message);

#endif
