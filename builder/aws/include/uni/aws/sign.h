/*
 * Signature Version 4 (AWS, "Signature Version 4 signing process"): HMAC-SHA256 over a canonical
 * form of a request. Our own, because libcurl 7.88 signs what the EBS direct API wants wrongly.
 * Nothing here reads a clock or sends anything: who sends a request signs each attempt anew.
 */
#ifndef UNI_AWS_SIGN_H
#define UNI_AWS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

#define UNI_AWS_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

struct uni_aws_keys {
	const char *access_key;
	const char *secret_key;
	const char *session_token; /* NULL: none */
};

struct uni_aws_header {
	const char *name; /* any case */
	const char *value;
};

/* A request as it goes over the wire, all borrowed. */
struct uni_aws_request {
	const char *method;
	const char *path;  /* from "/"; what is percent-encoded in it is encoded once more, as all
			      services but S3 want it */
	const char *query; /* without "?", NULL: none */
	const struct uni_aws_header *headers; /* those to sign, "host" among them */
	size_t header_count;
	const char *payload; /* lower-case hex SHA-256 of the body, or UNI_AWS_UNSIGNED_PAYLOAD */
};

struct uni_aws_scope {
	const char *region;
	const char *service;
	int64_t time;	    /* seconds since 1970, by the server's clock */
	bool keep_path;	    /* dots and doubled slashes of the path stay */
	bool token_outside; /* the session token is sent but not signed */
};

/* What was signed, for messages and tests, and what to send. */
struct uni_aws_signed {
	char date[17];	    /* header "x-amz-date": "20150830T123600Z" */
	char signature[65]; /* hex */
	struct uni_buf canonical;
	struct uni_buf to_sign;
	struct uni_buf result; /* header "authorization", or the whole query */
};
#define UNI_AUTO_AWS_SIGNED __attribute__((cleanup(uni_aws_signed_free)))

void uni_aws_signed_free(struct uni_aws_signed *s);

/* Signs by headers: "x-amz-date" and, with a token, "x-amz-security-token" are signed too; the
 * caller sends them with "authorization". `s` starts zeroed. */
void uni_aws_sign(struct uni_aws_signed *s, const struct uni_aws_request *request,
		  const struct uni_aws_scope *scope, const struct uni_aws_keys *keys);

/* Appends `text` percent-encoded but for A-Z a-z 0-9 - . _ ~ (RFC 3986, 2.3). */
void uni_aws_encode(struct uni_buf *out, const char *text);

#endif
