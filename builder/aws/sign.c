/*
 * The canonical request, the string to sign and the signature, in the order of AWS's description.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uni/aws/sign.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"

struct pair {
	char *name, *value;
	size_t place; /* equal names keep their order */
};

struct pairs {
	struct pair *items;
	size_t count, room;
};

static void pairs_free(struct pairs *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].name);
		free(p->items[i].value);
	}
	free(p->items);
}
#define AUTO_PAIRS __attribute__((cleanup(pairs_free)))

static void pairs_take(struct pairs *p, char *name, char *value)
{
	UNI_PUSH_ROOM(p->items, p->count, p->room);
	p->items[p->count] = (struct pair){ name, value, p->count };
	p->count++;
}

static int by_name_and_value(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : strcmp(x->value, y->value);
}

static int by_name_and_place(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

static void encode(struct uni_buf *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_unreserved(c))
			uni_buf_putc(out, (char)c);
		else
			uni_buf_printf(out, "%%%02X", c);
	}
}

void uni_aws_encode(struct uni_buf *out, const char *text)
{
	encode(out, text, strlen(text));
}

/* As sent a name or value may be encoded or not: decoded, then encoded, it has one form. */
static char *encode_again(const char *text, size_t size)
{
	struct uni_buf plain UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf out = UNI_BUF_INIT;
	uint8_t byte;

	for (size_t i = 0; i < size; i++) {
		char digits[4] = { 0 };

		memcpy(digits, text + i, size - i > 2 ? 3 : 1);
		if (digits[0] == '%' && uni_unhex(digits + 1, &byte, 1)) {
			uni_buf_putc(&plain, (char)byte);
			i += 2;
		} else {
			uni_buf_putc(&plain, text[i]);
		}
	}
	encode(&out, uni_buf_text(&plain), plain.size);
	return uni_buf_take(&out);
}

static void add_query(struct pairs *pairs, const char *query)
{
	while (query != NULL && *query != '\0') {
		size_t size = strcspn(query, "&");
		size_t name = strcspn(query, "=&");
		size_t value = name < size ? name + 1 : size;

		if (size != 0)
			pairs_take(pairs, encode_again(query, name),
				   encode_again(query + value, size - value));
		query += size;
		query += *query == '&';
	}
}

static void write_query(struct uni_buf *out, struct pairs *pairs)
{
	if (pairs->count != 0)
		qsort(pairs->items, pairs->count, sizeof(*pairs->items), by_name_and_value);
	for (size_t i = 0; i < pairs->count; i++)
		uni_buf_printf(out, "%s%s=%s", i != 0 ? "&" : "", pairs->items[i].name,
			       pairs->items[i].value);
}

/* The path without empty and dot segments (RFC 3986, 5.2.4); a slash at its end stays. */
static char *normal_path(const char *path)
{
	struct uni_buf out = UNI_BUF_INIT;
	bool folder = true;

	while (*path != '\0') {
		size_t size = strcspn(path, "/");

		if (size == 0 || (size == 1 && path[0] == '.')) {
			folder = true;
		} else if (size == 2 && path[0] == '.' && path[1] == '.') {
			while (out.size != 0 && out.data[--out.size] != '/')
				;
			folder = true;
		} else {
			uni_buf_putc(&out, '/');
			uni_buf_add(&out, path, size);
			folder = path[size] == '/';
		}
		path += size;
		path += *path == '/';
	}
	if (folder)
		uni_buf_putc(&out, '/');
	return uni_buf_take(&out);
}

static void write_path(struct uni_buf *out, const char *path, bool keep)
{
	char *normal UNI_AUTO_FREE = keep ? uni_strdup(path) : normal_path(path);

	for (const char *p = normal; *p != '\0';) {
		size_t size = strcspn(p, "/");

		encode(out, p, size);
		p += size;
		if (*p == '/')
			uni_buf_putc(out, *p++);
	}
}

/* A header's value without white space at its ends, and one blank for each run inside. */
static char *trimmed(const char *value)
{
	struct uni_buf out = UNI_BUF_INIT;

	for (; *value != '\0'; value++) {
		if (!isspace((unsigned char)*value))
			uni_buf_putc(&out, *value);
		else if (out.size != 0 && out.data[out.size - 1] != ' ')
			uni_buf_putc(&out, ' ');
	}
	if (out.size != 0 && out.data[out.size - 1] == ' ')
		out.data[--out.size] = '\0';
	return uni_buf_take(&out);
}

static void add_header(struct pairs *pairs, const char *name, const char *value)
{
	char *lower = uni_strdup(name);

	for (char *p = lower; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	pairs_take(pairs, lower, trimmed(value));
}

/* Lines "name:value,value" into `lines`, the names with ";" between into `names`. */
static void write_headers(struct uni_buf *lines, struct uni_buf *names, struct pairs *pairs)
{
	if (pairs->count != 0)
		qsort(pairs->items, pairs->count, sizeof(*pairs->items), by_name_and_place);
	for (size_t i = 0; i < pairs->count; i++) {
		const struct pair *p = &pairs->items[i];

		if (i != 0 && uni_str_eq(p->name, p[-1].name)) {
			uni_buf_printf(lines, ",%s", p->value);
			continue;
		}
		uni_buf_printf(lines, "%s%s:%s", i != 0 ? "\n" : "", p->name, p->value);
		uni_buf_printf(names, "%s%s", i != 0 ? ";" : "", p->name);
	}
	uni_buf_putc(lines, '\n');
}

static void write_date(char date[17], int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(date, 17, "%Y%m%dT%H%M%SZ", &tm) != 16)
		memcpy(date, "19700101T000000Z", 17);
}

static char *scope_text(const struct uni_aws_signed *s, const struct uni_aws_scope *scope)
{
	return uni_asprintf("%.8s/%s/%s/" SCOPE_END, s->date, scope->region, scope->service);
}

static struct uni_digest chain(const struct uni_digest *key, const char *text)
{
	return uni_hmac(key->bytes, sizeof(key->bytes), text, strlen(text));
}

static void seal(struct uni_aws_signed *s, const struct uni_aws_scope *scope,
		 const struct uni_aws_keys *keys)
{
	struct uni_digest digest = uni_digest_of(uni_buf_text(&s->canonical), s->canonical.size);
	char *place UNI_AUTO_FREE = scope_text(s, scope);
	char *first UNI_AUTO_FREE = uni_asprintf("AWS4%s", keys->secret_key);
	char day[9], hex[65];

	uni_hex(digest.bytes, sizeof(digest.bytes), hex);
	uni_buf_printf(&s->to_sign, ALGORITHM "\n%s\n%s\n%s", s->date, place, hex);
	memcpy(day, s->date, 8);
	day[8] = '\0';
	digest = uni_hmac(first, strlen(first), day, 8);
	digest = chain(&digest, scope->region);
	digest = chain(&digest, scope->service);
	digest = chain(&digest, SCOPE_END);
	digest = chain(&digest, uni_buf_text(&s->to_sign));
	uni_hex(digest.bytes, sizeof(digest.bytes), s->signature);
	explicit_bzero(first, strlen(first));
}

/* Canonical request but for its query, which comes between path and headers. */
static void write_canonical(struct uni_aws_signed *s, const struct uni_aws_request *request,
			    const struct uni_aws_scope *scope, struct pairs *query,
			    const struct uni_buf *lines, const struct uni_buf *names)
{
	uni_buf_printf(&s->canonical, "%s\n", request->method);
	write_path(&s->canonical, request->path, scope->keep_path);
	uni_buf_putc(&s->canonical, '\n');
	write_query(&s->canonical, query);
	uni_buf_printf(&s->canonical, "\n%s\n%s\n%s", uni_buf_text(lines), uni_buf_text(names),
		       request->payload);
}

void uni_aws_sign(struct uni_aws_signed *s, const struct uni_aws_request *request,
		  const struct uni_aws_scope *scope, const struct uni_aws_keys *keys)
{
	struct uni_buf lines UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf names UNI_AUTO_BUF = UNI_BUF_INIT;
	struct pairs headers AUTO_PAIRS = { 0 };
	struct pairs query AUTO_PAIRS = { 0 };
	char *place UNI_AUTO_FREE = NULL;

	write_date(s->date, scope->time);
	for (size_t i = 0; i < request->header_count; i++)
		add_header(&headers, request->headers[i].name, request->headers[i].value);
	add_header(&headers, "x-amz-date", s->date);
	if (keys->session_token != NULL && !scope->token_outside)
		add_header(&headers, "x-amz-security-token", keys->session_token);
	write_headers(&lines, &names, &headers);
	add_query(&query, request->query);
	write_canonical(s, request, scope, &query, &lines, &names);
	seal(s, scope, keys);
	place = scope_text(s, scope);
	uni_buf_printf(&s->result, ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		       keys->access_key, place, uni_buf_text(&names), s->signature);
}

void uni_aws_signed_free(struct uni_aws_signed *s)
{
	uni_buf_free(&s->canonical);
	uni_buf_free(&s->to_sign);
	uni_buf_free(&s->result);
}
