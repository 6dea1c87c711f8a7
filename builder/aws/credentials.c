/*
 * The order in which credentials are looked for, and those that need no network: environment,
 * the profile's own keys, credential_process.
 */
#include "aws.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uni/base/process.h>
#include <uni/base/system.h>

#define PROCESS_LIMIT (64u << 10)
#define KEY_MAX 4096

void aws_credentials_free(struct aws_credentials *c)
{
	free(c->access_key);
	if (c->secret_key != NULL)
		explicit_bzero(c->secret_key, strlen(c->secret_key));
	free(c->secret_key);
	free(c->session_token);
	*c = (struct aws_credentials){ 0 };
}

void aws_note(struct uni_aws *aws, const char *fmt, ...)
{
	va_list args;
	char line[512];

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	uni_strv_add(&aws->trail, line);
}

const char *aws_setting(const struct uni_aws *aws, const char *key)
{
	return aws_profiles_get(aws->profiles, aws->profile, key);
}

bool aws_time_parse(const char *text, int64_t *seconds)
{
	struct tm tm = { 0 };
	const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (rest == NULL)
		return false;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!uni_str_eq(rest, "Z") && !uni_str_eq(rest, "UTC") && !uni_str_eq(rest, "+00:00") &&
	    !uni_str_eq(rest, "+0000"))
		return false;
	*seconds = timegm(&tm);
	return true;
}

/* Takes the three where they have the form of keys: they become header lines. */
static int take_keys(struct aws_credentials *out, const char *who, const char *access,
		     const char *secret, const char *token, struct uni_err *err)
{
	const char *const all[] = { access, secret, token };

	for (size_t i = 0; i < UNI_COUNT(all); i++) {
		const char *p = all[i];

		if (p == NULL)
			continue;
		while (*p > ' ' && *p < 0x7f)
			p++;
		if (*p != '\0' || p == all[i] || p - all[i] > KEY_MAX)
			return uni_err_set(err, UNI_E_AUTH,
					   "%s: credentials with characters that no key has", who);
	}
	out->access_key = uni_strdup(access);
	out->secret_key = uni_strdup(secret);
	out->session_token = token != NULL ? uni_strdup(token) : NULL;
	return 0;
}

int aws_credentials_json(struct aws_credentials *out, const char *name, const char *text,
			 size_t size, struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	const char *access, *secret, *token, *expiration;
	int rc = uni_json_parse(&json, name, text, size, err);

	if (rc != 0)
		return uni_err_set(err, UNI_E_AUTH, "%s: what it answered is no JSON", name);
	access = uni_json_text(uni_json_get(json, "AccessKeyId"));
	secret = uni_json_text(uni_json_get(json, "SecretAccessKey"));
	token = uni_json_text(uni_json_get(json, "SessionToken"));
	if (token == NULL)
		token = uni_json_text(uni_json_get(json, "Token"));
	expiration = uni_json_text(uni_json_get(json, "Expiration"));
	if (access == NULL || secret == NULL)
		return uni_err_set(err, UNI_E_AUTH,
				   "%s: no AccessKeyId and SecretAccessKey in its answer", name);
	if (expiration != NULL && !aws_time_parse(expiration, &out->expires))
		return uni_err_set(err, UNI_E_AUTH, "%s: Expiration is no time", name);
	return take_keys(out, name, access, secret, token, err);
}

static int from_environment(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
			    struct uni_err *err)
{
	const char *access = uni_env("AWS_ACCESS_KEY_ID");
	const char *secret = uni_env("AWS_SECRET_ACCESS_KEY");
	int rc;

	(void)profile;
	if (aws->profile_asked) {
		aws_note(aws, "environment: passed over, a profile was asked for");
		return 0;
	}
	if (access == NULL) {
		aws_note(aws, "environment: AWS_ACCESS_KEY_ID is not set");
		return 0;
	}
	if (secret == NULL)
		return uni_err_set(err, UNI_E_AUTH,
				   "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
	rc = take_keys(out, "environment", access, secret, uni_env("AWS_SESSION_TOKEN"), err);
	if (rc != 0)
		return rc;
	aws_note(aws, "environment: AWS_ACCESS_KEY_ID %s%s", access,
		 out->session_token != NULL ? " with AWS_SESSION_TOKEN" : "");
	return 1;
}

/* A command line as AWS's tools read it: words between blanks, quotes, backslashes; no shell. */
static bool split_words(const char *text, struct uni_strv *words)
{
	while (*(text += strspn(text, " \t")) != '\0') {
		struct uni_buf word = UNI_BUF_INIT;
		char quote = '\0';

		for (; *text != '\0' && (quote != '\0' || (*text != ' ' && *text != '\t'));
		     text++) {
			if (quote != '\'' && *text == '\\' && text[1] != '\0')
				uni_buf_putc(&word, *++text);
			else if (*text == quote)
				quote = '\0';
			else if (quote == '\0' && (*text == '"' || *text == '\''))
				quote = *text;
			else
				uni_buf_putc(&word, *text);
		}
		uni_strv_take(words, uni_buf_take(&word));
		if (quote != '\0')
			return false;
	}
	return words->count != 0;
}

static int from_process(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
			struct uni_err *err)
{
	const char *command = aws_profiles_get(aws->profiles, profile, "credential_process");
	struct uni_strv words UNI_AUTO_STRV = { 0 };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc;

	if (command == NULL)
		return 0;
	if (!split_words(command, &words))
		return uni_err_set(err, UNI_E_AUTH, "credential_process is no command line: %s",
				   command);
	rc = uni_process_ask((const char *const *)words.items, "", 0, &text, PROCESS_LIMIT, err);
	if (rc != 0)
		return uni_err_context(err, "credential_process");
	rc = aws_credentials_json(out, "credential_process", uni_buf_text(&text), text.size, err);
	if (text.data != NULL)
		explicit_bzero(text.data, text.size);
	if (rc != 0)
		return rc;
	aws_note(aws, "credential_process: %s gave %s", words.items[0], out->access_key);
	return 1;
}

/* Keys that stand in one of the two files. */
static int from_file(struct uni_aws *aws, const char *profile, enum aws_file file,
		     struct aws_credentials *out, struct uni_err *err)
{
	const struct aws_profiles *p = aws->profiles;
	const char *access = aws_profiles_get_in(p, file, profile, "aws_access_key_id");
	const char *secret = aws_profiles_get_in(p, file, profile, "aws_secret_access_key");
	int rc;

	if (access == NULL)
		return 0;
	if (secret == NULL)
		return uni_err_set(
			err, UNI_E_AUTH,
			"profile \"%s\" has aws_access_key_id and no aws_secret_access_key",
			profile);
	rc = take_keys(out, profile, access, secret,
		       aws_profiles_get_in(p, file, profile, "aws_session_token"), err);
	if (rc != 0)
		return rc;
	aws_note(aws, "profile \"%s\": aws_access_key_id %s", profile, access);
	return 1;
}

static int from_shared(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
		       struct uni_err *err)
{
	return from_file(aws, profile, AWS_FILE_CREDENTIALS, out, err);
}

static int from_config(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
		       struct uni_err *err)
{
	return from_file(aws, profile, AWS_FILE_CONFIG, out, err);
}

static const struct aws_provider from_environment_provider = { "environment", from_environment };
static const struct aws_provider from_shared_provider = { "profile", from_shared };
static const struct aws_provider from_process_provider = { "credential_process", from_process };
static const struct aws_provider from_config_provider = { "profile", from_config };

/* What a profile can have of itself, in the order of AWS's tools. */
static const struct aws_provider *const of_profile[] = {
	&aws_from_profile_web_identity, &aws_from_sso,	       &from_shared_provider,
	&from_process_provider,		&from_config_provider,
};
static const struct aws_provider *const before_profile[] = {
	&from_environment_provider,
	&aws_from_role,
	&aws_from_web_identity,
};
static const struct aws_provider *const behind_profile[] = {
	&aws_from_container,
	&aws_from_instance,
};

static int ask_each(struct uni_aws *aws, const struct aws_provider *const *list, size_t count,
		    const char *profile, struct aws_credentials *out, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = list[i]->find(aws, profile, out, err);
		if (rc > 0)
			out->found = list[i]->name;
	}
	return rc;
}

int aws_credentials_of_profile(struct uni_aws *aws, const char *profile,
			       struct aws_credentials *out, struct uni_err *err)
{
	int rc = ask_each(aws, of_profile, UNI_COUNT(of_profile), profile, out, err);

	if (rc == 0)
		aws_note(aws, "profile \"%s\": %s", profile,
			 aws_profiles_has(aws->profiles, profile)
				 ? "no keys and no credential_process"
				 : "is not in the AWS configuration");
	return rc;
}

static int none_found(struct uni_aws *aws, struct uni_err *err)
{
	struct uni_buf tried UNI_AUTO_BUF = UNI_BUF_INIT;

	for (size_t i = 0; i < aws->trail.count; i++)
		uni_buf_printf(&tried, "\n  %s", aws->trail.items[i]);
	uni_err_set(err, UNI_E_AUTH, "no AWS credentials; what was tried:%s", uni_buf_text(&tried));
	return uni_err_hint(err,
			    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile "
			    "with --profile");
}

int aws_credentials_find(struct uni_aws *aws, struct uni_err *err)
{
	struct aws_credentials found = { 0 };
	int rc;

	uni_strv_free(&aws->trail);
	rc = ask_each(aws, before_profile, UNI_COUNT(before_profile), aws->profile, &found, err);
	if (rc == 0)
		rc = aws_credentials_of_profile(aws, aws->profile, &found, err);
	if (rc == 0)
		rc = ask_each(aws, behind_profile, UNI_COUNT(behind_profile), aws->profile, &found,
			      err);
	if (rc > 0 && found.expires != 0 && found.expires <= uni_clock_now() + aws->skew) {
		uni_err_set(err, UNI_E_AUTH, "the credentials from %s have expired", found.found);
		rc = uni_err_hint(err, "get new ones, as with: aws sso login");
	}
	if (rc <= 0) {
		aws_credentials_free(&found);
		return rc == 0 ? none_found(aws, err) : rc;
	}
	aws_credentials_free(&aws->credentials);
	aws->credentials = found;
	return 0;
}
