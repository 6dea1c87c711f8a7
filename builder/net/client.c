/*
 * The client: its queue, the loop that drives libcurl, and the watch over attempts that stall. All
 * callbacks of the user but sinks and bodies run from the loop and not from within libcurl, so that
 * they may start and do requests themselves.
 */
#include "internal.h"
#include <ctype.h>
#include <pthread.h>
#include <string.h>

#define POLL_MS 250 /* how late a signal may be seen */
#define MS UINT64_C(1000000)

struct net_curl net_curl;
static const char *const curl_names[] = { CURL_FNS(UNI_LAZY_NAME) };

static void init_once(void)
{
	net_curl.curl_global_init(CURL_GLOBAL_DEFAULT);
}

int net_curl_load(struct uni_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc = uni_lazy_load("libcurl.so.4", curl_names, UNI_COUNT(curl_names), &net_curl, err);
	if (rc == 0)
		pthread_once(&once, init_once);
	return rc;
}

/* --- a client's life --- */

static void from_env(const char **value, const char *const *names)
{
	for (; *value == NULL && *names != NULL; names++)
		*value = uni_env(*names);
}

void uni_net_options_env(struct uni_net_options *o)
{
	from_env(&o->ca_file,
		 (const char *const[]){ "UNI_CA_FILE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", NULL });
	from_env(&o->client_cert, (const char *const[]){ "UNI_CLIENT_CERT", NULL });
	from_env(&o->client_key, (const char *const[]){ "UNI_CLIENT_KEY", NULL });
	from_env(&o->proxy, (const char *const[]){ "UNI_PROXY", NULL });
	const char *stall = uni_env("UNI_STALL_SECONDS");
	uint64_t seconds;
	if (o->stall_ms == 0 && stall != NULL && uni_str_u64(stall, &seconds) && seconds != 0 &&
	    seconds <= 86400)
		o->stall_ms = (unsigned)seconds * 1000;
}

static const char *own(const char *text)
{
	return text != NULL ? uni_strdup(text) : NULL;
}

static void disown(const char *text)
{
	char *owned;
	memcpy(&owned, &text, sizeof(owned)); /* ours, though what it stands for is const */
	free(owned);
}

static void or_default(unsigned *value, unsigned instead)
{
	if (*value == 0)
		*value = instead;
}

static void take_options(struct uni_net_options *to, const struct uni_net_options *from)
{
	struct uni_net_options options = { .ca_file = NULL };
	if (from != NULL)
		options = *from;
	else
		uni_net_options_env(&options);
	*to = options;
	to->ca_file = own(options.ca_file);
	to->client_cert = own(options.client_cert);
	to->client_key = own(options.client_key);
	to->proxy = own(options.proxy);
	or_default(&to->in_flight, 16);
	or_default(&to->attempts, 5);
	or_default(&to->first_attempts, to->attempts);
	or_default(&to->budget, 50);
	or_default(&to->backoff_ms, 500);
	or_default(&to->backoff_max_ms, 20000);
	or_default(&to->connect_ms, 15000);
	or_default(&to->stall_ms, 60000);
	or_default(&to->stall_bytes, 1024);
}

int uni_net_open(struct uni_net **out, const struct uni_net_options *options, struct uni_err *err)
{
	int rc = net_curl_load(err);
	if (rc != 0)
		return rc;
	struct uni_net *net UNI_AUTO(uni_net) = uni_alloc(sizeof(*net));
	TAILQ_INIT(&net->waiting);
	TAILQ_INIT(&net->active);
	take_options(&net->options, options);
	net->budget = net->options.budget * 10;
	net->multi = net_curl.curl_multi_init();
	if (net->multi == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "out of memory");
	net_curl.curl_multi_setopt(net->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	*out = net;
	net = NULL;
	return 0;
}

static void bury(struct uni_net *net);

static void drop_all(struct uni_net *net)
{
	struct transfer *t;
	while ((t = TAILQ_FIRST(&net->active)) != NULL || (t = TAILQ_FIRST(&net->waiting)) != NULL)
		net_drop(t);
}

void uni_net_free(struct uni_net *net)
{
	if (net == NULL)
		return;
	drop_all(net);
	bury(net);
	if (net->multi != NULL)
		net_curl.curl_multi_cleanup(net->multi);
	disown(net->options.ca_file);
	disown(net->options.client_cert);
	disown(net->options.client_key);
	disown(net->options.proxy);
	free(net);
}

/* --- a transfer's life --- */

static bool is_line(const char *text)
{
	return text[strcspn(text, "\r\n")] == '\0';
}

static int check_request(const struct uni_net_request *r, struct uni_err *err)
{
	const char *method = r->method != NULL ? r->method : "GET";
	if (method[0] == '\0')
		return uni_err_set(err, UNI_E_INVAL, "no method");
	for (const char *c = method; *c != '\0'; c++) {
		if (!isupper((unsigned char)*c))
			return uni_err_set(err, UNI_E_INVAL, "method \"%s\"", method);
	}
	for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL; i++) {
		if (!is_line(r->headers[i]) || strchr(r->headers[i], ':') == NULL)
			return uni_err_set(err, UNI_E_INVAL, "a header that is none");
	}
	if (r->bearer != NULL && !is_line(r->bearer))
		return uni_err_set(err, UNI_E_INVAL, "a token with an end of line in it");
	return net_url_check(r->url, err);
}

static void unlink_transfer(struct transfer *t)
{
	struct uni_net *net = t->net;
	if (t->easy != NULL) {
		TAILQ_REMOVE(&net->active, t, link);
		net->active_count--;
	} else {
		TAILQ_REMOVE(&net->waiting, t, link);
	}
}

static void transfer_free(struct transfer *t)
{
	disown(t->request.method);
	disown(t->request.url);
	disown(t->request.bearer);
	disown(t->request.user);
	disown(t->request.password);
	uni_strv_free(&t->headers);
	uni_net_answer_free(&t->answer);
	free(t->url);
	free(t->etag);
	t->next_dead = t->net->dead;
	t->net->dead = t;
}

/* Later than the lists that they were in are walked. */
static void bury(struct uni_net *net)
{
	struct transfer *t = net->dead;
	while (t != NULL) {
		struct transfer *next = t->next_dead;
		free(t);
		t = next;
	}
	net->dead = NULL;
}

void net_drop(struct transfer *t)
{
	unlink_transfer(t);
	t->net->pending--;
	net_attempt_end(t);
	if (t->waiter != NULL) {
		t->waiter->ended = true;
		t->waiter->rc =
			uni_err_set(t->waiter->err, UNI_E_CANCELLED, "another request failed");
	}
	transfer_free(t);
}

int net_start(struct uni_net *net, const struct uni_net_request *request, struct transfer **out,
	      struct uni_err *err)
{
	int rc = check_request(request, err);
	if (rc != 0)
		return rc;
	struct transfer *t = uni_alloc(sizeof(*t));
	t->net = net;
	t->request = *request;
	t->request.method = uni_strdup(request->method != NULL ? request->method : "GET");
	t->request.url = uni_strdup(request->url);
	t->request.bearer = own(request->bearer);
	t->request.user = own(request->user);
	t->request.password = own(request->password);
	t->size = request->size != NULL ? *request->size : UNI_SIZE_UNKNOWN;
	for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
		uni_strv_add(&t->headers, request->headers[i]);
	t->url = uni_strdup(request->url);
	TAILQ_INSERT_TAIL(&net->waiting, t, link);
	net->pending++;
	if (out != NULL)
		*out = t;
	return 0;
}

int uni_net_start(struct uni_net *net, const struct uni_net_request *request, struct uni_err *err)
{
	return net_start(net, request, NULL, err);
}

/* The end of a transfer: its answer or error goes to the one who waits for it. */
static int complete(struct transfer *t, int rc, struct uni_err *cause, struct uni_err *err)
{
	struct waiter *waiter = t->waiter;
	if (rc != 0) {
		char *plain UNI_AUTO_FREE = uni_net_url_plain(t->url);
		uni_err_context(cause, "%s %s", net_method(t), plain);
	}
	t->answer.url = t->url;
	t->url = NULL;
	t->answer.size = t->delivered;
	t->net->pending--;
	int result = 0;
	if (waiter != NULL) {
		waiter->ended = true;
		waiter->rc = rc;
		if (rc != 0)
			*waiter->err = *cause;
		*waiter->answer = t->answer;
		memset(&t->answer, 0, sizeof(t->answer));
	} else {
		*err = *cause;
		result = rc;
		if (t->request.done != NULL)
			result = t->request.done(t->request.user_data, rc, &t->answer, err);
	}
	transfer_free(t);
	return result;
}

/* What an attempt left of an answer goes; what a sink has stays counted. */
static void forget_answer(struct transfer *t)
{
	unsigned attempts = t->answer.attempts;
	uni_net_answer_free(&t->answer);
	t->answer.attempts = attempts;
	uni_err_clear(&t->failure);
	if (t->request.sink == NULL) {
		t->delivered = 0;
		free(t->etag);
		t->etag = NULL;
	}
}

static void queue_again(struct transfer *t)
{
	/* From the start of a chain of redirects, whose later addresses may hold only once. */
	free(t->url);
	t->url = uni_strdup(t->request.url);
	t->get = t->foreign = false;
	t->redirects = 0;
}

static int settle(struct transfer *t, CURLcode result, struct uni_err *err)
{
	struct uni_err cause = UNI_ERR_INIT;
	int rc = 0;
	enum verdict verdict = net_judge(t, result, &rc, &cause);
	int moved = 0;
	if (verdict == VERDICT_DONE && rc == 0) {
		moved = net_redirect(t, &cause);
		if (moved < 0)
			rc = moved;
	}
	unlink_transfer(t);
	net_attempt_end(t);
	if (verdict == VERDICT_DONE && moved <= 0)
		return complete(t, rc, &cause, err);
	forget_answer(t);
	if (verdict == VERDICT_AGAIN)
		queue_again(t);
	TAILQ_INSERT_HEAD(&t->net->waiting, t, link);
	return 0;
}

/* --- the loop --- */

static struct transfer *first_ready(struct uni_net *net, uint64_t now)
{
	struct transfer *t;
	TAILQ_FOREACH(t, &net->waiting, link)
	{
		if (t->not_before <= now)
			return t;
	}
	return NULL;
}

static int launch(struct uni_net *net, uint64_t now, struct uni_err *err)
{
	struct transfer *t;
	while (net->active_count < net->options.in_flight && (t = first_ready(net, now)) != NULL) {
		struct uni_err cause = UNI_ERR_INIT;
		/* In no list while a hook may do requests itself. */
		TAILQ_REMOVE(&net->waiting, t, link);
		int rc = net_attempt_start(t, &cause);
		if (rc == 0) {
			TAILQ_INSERT_TAIL(&net->active, t, link);
			net->active_count++;
			continue;
		}
		net_attempt_end(t);
		rc = complete(t, rc, &cause, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Whether an attempt took too long; the text says in which way. */
static bool is_late(struct transfer *t, uint64_t now, bool *is_final)
{
	const struct uni_net_options *o = &t->net->options;
	uint64_t deadline = t->request.deadline_ms * MS, most = t->request.attempt_ms * MS;
	*is_final = deadline != 0 && now - t->first_ns >= deadline;
	if (*is_final) {
		snprintf(t->trouble, sizeof(t->trouble), "not done within %llu ms",
			 (unsigned long long)t->request.deadline_ms);
		return true;
	}
	if (most != 0 && now - t->attempt_ns >= most) {
		snprintf(t->trouble, sizeof(t->trouble), "not answered within %llu ms",
			 (unsigned long long)t->request.attempt_ms);
		return true;
	}
	if (now - t->window_ns < o->stall_ms * MS)
		return false;
	if (t->window_bytes < o->stall_bytes) {
		snprintf(t->trouble, sizeof(t->trouble), "stalled: %llu bytes in %u ms",
			 (unsigned long long)t->window_bytes, o->stall_ms);
		return true;
	}
	t->window_ns = now;
	t->window_bytes = 0;
	return false;
}

static int watch(struct uni_net *net, uint64_t now, struct uni_err *err)
{
	struct transfer *t, *next;
	for (t = TAILQ_FIRST(&net->active); t != NULL; t = next) {
		bool is_final;
		next = TAILQ_NEXT(t, link);
		if (!is_late(t, now, &is_final))
			continue;
		if (is_final)
			uni_err_set(&t->failure, UNI_E_TIMEOUT, "%s", t->trouble);
		int rc = settle(t, CURLE_OPERATION_TIMEDOUT, err);
		if (rc != 0)
			return rc;
		next = TAILQ_FIRST(&net->active); /* a callback may have changed the list */
	}
	return 0;
}

static int collect(struct uni_net *net, bool *any, struct uni_err *err)
{
	int left;
	const CURLMsg *message;
	while ((message = net_curl.curl_multi_info_read(net->multi, &left)) != NULL) {
		struct transfer *t = NULL;
		CURLcode result = message->data.result;
		net_curl.curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		*any = true;
		int rc = settle(t, result, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Until when nothing needs to be looked at unless a socket says so. */
static int poll_ms(const struct uni_net *net, uint64_t now)
{
	uint64_t wait = POLL_MS;
	const struct transfer *t;
	if (net->active_count >= net->options.in_flight)
		return POLL_MS;
	TAILQ_FOREACH(t, &net->waiting, link)
	{
		uint64_t until = t->not_before > now ? (t->not_before - now) / MS + 1 : 0;
		if (until < wait)
			wait = until;
	}
	return (int)wait;
}

int net_step(struct uni_net *net, struct uni_err *err)
{
	int running;
	bool any = false;
	bury(net);
	int rc = uni_check_cancel(err);
	if (rc == 0)
		rc = launch(net, uni_clock_mono_ns(), err);
	if (rc != 0)
		return rc;
	CURLMcode code = net_curl.curl_multi_perform(net->multi, &running);
	if (code != CURLM_OK)
		return uni_err_set(err, UNI_E_NETWORK, "%s", net_curl.curl_multi_strerror(code));
	rc = collect(net, &any, err);
	uint64_t now = uni_clock_mono_ns();
	if (rc == 0)
		rc = watch(net, now, err);
	if (rc == 0 && !any && net->pending != 0)
		net_curl.curl_multi_poll(net->multi, NULL, 0, poll_ms(net, now), NULL);
	return rc;
}

int uni_net_run(struct uni_net *net, struct uni_err *err)
{
	int rc = 0;
	while (rc == 0 && net->pending != 0)
		rc = net_step(net, err);
	if (rc != 0)
		drop_all(net);
	return rc;
}

int uni_net_do(struct uni_net *net, const struct uni_net_request *request,
	       struct uni_net_answer *answer, struct uni_err *err)
{
	struct waiter waiter = { .answer = answer, .err = err };
	struct transfer *t;
	uni_net_answer_free(answer);
	int rc = net_start(net, request, &t, err);
	if (rc != 0)
		return rc;
	t->waiter = &waiter;
	while (rc == 0 && !waiter.ended)
		rc = net_step(net, err);
	if (rc == 0)
		return waiter.rc;
	struct uni_err cause = *err;
	if (!waiter.ended)
		net_drop(t);
	*err = cause;
	return rc;
}

void uni_net_drop(struct uni_net *net)
{
	drop_all(net);
}
