/*
 * Answers: looking into one, and what a status means as an error.
 */
#include "internal.h"
#include <string.h>

#define SAID_MAX 200

void uni_net_answer_free(struct uni_net_answer *answer)
{
	free(answer->url);
	uni_strv_free(&answer->headers);
	uni_buf_free(&answer->body);
	memset(answer, 0, sizeof(*answer));
}

const char *uni_net_answer_header(const struct uni_net_answer *answer, const char *name)
{
	size_t size = strlen(name);
	for (size_t i = 0; i < answer->headers.count; i++) {
		const char *line = answer->headers.items[i];
		if (strncmp(line, name, size) == 0 && line[size] == ':' && line[size + 1] == ' ')
			return line + size + 2;
	}
	return NULL;
}

static int code_of(int status)
{
	if (status == 401 || status == 403 || status == 407)
		return UNI_E_AUTH;
	if (status == 404 || status == 410)
		return UNI_E_NOENT;
	return status >= 400 && status < 500 && status != 408 && status != 429 ? UNI_E_INVAL
									       : UNI_E_NETWORK;
}

/* The first of what a server says, when it is text: on one line, without control characters. */
static void add_said(struct uni_buf *text, const struct uni_buf *body)
{
	size_t size = body->size < SAID_MAX ? body->size : SAID_MAX;
	while (size > 0 && !uni_utf8_valid(body->data, size) && size + 4 > SAID_MAX)
		size--;
	if (size == 0 || !uni_utf8_valid(body->data, size) || body->data[0] == '<')
		return;
	uni_buf_puts(text, ": ");
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)body->data[i];
		uni_buf_putc(text, c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
	while (text->size > 0 && text->data[text->size - 1] == ' ')
		text->data[--text->size] = '\0';
}

int uni_net_check(const struct uni_net_answer *answer, struct uni_err *err)
{
	if (net_status_ok(answer->status) || answer->status == 304)
		return 0;
	char *plain UNI_AUTO_FREE = uni_net_url_plain(answer->url != NULL ? answer->url : "");
	struct uni_buf said UNI_AUTO_BUF = UNI_BUF_INIT;
	add_said(&said, &answer->body);
	return uni_err_set(err, code_of(answer->status), "%s: the server answers %d%s", plain,
			   answer->status, uni_buf_text(&said));
}
