/*
 * Files of an index from a web server, a folder, or a git repository. A server's ETag is remembered
 * beside the digest of what came with it, so that what is known need not come again. All that a
 * server is asked in a run goes through one client, so over HTTP/2 through one connection.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/source/repository.h>

#define ETAG_MAX 512
#define STALL_SECONDS 20
#define METADATA_DEADLINE_MS 300000
#define METADATA "metadata"
#define TARGETS "targets"

struct transport_kind {
	const char *prefix; /* of addresses */
	int (*get)(struct transport *t, const char *path, uint64_t limit,
		   const struct uni_digest *known, struct uni_buf *out, struct uni_err *err);
	int (*fetch)(struct transport *t, const struct transport_file *file,
		     struct uni_store_entry *blob, struct uni_err *err);
	bool far; /* an answer takes its time: what can be asked at once is */
};

/* Metadata that came before it was asked for. */
struct early {
	char *path;
	struct uni_buf text;
	bool here;
};

struct transport {
	const struct transport_kind *kind;
	const struct uni_indexes_options *options;
	char *url, *state; /* `state` NULL: nothing is remembered */
	struct uni_net *net;
	struct early *early;
	size_t early_count;
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

/* Whoever sends less than 1 KiB a second is given up: holding out on somebody by feeding him byte
 * after byte is an attack of its own (slow retrieval). */
static int open_client(struct transport *t, struct uni_err *err)
{
	struct uni_net_options options = { .ca_file = NULL };
	if (t->net != NULL)
		return 0;
	if (t->options->net != NULL)
		options = *t->options->net;
	else
		uni_net_options_env(&options);
	if (options.stall_ms == 0)
		options.stall_ms = STALL_SECONDS * 1000;
	if (options.stall_bytes == 0)
		options.stall_bytes = options.stall_ms;
	return uni_net_open(&t->net, &options, err);
}

static void address(const struct transport *t, const char *below, const char *file,
		    const char *keep, struct uni_buf *url)
{
	uni_buf_printf(url, "%s/%s/", t->url, below);
	uni_net_escape(url, file, keep);
}

static struct early *find_early(const struct transport *t, const char *path)
{
	for (size_t i = 0; i < t->early_count; i++)
		if (t->early[i].here && uni_str_eq(t->early[i].path, path))
			return &t->early[i];
	return NULL;
}

static bool take_early(const struct transport *t, const char *path, uint64_t limit,
		       struct uni_buf *out)
{
	struct early *e = find_early(t, path);
	if (e == NULL || e->text.size > limit)
		return false;
	uni_buf_free(out);
	*out = e->text;
	e->text = (struct uni_buf)UNI_BUF_INIT;
	e->here = false;
	return true;
}

static int http_get(struct transport *t, const char *path, uint64_t limit,
		    const struct uni_digest *known, struct uni_buf *out, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
	char *etag UNI_AUTO_FREE = known_etag(t, path, known);
	char *match UNI_AUTO_FREE = etag != NULL ? uni_asprintf("If-None-Match: %s", etag) : NULL;
	const char *headers[] = { match, NULL };
	address(t, METADATA, path, "/%", &url);
	struct uni_net_request request = { .url = url.data,
					   .headers = headers,
					   .limit = limit,
					   .deadline_ms = METADATA_DEADLINE_MS };
	if (t->options->offline)
		return uni_err_set(err, UNI_E_NOENT, "%s was not fetched, and --offline is on",
				   url.data);
	if (take_early(t, path, limit, out))
		return 0;
	int rc = open_client(t, err);
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

static int http_fetch(struct transport *t, const struct transport_file *file,
		      struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
	if (uni_fetch_known(&fetch, &file->digest, blob))
		return 0;
	int rc = t->options->offline ? 0 : open_client(t, err);
	fetch.client = t->net;
	fetch.limit = file->size + 1; /* what is longer has another digest */
	address(t, TARGETS, file->path, "/", &url);
	return rc == 0 ? uni_fetch_https(&fetch, url.data, &file->digest, blob, err) : rc;
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

static int file_fetch(struct transport *t, const struct transport_file *file,
		      struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	char *url UNI_AUTO_FREE = uni_asprintf("%s/" TARGETS "/%s", t->url, file->path);
	return uni_fetch_https(&fetch, url, &file->digest, blob, err);
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

static int git_fetch(struct transport *t, const struct transport_file *file,
		     struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	char *path UNI_AUTO_FREE = uni_asprintf(TARGETS "/%s", file->path);
	/* What is in the store needs no repository. */
	if (uni_fetch_known(&fetch, &file->digest, blob))
		return 0;
	int rc = git_update(t, err);
	return rc == 0 ? uni_fetch_repository(&fetch, t->repository, path, &file->digest, blob, err)
		       : rc;
}

/* --- all of them --- */

static const struct transport_kind kinds[] = {
	{ "https://", http_get, http_fetch, true },
	{ "http://", http_get, http_fetch, true },
	{ "file:///", file_get, file_fetch, false },
	{ "git+", git_get, git_fetch, false },
};

static void early_forget(struct transport *t)
{
	for (size_t i = 0; i < t->early_count; i++) {
		free(t->early[i].path);
		uni_buf_free(&t->early[i].text);
	}
	free(t->early);
	t->early = NULL;
	t->early_count = 0;
}

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
	early_forget(t);
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

bool transport_here(void *user, const char *path)
{
	return find_early(user, path) != NULL;
}

int transport_accept(struct transport *t, struct uni_err *err)
{
	return t->repository != NULL ? uni_repository_keep(t->repository, err) : 0;
}

int transport_fetch(struct transport *t, const struct transport_file *file,
		    struct uni_store_entry *blob, struct uni_err *err)
{
	return t->kind->fetch(t, file, blob, err);
}

static bool asks_at_once(const struct transport *t)
{
	return t->kind->far && !t->options->offline;
}

/* What did not come is asked for again by whoever needs it, who tells of the trouble. */
static int on_early(void *user, int rc, struct uni_net_answer *answer, struct uni_err *err)
{
	struct early *e = user;
	(void)err;
	if (rc != 0 || answer->status != 200)
		return 0;
	e->text = answer->body;
	answer->body = (struct uni_buf)UNI_BUF_INIT;
	e->here = true;
	return 0;
}

int transport_ahead(struct transport *t, const struct uni_strv *paths, struct uni_err *err)
{
	early_forget(t);
	if (!asks_at_once(t) || paths->count < 2)
		return 0;
	int rc = open_client(t, err);
	t->early = uni_alloc_array(paths->count, sizeof(*t->early));
	for (; rc == 0 && t->early_count < paths->count; t->early_count++) {
		struct early *e = &t->early[t->early_count];
		struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
		address(t, METADATA, paths->items[t->early_count], "/%", &url);
		struct uni_net_request request = { .url = url.data,
						   .deadline_ms = METADATA_DEADLINE_MS,
						   .done = on_early,
						   .user_data = e };
		*e = (struct early){ .path = uni_strdup(paths->items[t->early_count]) };
		rc = uni_net_start(t->net, &request, err);
	}
	return rc == 0 ? uni_net_run(t->net, err) : rc;
}

int transport_fetch_all(struct transport *t, const struct transport_file *files, size_t count,
			struct uni_err *err)
{
	struct uni_fetch fetch = fetch_of(t);
	if (!asks_at_once(t) || count < 2)
		return 0;
	int rc = open_client(t, err);
	fetch.client = t->net;
	struct uni_fetch_item *items = uni_alloc_array(count, sizeof(*items));
	struct uni_strv urls UNI_AUTO_STRV = { .items = NULL };
	for (size_t i = 0; i < count; i++) {
		struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
		address(t, TARGETS, files[i].path, "/", &url);
		uni_strv_take(&urls, uni_buf_take(&url));
		items[i] = (struct uni_fetch_item){ urls.items[i], files[i].digest, files[i].size };
	}
	if (rc == 0)
		rc = uni_fetch_all(&fetch, items, count, err);
	free(items);
	return rc;
}
