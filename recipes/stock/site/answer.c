/*
 * Answers: their heads, and where their bodies come from. A head is made in one buffer that does
 * for all, since nearly every one is sent at once.
 */
#include "answer.h"

#include <string.h>

char answer_head[ANSWER_HEAD_MAX];
static char date[HTTP_DATE_SIZE];
static bool dated;

static void put(struct answer *a, const char *text, size_t size)
{
	/* Header fields are of known size, and a path that was let in fits. */
	if (size <= ANSWER_HEAD_MAX - a->head_size) {
		memcpy(answer_head + a->head_size, text, size);
		a->head_size += size;
	}
}

static void puts_to(struct answer *a, const char *text)
{
	put(a, text, strlen(text));
}

static void put_number(struct answer *a, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	put(a, digits + at, sizeof(digits) - at);
}

static void put_path(struct answer *a, const char *path)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *path != '\0'; path++) {
		unsigned char b = (unsigned char)*path;
		char coded[3] = { '%', hex[b >> 4], hex[b & 15] };

		if ((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
		    strchr("/-._~", b) != NULL)
			put(a, path, 1);
		else
			put(a, coded, sizeof(coded));
	}
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "200 OK\r\n" },
		{ 206, "206 Partial Content\r\n" },
		{ 301, "301 Moved Permanently\r\n" },
		{ 304, "304 Not Modified\r\n" },
		{ 400, "400 Bad Request\r\n" },
		{ 403, "403 Forbidden\r\n" },
		{ 404, "404 Not Found\r\n" },
		{ 405, "405 Method Not Allowed\r\n" },
		{ 412, "412 Precondition Failed\r\n" },
		{ 413, "413 Content Too Large\r\n" },
		{ 414, "414 URI Too Long\r\n" },
		{ 416, "416 Range Not Satisfiable\r\n" },
		{ 431, "431 Request Header Fields Too Large\r\n" },
		{ 501, "501 Not Implemented\r\n" },
		{ 503, "503 Service Unavailable\r\n" },
		{ 505, "505 HTTP Version Not Supported\r\n" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "500 Internal Server Error\r\n";
}

static void start_head(struct answer *a, int status)
{
	a->head_size = 0;
	puts_to(a, "HTTP/1.1 ");
	puts_to(a, reason(status));
	if (dated) {
		puts_to(a, "Date: ");
		put(a, date, sizeof(date));
		puts_to(a, "\r\n");
	}
	puts_to(a, a->keep ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
}

static void end_head(struct answer *a, const char *type, uint64_t length)
{
	puts_to(a, "Content-Type: ");
	puts_to(a, type);
	puts_to(a, "\r\nContent-Length: ");
	put_number(a, length);
	puts_to(a, "\r\nX-Content-Type-Options: nosniff\r\n\r\n");
}

/* An answer that is only its status; the page says the status again. */
static void answer_plain(struct answer *a, int status, const char *path, bool bodiless)
{
	const char *text = reason(status);

	start_head(a, status);
	if (status == 405)
		puts_to(a, "Allow: GET, HEAD\r\n");
	if (status == 503)
		puts_to(a, "Retry-After: 1\r\n");
	if (path != NULL) {
		puts_to(a, "Location: /");
		put_path(a, path);
		puts_to(a, "/\r\n");
	}
	a->body = text;
	a->at = 0;
	a->left = bodiless ? 0 : strlen(text);
	end_head(a, "text/plain; charset=utf-8", strlen(text));
}

static void put_validators(struct answer *a, const struct file *file)
{
	puts_to(a, "ETag: ");
	put(a, file->is.etag.text, file->is.etag.size);
	if (file->is.modified != 0) {
		puts_to(a, "\r\nLast-Modified: ");
		put(a, file->modified, sizeof(file->modified));
	}
	puts_to(a, "\r\n");
}

/* Takes over the use of `file`. */
static void answer_file(struct answer *a, struct file *file, struct http_part part, bool bodiless)
{
	start_head(a, part.status);
	if (part.status < 400)
		put_validators(a, file);
	if (part.status == 206 || part.status == 416) {
		puts_to(a, "Content-Range: bytes ");
		if (part.status == 206) {
			put_number(a, part.start);
			puts_to(a, "-");
			put_number(a, part.start + part.size - 1);
		} else {
			puts_to(a, "*");
		}
		puts_to(a, "/");
		put_number(a, file->is.size);
		puts_to(a, "\r\n");
	}
	if (part.status == 200 || part.status == 206)
		puts_to(a, "Accept-Ranges: bytes\r\n");
	if (part.status == 304)
		puts_to(a, "\r\n");
	else
		end_head(a, file->type, part.size);
	a->file = file;
	a->body = file->mapped;
	a->at = part.start;
	a->left = bodiless ? 0 : part.size;
}

/* What is not there gets the folder's own page for that, if it has one. */
static void answer_missing(struct answer *a, int status, bool bodiless, uint64_t now)
{
	struct http_part whole = { .status = status };
	struct file *file;

	if (status != 404 || files_get("404.html", false, now, &file) != 200) {
		answer_plain(a, status, NULL, bodiless);
		return;
	}
	whole.size = file->is.size;
	answer_file(a, file, whole, bodiless);
}

void answer_request(struct answer *a, const struct http_request *request, bool keep, uint64_t now)
{
	struct file *file;
	int status = files_get(request->path, request->folder, now, &file);

	a->keep = keep;
	if (status == 200)
		answer_file(a, file, http_select(request, &file->is), request->head);
	else if (status == 301)
		answer_plain(a, status, request->path, request->head);
	else
		answer_missing(a, status, request->head, now);
}

void answer_refusal(struct answer *a, int status, uint64_t now)
{
	a->keep = false;
	answer_missing(a, status, false, now);
}

void answer_end(struct answer *a)
{
	if (a->file != NULL)
		files_put(a->file);
	memset(a, 0, sizeof(*a));
}

void answer_clock(int64_t seconds)
{
	/* Without a clock there is no Date (RFC 9110, section 6.6.1). */
	dated = seconds > 1000000000;
	if (dated)
		http_date_write(seconds, date);
}
