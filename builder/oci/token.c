/*
 * Bearer tokens: the registry names a realm, the realm gives a token for a scope (Docker Registry
 * v2 authentication, "Token Authentication Specification").
 */
#include "internal.h"
#include <string.h>
#include <strings.h>
#include <uni/base/json.h>

void oci_challenge_free(struct oci_challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	*challenge = (struct oci_challenge){ 0 };
}

static void take_parameter(struct oci_challenge *c, const char *name, size_t size, char *value)
{
	char **slot = NULL;

	if (size == 5 && strncasecmp(name, "realm", 5) == 0)
		slot = &c->realm;
	else if (size == 7 && strncasecmp(name, "service", 7) == 0)
		slot = &c->service;
	else if (size == 5 && strncasecmp(name, "scope", 5) == 0)
		slot = &c->scope;
	if (slot == NULL || *slot != NULL)
		free(value);
	else
		*slot = value;
}

bool oci_challenge_parse(const char *header, struct oci_challenge *challenge)
{
	const char *at = header;

	*challenge = (struct oci_challenge){ 0 };
	if (strncasecmp(at, "Basic", 5) == 0) {
		challenge->basic = true;
		return true;
	}
	if (strncasecmp(at, "Bearer ", 7) != 0)
		return false;
	at += 7;
	while (*(at += strspn(at, " ,")) != '\0') {
		size_t size = strcspn(at, "= ,"), length;
		const char *value = at + size;

		if (*value != '=')
			break;
		value++;
		if (*value == '"') {
			value++;
			length = strcspn(value, "\"");
		} else {
			length = strcspn(value, " ,");
		}
		take_parameter(challenge, at, size, uni_strndup(value, length));
		at = value + length;
		at += *at == '"';
	}
	if (challenge->realm != NULL)
		return true;
	oci_challenge_free(challenge);
	return false;
}

static void add(struct uni_buf *form, const char *name, const char *value)
{
	if (value == NULL)
		return;
	uni_buf_printf(form, "%s%s=", form->size != 0 ? "&" : "", name);
	uni_net_escape(form, value, "");
}

int oci_token(struct uni_net *net, const struct oci_challenge *challenge, const char *scope,
	      const struct oci_login *login, char **token, struct uni_err *err)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					       NULL };
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_buf form UNI_AUTO_BUF = UNI_BUF_INIT;
	char *url UNI_AUTO_FREE = NULL;
	struct uni_net_request request = { .repeatable = true };
	const char *text;
	int rc;

	add(&form, "service", challenge->service);
	add(&form, "scope", challenge->scope != NULL ? challenge->scope : scope);
	if (login->identity != NULL) {
		add(&form, "grant_type", "refresh_token");
		add(&form, "client_id", "uni");
		add(&form, "refresh_token", login->identity);
		request.method = "POST";
		request.headers = headers;
		request.body.data = form.data;
		request.body.size = form.size;
		url = uni_strdup(challenge->realm);
	} else {
		url = uni_asprintf("%s%s%s", challenge->realm,
				   strchr(challenge->realm, '?') != NULL ? "&" : "?",
				   uni_buf_text(&form));
		request.user = login->user;
		request.password = login->password;
	}
	request.url = url;
	rc = uni_net_do(net, &request, &answer, err);
	if (rc == 0)
		rc = uni_net_check(&answer, err);
	if (rc == 0)
		rc = uni_json_parse(&json, challenge->realm, uni_buf_text(&answer.body),
				    answer.body.size, err);
	if (rc != 0)
		return uni_err_context(err, "token of %s", challenge->realm);
	text = uni_json_text(uni_json_get(json, "token"));
	if (text == NULL)
		text = uni_json_text(uni_json_get(json, "access_token"));
	if (text == NULL || strcspn(text, "\r\n") != strlen(text))
		return uni_err_set(err, UNI_E_AUTH, "%s gave no token", challenge->realm);
	*token = uni_strdup(text);
	return 0;
}
