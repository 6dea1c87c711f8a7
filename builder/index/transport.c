/*
 * Files of an index from a web server, a folder, or a git repository. A server's ETag is remembered
 * beside the digest of what came with it, so that what is known need not come again.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/source/repository.h>

#define ETAG_MAX 512
#define METADATA "metadata"
#define TARGETS "targets"

struct transport_kind {
	const char *prefix; /* of addresses */
	int (*get)(struct transport *t, const char *path, uint64_t limit,
		   const struct uni_digest *known, struct uni_buf *out, struct uni_err *err);
	int (*fetch)(struct transport *t, const char *file, const struct uni_digest *digest,
		     struct uni_store_entry *blob, struct uni_err *err);
};

struct transport {
	const struct transport_kind *kind;
	const struct uni_indexes_options *options;
	char *url, *state; /* `state` NULL: nothing is remembered */
	struct uni_net *net;
	struct uni_repository *repository;
	bool updated; /* the repository, in this run */
};

/* --- web servers --- */

static char *etag_file(const struct transport *t, const char *path)
{
	struct uni_buf name UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_net_escape(&name, path, "");
	uni_buf_puts(&name, ".etag");
	return uni_path_join(t->state, name.data);
}

/* "DIGEST ETAG", when it is of what is known. */
static char *known_etag(const struct transport *t, const char *path, const struct uni_digest *known)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char digest[UNI_DIGEST_TEXT];
	if (known == NULL || t->state == NULL)
		return NULL;
	char *file UNI_AUTO_FREE = etag_file(t, path);
	uni_digest_text(known, digest);
	if (uni_file_read(file, ETAG_MAX, &text, &ignored) != 0 || text.size < strlen(digest) + 1 ||
	    !uni_str_starts(text.data, digest))
		return NULL;
	const char *etag = text.data + strlen(digest) + 1;
	return etag[strcspn(etag, "\r\n")] == '\0' ? uni_strdup(etag) : NULL;
}

static void remember_etag(const struct transport *t, const char *path, const char *etag,
			  const struct uni_buf *body)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char text[UNI_DIGEST_TEXT];
	if (t->state == NULL || etag == NULL || strlen(etag) > ETAG_MAX - UNI_DIGEST_TEXT)
		return;
	char *file UNI_AUTO_FREE = etag_file(t, path);
	struct uni_digest digest = uni_digest_of(uni_buf_text(body), body->size);
	uni_digest_text(&digest, text);
	char *line UNI_AUTO_FREE = uni_asprintf("%s %s", text, etag);
	(void)uni_file_write(file, line, strlen(line), 0644, &ignored);
}

static int http_get(struct transport *t, const char *path, uint64_t limit,
		    const struct uni_digest *known, struct uni_buf *out, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
	char *etag UNI_AUTO_FREE = known_etag(t, path, known);
	char *match UNI_AUTO_FREE = etag != NULL ? uni_asprintf("If-None-Match: %s", etag) : NULL;
	const char *headers[] = { match, NULL };
	uni_buf_printf(&url, "%s/" METADATA "/", t->url);
	uni_net_escape(&url, path, "/%");
	struct uni_net_request request = { .url = url.data, .headers = headers, .limit = limit };
	if (t->options->offline)
		return uni_err_set(err, UNI_E_NOENT, "%s was not fetched, and --offline is on",
				   url.data);
	int rc = t->net == NULL ? uni_net_open(&t->net, t->options->net, err) : 0;
	if (rc == 0)
		rc = uni_net_do(t->net, &request, &answer, err);
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

static struct uni_fetch fetch_of(const struct transport *t)
{
	return (struct uni_fetch){ .store = t->options->store,
				   .events = t->options->events,
				   .offline = t->options->offline,
				   .net = t->options->net };
}

static int http_fetch(struct transport *t, const char *file, const struct uni_digest *digest,
		      struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_buf_printf(&url, "%s/" TARGETS "/", t->url);
	uni_net_escape(&url, file, "/");
	return uni_fetch_https(&fetch, url.data, digest, blob, err);
}

/* --- folders --- */

static int file_get(struct transport *t, const char *path, uint64_t limit,
		    const struct uni_digest *known, struct uni_buf *out, struct uni_err *err)
{
	char *file UNI_AUTO_FREE =
		uni_asprintf("%s/" METADATA "/%s", t->url + strlen("file://"), path);
	(void)known;
	uni_buf_clear(out);
	return uni_file_read(file, limit, out, err);
}

static int file_fetch(struct transport *t, const char *file, const struct uni_digest *digest,
		      struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	char *url UNI_AUTO_FREE = uni_asprintf("%s/" TARGETS "/%s", t->url, file);
	return uni_fetch_https(&fetch, url, digest, blob, err);
}

/* --- git repositories --- */

/* Its newest commit, once a run; offline, the one that was fetched last. */
static int git_update(struct transport *t, struct uni_err *err)
{
	char *dir UNI_AUTO_FREE = t->state != NULL ? uni_path_join(t->state, "git") : NULL;
	int rc = t->repository == NULL ? uni_repository_open(&t->repository, t->url, dir, err) : 0;
	if (rc == 0 && !t->updated && !t->options->offline) {
		rc = uni_repository_update(t->repository, err);
		t->updated = rc == 0;
	}
	return rc;
}

static int git_get(struct transport *t, const char *path, uint64_t limit,
		   const struct uni_digest *known, struct uni_buf *out, struct uni_err *err)
{
	char *file UNI_AUTO_FREE = uni_asprintf(METADATA "/%s", path);
	(void)known;
	int rc = git_update(t, err);
	return rc == 0 ? uni_repository_read(t->repository, file, limit, out, err) : rc;
}

static int git_fetch(struct transport *t, const char *file, const struct uni_digest *digest,
		     struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	char *path UNI_AUTO_FREE = uni_asprintf(TARGETS "/%s", file);
	/* What is in the store needs no repository. */
	if (uni_fetch_known(&fetch, digest, blob))
		return 0;
	int rc = git_update(t, err);
	return rc == 0 ? uni_fetch_repository(&fetch, t->repository, path, digest, blob, err) : rc;
}

/* --- all of them --- */

static const struct transport_kind kinds[] = {
	{ "https://", http_get, http_fetch },
	{ "http://", http_get, http_fetch },
	{ "file:///", file_get, file_fetch },
	{ "git+", git_get, git_fetch },
};

static const struct transport_kind *kind_of(const char *url)
{
	for (size_t i = 0; i < UNI_COUNT(kinds); i++)
		if (uni_str_starts(url, kinds[i].prefix))
			return kinds[i].get != git_get || uni_repository_url(url) ? &kinds[i]
										  : NULL;
	return NULL;
}

bool transport_knows(const char *url)
{
	return kind_of(url) != NULL;
}

int transport_open(struct transport **transport, const char *url, const char *state,
		   const struct uni_indexes_options *options, struct uni_err *err)
{
	struct transport *t = uni_alloc(sizeof(*t));
	t->kind = kind_of(url);
	t->options = options;
	t->url = uni_strdup(url);
	t->state = state != NULL ? uni_strdup(state) : NULL;
	*transport = t;
	return t->kind != NULL ? 0
			       : uni_err_set(err, UNI_E_USAGE,
					     "%s is neither https, http, git+https, git+ssh, "
					     "git+file nor a folder",
					     url);
}

void transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	uni_net_free(t->net);
	uni_repository_free(t->repository);
	free(t->url);
	free(t->state);
	free(t);
}

int transport_get(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
		  struct uni_buf *out, struct uni_err *err)
{
	struct transport *t = user;
	return t->kind->get(t, path, limit, known, out, err);
}

int transport_accept(struct transport *t, struct uni_err *err)
{
	return t->repository != NULL ? uni_repository_keep(t->repository, err) : 0;
}

int transport_fetch(struct transport *t, const char *file, const struct uni_digest *digest,
		    struct uni_store_entry *blob, struct uni_err *err)
{
	return t->kind->fetch(t, file, digest, blob, err);
}
