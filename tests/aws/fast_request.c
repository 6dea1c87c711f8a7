/*
 * What a PutSnapshotBlock must look like: its head, its headers, its signature. All is computed
 * anew from the request as it came.
 */
#include "fast.h"
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKEW_MAX 300
#define CANONICAL_MAX 32768u

/* --- the head --- */

static char *next_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	if (end == NULL)
		return NULL;
	*end = '\0';
	*at = end + 2;
	return line;
}

/* Without spaces at its ends, and one where there are many. */
static char *squeeze(char *value)
{
	char *out, *to;

	value += strspn(value, " \t");
	out = to = value;
	for (; *value != '\0'; value++)
		if (!(*value == ' ' && (value[1] == ' ' || value[1] == '\0')))
			*to++ = *value;
	*to = '\0';
	return out;
}

bool head_parse(struct head *head, char *text)
{
	char *line = next_line(&text), *space;

	memset(head, 0, sizeof(*head));
	space = line != NULL ? strchr(line, ' ') : NULL;
	if (space == NULL)
		return false;
	*space = '\0';
	head->method = line;
	head->target = space + 1;
	space = strchr(space + 1, ' ');
	if (space == NULL || strcmp(space, " HTTP/1.1") != 0)
		return false;
	*space = '\0';
	while ((line = next_line(&text)) != NULL && *line != '\0') {
		char *colon = strchr(line, ':');

		if (colon == NULL || head->count == FIELDS_MAX)
			return false;
		*colon = '\0';
		for (char *c = line; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		head->fields[head->count++] = (struct field){ line, squeeze(colon + 1) };
	}
	head->length = strtoull(head_field(head, "content-length"), NULL, 10);
	return line != NULL && *head_field(head, "transfer-encoding") == '\0';
}

const char *head_field(const struct head *head, const char *name)
{
	for (size_t i = 0; i < head->count; i++)
		if (strcmp(head->fields[i].name, name) == 0)
			return head->fields[i].value;
	return "";
}

/* --- Signature Version 4 --- */

static void hmac(const void *key, size_t size, const char *text, uint8_t out[DIGEST])
{
	unsigned length = DIGEST;

	HMAC(EVP_sha256(), key, (int)size, (const uint8_t *)text, strlen(text), out, &length);
}

static void hex(const uint8_t *bytes, char *out)
{
	for (size_t i = 0; i < DIGEST; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* The value of NAME= in an Authorization header, copied; false: it is missing or too long. */
static bool part(const char *authorization, const char *name, char *out, size_t room)
{
	const char *at = strstr(authorization, name);
	size_t size;

	if (at == NULL)
		return false;
	at += strlen(name);
	size = strcspn(at, ", ");
	if (size >= room)
		return false;
	memcpy(out, at, size);
	out[size] = '\0';
	return true;
}

/* Whether a header stands in "a;b;c". */
static bool is_signed(const char *list, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at += size)
		if ((at == list || at[-1] == ';') && (at[size] == ';' || at[size] == '\0'))
			return true;
	return false;
}

/* The canonical request, with its headers in the order that the list has, which must rise. */
static bool canonical(const struct head *head, const char *list, char *out)
{
	const char *before = "";
	int at = snprintf(out, CANONICAL_MAX, "%s\n%s\n\n", head->method, head->target);
	char names[HEAD_MAX], *rest = names;

	snprintf(names, sizeof(names), "%s", list);
	for (char *name; (name = strsep(&rest, ";")) != NULL; before = name) {
		if (strcmp(before, name) >= 0)
			return false;
		at += snprintf(out + at, CANONICAL_MAX - (size_t)at, "%s:%s\n", name,
			       head_field(head, name));
	}
	snprintf(out + at, CANONICAL_MAX - (size_t)at, "\n%s\nUNSIGNED-PAYLOAD", list);
	return true;
}

static void compute(const char *secret, const char *text, const char *date, const char *region,
		    char out[2 * DIGEST + 1])
{
	uint8_t key[DIGEST], digest[DIGEST];
	char first[256], to_sign[512], hashed[2 * DIGEST + 1];

	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
	hex(digest, hashed);
	snprintf(first, sizeof(first), "AWS4%s", secret);
	snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%.8s/%s/ebs/aws4_request\n%s",
		 date, date, region, hashed);
	snprintf(hashed, sizeof(hashed), "%.8s", date);
	hmac(first, strlen(first), hashed, key);
	hmac(key, DIGEST, region, key);
	hmac(key, DIGEST, "ebs", key);
	hmac(key, DIGEST, "aws4_request", key);
	hmac(key, DIGEST, to_sign, digest);
	hex(digest, out);
}

static bool is_timely(const char *date)
{
	struct tm tm = { 0 };
	const char *end = strptime(date, "%Y%m%dT%H%M%SZ", &tm);
	double skew;

	if (end == NULL || *end != '\0')
		return false;
	skew = difftime(timegm(&tm), time(NULL));
	return skew <= SKEW_MAX && skew >= -SKEW_MAX;
}

/* Whether host and all that AWS defines are signed. */
static bool all_signed(const struct head *head, const char *list)
{
	for (size_t i = 0; i < head->count; i++) {
		const char *name = head->fields[i].name;

		if ((strncmp(name, "x-amz-", 6) == 0 || strcmp(name, "host") == 0) &&
		    !is_signed(list, name))
			return false;
	}
	return is_signed(list, "host");
}

struct refusal signature_check(const struct head *head, const struct keys *keys)
{
	const char *authorization = head_field(head, "authorization");
	const char *date = head_field(head, "x-amz-date");
	char credential[256], list[2048], given[128], wanted[2 * DIGEST + 1], text[CANONICAL_MAX];
	char scope[256], region[64];

	if (strncmp(authorization, "AWS4-HMAC-SHA256 ", 17) != 0 ||
	    !part(authorization, "Credential=", credential, sizeof(credential)) ||
	    !part(authorization, "SignedHeaders=", list, sizeof(list)) ||
	    !part(authorization, "Signature=", given, sizeof(given)))
		return (struct refusal){ 403, "MissingAuthenticationToken", "not signed" };
	if (!is_timely(date))
		return (struct refusal){ 403, "RequestTimeTooSkewed", "the clocks differ" };
	if (sscanf(credential, "%*[^/]/%*[^/]/%63[^/]", region) != 1)
		return (struct refusal){ 403, "SignatureDoesNotMatch", "no region" };
	snprintf(scope, sizeof(scope), "%s/%.8s/%s/ebs/aws4_request", keys->access, date, region);
	if (strcmp(scope, credential) != 0)
		return (struct refusal){ 403, "InvalidClientTokenId", "no such credential" };
	if (strcmp(head_field(head, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD") != 0 ||
	    !all_signed(head, list) || !canonical(head, list, text))
		return (struct refusal){ 403, "SignatureDoesNotMatch", "unsigned or unsorted" };
	compute(keys->secret, text, date, region, wanted);
	if (strcmp(given, wanted) != 0)
		return (struct refusal){ 403, "SignatureDoesNotMatch", "the signature is another" };
	return ACCEPTED;
}

/* --- the call --- */

bool put_parse(struct put *put, const struct head *head)
{
	int end = 0;

	return strcmp(head->method, "PUT") == 0 &&
	       sscanf(head->target, "/snapshots/%63[-a-z0-9]/blocks/%u%n", put->snapshot,
		      &put->index, &end) == 2 &&
	       head->target[end] == '\0';
}

struct refusal put_check(const struct head *head, const uint8_t digest[DIGEST])
{
	char base64[48];

	EVP_EncodeBlock((uint8_t *)base64, digest, DIGEST);
	if (head->length != BLOCK || strcmp(head_field(head, "x-amz-data-length"), "524288") != 0)
		return (struct refusal){ 400, "ValidationException", "x-amz-data-length" };
	if (strcmp(head_field(head, "x-amz-checksum-algorithm"), "SHA256") != 0 ||
	    strcmp(head_field(head, "x-amz-checksum"), base64) != 0)
		return (struct refusal){ 400, "ValidationException", "x-amz-checksum" };
	return ACCEPTED;
}
