/*
 * Requests: read strictly where two readers could disagree about where one ends (RFC 9112, section
 * 11.2), and so that a path never leads out of its folder.
 */
#include "http.h"

#include <string.h>
#include <strings.h>

#define TARGET_MAX 2048

struct reader {
	const char *at;
	const char *end;
};

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is(struct http_text text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.text, word, text.size) == 0;
}

static struct http_text trimmed(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	return (struct http_text){ from, (size_t)(to - from) };
}

/* The next line without its end; false when it has none yet. */
static bool next_line(struct reader *reader, struct http_text *line)
{
	const char *end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

	if (end == NULL)
		return false;
	line->text = reader->at;
	line->size = (size_t)(end - reader->at);
	if (line->size != 0 && line->text[line->size - 1] == '\r')
		line->size--;
	reader->at = end + 1;
	return true;
}

/* The next item of a list with commas; quoted commas do not separate. */
static bool next_item(struct http_text *list, struct http_text *item)
{
	while (list->size != 0) {
		bool quoted = false;
		size_t size = 0;

		while (size < list->size && (quoted || list->text[size] != ','))
			quoted ^= list->text[size++] == '"';
		*item = trimmed(list->text, list->text + size);
		size += size < list->size;
		list->text += size;
		list->size -= size;
		if (item->size != 0)
			return true;
	}
	return false;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX; what is left of a path when "?" and "#" are cut off. -1: it cannot be a path. */
static int decode(struct http_text target, char *out, size_t room)
{
	size_t size = 0;

	for (size_t i = 0; i < target.size; i++) {
		int c = (unsigned char)target.text[i];

		if (c == '?' || c == '#')
			break;
		if (c == '%') {
			if (i + 2 >= target.size || hex(target.text[i + 1]) < 0 ||
			    hex(target.text[i + 2]) < 0)
				return -1;
			c = hex(target.text[i + 1]) * 16 + hex(target.text[i + 2]);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || size + 1 >= room)
			return -1;
		out[size++] = (char)c;
	}
	out[size] = '\0';
	return (int)size;
}

/*
 * Takes out empty, "." and ".." segments, in place. What leads above the start is refused rather
 * than cut off: nobody honest asks for it. A name that starts with a dot is nobody's business,
 * except the one of RFC 8615.
 */
static int normalise(struct http_request *request)
{
	char *out = request->path;
	const char *at = request->path;

	request->folder = true;
	while (*at != '\0') {
		size_t size = strcspn(at, "/");
		const char *next = at + size + (at[size] == '/');

		request->folder = at[size] == '/' || size == 0;
		if (size == 2 && memcmp(at, "..", 2) == 0) {
			if (out == request->path)
				return -400;
			while (out > request->path && *--out != '/')
				;
			request->folder = true;
		} else if (size == 1 && *at == '.') {
			request->folder = true;
		} else if (size != 0) {
			if (*at == '.' && (size != 11 || memcmp(at, ".well-known", 11) != 0))
				return -404;
			if (out != request->path)
				*out++ = '/';
			memmove(out, at, size);
			out += size;
		}
		at = next;
	}
	*out = '\0';
	return 0;
}

/* "/path", or "http://host/path" (RFC 9112, section 3.2). */
static int take_target(struct http_text target, struct http_request *request)
{
	if (target.size > TARGET_MAX)
		return -414;
	if (target.size > 7 && strncasecmp(target.text, "http://", 7) == 0) {
		const char *slash = memchr(target.text + 7, '/', target.size - 7);

		target.size -= slash != NULL ? (size_t)(slash - target.text) : target.size;
		target.text = slash != NULL ? slash : "/";
		target.size += slash == NULL;
	}
	if (target.size == 0 || target.text[0] != '/')
		return -400;
	target.text++;
	target.size--;
	if (decode(target, request->path, sizeof(request->path)) < 0)
		return target.size >= sizeof(request->path) ? -414 : -400;
	return normalise(request);
}

static int take_request_line(struct http_text line, struct http_request *request)
{
	const char *end = line.text + line.size;
	const char *first = memchr(line.text, ' ', line.size);
	const char *second =
		first != NULL ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
	struct http_text method, target, version;

	if (second == NULL)
		return -400;
	method = (struct http_text){ line.text, (size_t)(first - line.text) };
	target = (struct http_text){ first + 1, (size_t)(second - first - 1) };
	version = (struct http_text){ second + 1, (size_t)(end - second - 1) };
	if (version.size != 8 || memcmp(version.text, "HTTP/", 5) != 0 || version.text[6] != '.')
		return -400;
	if (version.text[5] != '1' || version.text[7] < '0' || version.text[7] > '9')
		return -505;
	request->keep_alive = version.text[7] != '0';
	for (size_t i = 0; i < method.size; i++)
		if (!is_token(method.text[i]))
			return -400;
	/* Methods know upper from lower case. */
	request->head = method.size == 4 && memcmp(method.text, "HEAD", 4) == 0;
	if (!request->head && (method.size != 3 || memcmp(method.text, "GET", 3) != 0))
		return method.size != 0 ? -405 : -400;
	return take_target(target, request);
}

static void take_connection(struct http_text list, struct http_request *request)
{
	struct http_text item;

	while (next_item(&list, &item))
		if (is(item, "close"))
			request->keep_alive = false;
		else if (is(item, "keep-alive"))
			request->keep_alive = true;
}

struct seen {
	unsigned hosts;
	bool close;
};

static int take_field(struct http_text line, struct http_request *request, struct seen *seen)
{
	struct {
		const char *name;
		struct http_text *value;
	} known[] = {
		{ "if-none-match", &request->if_none_match },
		{ "if-modified-since", &request->if_modified },
		{ "range", &request->range },
		{ "if-range", &request->if_range },
		{ "if-match", &request->if_match },
		{ "if-unmodified-since", &request->if_unmodified },
	};
	const char *colon = memchr(line.text, ':', line.size);
	struct http_text name, value;

	/* No space before the colon, and no line that goes on in the next. */
	if (colon == NULL || colon == line.text)
		return -400;
	name = (struct http_text){ line.text, (size_t)(colon - line.text) };
	for (size_t i = 0; i < name.size; i++)
		if (!is_token(name.text[i]))
			return -400;
	value = trimmed(colon + 1, line.text + line.size);
	if (memchr(value.text, '\0', value.size) != NULL ||
	    memchr(value.text, '\r', value.size) != NULL)
		return -400;
	if (is(name, "host")) {
		seen->hosts++;
	} else if (is(name, "connection")) {
		take_connection(value, request);
		seen->close |= !request->keep_alive;
	} else if (is(name, "transfer-encoding")) {
		return -501;
	} else if (is(name, "content-length")) {
		/* A body would have to be read; requests for files have none. */
		return is(value, "0") ? 0 : -413;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(name, known[i].name)) {
			if (known[i].value->text != NULL)
				return -400;
			*known[i].value = value;
		}
	return 0;
}

int http_parse(const char *bytes, size_t size, struct http_request *request)
{
	struct reader reader = { bytes, bytes + size };
	struct seen seen = { 0 };
	struct http_text line;
	bool one_one;
	int status;

	memset(request, 0, sizeof(*request));
	/* Some clients send an empty line behind a request. */
	do
		if (!next_line(&reader, &line))
			return 0;
	while (line.size == 0);
	status = take_request_line(line, request);
	one_one = request->keep_alive;
	for (;;) {
		if (status != 0)
			return status;
		if (!next_line(&reader, &line))
			return 0;
		if (line.size == 0)
			break;
		status = take_field(line, request, &seen);
	}
	if (seen.hosts > 1 || (one_one && seen.hosts == 0))
		return -400;
	request->keep_alive &= !seen.close;
	return (int)(reader.at - bytes);
}

/* Whether one of the tags in a list is ours; a weak one counts where `weak` is enough. */
static bool tag_among(struct http_text list, struct http_text etag, bool weak)
{
	struct http_text item;

	if (is(list, "*"))
		return true;
	while (next_item(&list, &item)) {
		if (item.size > 2 && memcmp(item.text, "W/", 2) == 0) {
			if (!weak)
				continue;
			item.text += 2;
			item.size -= 2;
		}
		if (item.size == etag.size && memcmp(item.text, etag.text, etag.size) == 0)
			return true;
	}
	return false;
}

static bool number(struct http_text text, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.text[i] < '0' || text.text[i] > '9' || *value > UINT64_MAX / 10 - 1)
			return false;
		*value = *value * 10 + (uint64_t)(text.text[i] - '0');
	}
	return text.size != 0;
}

/* Whether the range still means this file (RFC 9110, section 13.1.5). */
static bool range_holds(struct http_text condition, const struct http_file *file)
{
	int64_t when;

	if (condition.text == NULL)
		return true;
	if (condition.size != 0 && condition.text[0] == '"')
		return tag_among(condition, file->etag, false);
	return file->modified != 0 && http_date_read(condition, &when) && when == file->modified;
}

/* 206 and the part, 416, or 200 for what is not to be taken as a range. */
static int take_range(struct http_text range, uint64_t size, struct http_part *part)
{
	struct http_text first, last;
	const char *dash;
	uint64_t from, to;

	if (range.size < 7 || strncasecmp(range.text, "bytes=", 6) != 0 ||
	    memchr(range.text, ',', range.size) != NULL)
		return 200;
	first = trimmed(range.text + 6, range.text + range.size);
	dash = memchr(first.text, '-', first.size);
	if (dash == NULL)
		return 200;
	last = (struct http_text){ dash + 1, (size_t)(first.text + first.size - dash - 1) };
	first.size = (size_t)(dash - first.text);
	if (first.size == 0) {
		/* The last so many. */
		if (!number(last, &to))
			return 200;
		from = to < size ? size - to : 0;
		part->start = from;
		part->size = size - from;
		return to == 0 || size == 0 ? 416 : 206;
	}
	to = size - 1;
	if (!number(first, &from) || (last.size != 0 && (!number(last, &to) || to < from)))
		return 200;
	if (from >= size)
		return 416;
	part->start = from;
	part->size = (to < size ? to + 1 : size) - from;
	return 206;
}

static bool unchanged_since(struct http_text date, const struct http_file *file)
{
	int64_t when;

	return file->modified != 0 && http_date_read(date, &when) && file->modified <= when;
}

static bool changed_since(struct http_text date, const struct http_file *file)
{
	int64_t when;

	return file->modified != 0 && http_date_read(date, &when) && file->modified > when;
}

static int precondition(const struct http_request *request, const struct http_file *file)
{
	if (request->if_match.text != NULL) {
		if (!tag_among(request->if_match, file->etag, false))
			return 412;
	} else if (request->if_unmodified.text != NULL &&
		   changed_since(request->if_unmodified, file)) {
		return 412;
	}
	if (request->if_none_match.text != NULL)
		return tag_among(request->if_none_match, file->etag, true) ? 304 : 200;
	return request->if_modified.text != NULL && unchanged_since(request->if_modified, file)
		       ? 304
		       : 200;
}

struct http_part http_select(const struct http_request *request, const struct http_file *file)
{
	struct http_part part = { .status = precondition(request, file), .size = file->size };

	if (part.status != 200) {
		part.size = 0;
		return part;
	}
	/* Range is for GET alone (RFC 9110, section 14.2). */
	if (request->range.text != NULL && !request->head && range_holds(request->if_range, file))
		part.status = take_range(request->range, file->size, &part);
	if (part.status == 416)
		part.start = part.size = 0;
	return part;
}
