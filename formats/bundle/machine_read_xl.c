/*
 * Reading xl.cfg(5): KEY = VALUE, where a value is a number, a string or a list of strings; and in
 * those xl-disk-configuration(5). The whole text must be of that kind, or it is something else.
 */
#include "machine_read.h"

#include <string.h>

struct scan {
	const char *at; /* NUL-terminated */
	struct uni_machine_found *found;
	bool described;
};

static void skip_blank(struct scan *s, const char *blank)
{
	for (;;) {
		s->at += strspn(s->at, blank);
		if (*s->at != '#')
			return;
		s->at += strcspn(s->at, "\n");
	}
}

/* NULL: there is no string here. */
static char *take_string(struct scan *s)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	char quote = *s->at;

	if (quote != '"' && quote != '\'')
		return NULL;
	for (s->at++; *s->at != quote; s->at++) {
		if (*s->at == '\\' && s->at[1] != '\0')
			s->at++;
		if (*s->at == '\0' || *s->at == '\n')
			return NULL;
		uni_buf_putc(&out, *s->at);
	}
	s->at++;
	return uni_buf_take(&out);
}

static bool take_list(struct scan *s, struct uni_strv *list)
{
	s->at++;
	for (;;) {
		char *item;

		skip_blank(s, " \t\r\n,");
		if (*s->at == ']')
			break;
		item = take_string(s);
		if (item == NULL)
			return false;
		uni_strv_take(list, item);
	}
	s->at++;
	return true;
}

static bool take_word(struct scan *s, char **word)
{
	size_t size = strspn(s->at, "abcdefghijklmnopqrstuvwxyz_0123456789"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	*word = uni_strndup(s->at, size);
	s->at += size;
	return size != 0;
}

/* [<target>, [<format>, [<vdev>, [<access>]]]], any of them by its name; "target=" ends the list.
 */
static int add_disk(struct scan *s, const char *spec, struct uni_err *err)
{
	char *target = NULL;
	bool writable = true;
	unsigned position = 0;

	while (*spec != '\0') {
		UNI_AUTO_FREE char *part = NULL;
		size_t size;

		spec += strspn(spec, " ");
		if (uni_str_starts(spec, "target=")) {
			free(target);
			target = uni_strdup(spec + strlen("target="));
			break;
		}
		size = strcspn(spec, ",");
		part = uni_strndup(spec, size);
		if (strchr(part, '=') == NULL && position++ == 0 && target == NULL)
			target = uni_strdup(part);
		if (uni_str_eq(part, "access=ro") || uni_str_eq(part, "ro") ||
		    uni_str_eq(part, "r") || uni_str_eq(part, "access=r"))
			writable = false;
		spec += size + (spec[size] == ',');
	}
	return target != NULL ? machine_add_disk(s->found, target, writable, err) : 0;
}

static int take_lists(struct scan *s, const char *key, const struct uni_strv *list,
		      struct uni_err *err)
{
	int rc = 0;

	if (uni_str_eq(key, "vif"))
		s->found->networks = list->count;
	for (size_t i = 0; rc == 0 && uni_str_eq(key, "disk") && i < list->count; i++)
		rc = add_disk(s, list->items[i], err);
	return rc;
}

static void take_text(struct scan *s, const char *key, const char *text)
{
	char **to = uni_str_eq(key, "name")	? &s->found->name
		    : uni_str_eq(key, "kernel") ? &s->found->kernel
						: NULL;

	if (to == NULL)
		return;
	free(*to);
	*to = uni_strdup(text);
	s->described = true;
}

static void take_number(struct scan *s, const char *key, const char *word)
{
	uint64_t number;

	if (!uni_str_u64(word, &number))
		return;
	if (uni_str_eq(key, "memory") && number <= UINT64_MAX >> 20)
		s->found->memory = number << 20;
	if (uni_str_eq(key, "vcpus"))
		s->found->processors = number;
}

/* 1: one more setting; 0: it is none. */
static int take_setting(struct scan *s, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv list = { 0 };
	UNI_AUTO_FREE char *key = NULL;
	UNI_AUTO_FREE char *value = NULL;

	if (!take_word(s, &key))
		return 0;
	s->at += strspn(s->at, " \t+");
	if (*s->at++ != '=')
		return 0;
	s->at += strspn(s->at, " \t");
	if (*s->at == '[') {
		if (!take_list(s, &list))
			return 0;
		return take_lists(s, key, &list, err) == 0 ? 1 : err->code;
	}
	value = take_string(s);
	if (value != NULL) {
		take_text(s, key, value);
		return 1;
	}
	if (!take_word(s, &value))
		return 0;
	take_number(s, key, value);
	return 1;
}

int machine_read_xl(struct uni_machine_found *found, const char *name, const char *text,
		    size_t size, struct uni_err *err)
{
	struct scan s = { .at = text, .found = found };

	(void)name;
	(void)size;
	for (;;) {
		int rc;

		skip_blank(&s, " \t\r\n;");
		if (*s.at == '\0')
			return s.described;
		rc = take_setting(&s, err);
		if (rc != 1)
			return rc;
		s.at += strspn(s.at, " \t\r");
		if (strchr("\n;#", *s.at) == NULL) /* its NUL too */
			return 0;
	}
}
