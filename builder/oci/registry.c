/*
 * A repository: requests with what the registry wants to know of us, blobs, manifests.
 */
#include "internal.h"
#include <stdio.h>
#include <string.h>

#define MANIFEST_LIMIT (4u << 20) /* as the specification asks of registries */

static const char *const accept_header =
	"Accept: application/vnd.oci.image.manifest.v1+json, "
	"application/vnd.oci.image.index.v1+json, "
	"application/vnd.docker.distribution.manifest.v2+json, "
	"application/vnd.docker.distribution.manifest.list.v2+json";

/* --- opening --- */

static bool on_this_machine(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < UNI_COUNT(names); i++) {
		size_t size = strlen(names[i]);

		if (strncmp(host, names[i], size) == 0 && (host[size] == '\0' || host[size] == ':'))
			return true;
	}
	return false;
}

/* TLS, unless it is a registry of this machine that has none. */
static char *find_origin(struct uni_net *net, const char *host)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_err err = UNI_ERR_INIT;
	char *url UNI_AUTO_FREE = uni_asprintf("http://%s/v2/", host);
	const struct uni_net_request request = { .url = url, .once = true, .no_redirect = true };

	/* A server with TLS answers a plain request with 400, or not at all. */
	if (on_this_machine(host) && uni_net_do(net, &request, &answer, &err) == 0 &&
	    answer.status != 400)
		return uni_asprintf("http://%s", host);
	return uni_asprintf("https://%s", host);
}

/* What the caller leaves open is the environment's to say: authorities, certificates, a proxy. */
static int open_net(struct uni_net **net, const struct uni_net_options *options,
		    struct uni_err *err)
{
	struct uni_net_options all =
		options != NULL ? *options : (struct uni_net_options){ .events = NULL };

	uni_net_options_env(&all);
	return uni_net_open(net, &all, err);
}

int uni_oci_open(struct uni_oci **oci, const struct uni_oci_reference *reference, bool push,
		 const struct uni_net_options *net, struct uni_err *err)
{
	struct uni_oci *o UNI_AUTO(uni_oci) = uni_alloc(sizeof(*o));
	int rc = open_net(&o->net, net, err);

	if (rc == 0)
		rc = oci_login_find(reference->host, &o->login, err);
	if (rc != 0)
		return rc;
	o->reference = reference;
	o->origin = find_origin(o->net, reference->host);
	o->base = uni_asprintf("%s/v2/%s", o->origin, reference->name);
	o->scope = uni_asprintf("repository:%s:%s", reference->name, push ? "pull,push" : "pull");
	*oci = o;
	o = NULL;
	return 0;
}

void uni_oci_free(struct uni_oci *oci)
{
	if (oci == NULL)
		return;
	uni_net_free(oci->net);
	oci_login_free(&oci->login);
	free(oci->base);
	free(oci->origin);
	free(oci->scope);
	free(oci->mount_from);
	free(oci->token);
	uni_buf_free(&oci->seen);
	free(oci);
}

/* --- requests --- */

static int authorise(void *user, const struct uni_net_attempt *attempt, struct uni_strv *headers,
		     struct uni_err *err)
{
	struct uni_oci *oci = user;
	char *pair UNI_AUTO_FREE = NULL;
	char *encoded UNI_AUTO_FREE = NULL;

	(void)attempt;
	(void)err;
	if (oci->token != NULL) {
		uni_strv_addf(headers, "Authorization: Bearer %s", oci->token);
	} else if (oci->basic && oci->login.user != NULL) {
		pair = uni_asprintf("%s:%s", oci->login.user, oci->login.password);
		encoded = uni_alloc(UNI_BASE64_ROOM(strlen(pair)));
		uni_base64(pair, strlen(pair), encoded);
		uni_strv_addf(headers, "Authorization: Basic %s", encoded);
	}
	return 0;
}

/* Learns what the registry wants from a 401; 1: ask again. */
static int answer_challenge(struct uni_oci *oci, const struct uni_net_answer *answer,
			    struct uni_err *err)
{
	const char *header = uni_net_answer_header(answer, "www-authenticate");
	struct oci_challenge challenge __attribute__((cleanup(oci_challenge_free))) = { 0 };
	int rc = 0;

	if (header == NULL || !oci_challenge_parse(header, &challenge))
		return 0;
	free(oci->token);
	oci->token = NULL;
	oci->basic = challenge.basic;
	if (!challenge.basic)
		rc = oci_token(oci->net, &challenge, oci->scope, &oci->login, &oci->token, err);
	return rc == 0 ? 1 : rc;
}

/* One request to the repository; after a 401 once more with what the registry asked for. Any status
 * but 401 is an answer. */
int oci_ask(struct uni_oci *oci, struct uni_net_request *request, struct uni_net_answer *answer,
	    struct uni_err *err)
{
	bool ours = uni_net_same_origin(request->url, oci->origin);
	int rc;

	request->authorise = ours ? authorise : NULL;
	request->authorise_user = oci;
	rc = uni_net_do(oci->net, request, answer, err);
	if (rc == 0 && ours && answer->status == 401) {
		rc = answer_challenge(oci, answer, err);
		if (rc > 0)
			rc = uni_net_do(oci->net, request, answer, err);
	}
	if (rc == 0 && answer->status == 401) {
		uni_err_set(err, UNI_E_AUTH, "%s does not let us", oci->reference->host);
		rc = uni_err_hint(err, "uni login %s", oci->reference->host);
	}
	return rc;
}

int oci_in_repository(const struct uni_oci *oci, struct uni_err *err)
{
	return uni_err_context(err, "%s/%s", oci->reference->host, oci->reference->name);
}

int oci_has(struct uni_oci *oci, const char *url, bool *has, struct uni_err *err)
{
	const char *const headers[] = { accept_header, NULL };
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net_request request = { .method = "HEAD", .url = url, .headers = headers };
	int rc = oci_ask(oci, &request, &answer, err);

	*has = rc == 0 && answer.status == 200;
	if (rc == 0 && answer.status != 200 && answer.status != 404)
		rc = uni_net_check(&answer, err);
	return rc != 0 ? oci_in_repository(oci, err) : 0;
}

/* --- blobs --- */

/* Checks what passes, and hands it on. */
struct checking {
	struct uni_sink sink;
	struct uni_sink *to;
	struct uni_hash hash;
};

static int check_write(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err)
{
	struct checking *c = (struct checking *)(void *)sink;

	uni_hash_add(&c->hash, data, size);
	return uni_sink_write(c->to, data, size, err);
}

/* Bytes from `done` on, through `checking`. */
static int get_checked(struct uni_oci *oci, const struct uni_digest *digest, uint64_t size,
		       uint64_t done, struct checking *checking, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = oci_blob_url(oci, digest);
	uint64_t left = size - done;
	struct uni_net_request request = {
		.url = url,
		.sink = &checking->sink,
		.limit = left,
		.size = &left,
		.range_start = done,
		.range_size = done != 0 ? left : 0,
	};
	struct uni_digest got;
	int rc = oci_ask(oci, &request, &answer, err);

	if (rc == 0)
		rc = uni_net_check(&answer, err);
	got = uni_hash_end(&checking->hash);
	if (rc == 0 && !uni_digest_eq(&got, digest))
		rc = uni_err_set(err, UNI_E_CORRUPT, "a blob is not what its digest says");
	if (rc == 0)
		oci_seen_here(oci, digest);
	return rc;
}

static const struct uni_sink_ops checking_ops = { .write = check_write };

int uni_oci_get_blob(struct uni_oci *oci, const struct uni_digest *digest, uint64_t size,
		     struct uni_sink *sink, struct uni_err *err)
{
	struct checking checking = { .sink = { .ops = &checking_ops }, .to = sink };

	uni_hash_start(&checking.hash);
	return get_checked(oci, digest, size, 0, &checking, err) != 0 ? oci_in_repository(oci, err)
								      : 0;
}

/* Hands on a part of what passes. */
struct window {
	struct uni_sink sink;
	struct uni_sink *to;
	uint64_t at, start, end;
};

static int window_write(struct uni_sink *sink, const void *data, size_t size, struct uni_err *err)
{
	struct window *w = (struct window *)(void *)sink;
	uint64_t from = w->at > w->start ? w->at : w->start;
	uint64_t end = w->at + size < w->end ? w->at + size : w->end;
	uint64_t at = w->at;

	w->at += size;
	if (from >= end)
		return 0;
	return uni_sink_write(w->to, (const uint8_t *)data + (from - at), (size_t)(end - from),
			      err);
}

static const struct uni_sink_ops window_ops = { .write = window_write };

int uni_oci_get_rest(struct uni_oci *oci, const struct uni_digest *digest, uint64_t size,
		     uint64_t done, const struct uni_hash *hash, struct uni_sink *sink,
		     struct uni_err *err)
{
	struct checking checking = { .sink = { .ops = &checking_ops }, .to = sink, .hash = *hash };
	struct window window = {
		.sink = { .ops = &window_ops }, .to = sink, .start = done, .end = size
	};
	int rc;

	if (done == size) {
		const struct uni_digest got = uni_hash_end(&checking.hash);

		return uni_digest_eq(&got, digest) ? 0
						   : uni_err_set(err, UNI_E_CORRUPT,
								 "what is here of a blob is not "
								 "what its digest says");
	}
	rc = get_checked(oci, digest, size, done, &checking, err);
	if (rc == UNI_E_UNSUPPORTED) {
		uni_err_clear(err);
		return uni_oci_get_blob(oci, digest, size, &window.sink, err);
	}
	return rc != 0 ? oci_in_repository(oci, err) : 0;
}

int uni_oci_get_range(struct uni_oci *oci, const struct uni_digest *digest, uint64_t blob_size,
		      uint64_t offset, uint64_t size, struct uni_sink *sink, struct uni_err *err)
{
	struct window window = {
		.sink = { .ops = &window_ops }, .to = sink, .start = offset, .end = offset + size
	};
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = oci_blob_url(oci, digest);
	struct uni_net_request request = { .url = url,
					   .sink = sink,
					   .limit = size,
					   .size = &size,
					   .range_start = offset,
					   .range_size = size };
	int rc = oci_ask(oci, &request, &answer, err);

	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc == UNI_E_UNSUPPORTED) {
		uni_err_clear(err);
		return uni_oci_get_blob(oci, digest, blob_size, &window.sink, err);
	}
	return rc != 0 ? oci_in_repository(oci, err) : 0;
}

/* --- manifests --- */

int uni_oci_put_manifest(struct uni_oci *oci, const char *tag_or_digest, const char *media_type,
			 const struct uni_buf *json, bool *subject, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = uni_asprintf("%s/manifests/%s", oci->base, tag_or_digest);
	char *type UNI_AUTO_FREE = uni_asprintf("Content-Type: %s", media_type);
	const char *const headers[] = { type, NULL };
	struct uni_net_request request = { .method = "PUT",
					   .url = url,
					   .headers = headers,
					   .body = { .data = json->data, .size = json->size } };
	int rc = oci_ask(oci, &request, &answer, err);

	if (rc == 0 && answer.status != 201)
		rc = uni_net_check(&answer, err);
	if (rc == 0 && subject != NULL)
		*subject = uni_net_answer_header(&answer, "oci-subject") != NULL;
	return rc != 0 ? oci_in_repository(oci, err) : 0;
}

int uni_oci_has_manifest(struct uni_oci *oci, const char *tag_or_digest, bool *has,
			 struct uni_err *err)
{
	char *url UNI_AUTO_FREE = uni_asprintf("%s/manifests/%s", oci->base, tag_or_digest);

	return oci_has(oci, url, has, err);
}

int uni_oci_get_manifest(struct uni_oci *oci, const char *tag_or_digest, struct uni_buf *json,
			 struct uni_digest *digest, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = uni_asprintf("%s/manifests/%s", oci->base, tag_or_digest);
	const char *const headers[] = { accept_header, NULL };
	struct uni_net_request request = { .url = url,
					   .headers = headers,
					   .limit = MANIFEST_LIMIT };
	struct uni_digest wanted;
	int rc = oci_ask(oci, &request, &answer, err);

	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc != 0)
		return oci_in_repository(oci, err);
	*digest = uni_digest_of(uni_buf_text(&answer.body), answer.body.size);
	if (uni_str_starts(tag_or_digest, "sha256:") && uni_digest_parse(tag_or_digest, &wanted) &&
	    !uni_digest_eq(&wanted, digest)) {
		uni_err_set(err, UNI_E_CORRUPT, "the manifest is not what its digest says");
		return oci_in_repository(oci, err);
	}
	uni_buf_add(json, uni_buf_text(&answer.body), answer.body.size);
	return 0;
}

int uni_oci_get_referrers(struct uni_oci *oci, const struct uni_digest *subject,
			  struct uni_buf *json, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = NULL;
	struct uni_net_request request = { .limit = MANIFEST_LIMIT };
	char text[UNI_DIGEST_TEXT];
	int rc;

	uni_digest_text(subject, text);
	url = uni_asprintf("%s/referrers/%s", oci->base, text);
	request.url = url;
	rc = oci_ask(oci, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc != 0)
		return oci_in_repository(oci, err);
	uni_buf_add(json, uni_buf_text(&answer.body), answer.body.size);
	return 0;
}

/* --- login --- */

int uni_oci_login(const char *host, const char *user, const char *password,
		  const struct uni_net_options *net, struct uni_err *err)
{
	struct uni_oci *oci UNI_AUTO(uni_oci) = uni_alloc(sizeof(*oci));
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	const struct uni_oci_reference reference = { .host = uni_strdup(host) };
	char *mine UNI_AUTO_FREE = reference.host;
	char *url UNI_AUTO_FREE = NULL;
	int rc = open_net(&oci->net, net, err);

	if (rc != 0)
		return rc;
	oci->reference = &reference;
	oci->origin = find_origin(oci->net, mine);
	oci->login.user = uni_strdup(user);
	oci->login.password = uni_strdup(password);
	url = uni_asprintf("%s/v2/", oci->origin);

	struct uni_net_request request = { .url = url };

	rc = oci_ask(oci, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc != 0)
		return uni_err_context(err, "login to %s", host);
	return oci_login_keep(host, user, password, err);
}
