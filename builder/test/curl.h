/*
 * libcurl, loaded when the first request is made. Only this machine's loopback is asked: no
 * proxies, no redirects, no configuration of the user's.
 */
#ifndef UNI_TEST_CURL_H
#define UNI_TEST_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <uni/base/system.h>

#define TEST_CURL_FNS(X)                                                                           \
	X(curl_global_init)                                                                        \
	X(curl_easy_init)                                                                          \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_strerror)                                                                      \
	X(curl_multi_init)                                                                         \
	X(curl_multi_cleanup)                                                                      \
	X(curl_multi_setopt)                                                                       \
	X(curl_multi_add_handle)                                                                   \
	X(curl_multi_remove_handle)                                                                \
	X(curl_multi_perform)                                                                      \
	X(curl_multi_poll)                                                                         \
	X(curl_multi_info_read)                                                                    \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)

struct test_curl {
	TEST_CURL_FNS(UNI_LAZY_FIELD)
};
extern struct test_curl test_curl;

int test_curl_load(struct uni_err *err);

/* A handle for `target` ("/path") of a machine's port, known here as 127.0.0.1:`ours`. */
CURL *test_curl_request(const char *scheme, const char *host, uint16_t port, uint16_t ours,
			const char *target, struct curl_slist **connect_to);

#endif
