/*
 * The static site's reader of requests on anything: it stays inside its input, a path that it lets
 * in leads nowhere but down, and a part that it selects lies in the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const struct http_request *request)
{
	const char *at = request->path;

	while (*at != '\0') {
		size_t segment = strcspn(at, "/");

		/* Neither "", ".", "..", nor hidden. */
		if (segment == 0 || (*at == '.' && strncmp(at, ".well-known", segment) != 0))
			abort();
		at += segment;
		if (*at == '/' && *++at == '\0')
			abort();
	}
}

static void check_part(const struct http_request *request, uint64_t size, int64_t modified)
{
	static const char etag[] = "\"aaaaaaaaaaaaaaaa\"";
	const struct http_file file = { size, modified, { etag, sizeof(etag) - 1 } };
	struct http_part part = http_select(request, &file);

	if (part.start > size || part.size > size - part.start)
		abort();
	if (part.status == 200	 ? part.size != size
	    : part.status == 206 ? part.size == 0
				 : part.size != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request;
	char *bytes = malloc(size + 1);
	int used;

	/* Exactly as large as it is, so that a byte too many is seen. */
	if (bytes == NULL || size > INT32_MAX)
		abort();
	memcpy(bytes, data, size);
	bytes = realloc(bytes, size != 0 ? size : 1);
	used = http_parse(bytes, size, &request);
	if (used > 0 && (size_t)used > size)
		abort();
	if (used > 0) {
		check_path(&request);
		check_part(&request, 0, 0);
		check_part(&request, 1, 1000000000);
		check_part(&request, UINT64_MAX >> 1, 1000000001);
	}
	free(bytes);
	return 0;
}
