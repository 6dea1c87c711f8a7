/*
 * What goes well: methods, headers, bodies in and out, ranges, many at once, hooks.
 */
#include "../io/source_of.h"
#include "unit.h"
#include <unistd.h>

static struct uni_json *told(const struct uni_net_answer *answer)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_json *json = NULL;
	if (uni_json_parse(&json, "echo", answer->body.data, answer->body.size, &err) != 0)
		fail_msg("%s", err.text);
	return json;
}

static const char *told_header(const struct uni_json *json, const char *name)
{
	return uni_json_text(uni_json_get(uni_json_get(json, "headers"), name));
}

static void test_get(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	const char *const headers[] = { "X-One: 1", "Accept: text/plain", "X-Empty:", NULL };
	struct uni_net_request request = { .url = unit_url("/echo/get?a=b"), .headers = headers };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.attempts, 1);
	assert_string_equal(answer.url, request.url);
	assert_string_equal(uni_net_answer_header(&answer, "etag"), "\"an-echo\"");
	assert_null(uni_net_answer_header(&answer, "eta"));
	struct uni_json *json UNI_AUTO(uni_json) = told(&answer);
	assert_string_equal(uni_json_text(uni_json_get(json, "method")), "GET");
	assert_string_equal(told_header(json, "x-one"), "1");
	assert_string_equal(told_header(json, "x-empty"), "");
	assert_string_equal(told_header(json, "accept"), "text/plain");
	assert_true(uni_str_starts(told_header(json, "user-agent"), "uni/"));
	assert_null(told_header(json, "authorization"));
	assert_null(told_header(json, "content-type"));
}

static void check_sent(const struct uni_net_answer *answer, const char *method, const void *data,
		       size_t size)
{
	struct uni_digest digest = uni_digest_of(data, size);
	char text[UNI_DIGEST_TEXT];
	uint64_t number;
	struct uni_json *json UNI_AUTO(uni_json) = told(answer);
	uni_digest_text(&digest, text);
	assert_string_equal(uni_json_text(uni_json_get(json, "method")), method);
	assert_true(uni_json_u64(uni_json_get(json, "size"), &number));
	assert_int_equal(number, size);
	assert_string_equal(uni_json_text(uni_json_get(json, "sha256")), text + 7);
	assert_null(told_header(json, "expect"));
}

static int open_memory(void *user, struct uni_source **source, struct uni_err *err)
{
	(void)err;
	const struct uni_buf *buf = user;
	*source = source_of(buf->data, buf->size);
	return 0;
}

static void test_bodies(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	for (unsigned i = 0; buf.size < 3000000; i++)
		uni_buf_printf(&buf, "%u ", i);
	struct uni_net_request request = { .method = "PUT", .url = unit_url("/echo/put") };
	request.body.data = buf.data;
	request.body.size = buf.size;
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	check_sent(&answer, "PUT", buf.data, buf.size);

	const char *path = unit_path(state, "body");
	assert_int_equal(uni_file_write(path, buf.data, buf.size, 0600, &err), 0);
	int fd UNI_AUTO_CLOSE = -1;
	assert_int_equal(uni_lock(path, false, false, &fd, &err), 0); /* opens it */
	request.method = "PATCH";
	request.body = (struct uni_net_body){ .fd = fd, .offset = 1000, .size = 500001 };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	check_sent(&answer, "PATCH", buf.data + 1000, 500001);
	request.body.offset = buf.size - 10; /* the file ends too early */
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_CHANGED);

	request.method = "POST";
	request.body = (struct uni_net_body){ .open = open_memory, .user = &buf, .size = buf.size };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	check_sent(&answer, "POST", buf.data, buf.size);
	request.body.size = UNI_SIZE_UNKNOWN;
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	check_sent(&answer, "POST", buf.data, buf.size);
	request.body = (struct uni_net_body){ .size = 0 };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	check_sent(&answer, "POST", "", 0);
	request.method = "DELETE";
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	check_sent(&answer, "DELETE", "", 0);
	request.method = "HEAD";
	request.url = unit_url("/bytes?size=100000");
	request.limit = 1000; /* of a body, and there is none */
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_string_equal(uni_net_answer_header(&answer, "content-length"), "100000");
	assert_int_equal(answer.body.size, 0);
}

static void test_sink_and_range(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&buf, 1 << 20);
	uint64_t size = 500;
	struct uni_net_request request = { .url = unit_url("/bytes?size=100000"),
					   .sink = sink,
					   .range_start = 1001,
					   .range_size = 500,
					   .size = &size };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_int_equal(answer.status, 206);
	assert_int_equal(uni_sink_finish(sink, &err), 0);
	assert_true(unit_is_content(&buf, 1001, 500));
	request.sink = NULL;
	request.range_size = 0;
	size = 100000 - 1001;
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_true(unit_is_content(&answer.body, 1001, 100000 - 1001));
	request.url = unit_url("/bytes?size=100000&noranges");
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_UNSUPPORTED);
	request.url = unit_url("/bytes?size=100000&wrongrange");
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_CORRUPT);
}

struct count {
	struct uni_net *net;
	unsigned done, more, sum;
};

static int count_one(void *user, int rc, struct uni_net_answer *answer, struct uni_err *err)
{
	struct count *count = user;
	if (rc == 0)
		rc = uni_net_check(answer, err);
	if (rc != 0)
		return rc;
	count->done++;
	count->sum += (unsigned)answer->body.size;
	struct uni_net_request request = { .url = unit_url("/bytes?size=%u", count->more),
					   .done = count_one,
					   .user_data = count };
	/* One more for each that is done, and one in the midst. */
	if (count->more == 0)
		return 0;
	count->more--;
	rc = uni_net_start(count->net, &request, err);
	struct uni_net_answer own UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	request.done = NULL;
	return rc != 0 ? rc : uni_net_do(count->net, &request, &own, err);
}

static void test_many(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct count count = { .net = net, .more = 40 };
	for (unsigned i = 0; i < 20; i++) {
		struct uni_net_request request = { .url = unit_url("/bytes?size=%u", i),
						   .done = count_one,
						   .user_data = &count };
		assert_int_equal(uni_net_start(net, &request, &err), 0);
	}
	if (uni_net_run(net, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(count.done, 60);
	assert_int_equal(count.sum, 19 * 20 / 2 + 40 * 41 / 2);

	struct uni_net_request request = { .url = unit_url("/bytes?size=1") };
	struct uni_net_request bad = { .url = unit_url("/nothing"),
				       .done = count_one,
				       .user_data = &count };
	uni_net_start(net, &bad, &err);
	for (unsigned i = 0; i < 50; i++)
		uni_net_start(net, &request, &err);
	assert_int_equal(uni_net_run(net, &err), UNI_E_NOENT);
}

static int sign(void *user, const struct uni_net_attempt *attempt, struct uni_strv *headers,
		struct uni_err *err)
{
	unsigned *calls = user;
	++*calls;
	if (*calls > 9)
		return uni_err_set(err, UNI_E_AUTH, "no more signatures");
	uni_strv_addf(headers, "X-Signed: %s %s %u", attempt->method, strrchr(attempt->url, '/'),
		      attempt->number);
	return 0;
}

static void test_auth(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	unsigned calls = 0;
	struct uni_net_request request = { .url = unit_url("/echo/auth"),
					   .bearer = "the-token",
					   .authorise = sign,
					   .authorise_user = &calls };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	struct uni_json *json UNI_AUTO(uni_json) = told(&answer);
	assert_string_equal(told_header(json, "authorization"), "Bearer the-token");
	assert_string_equal(told_header(json, "x-signed"), "GET /auth 1");
	request.url = unit_url("/status?status=503&times=3");
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_int_equal(calls, 5); /* each attempt anew */
	calls = 9;
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_AUTH);
	struct uni_net_request basic = { .url = unit_url("/echo/basic"),
					 .user = "me",
					 .password = "a:b" };
	assert_int_equal(unit_do(net, &basic, &answer, &err), 0);
	struct uni_json *second UNI_AUTO(uni_json) = told(&answer);
	assert_string_equal(told_header(second, "authorization"), "Basic bWU6YTpi");
}

static void test_addresses(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	static const struct {
		const char *base, *relative, *joined;
	} joins[] = {
		{ "https://a.example/v2/x", "/v2/y?z=1", "https://a.example/v2/y?z=1" },
		{ "https://a.example/v2/x/", "y", "https://a.example/v2/x/y" },
		{ "https://a.example/v2/x", "../y", "https://a.example/y" },
		{ "https://a.example/", "http://b.example:5000/c", "http://b.example:5000/c" },
		{ "https://a.example/", "//b.example/c", "https://b.example/c" },
	};
	for (size_t i = 0; i < UNI_COUNT(joins); i++) {
		char *joined UNI_AUTO_FREE = NULL;
		assert_int_equal(uni_net_url_join(joins[i].base, joins[i].relative, &joined, &err),
				 0);
		assert_string_equal(joined, joins[i].joined);
	}
	assert_true(uni_net_same_origin("https://A.example/x", "https://a.example:443/y"));
	assert_false(uni_net_same_origin("https://a.example/x", "http://a.example/x"));
	assert_false(uni_net_same_origin("https://a.example/x", "https://a.example:444/x"));
	assert_false(uni_net_same_origin("https://a.example/x", "https://a.example.org/x"));
	char *plain UNI_AUTO_FREE = uni_net_url_plain("https://u:p@h/x?secret=1#f");
	assert_string_equal(plain, "https://h/x");
	struct uni_buf buf UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_net_escape(&buf, "a b/ü~%", "/");
	assert_string_equal(buf.data, "a%20b/%C3%BC~%25");
	static const char *const refused[] = { "ftp://h/x",	   "file:///etc/passwd",
					       "https://u:p@h/x",  "nonsense",
					       "https://u@h/x",	   "gopher://h/",
					       "https://h:99999/", "" };
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	for (size_t i = 0; i < UNI_COUNT(refused); i++) {
		struct uni_net_request request = { .url = refused[i] };
		assert_int_equal(uni_net_start(net, &request, &err), UNI_E_INVAL);
	}
	const char *const split[] = { "X: a\r\nY: b", NULL };
	struct uni_net_request request = { .url = "http://h/", .headers = split };
	assert_int_equal(uni_net_start(net, &request, &err), UNI_E_INVAL);
}

int unit_plain(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		DIR_TEST(test_bodies),
		cmocka_unit_test(test_sink_and_range),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_auth),
		cmocka_unit_test(test_addresses),
	};
	return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
