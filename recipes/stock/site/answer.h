/*
 * What is sent for a request.
 */
#ifndef SITE_ANSWER_H
#define SITE_ANSWER_H

#include "files.h"
#include "http.h"

#define ANSWER_HEAD_MAX                                                                            \
	2560 /* a redirect's path may be three times as long as it was asked for                   \
	      */

struct answer {
	bool keep; /* the connection goes on behind it */
	size_t head_size;
	struct file *file; /* in use, or NULL */
	const char *body;  /* what is sent from memory, or NULL */
	uint64_t at, left; /* of body or file */
};

extern char answer_head[ANSWER_HEAD_MAX]; /* of the answer that was made last */

void answer_request(struct answer *a, const struct http_request *request, bool keep, uint64_t now);
/* To bytes that are no request for a file; the connection ends behind it. */
void answer_refusal(struct answer *a, int status, uint64_t now);
void answer_end(struct answer *a);  /* gives back what it uses */
void answer_clock(int64_t seconds); /* what answers say the time is, since 1970 */

#endif
