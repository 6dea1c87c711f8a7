/*
 * TLS with authorities and certificates of one's own, HTTP/2, proxies.
 */
#include "unit.h"

static struct uni_net *secure_client(bool ca, bool certificate)
{
	char *ca_file UNI_AUTO_FREE = uni_path_join(unit_server.dir, "server.pem");
	char *cert UNI_AUTO_FREE = uni_path_join(unit_server.dir, "client.pem");
	char *key UNI_AUTO_FREE = uni_path_join(unit_server.dir, "client.key");
	struct uni_net_options options = { .backoff_ms = 1 };
	if (ca)
		options.ca_file = ca_file;
	if (certificate) {
		options.client_cert = cert;
		options.client_key = key;
	}
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net *net = NULL;
	if (uni_net_open(&net, &options, &err) != 0)
		fail_msg("%s", err.text);
	return net;
}

static void test_tls(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = uni_asprintf("https://localhost:%u/echo", unit_server.tls);
	char *down UNI_AUTO_FREE = uni_asprintf("https://localhost:%u/redirect?to=%s",
						unit_server.tls, unit_url("/echo/down"));
	struct uni_net_request request = { .url = url };
	struct uni_net *stranger UNI_AUTO(uni_net) = secure_client(false, false);
	assert_int_equal(unit_do(stranger, &request, &answer, &err), UNI_E_AUTH);
	assert_true(strstr(err.hint, "--ca-file") != NULL);
	struct uni_net *net UNI_AUTO(uni_net) = secure_client(true, false);
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_null(strstr(answer.body.data, "the-client"));
	struct uni_net *known UNI_AUTO(uni_net) = secure_client(true, true);
	assert_int_equal(unit_do(known, &request, &answer, &err), 0);
	assert_non_null(strstr(answer.body.data, "the-client"));
	request.url = down;
	assert_int_equal(unit_do(net, &request, &answer, &err), UNI_E_DENIED);
}

static int protocol(void *user, int rc, struct uni_net_answer *answer, struct uni_err *err)
{
	struct uni_strv *connections = user;
	if (rc == 0)
		rc = uni_net_check(answer, err);
	if (rc != 0)
		return rc;
	const char *connection = uni_net_answer_header(answer, "x-connection");
	if (!uni_str_eq(uni_net_answer_header(answer, "x-protocol"), "HTTP/2.0"))
		return uni_err_set(err, UNI_E_DIFFERS, "not HTTP/2");
	if (!uni_strv_has(connections, connection))
		uni_strv_add(connections, connection);
	return answer->body.size % 1000 == 0 && unit_is_content(&answer->body, 0, answer->body.size)
		       ? 0
		       : uni_err_set(err, UNI_E_CORRUPT, "other bytes");
}

static void test_http2(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_strv connections UNI_AUTO_STRV = { .items = NULL };
	struct uni_net *net UNI_AUTO(uni_net) = secure_client(true, false);
	for (unsigned i = 0; i < 40; i++) {
		char *url UNI_AUTO_FREE =
			uni_asprintf("https://localhost:%u/%u", unit_server.nginx, i);
		struct uni_net_request request = { .url = url,
						   .done = protocol,
						   .user_data = &connections };
		assert_int_equal(uni_net_start(net, &request, &err), 0);
	}
	if (uni_net_run(net, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(connections.count, 1); /* all over one */
}

static void test_proxy(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *proxy UNI_AUTO_FREE = uni_asprintf("http://127.0.0.1:%u", unit_server.other);
	struct uni_net_options options = { .proxy = proxy };
	struct uni_net *net UNI_AUTO(uni_net) = NULL;
	assert_int_equal(uni_net_open(&net, &options, &err), 0);
	struct uni_net_request request = { .url = "http://nowhere.invalid/thing" };
	assert_int_equal(unit_do(net, &request, &answer, &err), 0);
	assert_non_null(strstr(answer.body.data, "\"http://nowhere.invalid/thing\""));
	struct uni_net *other UNI_AUTO(uni_net) = NULL;
	setenv("http_proxy", proxy, 1);
	setenv("no_proxy", "127.0.0.1", 1);
	assert_int_equal(uni_net_open(&other, NULL, &err), 0);
	assert_int_equal(unit_do(other, &request, &answer, &err), 0);
	assert_non_null(strstr(answer.body.data, "\"proxied\": true"));
	request.url = unit_url("/echo/direct");
	assert_int_equal(unit_do(other, &request, &answer, &err), 0);
	assert_non_null(strstr(answer.body.data, "\"proxied\": false"));
	unsetenv("http_proxy");
	unsetenv("no_proxy");
}

static void test_env(void **state)
{
	(void)state;
	struct uni_net_options options = { .proxy = "given" };
	setenv("SSL_CERT_FILE", "third", 1);
	setenv("CURL_CA_BUNDLE", "second", 1);
	setenv("UNI_PROXY", "other", 1);
	uni_net_options_env(&options);
	assert_string_equal(options.ca_file, "second");
	assert_string_equal(options.proxy, "given");
	assert_null(options.client_key);
	unsetenv("SSL_CERT_FILE");
	unsetenv("CURL_CA_BUNDLE");
	unsetenv("UNI_PROXY");
}

int unit_secure(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_http2),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_env),
	};
	return cmocka_run_group_tests_name("secure", tests, NULL, NULL);
}
