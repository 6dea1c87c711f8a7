/*
 * Files over https. The digest is the recipe's, so the file is known before it is there, and it
 * does not matter who sends it.
 */
#include "fetch.h"
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>

#define FETCH_FILE_MAX (UINT64_C(64) << 30)
#define FILE_SCHEME "file://"

int fetch_known(const struct uni_fetch *fetch, const struct uni_digest *key,
		struct uni_store_entry *blob, char **meta, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	int rc = uni_store_result_get(fetch->store, key, &record, err);
	if (rc != 1 || record.count != 1)
		return rc < 0 ? rc : 0;
	*blob = record.entries[0];
	blob->name = NULL;
	if (meta != NULL)
		*meta = uni_strdup(record.meta != NULL ? record.meta : "");
	return 1;
}

int fetch_remember(const struct uni_fetch *fetch, const struct uni_digest *key,
		   const struct uni_store_entry *blob, const char *meta, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	uni_store_record_add(&record, "content", blob);
	record.meta = meta != NULL ? uni_strdup(meta) : NULL;
	return uni_store_result_put(fetch->store, key, &record, err);
}

struct uni_digest fetch_key(const struct uni_digest *digest)
{
	struct uni_hash hash;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni fetched file 1");
	uni_hash_add(&hash, digest->bytes, sizeof(digest->bytes));
	return uni_hash_end(&hash);
}

/* A folder of this machine instead of a server. */
static int receive_file(const struct uni_fetch *fetch, const char *path, int fd,
			struct uni_digest *digest, struct uni_err *err)
{
	int from UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return uni_err_errno(err, "%s", path);
	struct uni_source *source UNI_AUTO(uni_source) = uni_source_from_fd(from, path);
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, uni_store_path(fetch->store));
	uni_sink_push_digest(&sink, digest);
	int rc = uni_io_pump(source, sink, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

/* Where bytes come from, which are known by their digest whoever sends them. */
struct origin {
	const char *name; /* for messages */
	int (*receive)(const struct uni_fetch *fetch, const struct origin *origin, int fd,
		       struct uni_digest *digest, struct uni_err *err);
	bool local; /* no network is needed */
	const char *url;
	const struct uni_repository *repository;
	const char *path; /* in it */
};

static int receive_url(const struct uni_fetch *fetch, const struct origin *origin, int fd,
		       struct uni_digest *digest, struct uni_err *err)
{
	const char *url = origin->url;
	if (uni_str_starts(url, FILE_SCHEME))
		return receive_file(fetch, url + strlen(FILE_SCHEME), fd, digest, err);
	struct uni_net *own UNI_AUTO(uni_net) = NULL;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, uni_store_path(fetch->store));
	uint64_t limit = fetch->limit != 0 ? fetch->limit : FETCH_FILE_MAX;
	uni_sink_push_digest(&sink, digest);
	struct uni_net_request request = { .url = url, .sink = sink, .limit = limit };
	int rc = fetch->client == NULL ? uni_net_open(&own, fetch->net, err) : 0;
	if (rc == 0)
		rc = uni_net_do(own != NULL ? own : fetch->client, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

static int receive_blob(const struct uni_fetch *fetch, const struct origin *origin, int fd,
			struct uni_digest *digest, struct uni_err *err)
{
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_repository_read(origin->repository, origin->path, FETCH_FILE_MAX, &content,
				     err);
	if (rc != 0)
		return rc;
	*digest = uni_digest_of(uni_buf_text(&content), content.size);
	return uni_write_full(fd, uni_buf_text(&content), content.size,
			      uni_store_path(fetch->store), err);
}

static int check_digest(const char *name, const struct uni_digest *found,
			const struct uni_digest *wanted, struct uni_err *err)
{
	char is[UNI_DIGEST_TEXT], due[UNI_DIGEST_TEXT];
	if (uni_digest_eq(found, wanted))
		return 0;
	uni_digest_text(found, is);
	uni_digest_text(wanted, due);
	return uni_err_set(err, UNI_E_CORRUPT, "%s has the digest %s, not %s", name, is, due);
}

int fetch_keep(const struct uni_fetch *fetch, struct uni_store_writer *writer, const char *name,
	       const struct uni_digest *found, const struct uni_digest *wanted,
	       struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_digest key = fetch_key(wanted);
	int rc = check_digest(name, found, wanted, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, found, blob, err);
	return rc != 0 ? rc : fetch_remember(fetch, &key, blob, NULL, err);
}

static int fetch_from(const struct uni_fetch *fetch, const struct origin *origin,
		      const struct uni_digest *digest, struct uni_store_entry *blob,
		      struct uni_err *err)
{
	struct uni_digest key = fetch_key(digest), found;
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	int rc = fetch_known(fetch, &key, blob, NULL, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (fetch->offline && !origin->local)
		return uni_err_set(err, UNI_E_NOENT, "%s is not in the store, and --offline is on",
				   origin->name);
	uni_event_note(fetch->events, "fetching %s", origin->name);
	rc = uni_store_writer_open(&writer, fetch->store, err);
	if (rc == 0)
		rc = origin->receive(fetch, origin, uni_store_writer_fd(writer), &found, err);
	return rc != 0 ? rc : fetch_keep(fetch, writer, origin->name, &found, digest, blob, err);
}

bool uni_fetch_known(const struct uni_fetch *fetch, const struct uni_digest *digest,
		     struct uni_store_entry *blob)
{
	struct uni_digest key = fetch_key(digest);
	struct uni_err ignored = UNI_ERR_INIT;
	return fetch_known(fetch, &key, blob, NULL, &ignored) == 1;
}

int uni_fetch_https(const struct uni_fetch *fetch, const char *url, const struct uni_digest *digest,
		    struct uni_store_entry *blob, struct uni_err *err)
{
	char *plain UNI_AUTO_FREE = uni_net_url_plain(url);
	struct origin origin = { .name = plain,
				 .receive = receive_url,
				 .local = uni_str_starts(url, FILE_SCHEME),
				 .url = url };
	return fetch_from(fetch, &origin, digest, blob, err);
}

int uni_fetch_repository(const struct uni_fetch *fetch, const struct uni_repository *repository,
			 const char *path, const struct uni_digest *digest,
			 struct uni_store_entry *blob, struct uni_err *err)
{
	struct origin origin = { .name = path,
				 .receive = receive_blob,
				 .local = true,
				 .repository = repository,
				 .path = path };
	return fetch_from(fetch, &origin, digest, blob, err);
}
