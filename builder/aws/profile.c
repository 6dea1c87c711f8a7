/*
 * Lines of both files kept as (section, key, value) in reading order; later ones count.
 */
#include "profile.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/text.h>

#define FILE_LIMIT (1u << 20)
#define BOTH (AWS_FILE_CONFIG | AWS_FILE_CREDENTIALS)

struct setting {
	char *section; /* "profile NAME", "sso-session NAME", "services NAME" */
	char *key;     /* NULL: the section's head; "OUTER.KEY" inside of a setting */
	char *value;
	enum aws_file file;
};

struct aws_profiles {
	struct setting *items;
	size_t count, room;
};

/* Where a file is read. */
struct reading {
	struct aws_profiles *p;
	enum aws_file file;
	char *section; /* NULL: of no concern */
	char *outer;   /* the setting that others may be inside of */
};

static void add(struct reading *r, const char *key, const char *value)
{
	struct aws_profiles *p = r->p;

	UNI_PUSH_ROOM(p->items, p->count, p->room);
	p->items[p->count++] = (struct setting){
		.file = r->file,
		.section = uni_strdup(r->section),
		.key = key != NULL ? uni_strdup(key) : NULL,
		.value = value != NULL ? uni_strdup(value) : NULL,
	};
}

static char *trim(char *text)
{
	size_t size;

	text += strspn(text, " \t\r");
	size = strlen(text);
	while (size != 0 && strchr(" \t\r", text[size - 1]) != NULL)
		text[--size] = '\0';
	return text;
}

/* "[profile x]" and "[default]" of the config file, "[x]" of the credentials file; NULL for what is
 * of no concern here. */
static char *section_name(const char *head, bool config)
{
	if (!config || uni_str_eq(head, "default"))
		return uni_asprintf("profile %s", head);
	if (uni_str_starts(head, "profile ") || uni_str_starts(head, "sso-session ") ||
	    uni_str_starts(head, "services ")) {
		const char *name = strchr(head, ' ');

		return uni_asprintf("%.*s %s", (int)(name - head), head,
				    name + strspn(name, " \t"));
	}
	return NULL;
}

/* A blank and a number sign or semicolon begin a comment behind a value. */
static void cut_comment(char *value)
{
	for (char *p = value; *p != '\0'; p++)
		if ((*p == '#' || *p == ';') && p > value && (p[-1] == ' ' || p[-1] == '\t'))
			*p-- = '\0';
}

static void read_setting(struct reading *r, bool nested, char *key, const char *value)
{
	char *inner UNI_AUTO_FREE = NULL;

	if (!nested) {
		free(r->outer);
		r->outer = uni_strdup(key);
	} else if (r->outer == NULL) {
		return;
	} else {
		inner = uni_asprintf("%s.%s", r->outer, key);
	}
	if (r->section != NULL)
		add(r, inner != NULL ? inner : key, value);
}

static int read_line(struct reading *r, char *line)
{
	bool nested = *line == ' ' || *line == '\t';
	char *text = trim(line), *equals;

	if (*text == '\0' || *text == '#' || *text == ';')
		return 0;
	if (*text == '[') {
		char *end = strchr(text, ']');

		if (end == NULL)
			return UNI_E_PARSE;
		*end = '\0';
		free(r->section);
		r->section = section_name(trim(text + 1), r->file == AWS_FILE_CONFIG);
		if (r->section != NULL)
			add(r, NULL, NULL);
		return 0;
	}
	equals = strchr(text, '=');
	if (equals == NULL)
		return nested ? 0 : UNI_E_PARSE;
	*equals = '\0';
	cut_comment(equals + 1);
	read_setting(r, nested, trim(text), trim(equals + 1));
	return 0;
}

static void reading_end(struct reading *r)
{
	free(r->section);
	free(r->outer);
}

static int read_file(struct aws_profiles *p, const char *path, enum aws_file file,
		     struct uni_err *err)
{
	struct reading r __attribute__((cleanup(reading_end))) = { .p = p, .file = file };
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	unsigned number = 0;
	int rc = uni_file_read(path, FILE_LIMIT, &text, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc != 0)
		return rc;
	for (char *line = text.data, *next; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		number++;
		if (read_line(&r, line) != 0)
			return uni_err_set(err, UNI_E_PARSE,
					   "%s:%u: neither [section] nor key = value", path,
					   number);
	}
	return 0;
}

int aws_profiles_read(struct aws_profiles **profiles, const char *config, const char *credentials,
		      struct uni_err *err)
{
	struct aws_profiles *p = uni_alloc(sizeof(*p));
	int rc = read_file(p, config, AWS_FILE_CONFIG, err);

	if (rc == 0)
		rc = read_file(p, credentials, AWS_FILE_CREDENTIALS, err);
	if (rc != 0) {
		aws_profiles_free(p);
		p = NULL;
	}
	*profiles = p;
	return rc;
}

static const char *find(const struct aws_profiles *p, unsigned files, const char *kind,
			const char *name, const char *key)
{
	char *section UNI_AUTO_FREE = uni_asprintf("%s %s", kind, name);

	for (size_t i = p->count; i-- > 0;) {
		const struct setting *s = &p->items[i];

		if ((files & s->file) == 0 || !uni_str_eq(s->section, section))
			continue;
		if (key == NULL)
			return s->section;
		if (s->key != NULL && uni_str_eq(s->key, key))
			return s->value;
	}
	return NULL;
}

bool aws_profiles_has(const struct aws_profiles *profiles, const char *profile)
{
	return find(profiles, BOTH, "profile", profile, NULL) != NULL;
}

const char *aws_profiles_get(const struct aws_profiles *profiles, const char *profile,
			     const char *key)
{
	return find(profiles, BOTH, "profile", profile, key);
}

const char *aws_profiles_get_in(const struct aws_profiles *profiles, enum aws_file file,
				const char *profile, const char *key)
{
	return find(profiles, file, "profile", profile, key);
}

const char *aws_profiles_services(const struct aws_profiles *profiles, const char *services,
				  const char *key)
{
	return find(profiles, BOTH, "services", services, key);
}

const char *aws_profiles_session(const struct aws_profiles *profiles, const char *session,
				 const char *key)
{
	return find(profiles, BOTH, "sso-session", session, key);
}

void aws_profiles_free(struct aws_profiles *profiles)
{
	if (profiles == NULL)
		return;
	for (size_t i = 0; i < profiles->count; i++) {
		free(profiles->items[i].section);
		free(profiles->items[i].key);
		free(profiles->items[i].value);
	}
	free(profiles->items);
	free(profiles);
}
