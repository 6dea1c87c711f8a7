/*
 * Credentials for a role, got by others' word: another profile's keys (AssumeRole), a token in a
 * file (AssumeRoleWithWebIdentity), a login by single sign-on (its token from the cache that
 * `aws sso login` fills; tokens are not renewed here).
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "aws.h"
#include <openssl/sha.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/base/xml.h>

#define TOKEN_LIMIT (64u << 10)
#define CHAIN_MAX 8
#define STS_VERSION "2011-06-15"

static void add_field(struct uni_buf *form, const char *name, const char *value)
{
	if (value == NULL)
		return;
	uni_buf_printf(form, "%s%s=", form->size != 0 ? "&" : "", name);
	uni_aws_encode(form, value);
}

/* What STS calls "Credentials" in its answer. */
static int take_answer(const char *action, const struct uni_net_answer *answer,
		       struct aws_credentials *out, struct uni_err *err)
{
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	char *path UNI_AUTO_FREE = uni_asprintf("%sResult/Credentials", action);
	const struct uni_xml *given;
	const char *access, *secret, *token;
	int rc = uni_xml_parse(&root, action, uni_buf_text(&answer->body), answer->body.size, err);

	if (rc != 0)
		return rc;
	given = uni_xml_get(root, path);
	access = uni_xml_text(given, "AccessKeyId");
	secret = uni_xml_text(given, "SecretAccessKey");
	token = uni_xml_text(given, "SessionToken");
	if (access == NULL || secret == NULL || token == NULL ||
	    !aws_time_parse(uni_xml_text(given, "Expiration"), &out->expires))
		return uni_err_set(err, UNI_E_AUTH, "%s: the answer has no credentials", action);
	out->access_key = uni_strdup(access);
	out->secret_key = uni_strdup(secret);
	out->session_token = uni_strdup(token);
	return 0;
}

static int ask_sts(struct uni_aws *aws, const struct aws_credentials *as, const char *action,
		   const struct uni_buf *form, struct aws_credentials *out, struct uni_err *err)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL
	};
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	const char *region = NULL;
	struct uni_aws_call call = { .service = "sts",
				     .action = action,
				     .method = "POST",
				     .path = "/",
				     .headers = headers,
				     .body = form->data,
				     .size = form->size,
				     .repeatable = true };
	int rc = uni_aws_region(aws, &region, err);

	if (rc != 0)
		return rc;
	rc = aws_call_as(aws, as, &call, &answer, NULL, err);
	return rc == 0 ? take_answer(action, &answer, out, err) : rc;
}

/* Names the session in CloudTrail; the service wants one that differs from nobody's. */
static const char *session_name(const char *given)
{
	return given != NULL ? given : "uni";
}

static int with_token(struct uni_aws *aws, const char *role, const char *session, const char *file,
		      struct aws_credentials *out, struct uni_err *err)
{
	struct uni_buf token UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf form UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_file_read(file, TOKEN_LIMIT, &token, err);

	if (rc != 0)
		return uni_err_context(err, "web identity");
	while (token.size != 0 && strchr(" \r\n", token.data[token.size - 1]) != NULL)
		token.data[--token.size] = '\0';
	add_field(&form, "Action", "AssumeRoleWithWebIdentity");
	add_field(&form, "Version", STS_VERSION);
	add_field(&form, "RoleArn", role);
	add_field(&form, "RoleSessionName", session_name(session));
	add_field(&form, "WebIdentityToken", uni_buf_text(&token));
	rc = ask_sts(aws, NULL, "AssumeRoleWithWebIdentity", &form, out, err);
	if (rc != 0)
		return rc;
	aws_note(aws, "web identity: %s by the token in %s", role, file);
	return 1;
}

static int from_web_identity(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
			     struct uni_err *err)
{
	const char *file = uni_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = uni_env("AWS_ROLE_ARN");

	(void)profile;
	if (aws->profile_asked)
		return 0;
	if (file == NULL || role == NULL) {
		aws_note(aws, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not "
			      "both set");
		return 0;
	}
	return with_token(aws, role, uni_env("AWS_ROLE_SESSION_NAME"), file, out, err);
}

const struct aws_provider aws_from_web_identity = { "web identity", from_web_identity };

static int from_profile_web_identity(struct uni_aws *aws, const char *profile,
				     struct aws_credentials *out, struct uni_err *err)
{
	const struct aws_profiles *p = aws->profiles;
	const char *file = aws_profiles_get(p, profile, "web_identity_token_file");
	const char *role = aws_profiles_get(p, profile, "role_arn");

	if (file == NULL || role == NULL)
		return 0;
	return with_token(aws, role, aws_profiles_get(p, profile, "role_session_name"), file, out,
			  err);
}

const struct aws_provider aws_from_profile_web_identity = { "web identity",
							    from_profile_web_identity };

static int assume(struct uni_aws *aws, const char *profile, unsigned depth,
		  struct aws_credentials *out, struct uni_err *err);

/* Whether it has a role that somebody else's keys are for. */
static bool is_role(const struct uni_aws *aws, const char *profile)
{
	return aws_profiles_get(aws->profiles, profile, "role_arn") != NULL &&
	       aws_profiles_get(aws->profiles, profile, "web_identity_token_file") == NULL;
}

/* Who assumes the role: another profile, or what the machine has. */
static int source_of(struct uni_aws *aws, const char *profile, unsigned depth,
		     struct aws_credentials *out, struct uni_err *err)
{
	const char *source = aws_profiles_get(aws->profiles, profile, "source_profile");
	const char *kind = aws_profiles_get(aws->profiles, profile, "credential_source");

	if (source != NULL) {
		if (!aws_profiles_has(aws->profiles, source))
			return uni_err_set(err, UNI_E_AUTH,
					   "profile \"%s\": source_profile \"%s\" does not exist",
					   profile, source);
		return is_role(aws, source) && aws_profiles_get(aws->profiles, source,
								"aws_access_key_id") == NULL
			       ? assume(aws, source, depth + 1, out, err)
			       : aws_credentials_of_profile(aws, source, out, err);
	}
	if (uni_str_eq(kind, "Ec2InstanceMetadata"))
		return aws_from_instance.find(aws, profile, out, err);
	if (uni_str_eq(kind, "EcsContainer"))
		return aws_from_container.find(aws, profile, out, err);
	if (uni_str_eq(kind, "Environment") && uni_env("AWS_ACCESS_KEY_ID") != NULL &&
	    uni_env("AWS_SECRET_ACCESS_KEY") != NULL) {
		const char *token = uni_env("AWS_SESSION_TOKEN");

		out->access_key = uni_strdup(uni_env("AWS_ACCESS_KEY_ID"));
		out->secret_key = uni_strdup(uni_env("AWS_SECRET_ACCESS_KEY"));
		out->session_token = token != NULL ? uni_strdup(token) : NULL;
		return 1;
	}
	return 0;
}

static int assume(struct uni_aws *aws, const char *profile, unsigned depth,
		  struct aws_credentials *out, struct uni_err *err)
{
	const char *role = aws_profiles_get(aws->profiles, profile, "role_arn");
	struct aws_credentials as = { 0 };
	struct uni_buf form UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc;

	if (depth > CHAIN_MAX)
		return uni_err_set(err, UNI_E_AUTH,
				   "profile \"%s\": source_profile goes in a circle", profile);
	if (aws_profiles_get(aws->profiles, profile, "mfa_serial") != NULL)
		return uni_err_set(
			err, UNI_E_UNSUPPORTED,
			"profile \"%s\" wants a one-time code (mfa_serial): take a session "
			"by `aws sts get-session-token` first",
			profile);
	rc = source_of(aws, profile, depth, &as, err);
	if (rc == 0)
		rc = uni_err_set(err, UNI_E_AUTH,
				 "profile \"%s\" has role_arn, and nobody to assume it: no usable "
				 "source_profile or credential_source",
				 profile);
	if (rc > 0) {
		add_field(&form, "Action", "AssumeRole");
		add_field(&form, "Version", STS_VERSION);
		add_field(&form, "RoleArn", role);
		add_field(&form, "RoleSessionName",
			  session_name(
				  aws_profiles_get(aws->profiles, profile, "role_session_name")));
		add_field(&form, "ExternalId",
			  aws_profiles_get(aws->profiles, profile, "external_id"));
		add_field(&form, "DurationSeconds",
			  aws_profiles_get(aws->profiles, profile, "duration_seconds"));
		rc = ask_sts(aws, &as, "AssumeRole", &form, out, err);
	}
	aws_credentials_free(&as);
	if (rc != 0)
		return rc < 0 ? rc : UNI_E_AUTH;
	aws_note(aws, "profile \"%s\": role %s", profile, role);
	return 1;
}

static int from_role(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
		     struct uni_err *err)
{
	return is_role(aws, profile) ? assume(aws, profile, 0, out, err) : 0;
}

const struct aws_provider aws_from_role = { "role", from_role };

#define FNS(X) X(SHA1)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

/* The cache's file is named by the SHA-1 of the session's name, or of the address in old files. */
static int read_token(const char *session, struct uni_json **json, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	unsigned char digest[SHA_DIGEST_LENGTH];
	char hex[2 * SHA_DIGEST_LENGTH + 1];
	const char *home = uni_env("HOME");
	char *path UNI_AUTO_FREE = NULL;
	int rc = uni_lazy_load("libcrypto.so.3", lib_names, UNI_COUNT(lib_names), &lib, err);

	if (rc != 0)
		return rc;
	lib.SHA1((const unsigned char *)session, strlen(session), digest);
	uni_hex(digest, sizeof(digest), hex);
	path = uni_asprintf("%s/.aws/sso/cache/%s.json", home != NULL ? home : "", hex);
	rc = uni_file_read(path, TOKEN_LIMIT, &text, err);
	if (rc == 0)
		rc = uni_json_parse(json, path, text.data, text.size, err);
	return rc;
}

static int sso_answer(const struct uni_net_answer *answer, struct aws_credentials *out,
		      struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	const struct uni_json *role;
	const char *access, *secret, *token;
	uint64_t expires = 0;
	int rc = uni_json_parse(&json, "single sign-on", uni_buf_text(&answer->body),
				answer->body.size, err);

	if (rc != 0)
		return rc;
	role = uni_json_get(json, "roleCredentials");
	access = uni_json_text(uni_json_get(role, "accessKeyId"));
	secret = uni_json_text(uni_json_get(role, "secretAccessKey"));
	token = uni_json_text(uni_json_get(role, "sessionToken"));
	if (access == NULL || secret == NULL || token == NULL ||
	    !uni_json_u64(uni_json_get(role, "expiration"), &expires))
		return uni_err_set(err, UNI_E_AUTH,
				   "single sign-on: the answer has no credentials");
	out->access_key = uni_strdup(access);
	out->secret_key = uni_strdup(secret);
	out->session_token = uni_strdup(token);
	out->expires = (int64_t)(expires / 1000);
	return 0;
}

/* What a profile says of a login: the session that it names, or itself. */
static const char *login_setting(const struct aws_profiles *p, const char *profile,
				 const char *session, const char *key)
{
	return session != NULL ? aws_profiles_session(p, session, key)
			       : aws_profiles_get(p, profile, key);
}

static int from_sso(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
		    struct uni_err *err)
{
	const struct aws_profiles *p = aws->profiles;
	const char *session = aws_profiles_get(p, profile, "sso_session");
	const char *account = aws_profiles_get(p, profile, "sso_account_id");
	const char *role = aws_profiles_get(p, profile, "sso_role_name");
	const char *url = login_setting(p, profile, session, "sso_start_url");
	const char *region = login_setting(p, profile, session, "sso_region");
	struct uni_json *token UNI_AUTO(uni_json) = NULL;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf at UNI_AUTO_BUF = UNI_BUF_INIT;
	char *header UNI_AUTO_FREE = NULL;
	char *base UNI_AUTO_FREE = NULL;
	int64_t expires = 0;
	const char *bearer;
	int rc;

	if (url == NULL || region == NULL || account == NULL || role == NULL)
		return 0;
	if (!uni_aws_region_valid(region))
		return uni_err_set(err, UNI_E_INVAL, "sso_region \"%s\" is no region", region);
	rc = read_token(session != NULL ? session : url, &token, err);
	bearer = uni_json_text(uni_json_get(token, "accessToken"));
	if (rc != 0 || bearer == NULL ||
	    !aws_time_parse(uni_json_text(uni_json_get(token, "expiresAt")), &expires) ||
	    expires <= uni_clock_now() + aws->skew) {
		uni_err_set(err, UNI_E_AUTH,
			    "profile \"%s\": there is no valid single sign-on token", profile);
		return uni_err_hint(err, "aws sso login --profile %s", profile);
	}
	base = uni_aws_endpoint(aws, "sso", region);
	uni_buf_printf(&at, "%s/federation/credentials?role_name=", base);
	uni_aws_encode(&at, role);
	uni_buf_puts(&at, "&account_id=");
	uni_aws_encode(&at, account);
	header = uni_asprintf("x-amz-sso_bearer_token: %s", bearer);

	const char *const headers[] = { header, NULL };
	struct uni_net_request request = { .url = at.data,
					   .headers = headers,
					   .deadline_ms = 30000 };

	rc = uni_net_do(aws->net, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc == 0)
		rc = sso_answer(&answer, out, err);
	if (rc != 0)
		return uni_err_context(err, "single sign-on");
	aws_note(aws, "single sign-on: role %s of account %s", role, account);
	return 1;
}

const struct aws_provider aws_from_sso = { "single sign-on", from_sso };
