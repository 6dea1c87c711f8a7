/*
 * Packages in the store. The record's text says again what package.json says of the package as a
 * whole, so that finding one opens one file.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/recipes/version.h>

#define META_FIRST "uni-package 1\n"

void uni_installed_free(struct uni_installed *installed)
{
	if (installed == NULL)
		return;
	uni_package_free(installed->package);
	uni_store_record_free(&installed->record);
	free(installed);
}

char *installed_ref(const struct uni_package *package)
{
	return uni_asprintf(PACKAGE_REFS "/%s/%s/%s", package->name, package->version,
			    package->arch);
}

static void line(struct uni_buf *out, const char *key, const char *value)
{
	if (value != NULL)
		uni_buf_printf(out, "%s %s\n", key, value);
}

char *installed_meta(const struct uni_package *package)
{
	struct uni_buf out = UNI_BUF_INIT;

	uni_buf_puts(&out, META_FIRST);
	line(&out, "name", package->name);
	line(&out, "version", package->version);
	line(&out, "arch", package->arch);
	line(&out, "kind", uni_package_kind_name(package->kind));
	line(&out, "description", package->description);
	line(&out, "licence", package->licence);
	line(&out, "member", package->member);
	for (size_t i = 0; i < package->requires.count; i++)
		line(&out, "requires", package->requires.items[i]);
	uni_buf_puts(&out, "modes ");
	for (size_t i = 0; i < package->file_count; i++)
		uni_buf_putc(&out, package->files[i].mode == 0755 ? 'x' : '-');
	uni_buf_putc(&out, '\n');
	return uni_buf_take(&out);
}

static void take_line(struct uni_package *package, const char *key, const char *value,
		      const char **modes)
{
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{ "name", &package->name },	  { "version", &package->version },
		{ "arch", &package->arch },	  { "description", &package->description },
		{ "licence", &package->licence }, { "member", &package->member },
	};

	for (size_t i = 0; i < UNI_COUNT(texts); i++)
		if (strcmp(key, texts[i].key) == 0 && *texts[i].to == NULL)
			*texts[i].to = uni_strdup(value);
	if (strcmp(key, "kind") == 0)
		(void)uni_package_kind_parse(value, &package->kind);
	else if (strcmp(key, "requires") == 0)
		uni_strv_add(&package->requires, value);
	else if (strcmp(key, "modes") == 0)
		*modes = value;
}

/* Files as the record's entries have them; the description's own entry comes last. */
static bool take_files(struct uni_package *package, const struct uni_store_record *record,
		       const char *modes)
{
	size_t count = record->count - 1;

	if (modes == NULL || strlen(modes) != count)
		return false;
	package->files = uni_alloc_array(count + 1, sizeof(*package->files));
	for (; package->file_count < count; package->file_count++) {
		const struct uni_store_entry *entry = &record->entries[package->file_count];

		package->files[package->file_count] = (struct uni_package_file){
			.path = uni_strdup(entry->name),
			.mode = modes[package->file_count] == 'x' ? 0755 : 0644,
			.size = entry->size,
			.digest = entry->digest,
		};
	}
	return true;
}

static int decode(struct uni_installed *installed, const char *ref, struct uni_err *err)
{
	const struct uni_store_record *record = &installed->record;
	char *meta UNI_AUTO_FREE = uni_strdup(record->meta != NULL ? record->meta : "");
	struct uni_package *package = uni_alloc(sizeof(*package));
	const char *modes = NULL;
	char *save = NULL;

	installed->package = package;
	if (record->count == 0 ||
	    strcmp(record->entries[record->count - 1].name, PACKAGE_JSON) != 0 ||
	    !uni_str_starts(meta, META_FIRST))
		return uni_err_set(err, UNI_E_CORRUPT, "%s: not a package", ref);
	installed->digest = record->entries[record->count - 1].digest;
	for (char *l = strtok_r(meta, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(l, ' ');

		if (space == NULL)
			continue;
		*space = '\0';
		take_line(package, l, space + 1, &modes);
	}
	if (!take_files(package, record, modes) || uni_package_check(package, err) != 0)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: its record is damaged", ref);
	return 0;
}

int installed_decode(struct uni_store_record *record, const char *name,
		     struct uni_installed **installed, struct uni_err *err)
{
	struct uni_installed *made UNI_AUTO(uni_installed) = uni_alloc(sizeof(*made));
	int rc;

	*installed = NULL;
	made->record = *record;
	*record = (struct uni_store_record)UNI_STORE_RECORD_INIT;
	rc = decode(made, name, err);
	if (rc != 0)
		return rc;
	*installed = made;
	made = NULL;
	return 0;
}

static int load(struct uni_store *store, const char *ref, struct uni_installed **installed,
		struct uni_err *err)
{
	struct uni_store_record record;
	int rc = uni_store_ref_get(store, ref, &record, err);

	*installed = NULL;
	return rc != 0 ? rc : installed_decode(&record, ref, installed, err);
}

/* "packages/NAME/VERSION/ARCH", taken apart; false for anything else. */
struct ref_parts {
	char *name;
	char *version_text;
	char *arch;
	struct uni_version version;
};

static bool ref_split(char *ref, struct ref_parts *parts)
{
	char *save = NULL;

	if (strtok_r(ref, "/", &save) == NULL)
		return false;
	parts->name = strtok_r(NULL, "/", &save);
	parts->version_text = strtok_r(NULL, "/", &save);
	parts->arch = strtok_r(NULL, "/", &save);
	return parts->arch != NULL && strtok_r(NULL, "/", &save) == NULL &&
	       uni_version_parse(parts->version_text, &parts->version);
}

/* Newest first; of one version the architecture's own before "any". */
static bool better(const struct ref_parts *a, const struct ref_parts *b)
{
	int order = uni_version_cmp(&a->version, &b->version);

	if (order == 0)
		order = strcmp(a->version_text, b->version_text);
	return order != 0 ? order > 0 : strcmp(b->arch, "any") == 0 && strcmp(a->arch, "any") != 0;
}

/* The name in the store that is meant, perhaps. Owned. */
static char *near_name(struct uni_store *store, const char *name)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	struct uni_err ignored = UNI_ERR_INIT;
	const char *near;

	if (uni_store_ref_list(store, PACKAGE_REFS, &refs, &ignored) != 0)
		return NULL;
	for (size_t i = 0; i < refs.count; i++) {
		struct ref_parts parts;

		/* The list keeps the names alone. */
		if (ref_split(refs.items[i], &parts))
			memmove(refs.items[i], parts.name, strlen(parts.name) + 1);
		else
			refs.items[i][0] = '\0';
	}
	near = uni_str_nearest(name, (const char *const *)refs.items, refs.count);
	return near != NULL ? uni_strdup(near) : NULL;
}

static int not_found(struct uni_store *store, const char *name, const char *range, const char *arch,
		     bool others, struct uni_err *err)
{
	char *near UNI_AUTO_FREE = others ? NULL : near_name(store, name);

	uni_err_set(err, UNI_E_NOENT, "package %s%s%s for %s is not in the store", name,
		    range != NULL ? "@" : "", range != NULL ? range : "", arch);
	if (others)
		return uni_err_hint(err, "other versions are; see \"uni list\"");
	if (near != NULL)
		return uni_err_hint(err, "did you mean \"%s\"?", near);
	return uni_err_hint(err, "\"uni install FILE%s\" puts it there", UNI_PACKAGE_SUFFIX);
}

/* The best of the references in `refs`; its parts point into their texts. */
static bool choose_ref(struct uni_strv *refs, const struct uni_range *wanted, const char *arch,
		       struct ref_parts *best)
{
	bool found = false;

	for (size_t i = 0; i < refs->count; i++) {
		struct ref_parts parts;

		if (!ref_split(refs->items[i], &parts) ||
		    (wanted != NULL && !uni_range_has(wanted, &parts.version)) ||
		    (strcmp(parts.arch, arch) != 0 && strcmp(parts.arch, "any") != 0) ||
		    (found && !better(&parts, best)))
			continue;
		*best = parts;
		found = true;
	}
	return found;
}

int uni_package_find(struct uni_store *store, const char *name, const char *range, const char *arch,
		     struct uni_installed **installed, struct uni_err *err)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	char *prefix UNI_AUTO_FREE = uni_path_join(PACKAGE_REFS, name);
	struct uni_range wanted;
	struct ref_parts best;
	int rc;

	*installed = NULL;
	if (range != NULL && !uni_range_parse(range, &wanted))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is no range of versions", range);
	rc = uni_store_ref_list(store, prefix, &refs, err);
	if (rc != 0)
		return uni_err_context(err, "package %s", name);
	if (!choose_ref(&refs, range != NULL ? &wanted : NULL, arch, &best))
		return not_found(store, name, range, arch, refs.count != 0, err);
	{
		char *ref UNI_AUTO_FREE = uni_asprintf(PACKAGE_REFS "/%s/%s/%s", best.name,
						       best.version_text, best.arch);

		return load(store, ref, installed, err);
	}
}

char *uni_package_newest(struct uni_store *store, const char *name, const char *range,
			 const char *arch)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	char *prefix UNI_AUTO_FREE = uni_path_join(PACKAGE_REFS, name);
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_range wanted;
	struct ref_parts best;

	if ((range != NULL && !uni_range_parse(range, &wanted)) ||
	    uni_store_ref_list(store, prefix, &refs, &ignored) != 0 ||
	    !choose_ref(&refs, range != NULL ? &wanted : NULL, arch, &best))
		return NULL;
	return uni_strdup(best.version_text);
}

struct listed {
	char *ref; /* whole */
	char *text;
	struct ref_parts parts;
};

static int listed_cmp(const void *va, const void *vb)
{
	const struct listed *a = va, *b = vb;
	int order = strcmp(a->parts.name, b->parts.name);

	if (order != 0)
		return order;
	return better(&a->parts, &b->parts) ? -1 : better(&b->parts, &a->parts) ? 1 : 0;
}

static int list_all(struct uni_store *store, const struct listed *items, size_t count,
		    int (*fn)(void *user, const struct uni_installed *installed,
			      struct uni_err *err),
		    void *user, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;

		rc = load(store, items[i].ref, &installed, err);
		if (rc == 0)
			rc = fn(user, installed, err);
	}
	return rc;
}

int uni_package_list(struct uni_store *store,
		     int (*fn)(void *user, const struct uni_installed *installed,
			       struct uni_err *err),
		     void *user, struct uni_err *err)
{
	struct uni_strv refs UNI_AUTO_STRV = { .items = NULL };
	struct listed *items;
	size_t count = 0;
	int rc = uni_store_ref_list(store, PACKAGE_REFS, &refs, err);

	if (rc != 0)
		return rc;
	items = uni_alloc_array(refs.count + 1, sizeof(*items));
	for (size_t i = 0; i < refs.count; i++) {
		struct listed item = { .ref = refs.items[i], .text = uni_strdup(refs.items[i]) };

		if (ref_split(item.text, &item.parts))
			items[count++] = item;
		else
			free(item.text);
	}
	qsort(items, count, sizeof(*items), listed_cmp);
	rc = list_all(store, items, count, fn, user, err);
	for (size_t i = 0; i < count; i++)
		free(items[i].text);
	free(items);
	return rc;
}

bool uni_package_stamp(struct uni_store *store, const char *name, const char *version,
		       const char *arch, struct uni_store_stamp *stamp)
{
	char *ref UNI_AUTO_FREE = uni_asprintf(PACKAGE_REFS "/%s/%s/%s", name, version, arch);

	return uni_store_ref_stamp(store, ref, stamp);
}

int uni_package_remove(struct uni_store *store, const struct uni_package *package,
		       struct uni_err *err)
{
	char *name UNI_AUTO_FREE = installed_ref(package);

	return uni_store_ref_remove(store, name, err);
}
