/*
 * What services answer: EC2's XML, EBS's JSON, the credentials of container, instance and process.
 * What is taken of an error fits where it goes and can be shown on a terminal; credentials that are
 * accepted are whole.
 */
#include <stdlib.h>
#include <string.h>

#include "aws.h"
#include <uni/base/xml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const char *text, size_t size)
{
	static const char *const paths[] = {
		"", "imagesSet/item/blockDeviceMapping/item/ebs/snapshotId",
		"snapshotSet/item/tagSet/item/key",
		"reservationSet/item/instancesSet/item/instanceId", "nextToken"
	};
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_xml_parse(&root, "fuzz", text, size, &err) != 0)
		return;
	for (size_t i = 0; i < UNI_COUNT(paths); i++) {
		const struct uni_xml *x = uni_xml_get(root, paths[i]);
		const char *found = uni_xml_text(root, paths[i]);

		if ((x == NULL) != (found == NULL) || (found != NULL && strlen(found) > size))
			abort();
		for (size_t n = 0; x != NULL; x = uni_xml_next(x))
			if (n++ > size)
				abort();
	}
}

static void read_error(const uint8_t *data, size_t size)
{
	struct uni_net_answer answer UNI_AUTO_NET_ANSWER = UNI_NET_ANSWER_INIT;
	struct uni_buf message UNI_AUTO_BUF = UNI_BUF_INIT;
	char code[UNI_AWS_CODE];

	answer.status = 400;
	uni_buf_add(&answer.body, data, size);
	aws_answer_error(&answer, code, &message);
	if (strlen(code) >= sizeof(code))
		abort();
	for (size_t i = 0; i < message.size; i++)
		if ((unsigned char)message.data[i] < ' ' || message.data[i] == 0x7f)
			abort();
}

static void read_credentials(const char *text, size_t size)
{
	struct aws_credentials credentials = { .expires = 0 };
	struct uni_err err = UNI_ERR_INIT;
	int rc = aws_credentials_json(&credentials, "fuzz", text, size, &err);

	if (rc >= 0 && (credentials.access_key == NULL || credentials.secret_key == NULL))
		abort();
	if (rc < 0 && err.text[0] == '\0')
		abort();
	aws_credentials_free(&credentials);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UNI_AUTO_FREE char *text = uni_strndup((const char *)data, size);

	walk(text, strlen(text));
	read_error(data, size);
	read_credentials(text, strlen(text));
	return 0;
}
