/*
 * Blobs on their way to a registry: asked for, mounted from another repository, or uploaded, large
 * ones in chunks.
 */
#include "internal.h"
#include <string.h>

#define CHUNK (64u << 20)
#define CHUNK_TRIES 5

char *oci_blob_url(const struct uni_oci *oci, const struct uni_digest *digest)
{
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(digest, text);
	return uni_asprintf("%s/blobs/%s", oci->base, text);
}

int uni_oci_has_blob(struct uni_oci *oci, const struct uni_digest *digest, bool *has,
		     struct uni_err *err)
{
	char *url UNI_AUTO_FREE = oci_blob_url(oci, digest);

	return oci_has(oci, url, has, err);
}

/* Where the upload goes on, as the registry says; it may be relative. */
static int take_location(const struct uni_oci *oci, const struct uni_net_answer *answer,
			 char **location, struct uni_err *err)
{
	const char *header = uni_net_answer_header(answer, "location");

	if (header == NULL)
		return uni_err_set(err, UNI_E_NETWORK,
				   "the registry does not say where to upload to");
	free(*location);
	*location = NULL;
	return uni_net_url_join(answer->url != NULL ? answer->url : oci->base, header, location,
				err);
}

/* 1: nothing is left to send, the registry had it in the other repository. What cannot be mounted
 * becomes an ordinary upload, by the same answer. */
static int begin_upload(struct uni_oci *oci, const struct uni_digest *digest, const char *from,
			char **location, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf url UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_net_request request = { .method = "POST", .repeatable = true };
	char text[UNI_DIGEST_TEXT];
	int rc;

	uni_buf_printf(&url, "%s/blobs/uploads/", oci->base);
	if (from != NULL) {
		uni_digest_text(digest, text);
		uni_buf_printf(&url, "?mount=%s&from=", text);
		uni_net_escape(&url, from, "");
	}
	request.url = url.data;
	rc = oci_ask(oci, &request, &answer, err);
	if (rc == 0 && from != NULL && answer.status == 201)
		return 1;
	if (rc == 0 && answer.status != 202)
		rc = uni_net_check(&answer, err);
	return rc == 0 ? take_location(oci, &answer, location, err) : rc;
}

static int send_part(struct uni_oci *oci, const char *method, const char *url, const char *range,
		     const struct uni_net_body *body, struct uni_net_answer *answer,
		     struct uni_err *err)
{
	const char *const headers[] = { "Content-Type: application/octet-stream", range, NULL };
	/* Not by itself once more: how far the upload got has to be asked first. */
	struct uni_net_request request = {
		.method = method, .url = url, .headers = headers, .body = *body, .once = true
	};

	return oci_ask(oci, &request, answer, err);
}

/* How many bytes the registry has of an upload. */
static int ask_offset(struct uni_oci *oci, char **location, uint64_t *done, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net_request request = { .url = *location };
	int rc = oci_ask(oci, &request, &answer, err);
	const char *range, *dash;
	uint64_t last;

	if (rc == 0 && answer.status != 204)
		rc = uni_net_check(&answer, err);
	if (rc != 0)
		return rc;
	range = uni_net_answer_header(&answer, "range");
	dash = range != NULL ? strchr(range, '-') : NULL;
	*done = dash != NULL && uni_str_u64(dash + 1, &last) && last != 0 ? last + 1 : 0;
	if (uni_net_answer_header(&answer, "location") != NULL)
		return take_location(oci, &answer, location, err);
	return 0;
}

/* On its way to the registry. */
struct upload {
	const struct uni_net_body *whole;
	struct oci_resume resume;
	char *location;
	uint64_t done;
	bool resumed;
};

static void upload_end(struct upload *u)
{
	oci_resume_free(&u->resume);
	free(u->location);
}

/* Sends all but the last piece by PATCH. */
static int send_chunks(struct uni_oci *oci, struct upload *u, struct uni_err *err)
{
	const struct uni_net_body *whole = u->whole;
	unsigned tries = 0;

	while (whole->size - u->done > CHUNK) {
		struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
		struct uni_net_body part = *whole;
		char *range UNI_AUTO_FREE =
			uni_asprintf("Content-Range: %llu-%llu", (unsigned long long)u->done,
				     (unsigned long long)(u->done + CHUNK - 1));
		int rc;

		part.offset += u->done;
		part.size = CHUNK;
		rc = send_part(oci, "PATCH", u->location, range, &part, &answer, err);
		if (rc == 0 && answer.status == 202) {
			u->done += CHUNK;
			tries = 0;
			rc = take_location(oci, &answer, &u->location, err);
			if (rc != 0)
				return rc;
			oci_resume_note(&u->resume, u->location);
			continue;
		}
		if (rc == 0 && answer.status < 500 && answer.status != 416 && answer.status != 429)
			return uni_net_check(&answer, err) != 0
				       ? err->code
				       : uni_err_set(err, UNI_E_NETWORK, "status %d to a chunk",
						     answer.status);
		if (rc == UNI_E_CANCELLED || ++tries >= CHUNK_TRIES)
			return rc != 0 ? rc : uni_net_check(&answer, err);
		uni_err_clear(err);
		rc = ask_offset(oci, &u->location, &u->done, err);
		if (rc != 0)
			return rc;
		if (u->done > whole->size)
			return uni_err_set(err, UNI_E_NETWORK,
					   "the registry has more than was sent");
	}
	return 0;
}

/* From where we are told, else from where we have seen it. One who may not read there, or whom the
 * registry answers with anything but an upload, begins without. */
static int mount_or_begin(struct uni_oci *oci, const struct uni_digest *digest, char **location,
			  struct uni_err *err)
{
	char *seen UNI_AUTO_FREE = oci->mount_from == NULL ? oci_seen_elsewhere(oci, digest) : NULL;
	int rc = begin_upload(oci, digest, seen != NULL ? seen : oci->mount_from, location, err);

	if (rc >= 0 || rc == UNI_E_CANCELLED || (seen == NULL && oci->mount_from == NULL))
		return rc;
	uni_err_clear(err);
	return begin_upload(oci, digest, NULL, location, err);
}

/* What another process has begun: true when the registry still knows of it. */
static bool go_on(struct uni_oci *oci, struct upload *u)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (u->resume.location == NULL)
		return false;
	u->location = uni_strdup(u->resume.location);
	u->resumed =
		ask_offset(oci, &u->location, &u->done, &ignored) == 0 && u->done <= u->whole->size;
	if (!u->resumed)
		u->done = 0;
	return u->resumed;
}

/* 1: mounted, nothing is left to send. */
static int begin(struct uni_oci *oci, const struct uni_digest *digest, bool may_resume,
		 struct upload *u, struct uni_err *err)
{
	int rc;

	/* What goes in one piece is no use in part. */
	if (u->whole->size > CHUNK)
		oci_resume_open(&u->resume, oci, digest);
	if (may_resume && go_on(oci, u))
		return 0;
	rc = mount_or_begin(oci, digest, &u->location, err);
	if (rc == 0)
		oci_resume_note(&u->resume, u->location);
	return rc;
}

static int finish(struct uni_oci *oci, const struct uni_digest *digest, const struct upload *u,
		  struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net_body rest = *u->whole;
	char *url UNI_AUTO_FREE = NULL;
	char text[UNI_DIGEST_TEXT];
	int rc;

	uni_digest_text(digest, text);
	url = uni_asprintf("%s%sdigest=%s", u->location,
			   strchr(u->location, '?') != NULL ? "&" : "?", text);
	rest.offset += u->done;
	rest.size -= u->done;
	rc = send_part(oci, "PUT", url, NULL, &rest, &answer, err);
	if (rc == 0 && answer.status != 201)
		rc = uni_net_check(&answer, err);
	return rc;
}

/* 1: mounted. `*resumed`: what is wrong may be with what was there. */
static int upload_once(struct uni_oci *oci, const struct uni_digest *digest,
		       const struct uni_net_body *whole, bool *resumed, struct uni_err *err)
{
	struct upload upload __attribute__((cleanup(upload_end))) = { .whole = whole,
								      .resume = OCI_RESUME_INIT };
	int rc = begin(oci, digest, *resumed, &upload, err);

	*resumed = upload.resumed;
	if (rc == 0)
		rc = send_chunks(oci, &upload, err);
	if (rc == 0)
		rc = finish(oci, digest, &upload, err);
	if (rc >= 0)
		oci_resume_done(&upload.resume);
	return rc;
}

static int put(struct uni_oci *oci, const struct uni_digest *digest,
	       const struct uni_net_body *whole, bool *sent, struct uni_err *err)
{
	bool has = false, resume = true;
	int rc = uni_oci_has_blob(oci, digest, &has, err);

	*sent = false;
	if (rc == 0 && has)
		oci_seen_here(oci, digest);
	if (rc != 0 || has)
		return rc;
	for (unsigned tries = 0; tries < CHUNK_TRIES; tries++) {
		uni_err_clear(err);
		resume = resume && tries == 0;
		rc = upload_once(oci, digest, whole, &resume, err);
		if (rc >= 0 || rc == UNI_E_CANCELLED ||
		    (!resume && rc != UNI_E_NETWORK && rc != UNI_E_TIMEOUT && rc != UNI_E_NOENT))
			break;
	}
	*sent = rc == 0;
	if (rc >= 0)
		oci_seen_here(oci, digest);
	return rc < 0 ? oci_in_repository(oci, err) : 0;
}

int uni_oci_put_blob(struct uni_oci *oci, const struct uni_digest *digest, int fd, uint64_t offset,
		     uint64_t size, bool *sent, struct uni_err *err)
{
	const struct uni_net_body whole = { .fd = fd, .offset = offset, .size = size };

	return put(oci, digest, &whole, sent, err);
}

int uni_oci_put_bytes(struct uni_oci *oci, const void *data, size_t size, struct uni_digest *digest,
		      struct uni_err *err)
{
	const struct uni_net_body whole = { .data = data, .size = size };
	bool sent;

	*digest = uni_digest_of(data, size);
	if (size > CHUNK)
		return uni_err_set(err, UNI_E_LIMIT, "%zu bytes are too many to send from memory",
				   size);
	return put(oci, digest, &whole, &sent, err);
}

int uni_oci_mount_from(struct uni_oci *oci, const char *name, struct uni_err *err)
{
	char *scope;

	if (!oci_name_valid(name))
		return uni_err_set(err, UNI_E_USAGE, "\"%s\" is no repository's name", name);
	free(oci->mount_from);
	oci->mount_from = uni_strdup(name);
	scope = uni_asprintf("%s repository:%s:pull", oci->scope, name);
	free(oci->scope);
	oci->scope = scope;
	return 0;
}
