/*
 * What goes wrong: cut off, refused, too much, too little, too slow, sent elsewhere.
 */
#include "unit.h"

/* Fetches into a buffer of at most 1 MiB. */
static int fetch_by(struct uni_net *net, const char *url, uint64_t size, struct uni_buf *buf,
		    unsigned *attempts, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(buf, 1 << 20);
	struct uni_net_request request = {
		.url = url, .sink = sink, .limit = 1 << 20, .size = size != 0 ? &size : NULL
	};
	uni_buf_clear(buf);
	uni_err_clear(err);
	int rc = uni_net_do(net, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	*attempts = answer.attempts;
	return rc;
}

static int fetch(const char *url, uint64_t size, struct uni_buf *buf, unsigned *attempts,
		 struct uni_err *err)
{
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	return fetch_by(net, url, size, buf, attempts, err);
}

static void test_cut(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	unsigned attempts;
	assert_int_equal(fetch(unit_url("/bytes?size=90000&cut=10000&times=3"), 90000, &buf,
			       &attempts, &err),
			 0);
	assert_int_equal(attempts, 4);
	assert_true(unit_is_content(&buf, 0, 90000));
	/* Without ranges what came is passed over. */
	assert_int_equal(fetch(unit_url("/bytes?size=90000&cut=10000&times=2&noranges"), 0, &buf,
			       &attempts, &err),
			 0);
	assert_true(unit_is_content(&buf, 0, 90000));
	assert_int_equal(
		fetch(unit_url("/bytes?size=90000&cut=10000&weak"), 0, &buf, &attempts, &err), 0);
	assert_true(unit_is_content(&buf, 0, 90000));
	/* Never a head of one and a tail of another. */
	assert_int_equal(
		fetch(unit_url("/bytes?size=90000&cut=10000&changing"), 0, &buf, &attempts, &err),
		UNI_E_CHANGED);
	assert_int_equal(
		fetch(unit_url("/bytes?size=90000&cut=100&times=9"), 0, &buf, &attempts, &err),
		UNI_E_NETWORK);
	assert_true(strstr(err.text, "GET http://127.0.0.1") != NULL);
	assert_null(strstr(err.text, "times=9"));
}

static void test_status(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	static const int statuses[] = { 408, 429, 500, 502, 503, 504 };
	for (size_t i = 0; i < UNI_COUNT(statuses); i++) {
		assert_int_equal(
			unit_get(unit_url("/status?status=%d&times=2", statuses[i]), &answer, &err),
			0);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer.body.data, "3");
	}
	assert_int_equal(unit_get(unit_url("/status?status=503&times=99"), &answer, &err), 0);
	assert_int_equal(answer.status, 503);
	assert_int_equal(answer.attempts, 5);
	assert_int_equal(uni_net_check(&answer, &err), UNI_E_NETWORK);
	assert_true(uni_str_ends(err.text, "/status: the server answers 503: not now"));
	static const struct {
		int status, code;
	} finals[] = { { 400, UNI_E_INVAL }, { 401, UNI_E_AUTH },  { 403, UNI_E_AUTH },
		       { 404, UNI_E_NOENT }, { 410, UNI_E_NOENT }, { 501, UNI_E_NETWORK } };
	for (size_t i = 0; i < UNI_COUNT(finals); i++) {
		assert_int_equal(unit_get(unit_url("/status?status=%d&times=9", finals[i].status),
					  &answer, &err),
				 0);
		assert_int_equal(answer.attempts, 1);
		assert_int_equal(uni_net_check(&answer, &err), finals[i].code);
	}
}

static void test_methods(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct uni_net_request post = { .method = "POST",
					.url = unit_url("/status?status=500&a=1") };
	post.body.data = "once";
	post.body.size = 4;
	assert_int_equal(unit_do(net, &post, &answer, &err), 0);
	assert_int_equal(answer.status, 500); /* it may have been done */
	post.url = unit_url("/hangup?a=1");
	assert_int_equal(unit_do(net, &post, &answer, &err), UNI_E_NETWORK);
	post.url = unit_url("/status?status=429&a=2");
	assert_int_equal(unit_do(net, &post, &answer, &err), 0);
	assert_int_equal(answer.status, 200); /* it was not */
	post.repeatable = true;
	post.url = unit_url("/status?status=500&a=3");
	assert_int_equal(unit_do(net, &post, &answer, &err), 0);
	assert_int_equal(answer.status, 200);
	post.url = unit_url("/hangup?times=2&a=2");
	assert_int_equal(unit_do(net, &post, &answer, &err), 0);
	assert_string_equal(answer.body.data, "3");
	struct uni_net_request get = { .url = unit_url("/hangup?a=3"), .once = true };
	assert_int_equal(unit_do(net, &get, &answer, &err), UNI_E_NETWORK);
}

static void test_retry_after(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	assert_int_equal(unit_get(unit_url("/status?status=429&after=1"), &answer, &err), 0);
	assert_int_equal(answer.status, 200);
	/* Longer than one wants to wait: that is the answer then. */
	assert_int_equal(unit_get(unit_url("/status?status=429&after=86400"), &answer, &err), 0);
	assert_int_equal(answer.status, 429);
	assert_int_equal(answer.attempts, 1);
	assert_int_equal(unit_get(unit_url("/status?status=503&"
					   "after=Fri,%%2031%%20Dec%%202199%%2023:59:59%%20GMT"),
				  &answer, &err),
			 0);
	assert_int_equal(answer.status, 503);
	assert_int_equal(unit_get(unit_url("/status?status=503&after=nonsense"), &answer, &err), 0);
	assert_int_equal(answer.status, 200);
}

static void test_budget(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = NULL;
	struct uni_net_options options = { .budget = 3, .backoff_ms = 1 };
	assert_int_equal(uni_net_open(&net, &options, &err), 0);
	struct uni_net_request request = { .url = unit_url("/status?status=503&times=99&b") };
	unsigned attempts = 0;
	for (unsigned i = 0; i < 3; i++) {
		struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
		assert_int_equal(unit_do(net, &request, &answer, &err), 0);
		attempts += answer.attempts;
	}
	assert_int_equal(attempts, 6); /* three, and three out of the budget */
}

static void test_length(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	unsigned attempts;
	assert_int_equal(fetch(unit_url("/bytes?size=1000"), 999, &buf, &attempts, &err),
			 UNI_E_CORRUPT);
	assert_int_equal(fetch(unit_url("/bytes?size=1000"), 1001, &buf, &attempts, &err),
			 UNI_E_CORRUPT);
	assert_int_equal(fetch(unit_url("/short?size=1000"), 1001, &buf, &attempts, &err),
			 UNI_E_CORRUPT);
	assert_int_equal(fetch(unit_url("/short?size=1000"), 1000, &buf, &attempts, &err), 0);
	assert_int_equal(fetch(unit_url("/short?size=1000"), 999, &buf, &attempts, &err),
			 UNI_E_CORRUPT);
	assert_true(buf.size <= 999);
	assert_int_equal(fetch(unit_url("/bytes?size=2000000"), 0, &buf, &attempts, &err),
			 UNI_E_LIMIT);
	assert_int_equal(buf.size, 0);
	assert_int_equal(fetch(unit_url("/endless"), 0, &buf, &attempts, &err), UNI_E_LIMIT);
	assert_true(buf.size <= 1 << 20);
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	assert_int_equal(unit_get(unit_url("/endless"), &answer, &err), UNI_E_LIMIT);
	assert_int_equal(unit_get(unit_url("/endless?status=404"), &answer, &err), 0);
	assert_int_equal(answer.status, 404);
	assert_int_equal(answer.body.size, 65536);
	assert_int_equal(unit_get(unit_url("/headers"), &answer, &err), UNI_E_LIMIT);
	assert_int_equal(unit_get(unit_url("/garbage"), &answer, &err), UNI_E_NETWORK);
}

static void test_slow(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	unsigned attempts;
	struct uni_net_options options = { .backoff_ms = 1, .stall_ms = 250, .stall_bytes = 64 };
	struct uni_net *hasty UNI_AUTO(uni_net) = NULL;
	assert_int_equal(uni_net_open(&hasty, &options, &err), 0);
	assert_int_equal(fetch_by(hasty, unit_url("/stall?times=1"), 0, &buf, &attempts, &err), 0);
	assert_string_equal(buf.data, "halffull");
	assert_true(attempts >= 2);
	assert_int_equal(fetch_by(hasty, unit_url("/drip"), 0, &buf, &attempts, &err),
			 UNI_E_TIMEOUT);
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net_request request = { .url = unit_url("/stall?times=99"), .deadline_ms = 100 };
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_TIMEOUT);
	assert_true(strstr(err.text, "within 100 ms") != NULL);
	request.deadline_ms = 0;
	request.attempt_ms = 20;
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_TIMEOUT);
}

static bool has_header(const struct uni_net_answer *answer, const char *name)
{
	char quoted[64];
	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return strstr(answer->body.data, quoted) != NULL;
}

static void test_redirect(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	const char *const headers[] = { "Cookie: c", "X-Amz-Security-Token: t", "X-Mine: m", NULL };
	struct uni_net_request request = { .url = unit_url("/redirect?to=/echo/same"),
					   .headers = headers,
					   .bearer = "token" };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_true(has_header(&answer, "authorization") && has_header(&answer, "cookie"));
	assert_string_equal(answer.url, unit_url("/echo/same"));

	char *other UNI_AUTO_FREE =
		uni_asprintf("http://127.0.0.1:%u/echo/other", unit_server.other);
	request.url = unit_url("/redirect?to=%s", other);
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_string_equal(answer.url, other);
	assert_false(has_header(&answer, "authorization") || has_header(&answer, "cookie") ||
		     has_header(&answer, "x-amz-security-token"));
	assert_true(has_header(&answer, "x-mine"));
	request.bearer = NULL;
	request.user = "u";
	request.password = "p";
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_false(has_header(&answer, "authorization"));

	/* Not even when the other sends it back. */
	char *back UNI_AUTO_FREE =
		uni_asprintf("http://127.0.0.1:%u/redirect%%3fto=http://127.0.0.1:%u/echo/back",
			     unit_server.other, unit_server.http);
	request.url = unit_url("/redirect?to=%s", back);
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_string_equal(answer.url, unit_url("/echo/back"));
	assert_false(has_header(&answer, "authorization"));

	request.url = unit_url("/loop");
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_LIMIT);
	request.url = unit_url("/redirect?to=file:///etc/passwd");
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_INVAL);
	request.no_redirect = true;
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_int_equal(answer.status, 302);
}

static void test_redirect_body(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *method, *becomes;
		unsigned size;
	} cases[] = { { 301, "POST", "GET", 0 }, { 302, "POST", "GET", 0 },
		      { 303, "PUT", "GET", 0 },	 { 307, "POST", "POST", 4 },
		      { 308, "PUT", "PUT", 4 },	 { 302, "PUT", "PUT", 4 } };
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	for (size_t i = 0; i < UNI_COUNT(cases); i++) {
		struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
		struct uni_net_request request = { .method = cases[i].method };
		request.url = unit_url("/redirect?status=%d&to=/echo", cases[i].status);
		request.body.data = "body";
		request.body.size = 4;
		assert_int_equal(unit_do(net, &request, &answer, &err), 0);
		struct uni_json *json UNI_AUTO(uni_json) = NULL;
		assert_int_equal(
			uni_json_parse(&json, "echo", answer.body.data, answer.body.size, &err), 0);
		uint64_t size;
		assert_true(uni_json_u64(uni_json_get(json, "size"), &size));
		assert_int_equal(size, cases[i].size);
		assert_string_equal(uni_json_text(uni_json_get(json, "method")), cases[i].becomes);
	}
}

static void test_nobody_there(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	assert_int_equal(unit_get("http://127.0.0.1:1/", &answer, &err), UNI_E_NETWORK);
	/* The sink's own trouble is not the network's, and ends it at once. */
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&buf, 10);
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct uni_net_request request = { .url = unit_url("/bytes?size=11"), .sink = sink };
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_LIMIT);
	uni_cancelled = 1;
	assert_int_equal(unit_get(unit_url("/bytes?size=12"), &answer, &err), UNI_E_CANCELLED);
	uni_cancelled = 0;
}

int unit_fault(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),	      cmocka_unit_test(test_status),
		cmocka_unit_test(test_methods),	      cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_budget),	      cmocka_unit_test(test_length),
		cmocka_unit_test(test_slow),	      cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_redirect_body), cmocka_unit_test(test_nobody_there),
	};
	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
