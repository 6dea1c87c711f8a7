/*
 * What a service says went wrong: EC2's and STS's XML, EBS's JSON with a header.
 */
#include "aws.h"
#include <string.h>
#include <uni/base/xml.h>

#define MESSAGE_MAX 400

static void take_code(char code[UNI_AWS_CODE], const char *text)
{
	/* "Code:http://…" and "namespace#Code" are Code. */
	const char *hash = strchr(text, '#');
	size_t size;

	text = hash != NULL ? hash + 1 : text;
	size = strcspn(text, ":");
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			size = i;
	if (size > UNI_AWS_CODE - 1)
		size = UNI_AWS_CODE - 1;
	memcpy(code, text, size);
	code[size] = '\0';
}

/* One line, bounded: it comes from outside and goes to a terminal. */
static void take_message(struct uni_buf *message, const char *text)
{
	for (size_t i = 0; text != NULL && text[i] != '\0' && message->size < MESSAGE_MAX; i++)
		uni_buf_putc(message,
			     (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
}

static void from_xml(const char *text, size_t size, char code[UNI_AWS_CODE],
		     struct uni_buf *message)
{
	static const char *const places[] = { "Errors/Error", "Error" };
	struct uni_err err = UNI_ERR_INIT;
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;

	if (uni_xml_parse(&root, "answer", text, size, &err) != 0)
		return;
	for (size_t i = 0; i < UNI_COUNT(places); i++) {
		const struct uni_xml *e = uni_xml_get(root, places[i]);

		if (e != NULL && uni_xml_text(e, "Code") != NULL) {
			take_code(code, uni_xml_text(e, "Code"));
			take_message(message, uni_xml_text(e, "Message"));
			return;
		}
	}
}

static void from_json(const char *text, size_t size, char code[UNI_AWS_CODE],
		      struct uni_buf *message)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	const char *said, *type;

	if (uni_json_parse(&json, "answer", text, size, &err) != 0)
		return;
	said = uni_json_text(uni_json_get(json, "Message"));
	if (said == NULL)
		said = uni_json_text(uni_json_get(json, "message"));
	type = uni_json_text(uni_json_get(json, "__type"));
	if (code[0] == '\0' && type != NULL)
		take_code(code, type);
	take_message(message, said);
	said = uni_json_text(uni_json_get(json, "Reason"));
	if (said != NULL) {
		uni_buf_puts(message, " (");
		take_message(message, said);
		uni_buf_putc(message, ')');
	}
}

void aws_answer_error(const struct uni_net_answer *answer, char code[UNI_AWS_CODE],
		      struct uni_buf *message)
{
	const char *type = uni_net_answer_header(answer, "x-amzn-errortype");
	const char *text = uni_buf_text(&answer->body);
	const char *start = text + strspn(text, " \t\r\n");

	code[0] = '\0';
	if (type != NULL)
		take_code(code, type);
	if (*start == '<')
		from_xml(text, answer->body.size, code, message);
	else if (*start == '{')
		from_json(text, answer->body.size, code, message);
	if (code[0] == '\0' && answer->status == 429)
		take_code(code, "Throttling");
}
