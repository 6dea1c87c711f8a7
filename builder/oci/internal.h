/* What the files of this module share. */
#ifndef OCI_INTERNAL_H
#define OCI_INTERNAL_H

#include <uni/oci/registry.h>

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

#endif
