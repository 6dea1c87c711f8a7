/*
 * What the files of the client share. A transfer is a request on its way: queued, under way as one
 * of libcurl's easy handles, or waiting to be tried again.
 */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <sys/queue.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>
#include <uni/net/net.h>

#define CURL_FNS(X)                                                                                \
	X(curl_global_init)                                                                        \
	X(curl_easy_init)                                                                          \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_strerror)                                                                      \
	X(curl_easy_pause)                                                                         \
	X(curl_multi_init)                                                                         \
	X(curl_multi_setopt)                                                                       \
	X(curl_multi_add_handle)                                                                   \
	X(curl_multi_remove_handle)                                                                \
	X(curl_multi_perform)                                                                      \
	X(curl_multi_info_read)                                                                    \
	X(curl_multi_poll)                                                                         \
	X(curl_multi_cleanup)                                                                      \
	X(curl_multi_strerror)                                                                     \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)                                                                     \
	X(curl_url)                                                                                \
	X(curl_url_set)                                                                            \
	X(curl_url_get)                                                                            \
	X(curl_url_cleanup)                                                                        \
	X(curl_url_strerror)                                                                       \
	X(curl_getdate)                                                                            \
	X(curl_free)

struct net_curl {
	CURL_FNS(UNI_LAZY_FIELD)
};
extern struct net_curl net_curl;
int net_curl_load(struct uni_err *err);

#define REDIRECTS_MAX 10
#define ERROR_BODY_MAX (64u << 10)
#define PLAIN_BODY_MAX (1u << 20)
#define HEADERS_MAX (256u << 10)

/* The one who waits in uni_net_do. */
struct waiter {
	bool ended;
	int rc;
	struct uni_net_answer *answer;
	struct uni_err *err;
};

struct transfer {
	TAILQ_ENTRY(transfer) link;
	struct transfer *next_dead;
	struct uni_net *net;
	struct uni_net_request request; /* its texts are ours */
	struct uni_strv headers;
	struct waiter *waiter;
	uint64_t size; /* UNI_SIZE_UNKNOWN, or what the body must have */

	char *url;    /* of this hop; request.url is the first */
	bool get;     /* a redirect made a GET of it */
	bool foreign; /* a redirect left the origin */
	unsigned redirects;
	unsigned failures; /* since it last got on */
	uint64_t not_before, first_ns;

	/* of this attempt */
	CURL *easy;
	struct curl_slist *sent;
	char trouble[CURL_ERROR_SIZE];
	struct uni_source *body;
	uint64_t body_at;
	uint64_t attempt_ns, window_ns, window_bytes;
	uint64_t header_bytes;
	uint64_t skip;	 /* of the body, which the sink has had */
	uint64_t before; /* delivered, when it began */
	bool ranged;	 /* asked for a part */
	bool begun, enough;
	struct uni_err failure; /* of a callback; ends the transfer */

	uint64_t delivered; /* to sink or stream, by all attempts */
	char *etag;	    /* strong, of the body that is delivered */
	struct uni_net_answer answer;
};
TAILQ_HEAD(transfers, transfer);

struct uni_net {
	struct uni_net_options options;
	CURLM *multi;
	struct transfers waiting, active;
	struct transfer *dead; /* ended, not yet freed */
	size_t pending, active_count;
	unsigned budget; /* in tenths */
	bool answered;	 /* by whatever server */
};

/* client.c */
int net_start(struct uni_net *net, const struct uni_net_request *request, struct transfer **out,
	      struct uni_err *err);
int net_step(struct uni_net *net, struct uni_err *err);
void net_drop(struct transfer *transfer);

/* attempt.c: makes the easy handle ready; frees what belongs to an attempt. */
int net_attempt_start(struct transfer *transfer, struct uni_err *err);
void net_attempt_end(struct transfer *transfer);
/* The body has its end; also when it has no byte. */
int net_body_end(struct transfer *transfer, struct uni_err *err);

/* retry.c */
enum verdict { VERDICT_DONE, VERDICT_AGAIN };
/* What becomes of an attempt that ended so; for VERDICT_AGAIN transfer->not_before is set. For
 * VERDICT_DONE 0 (the answer stands) or an error. */
enum verdict net_judge(struct transfer *transfer, CURLcode result, int *rc, struct uni_err *err);
/* Follows when the answer says so: 1 followed, 0 not one, negative: must not. */
int net_redirect(struct transfer *transfer, struct uni_err *err);
bool net_status_ok(int status);
bool net_may_repeat(const struct transfer *transfer);
const char *net_method(const struct transfer *transfer);

/* url.c */
int net_url_check(const char *url, struct uni_err *err);

#endif
