/*
 * Whether a CA bundle is one: certificates in PEM form (RFC 7468), each of them whole. What they
 * say is for TLS libraries to judge, which silently leave out what they cannot read.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>

#define CA_MAX (64u << 20)
#define FILE_MAX UINT32_MAX /* as cpio has it */

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

static int check_size(const char *path, const char *name, uint64_t most, const char *what,
		      struct uni_err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return uni_err_errno(err, "%s", name);
	if ((uint64_t)st.st_size <= most)
		return 0;
	return uni_err_set(err, UNI_E_LIMIT, "\"%s\" has %s, and %s at most %s", name,
			   uni_size_text((uint64_t)st.st_size), what, uni_size_text(most));
}

int ca_size_check(const char *path, const char *name, struct uni_err *err)
{
	return check_size(path, name, CA_MAX, "a CA bundle", err);
}

int root_file_check(const char *path, const char *name, struct uni_err *err)
{
	if (check_size(path, name, FILE_MAX, "a file of the root file system", err) != 0 &&
	    err->code == UNI_E_LIMIT)
		(void)uni_err_hint(err, "put it into a volume");
	return err->code;
}

/* One SEQUENCE and nothing else: tag, length in its shortest form, content (X.690, 8.1). */
static bool is_sequence(const uint8_t *der, size_t size)
{
	size_t digits, length = 0;

	if (size < 2 || der[0] != 0x30)
		return false;
	if (der[1] < 0x80)
		return size == 2u + der[1];
	digits = der[1] & 0x7fu;
	if (digits == 0 || digits > 4 || size < 2 + digits)
		return false;
	for (size_t i = 0; i < digits; i++)
		length = length << 8 | der[2 + i];
	return size - 2 - digits == length;
}

static bool is_certificate(const char *text, size_t size)
{
	char *packed UNI_AUTO_FREE = uni_alloc(size + 1);
	size_t count = 0, bytes = 0;

	for (size_t i = 0; i < size; i++)
		if (strchr(" \t\r\n", text[i]) == NULL)
			packed[count++] = text[i];
	/* In place: what is written stays behind what is read. */
	return uni_unbase64(packed, packed, count, &bytes) &&
	       is_sequence((const uint8_t *)packed, bytes);
}

static unsigned line_of(const char *text, const char *at)
{
	unsigned line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static int bad_certificate(const char *name, const char *text, const char *at, const char *what,
			   struct uni_err *err)
{
	uni_err_set(err, UNI_E_INVAL, "\"%s\": the certificate in line %u %s", name,
		    line_of(text, at), what);
	return uni_err_hint(err, "make the bundle again, or leave this certificate out");
}

static int check_all(const char *name, const char *text, struct uni_err *err)
{
	const char *at = strstr(text, BEGIN);

	while (at != NULL) {
		const char *body = at + strlen(BEGIN);
		const char *end = strstr(body, END), *next = strstr(body, BEGIN);

		if (end == NULL || (next != NULL && next < end))
			return bad_certificate(name, text, at, "has no end", err);
		if (!is_certificate(body, (size_t)(end - body)))
			return bad_certificate(name, text, at, "is damaged", err);
		at = next;
	}
	return 0;
}

static int no_certificate(const char *name, const struct uni_buf *text, struct uni_err *err)
{
	uni_err_set(err, UNI_E_INVAL, "\"%s\" holds no certificate in PEM form", name);
	if (is_sequence((const uint8_t *)uni_buf_text(text), text->size))
		return uni_err_hint(err, "openssl x509 -inform DER -in %s writes it in PEM form",
				    name);
	return uni_err_hint(err, "bundle = \"mozilla\" takes the authorities that browsers trust");
}

int ca_check(const char *path, const char *name, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_file_read(path, CA_MAX, &text, err);

	if (rc != 0)
		return rc;
	if (strstr(uni_buf_text(&text), BEGIN) == NULL)
		return no_certificate(name, &text, err);
	if (strstr(uni_buf_text(&text), "PRIVATE KEY-----") != NULL)
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" holds a private key", name);
	return check_all(name, uni_buf_text(&text), err);
}
