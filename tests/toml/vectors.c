/*
 * Runs the reader over toml-test's published cases, those that its list names for TOML 1.0.0. Every
 * valid case must give the values that its .json tells, every invalid one must be refused with a
 * place and a sentence.
 *
 * Usage: toml-vectors FOLDER. Status 77: the cases are not there.
 */
#include "tagged.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

enum { SKIPPED = 77 };

static bool is_time(const char *type)
{
	return strncmp(type, "date", 4) == 0 || strcmp(type, "time-local") == 0;
}

/* One spelling of a date and time: T between its halves, no zeros that say nothing, Z for +00:00.
 */
static void spell_time(const char *text, struct uni_buf *out)
{
	bool fraction = false;

	for (const char *c = text; *c != '\0'; c++) {
		if (fraction && (*c < '0' || *c > '9')) {
			while (out->data[out->size - 1] == '0')
				out->data[--out->size] = '\0';
			if (out->data[out->size - 1] == '.')
				out->data[--out->size] = '\0';
			fraction = false;
		}
		if (*c == '.')
			fraction = true;
		if (strcmp(c, "+00:00") == 0 || strcmp(c, "z") == 0) {
			uni_buf_putc(out, 'Z');
			return;
		}
		uni_buf_putc(out, *c == ' ' || *c == 't' ? 'T' : *c);
	}
	while (fraction && out->data[out->size - 1] == '0')
		out->data[--out->size] = '\0';
}

static bool same_plain(const char *type, const char *want, const char *have)
{
	if (strcmp(type, "float") == 0) {
		double a = strtod(want, NULL), b = strtod(have, NULL);

		return (isnan(a) && isnan(b)) || a == b;
	}
	if (is_time(type)) {
		struct uni_buf a UNI_AUTO_BUF = UNI_BUF_INIT, b UNI_AUTO_BUF = UNI_BUF_INIT;

		spell_time(want, &a);
		spell_time(have, &b);
		return strcmp(uni_buf_text(&a), uni_buf_text(&b)) == 0;
	}
	return strcmp(want, have) == 0;
}

/* A tagged leaf has exactly the members type and value, both strings. */
static bool is_leaf(const json_t *json)
{
	return json_is_object(json) && json_object_size(json) == 2 &&
	       json_is_string(json_object_get(json, "type")) &&
	       json_is_string(json_object_get(json, "value"));
}

static bool same(json_t *want, json_t *have)
{
	const char *key;
	json_t *member;
	size_t index;
	bool equal = true;

	if (is_leaf(want) || is_leaf(have)) {
		const char *type = json_string_value(json_object_get(want, "type"));

		equal = is_leaf(want) && is_leaf(have) &&
			strcmp(type, json_string_value(json_object_get(have, "type"))) == 0;
		if (equal && strcmp(type, "string") == 0)
			equal = json_equal(json_object_get(want, "value"),
					   json_object_get(have, "value")) != 0;
		else if (equal)
			equal = same_plain(type, json_string_value(json_object_get(want, "value")),
					   json_string_value(json_object_get(have, "value")));
	} else if (json_is_object(want)) {
		equal = json_is_object(have) && json_object_size(want) == json_object_size(have);
		json_object_foreach(want, key, member)
		{
			json_t *other = json_object_get(have, key);

			equal = equal && other != NULL && same(member, other);
		}
	} else if (json_is_array(want)) {
		equal = json_is_array(have) && json_array_size(want) == json_array_size(have);
		json_array_foreach(want, index, member) equal =
			equal && same(member, json_array_get(have, index));
	}
	return equal;
}

/* JSON from text. jansson reads no key that holds a NUL, so that both sides have U+F8FF for it. */
static json_t *load_text(const char *text)
{
	struct uni_buf clean UNI_AUTO_BUF = UNI_BUF_INIT;

	for (; *text != '\0'; text++) {
		if (strncmp(text, "\\u0000", 6) == 0) {
			uni_buf_puts(&clean, "\\uF8FF");
			text += 5;
			continue;
		}
		uni_buf_putc(&clean, *text);
		if (*text == '\\' && text[1] != '\0')
			uni_buf_putc(&clean, *++text);
	}
	return json_loads(uni_buf_text(&clean), 0, NULL);
}

static json_t *load_expected(const char *path)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_file_read(path, UNI_TOML_MAX, &text, &err) != 0)
		return NULL;
	return load_text(uni_buf_text(&text));
}

static json_t *load_read(struct uni_toml *toml)
{
	json_t *json = toml_tagged(uni_toml_root(toml));
	char *text UNI_AUTO_FREE = json_dumps(json, 0);

	json_decref(json);
	return load_text(text);
}

static bool run_invalid(const char *name, const struct uni_toml *toml,
			const struct uni_diags *diags)
{
	if (toml == NULL && diags->count > 0 && diags->items[0].pos.line > 0 &&
	    diags->items[0].pos.column > 0 && diags->items[0].message[0] != '\0')
		return true;
	printf("FAIL %s: %s\n", name, toml != NULL ? "was accepted" : "has no place or no words");
	return false;
}

static bool run_valid(const char *dir, const char *name, struct uni_toml *toml,
		      const struct uni_err *failure)
{
	char *stem UNI_AUTO_FREE = uni_strndup(name, strlen(name) - strlen(".toml"));
	char *path UNI_AUTO_FREE = uni_asprintf("%s/%s.json", dir, stem);
	json_t *want, *have;
	bool equal;

	if (toml == NULL) {
		printf("FAIL %s: was refused: %s\n", name, failure->text);
		return false;
	}
	want = load_expected(path);
	have = load_read(toml);
	equal = want != NULL && same(want, have);
	if (!equal) {
		char *text = json_dumps(have, JSON_INDENT(1));

		printf("FAIL %s: values differ: %s\n", name, text);
		free(text);
	}
	json_decref(want);
	json_decref(have);
	return equal;
}

static bool run_case(const char *dir, const char *name)
{
	char *path UNI_AUTO_FREE = uni_path_join(dir, name);
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_file_read(path, UNI_TOML_MAX, &text, &err) != 0) {
		printf("FAIL %s\n", err.text);
		return false;
	}
	(void)uni_toml_parse(&toml, name, uni_buf_text(&text), text.size, &diags, &err);
	if (uni_str_starts(name, "valid/"))
		return run_valid(dir, name, toml, &err);
	return run_invalid(name, toml, &diags);
}

int main(int argc, char **argv)
{
	char *list UNI_AUTO_FREE = NULL;
	struct uni_buf names UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;
	unsigned passed = 0, failed = 0;

	if (argc != 2)
		return 2;
	list = uni_path_join(argv[1], "files-toml-1.0.0");
	if (uni_file_read(list, UNI_TOML_MAX, &names, &err) != 0) {
		printf("SKIPPED: toml-test's cases are not at %s: %s\n", argv[1], err.text);
		return SKIPPED;
	}
	for (char *name = strtok(names.data, "\n"); name != NULL; name = strtok(NULL, "\n")) {
		if (!uni_str_ends(name, ".toml"))
			continue;
		if (run_case(argv[1], name))
			passed++;
		else
			failed++;
	}
	printf("%u cases passed, %u failed\n", passed, failed);
	return failed != 0 || passed == 0 ? 1 : 0;
}
