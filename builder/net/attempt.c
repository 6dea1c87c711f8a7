/*
 * One attempt of a transfer: what libcurl is told, and what its callbacks do with headers and
 * bodies. A callback never lets an error of its own look like the network's: it is kept in the
 * transfer and ends it.
 */
#include "internal.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* To what is at least as large the answer is short, as a rule: many at once take less memory. */
#define SENT_LARGE (64u << 10)

/* --- what is sent --- */

static size_t from_fd(struct transfer *t, char *to, size_t room)
{
	const struct uni_net_body *body = &t->request.body;
	ssize_t got;
	do
		got = pread(body->fd, to, room, (off_t)(body->offset + t->body_at));
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		if (got < 0)
			uni_err_errno(&t->failure, "cannot read what is to be sent");
		else
			uni_err_set(&t->failure, UNI_E_CHANGED, "what is sent became shorter");
		return CURL_READFUNC_ABORT;
	}
	return (size_t)got;
}

static size_t on_read(char *to, size_t unit, size_t count, void *user)
{
	struct transfer *t = user;
	const struct uni_net_body *body = &t->request.body;
	size_t room = unit * count;
	uint64_t left = body->size - t->body_at; /* of unknown size: enough */
	if (room > left)
		room = (size_t)left;
	size_t got = room;
	if (room == 0)
		return 0;
	if (body->data != NULL) {
		memcpy(to, (const char *)body->data + t->body_at, room);
	} else if (body->open != NULL) {
		if (uni_source_read(t->body, to, room, &got, &t->failure) != 0)
			return CURL_READFUNC_ABORT;
		if (got == 0 && body->size != UNI_SIZE_UNKNOWN) {
			uni_err_set(&t->failure, UNI_E_CHANGED, "what is sent became shorter");
			return CURL_READFUNC_ABORT;
		}
	} else {
		got = from_fd(t, to, room);
		if (got == CURL_READFUNC_ABORT)
			return got;
	}
	t->body_at += got;
	t->window_bytes += got;
	return got;
}

/* --- what comes --- */

/* Three digits behind the version, which `at` is the end of (NULL: there is none); else 0. What
 * libcurl gives has no end of its own. */
static int status_of(const char *at, const char *end)
{
	int status = 0;

	if (at == NULL || end - at < 4)
		return 0;
	for (const char *digit = at + 1; digit < at + 4; digit++) {
		if (*digit < '0' || *digit > '9')
			return 0;
		status = status * 10 + (*digit - '0');
	}
	return status;
}

static size_t on_header(char *data, size_t unit, size_t count, void *user)
{
	struct transfer *t = user;
	size_t size = unit * count;
	t->window_bytes += size;
	t->header_bytes += size;
	if (t->header_bytes > HEADERS_MAX) {
		uni_err_set(&t->failure, UNI_E_LIMIT, "more than %u bytes of headers", HEADERS_MAX);
		return 0;
	}
	size_t end = size;
	while (end > 0 && (data[end - 1] == '\r' || data[end - 1] == '\n'))
		end--;
	if (end >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		/* An answer of its own: 100, or what a proxy said, came before. */
		uni_strv_free(&t->answer.headers);
		const char *at = memchr(data, ' ', end);
		t->answer.status = status_of(at, data + end);
		return size;
	}
	char *colon = memchr(data, ':', end);
	if (colon == NULL || colon == data)
		return size;
	size_t value = (size_t)(colon - data) + 1;
	while (value < end && (data[value] == ' ' || data[value] == '\t'))
		value++;
	while (end > value && (data[end - 1] == ' ' || data[end - 1] == '\t'))
		end--;
	char *line = uni_asprintf("%.*s: %.*s", (int)(colon - data), data, (int)(end - value),
				  data + value);
	for (char *c = line; *c != '\0' && *c != ':'; c++)
		*c = (char)tolower((unsigned char)*c);
	uni_strv_take(&t->answer.headers, line);
	return size;
}

/* "bytes A-B/C" with A as it should be. */
static bool range_starts_at(const char *value, uint64_t start)
{
	if (value == NULL || strncasecmp(value, "bytes ", 6) != 0)
		return false;
	errno = 0;
	char *end;
	unsigned long long found = strtoull(value + 6, &end, 10);
	return errno == 0 && *end == '-' && found == start;
}

static bool strong(const char *etag)
{
	return etag != NULL && etag[0] == '"';
}

/* A body that goes on where another attempt was cut off is the same body, as far as can be told. */
static int begin_again(struct transfer *t, struct uni_err *err)
{
	const char *etag = uni_net_answer_header(&t->answer, "etag");
	if (t->etag != NULL && strong(etag) && !uni_str_eq(t->etag, etag))
		return uni_err_set(err, UNI_E_CHANGED, "changed while it was fetched");
	if (t->answer.status != 206)
		t->skip = t->delivered;
	return 0;
}

static int check_length(struct transfer *t, struct uni_err *err)
{
	uint64_t limit = t->request.limit;
	uint64_t rest = t->size != UNI_SIZE_UNKNOWN ? t->size - t->delivered + t->skip : 0;
	curl_off_t length = -1;
	net_curl.curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (length < 0 || uni_str_eq(net_method(t), "HEAD"))
		return 0;
	if (t->size != UNI_SIZE_UNKNOWN && (uint64_t)length != rest)
		return uni_err_set(err, UNI_E_CORRUPT, "%llu bytes are to come instead of %llu",
				   (unsigned long long)length, (unsigned long long)rest);
	if (limit != 0 && (uint64_t)length > limit)
		return uni_err_set(err, UNI_E_LIMIT,
				   "%llu bytes are to come, more than the limit of %llu",
				   (unsigned long long)length, (unsigned long long)limit);
	return 0;
}

static int begin(struct transfer *t, struct uni_err *err)
{
	t->begun = true;
	if (!net_status_ok(t->answer.status))
		return 0;
	uint64_t start = t->request.range_start + t->before;
	if (t->answer.status == 206) {
		const char *range = uni_net_answer_header(&t->answer, "content-range");
		if (!t->ranged || !range_starts_at(range, start))
			return uni_err_set(err, UNI_E_CORRUPT,
					   "another part came than was asked for");
	} else if (t->request.range_start != 0 || t->request.range_size != 0) {
		return uni_err_set(err, UNI_E_UNSUPPORTED, "the server gives no parts");
	}
	int rc = t->before != 0 ? begin_again(t, err) : 0;
	const char *etag = uni_net_answer_header(&t->answer, "etag");
	if (rc == 0 && t->etag == NULL && strong(etag))
		t->etag = uni_strdup(etag);
	if (rc == 0)
		rc = check_length(t, err);
	return rc;
}

static int over(struct transfer *t, size_t size, struct uni_err *err)
{
	uint64_t limit = t->request.limit;
	if (limit == 0 && t->request.sink == NULL)
		limit = PLAIN_BODY_MAX;
	if (limit != 0 && size > limit - t->delivered)
		return uni_err_set(err, UNI_E_LIMIT, "more than %llu bytes come",
				   (unsigned long long)limit);
	if (t->size != UNI_SIZE_UNKNOWN && size > t->size - t->delivered)
		return uni_err_set(err, UNI_E_CORRUPT, "more than the expected %llu bytes come",
				   (unsigned long long)t->size);
	return 0;
}

/* What an error's body says beyond this is not wanted, and may have no end. */
static size_t keep_some(struct transfer *t, const char *data, size_t size)
{
	size_t room = ERROR_BODY_MAX - t->answer.body.size;
	uni_buf_add(&t->answer.body, data, size < room ? size : room);
	if (size <= room)
		return size;
	t->enough = true;
	return 0;
}

static size_t on_write(char *data, size_t unit, size_t count, void *user)
{
	struct transfer *t = user;
	size_t size = unit * count;
	if (!t->begun && begin(t, &t->failure) != 0)
		return 0;
	if (!net_status_ok(t->answer.status)) {
		t->window_bytes += size;
		return keep_some(t, data, size);
	}
	size_t skipped = size < t->skip ? size : (size_t)t->skip;
	if (over(t, size - skipped, &t->failure) != 0)
		return 0;
	t->window_bytes += size;
	t->skip -= skipped;
	data += skipped;
	if (t->request.sink != NULL &&
	    uni_sink_write(t->request.sink, data, size - skipped, &t->failure) != 0)
		return 0;
	if (t->request.sink == NULL)
		uni_buf_add(&t->answer.body, data, size - skipped);
	t->delivered += size - skipped;
	return size;
}

int net_body_end(struct transfer *t, struct uni_err *err)
{
	if (!t->begun) {
		int rc = begin(t, err);
		if (rc != 0)
			return rc;
	}
	if (net_status_ok(t->answer.status) && t->skip != 0)
		return uni_err_set(err, UNI_E_CHANGED, "changed while it was fetched");
	return 0;
}

/* --- setting up --- */

static bool is_secret(const char *header)
{
	static const char *const secrets[] = { "Authorization:", "Cookie:", "Proxy-Authorization:",
					       "X-Amz-" };
	for (size_t i = 0; i < UNI_COUNT(secrets); i++) {
		if (strncasecmp(header, secrets[i], strlen(secrets[i])) == 0)
			return true;
	}
	return false;
}

static void send_header(struct transfer *t, const char *line)
{
	/* libcurl takes "Name:" for "leave it out"; "Name;" is one without a value. */
	size_t size = strlen(line);
	char *empty UNI_AUTO_FREE = NULL;
	while (size > 0 && line[size - 1] == ' ')
		size--;
	if (size > 0 && line[size - 1] == ':') {
		empty = uni_asprintf("%.*s;", (int)size - 1, line);
		line = empty;
	}
	struct curl_slist *list = net_curl.curl_slist_append(t->sent, line);
	if (list == NULL)
		uni_end("out of memory");
	t->sent = list;
}

static void send_range(struct transfer *t)
{
	const struct uni_net_request *r = &t->request;
	uint64_t start = r->range_start + t->delivered;
	t->ranged = start != 0 || r->range_size != 0;
	if (!t->ranged)
		return;
	char line[96];
	if (r->range_size != 0)
		snprintf(line, sizeof(line), "Range: bytes=%llu-%llu", (unsigned long long)start,
			 (unsigned long long)(r->range_start + r->range_size - 1));
	else
		snprintf(line, sizeof(line), "Range: bytes=%llu-", (unsigned long long)start);
	send_header(t, line);
	if (t->delivered != 0 && t->etag != NULL) {
		char *match UNI_AUTO_FREE = uni_asprintf("If-Range: %s", t->etag);
		send_header(t, match);
	}
}

static int send_headers(struct transfer *t, struct uni_err *err)
{
	const struct uni_net_request *r = &t->request;
	/* No pause for "100 Continue", no guess at a type. */
	static const char *const without[] = { "Expect:", "Content-Type:", "Accept:" };
	for (size_t i = 0; i < UNI_COUNT(without); i++) {
		bool given = false;
		for (size_t j = 0; j < t->headers.count; j++)
			given |= strncasecmp(t->headers.items[j], without[i], strlen(without[i])) ==
				 0;
		if (given)
			continue;
		t->sent = net_curl.curl_slist_append(t->sent, i == 2 ? "Accept: */*" : without[i]);
	}
	for (size_t i = 0; i < t->headers.count; i++) {
		if (!t->foreign || !is_secret(t->headers.items[i]))
			send_header(t, t->headers.items[i]);
	}
	send_range(t);
	if (t->foreign)
		return 0;
	if (r->bearer != NULL) {
		char *line UNI_AUTO_FREE = uni_asprintf("Authorization: Bearer %s", r->bearer);
		send_header(t, line);
	}
	if (r->authorise == NULL)
		return 0;
	struct uni_strv more UNI_AUTO_STRV = { .items = NULL };
	struct uni_net_attempt attempt = { .method = net_method(t),
					   .url = t->url,
					   .headers = &t->headers,
					   .number = t->answer.attempts };
	int rc = r->authorise(r->authorise_user, &attempt, &more, err);
	for (size_t i = 0; rc == 0 && i < more.count; i++)
		send_header(t, more.items[i]);
	return rc;
}

#define SET(option, value) net_curl.curl_easy_setopt(t->easy, option, value)

static void set_connection(struct transfer *t)
{
	const struct uni_net_options *o = &t->net->options;
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_PIPEWAIT, 1L);
	/* libcurl repeats by itself what it sent on a connection that turned out to be closed. */
	if (!net_may_repeat(t))
		SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_BUFFERSIZE, t->request.body.size > SENT_LARGE ? 16L << 10 : 256L << 10);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 64L << 10);
	SET(CURLOPT_USERAGENT, "uni/" UNI_VERSION);
	if (o->ca_file != NULL) {
		SET(CURLOPT_CAINFO, o->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (o->client_cert != NULL)
		SET(CURLOPT_SSLCERT, o->client_cert);
	if (o->client_key != NULL)
		SET(CURLOPT_SSLKEY, o->client_key);
	if (o->proxy != NULL)
		SET(CURLOPT_PROXY, o->proxy);
}

static int set_body(struct transfer *t, struct uni_err *err)
{
	const struct uni_net_body *body = &t->request.body;
	const char *method = net_method(t);
	bool none = uni_str_eq(method, "GET") || uni_str_eq(method, "HEAD");
	if (uni_str_eq(method, "HEAD"))
		SET(CURLOPT_NOBODY, 1L);
	else if (none || (uni_str_eq(method, "DELETE") && body->size == 0))
		SET(CURLOPT_HTTPGET, 1L);
	else
		SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_CUSTOMREQUEST, method);
	if (none)
		return 0;
	if (body->size != UNI_SIZE_UNKNOWN)
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)body->size);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, t);
	return body->open != NULL ? body->open(body->user, &t->body, err) : 0;
}

int net_attempt_start(struct transfer *t, struct uni_err *err)
{
	t->easy = net_curl.curl_easy_init();
	if (t->easy == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	t->answer.attempts++;
	t->attempt_ns = uni_clock_mono_ns();
	t->window_ns = t->attempt_ns;
	t->before = t->delivered;
	if (t->first_ns == 0)
		t->first_ns = t->attempt_ns;
	SET(CURLOPT_URL, t->url);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->trouble);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, t);
	set_connection(t);
	if (!t->foreign && t->request.user != NULL) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, t->request.user);
		SET(CURLOPT_PASSWORD, t->request.password != NULL ? t->request.password : "");
	}
	int rc = set_body(t, err);
	if (rc == 0)
		rc = send_headers(t, err);
	if (rc != 0)
		return rc;
	SET(CURLOPT_HTTPHEADER, t->sent);
	CURLMcode code = net_curl.curl_multi_add_handle(t->net->multi, t->easy);
	if (code != CURLM_OK)
		return uni_err_set(err, UNI_E_NETWORK, "%s", net_curl.curl_multi_strerror(code));
	return 0;
}

void net_attempt_end(struct transfer *t)
{
	if (t->easy != NULL) {
		net_curl.curl_multi_remove_handle(t->net->multi, t->easy);
		net_curl.curl_easy_cleanup(t->easy);
	}
	net_curl.curl_slist_free_all(t->sent);
	uni_source_free(t->body);
	t->easy = NULL;
	t->sent = NULL;
	t->body = NULL;
	t->trouble[0] = '\0';
	t->body_at = t->window_bytes = t->header_bytes = t->skip = 0;
	t->begun = t->enough = t->ranged = false;
}
