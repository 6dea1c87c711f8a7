/*
 * Credentials from the machine we run on: a container's endpoint, and the instance's metadata
 * service (IMDSv2: a token first). Both are a hop away: no answer within a second is none.
 */
#include "aws.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>

#define CONTAINER "http://169.254.170.2"
#define TOKEN_LIMIT (16u << 10)
#define PATIENCE_MS 1000
#define ROLES "/latest/meta-data/iam/security-credentials/"

int aws_ask_nearby(struct uni_aws *aws, const char *method, const char *url, const char *header,
		   struct uni_net_answer *answer, struct uni_err *err)
{
	const char *const headers[] = { header, NULL };
	struct uni_net_request request = { .method = method,
					   .url = url,
					   .headers = headers,
					   .once = true,
					   .no_redirect = true,
					   .attempt_ms = PATIENCE_MS };
	int rc = uni_net_do(aws->net, &request, answer, err);

	return rc == 0 ? uni_net_check(answer, err) : rc;
}

/* A token would go there: only over TLS, to this machine, or to the addresses that AWS set aside.
 */
static bool may_ask(const char *url)
{
	static const char *const safe[] = { "http://127.0.0.1",	     "http://localhost",
					    "http://[::1]",	     "http://169.254.170.2",
					    "http://169.254.170.23", "http://[fd00:ec2::23]" };

	if (uni_str_starts(url, "https://"))
		return true;
	for (size_t i = 0; i < UNI_COUNT(safe); i++)
		if (uni_str_starts(url, safe[i]) && strchr(":/", url[strlen(safe[i])]) != NULL)
			return true;
	return false;
}

static int container_token(char **header, struct uni_err *err)
{
	const char *token = uni_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	const char *file = uni_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;

	if (file != NULL) {
		int rc = uni_file_read(file, TOKEN_LIMIT, &text, err);

		if (rc != 0)
			return rc;
		token = text.data;
	}
	if (token == NULL)
		return 0;
	*header = uni_asprintf("Authorization: %.*s", (int)strcspn(token, "\r\n"), token);
	return 0;
}

static int from_container(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
			  struct uni_err *err)
{
	const char *relative = uni_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = uni_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = NULL;
	char *header UNI_AUTO_FREE = NULL;
	int rc;

	(void)profile;
	if (relative == NULL && full == NULL) {
		aws_note(aws, "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set");
		return 0;
	}
	url = relative != NULL ? uni_asprintf("%s%s", CONTAINER, relative) : uni_strdup(full);
	if (!may_ask(url))
		return uni_err_set(
			err, UNI_E_DENIED,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor this machine");
	rc = container_token(&header, err);
	if (rc == 0)
		rc = aws_ask_nearby(aws, "GET", url, header, &answer, err);
	if (rc == 0)
		rc = aws_credentials_json(out, "container", uni_buf_text(&answer.body),
					  answer.body.size, err);
	if (rc != 0)
		return uni_err_context(err, "credentials of the container");
	aws_note(aws, "container: %s gave %s", url, out->access_key);
	return 1;
}

const struct aws_provider aws_from_container = { "container", from_container };

static char *metadata(const char *path)
{
	const char *base = uni_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");

	if (base == NULL)
		base = AWS_METADATA;
	return uni_asprintf("%.*s%s", (int)(strlen(base) - (uni_str_ends(base, "/") ? 1 : 0)), base,
			    path);
}

static bool metadata_refused(void)
{
	return aws_is_true(uni_env("AWS_EC2_METADATA_DISABLED"));
}

static int open_metadata(struct uni_aws *aws, char **header, struct uni_err *err)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = metadata("/latest/api/token");
	int rc = aws_ask_nearby(aws, "PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 21600",
				&answer, err);
	const char *token = uni_buf_text(&answer.body);

	if (rc == 0)
		*header = uni_asprintf("X-aws-ec2-metadata-token: %.*s",
				       (int)strcspn(token, "\r\n"), token);
	return rc;
}

static int from_instance(struct uni_aws *aws, const char *profile, struct aws_credentials *out,
			 struct uni_err *err)
{
	struct uni_net_answer role UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *list UNI_AUTO_FREE = metadata(ROLES);
	char *url UNI_AUTO_FREE = NULL;
	char *header UNI_AUTO_FREE = NULL;
	const char *name;
	int rc;

	(void)profile;
	if (metadata_refused()) {
		aws_note(aws, "instance: AWS_EC2_METADATA_DISABLED is set");
		return 0;
	}
	rc = open_metadata(aws, &header, err);
	if (rc == 0)
		rc = aws_ask_nearby(aws, "GET", list, header, &role, err);
	if (rc != 0) {
		aws_note(aws, "instance: no metadata service with a role answers");
		uni_err_clear(err);
		return rc == UNI_E_CANCELLED ? rc : 0;
	}
	name = uni_buf_text(&role.body);
	url = uni_asprintf("%s%.*s", list, (int)strcspn(name, "\r\n"), name);
	rc = aws_ask_nearby(aws, "GET", url, header, &answer, err);
	if (rc == 0)
		rc = aws_credentials_json(out, "instance metadata", uni_buf_text(&answer.body),
					  answer.body.size, err);
	if (rc != 0)
		return uni_err_context(err, "credentials of the instance");
	aws_note(aws, "instance: role %.*s gave %s", (int)strcspn(name, "\r\n"), name,
		 out->access_key);
	return 1;
}

const struct aws_provider aws_from_instance = { "instance", from_instance };

int aws_region_of_instance(struct uni_aws *aws)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	char *url UNI_AUTO_FREE = metadata("/latest/meta-data/placement/region");
	char *header UNI_AUTO_FREE = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (metadata_refused() || open_metadata(aws, &header, &err) != 0 ||
	    aws_ask_nearby(aws, "GET", url, header, &answer, &err) != 0 ||
	    !uni_aws_region_valid(uni_buf_text(&answer.body)))
		return 0;
	aws->region = uni_strdup(uni_buf_text(&answer.body));
	return 1;
}
