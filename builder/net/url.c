/*
 * Addresses, by libcurl's own parser, so that what is checked is what is connected to.
 */
#include "internal.h"
#include <string.h>
#include <strings.h>

static char *part(CURLU *url, CURLUPart which, unsigned flags)
{
	char *found = NULL;
	if (net_curl.curl_url_get(url, which, &found, flags) != CURLUE_OK)
		return uni_strdup("");
	char *own = uni_strdup(found);
	net_curl.curl_free(found);
	return own;
}

static int parse(CURLU **out, const char *text, struct uni_err *err)
{
	int rc = net_curl_load(err);
	if (rc != 0)
		return rc;
	CURLU *url = net_curl.curl_url();
	if (url == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	CURLUcode code = net_curl.curl_url_set(url, CURLUPART_URL, text, 0);
	if (code != CURLUE_OK) {
		net_curl.curl_url_cleanup(url);
		char *plain UNI_AUTO_FREE = uni_net_url_plain(text);
		return uni_err_set(err, UNI_E_INVAL, "address \"%s\": %s", plain,
				   net_curl.curl_url_strerror(code));
	}
	*out = url;
	return 0;
}

char *uni_net_url_plain(const char *url)
{
	size_t size = strcspn(url, "?#");
	const char *start = strstr(url, "://");
	if (start == NULL || (size_t)(start - url) > size)
		return uni_strndup(url, size);
	start += 3;
	size_t authority = strcspn(start, "/?#");
	const char *host = start;
	for (const char *at = start; at < start + authority; at++) {
		if (*at == '@')
			host = at + 1;
	}
	return uni_asprintf("%.*s%.*s", (int)(start - url), url, (int)(size - (size_t)(host - url)),
			    host);
}

int net_url_check(const char *text, struct uni_err *err)
{
	CURLU *url;
	int rc = parse(&url, text, err);
	if (rc != 0)
		return rc;
	char *scheme UNI_AUTO_FREE = part(url, CURLUPART_SCHEME, 0);
	char *user UNI_AUTO_FREE = part(url, CURLUPART_USER, 0);
	char *password UNI_AUTO_FREE = part(url, CURLUPART_PASSWORD, 0);
	net_curl.curl_url_cleanup(url);
	char *plain UNI_AUTO_FREE = uni_net_url_plain(text);
	if (strcasecmp(scheme, "https") != 0 && strcasecmp(scheme, "http") != 0)
		return uni_err_set(err, UNI_E_INVAL, "address \"%s\": neither https nor http",
				   plain);
	if (user[0] != '\0' || password[0] != '\0')
		return uni_err_set(err, UNI_E_INVAL, "address \"%s\" has a user or password in it",
				   plain);
	return 0;
}

int uni_net_url_join(const char *base, const char *relative, char **joined, struct uni_err *err)
{
	CURLU *url;
	int rc = parse(&url, base, err);
	if (rc != 0)
		return rc;
	CURLUcode code = net_curl.curl_url_set(url, CURLUPART_URL, relative, 0);
	if (code == CURLUE_OK)
		*joined = part(url, CURLUPART_URL, 0);
	net_curl.curl_url_cleanup(url);
	if (code != CURLUE_OK) {
		char *plain UNI_AUTO_FREE = uni_net_url_plain(relative);
		return uni_err_set(err, UNI_E_INVAL, "address \"%s\": %s", plain,
				   net_curl.curl_url_strerror(code));
	}
	return 0;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart which, unsigned flags)
{
	char *one UNI_AUTO_FREE = part(a, which, flags);
	char *two UNI_AUTO_FREE = part(b, which, flags);
	return strcasecmp(one, two) == 0;
}

bool uni_net_same_origin(const char *a, const char *b)
{
	struct uni_err ignored = UNI_ERR_INIT;
	CURLU *one, *two;
	if (parse(&one, a, &ignored) != 0)
		return false;
	if (parse(&two, b, &ignored) != 0) {
		net_curl.curl_url_cleanup(one);
		return false;
	}
	bool same = same_part(one, two, CURLUPART_SCHEME, 0) &&
		    same_part(one, two, CURLUPART_HOST, 0) &&
		    same_part(one, two, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	net_curl.curl_url_cleanup(one);
	net_curl.curl_url_cleanup(two);
	return same;
}

void uni_net_escape(struct uni_buf *out, const char *text, const char *keep)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";
	for (; *text != '\0'; text++) {
		if (strchr(unreserved, *text) != NULL || strchr(keep, *text) != NULL)
			uni_buf_putc(out, *text);
		else
			uni_buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}
