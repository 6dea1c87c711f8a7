/*
 * Files over https. The digest is the recipe's, so the file is known before it is there, and it
 * does not matter who sends it.
 */
#include "fetch.h"
#include <fcntl.h>
#include <string.h>

#define FILE_MAX (UINT64_C(64) << 30)

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

static struct uni_digest key_of(const struct uni_digest *digest)
{
	struct uni_hash hash;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni fetched file 1");
	uni_hash_add(&hash, digest->bytes, sizeof(digest->bytes));
	return uni_hash_end(&hash);
}

/* A folder of this machine instead of a server. */
static int receive_file(const char *path, int fd, struct uni_digest *digest, struct uni_err *err)
{
	int from UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return uni_err_errno(err, "%s", path);
	struct uni_source *source UNI_AUTO(uni_source) = uni_source_from_fd(from, path);
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, path);
	uni_sink_push_digest(&sink, digest);
	int rc = uni_io_pump(source, sink, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

static int receive(const struct uni_fetch *fetch, const char *url, int fd,
		   struct uni_digest *digest, struct uni_err *err)
{
	if (uni_str_starts(url, "file://"))
		return receive_file(url + strlen("file://"), fd, digest, err);
	struct uni_net *net UNI_AUTO(uni_net) = NULL;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, url);
	uni_sink_push_digest(&sink, digest);
	struct uni_net_request request = { .url = url, .sink = sink, .limit = FILE_MAX };
	int rc = uni_net_open(&net, fetch->net, err);
	if (rc == 0)
		rc = uni_net_do(net, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

int uni_fetch_https(const struct uni_fetch *fetch, const char *url, const struct uni_digest *digest,
		    struct uni_store_entry *blob, struct uni_err *err)
{
	struct uni_digest key = key_of(digest), found;
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	int rc = fetch_known(fetch, &key, blob, NULL, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	char *plain UNI_AUTO_FREE = uni_net_url_plain(url);
	if (fetch->offline && !uni_str_starts(url, "file://"))
		return uni_err_set(err, UNI_E_NOENT, "%s is not in the store, and --offline is on",
				   plain);
	uni_event_note(fetch->events, "fetching %s", plain);
	rc = uni_store_writer_open(&writer, fetch->store, err);
	if (rc == 0)
		rc = receive(fetch, url, uni_store_writer_fd(writer), &found, err);
	if (rc != 0)
		return rc;
	if (!uni_digest_eq(&found, digest)) {
		char text[UNI_DIGEST_TEXT], wanted[UNI_DIGEST_TEXT];
		uni_digest_text(&found, text);
		uni_digest_text(digest, wanted);
		return uni_err_set(err, UNI_E_CORRUPT, "%s has the digest %s, not %s", plain, text,
				   wanted);
	}
	rc = uni_store_writer_commit(writer, &found, blob, err);
	return rc != 0 ? rc : fetch_remember(fetch, &key, blob, NULL, err);
}
