/*
 * The decoder that toml-test's runner calls: TOML on standard input, tagged JSON on standard
 * output, status 1 and the findings on standard error for what is no TOML.
 */
#include "tagged.h"

#include <stdio.h>

static void read_all(struct uni_buf *text)
{
	char block[65536];
	size_t size;

	while ((size = fread(block, 1, sizeof(block), stdin)) > 0)
		uni_buf_add(text, block, size);
}

static void print_findings(const struct uni_diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		struct uni_buf line UNI_AUTO_BUF = UNI_BUF_INIT;

		uni_diag_text(&diags->items[i], &line);
		fprintf(stderr, "%s\n", uni_buf_text(&line));
		if (diags->items[i].hint != NULL)
			fprintf(stderr, "  %s\n", diags->items[i].hint);
	}
}

int main(void)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	json_t *json;
	int failed;

	read_all(&text);
	if (uni_toml_parse(&toml, "<stdin>", uni_buf_text(&text), text.size, &diags, &err) != 0) {
		print_findings(&diags);
		return 1;
	}
	json = toml_tagged(uni_toml_root(toml));
	failed = json_dumpf(json, stdout, JSON_INDENT(2));
	json_decref(json);
	return failed != 0 || fflush(stdout) != 0 ? 1 : 0;
}
