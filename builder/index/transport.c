/*
 * Metadata from a web server or a folder. A server's ETag is remembered beside the digest of what
 * came with it, so that what is known need not come again.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#define ETAG_MAX 512

static char *etag_file(const struct transport *t, const char *path)
{
	struct uni_buf name UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_net_escape(&name, path, "");
	uni_buf_puts(&name, ".etag");
	return uni_path_join(t->etags, name.data);
}

/* "DIGEST ETAG", when it is of what is known. */
static char *known_etag(const struct transport *t, const char *path, const struct uni_digest *known)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char digest[UNI_DIGEST_TEXT];
	if (known == NULL || t->etags == NULL)
		return NULL;
	char *file UNI_AUTO_FREE = etag_file(t, path);
	uni_digest_text(known, digest);
	if (uni_file_read(file, ETAG_MAX, &text, &ignored) != 0 || text.size < UNI_DIGEST_TEXT ||
	    !uni_str_starts(text.data, digest))
		return NULL;
	const char *etag = text.data + UNI_DIGEST_TEXT;
	return etag[strcspn(etag, "\r\n")] == '\0' ? uni_strdup(etag) : NULL;
}

static void remember_etag(const struct transport *t, const char *path, const char *etag,
			  const struct uni_buf *body)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char text[UNI_DIGEST_TEXT];
	if (t->etags == NULL || etag == NULL || strlen(etag) > ETAG_MAX - UNI_DIGEST_TEXT)
		return;
	char *file UNI_AUTO_FREE = etag_file(t, path);
	struct uni_digest digest = uni_digest_of(uni_buf_text(body), body->size);
	uni_digest_text(&digest, text);
	char *line UNI_AUTO_FREE = uni_asprintf("%s %s", text, etag);
	(void)uni_file_write(file, line, strlen(line), 0644, &ignored);
}

static int get_http(struct transport *t, const char *path, uint64_t limit,
		    const struct uni_digest *known, struct uni_buf *out, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
	char *etag UNI_AUTO_FREE = known_etag(t, path, known);
	char *match UNI_AUTO_FREE = etag != NULL ? uni_asprintf("If-None-Match: %s", etag) : NULL;
	const char *headers[] = { match, NULL };
	uni_buf_printf(&url, "%s/", t->url);
	uni_net_escape(&url, path, "/%");
	struct uni_net_request request = { .url = url.data, .headers = headers, .limit = limit };
	int rc = uni_net_do(t->net, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc != 0)
		return rc;
	if (answer.status == 304)
		return match != NULL ? 1
				     : uni_err_set(err, UNI_E_NETWORK, "%s: the server answers 304",
						   url.data);
	uni_buf_clear(out);
	uni_buf_add(out, uni_buf_text(&answer.body), answer.body.size);
	remember_etag(t, path, uni_net_answer_header(&answer, "etag"), out);
	return 0;
}

int transport_get(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
		  struct uni_buf *out, struct uni_err *err)
{
	struct transport *t = user;
	if (t->net != NULL)
		return get_http(t, path, limit, known, out, err);
	char *file UNI_AUTO_FREE = uni_path_join(t->url + strlen("file://"), path);
	uni_buf_clear(out);
	return uni_file_read(file, limit, out, err);
}
