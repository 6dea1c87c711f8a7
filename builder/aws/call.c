/*
 * Calls: signed for each attempt, sent, and what a refusal means. One may be under way alone, or
 * many at once.
 */
#include "aws.h"
#include <string.h>
#include <time.h>
#include <uni/base/system.h>

#define DEADLINE_MS 300000
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SKEW_LEAST 30 /* seconds that a signature's time may be off without our minding */

/* A call while it lasts. */
struct flight {
	struct flight *next, **link; /* in the session's list, once started */
	struct uni_aws *aws;
	const struct aws_credentials *as; /* NULL: nobody, it goes unsigned */
	char *service, *action, *region, *url, *method;
	char *signed_by; /* access key of the last attempt */
	struct uni_strv headers;
	char payload[65];
	const void *body;
	size_t size;
	uint64_t deadline_ms;
	bool repeatable, skew_corrected, renewed;
	int (*done)(void *user, int rc, const char *code, struct uni_net_answer *answer,
		    struct uni_err *err);
	void *user;
};

static void flight_free(struct flight *f)
{
	if (f == NULL)
		return;
	free(f->service);
	free(f->action);
	free(f->region);
	free(f->url);
	free(f->method);
	free(f->signed_by);
	uni_strv_free(&f->headers);
	free(f);
}
UNI_AUTO_DEFINE(flight)

static void flight_enlist(struct flight *f)
{
	f->next = f->aws->flights;
	f->link = &f->aws->flights;
	if (f->next != NULL)
		f->next->link = &f->next;
	f->aws->flights = f;
}

static void flight_end(struct flight *f)
{
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	flight_free(f);
}

void aws_flights_drop(struct uni_aws *aws)
{
	for (struct flight *f = aws->flights, *next; f != NULL; f = next) {
		next = f->next;
		flight_free(f);
	}
	aws->flights = NULL;
}

/* An address cut into what is signed; the port goes where libcurl leaves it out, too. */
struct place {
	char *host, *path, *query;
};

static void place_free(struct place *p)
{
	free(p->host);
	free(p->path);
	free(p->query);
}

static struct place cut_url(const char *url)
{
	bool secure = uni_str_starts(url, "https://");
	const char *host = strstr(url, "://") + 3;
	size_t size = strcspn(host, "/?");
	const char *path = host + size;
	size_t path_size = strcspn(path, "?");
	struct place p = { .host = uni_strndup(host, size) };

	if (uni_str_ends(p.host, secure ? ":443" : ":80"))
		p.host[size - (secure ? 4 : 3)] = '\0';
	p.path = path_size != 0 ? uni_strndup(path, path_size) : uni_strdup("/");
	p.query = path[path_size] == '?' ? uni_strdup(path + path_size + 1) : NULL;
	return p;
}

/* Puts "Name: value" apart; `line` is cut. */
static struct uni_aws_header cut_header(char *line)
{
	char *colon = strchr(line, ':');

	if (colon == NULL)
		return (struct uni_aws_header){ line, "" };
	*colon = '\0';
	return (struct uni_aws_header){ line, colon + 1 + strspn(colon + 1, " ") };
}

static int sign_attempt(void *user, const struct uni_net_attempt *attempt, struct uni_strv *headers,
			struct uni_err *err)
{
	struct flight *f = user;
	struct place place __attribute__((cleanup(place_free))) = cut_url(attempt->url);
	struct uni_strv lines UNI_AUTO_STRV = { 0 };
	struct uni_aws_signed s UNI_AUTO_AWS_SIGNED = { 0 };
	struct uni_aws_header *signs UNI_AUTO_FREE =
		uni_alloc_array(f->headers.count + 2, sizeof(*signs));
	const struct uni_aws_scope scope = { .region = f->region,
					     .service = f->service,
					     .time = uni_clock_now() + f->aws->skew };
	size_t count = 0;

	(void)err;
	for (size_t i = 0; i < f->headers.count; i++)
		uni_strv_add(&lines, f->headers.items[i]);
	for (size_t i = 0; i < lines.count; i++)
		signs[count++] = cut_header(lines.items[i]);
	signs[count++] = (struct uni_aws_header){ "host", place.host };
	signs[count++] = (struct uni_aws_header){ "x-amz-content-sha256", f->payload };

	const struct uni_aws_request request = { attempt->method, place.path, place.query,
						 signs,		  count,      f->payload };
	const struct uni_aws_keys keys = { f->as->access_key, f->as->secret_key,
					   f->as->session_token };

	uni_aws_sign(&s, &request, &scope, &keys);
	free(f->signed_by);
	f->signed_by = uni_strdup(keys.access_key);
	uni_strv_addf(headers, "x-amz-date: %s", s.date);
	uni_strv_addf(headers, "x-amz-content-sha256: %s", f->payload);
	if (keys.session_token != NULL)
		uni_strv_addf(headers, "x-amz-security-token: %s", keys.session_token);
	uni_strv_addf(headers, "Authorization: %s", uni_buf_text(&s.result));
	return 0;
}

/* --- sending --- */

static int flight_new(struct flight **flight, struct uni_aws *aws, const struct aws_credentials *as,
		      const struct uni_aws_call *call, struct uni_err *err)
{
	const char *region = call->region;
	struct flight *f UNI_AUTO(flight) = uni_alloc(sizeof(*f));
	char *base UNI_AUTO_FREE = NULL;
	int rc = region != NULL ? 0 : uni_aws_region(aws, &region, err);

	if (rc != 0)
		return rc;
	base = uni_aws_endpoint(aws, call->service, region);
	if (!uni_str_starts(base, "http://") && !uni_str_starts(base, "https://"))
		return uni_err_set(err, UNI_E_INVAL, "endpoint \"%s\" is no http or https address",
				   base);
	f->aws = aws;
	f->as = as;
	f->service = uni_strdup(call->service);
	f->action = uni_strdup(call->action);
	f->region = uni_strdup(region);
	f->method = uni_strdup(call->method);
	f->url = uni_asprintf("%s%s%s%s", base, call->path, call->query != NULL ? "?" : "",
			      call->query != NULL ? call->query : "");
	for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++)
		uni_strv_add(&f->headers, call->headers[i]);
	f->body = call->size != 0 ? call->body : "";
	f->size = call->size;
	f->repeatable = call->repeatable;
	f->deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : DEADLINE_MS;
	if (call->unsigned_payload) {
		memcpy(f->payload, UNI_AWS_UNSIGNED_PAYLOAD, sizeof(UNI_AWS_UNSIGNED_PAYLOAD));
	} else {
		struct uni_digest digest = uni_digest_of(f->body, f->size);

		uni_hex(digest.bytes, sizeof(digest.bytes), f->payload);
	}
	*flight = f;
	f = NULL;
	return 0;
}

static bool is_any(const char *code, const char *const *list)
{
	for (; *list != NULL; list++)
		if (uni_str_eq(code, *list))
			return true;
	return false;
}

/* Whether the service wants fewer calls, and did nothing. */
static bool was_throttled(void *user, const struct uni_net_answer *answer)
{
	static const char *const codes[] = { "Throttling",
					     "ThrottlingException",
					     "RequestThrottledException",
					     "RequestLimitExceeded",
					     "TooManyRequestsException",
					     "SlowDown",
					     NULL };
	struct flight *f = user;
	struct uni_buf message UNI_AUTO_BUF = UNI_BUF_INIT;
	char code[UNI_AWS_CODE];

	aws_answer_error(answer, code, &message);
	if (!is_any(code, codes))
		return false;
	f->aws->throttled++;
	return true;
}

static struct uni_net_request flight_request(struct flight *f)
{
	return (struct uni_net_request){
		.method = f->method,
		.url = f->url,
		.headers = (const char *const *)f->headers.items,
		.body = { .data = f->size != 0 ? f->body : NULL, .size = f->size },
		.limit = 16u << 20,
		.authorise = f->as != NULL ? sign_attempt : NULL,
		.authorise_user = f,
		.passes = was_throttled,
		.repeatable = f->repeatable,
		.no_redirect = true,
		.deadline_ms = f->deadline_ms,
	};
}

/* Whether the server refused our time: then its own is taken, once. */
static bool time_was_wrong(struct flight *f, const char *code, const struct uni_net_answer *answer)
{
	static const char *const codes[] = { "RequestTimeTooSkewed",
					     "RequestExpired",
					     "InvalidSignatureException",
					     "SignatureDoesNotMatch",
					     "RequestInTheFuture",
					     "AuthFailure",
					     NULL };
	const char *date = uni_net_answer_header(answer, "date");
	struct tm tm = { 0 };
	int64_t skew;

	if (f->skew_corrected || !is_any(code, codes) || date == NULL ||
	    strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
		return false;
	skew = (int64_t)timegm(&tm) - uni_clock_now();
	if (skew - f->aws->skew < SKEW_LEAST && f->aws->skew - skew < SKEW_LEAST)
		return false;
	f->aws->skew = skew;
	f->skew_corrected = true;
	return true;
}

/* Whether the server takes the session's credentials for expired, and others were found, once. */
static bool were_expired(struct flight *f, const char *code)
{
	static const char *const codes[] = { "ExpiredToken", "ExpiredTokenException",
					     "RequestExpired", NULL };
	struct uni_err ignored = UNI_ERR_INIT;

	if (f->renewed || f->as != &f->aws->credentials || !is_any(code, codes))
		return false;
	f->renewed = true;
	/* Of many calls under way the first to come back finds new ones for all. */
	return !uni_str_eq(f->signed_by, f->as->access_key) ||
	       aws_credentials_find(f->aws, &ignored) == 0;
}

/* Whether a call that was refused may do better now. */
static bool may_pass_now(struct flight *f, const char *code, const struct uni_net_answer *answer)
{
	return code[0] != '\0' && (time_was_wrong(f, code, answer) || were_expired(f, code));
}

static int code_meaning(const char *code, int status)
{
	static const char *const expired[] = { "ExpiredToken", "ExpiredTokenException",
					       "RequestExpired", NULL };
	static const char *const unknown[] = { "InvalidClientTokenId",
					       "UnrecognizedClientException",
					       "AuthFailure",
					       "SignatureDoesNotMatch",
					       "InvalidSignatureException",
					       "MissingAuthenticationToken",
					       "OptInRequired",
					       NULL };

	if (is_any(code, expired) || is_any(code, unknown) || status == 401 || status == 403)
		return UNI_E_AUTH;
	if (uni_str_ends(code, "NotFound") || uni_str_ends(code, "NotFoundException") ||
	    uni_str_ends(code, ".Unknown") || status == 404)
		return UNI_E_NOENT;
	if (uni_str_ends(code, "Duplicate") || uni_str_ends(code, "AlreadyExists") || status == 409)
		return UNI_E_EXIST;
	if (strstr(code, "LimitExceeded") != NULL || strstr(code, "QuotaExceeded") != NULL)
		return UNI_E_LIMIT;
	return status >= 500 ? UNI_E_NETWORK : UNI_E_INVAL;
}

/*
 * What a denied call lacks is named in its message as a rule, and may be another than the call's
 * own:
 * "... is not authorized to perform: ec2:CreateTags on resource ...".
 */
static char *missing_permission(const struct flight *f, const char *message)
{
	static const char marker[] = "to perform";
	const char *at = strstr(message, marker);
	size_t service, size;

	if (at != NULL) {
		at += sizeof(marker) - 1;
		at += strspn(at, ": ");
		service = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
		size = service + 1 + (at[service] == ':' ? strspn(at + service + 1, LETTERS) : 0);
		if (service != 0 && at[service] == ':' && size > service + 1)
			return uni_strndup(at, size);
	}
	return uni_asprintf("%s:%s", f->service, f->action);
}

static int refused(const struct flight *f, const char *code, const char *message, int status,
		   struct uni_err *err)
{
	static const char *const denied[] = { "AccessDenied", "AccessDeniedException",
					      "UnauthorizedOperation", "UnauthorizedException",
					      NULL };
	int meaning = code_meaning(code, status);

	uni_err_set(err, is_any(code, denied) ? UNI_E_AUTH : meaning, "%s in %s: %s%s%s", f->action,
		    f->region, *code != '\0' ? code : "refused", *message != '\0' ? ": " : "",
		    message);
	if (is_any(code, denied)) {
		char *permission UNI_AUTO_FREE = missing_permission(f, message);

		uni_err_hint(err, "the permission %s is missing", permission);
	} else if (uni_str_eq(code, "OptInRequired"))
		uni_err_hint(err, "the account has not enabled %s, or not this service", f->region);
	else if (meaning == UNI_E_AUTH)
		uni_err_hint(err,
			     "the credentials from %s are not accepted (--explain-credentials "
			     "tells where they are from)",
			     f->as != NULL && f->as->found != NULL ? f->as->found : "elsewhere");
	return err->code;
}

/* Nothing answered; a region that is misspelt has no address either. */
static void unreachable(const struct flight *f, struct uni_err *err)
{
	const char *near = aws_region_near(f->region);

	uni_err_context(err, "%s in %s", f->action, f->region);
	if (err->code == UNI_E_NETWORK && near != NULL)
		uni_err_hint(err, "\"%s\" is no region that is known here: did you mean %s?",
			     f->region, near);
}

static int judge(struct flight *f, const struct uni_net_answer *answer, char code[UNI_AWS_CODE],
		 struct uni_err *err)
{
	struct uni_buf message UNI_AUTO_BUF = UNI_BUF_INIT;

	code[0] = '\0';
	if (answer->status >= 200 && answer->status < 300)
		return 0;
	aws_answer_error(answer, code, &message);
	return refused(f, code, uni_buf_text(&message), answer->status, err);
}

int aws_call_as(struct uni_aws *aws, const struct aws_credentials *as,
		const struct uni_aws_call *call, struct uni_net_answer *answer,
		char code[UNI_AWS_CODE], struct uni_err *err)
{
	struct flight *f UNI_AUTO(flight) = NULL;
	char own[UNI_AWS_CODE] = "";
	int rc = flight_new(&f, aws, as, call, err);

	if (rc != 0)
		return rc;
	do {
		struct uni_net_request request = flight_request(f);

		uni_net_answer_free(answer);
		uni_err_clear(err);
		rc = uni_net_do(aws->net, &request, answer, err);
		if (rc == 0)
			rc = judge(f, answer, own, err);
		else
			unreachable(f, err);
	} while (rc != 0 && may_pass_now(f, own, answer));
	if (code != NULL)
		memcpy(code, own, sizeof(own));
	return rc;
}

int uni_aws_do(struct uni_aws *aws, const struct uni_aws_call *call, struct uni_net_answer *answer,
	       char code[UNI_AWS_CODE], struct uni_err *err)
{
	int rc = uni_aws_identify(aws, err);

	if (code != NULL)
		code[0] = '\0';
	return rc == 0 ? aws_call_as(aws, &aws->credentials, call, answer, code, err) : rc;
}

static int launch(struct flight *f, struct uni_err *err);

static int landed(void *user, int rc, struct uni_net_answer *answer, struct uni_err *err)
{
	struct flight *f = user;
	char code[UNI_AWS_CODE] = "";

	if (rc == 0) {
		rc = judge(f, answer, code, err);
		if (rc != 0 && may_pass_now(f, code, answer)) {
			uni_err_clear(err);
			return launch(f, err);
		}
	} else {
		unreachable(f, err);
	}
	rc = f->done(f->user, rc, code, answer, err);
	flight_end(f);
	return rc;
}

static int launch(struct flight *f, struct uni_err *err)
{
	struct uni_net_request request = flight_request(f);
	int rc;

	request.done = landed;
	request.user_data = f;
	rc = uni_net_start(f->aws->net, &request, err);
	if (rc != 0)
		flight_end(f);
	return rc;
}

int uni_aws_start(struct uni_aws *aws, const struct uni_aws_call *call,
		  int (*done)(void *user, int rc, const char *code, struct uni_net_answer *answer,
			      struct uni_err *err),
		  void *user, struct uni_err *err)
{
	struct flight *f = NULL;
	int rc = uni_aws_identify(aws, err);

	if (rc == 0)
		rc = flight_new(&f, aws, &aws->credentials, call, err);
	if (rc != 0)
		return rc;
	f->done = done;
	f->user = user;
	flight_enlist(f);
	return launch(f, err);
}
