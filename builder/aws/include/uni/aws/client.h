/*
 * Calls of AWS services: who calls, where to, signed, with the service's error in our words.
 *
 *	struct uni_aws *aws UNI_AUTO(uni_aws) = NULL;
 *	rc = uni_aws_open(&aws, &options, err);
 *	struct uni_aws_call call = { .service = "ec2", .method = "POST", ... };
 *	rc = uni_aws_do(aws, &call, &answer, err);
 *
 * Credentials are looked for with the first call, in the order of AWS's own tools, and again five
 * minutes before they expire. A clock that is wrong is found by the server's answer and allowed for
 * once. What is tried again is builder/net's business.
 */
#ifndef UNI_AWS_CLIENT_H
#define UNI_AWS_CLIENT_H

#include <uni/aws/sign.h>
#include <uni/net/net.h>

struct uni_aws;

struct uni_aws_options {
	const char *profile; /* NULL: AWS_PROFILE, else "default" */
	const char *region;  /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's */
	const struct uni_net_options *net;
};

/* Reads the user's files; nothing goes over the network yet. */
int uni_aws_open(struct uni_aws **aws, const struct uni_aws_options *options, struct uni_err *err);
void uni_aws_free(struct uni_aws *aws);
UNI_AUTO_DEFINE(uni_aws)

/* The region; asks the instance we run on when nothing says it. UNI_E_INVAL when nobody knows. */
int uni_aws_region(struct uni_aws *aws, const char **region, struct uni_err *err);
/* Whether it has the form of a region's name: it becomes part of a host's. */
bool uni_aws_region_valid(const char *region);
/* Makes sure of credentials. UNI_E_AUTH names what was tried. */
int uni_aws_identify(struct uni_aws *aws, struct uni_err *err);
/* Where credentials were looked for and what was found there, a line each; never a secret. */
const struct uni_strv *uni_aws_trail(const struct uni_aws *aws);
/* Where calls of the service go: AWS_ENDPOINT_URL_SERVICE, AWS_ENDPOINT_URL, the profile's
 * endpoint_url, else Amazon's. Owned by the caller. */
char *uni_aws_endpoint(const struct uni_aws *aws, const char *service, const char *region);
struct uni_net *uni_aws_net(struct uni_aws *aws);
/* How often a service asked for fewer calls. */
unsigned uni_aws_throttled(const struct uni_aws *aws);

struct uni_aws_call {
	const char *service; /* "ec2", "ebs", "sts" */
	const char *action;  /* "RegisterImage": for messages and the permission it needs */
	const char *region;  /* NULL: the session's */
	const char *method;
	const char *path;	    /* from "/" */
	const char *query;	    /* encoded, or NULL */
	const char *const *headers; /* "Name: value", NULL-terminated, or NULL; all signed */
	const void *body;
	size_t size;
	bool unsigned_payload; /* the body is not part of the signature */
	bool repeatable;       /* a POST that may be sent twice */
	uint64_t deadline_ms;  /* 0: 5 minutes */
};

/* 2xx is success and fills `answer`; what the service refuses is an error: UNI_E_AUTH names the
 * missing permission, UNI_E_NOENT, UNI_E_EXIST, UNI_E_LIMIT (quota) as the code means. `code`, when
 * not NULL, gets the service's own code for callers that go on after some. */
#define UNI_AWS_CODE 64
int uni_aws_do(struct uni_aws *aws, const struct uni_aws_call *call, struct uni_net_answer *answer,
	       char code[UNI_AWS_CODE], struct uni_err *err);

/* The same while others are under way: `done` is called from uni_net_run(uni_aws_net(aws)). What
 * the call points to is copied but for the body. */
int uni_aws_start(struct uni_aws *aws, const struct uni_aws_call *call,
		  int (*done)(void *user, int rc, const char *code, struct uni_net_answer *answer,
			      struct uni_err *err),
		  void *user, struct uni_err *err);

#endif
