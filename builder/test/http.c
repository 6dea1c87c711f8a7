/*
 * [[test.http]]: requests by libcurl, and what must come. Until a port has answered once it is
 * asked again and again: the emulator takes connections before there is a machine behind them.
 */
#include <string.h>

#include "curl.h"
#include "run.h"

#define BODY_MAX (256u << 20)
#define FIELDS_MAX (1u << 20)
#define PAUSE_NS 5000000u

struct response {
	struct uni_buf body;
	struct uni_buf fields; /* "name: value\r\n" of the last head */
	bool too_long;
};

struct exchange {
	CURL *easy;
	CURLM *multi;
	struct curl_slist *connect_to, *headers;
	struct response response;
	char trouble[CURL_ERROR_SIZE];
};

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
	struct response *response = user;

	if (size * count > BODY_MAX - response->body.size) {
		response->too_long = true;
		return 0;
	}
	uni_buf_add(&response->body, data, size * count);
	return size * count;
}

static size_t take_field(char *data, size_t size, size_t count, void *user)
{
	struct response *response = user;

	if (size * count > FIELDS_MAX - response->fields.size) {
		response->too_long = true;
		return 0;
	}
	/* Another head follows one of status 100. */
	if (size * count >= 5 && memcmp(data, "HTTP/", 5) == 0)
		uni_buf_clear(&response->fields);
	else
		uni_buf_add(&response->fields, data, size * count);
	return size * count;
}

static void set_body(CURL *easy, const struct uni_recipe_step *step)
{
	if (step->send != NULL) {
		test_curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					   (curl_off_t)strlen(step->send));
		test_curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDS, step->send);
	}
	if (uni_str_eq(step->method, "HEAD"))
		test_curl.curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		test_curl.curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, step->method);
}

static int open_exchange(struct exchange *exchange, const struct uni_recipe_step *step,
			 uint16_t ours, struct uni_err *err)
{
	CURL *easy = test_curl_request(step->tls ? "https" : "http", step->host, step->port, ours,
				       step->target, &exchange->connect_to);

	exchange->easy = easy;
	exchange->multi = test_curl.curl_multi_init();
	if (easy == NULL || exchange->multi == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "libcurl has no memory");
	for (size_t i = 0; i < step->header_count; i++) {
		/* libcurl leaves a field out that is empty, unless it is written so. */
		UNI_AUTO_FREE char *line =
			uni_asprintf(step->headers[i].value[0] != '\0' ? "%s: %s" : "%s;",
				     step->headers[i].name, step->headers[i].value);

		exchange->headers = test_curl.curl_slist_append(exchange->headers, line);
	}
	test_curl.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
	test_curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	test_curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange->response);
	test_curl.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_field);
	test_curl.curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange->response);
	test_curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->trouble);
	test_curl.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER,
				   step->ca.kind != UNI_INPUT_NONE ? 1L : 0L);
	test_curl.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
				   step->ca.kind != UNI_INPUT_NONE ? 2L : 0L);
	if (step->ca.kind != UNI_INPUT_NONE)
		test_curl.curl_easy_setopt(easy, CURLOPT_CAINFO, step->ca.path);
	set_body(easy, step);
	return 0;
}

static void close_exchange(struct exchange *exchange)
{
	if (exchange->easy != NULL)
		test_curl.curl_easy_cleanup(exchange->easy);
	if (exchange->multi != NULL)
		test_curl.curl_multi_cleanup(exchange->multi);
	test_curl.curl_slist_free_all(exchange->connect_to);
	test_curl.curl_slist_free_all(exchange->headers);
	uni_buf_free(&exchange->response.body);
	uni_buf_free(&exchange->response.fields);
}

/* TEST_READY with `*code`, TEST_LATE, TEST_ENDED, or negative. */
static int drive(const struct test_run *run, struct exchange *exchange, uint64_t limit_ns,
		 CURLcode *code, struct uni_err *err)
{
	bool ended = false;

	for (;;) {
		struct curl_waitfd end = { .fd = uni_machine_end_fd(run->machine),
					   .events = CURL_WAIT_POLLIN };
		int running = 0, left = 0;
		CURLMsg *message;

		if (test_curl.curl_multi_perform(exchange->multi, &running) != CURLM_OK)
			return uni_err_set(err, UNI_E_IO, "libcurl cannot go on");
		message = test_curl.curl_multi_info_read(exchange->multi, &left);
		if (message != NULL && message->msg == CURLMSG_DONE) {
			*code = message->data.result;
			return TEST_READY;
		}
		/* What was sent before the end has been read now. */
		if (ended)
			return TEST_ENDED;
		if (uni_clock_mono_ns() >= limit_ns)
			return TEST_LATE;
		if (test_curl.curl_multi_poll(exchange->multi, &end, 1, test_timeout_ms(limit_ns),
					      NULL) != CURLM_OK)
			return uni_err_set(err, UNI_E_IO, "libcurl cannot wait");
		if (uni_check_cancel(err) != 0)
			return err->code;
		ended = end.revents != 0 || test_ended(run);
	}
}

static int perform(const struct test_run *run, struct exchange *exchange, uint64_t limit_ns,
		   CURLcode *code, struct uni_err *err)
{
	int waited;

	uni_buf_clear(&exchange->response.body);
	uni_buf_clear(&exchange->response.fields);
	exchange->response.too_long = false;
	exchange->trouble[0] = '\0';
	test_curl.curl_multi_add_handle(exchange->multi, exchange->easy);
	waited = drive(run, exchange, limit_ns, code, err);
	test_curl.curl_multi_remove_handle(exchange->multi, exchange->easy);
	return waited;
}

/* Again until there is an answer: attempts are given up after a while that grows. */
static int first_answer(struct test_run *run, struct exchange *exchange, CURLcode *code,
			struct uni_err *err)
{
	struct test_patience patience = TEST_PATIENCE_INIT;

	for (;;) {
		uint64_t until = test_patience_next(&patience, run->limit_ns);
		int waited = perform(run, exchange, until, code, err);
		uint64_t pause;

		if (waited == TEST_READY && *code == CURLE_OK)
			return TEST_READY;
		if (waited < 0 || waited == TEST_ENDED)
			return waited;
		/* A certificate that is refused will not be better the next time. */
		if (waited == TEST_READY &&
		    (*code == CURLE_PEER_FAILED_VERIFICATION || exchange->response.too_long))
			return TEST_READY;
		if (uni_clock_mono_ns() >= run->limit_ns)
			return TEST_LATE;
		pause = uni_clock_mono_ns() + PAUSE_NS;
		if (waited == TEST_READY) {
			waited = test_wait(run, -1, 0, pause < until ? pause : until, err);
			if (waited < 0 || waited == TEST_ENDED)
				return waited;
		}
	}
}

static char *describe(const struct uni_recipe_step *step)
{
	return uni_asprintf("%s %s on port %u", step->method, step->target, step->port);
}

static int fail(const struct test_run *run, const struct uni_recipe_step *step, const char *part,
		const char *expected, const char *came, struct uni_err *err)
{
	UNI_AUTO_FREE char *request = describe(step);
	UNI_AUTO_FREE char *what = uni_asprintf("%s: %s", request, part);

	return test_fail(run, what, expected, came, err);
}

/* The value of a field, of several joined as one list (RFC 9110, section 5.3); owned, or NULL. */
static char *find_field(const struct response *response, const char *name)
{
	UNI_AUTO_BUF struct uni_buf value = UNI_BUF_INIT;
	const char *line = uni_buf_text(&response->fields);
	bool found = false;

	while (*line != '\0') {
		size_t size = strcspn(line, "\r\n");
		size_t length = strlen(name);

		if (size > length && line[length] == ':' && strncasecmp(line, name, length) == 0) {
			const char *from = line + length + 1;
			const char *to = line + size;

			from += strspn(from, " \t");
			while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
				to--;
			if (found)
				uni_buf_puts(&value, ", ");
			uni_buf_add(&value, from, to > from ? (size_t)(to - from) : 0);
			found = true;
		}
		line += size;
		line += strspn(line, "\r\n");
	}
	return found ? uni_buf_take(&value) : NULL;
}

static int check_fields(const struct test_run *run, const struct uni_recipe_step *step,
			const struct response *response, struct uni_err *err)
{
	for (size_t i = 0; i < step->expect_header_count; i++) {
		const struct uni_recipe_header *header = &step->expect_headers[i];
		UNI_AUTO_FREE char *value = find_field(response, header->name);
		UNI_AUTO_FREE char *part = uni_asprintf("header %s", header->name);
		UNI_AUTO_BUF struct uni_buf expected = UNI_BUF_INIT, came = UNI_BUF_INIT;

		if (value != NULL && test_match(&header->match, value, strlen(value)))
			continue;
		test_match_describe(&header->match, &expected);
		if (value == NULL)
			uni_buf_puts(&came, "there is no such header");
		else
			test_show(value, strlen(value), &came);
		return fail(run, step, part, expected.data, came.data, err);
	}
	return 0;
}

static int check_answer(const struct test_run *run, const struct uni_recipe_step *step,
			const struct exchange *exchange, struct uni_err *err)
{
	const struct response *response = &exchange->response;
	UNI_AUTO_BUF struct uni_buf expected = UNI_BUF_INIT, came = UNI_BUF_INIT;
	long status = 0;

	test_curl.curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != (long)step->status) {
		uni_buf_printf(&expected, "%u", step->status);
		uni_buf_printf(&came, "%ld%s", status, response->body.size != 0 ? "\n" : "");
		test_show(response->body.data, response->body.size, &came);
		return fail(run, step, "status", expected.data, came.data, err);
	}
	if (check_fields(run, step, response, err) != 0)
		return err->code;
	if (test_match(&step->expect, response->body.data, response->body.size))
		return 0;
	test_match_describe(&step->expect, &expected);
	test_show(response->body.data, response->body.size, &came);
	return fail(run, step, "body", expected.data, came.data, err);
}

static int no_answer(struct test_run *run, const struct uni_recipe_step *step,
		     const struct exchange *exchange, int waited, CURLcode code,
		     struct uni_err *err)
{
	UNI_AUTO_FREE char *what = describe(step);
	const char *trouble = exchange->trouble;

	if (waited < 0)
		return waited;
	if (waited == TEST_ENDED)
		return test_fail_ended(run, what, "an answer", err);
	if (waited == TEST_READY && trouble[0] == '\0')
		trouble = test_curl.curl_easy_strerror(code);
	if (exchange->response.too_long)
		trouble = "the answer is over the limits of this test";
	if (waited == TEST_LATE)
		return test_fail_late(run, what, "an answer", trouble, err);
	return test_fail(run, what, "an answer", trouble, err);
}

int test_http(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err)
{
	struct test_port *port = test_run_port(run, step->port, false);
	struct exchange exchange = { .easy = NULL };
	CURLcode code = CURLE_OK;
	int status = test_curl_load(err);

	if (status != 0)
		return status;
	status = open_exchange(&exchange, step, port->forward.host, err);
	for (unsigned i = 0; status == 0 && i < step->repeat; i++) {
		int waited = port->answered ? perform(run, &exchange, run->limit_ns, &code, err)
					    : first_answer(run, &exchange, &code, err);

		if (waited != TEST_READY || code != CURLE_OK) {
			status = no_answer(run, step, &exchange, waited, code, err);
			break;
		}
		port->answered = true;
		status = check_answer(run, step, &exchange, err);
	}
	close_exchange(&exchange);
	return status;
}
