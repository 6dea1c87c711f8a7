/*
 * Docker's config.json: "credHelpers" for a host, then "credsStore", then "auths". A helper is the
 * program docker-credential-NAME, which reads the host and answers JSON.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/process.h>
#include <uni/base/system.h>

#define CONFIG_LIMIT (1u << 20)
#define ANSWER_LIMIT (64u << 10)
#define IDENTITY_USER "<token>"

void oci_login_free(struct oci_login *login)
{
	free(login->user);
	if (login->password != NULL)
		explicit_bzero(login->password, strlen(login->password));
	free(login->password);
	free(login->identity);
	*login = (struct oci_login){ 0 };
}

static char *config_path(void)
{
	const char *folder = uni_env("DOCKER_CONFIG");
	const char *home = uni_env("HOME");

	return folder != NULL ? uni_asprintf("%s/config.json", folder)
			      : uni_asprintf("%s/.docker/config.json", home != NULL ? home : "");
}

/* `*config` stays NULL when there is no file. */
static int read_config(const char *path, struct uni_json **config, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_file_read(path, CONFIG_LIMIT, &text, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	return rc == 0 ? uni_json_parse(config, path, uni_buf_text(&text), text.size, err) : rc;
}

static void take(struct oci_login *login, const char *user, size_t user_size, const char *password)
{
	if (strncmp(user, IDENTITY_USER, user_size) == 0 && user_size == strlen(IDENTITY_USER)) {
		login->identity = uni_strdup(password);
		return;
	}
	login->user = uni_strndup(user, user_size);
	login->password = uni_strdup(password);
}

static int from_auths(const struct uni_json *config, const char *host, const char *path,
		      struct oci_login *login, struct uni_err *err)
{
	const struct uni_json *entry = uni_json_get(uni_json_get(config, "auths"), host);
	const char *auth = uni_json_text(uni_json_get(entry, "auth"));
	const char *identity = uni_json_text(uni_json_get(entry, "identitytoken"));
	char *plain UNI_AUTO_FREE = NULL;
	size_t size = 0;
	const char *colon;

	if (identity != NULL && *identity != '\0') {
		login->identity = uni_strdup(identity);
		return 0;
	}
	if (auth == NULL)
		return 0;
	plain = uni_alloc(strlen(auth) + 1); /* more than it says */
	if (!uni_unbase64(auth, plain, strlen(auth), &size) || (colon = strchr(plain, ':')) == NULL)
		return uni_err_set(err, UNI_E_PARSE,
				   "%s: auth of \"%s\" is not base64 of user:password", path, host);
	take(login, plain, (size_t)(colon - plain), colon + 1);
	return 0;
}

static bool helper_valid(const char *name)
{
	size_t size = strlen(name);

	return size != 0 && strcspn(name, "/ \t\r\n") == size && name[0] != '-';
}

static int from_helper(const char *name, const char *host, struct oci_login *login,
		       struct uni_err *err)
{
	char *program UNI_AUTO_FREE = uni_asprintf("docker-credential-%s", name);
	const char *const argv[] = { program, "get", NULL };
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	const char *user, *secret;
	int rc;

	if (!helper_valid(name))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is no credential helper's name", name);
	rc = uni_process_ask(argv, host, strlen(host), &out, ANSWER_LIMIT, err);
	if (rc == UNI_E_PROCESS) {
		uni_err_clear(err); /* it says so when it knows nothing of the host */
		return 0;
	}
	if (rc == 0)
		rc = uni_json_parse(&json, program, uni_buf_text(&out), out.size, err);
	if (rc != 0)
		return rc;
	user = uni_json_text(uni_json_get(json, "Username"));
	secret = uni_json_text(uni_json_get(json, "Secret"));
	if (user != NULL && secret != NULL && *user != '\0')
		take(login, user, strlen(user), secret);
	return 0;
}

int oci_login_find(const char *host, struct oci_login *login, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = config_path();
	struct uni_json *config UNI_AUTO(uni_json) = NULL;
	const char *helper;
	int rc = read_config(path, &config, err);

	if (rc != 0 || config == NULL)
		return rc;
	helper = uni_json_text(uni_json_get(uni_json_get(config, "credHelpers"), host));
	if (helper == NULL)
		helper = uni_json_text(uni_json_get(config, "credsStore"));
	if (helper != NULL)
		rc = from_helper(helper, host, login, err);
	if (rc == 0 && login->user == NULL && login->identity == NULL)
		rc = from_auths(config, host, path, login, err);
	return rc;
}

/* --- writing: login and logout --- */

struct rewriting {
	struct uni_buf *out;
	const char *skip;
	bool found, first;
};

/* Copies a member unless it is the one that changes. */
static int copy_member(void *user, const char *key, const struct uni_json *value,
		       struct uni_err *err)
{
	struct rewriting *r = user;

	if (uni_str_eq(key, r->skip)) {
		r->found = true;
		return 0;
	}
	uni_buf_puts(r->out, r->first ? "" : ",\n");
	r->first = false;
	uni_json_string(r->out, key);
	uni_buf_puts(r->out, ": ");
	return uni_json_canonical(value, r->out, err);
}

/* The file anew, with `auth` (base64) for the host, or without the host. */
static int rewrite(const struct uni_json *config, const char *host, const char *auth,
		   struct uni_buf *out, struct uni_err *err)
{
	struct rewriting top = { .out = out, .skip = "auths", .first = true };
	struct rewriting auths = { .out = out, .skip = host, .first = true };
	const struct uni_json *old = uni_json_get(config, "auths");
	int rc = 0;

	uni_buf_puts(out, "{\n");
	if (config != NULL)
		rc = uni_json_each(config, copy_member, &top, err);
	uni_buf_printf(out, "%s\"auths\": {\n", top.first ? "" : ",\n");
	if (rc == 0 && old != NULL)
		rc = uni_json_each(old, copy_member, &auths, err);
	if (auth != NULL) {
		uni_buf_puts(out, auths.first ? "" : ",\n");
		uni_json_string(out, host);
		uni_buf_printf(out, ": {\"auth\": \"%s\"}", auth);
	}
	uni_buf_puts(out, "\n}\n}\n");
	if (rc == 0 && auth == NULL && !auths.found)
		rc = uni_err_set(err, UNI_E_NOENT, "no login of %s is kept", host);
	return rc;
}

static int change(const char *host, const char *auth, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = config_path();
	char *folder UNI_AUTO_FREE = uni_strdup(path);
	struct uni_json *config UNI_AUTO(uni_json) = NULL;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = read_config(path, &config, err);

	if (rc == 0)
		rc = rewrite(config, host, auth, &out, err);
	*strrchr(folder, '/') = '\0';
	if (rc == 0)
		rc = uni_dir_make(folder, 0700, err);
	return rc == 0 ? uni_file_write(path, out.data, out.size, 0600, err) : rc;
}

/* Through the helper that keeps this host's, where there is one; 1: it did. */
static int through_helper(const char *host, const char *verb, const struct uni_buf *input,
			  struct uni_err *err)
{
	char *path UNI_AUTO_FREE = config_path();
	char *program UNI_AUTO_FREE = NULL;
	struct uni_json *config UNI_AUTO(uni_json) = NULL;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	const char *helper;
	int rc = read_config(path, &config, err);

	if (rc != 0)
		return rc;
	helper = uni_json_text(uni_json_get(uni_json_get(config, "credHelpers"), host));
	if (helper == NULL)
		helper = uni_json_text(uni_json_get(config, "credsStore"));
	if (helper == NULL)
		return 0;
	if (!helper_valid(helper))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is no credential helper's name",
				   helper);
	program = uni_asprintf("docker-credential-%s", helper);

	const char *const argv[] = { program, verb, NULL };

	rc = uni_process_ask(argv, input->data, input->size, &out, ANSWER_LIMIT, err);
	return rc == 0 ? 1 : rc;
}

int oci_login_keep(const char *host, const char *user, const char *password, struct uni_err *err)
{
	struct uni_buf input UNI_AUTO_BUF = UNI_BUF_INIT;
	char *pair UNI_AUTO_FREE = uni_asprintf("%s:%s", user, password);
	char *auth UNI_AUTO_FREE = uni_alloc(UNI_BASE64_ROOM(strlen(pair)));
	int rc;

	uni_buf_puts(&input, "{\"ServerURL\": ");
	uni_json_string(&input, host);
	uni_buf_puts(&input, ", \"Username\": ");
	uni_json_string(&input, user);
	uni_buf_puts(&input, ", \"Secret\": ");
	uni_json_string(&input, password);
	uni_buf_puts(&input, "}");
	rc = through_helper(host, "store", &input, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	uni_base64(pair, strlen(pair), auth);
	return change(host, auth, err);
}

int uni_oci_logout(const char *host, struct uni_err *err)
{
	struct uni_buf input UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc;

	uni_buf_puts(&input, host);
	rc = through_helper(host, "erase", &input, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return change(host, NULL, err);
}
