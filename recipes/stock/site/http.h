/*
 * HTTP/1.1 (RFC 9110, RFC 9112) as far as a server of files needs it: reading a request, deciding
 * whether and which part of a file to send. Nothing here allocates, waits, or looks at a file.
 */
#ifndef SITE_HTTP_H
#define SITE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PATH_MAX 512

/* Part of the bytes that were given to http_parse; not NUL-terminated. `text` NULL: absent. */
struct http_text {
	const char *text;
	size_t size;
};

struct http_request {
	bool head;
	bool keep_alive;
	bool folder;		  /* the path ends in a slash, or is empty */
	char path[HTTP_PATH_MAX]; /* decoded, without ".", ".." and slashes at its ends */
	struct http_text if_match, if_none_match, if_modified, if_unmodified, if_range, range;
};

/*
 * Reads a request at the start of `bytes`. Positive: its size. 0: it is not whole yet. Negative: it
 * is refused, with this status (-400, -405, ...); the connection cannot go on then.
 */
int http_parse(const char *bytes, size_t size, struct http_request *request);

/* What a file is to its readers. */
struct http_file {
	uint64_t size;
	int64_t modified; /* seconds since 1970; 0: not known */
	struct http_text etag;
};

struct http_part {
	int status; /* 200, 206, 304, 412 or 416 */
	uint64_t start;
	uint64_t size;
};
/* Preconditions and range (RFC 9110, sections 13.2.2 and 14.2). Several ranges get the whole. */
struct http_part http_select(const struct http_request *request, const struct http_file *file);

/* Dates (RFC 9110, section 5.6.7). */
#define HTTP_DATE_SIZE 29
void http_date_write(int64_t seconds, char out[HTTP_DATE_SIZE]); /* not NUL-terminated */
bool http_date_read(struct http_text text, int64_t *seconds);	 /* all three forms */

#endif
