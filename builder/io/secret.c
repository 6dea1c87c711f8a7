/*
 * Finding secrets in content that passes by. Text is searched for marks with what must stand
 * around them; a piece's last bytes are kept, so that what two pieces share is found as well. DER
 * has no mark to search for: a file's first bytes and its length say what it is.
 */
#include <ctype.h>
#include <string.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>
#include <uni/io/secret.h>

enum {
	PEM_CONTENT = 40, /* base64 digits in a row that no explanation of the form has */
	AWS_DIGITS = 40,
	AGE_DIGITS = 58,
	LABEL_MAX = 64, /* bytes between a PEM's dashes */
};

/* What is left of the text that is looked at. */
struct view {
	const char *at, *end;
};

static bool skip(struct view *v, const char *text)
{
	size_t size = strlen(text);

	if ((size_t)(v->end - v->at) < size || memcmp(v->at, text, size) != 0)
		return false;
	v->at += size;
	return true;
}

static bool is_base64(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '/';
}

static size_t digits_of(const struct view *v, bool (*is_digit)(char c))
{
	const char *at = v->at;

	while (at < v->end && is_digit(*at))
		at++;
	return (size_t)(at - v->at);
}

/* Ends of lines as they are, and as source code and JSON write them. */
static void skip_blanks(struct view *v)
{
	while (v->at < v->end) {
		if (*v->at == '\\' && v->end - v->at > 1 && strchr("nrt", v->at[1]) != NULL)
			v->at += 2;
		else if (strchr(" \t\r\n\"'+,\\", *v->at) != NULL && *v->at != '\0')
			v->at++;
		else
			return;
	}
}

/* "Proc-Type: 4,ENCRYPTED", "Comment: ...": a name, a colon, and the rest of the line. */
static bool skip_header(struct view *v)
{
	const char *at = v->at;

	while (at < v->end && (isalnum((unsigned char)*at) || *at == '-'))
		at++;
	if (at == v->at || v->end - at < 2 || at[0] != ':' || at[1] != ' ')
		return false;
	while (at < v->end && *at != '\n' && *at != '\\')
		at++;
	v->at = at;
	return true;
}

/* Whether dashes and BEGIN lead up to `at`, with no more than a kind of key between. */
static bool begins(const char *start, const char *at)
{
	const char *least = at - start > LABEL_MAX ? at - LABEL_MAX : start;
	struct view v = { at, at };

	while (v.at > least && (isupper((unsigned char)v.at[-1]) ||
				isdigit((unsigned char)v.at[-1]) || v.at[-1] == ' '))
		v.at--;
	if (v.at - start < 2 || v.at[-1] != '-' || v.at[-2] != '-')
		return false;
	(void)skip(&v, " ");
	return skip(&v, "BEGIN ");
}

#define PEM_MARK "PRIVATE KEY"

static bool is_pem(const char *start, struct view v)
{
	if (!begins(start, v.at - strlen(PEM_MARK)))
		return false;
	(void)skip(&v, " BLOCK");
	(void)skip(&v, " ");
	if (!skip(&v, "----"))
		return false;
	(void)skip(&v, "-");
	do {
		skip_blanks(&v);
	} while (skip_header(&v));
	return digits_of(&v, is_base64) >= PEM_CONTENT;
}

static bool is_aws(const char *start, struct view v)
{
	(void)start;
	while (v.at < v.end && strchr(" \t\"'=:", *v.at) != NULL && *v.at != '\0')
		v.at++;
	/* The documentation's own example is in many a manual. */
	return digits_of(&v, is_base64) == AWS_DIGITS &&
	       memcmp(v.at + AWS_DIGITS - 10, "EXAMPLEKEY", 10) != 0;
}

static bool is_bech32(char c)
{
	return isupper((unsigned char)c) || isdigit((unsigned char)c);
}

static bool is_age(const char *start, struct view v)
{
	(void)start;
	return digits_of(&v, is_bech32) >= AGE_DIGITS;
}

static const struct mark {
	const char *text;
	enum uni_secret secret;
	bool (*is)(const char *start, struct view behind);
} marks[] = {
	{ PEM_MARK, UNI_SECRET_PEM, is_pem },
	{ "AGE-SECRET-KEY-1", UNI_SECRET_AGE, is_age },
	{ "aws_secret_access_key", UNI_SECRET_AWS, is_aws },
};

static enum uni_secret look(const char *text, size_t size)
{
	const char *end = text + size;

	for (size_t i = 0; i < UNI_COUNT(marks); i++) {
		const char *from = text;
		size_t length = strlen(marks[i].text);

		while ((from = memmem(from, (size_t)(end - from), marks[i].text, length)) != NULL) {
			from += length;
			if (marks[i].is(text, (struct view){ from, end }))
				return marks[i].secret;
		}
	}
	return UNI_SECRET_NONE;
}

/* --- DER --- */

struct der {
	const uint8_t *at, *end;
};

/* Goes into the element that begins here when it has this tag; `size` is that of its content. */
static bool enter(struct der *d, uint8_t tag, uint64_t *size)
{
	const uint8_t *at = d->at;
	size_t bytes;

	if (d->end - at < 2 || *at++ != tag)
		return false;
	*size = *at++;
	if (*size >= 0x80) {
		bytes = *size & 0x7f;
		if (bytes == 0 || bytes > 4 || (size_t)(d->end - at) < bytes)
			return false;
		for (*size = 0; bytes > 0; bytes--)
			*size = *size << 8 | *at++;
	}
	d->at = at;
	return true;
}

static bool number(struct der *d, uint8_t wanted)
{
	uint64_t size;

	return enter(d, 0x02, &size) && size == 1 && d->at < d->end && *d->at++ == wanted;
}

static bool object(struct der d, const char *prefix, size_t size)
{
	uint64_t length;

	return enter(&d, 0x06, &length) && length >= size && (size_t)(d.end - d.at) >= size &&
	       memcmp(d.at, prefix, size) == 0;
}
#define OBJECT(d, prefix) object(d, prefix, sizeof(prefix) - 1)

/* PrivateKeyInfo (RFC 5208, 5958), RSAPrivateKey (RFC 8017), the DSA one, ECPrivateKey (5915). */
static bool is_key(struct der d)
{
	struct der second = d;
	uint64_t size;

	if (number(&d, 0))
		return (enter(&d, 0x30, &size) && OBJECT(d, "")) ||
		       (enter(&d, 0x02, &size) && size >= 64);
	if (!number(&second, 1))
		return false;
	d = second;
	return (enter(&second, 0x30, &size) && OBJECT(second, "")) ||
	       (enter(&d, 0x04, &size) && size >= 16 && size <= 72);
}

/* EncryptedPrivateKeyInfo: an algorithm of PKCS#5 or PKCS#12 in front. */
static bool is_encrypted(struct der d)
{
	uint64_t size;

	return enter(&d, 0x30, &size) && (OBJECT(d, "\x2a\x86\x48\x86\xf7\x0d\x01\x05") ||
					  OBJECT(d, "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"));
}

/* PFX (RFC 7292): version 3, then a ContentInfo of PKCS#7. */
static bool is_pkcs12(struct der d)
{
	uint64_t size;

	return number(&d, 3) && enter(&d, 0x30, &size) &&
	       OBJECT(d, "\x2a\x86\x48\x86\xf7\x0d\x01\x07");
}

static enum uni_secret look_der(const struct uni_secret_scan *scan)
{
	size_t there = scan->size < sizeof(scan->first) ? (size_t)scan->size : sizeof(scan->first);
	struct der d = { scan->first, scan->first + there };
	uint64_t size;

	/* One element that is the whole file. */
	if (!enter(&d, 0x30, &size) || (uint64_t)(d.at - scan->first) + size != scan->size)
		return UNI_SECRET_NONE;
	if (is_key(d) || is_encrypted(d))
		return UNI_SECRET_DER;
	return is_pkcs12(d) ? UNI_SECRET_PKCS12 : UNI_SECRET_NONE;
}

/* --- a file --- */

void uni_secret_scan_start(struct uni_secret_scan *scan)
{
	scan->found = UNI_SECRET_NONE;
	scan->size = 0;
	scan->kept = 0;
}

static void keep_first(struct uni_secret_scan *scan, const char *data, size_t size)
{
	size_t room = sizeof(scan->first) - (size_t)scan->size;

	memcpy(scan->first + scan->size, data, size < room ? size : room);
}

static void keep_last(struct uni_secret_scan *scan, const char *data, size_t size)
{
	size_t old = sizeof(scan->last) - (size < sizeof(scan->last) ? size : sizeof(scan->last));

	if (old > scan->kept)
		old = scan->kept;
	memmove(scan->last, scan->last + scan->kept - old, old);
	scan->kept = sizeof(scan->last) - old < size ? sizeof(scan->last) - old : size;
	memcpy(scan->last + old, data + size - scan->kept, scan->kept);
	scan->kept += old;
}

void uni_secret_scan_add(struct uni_secret_scan *scan, const void *data, size_t size)
{
	char both[2 * UNI_SECRET_OVERLAP];
	size_t more = size < UNI_SECRET_OVERLAP ? size : UNI_SECRET_OVERLAP;

	if (size == 0 || scan->found != UNI_SECRET_NONE)
		return;
	if (scan->size < sizeof(scan->first))
		keep_first(scan, data, size);
	if (scan->kept != 0) {
		memcpy(both, scan->last, scan->kept);
		memcpy(both + scan->kept, data, more);
		scan->found = look(both, scan->kept + more);
	}
	if (scan->found == UNI_SECRET_NONE)
		scan->found = look(data, size);
	keep_last(scan, data, size);
	scan->size += size;
}

enum uni_secret uni_secret_scan_end(const struct uni_secret_scan *scan)
{
	static const char putty[] = "PuTTY-User-Key-File-";

	if (scan->found != UNI_SECRET_NONE)
		return scan->found;
	if (scan->size > sizeof(putty) && memcmp(scan->first, putty, sizeof(putty) - 1) == 0)
		return UNI_SECRET_PUTTY;
	return look_der(scan);
}

const char *uni_secret_text(enum uni_secret secret)
{
	static const char *const texts[UNI_SECRET_COUNT] = {
		[UNI_SECRET_NONE] = "no secret",
		[UNI_SECRET_PEM] = "a private key in PEM form",
		[UNI_SECRET_DER] = "a private key in DER form",
		[UNI_SECRET_PKCS12] = "a PKCS#12 file, which is for private keys",
		[UNI_SECRET_PUTTY] = "a private key of PuTTY",
		[UNI_SECRET_AGE] = "a private key of age",
		[UNI_SECRET_AWS] = "a secret access key of AWS",
	};

	return secret < UNI_SECRET_COUNT ? texts[secret] : texts[UNI_SECRET_NONE];
}
