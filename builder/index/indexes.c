/*
 * The indexes of a run: each opened when it is first asked, refreshed once, and what it says of a
 * package kept.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

struct uni_indexes {
	struct uni_indexes_options options;
	struct uni_index_list list;
	struct index *items;
	size_t count;
	struct uni_index_package **known;
	size_t known_count, known_room;
};

const struct index_kind *index_kind_of(const char *url)
{
	return uni_str_eq(url, INDEX_EMBEDDED_URL) ? &index_embedded : &index_vouched;
}

/* The embedded index is in the list even where nothing is embedded. */
static bool is_here(const struct uni_index_entry *entry)
{
	if (!uni_str_eq(entry->url, INDEX_EMBEDDED_URL))
		return true;
	char *dir UNI_AUTO_FREE = index_embedded_dir();
	return dir != NULL;
}

int uni_indexes_open(struct uni_indexes **out, const struct uni_indexes_options *options,
		     struct uni_err *err)
{
	struct uni_indexes *all UNI_AUTO(uni_indexes) = uni_alloc(sizeof(*all));
	all->options = *options;
	if (all->options.now == 0)
		all->options.now = uni_clock_now();
	int rc = uni_index_list_load(&all->list, err);
	if (rc != 0)
		return rc;
	all->items = uni_alloc_array(all->list.count + 1, sizeof(*all->items));
	for (size_t i = 0; i < all->list.count; i++)
		if (is_here(&all->list.items[i]))
			all->items[all->count++] = (struct index){
				.entry = &all->list.items[i],
				.kind = index_kind_of(all->list.items[i].url),
			};
	*out = all;
	all = NULL;
	return 0;
}

void uni_indexes_free(struct uni_indexes *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].open != NULL)
			all->items[i].kind->close(all->items[i].open);
	for (size_t i = 0; i < all->known_count; i++)
		uni_index_package_free(all->known[i]);
	free(all->known);
	free(all->items);
	uni_index_list_free(&all->list);
	free(all);
}

size_t uni_indexes_count(const struct uni_indexes *all)
{
	return all->count;
}

static int open_index(struct uni_indexes *all, struct index *index, struct uni_err *err)
{
	return index->open != NULL
		       ? 0
		       : index->kind->open(&index->open, index->entry, &all->options, err);
}

static int refresh(struct uni_indexes *all, struct index *index, struct uni_err *err)
{
	if (index->fresh)
		return 0;
	int rc = open_index(all, index, err);
	if (rc == 0)
		rc = index->kind->refresh(index->open, err);
	index->fresh = rc == 0;
	return rc != 0 ? uni_err_context(err, "index %s", index->entry->name) : 0;
}

static const struct uni_index_package *find_known(const struct uni_indexes *all, const char *name)
{
	for (size_t i = 0; i < all->known_count; i++)
		if (uni_str_eq(all->known[i]->name, name))
			return all->known[i];
	return NULL;
}

struct index *indexes_item(struct uni_indexes *all, size_t number)
{
	return number < all->count ? &all->items[number] : NULL;
}

size_t indexes_fresh(const struct uni_indexes *all)
{
	size_t count = 0;
	while (count < all->count && all->items[count].fresh)
		count++;
	return count;
}

const struct uni_indexes_options *indexes_options(const struct uni_indexes *all)
{
	return &all->options;
}

int indexes_get(struct uni_indexes *all, const char *name, struct index **index,
		struct uni_err *err)
{
	*index = NULL;
	for (size_t i = 0; i < all->count; i++)
		if (uni_str_eq(all->items[i].entry->name, name))
			*index = &all->items[i];
	if (*index != NULL)
		return open_index(all, *index, err);
	uni_err_set(err, UNI_E_NOENT, "the index %s is not known", name);
	return uni_err_hint(err, "\"uni index add %s URL\" names it", name);
}

int indexes_probe(struct uni_indexes *all, struct index *index, struct uni_err *err)
{
	if (index->fresh)
		return 1;
	int rc = open_index(all, index, err);
	if (rc == 0)
		rc = index->kind->probe(index->open, err);
	return rc < 0 ? uni_err_context(err, "index %s", index->entry->name) : rc;
}

int indexes_ahead(struct uni_indexes *all, const struct uni_strv *names, struct uni_err *err)
{
	struct uni_strv left UNI_AUTO_STRV = { .items = NULL };
	int rc = 0;
	for (size_t i = 0; i < names->count; i++)
		if (find_known(all, names->items[i]) == NULL &&
		    !uni_strv_has(&left, names->items[i]))
			uni_strv_add(&left, names->items[i]);
	for (size_t i = 0; rc == 0 && i < all->count && left.count > 1; i++) {
		struct index *index = &all->items[i];
		rc = refresh(all, index, err);
		if (rc == 0)
			rc = index->kind->ahead(index->open, &left, err);
	}
	return rc;
}

int uni_indexes_refresh(struct uni_indexes *all, const char *name, struct uni_err *err)
{
	bool found = name == NULL;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		if (name != NULL && !uni_str_eq(all->items[i].entry->name, name))
			continue;
		found = true;
		rc = refresh(all, &all->items[i], err);
	}
	if (rc == 0 && !found)
		rc = uni_err_set(err, UNI_E_NOENT, "there is no index %s", name);
	return rc;
}

static int read_file(struct uni_indexes *all, struct index *index, const char *path, uint64_t limit,
		     struct uni_buf *out, struct uni_err *err)
{
	int rc = refresh(all, index, err);
	return rc == 0 ? index->kind->read(index->open, path, limit, out, err) : rc;
}

static int find_in(struct uni_indexes *all, struct index *index, const char *name,
		   const struct uni_index_package **package, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_index_package *found = NULL;
	char *path UNI_AUTO_FREE = uni_asprintf("packages/%s.json", name);
	int rc = read_file(all, index, path, PACKAGE_JSON_MAX, &text, err);
	if (rc == 0)
		rc = uni_index_package_parse(&found, name, uni_buf_text(&text), text.size, err);
	if (rc != 0)
		return rc;
	found->index = uni_strdup(index->entry->name);
	UNI_PUSH_ROOM(all->known, all->known_count, all->known_room);
	all->known[all->known_count++] = found;
	*package = found;
	return 0;
}

int uni_indexes_find(struct uni_indexes *all, const char *name,
		     const struct uni_index_package **package, struct uni_err *err)
{
	*package = find_known(all, name);
	if (*package != NULL)
		return 0;
	for (size_t i = 0; i < all->count; i++) {
		int rc = find_in(all, &all->items[i], name, package, err);
		if (rc != UNI_E_NOENT)
			return rc;
	}
	uni_err_set(err, UNI_E_NOENT, "no index has a package %s", name);
	return uni_err_hint(err, "\"uni index add\" names an index, \"uni search\" looks in them");
}

static bool matches(const char *name, const char *description, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasestr(name, *words) == NULL &&
		    (description == NULL || strcasestr(description, *words) == NULL))
			return false;
	return true;
}

struct search {
	const char *index;
	const char *const *words;
	int (*fn)(void *user, const char *index, const char *name, const char *version,
		  const char *description);
	void *user;
};

static int search_one(void *user, const char *name, const struct uni_json *entry,
		      struct uni_err *err)
{
	const struct search *s = user;
	const char *description = uni_json_text(uni_json_get(entry, "description"));
	const char *version = uni_json_text(uni_json_get(entry, "version"));
	(void)err;
	if (version == NULL || !matches(name, description, s->words))
		return 0;
	return s->fn(s->user, s->index, name, version, description);
}

int uni_indexes_search(struct uni_indexes *all, const char *const *words,
		       int (*fn)(void *user, const char *index, const char *name,
				 const char *version, const char *description),
		       void *user, struct uni_err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
		struct uni_json *json UNI_AUTO(uni_json) = NULL;
		struct search s = { all->items[i].entry->name, words, fn, user };
		rc = read_file(all, &all->items[i], "names.json", NAMES_JSON_MAX, &text, err);
		if (rc == UNI_E_NOENT && all->items[i].fresh) {
			uni_err_clear(err);
			rc = 0; /* nothing is published yet */
			continue;
		}
		if (rc == 0)
			rc = uni_json_parse(&json, "names.json", uni_buf_text(&text), text.size,
					    err);
		if (rc == 0)
			rc = uni_json_each(json, search_one, &s, err);
	}
	return rc;
}
