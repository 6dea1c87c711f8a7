/*
 * Trees of XML documents: every element is found once, and what it says is no longer than the
 * document.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uni/base/text.h>
#include <uni/base/xml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = { "", "a", "a/b", "/", "a//b", "item/id" };
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_xml_parse(&root, "fuzz", (const char *)data, size, &err) != 0) {
		if (root != NULL || err.code == 0)
			abort();
		return 0;
	}
	for (size_t i = 0; i < UNI_COUNT(paths); i++) {
		const struct uni_xml *x = uni_xml_get(root, paths[i]);
		const char *value = uni_xml_attribute(root, paths[i], "n");

		if ((x == NULL) != (uni_xml_text(root, paths[i]) == NULL) ||
		    (value != NULL && (x == NULL || strlen(value) > size)))
			abort();
		for (size_t n = 0; x != NULL; x = uni_xml_next(x))
			if (n++ > size || strlen(uni_xml_text(x, "")) > size)
				abort();
	}
	return 0;
}
