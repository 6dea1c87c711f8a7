/* What the files of this module share. */
#ifndef OCI_INTERNAL_H
#define OCI_INTERNAL_H

#include <uni/oci/registry.h>

bool oci_name_valid(const char *name); /* of a repository */

struct oci_login {
	char *user, *password;
	char *identity; /* a refresh token instead of a password */
};
void oci_login_free(struct oci_login *login); /* may be used again afterwards */

/* What config.json or its helpers know of a registry; all NULL: nothing. */
int oci_login_find(const char *host, struct oci_login *login, struct uni_err *err);

/* Keeps them there, by the helper where one is set. */
int oci_login_keep(const char *host, const char *user, const char *password, struct uni_err *err);

/* What a registry wants: WWW-Authenticate, RFC 9110 section 11.6.1 and the token specification. */
struct oci_challenge {
	bool basic;
	char *realm, *service, *scope;
};
void oci_challenge_free(struct oci_challenge *challenge);
/* False: none that is understood. */
bool oci_challenge_parse(const char *header, struct oci_challenge *challenge);
/* Asks the realm for a token; owned by the caller. */
int oci_token(struct uni_net *net, const struct oci_challenge *challenge, const char *scope,
	      const struct oci_login *login, char **token, struct uni_err *err);

struct uni_oci {
	const struct uni_oci_reference *reference;
	struct uni_net *net;
	char *base; /* "https://host/v2/name" */
	char *origin;
	char *scope;
	char *mount_from; /* another repository of the registry, or NULL */
	struct oci_login login;
	char *token;	     /* bearer */
	bool basic;	     /* the registry wants user and password themselves */
	struct uni_buf seen; /* see seen.c */
	bool seen_read;
};

/* registry.c: a request to the repository; after a 401 once more with what the registry asked for.
 * Any status but 401 is an answer. */
int oci_ask(struct uni_oci *oci, struct uni_net_request *request, struct uni_net_answer *answer,
	    struct uni_err *err);
int oci_in_repository(const struct uni_oci *oci, struct uni_err *err);		   /* says which */
int oci_has(struct uni_oci *oci, const char *url, bool *has, struct uni_err *err); /* by HEAD */
/* seen.c: a repository of the same registry that may have it, or NULL; owned by the caller. */
char *oci_seen_elsewhere(struct uni_oci *oci, const struct uni_digest *digest);
void oci_seen_here(struct uni_oci *oci, const struct uni_digest *digest);
/* resume.c: an upload that may be gone on with. A folder that cannot be written keeps nothing. */
struct oci_resume {
	int fd; /* holds the lock; -1: nothing is kept */
	char *path, *key;
	char *location; /* where another process got to, or NULL */
};
#define OCI_RESUME_INIT                                                                            \
	{                                                                                          \
		.fd = -1                                                                           \
	}
void oci_resume_open(struct oci_resume *resume, const struct uni_oci *oci,
		     const struct uni_digest *digest);
void oci_resume_note(struct oci_resume *resume, const char *location);
void oci_resume_done(struct oci_resume *resume); /* nothing is left to go on with */
void oci_resume_free(struct oci_resume *resume);
/* upload.c */
char *oci_blob_url(const struct uni_oci *oci, const struct uni_digest *digest);

#endif
