/*
 * The fast front of the strict double: what its files share. It is a server of its own, written
 * from the API's reference and not from our client, whose judge it is.
 */
#ifndef TESTS_AWS_FAST_H
#define TESTS_AWS_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK 524288u
#define HEAD_MAX 16384u
#define FIELDS_MAX 64u
#define DIGEST 32u

struct field {
	const char *name; /* in lower case */
	const char *value;
};

/* The head of a request; its texts are parts of what was parsed. */
struct head {
	const char *method, *target;
	struct field fields[FIELDS_MAX];
	size_t count;
	uint64_t length; /* of the body */
};

/* `text` is cut into pieces; false: it is no head of HTTP/1.1. */
bool head_parse(struct head *head, char *text);
const char *head_field(const struct head *head, const char *name); /* or "" */

/* Whose requests are taken. */
struct keys {
	const char *access, *secret;
};

/* How a request is refused: the code of the service and its status; code NULL: it is not. */
struct refusal {
	int status;
	const char *code, *why;
};
#define ACCEPTED ((struct refusal){ 0, NULL, NULL })

/* Signature Version 4, for requests without a query and with an unsigned payload. */
struct refusal signature_check(const struct head *head, const struct keys *keys);

/* The block that a PutSnapshotBlock is about. */
struct put {
	char snapshot[64];
	uint32_t index;
};
bool put_parse(struct put *put, const struct head *head); /* false: it is another call */
struct refusal put_check(const struct head *head, const uint8_t digest[DIGEST]);

#endif
