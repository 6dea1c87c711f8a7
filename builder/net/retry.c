/*
 * What becomes of a transfer after an attempt: done, tried again later, or sent elsewhere. The only
 * place that decides to repeat anything.
 */
#include "internal.h"
#include <string.h>
#include <strings.h>

#define RETRY_AFTER_FACTOR 6
#define PROGRESS (256u << 10) /* an attempt that brought so much was worth it */
#define BUDGET_PART 10

bool net_status_ok(int status)
{
	return status >= 200 && status < 300;
}

const char *net_method(const struct transfer *t)
{
	return t->get ? "GET" : t->request.method;
}

bool net_may_repeat(const struct transfer *t)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };
	if (t->request.once)
		return false;
	if (t->request.repeatable)
		return true;
	for (size_t i = 0; i < UNI_COUNT(methods); i++) {
		if (uni_str_eq(t->request.method, methods[i]))
			return true;
	}
	return false;
}

/* Seconds or a date; 0 when there is none. */
static uint64_t retry_after_ms(const struct transfer *t)
{
	const char *value = uni_net_answer_header(&t->answer, "retry-after");
	uint64_t seconds;
	if (value == NULL)
		return 0;
	if (uni_str_u64(value, &seconds))
		return seconds < UINT32_MAX ? seconds * 1000 : UINT32_MAX;
	time_t date = net_curl.curl_getdate(value, NULL);
	int64_t now = uni_clock_now();
	return date > now ? (uint64_t)(date - now) * 1000 : 0;
}

/* Full jitter: anywhere up to the doubled time, so that many do not come back at once. */
static uint64_t backoff_ms(const struct transfer *t)
{
	const struct uni_net_options *o = &t->net->options;
	uint64_t most = o->backoff_ms;
	for (unsigned i = 1; i < t->failures && most < o->backoff_max_ms; i++)
		most *= 2;
	if (most > o->backoff_max_ms)
		most = o->backoff_max_ms;
	uint64_t dice;
	uni_random(&dice, sizeof(dice));
	return dice % (most + 1);
}

static bool again(struct transfer *t, const char *why)
{
	struct uni_net *net = t->net;
	unsigned most = net->answered ? net->options.attempts : net->options.first_attempts;
	if (t->delivered - t->before >= PROGRESS)
		t->failures = 0;
	t->failures++;
	if (t->failures >= most || net->budget < BUDGET_PART)
		return false;
	uint64_t wait = backoff_ms(t), asked = retry_after_ms(t);
	if (asked > (uint64_t)net->options.backoff_max_ms * RETRY_AFTER_FACTOR)
		return false;
	if (asked != 0)
		wait += asked;
	uint64_t now = uni_clock_mono_ns();
	if (t->request.deadline_ms != 0 &&
	    now + wait * 1000000 >= t->first_ns + t->request.deadline_ms * 1000000)
		return false;
	net->budget -= BUDGET_PART;
	t->not_before = now + wait * 1000000;
	char *plain UNI_AUTO_FREE = uni_net_url_plain(t->request.url);
	uni_event_note(net->options.events, "%s %s: %s; again in %llu ms", t->request.method, plain,
		       why, (unsigned long long)wait);
	return true;
}

/* What no repetition mends. */
static bool is_final(CURLcode result)
{
	static const CURLcode finals[] = {
		CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT,   CURLE_PEER_FAILED_VERIFICATION,
		CURLE_SSL_CACERT_BADFILE,   CURLE_SSL_CERTPROBLEM, CURLE_OUT_OF_MEMORY,
		CURLE_NOT_BUILT_IN,	    CURLE_UNKNOWN_OPTION,  CURLE_BAD_FUNCTION_ARGUMENT,
		CURLE_SSL_ISSUER_ERROR
	};
	for (size_t i = 0; i < UNI_COUNT(finals); i++) {
		if (result == finals[i])
			return true;
	}
	return false;
}

static bool untouched(const struct transfer *t)
{
	long sent = 0;
	net_curl.curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent == 0;
}

static int network_error(const struct transfer *t, CURLcode result, struct uni_err *err)
{
	const char *text = t->trouble[0] != '\0' ? t->trouble : net_curl.curl_easy_strerror(result);
	if (result == CURLE_PEER_FAILED_VERIFICATION) {
		uni_err_set(err, UNI_E_AUTH, "%s", text);
		return uni_err_hint(err, "authorities of your own are named by --ca-file");
	}
	if (result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_CERTPROBLEM)
		return uni_err_set(err, UNI_E_INVAL, "%s", text);
	if (result == CURLE_OPERATION_TIMEDOUT)
		return uni_err_set(err, UNI_E_TIMEOUT, "%s", text);
	return uni_err_set(err, UNI_E_NETWORK, "%s", text);
}

static enum verdict judge_failure(struct transfer *t, CURLcode result, int *rc, struct uni_err *err)
{
	/* A header that answered before the connection broke says nothing of this trouble. */
	uni_strv_free(&t->answer.headers);
	*rc = network_error(t, result, err);
	if (!is_final(result) && (net_may_repeat(t) || (untouched(t) && !t->request.once)) &&
	    again(t, err->text))
		return VERDICT_AGAIN;
	return VERDICT_DONE;
}

static bool status_passes(const struct transfer *t)
{
	if (t->request.passes != NULL && !t->request.once && !net_status_ok(t->answer.status) &&
	    t->request.passes(t->request.authorise_user, &t->answer))
		return true;
	switch (t->answer.status) {
	case 429:
		return !t->request.once; /* it says that it did nothing */
	case 408:
	case 500:
	case 502:
	case 503:
	case 504:
		return net_may_repeat(t);
	default:
		return false;
	}
}

/* The end of a body that came in full before, without an end that could be seen. */
static void settle_empty_range(struct transfer *t)
{
	const char *range = uni_net_answer_header(&t->answer, "content-range");
	uint64_t total;
	if (t->answer.status == 416 && t->before != 0 && t->request.range_size == 0 &&
	    range != NULL && strncasecmp(range, "bytes */", 8) == 0 &&
	    uni_str_u64(range + 8, &total) && total == t->request.range_start + t->delivered) {
		t->answer.status = 206;
		uni_buf_clear(&t->answer.body);
	}
}

static enum verdict judge_answer(struct transfer *t, int *rc, struct uni_err *err)
{
	char why[32];
	t->net->answered = true;
	snprintf(why, sizeof(why), "status %d", t->answer.status);
	*rc = 0;
	if (status_passes(t) && again(t, why))
		return VERDICT_AGAIN;
	settle_empty_range(t);
	if (net_status_ok(t->answer.status) && t->size != UNI_SIZE_UNKNOWN &&
	    !uni_str_eq(t->request.method, "HEAD") && t->delivered != t->size) {
		*rc = uni_err_set(err, UNI_E_CORRUPT, "%llu bytes came instead of %llu",
				  (unsigned long long)t->delivered, (unsigned long long)t->size);
		if (net_may_repeat(t) && again(t, err->text))
			return VERDICT_AGAIN;
		return VERDICT_DONE;
	}
	unsigned full = t->net->options.budget * BUDGET_PART;
	if (t->answer.status < 500 && t->net->budget < full)
		t->net->budget++;
	return VERDICT_DONE;
}

enum verdict net_judge(struct transfer *t, CURLcode result, int *rc, struct uni_err *err)
{
	if (t->enough)
		result = CURLE_OK;
	if (result == CURLE_OK && t->failure.code == 0)
		net_body_end(t, &t->failure);
	if (t->failure.code != 0) {
		*err = t->failure;
		*rc = err->code;
		return VERDICT_DONE;
	}
	return result == CURLE_OK ? judge_answer(t, rc, err) : judge_failure(t, result, rc, err);
}

static void change_method(struct transfer *t)
{
	bool post = uni_str_eq(t->request.method, "POST");
	int status = t->answer.status;
	if (status == 303 ? !uni_str_eq(t->request.method, "HEAD")
			  : post && (status == 301 || status == 302))
		t->get = true;
}

int net_redirect(struct transfer *t, struct uni_err *err)
{
	int status = t->answer.status;
	const char *location = uni_net_answer_header(&t->answer, "location");
	if (t->request.no_redirect || location == NULL ||
	    (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
		return 0;
	if (++t->redirects > REDIRECTS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d redirects", REDIRECTS_MAX);
	char *next UNI_AUTO_FREE = NULL;
	int rc = uni_net_url_join(t->url, location, &next, err);
	if (rc == 0)
		rc = net_url_check(next, err);
	if (rc != 0)
		return uni_err_context(err, "redirect");
	char *plain UNI_AUTO_FREE = uni_net_url_plain(next);
	if (strncasecmp(t->url, "https:", 6) == 0 && strncasecmp(next, "https:", 6) != 0)
		return uni_err_set(err, UNI_E_DENIED, "redirect from https to %s", plain);
	if (!uni_net_same_origin(t->request.url, next))
		t->foreign = true;
	change_method(t);
	free(t->url);
	t->url = next;
	next = NULL;
	return 1;
}
