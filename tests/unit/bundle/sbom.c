/*
 * Bills of materials and provenance, as far as no build makes the manifest that they are made of:
 * the scenarios have others' programs judge the rest.
 */
#include "unit.h"

#include <string.h>
#include <uni/bundle/sbom.h>

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char manifest[] =
	"{\"uni\": \"1\", \"image\": {\"name\": \"i\", \"version\": \"1.0.0\"},"
	"\"base\": {\"name\": \"b\", \"digest\": \"sha256:" HEX "\"},"
	"\"artifacts\": [{\"name\": \"i.elf\", \"digest\": \"sha256:" HEX "\"},"
	"{\"name\": \"i.data.raw\", \"digest\": \"map-sha256:" HEX "\"}]}";

/* A disk that is mostly holes is a subject as any other, under a digest of its own kind. */
static void sparse_artifact(void **state)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	uni_buf_puts(&text, manifest);
	if (uni_sbom_write(UNI_SBOM_PROVENANCE, "m", &text, NULL, &out, &err) != 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(out.data, "{\"name\": \"i.elf\", \"digest\": {\"sha256\": \"" HEX));
	assert_non_null(strstr(out.data,
			       "{\"name\": \"i.data.raw\", \"digest\": {\"uniMapSha256\": \"" HEX));
}

int unit_sbom(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sparse_artifact) };

	return cmocka_run_group_tests_name("bills of materials", tests, NULL, NULL);
}
