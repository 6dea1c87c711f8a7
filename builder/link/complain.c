/*
 * What ld says, as one error: undefined and doubly defined symbols are gathered by name, each with
 * the objects that want or define it, under the names that the recipe has for them. Anything else
 * is passed on as ld put it.
 */
#include <string.h>

#include "run.h"

enum { SYMBOLS_SHOWN = 8, OBJECTS_SHOWN = 3 };

struct symbol {
	char *name;
	bool duplicate;
	struct uni_strv objects;
};

struct reading {
	const struct complaint *c;
	char *object; /* of the last "in function" line */
	char *function;
	struct symbol *symbols;
	size_t count;
	size_t room;
};

/* The name of the input that `text` starts with, and of its member; NULL when it is none. */
static char *input_at(const struct complaint *c, const char *text)
{
	for (size_t i = 0; i < c->count; i++) {
		size_t size = strlen(c->inputs[i].path);
		const char *end;

		if (strncmp(text, c->inputs[i].path, size) != 0)
			continue;
		if (text[size] == ':')
			return uni_strdup(c->inputs[i].name);
		end = text[size] == '(' ? strchr(text + size, ')') : NULL;
		if (end != NULL)
			return uni_asprintf("%s%.*s", c->inputs[i].name,
					    (int)(end + 1 - (text + size)), text + size);
	}
	return NULL;
}

/* Text between the quotes behind `before`; NULL when the line has none. Owned by the caller. */
static char *quoted(const char *line, const char *before)
{
	const char *at = strstr(line, before);
	const char *end;

	if (at == NULL)
		return NULL;
	at += strlen(before);
	end = strchr(at, '\'');
	return end != NULL ? uni_strndup(at, (size_t)(end - at)) : NULL;
}

static struct symbol *symbol_of(struct reading *r, const char *name, bool duplicate)
{
	struct symbol *s;

	for (size_t i = 0; i < r->count; i++)
		if (r->symbols[i].duplicate == duplicate && strcmp(r->symbols[i].name, name) == 0)
			return &r->symbols[i];
	UNI_PUSH_ROOM(r->symbols, r->count, r->room);
	s = &r->symbols[r->count++];
	memset(s, 0, sizeof(*s));
	s->name = uni_strdup(name);
	s->duplicate = duplicate;
	return s;
}

static void add_object(struct symbol *s, char *object)
{
	if (object == NULL || uni_strv_has(&s->objects, object))
		free(object);
	else
		uni_strv_take(&s->objects, object);
}

/* Who a line is about: an input at its start, else that of the function line before. */
static char *object_of(const struct reading *r, const char *line, bool with_function)
{
	char *object = input_at(r->c, line);

	if (object != NULL || r->object == NULL)
		return object;
	if (with_function && r->function != NULL)
		return uni_asprintf("%s (in %s)", r->object, r->function);
	return uni_strdup(r->object);
}

static void read_duplicate(struct reading *r, const char *line, const char *name)
{
	const char *second = strstr(line, "'; ");
	struct symbol *s = symbol_of(r, name, true);

	if (second != NULL)
		add_object(s, input_at(r->c, second + 3));
	add_object(s, object_of(r, line, false));
}

static void read_line(struct reading *r, const char *line)
{
	UNI_AUTO_FREE char *undefined = quoted(line, "undefined reference to `");
	UNI_AUTO_FREE char *duplicate = quoted(line, "multiple definition of `");
	const char *text = line;

	/* "ld: " or "/usr/bin/ld: " */
	if (strstr(text, "ld: ") != NULL &&
	    strcspn(text, ":") + 2 == (size_t)(strstr(text, "ld: ") + 4 - text))
		text = strstr(text, "ld: ") + 4;
	if (undefined != NULL) {
		add_object(symbol_of(r, undefined, false), object_of(r, text, true));
	} else if (duplicate != NULL) {
		read_duplicate(r, text, duplicate);
	} else if (strstr(text, ": in function `") != NULL) {
		free(r->object);
		free(r->function);
		r->object = input_at(r->c, text);
		r->function = quoted(text, ": in function `");
	}
}

static void describe(const struct symbol *s, struct uni_buf *out)
{
	if (s->duplicate)
		uni_buf_printf(out, "symbol \"%s\" is defined more than once", s->name);
	else
		uni_buf_printf(out, "undefined symbol \"%s\"", s->name);
	for (size_t i = 0; i < s->objects.count && i < OBJECTS_SHOWN; i++)
		uni_buf_printf(out, "%s%s",
			       i != 0	      ? ", "
			       : s->duplicate ? ": in "
					      : ", wanted by ",
			       s->objects.items[i]);
	if (s->objects.count > OBJECTS_SHOWN)
		uni_buf_printf(out, " and %zu more", s->objects.count - OBJECTS_SHOWN);
}

/* ld's own words with the paths of inputs turned into names. */
static void rename_all(const struct complaint *c, const char *text, struct uni_buf *out)
{
	while (*text != '\0') {
		size_t i = 0;

		while (i < c->count &&
		       strncmp(text, c->inputs[i].path, strlen(c->inputs[i].path)) != 0)
			i++;
		if (i < c->count) {
			uni_buf_puts(out, c->inputs[i].name);
			text += strlen(c->inputs[i].path);
		} else {
			uni_buf_putc(out, *text++);
		}
	}
}

static void reading_clear(struct reading *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->symbols[i].name);
		uni_strv_free(&r->symbols[i].objects);
	}
	free(r->symbols);
	free(r->object);
	free(r->function);
}

/* Slim LTO objects hold no machine code; ld says so in passing and then misses every symbol. */
static int check_lto(const struct complaint *c, const char *text, struct uni_err *err)
{
	static const char words[] = ": plugin needed to handle lto object";
	const char *end = strstr(text, words);
	const char *line = end;
	UNI_AUTO_FREE char *object = NULL;

	if (end == NULL)
		return 0;
	while (line > text && line[-1] != '\n')
		line--;
	if (strncmp(line, "ld: ", 4) == 0)
		line += 4;
	object = input_at(c, line);
	uni_err_set(err, UNI_E_UNSUPPORTED,
		    "%s: holds no machine code, only the compiler's own form "
		    "for optimising at link time",
		    object != NULL ? object : "an object");
	return uni_err_hint(err, "compile it without -flto, or with -ffat-lto-objects");
}

int complain(const struct complaint *c, const struct uni_buf *messages, int status,
	     struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	struct reading r = { .c = c };
	const char *text = uni_buf_text(messages);
	int rc = check_lto(c, text, err);

	if (rc != 0)
		return rc;
	while (*text != '\0') {
		size_t size = strcspn(text, "\n");
		UNI_AUTO_FREE char *line = uni_strndup(text, size);

		read_line(&r, line);
		text += size;
		text += *text == '\n';
	}
	for (size_t i = 0; i < r.count && i < SYMBOLS_SHOWN; i++) {
		uni_buf_puts(&out, i != 0 ? "; " : "");
		describe(&r.symbols[i], &out);
	}
	if (r.count > SYMBOLS_SHOWN)
		uni_buf_printf(&out, "; and %zu more symbols", r.count - SYMBOLS_SHOWN);
	if (r.count == 0)
		rename_all(c, uni_buf_text(messages), &out);
	reading_clear(&r);
	if (out.size == 0)
		return uni_err_set(err, UNI_E_PROCESS, "ld ended with status %d", status);
	return uni_err_set(err,
			   strstr(out.data, "No space left") != NULL ? UNI_E_NOSPACE : UNI_E_INVAL,
			   "%s", run_first_lines(&out));
}
