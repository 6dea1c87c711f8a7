/*
 * References, by the grammar of the distribution specification ("Pulling manifests").
 */
#include "internal.h"
#include <string.h>

#define NAME_MAX_LENGTH 255
#define TAG_MAX 128
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

void uni_oci_reference_free(struct uni_oci_reference *reference)
{
	free(reference->host);
	free(reference->name);
	free(reference->tag);
	*reference = (struct uni_oci_reference){ 0 };
}

static bool host_valid(const char *host)
{
	size_t size = strlen(host);

	return size != 0 && size < 256 && strspn(host, ALNUM ".-:[]") == size;
}

/* Parts of lower-case letters and digits between slashes, with . _ - inside. */
bool oci_name_valid(const char *name)
{
	size_t size = strlen(name);
	char before = '/';

	if (size == 0 || size > NAME_MAX_LENGTH || strspn(name, LOWER "._-/") != size)
		return false;
	for (size_t i = 0; i < size; i++) {
		bool mark = strchr("._-", name[i]) != NULL;

		if ((mark || name[i] == '/') && before == '/')
			return false;
		if (name[i] == '/' && strchr("._-", before) != NULL)
			return false;
		before = name[i];
	}
	return before != '/' && strchr("._-", before) == NULL;
}

static bool tag_valid(const char *tag)
{
	size_t size = strlen(tag);

	return size != 0 && size <= TAG_MAX && strspn(tag, ALNUM "_.-") == size &&
	       strchr(".-", tag[0]) == NULL;
}

int uni_oci_reference_parse(const char *text, struct uni_oci_reference *reference,
			    struct uni_err *err)
{
	const char *at = text, *slash, *digest, *colon;
	size_t size;

	*reference = (struct uni_oci_reference){ 0 };
	if (!uni_str_starts(text, "oci://"))
		return uni_err_set(err, UNI_E_USAGE, "\"%s\" does not begin with oci://", text);
	at += strlen("oci://");
	slash = strchr(at, '/');
	if (slash == NULL)
		return uni_err_set(err, UNI_E_USAGE, "%s: names no repository behind the host",
				   text);
	reference->host = uni_strndup(at, (size_t)(slash - at));
	at = slash + 1;
	digest = strchr(at, '@');
	size = digest != NULL ? (size_t)(digest - at) : strlen(at);
	colon = memchr(at, ':', size);
	reference->name = uni_strndup(at, colon != NULL ? (size_t)(colon - at) : size);
	if (colon != NULL)
		reference->tag = uni_strndup(colon + 1, size - (size_t)(colon + 1 - at));
	if (digest != NULL) {
		reference->has_digest = uni_str_starts(digest + 1, "sha256:") &&
					uni_digest_parse(digest + 1, &reference->digest);
		if (!reference->has_digest)
			return uni_err_set(err, UNI_E_USAGE, "%s: \"%s\" is no sha256 digest", text,
					   digest + 1);
	}
	if (!host_valid(reference->host))
		return uni_err_set(err, UNI_E_USAGE, "%s: \"%s\" is no host", text,
				   reference->host);
	if (!oci_name_valid(reference->name))
		return uni_err_set(
			err, UNI_E_USAGE,
			"%s: \"%s\" is no repository's name: lower case, digits, . _ - and /", text,
			reference->name);
	if (reference->tag != NULL && !tag_valid(reference->tag))
		return uni_err_set(err, UNI_E_USAGE, "%s: \"%s\" is no tag", text, reference->tag);
	return 0;
}
