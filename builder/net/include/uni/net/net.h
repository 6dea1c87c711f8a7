/*
 * One HTTP client for whatever goes over the network: many transfers in flight in one thread, by
 * libcurl, which is loaded with the first client.
 *
 *	struct uni_net *net UNI_AUTO(uni_net) = NULL;
 *	rc = uni_net_open(&net, NULL, err);
 *	struct uni_net_request request = { .url = url, .sink = sink, .limit = 1 << 20 };
 *	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
 *	rc = uni_net_do(net, &request, &answer, err);
 *	if (rc == 0) rc = uni_net_check(&answer, err);
 *
 * This is the one layer that tries again: after a connection that failed or stalled, 408, 429 and
 * 500, 502, 503, 504, for requests that may be repeated, waiting with full jitter or as Retry-After
 * says, out of a budget that all requests of a client share. A body that is cut off goes on where
 * it was by a range, and the sink sees each byte once. An answer of any status is an answer: only
 * what brought none is an error.
 *
 * Redirects are followed here, never by libcurl. To another origin (scheme, host, port) goes no
 * credential: no hook is asked, Authorization, Cookie and X-Amz-* headers stay behind, for the rest
 * of that request. From https to http nothing is followed.
 *
 * RFC 9110, RFC 9112, RFC 9113, RFC 6585 (429). A client belongs to one thread.
 */
#ifndef UNI_NET_NET_H
#define UNI_NET_NET_H

#include <uni/io/source.h>

struct uni_net;

struct uni_net_options {
	const char *ca_file;	 /* PEM; NULL: the system's authorities */
	const char *client_cert; /* PEM; with its key in it unless client_key is there */
	const char *client_key;
	const char *proxy;		 /* NULL: as http_proxy, https_proxy, no_proxy say */
	const struct uni_events *events; /* notes on what is tried again; or NULL */
	unsigned in_flight;		 /* transfers at once; 0: 16 */
	unsigned attempts;		 /* of a request; 0: 5 */
	unsigned first_attempts;	 /* until anything has answered this client; 0: as many */
	unsigned budget;	 /* repetitions of all requests together, each that went well
				    gives some back; 0: 50 */
	unsigned backoff_ms;	 /* of the first repetition, doubled each time; 0: 500 */
	unsigned backoff_max_ms; /* 0: 20 s. A Retry-After may be six times as long. */
	unsigned connect_ms;	 /* 0: 15 s */
	unsigned stall_ms;	 /* in which at least stall_bytes must move; 0: 60 s */
	unsigned stall_bytes;	 /* 0: 1024 */
};

/* Fills in what UNI_CA_FILE, CURL_CA_BUNDLE, SSL_CERT_FILE, UNI_CLIENT_CERT, UNI_CLIENT_KEY and
 * UNI_PROXY say, where the caller left NULL, and UNI_STALL_SECONDS where it left 0. */
void uni_net_options_env(struct uni_net_options *options);

/* `options` NULL: all by default and environment. What it points to is copied but for events. */
int uni_net_open(struct uni_net **net, const struct uni_net_options *options, struct uni_err *err);
void uni_net_free(struct uni_net *net); /* drops what is under way; `done` is not called for it */
UNI_AUTO_DEFINE(uni_net)

struct uni_net_answer {
	int status;
	char *url;		 /* that answered: the last of the redirects */
	struct uni_strv headers; /* "name: value", names in lower case */
	struct uni_buf body;	 /* without a sink; and of a status beyond 2xx, cut at 64 KiB */
	uint64_t size;		 /* bytes of the body */
	unsigned attempts;
};
#define UNI_NET_ANSWER_INIT                                                                        \
	{                                                                                          \
		.status = 0                                                                        \
	}
#define UNI_AUTO_NET_ANSWER __attribute__((cleanup(uni_net_answer_free)))
void uni_net_answer_free(struct uni_net_answer *answer); /* may be used again afterwards */
/* The first header of that (lower-case) name, or NULL. */
const char *uni_net_answer_header(const struct uni_net_answer *answer, const char *name);
/* 2xx and 304 are fine; else an error by status: 401, 403, 407 UNI_E_AUTH, 404, 410 UNI_E_NOENT,
 * other 4xx UNI_E_INVAL, the rest UNI_E_NETWORK. What the server says about it is named. */
int uni_net_check(const struct uni_net_answer *answer, struct uni_err *err);

/* What is sent: nothing, or one of memory, a part of a file, a stream. Sent anew on repetition. */
struct uni_net_body {
	const void *data; /* borrowed until done */
	int fd;		  /* with data NULL, open NULL, size not 0: read by pread; borrowed */
	uint64_t offset;  /* in fd */
	uint64_t size;	  /* of all that is sent; UNI_SIZE_UNKNOWN for a stream is chunked */
	/* A stream: opened for each attempt, freed here. */
	int (*open)(void *user, struct uni_source **source, struct uni_err *err);
	void *user;
};

/* An attempt, as hooks see it. All borrowed. */
struct uni_net_attempt {
	const char *method;
	const char *url;
	const struct uni_strv *headers; /* "Name: value", of the request */
	unsigned number;		/* from 1 */
};

struct uni_net_request {
	const char *method;	    /* NULL: GET */
	const char *url;	    /* http or https; with a user in it: UNI_E_INVAL */
	const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
	struct uni_net_body body;

	struct uni_sink *sink; /* gets the body of a 2xx; borrowed, not finished; or NULL */
	uint64_t limit;	       /* most bytes of the body (UNI_E_LIMIT); 0: 1 MiB without sink */
	const uint64_t *size;  /* when the body's size is known: a length that says otherwise, or
				  another end, is UNI_E_CORRUPT */
	uint64_t range_start;  /* asks for what is behind; 206 or UNI_E_UNSUPPORTED */
	uint64_t range_size;   /* 0: to the end */

	const char *bearer;	     /* token */
	const char *user, *password; /* basic */
	/* Called before each attempt to the request's own origin, to add headers: signatures. */
	int (*authorise)(void *user, const struct uni_net_attempt *attempt,
			 struct uni_strv *headers, struct uni_err *err);
	void *authorise_user;

	/* Whether an answer that is no success will pass: a service that does nothing and says
	 * "throttled" with a 400. Gets authorise_user. */
	bool (*passes)(void *user, const struct uni_net_answer *answer);

	bool repeatable;      /* a POST or PATCH may be repeated; other methods always may */
	bool once;	      /* never repeated */
	bool no_redirect;     /* 3xx is the answer */
	uint64_t attempt_ms;  /* an attempt takes at most; 0: no limit beyond stalling */
	uint64_t deadline_ms; /* all attempts together; 0: none */

	/* Called once, from uni_net_run or uni_net_do: rc 0 and the answer, or an error in `err`.
	 * May start, run and do other requests. What it returns, unless 0, ends uni_net_run. The
	 * answer is freed behind it; what it takes out it sets to empty. */
	int (*done)(void *user, int rc, struct uni_net_answer *answer, struct uni_err *err);
	void *user_data;
};

/* Queues; the request is copied, but for what is said to be borrowed. */
int uni_net_start(struct uni_net *net, const struct uni_net_request *request, struct uni_err *err);
/* Until all that was started has ended, or a `done` (for NULL: a request) fails: what is left is
 * dropped then. */
int uni_net_run(struct uni_net *net, struct uni_err *err);
/* One request (`done` is not called), while others that were started go on. `answer` is filled
 * when 0 is returned. */
int uni_net_do(struct uni_net *net, const struct uni_net_request *request,
	       struct uni_net_answer *answer, struct uni_err *err);
/* Forgets all that was started; `done` is not called for it. */
void uni_net_drop(struct uni_net *net);
/* --- addresses --- */

/* `relative` as seen from `base` (RFC 3986, section 5); an absolute one is itself. */
int uni_net_url_join(const char *base, const char *relative, char **url, struct uni_err *err);
/* The same scheme, host and port. */
bool uni_net_same_origin(const char *a, const char *b);
/* Adds `text` with all but unreserved characters and those in `keep` percent-encoded. */
void uni_net_escape(struct uni_buf *out, const char *text, const char *keep);
/* For messages: without query and fragment. */
char *uni_net_url_plain(const char *url);

#endif
