/*
 * names.json: every name with its newest version and its description, for those who search. It is
 * merged with what was there, so that publishing one package reads no other's file.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/json.h>
#include <uni/recipes/version.h>

struct names {
	struct uni_buf *out;
	const struct index_name *fresh; /* sorted */
	size_t count, next;
	bool any;
};

static void name_clear(struct index_name *name)
{
	free(name->name);
	free(name->version);
	free(name->description);
}

void index_names_free(struct index_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		name_clear(&names->items[i]);
	free(names->items);
	*names = (struct index_names){ .items = NULL };
}

void index_names_note(struct index_names *names, const struct uni_index_package *package)
{
	struct index_name fresh = { .name = uni_strdup(package->name) };
	const struct uni_index_version *best = NULL;
	size_t at = 0;
	for (size_t i = 0; i < package->count; i++) {
		const struct uni_index_version *v = &package->versions[i];
		if (v->yanked == NULL &&
		    (best == NULL || uni_version_newer(v->version, best->version)))
			best = v;
	}
	if (best != NULL) {
		fresh.version = uni_strdup(best->version);
		fresh.description =
			best->description != NULL ? uni_strdup(best->description) : NULL;
	}
	while (at < names->count && !uni_str_eq(names->items[at].name, package->name))
		at++;
	if (at < names->count) {
		name_clear(&names->items[at]);
	} else {
		UNI_PUSH_ROOM(names->items, names->count, names->room);
		names->count++;
	}
	names->items[at] = fresh;
}

static void put_name(struct names *n, const char *name, const char *version,
		     const char *description)
{
	uni_buf_puts(n->out, n->any ? ",\n " : "{\n ");
	uni_json_string(n->out, name);
	uni_buf_puts(n->out, ": {\"version\": ");
	uni_json_string(n->out, version);
	if (description != NULL) {
		uni_buf_puts(n->out, ", \"description\": ");
		uni_json_string(n->out, description);
	}
	uni_buf_putc(n->out, '}');
	n->any = true;
}

/* Those before `name` (NULL: all that are left); true when `name` itself was among them. */
static bool put_fresh(struct names *n, const char *name)
{
	int order = -1;
	while (n->next < n->count) {
		const struct index_name *f = &n->fresh[n->next];
		order = name != NULL ? strcmp(f->name, name) : -1;
		if (order > 0)
			return false;
		if (f->version != NULL) /* else all of it is yanked */
			put_name(n, f->name, f->version, f->description);
		n->next++;
		if (order == 0)
			return true;
	}
	return false;
}

static int copy_name(void *user, const char *name, const struct uni_json *entry,
		     struct uni_err *err)
{
	struct names *n = user;
	const char *version = uni_json_text(uni_json_get(entry, "version"));
	(void)err;
	if (!put_fresh(n, name) && version != NULL)
		put_name(n, name, version, uni_json_text(uni_json_get(entry, "description")));
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct index_name *)a)->name, ((const struct index_name *)b)->name);
}

int index_names_text(struct index_names *names, const struct uni_buf *old, struct uni_buf *out,
		     struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct names n = { .out = out, .fresh = names->items, .count = names->count };
	int rc = 0;
	if (names->count != 0)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
	if (old != NULL && old->size != 0) {
		rc = uni_json_parse(&json, "names.json", old->data, old->size, err);
		if (rc == 0)
			rc = uni_json_each(json, copy_name, &n, err);
	}
	put_fresh(&n, NULL);
	uni_buf_puts(out, n.any ? "\n}\n" : "{}\n");
	return rc;
}
