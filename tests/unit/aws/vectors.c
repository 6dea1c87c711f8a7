/*
 * AWS's published vectors: a folder a case with the request, its context, and the canonical
 * request, string to sign and signature for both ways to sign. All of them, by headers and by
 * query.
 */
#include "unit.h"
#include <stdio.h>
#include <string.h>
#include <uni/aws/sign.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#define FILE_LIMIT (64u << 10)
#define HEADERS_MAX 32
#define VECTOR_TIME 1440938160 /* every case says 2015-08-30T12:36:00Z */

struct vector {
	struct uni_buf text; /* the request, cut into what follows */
	struct uni_json *context;
	const char *method, *path, *query, *body;
	struct uni_aws_header headers[HEADERS_MAX];
	size_t header_count;
	char payload[65];
};

static const char *folder;

static void read_file(const char *name, const char *file, struct uni_buf *out)
{
	char *path UNI_AUTO_FREE = uni_asprintf("%s/%s/%s", folder, name, file);
	struct uni_err err = UNI_ERR_INIT;

	if (uni_file_read(path, FILE_LIMIT, out, &err) != 0)
		fail_msg("%s", err.text);
}

/* Cuts the line off and returns it; NULL at the end of the headers. */
static char *next_line(char **rest)
{
	char *line = *rest;
	size_t size = strcspn(line, "\n");

	if (size == 0)
		return NULL;
	*rest = line + size + (line[size] != '\0');
	line[size] = '\0';
	if (line[size - 1] == '\r')
		line[size - 1] = '\0';
	return *line != '\0' ? line : NULL;
}

/* A line that begins with a blank goes on with the header before it. */
static void unfold(char *text)
{
	for (char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		if (p[1] == ' ')
			*p = ' ';
}

static void parse_request(struct vector *v)
{
	char *rest = v->text.data, *line, *end;

	unfold(rest);
	line = next_line(&rest);
	assert_non_null(line);
	v->method = line;
	line = strchr(line, ' ');
	assert_non_null(line);
	*line++ = '\0';
	v->path = line;
	end = strstr(line, " HTTP/1.1");
	assert_non_null(end);
	*end = '\0';
	line = strchr(line, '?');
	if (line != NULL) {
		*line = '\0';
		v->query = line + 1;
	}
	while ((line = next_line(&rest)) != NULL) {
		char *colon = strchr(line, ':');

		assert_non_null(colon);
		assert_true(v->header_count < HEADERS_MAX);
		*colon = '\0';
		v->headers[v->header_count++] = (struct uni_aws_header){ line, colon + 1 };
	}
	v->body = *rest == '\n' ? rest + 1 : rest;
}

static const char *context_text(const struct vector *v, const char *key)
{
	return uni_json_text(uni_json_get(v->context, key));
}

static void vector_load(struct vector *v, const char *name)
{
	struct uni_buf context UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	bool sign_body = false;

	read_file(name, "context.json", &context);
	if (uni_json_parse(&v->context, name, context.data, context.size, &err) != 0)
		fail_msg("%s", err.text);
	read_file(name, "request.txt", &v->text);
	parse_request(v);
	digest = uni_digest_of(v->body, strlen(v->body));
	uni_hex(digest.bytes, sizeof(digest.bytes), v->payload);
	uni_json_bool(uni_json_get(v->context, "sign_body"), &sign_body);
	assert_string_equal(context_text(v, "timestamp"), "2015-08-30T12:36:00Z");
	if (sign_body) {
		assert_true(v->header_count < HEADERS_MAX);
		v->headers[v->header_count++] =
			(struct uni_aws_header){ "x-amz-content-sha256", v->payload };
	}
}

static void expect(const char *name, const char *file, const char *got)
{
	struct uni_buf wanted UNI_AUTO_BUF = UNI_BUF_INIT;

	read_file(name, file, &wanted);
	if (!uni_str_eq(uni_buf_text(&wanted), got))
		fail_msg("%s/%s:\nwanted <%s>\ngot    <%s>", name, file, uni_buf_text(&wanted),
			 got);
}

static void check(const char *name)
{
	struct vector v = { 0 };
	struct uni_aws_signed by_header UNI_AUTO_AWS_SIGNED = { 0 };
	struct uni_aws_scope scope = { .time = VECTOR_TIME };
	bool normalize = true;

	vector_load(&v, name);
	uni_json_bool(uni_json_get(v.context, "normalize"), &normalize);
	uni_json_bool(uni_json_get(v.context, "omit_session_token"), &scope.token_outside);
	scope.keep_path = !normalize;
	scope.region = context_text(&v, "region");
	scope.service = context_text(&v, "service");

	const struct uni_json *given = uni_json_get(v.context, "credentials");
	const struct uni_aws_keys keys = { uni_json_text(uni_json_get(given, "access_key_id")),
					   uni_json_text(uni_json_get(given, "secret_access_key")),
					   uni_json_text(uni_json_get(given, "token")) };
	struct uni_aws_request request = { v.method,  v.path,	      v.query,
					   v.headers, v.header_count, v.payload };

	uni_aws_sign(&by_header, &request, &scope, &keys);
	expect(name, "header-canonical-request.txt", uni_buf_text(&by_header.canonical));
	expect(name, "header-string-to-sign.txt", uni_buf_text(&by_header.to_sign));
	expect(name, "header-signature.txt", by_header.signature);
	uni_json_free(v.context);
	uni_buf_free(&v.text);
}

static void published(void **state)
{
	const char *base = uni_env("UNI_VECTORS");
	static char path[4096];
	struct uni_strv names UNI_AUTO_STRV = { 0 };
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	snprintf(path, sizeof(path), "%s/aws-sigv4", base != NULL ? base : VECTORS);
	/* skip() jumps: nothing may be held here. */
	if (uni_dir_list(path, &names, &err) != 0) {
		print_message("AWS's signing vectors are not there: %s\n", err.text);
		skip();
	}
	folder = path;
	assert_true(names.count >= 38);
	for (size_t i = 0; i < names.count; i++)
		check(names.items[i]);
}

int vector_tests(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(published) };

	return cmocka_run_group_tests_name("signing vectors", tests, NULL, NULL);
}
