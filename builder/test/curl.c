/*
 * The library, and what all requests have in common.
 */
#include "curl.h"

#include <pthread.h>
#include <uni/base/text.h>

static const char *const names[] = { TEST_CURL_FNS(UNI_LAZY_NAME) };
struct test_curl test_curl;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool ready;

int test_curl_load(struct uni_err *err)
{
	int status = uni_lazy_load("libcurl.so.4", names, UNI_COUNT(names), &test_curl, err);

	if (status != 0)
		return status;
	/* Not safe beside itself before 7.84, nor with every TLS library after. */
	pthread_mutex_lock(&lock);
	if (!ready && test_curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		status = uni_err_set(err, UNI_E_NOMEM, "libcurl cannot be used");
	ready = status == 0;
	pthread_mutex_unlock(&lock);
	return status;
}

CURL *test_curl_request(const char *scheme, const char *host, uint16_t port, uint16_t ours,
			const char *target, struct curl_slist **connect_to)
{
	UNI_AUTO_FREE char *url = uni_asprintf("%s://%s:%u%s", scheme, host, port, target);
	UNI_AUTO_FREE char *to = uni_asprintf("::127.0.0.1:%u", ours);
	CURL *easy = test_curl.curl_easy_init();

	if (easy == NULL)
		return NULL;
	*connect_to = test_curl.curl_slist_append(NULL, to);
	test_curl.curl_easy_setopt(easy, CURLOPT_URL, url);
	test_curl.curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *connect_to);
	test_curl.curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	test_curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	test_curl.curl_easy_setopt(easy, CURLOPT_PROXY, "");
	test_curl.curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	test_curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	test_curl.curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	test_curl.curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	test_curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, "uni-test");
	test_curl.curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	return easy;
}
